"""The views of positions: what is held and what it made, where each is in its life, what ended, and exposures.

Flows in: the names of the contracts' fields. Flows out: one SELECT a view. Never stores anything.
"""

from __future__ import annotations

from fillstream.libs.common.messages.exits import ExitStatus
from fillstream.libs.common.messages.positions import PositionClosed, PositionEvent
from fillstream.libs.common.messages.targets import TargetStatus

OVER = "('Filled', 'Canceled', 'Rejected', 'Expired', 'Calculated')"
"""Statuses after which nothing of an order works."""
HEDGED = "CASE WHEN position_mode = 'HEDGING' THEN position_id END"
"""Which of several positions of its account in a symbol; null of the one that there is else."""
HEDGING = "SELECT account FROM events WHERE type = 'AccountDefined' AND position_mode = 'HEDGING'"
"""Accounts that hedge: a condition of events, which say no mode themselves."""
OF_ONE = ("avg_px", "mark_px", "mark_stale", "position_id")
"""What several flat positions have no common one of."""
NET_REALIZED = "(realized_pnl - fees)"
"""Fees count when they are paid, those of opening fills included; the average price knows nothing of them."""


def of_positions() -> dict[str, str]:
    """Return the query behind each view, by name, in the order they are to be made."""
    return {
        "positions": _positions(),
        "closed_positions": _closed_positions(),
        "position_states": _position_states(),
        "exposures": _exposures(),
    }


def _positions() -> str:
    """One row a position: after its last change or mark, its P&L gross and net of fees.

    That is one an account and symbol; of an account that hedges one for each that is open, and one of all those that
    are flat together, which has no position_id.
    """
    names = [name for name in PositionEvent.model_fields if name not in ("v", "seq", "time", "account", "symbol")]
    latest = ", ".join(f"arg_max_null({name}, seq) AS {name}" for name in names if name != "began_time")
    made = {
        **dict.fromkeys(OF_ONE, "NULL"),
        **{name: f"sum({name})" for name in ("realized_pnl", "fees", "cash", "unrealized_pnl")},
        "day_pnl": "sum(day_pnl) FILTER (CAST(updated AS DATE) = today)",
    }
    flat = ", ".join(f"{made.get(name, f'any_value({name})')} AS {name}" for name in names if name != "began_time")
    return (
        "WITH each AS ("  # noqa: S608
        f"SELECT account, symbol, {latest}, "
        "max(time) FILTER (type <> 'PositionMarked') AS changed, max(time) AS updated "
        f"FROM position_events WHERE position IS NOT NULL GROUP BY account, symbol, "
        f"{HEDGED}, CASE WHEN position_mode = 'HEDGING' THEN began_time END"
        "), every AS ("
        "SELECT * FROM each WHERE position <> 0 OR position_mode IS NULL UNION ALL BY NAME "
        f"SELECT account, symbol, {flat}, max(changed) AS changed, max(updated) AS updated "
        "FROM (SELECT *, max(CAST(updated AS DATE)) OVER (PARTITION BY account, symbol) AS today FROM each) "
        "WHERE position = 0 AND position_mode IS NOT NULL GROUP BY account, symbol"
        f") SELECT *, {NET_REALIZED} AS net_realized_pnl, {NET_REALIZED} + unrealized_pnl AS net_pnl FROM every"
    )


def _closed_positions() -> str:
    """One row a position that came to its end, by the newest word on it; none of one that a bust made open again.

    A fill that opens one under a name that was used before opens another.
    """
    names = ", ".join(name for name in PositionClosed.model_fields if name not in ("type", "v", "seq", "time"))
    return (
        f"SELECT {names}, time AS closed_time, gross_pnl - paid_fees AS net_pnl FROM ("  # noqa: S608 - names of our own
        "SELECT *, coalesce(max(seq) FILTER (position <> 0 AND restated = 'recomputed') OVER whose, 0) AS opened, "
        "row_number() OVER (PARTITION BY account, symbol, position_id, type, opened_time ORDER BY seq DESC) AS nth "
        "FROM position_events WHERE type IN ('PositionChanged', 'PositionClosed') "
        "WINDOW whose AS (PARTITION BY account, symbol, position_id)) "
        "WHERE type = 'PositionClosed' AND nth = 1 AND seq > opened AND fills > 0"
    )


