"""The desk itself: stages, dead letters, rules; and what analytics knows: SQL, bars, what an order would cost.

Flows in: requests. Flows out: what the stages tell of themselves in Redis; answers of analytics, marked as such. Never
keeps the loop waiting: what asks with a library of its own does so in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import redis
from fastapi import APIRouter, Query, Request, Response

from fillstream.client.aio import AsyncClient
from fillstream.client.analytics import AnalyticsError, Asking, Found, quoted
from fillstream.client.scripts import Http, Script
from fillstream.client.sync import Client
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.messages.routing import RoutingTerms
from fillstream.libs.common.messages.signals import NewOrder
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import caller_of
from fillstream.services.gateway.http.describing import REFUSALS, body, takes, thing
from fillstream.services.gateway.http.exact import MAX_BODY_BYTES, object_of
from fillstream.services.gateway.http.pages import DEFAULT_PAGE, MAX_PAGE, answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.v1.orders import EXAMPLE, Limit, asking_of
from fillstream.services.gateway.v1.positions import chosen
from fillstream.tools.algorithm_pages import pages
from fillstream.tools.dead_letters import CannotRedrive, letter, marks_of, redrive
from fillstream.tools.desk_terms import Ask, known_of, terms_of, volume_of
from fillstream.tools.preview import preview
from fillstream.tools.route_preview import preview_route
from fillstream.tools.status import states

SQL, ADMIN, SEE, ORDERS, MARKET = "sql:read", "admin", "controls:read", "orders:read", "market:read"
MAX_SQL_ROWS: Final = 10_000
PREVIEWED: Final = (
    "side", "quantity", "order_type", "price", "time_in_force", "notional", "risk_amount", "stop_price",
    "trailing_offset", "trailing_offset_type", "trigger_price_type", "expire_time", "stop_loss", "take_profit",
    "trailing_stop",
)  # fmt: skip
"""What of an order a preview looks at: nothing that depends on what its account holds or is worth."""
QUESTION: Final = body(
    thing(
        "A question.",
        ("sql",),
        sql={"type": "string", "description": "one SELECT"},
        limit={"type": "integer", "minimum": 1, "maximum": MAX_SQL_ROWS, "description": "rows, 1 000 by default"},
    ),
    {"sql": "SELECT symbol, sum(last_qty) AS traded FROM fills GROUP BY symbol", "limit": 100},
)
PREVIEW: Final = takes(NewOrder, EXAMPLE, given=("type",))
REDRIVE: Final = body(
    thing(
        "What is changed of it.",
        set={
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "fields of the entry that are otherwise now",
        },
        again={"type": "boolean", "description": "whether one that was sent again already is once more"},
    ),
    {"set": {"quantity": "10"}},
    needed=False,
)
Result = TypeVar("Result")

logger = logging.getLogger(__name__)

router = APIRouter(tags=["the desk"], responses=dict(REFUSALS))


class Behind:
    """What stands behind the gateway, for who asks about more than the public streams tell.

    Args:
        redis_url: of the desk.
        topology: of the desk.
        analytics_url: where analytics answers; None for where it says itself.
        archivists: readers that hold trimming though they have left no mark yet.
        routing: which orders are routed, by the configuration.
    """

    def __init__(
        self, redis_url: str, topology: Any, analytics_url: str | None, archivists: Collection[str],
        routing: RoutingTerms,
    ) -> None:  # fmt: skip
        self.archivists, self.routing = archivists, routing
        self._asking = Asking(topology, analytics_url)
        self._url = redis_url
        self._topology = topology
        self._analytics_url = analytics_url
        self.analytics = AsyncClient(redis_url, topology, analytics_url=analytics_url)

    async def with_redis(self, ask: Callable[[redis.Redis], Result]) -> Result:
        """Return what is asked of Redis in a thread.

        Raises:
            Refusal: 503: it does not answer.
        """

        def run() -> Result:
            with redis.Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=5) as client:
                return ask(client)

        try:
            return await asyncio.to_thread(run)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Refusal(503, "redis_away", f"redis: {error}", {"Retry-After": "1"}) from None
        except redis.exceptions.NoPermissionError as error:
            raise Refusal(403, "not_permitted", f"redis: the gateway's user may not: {error}") from None

    async def sql(self, text: str, limit: int) -> Found:
        """Return what analytics answers.

        Raises:
            AnalyticsError: it does not, or refuses.
        """
        try:
            return await self.analytics.sql(text, limit=limit)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise AnalyticsError(f"Redis, which knows where it is, does not answer: {error}") from error

    async def through(self, method: str, path: str, **asked: Any) -> Any:
        """Return analytics' response to a request, whatever it says.

        Args:
            method, path: of the request.
            asked: `params` and `json`, as `Http` has them.

        Raises:
            AnalyticsError: it does not answer.
        """

        def ask() -> Script[Any]:
            url = yield from self._asking.url()
            return (yield Http(method, f"{url}{path}", **asked))

        try:
            return await self.analytics.run(ask())
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise AnalyticsError(f"Redis, which knows where it is, does not answer: {error}") from error

    async def older_order(self, order_id: str) -> dict[str, Any] | None:
        """Return an order's row by analytics, None where it has none or does not answer."""
        if not order_id.isdecimal() or len(order_id) > 20:
            return None
        try:
            found = await self.sql(f"SELECT * FROM orders WHERE order_id = {quoted(order_id)}", limit=1)  # noqa: S608
        except AnalyticsError as error:
            logger.info("order %s is not known here, and analytics is not asked: %s", order_id, error)
            return None
        return found.rows[0] if found.rows else None

    async def with_client(self, ask: Callable[[Client], Result]) -> Result:
        """Return what is asked of analytics in a thread, by the blocking client."""

        def run() -> Result:
            with Client(self._url, self._topology, analytics_url=self._analytics_url) as client:
                return ask(client)

        try:
            return await asyncio.to_thread(run)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Refusal(503, "redis_away", f"redis: {error}", {"Retry-After": "1"}) from None


