"""Reports: how profit and loss went, and how well orders were executed, by analytics.

Flows in: requests. Flows out: figures of a span of time, marked as analytics'. Never counts what analytics can: each is
one question to it, and only of accounts that who asks may see.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from fillstream.client.analytics import AnalyticsError, Found, quoted
from fillstream.services.gateway.http.access import Caller, caller_of
from fillstream.services.gateway.http.describing import REFUSALS
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.v1.desk import MAX_SQL_ROWS, behind_of, refusal_of
from fillstream.services.gateway.v1.orders import asking_of

WORTH, ORDERS = "accounts:read", "orders:read"
DAY_MS: Final = 86_400_000
MOST_REASONS: Final = 50

router = APIRouter(tags=["reports"], responses=dict(REFUSALS), prefix="/reports")

Since = Annotated[int | None, Query(ge=0, description="ms since 1970; the beginning of the UTC day without")]
Until = Annotated[int | None, Query(ge=0, description="ms since 1970, not included; as far as is known without")]
Points = Annotated[int, Query(ge=2, le=2_000, description="how many points a curve has at most")]


def _whose(request: Request, caller: Caller, account: str | None) -> str:
    """Return the condition that a row is of an account that is asked for, and that may be seen.

    Raises:
        Refusal: 403.
    """
    if account is not None:
        account = asking_of(request).desk.terms.account_of(account)
        caller.need_account(account)
        return f"account = {quoted(account)}"
    if caller.accounts:
        return f"account IN ({', '.join(quoted(each) for each in sorted(caller.accounts))})"
    return "true"


def _span(request: Request, since: int | None, until: int | None) -> tuple[int, int]:
    """Return the span that is asked for, by the log's time where nobody says one.

    Raises:
        Refusal: 422: it ends before it begins.
    """
    places = asking_of(request).desk.places.values()
    newest = max((int(each.partition("-")[0]) for each in places), default=0)
    until = newest + 1 if until is None else until
    since = (until - 1) // DAY_MS * DAY_MS if since is None else since
    if since >= until:
        raise Refusal(422, "bad_value", f"since: {since} must be before until, {until}")
    return since, until


async def _ask(request: Request, text: str) -> Found:
    try:
        return await behind_of(request).sql(text, limit=MAX_SQL_ROWS)
    except AnalyticsError as error:
        raise refusal_of(error) from None


# --------------------------------------------------------------------------------------------------------------- curves


@router.get("/equity", summary="How equity, and profit and loss, went")
async def equity(
    request: Request, account: str | None = None, since: Since = None, until: Until = None, points: Points = 300
) -> Response:
    """Return curves: net profit and loss of all accounts together, by currency; equity of each account that has one.

    A point is what stood at the end of its step; steps in which nothing moved have none.
    """
    caller = caller_of(request)
    caller.need(WORTH)
    whose = _whose(request, caller, account)
    begin, end = _span(request, since, until)
    step = max(1_000, -(-(end - begin) // points))
    found = await _ask(request, _curves(whose, begin, end, step))
    curves: dict[tuple[str, str | None, str], list[dict[str, Any]]] = {}
    for row in found.rows:
        curve = curves.setdefault((row["measure"], row["account"], row["currency"]), [])
        curve.append({"time": row["upto"], "value": row["value"]})
    told = [
        {"measure": measure, "account": of, "currency": currency, "points": curve}
        for (measure, of, currency), curve in curves.items()
    ]
    body = {"source": "analytics", "since": begin, "until": end, "step_ms": step, "curves": told}
    cut = f"points: there are more than {MAX_SQL_ROWS}, and the last curves are cut: ask for fewer, or for one account"
    return answer(request, {**body, "incomplete": [*found.incomplete, *([cut] if found.truncated else [])]})


def _time(ms: int) -> str:
    """Return milliseconds since 1970 as analytics has times: compared so, it reads what may be of them alone."""
    return f"make_timestamp({ms * 1000})"


def _curves(whose: str, begin: int, end: int, step: int) -> str:
    """Return the question for curves.

    What a position made is told as a sum since it began; what it made in a step is what that sum moved by. A step's
    place is its end, the span's beginning stands for all that was before.
    """
    # DuckDB's // rounds towards 0: what was before the span has a place of its own, its beginning.
    ends = f"least({end - 1}, {begin} + ((ms - {begin}) // {step} + 1) * {step})"
    at = f"CASE WHEN ms < {begin} THEN {begin} ELSE {ends} END"
    which = "account, symbol, hedged, began_time"
    inside, before = f"time >= {_time(begin)} AND time < {_time(end)}", f"time < {_time(begin)}"
    return (
        "WITH each AS ("  # noqa: S608 - names of our own, and quoted ones
        "SELECT account, currency, symbol, CASE WHEN position_mode IS NOT NULL THEN position_id END AS hedged, "
        "began_time, seq, time, realized_pnl - fees + coalesce(unrealized_pnl, 0) AS net "
        "FROM position_events WHERE type IN ('PositionChanged', 'PositionMarked', 'PositionAdjusted') "
        f"AND {whose}"
        f"), told AS (SELECT {which}, currency, seq, epoch_ms(time) AS ms, net FROM each "
        f"WHERE {inside} AND net IS NOT NULL "
        f"UNION ALL SELECT {which}, currency, max(seq), {begin - 1}, arg_max(net, seq) FROM each "
        f"WHERE {before} AND net IS NOT NULL GROUP BY ALL"
        "), moved AS ("
        "SELECT currency, ms, net - coalesce(lag(net) OVER "
        f"(PARTITION BY {which} ORDER BY seq), 0) AS moved FROM told"
        f"), steps AS (SELECT currency, {at} AS upto, sum(moved) AS moved FROM moved GROUP BY ALL"
        "), pnl AS ("
        "SELECT 'net_pnl' AS measure, NULL AS account, currency, upto, "
        "sum(moved) OVER (PARTITION BY currency ORDER BY upto) AS value FROM steps"
        "), worth AS ("
        f"SELECT 'equity' AS measure, account, currency, {at} AS upto, arg_max(equity, seq) AS value "
        "FROM (SELECT *, epoch_ms(time) AS ms FROM position_events WHERE type = 'AccountMarked' "
        f"AND {whose} AND time < {_time(end)}) WHERE equity IS NOT NULL GROUP BY ALL"
        ") SELECT * FROM pnl UNION ALL SELECT * FROM worth ORDER BY measure DESC, account, currency, upto"
    )


# ------------------------------------------------------------------------------------------------------------ execution


@router.get("/execution", summary="How well orders were executed")
async def execution(request: Request, account: str | None = None, since: Since = None, until: Until = None) -> Response:
    """Return, of orders received in a span, cost and speed by symbol and venue, and why others were refused."""
    caller = caller_of(request)
    caller.need(ORDERS)
    whose = _whose(request, caller, account)
    begin, end = _span(request, since, until)
    markets = await _ask(request, _executed(whose, begin, end))
    reasons = await _ask(
        request,
        f"SELECT reason, count(*) AS orders FROM rejects WHERE {whose} AND type = 'OrderRejected' "  # noqa: S608
        f"AND time >= {_time(begin)} AND time < {_time(end)} "
        f"GROUP BY ALL ORDER BY orders DESC, reason LIMIT {MOST_REASONS}",
    )
    body = {"source": "analytics", "since": begin, "until": end, "markets": markets.rows, "rejected": reasons.rows}
    return answer(request, {**body, "incomplete": markets.incomplete})


def _executed(whose: str, begin: int, end: int) -> str:
    value = "abs(CASE WHEN i.inverse THEN f.last_qty / f.last_px ELSE f.last_qty * f.last_px END * i.multiplier)"
    inside = f"c.time >= {_time(begin)} AND c.time < {_time(end)}"
    known = "nullif(sum(p.value) FILTER (c.{0} IS NOT NULL), 0)"
    weighted = f"CAST(sum(c.{{0}} * p.value) / {known} AS DECIMAL(18, 4)) AS {{0}}"
    spans = ", ".join(
        f"CAST(quantile_cont(l.{name}, {share}) AS DECIMAL(18, 1)) AS {name}_p{round(100 * share)}"
        for name in ("accepted_ms", "first_fill_ms")
        for share in (0.5, 0.99)
    )
    return (
        "WITH p AS ("  # noqa: S608 - names of our own, and quoted ones
        f"SELECT f.order_id, sum({value})::DOUBLE AS value, sum(f.fee) AS fees, count(*) AS fills, "
        f"sum(CASE WHEN f.liquidity = 'MAKER' THEN {value} END)::DOUBLE AS made "
        "FROM fills f JOIN instruments i ON i.symbol = f.symbol GROUP BY ALL"
        ") SELECT c.symbol, c.venue, any_value(i.currency) AS currency, count(*) AS orders, "
        "count(p.order_id) AS filled_orders, coalesce(sum(p.fills), 0)::BIGINT AS fills, "
        "CAST(sum(p.value) AS DECIMAL(38, 8)) AS notional, "
        f"sum(p.fees) AS fees, {weighted.format('slippage_bps')}, {weighted.format('expected_slippage_bps')}, "
        f"CAST(coalesce(sum(p.made), 0) / nullif(sum(p.value), 0) AS DECIMAL(9, 6)) AS maker_share, {spans} "
        "FROM costs c LEFT JOIN p USING (order_id) LEFT JOIN latency l USING (order_id) "
        "LEFT JOIN instruments i ON i.symbol = c.symbol "
        f"WHERE {'true' if whose == 'true' else f'c.{whose}'} AND {inside} "
        "AND c.order_id NOT IN (SELECT parent_id FROM events "
        f"WHERE type = 'OrderReceived' AND parent_id IS NOT NULL AND time >= {_time(begin)}) "
        "GROUP BY c.symbol, c.venue ORDER BY notional DESC NULLS LAST, c.symbol, c.venue"
    )