def _position_states() -> str:
    """One row a position that is or was, for which something works, or that is to be reached: where it is.

    That is one an account and symbol. Of an account that hedges there is one for each position_id, and one of those
    that are flat together.

    `position_status` is document 002's: PLANNED (flat; an order that the desk holds, or a target that waits), OPENING
    (flat; an order works), OPEN, ADJUSTING (open; an order works, or a target is not reached), CLOSING (open; orders
    that work against it would close it whole, or an exit of it was reached), CLOSED (flat). What waits to protect it,
    stops and exits of brackets, is no part of that; what a worked order makes counts with it.
    """
    waits = f"('{TargetStatus.WAITING}', '{TargetStatus.WORKING}', '{TargetStatus.RETRYING}')"
    fired = f"('{ExitStatus.TRIGGERED}', '{ExitStatus.FAILED}')"
    return (
        "WITH newest AS ("  # noqa: S608 - names of our own
        "SELECT order_id, any_value(account) AS account, any_value(symbol) AS symbol, any_value(side) AS side, "
        "any_value(parent_id) AS parent_id, arg_max(ord_status, seq) AS ord_status, "
        "arg_max(leaves_qty, seq) AS leaves_qty, arg_min(order_type, seq) AS order_type, "
        "bool_or(type = 'OrderTriggered') AS triggered, "
        f"CASE WHEN any_value(account) IN ({HEDGING}) "
        "THEN coalesce(any_value(position_id), order_id) ELSE '' END AS named "
        "FROM events WHERE order_id IS NOT NULL AND side IS NOT NULL GROUP BY order_id"
        f"), every AS (SELECT account, symbol, position, coalesce({HEDGED}, '') AS named FROM positions"
        "), held AS (SELECT * FROM every WHERE position <> 0"
        "), live AS (SELECT n.*, coalesce(n.order_type NOT IN ('MARKET', 'LIMIT') AND NOT triggered "
        "AND side = CASE WHEN h.position > 0 THEN 'SELL' ELSE 'BUY' END AND h.position <> 0, false) AS protects "
        "FROM newest n LEFT JOIN held h USING (account, symbol, named) "
        f"WHERE ord_status NOT IN {OVER} AND leaves_qty > 0"
        "), working AS (SELECT account, symbol, named, "
        "coalesce(sum(leaves_qty) FILTER (side = 'BUY'), 0) AS working_buy_qty, "
        "coalesce(sum(leaves_qty) FILTER (side = 'SELL'), 0) AS working_sell_qty, "
        "count(*) FILTER (ord_status <> 'Suspended') AS at_venues FROM live "
        "WHERE parent_id IS NULL AND NOT protects GROUP BY ALL"
        "), aimed AS (SELECT account, symbol, '' AS named, arg_max(target_qty, asked_time) AS target_qty FROM targets "
        f"WHERE target_status IN {waits} GROUP BY ALL"
        "), leaving AS (SELECT account, symbol, "
        f"CASE WHEN account IN ({HEDGING}) THEN position_id ELSE '' END AS named, count(*) AS exits FROM exits "
        f"WHERE exit_status IN {fired} GROUP BY ALL"
        ") SELECT account, symbol, nullif(named, '') AS position_id, coalesce(p.position, 0) AS position, "
        "coalesce(w.working_buy_qty, 0) AS working_buy_qty, coalesce(w.working_sell_qty, 0) AS working_sell_qty, "
        "a.target_qty, CASE "
        "WHEN coalesce(p.position, 0) = 0 AND w.at_venues > 0 THEN 'OPENING' "
        "WHEN coalesce(p.position, 0) = 0 AND (w.at_venues = 0 OR a.target_qty <> 0) THEN 'PLANNED' "
        "WHEN coalesce(p.position, 0) = 0 THEN 'CLOSED' "
        "WHEN l.exits > 0 OR a.target_qty = 0 "
        "OR (w.at_venues > 0 "
        "AND CASE WHEN p.position > 0 THEN w.working_sell_qty ELSE w.working_buy_qty END >= abs(p.position)) "
        "THEN 'CLOSING' "
        "WHEN w.at_venues > 0 OR a.target_qty IS NOT NULL THEN 'ADJUSTING' "
        "ELSE 'OPEN' END AS position_status "
        "FROM every p FULL JOIN working w USING (account, symbol, named) "
        "FULL JOIN aimed a USING (account, symbol, named) LEFT JOIN leaving l USING (account, symbol, named)"
    )