def behind_of(request: Request) -> Behind:
    """Return what stands behind the gateway."""
    behind: Behind = request.app.state.behind
    return behind


def refusal_of(error: AnalyticsError) -> Refusal:
    """Return what analytics said, or that it says nothing."""
    if error.status is None or error.status >= 500:
        return Refusal(503, "analytics_away", f"analytics: {error}", {"Retry-After": "5"})
    return Refusal(422, "bad_query", f"sql: {error}")


# ---------------------------------------------------------------------------------------------------------- analytics


@router.post("/sql", openapi_extra=QUESTION, summary="A question to analytics")
async def sql(request: Request) -> Response:
    """Answer `{"sql": "SELECT …", "limit": 1000}`: read only, as analytics allows; it is some seconds behind."""
    caller = caller_of(request)
    caller.need(SQL)
    caller.need_all_accounts()
    said = await object_of(request, MAX_BODY_BYTES)
    text, limit = said.get("sql"), said.get("limit", Decimal(1_000))
    if not isinstance(text, str):
        raise Refusal(422, "bad_value", f"sql: {shorten(text)} must be a SELECT")
    if not isinstance(limit, Decimal) or limit != limit.to_integral_value() or not 0 < limit <= MAX_SQL_ROWS:
        raise Refusal(422, "bad_value", f"limit: {shorten(limit)} must be 1 to {MAX_SQL_ROWS}")
    try:
        found = await behind_of(request).sql(text, limit=int(limit))
    except AnalyticsError as error:
        raise refusal_of(error) from None
    return answer(request, {"source": "analytics", **found.json()})