def value_of(quantity: str, price: str, terms: str = "i") -> str:
    """Return what a quantity counts as at a price: of an inverse contract below 0, by a division, which is a double's.

    That one is to 10 decimals, in a type that leaves all others theirs.

    Args:
        quantity, price: expressions.
        terms: alias of the instrument's.
    """
    inverse = f"CAST(CAST(-({quantity}) * {terms}.multiplier / ({price}) AS DECIMAL(38, 10)) AS DECIMAL(38, 24))"
    return f"(CASE WHEN {terms}.inverse THEN {inverse} ELSE {quantity} * {price} * {terms}.multiplier END)"


def _exposures() -> str:
    """One row an account, a currency, and a symbol, sector or strategy in it: what is held at the marks, and P&L.

    What an account that hedges holds of a symbol counts together, as for its limits.

    `dimension` says which of these `name` is. A strategy's is what its own fills add up to, splits and new symbols
    aside, at the account's marks; its P&L is of all it ever traded, fees taken off.
    """
    # All that it made but its cash is what a position counts as; of an inverse contract that is below 0 of a long.
    linear = "position * mark_px * multiplier"
    worth = f"CAST(CASE WHEN i.inverse THEN p.cash - p.net_pnl ELSE {linear} END AS DECIMAL(38, 10))"
    bought = "CASE WHEN f.side = 'BUY' THEN -1 ELSE 1 END"
    counts = f"CAST({value_of('t.position', 'p.mark_px', 't')} AS DECIMAL(38, 10))"
    sums = (
        "sum(CASE WHEN worth > 0 THEN worth ELSE 0 END) AS long_exposure, "
        "sum(CASE WHEN worth < 0 THEN -worth ELSE 0 END) AS short_exposure, sum(abs(worth)) AS gross_exposure, "
        "sum(worth) AS net_exposure, CAST(sum(net_pnl) AS DECIMAL(38, 10)) AS net_pnl, "
        "CAST(sum(is_open) AS BIGINT) AS open_positions"
    )
    return (
        "WITH held AS ("  # noqa: S608 - names of our own
        "SELECT p.account, p.symbol, p.currency, i.sector, sum(p.position) AS position, sum(p.net_pnl) AS net_pnl, "
        f"sum({worth}) AS worth, count(*) FILTER (p.position <> 0) AS is_open, "
        "arg_max(p.mark_px, p.updated) AS mark_px "
        "FROM positions p JOIN instruments i ON i.symbol = p.symbol GROUP BY ALL"
        "), traded AS (SELECT f.account, f.strategy, f.symbol, i.currency, i.multiplier, i.inverse, "
        "sum(CASE WHEN f.side = 'BUY' THEN f.last_qty ELSE -f.last_qty END) AS position, "
        f"sum({bought} * CAST({value_of('f.last_qty', 'f.last_px')} AS DECIMAL(38, 10)) - f.fee) AS cash "
        "FROM fills f JOIN instruments i ON i.symbol = f.symbol "
        "WHERE f.strategy IS NOT NULL GROUP BY ALL"
        "), of_strategy AS (SELECT t.account, t.strategy, t.currency, CAST(t.position <> 0 AS BIGINT) AS is_open, "
        f"CASE WHEN t.inverse THEN -1 ELSE 1 END * {counts} AS worth, t.cash + {counts} AS net_pnl "
        "FROM traded t JOIN held p USING (account, symbol)) "
        f"SELECT account, 'symbol' AS dimension, symbol AS name, currency, {sums} FROM held GROUP BY ALL "
        f"UNION ALL SELECT account, 'sector', sector, currency, {sums} FROM held WHERE sector IS NOT NULL GROUP BY ALL "
        f"UNION ALL SELECT account, 'currency', currency, currency, {sums} FROM held GROUP BY ALL "
        f"UNION ALL SELECT account, 'strategy', strategy, currency, {sums} FROM of_strategy GROUP BY ALL"
    )