@router.get("/bars/{symbol}", summary="Bars")
async def bars(
    request: Request,
    symbol: str,
    venue: str = SIM,
    interval_s: Annotated[int, Query(ge=1, le=86_400, description="how long a bar is, in seconds")] = 60,
    since: Annotated[int, Query(ge=0, description="ms since 1970")] = 0,
    limit: Limit = DEFAULT_PAGE,
) -> Response:
    """Return open, high, low, close and volume of the market's trades, the newest bars, oldest first, by analytics."""
    caller_of(request).need(MARKET)
    if symbol not in asking_of(request).desk.terms.instruments:
        raise Refusal(404, "unknown_symbol", f"symbol: {shorten(symbol)} is none of this desk's")
    bucket = f"(epoch_ms(time) // {interval_s * 1000}) * {interval_s * 1000}"
    text = (
        f"SELECT * FROM (SELECT {bucket} AS begin_time, arg_min(price, trade_number) AS open, max(price) AS high, "  # noqa: S608
        "min(price) AS low, arg_max(price, trade_number) AS close, sum(quantity) AS volume, count(*) AS trades "
        f"FROM trades WHERE symbol = {quoted(symbol)} AND venue = {quoted(venue)} AND epoch_ms(time) >= {since} "
        f"GROUP BY 1 ORDER BY 1 DESC LIMIT {limit}) ORDER BY begin_time"
    )
    try:
        found = await behind_of(request).sql(text, limit=limit)
    except AnalyticsError as error:
        raise refusal_of(error) from None
    body = {"source": "analytics", "symbol": symbol, "venue": venue, "interval_s": interval_s, "bars": found.rows}
    return answer(request, {**body, **({"incomplete": found.incomplete} if found.incomplete else {})})


@router.post("/orders/preview", openapi_extra=PREVIEW, summary="What an order would do")
async def previewed(request: Request, slippage: str = "spread") -> Response:
    """Tell what an order would cost, its fee, which rule would refuse it and where it would be routed; send nothing."""
    caller = caller_of(request)
    caller.need(ORDERS)
    said = await object_of(request)
    symbol, account = said.get("symbol"), said.get("account", DEFAULT_ACCOUNT)
    if not isinstance(symbol, str) or not isinstance(account, str):
        raise Refusal(422, "bad_value", "symbol: is missing" if symbol is None else "account: must be a name")
    caller.need_account(asking_of(request).desk.terms.account_of(account))
    order = {name: None if said.get(name) is None else str(said[name]) for name in PREVIEWED}

    routing, shown = behind_of(request).routing, asking_of(request).shown(symbol)

    def judge(client: Client) -> Mapping[str, Any]:
        def rows(text: str) -> list[dict[str, Any]]:
            return client.sql(text).rows

        venue = said.get("venue")
        terms = terms_of(rows, symbol, account, None if venue is None else str(venue), shown)
        found = preview(terms, order, slippage, volume_of(rows, symbol)).as_dict()
        return {"preview": found, "route": None if venue else _routed(rows, routing, {**said, **order}, account)}

    try:
        found = await behind_of(request).with_client(judge)
    except AnalyticsError as error:
        raise refusal_of(error) from None
    except ValueError as error:
        raise Refusal(422, "bad_value", str(error)) from None
    return answer(request, {"source": "analytics", **found})


def _routed(ask: Ask, routing: RoutingTerms, order: Mapping[str, Any], account: str) -> dict[str, Any] | None:
    """Return where an order would be routed; None of one that would go where account and instrument say.

    Raises:
        ValueError: its policy or a venue is none of the desk's.
    """
    policy, venues = order.get("routing"), order.get("venues") or ()
    named = tuple(str(each).strip() for each in (venues.split(",") if isinstance(venues, str) else venues))
    if order.get("quantity") is None or not (policy or named or routing):
        return None
    known = known_of(ask, str(order["symbol"]), account)
    wanted = None if policy is None else str(policy).upper()
    found = preview_route(known, order, routing, time.time_ns() // 1_000_000, wanted, named)
    return None if found.decided_by.startswith("nothing") else found.as_dict()


# ------------------------------------------------------------------------------------------------------------ the desk


@router.get("/stages", summary="How the stages are")
async def stages(request: Request) -> Response:
    """Return each stage: its state, lag, throughput, snapshot, and who keeps its streams from being trimmed."""
    caller_of(request).need(SEE)
    asking = asking_of(request)
    behind = behind_of(request)
    found = await behind.with_redis(lambda client: states(client, asking.topology, behind.archivists))
    gateway = {"entries": asking.desk.entries, "gaps": asking.desk.gaps, "as_of": asking.as_of()}
    return answer(request, {"stages": [each.as_dict() for each in found], "gateway": gateway})


@router.get("/dead", summary="Dead letters, the newest first")
async def dead(request: Request, limit: Limit = DEFAULT_PAGE) -> Response:
    """List entries that nobody could use, with the reason."""
    caller = caller_of(request)
    caller.need(ADMIN)
    caller.need_all_accounts()
    asking = asking_of(request)
    found = chosen(caller, reversed(asking.desk.dead), {}, limit)
    return answer(request, {"as_of": asking.as_of("dead"), "dead": found})


@router.get("/dead/redriven", summary="Which dead letters were sent again")
async def redriven_before(
    request: Request, letter_id: Annotated[list[str], Query(max_length=MAX_PAGE, description="may be repeated")]
) -> Response:
    """Return of each of these letters the id of the entry that it was sent again as; none of one that was not."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(ADMIN)
    caller.need_all_accounts()
    marks = await behind_of(request).with_redis(lambda client: marks_of(client, asking.topology, letter_id))
    return answer(request, {"redriven": {each: mark for each, mark in zip(letter_id, marks, strict=True) if mark}})


@router.post("/dead/{letter_id}/redrive", openapi_extra=REDRIVE, summary="Send a dead letter again")
async def redriven(request: Request, letter_id: str) -> Response:
    """Append a dead letter's entry again, `{"set": {FIELD: VALUE}, "again": false}`; it is marked, and goes once."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(ADMIN)
    caller.need_all_accounts()
    said = await object_of(request)
    changes, again = said.get("set", {}), said.get("again", False)
    if not isinstance(changes, dict) or not all(isinstance(each, str) for each in changes.values()):
        raise Refusal(422, "bad_value", f"set: {shorten(changes)} must be an object of texts")
    number, _, serial = letter_id.partition("-")
    if not number.isdecimal() or not serial.isdecimal() or len(letter_id) > 41:
        raise Refusal(404, "unknown_letter", f"letter_id: {shorten(letter_id)} is no entry's id")

    def send(client: redis.Redis) -> str | None:
        it = letter(client, asking.topology, letter_id)
        return None if it is None else redrive(client, asking.topology, it, changes, again is True)

    try:
        sent = await behind_of(request).with_redis(send)
    except CannotRedrive as error:
        raise Refusal(409, "cannot_redrive", f"letter_id: {error}") from None
    if sent is None:
        raise Refusal(404, "unknown_letter", f"letter_id: {letter_id} is none of the stream dead")
    return answer(request, {"letter_id": letter_id, "redriven_as": sent})


@router.get("/algorithms", summary="What works orders in slices")
async def algorithms(request: Request) -> Response:
    """List the algorithms that come with the desk: what each does, what it may be told, an example."""
    caller_of(request).need(ORDERS)
    return answer(request, {"algorithms": pages()})


@router.get("/rules", summary="The desk's rules")
async def rules(request: Request) -> Response:
    """List the rules that are in force, and what became of each last."""
    caller = caller_of(request)
    caller.need(SEE)
    asking = asking_of(request)
    caller.need_all_accounts()  # a rule is of the whole desk, and what it does may tell of any account
    last = asking.desk.positions.rules
    found = [{**row, "last": last.get(name)} for name, row in sorted(asking.desk.terms.rules.items())]
    return answer(request, {"as_of": asking.as_of("events", "positions"), "rules": found})


@router.get("/risk", summary="Limits on risk")
async def risk(request: Request, account: str | None = None, limit: Limit = 1_000) -> Response:
    """List limits on portfolios' risk that were ever broken, and what accounts are worth and risk now."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need("accounts:read")
    whose = None if account is None else asking.desk.terms.account_of(account)
    positions = asking.desk.positions
    body = {
        "as_of": asking.as_of("positions"),
        "limits": chosen(caller, positions.risk.values(), {"account": whose}, limit),
        "accounts": chosen(caller, positions.accounts.values(), {"account": whose}, limit),
    }
    return answer(request, body)
