"""The views of the analytics database: what people ask for, answered from the journal.

Flows in: the names of the contracts' fields. Flows out: one SELECT a view. Never stores anything: a view is as new as
the last commit.

`seq` counts a partition's events, and an order, an account and a position live in one partition: the latest state is
the one with the highest `seq`. Latencies are taken from `log_time`, when Redis took an entry in; it counts
milliseconds.
"""

from __future__ import annotations

from fillstream.libs.common.messages.accounts import AccountMarked, RiskChanged
from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.exits import ExitChanged
from fillstream.libs.common.messages.journal import AccountDefined, InstrumentDefined, OrderFilled, VenueDefined
from fillstream.libs.common.messages.reference import AccountFields, InstrumentFields, VenueTerms
from fillstream.libs.common.messages.signals import LINKS
from fillstream.libs.common.messages.targets import TargetChanged
from fillstream.libs.common.messages.terms import ReferenceData
from fillstream.services.analytics.query.of_positions import OVER, of_positions, value_of

_LATEST = ("quantity", "cum_qty", "leaves_qty", "avg_px")
_SAME = ("client_order_id", "account", "symbol", "side", *LINKS, "list_id")
_AS_RECEIVED = ("signal_id", "order_type", "time_in_force", "strategy", "confidence", "venue", "alias", "algorithm")
_OF_BRACKET = ("stop_loss", "trailing_stop", "take_profits")


def views() -> dict[str, str]:
    """Return the query behind each view, by name, in the order they are to be made."""
    return {
        "orders": _orders(),
        "fills": _fills(),
        "rejects": _rejects(),
        "missing": _missing(),
        "latency": _latency(),
        "instruments": _newest(InstrumentDefined, "symbol", "instrument_id", InstrumentFields),
        "holdings_compared": _holdings_compared(),
        "accounts": _newest(AccountDefined, "account", "account_id", AccountFields, ("overridden",)),
        "venues": _newest(VenueDefined, "venue", "", VenueTerms),
        "aliases": _aliases(),
        "modes": _modes(),
        "costs": _costs(),
        "parents": _parents(),
        "brackets": _brackets(),
        "lists": _lists(),
        "account_values": _last_told(AccountMarked, ("account",)),
        "targets": _last_told(TargetChanged, ("account", "symbol", "signal_id", "asked_time")),
        "exits": _last_told(ExitChanged, ("account", "symbol", "position_id", "protection_id")),
        "risk_limits": _last_told(RiskChanged, ("account", '"limit"')),
    } | of_positions()


def _orders() -> str:
    """One row an order: its terms, its latest state, why it ended if it was refused or taken off.

    `side` is on every event of an order itself; a refused cancel or amendment has none, tells the state all the same,
    and may name an order of another account.
    """
    same = ", ".join(f"any_value({name}) FILTER (side IS NOT NULL) AS {name}" for name in _SAME)
    received = ", ".join(
        f"arg_min({name}, seq) FILTER (type IN ('OrderReceived', 'OrderRejected')) AS {name}" for name in _AS_RECEIVED
    )
    latest = ", ".join(f"arg_max({name}, seq) FILTER (side IS NOT NULL) AS {name}" for name in _LATEST)
    ended = ", ".join(
        f"arg_max({name}, seq) FILTER (type IN ('OrderRejected', 'OrderCanceled')) AS {name}"
        for name in ("reason", "text")
    )
    return (
        f"SELECT order_id, {same}, {received}, "  # noqa: S608 - names of our own
        "arg_max(price, seq) FILTER (type IN ('OrderReceived', 'OrderRejected', 'OrderReplaced')) AS price, "
        "arg_max(stop_price, seq) FILTER (type IN ('OrderReceived', 'OrderRejected', 'OrderReplaced')) AS stop_price, "
        f"arg_max(ord_status, seq) AS ord_status, {latest}, {ended}, "
        "min(time) FILTER (side IS NOT NULL) AS received, max(time) FILTER (ord_status IS NOT NULL) AS updated, "
        "count(*) AS events "
        "FROM events WHERE order_id IS NOT NULL GROUP BY order_id HAVING count(side) > 0"
    )


def _fills() -> str:
    """One row a trade as it stands now: one that was taken back is none, one that was corrected is what it is now."""
    changed = {name: f"coalesce(change.{name}, fill.{name}) AS {name}" for name in ("last_qty", "last_px", "fee")}
    names = [name for name in OrderFilled.model_fields if name not in ("v", "type")]
    columns = ", ".join(changed.get(name, f"fill.{name}") for name in names)
    newest = ", ".join(f"arg_max({name}, seq) AS {name}" for name in ("type", *changed))
    return (
        f"SELECT {columns}, change.type IS NOT NULL AS corrected, fill.log_stream, fill.log_id "  # noqa: S608
        f"FROM events fill LEFT JOIN (SELECT order_id, ref_exec_id, {newest} FROM events "
        "WHERE type IN ('TradeBusted', 'TradeCorrected') GROUP BY order_id, ref_exec_id) change "
        "ON change.order_id = fill.order_id AND change.ref_exec_id = fill.exec_id "
        "WHERE fill.type = 'OrderFilled' AND change.type IS DISTINCT FROM 'TradeBusted'"
    )


def _last_told(model: type[Message], key: tuple[str, ...]) -> str:
    """One row each of what a message is about: the newest one."""
    names = ", ".join(f'"{name}"' for name in model.model_fields if name not in ("type", "v", "seq", "time"))
    kind = model.model_fields["type"].default
    return (
        f"SELECT {names}, time AS updated, log_stream FROM position_events WHERE type = '{kind}' "  # noqa: S608
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(key)} ORDER BY seq DESC) = 1"
    )


def _holdings_compared() -> str:
    """One row an account and symbol: what the orders stage stated last, and what its fills and adjustments make."""
    number, of = "DECIMAL(38, 18)", "log_stream, account, seq"
    return (
        "WITH newest AS ("  # noqa: S608 - names of our own
        "SELECT log_stream, account, seq, time, held FROM events WHERE type = 'HoldingsStated' "
        "QUALIFY row_number() OVER (PARTITION BY account ORDER BY time DESC, seq DESC) = 1"
        "), each_row AS (SELECT account, unnest(held) AS told FROM newest"
        "), stated AS (SELECT account, split_part(told, ' ', 1) AS symbol, "
        f"CAST(split_part(told, ' ', 2) AS {number}) AS stated FROM each_row"
        f"), changes AS (SELECT {of}, symbol, CASE type WHEN 'AccountAdjusted' "
        "THEN CASE WHEN new_symbol IS NULL THEN position ELSE 0 END - old_position "
        "ELSE CASE WHEN side = 'BUY' THEN 1 ELSE -1 END * CASE type WHEN 'OrderFilled' THEN last_qty "
        "WHEN 'TradeBusted' THEN -last_qty ELSE last_qty - old_qty END - coalesce(fee_qty, 0) END AS change "
        "FROM events WHERE type IN ('OrderFilled', 'TradeBusted', 'TradeCorrected') "
        "OR (type = 'AccountAdjusted' AND old_position IS NOT NULL) "
        f"UNION ALL SELECT {of}, new_symbol, position FROM events WHERE type = 'AccountAdjusted' "
        "AND new_symbol IS NOT NULL"
        "), booked AS (SELECT n.account, c.symbol, sum(c.change) AS booked FROM newest n JOIN changes c "
        "ON c.log_stream = n.log_stream AND c.account = n.account AND c.seq < n.seq GROUP BY ALL"
        f") SELECT account, symbol, coalesce(stated, 0) AS stated, coalesce(CAST(booked AS {number}), 0) AS booked, "
        "newest.time FROM stated FULL JOIN booked USING (account, symbol) JOIN newest USING (account)"
    )


def _rejects() -> str:
    return (
        "SELECT time, type, account, signal_id, order_id, client_order_id, symbol, side, quantity, price, ord_status, "
        "reason, text, log_stream, log_id FROM events "
        "WHERE type IN ('OrderRejected', 'OrderCancelRejected', 'OrderReplaceRejected')"
    )


def _missing() -> str:
    """One row a gap: entries that are not in the tables, and since when that is known."""
    return 'SELECT stream, after_id, upto_id, from_seq, upto_seq, entries, "time" AS since, "text" FROM gaps'


def _latency() -> str:
    """One row an order that was received: when Redis took in its signal and its events, and the milliseconds between.

    A signal without a signal_id has its entry's id instead; of signals that came again the first counts. What an order
    made itself (`parent_id`) answers no signal, and is not here; one that is worked has no fills of its own.
    """
    return (
        "WITH signaled AS ("  # noqa: S608 - names of our own
        f"SELECT coalesce(account, '{DEFAULT_ACCOUNT}') AS named, coalesce(signal_id, log_id) AS signal_id, "
        "min(log_time) AS signaled FROM signals GROUP BY ALL"
        "), journal AS ("
        "SELECT order_id, any_value(account) AS account, any_value(symbol) AS symbol, "
        "arg_min(signal_id, seq) FILTER (type = 'OrderReceived') AS signal_id, "
        "arg_min(coalesce(alias, account), seq) FILTER (type = 'OrderReceived') AS named, "
        "min(log_time) FILTER (type = 'OrderReceived') AS received, "
        "min(log_time) FILTER (type = 'OrderAccepted') AS accepted, "
        "min(log_time) FILTER (type = 'OrderFilled') AS first_filled, "
        "max(log_time) FILTER (type = 'OrderFilled') AS last_filled "
        "FROM events WHERE order_id IS NOT NULL AND side IS NOT NULL AND parent_id IS NULL GROUP BY order_id"
        ") SELECT order_id, account, symbol, signal_id, signaled, received, accepted, first_filled, last_filled, "
        "date_diff('millisecond', signaled, received) AS received_ms, "
        "date_diff('millisecond', signaled, accepted) AS accepted_ms, "
        "date_diff('millisecond', signaled, first_filled) AS first_fill_ms, "
        "date_diff('millisecond', signaled, last_filled) AS last_fill_ms "
        "FROM journal LEFT JOIN signaled USING (named, signal_id) WHERE received IS NOT NULL"
    )


def _aliases() -> str:
    """One row an alias: the account that it points to, since when, and the control that switched it, if one did."""
    return (
        "SELECT alias, account, control_id, time, log_stream FROM events WHERE type = 'AliasDefined' "
        "QUALIFY row_number() OVER (PARTITION BY alias ORDER BY time DESC, seq DESC) = 1 AND account IS NOT NULL"
    )


def _modes() -> str:
    """One row an account: LIVE or PAPER, and the alias that points to it.

    Without a mode of its own it has that of the venues its orders go to; null where these differ. A venue that was
    never defined has the defaults: it is simulated.
    """
    return (
        "SELECT a.account, coalesce(a.mode, CASE WHEN a.venue IS NULL THEN d.mode "
        "WHEN v.simulated IS FALSE THEN 'LIVE' ELSE 'PAPER' END) AS mode, l.alias "
        "FROM accounts a LEFT JOIN venues v ON v.venue = a.venue LEFT JOIN aliases l ON l.account = a.account "
        "CROSS JOIN (SELECT CASE WHEN bool_and(outside) THEN 'LIVE' WHEN NOT bool_or(outside) THEN 'PAPER' END AS mode "
        "FROM (SELECT v.simulated IS FALSE AS outside FROM instruments i LEFT JOIN venues v ON v.venue = i.venue)) d"
    )


def _costs() -> str:
    """One row an order that was received: what it was to cost, at the quote that it met, and what it did cost.

    `notional` is at its price, or at the touch; `fee_estimate` is of all of it as taker, the desk's own where the venue
    has a fee schedule, by plain basis points otherwise. `expected_slippage_bps` is half the spread, `slippage_bps` how
    far beyond the mid its fills were; `volume_share` is its quantity in all that was traded on its UTC day. An order
    that is worked has no fills of its own: its children's rows (`parent_id`) have them.
    """
    bps = "(coalesce(v.taker_fee_bps, i.taker_fee_bps))"
    estimate = f"coalesce(o.fee_estimate, TRY((o.notional * {bps})::DECIMAL(38, 14) * 0.0001::DECIMAL(5, 4)))"
    sign = "CASE WHEN o.side = 'BUY' THEN 10000 ELSE -10000 END"
    at = "abs(coalesce(r.price, CASE WHEN r.side = 'BUY' THEN q.ask_px ELSE q.bid_px END))"
    return (
        "WITH met AS ("  # noqa: S608 - names of our own
        "SELECT r.order_id, r.account, r.symbol, r.side, r.venue, r.quantity, r.price, r.time, r.fee_estimate, "
        "r.parent_id, q.bid_px, q.ask_px, "
        f"TRY(abs({value_of('r.quantity', at)})) AS notional, (q.bid_px + q.ask_px) / 2 AS mid "
        "FROM (SELECT * FROM events WHERE type = 'OrderReceived') r "
        "ASOF LEFT JOIN (SELECT log_stream, symbol, venue, seq, bid_px, ask_px FROM events "
        "WHERE type = 'QuoteUpdated') q "
        "ON r.log_stream = q.log_stream AND r.symbol = q.symbol AND r.venue = q.venue AND r.seq >= q.seq "
        "LEFT JOIN instruments i ON i.symbol = r.symbol"
        "), paid AS ("
        "SELECT order_id, sum(fee) AS fees, sum(last_qty * last_px) / sum(last_qty) AS avg_px "
        "FROM events WHERE type = 'OrderFilled' GROUP BY order_id"
        "), volumes AS ("
        "SELECT symbol, log_time::DATE AS day, sum(quantity) AS volume FROM trades GROUP BY ALL"
        ") SELECT o.order_id, o.account, o.symbol, o.side, o.venue, o.time, o.quantity, o.price, o.bid_px, o.ask_px, "
        f"o.notional, {estimate} AS fee_estimate, p.fees, "
        "CASE WHEN o.mid > 0 THEN (o.ask_px - o.bid_px) / 2 / o.mid * 10000 END AS expected_slippage_bps, "
        f"CASE WHEN o.mid > 0 THEN (p.avg_px - o.mid) / o.mid * ({sign}) END AS slippage_bps, "
        "o.quantity / d.volume AS volume_share, o.parent_id "
        "FROM met o LEFT JOIN paid p USING (order_id) LEFT JOIN instruments i ON i.symbol = o.symbol "
        "LEFT JOIN venues v ON v.venue = o.venue LEFT JOIN volumes d ON d.symbol = o.symbol AND d.day = o.time::DATE"
    )


def _parents() -> str:
    """One row an order that an algorithm or a routing policy works: how it stands, and what it did cost so far.

    `slippage_bps` is how much worse than `arrival_px`, the mid when it began, it traded on average; `fees` are its
    children's.
    """
    latest = ", ".join(f"arg_max({name}, seq) AS {name}" for name in _LATEST)
    told = ", ".join(
        f"arg_max_null({name}, seq) FILTER (type = 'OrderProgressed') AS {name}"
        for name in ("planned_qty", "children", "paused")
    )
    received = ", ".join(
        f"arg_min({name}, seq) FILTER (type = 'OrderReceived') AS {name}"
        for name in ("order_type", "time_in_force", "strategy", "venue", "algorithm_parameters", "routing", "venues")
    )
    sign = "CASE WHEN side = 'BUY' THEN 10000 ELSE -10000 END"
    return (
        "WITH worked AS (SELECT DISTINCT order_id FROM events WHERE type = 'OrderProgressed'"  # noqa: S608 - names of our own
        "), parent AS ("
        "SELECT order_id, any_value(client_order_id) AS client_order_id, any_value(account) AS account, "
        "any_value(symbol) AS symbol, any_value(side) AS side, "
        "arg_max(algorithm, seq) FILTER (type = 'OrderProgressed') AS algorithm, "
        f"arg_max(ord_status, seq) AS ord_status, {latest}, {told}, "
        f"CASE WHEN arg_max(ord_status, seq) IN {OVER} THEN 0 "
        "ELSE arg_max(working_qty, seq) FILTER (type = 'OrderProgressed') END AS working_qty, "
        "any_value(arrival_px) AS arrival_px, "
        "arg_max(price, seq) FILTER (type IN ('OrderReceived', 'OrderReplaced')) AS price, "
        f"{received}, "
        "arg_max(reason, seq) FILTER (type = 'OrderCanceled') AS reason, "
        "arg_max_null(text, seq) FILTER (type IN ('OrderProgressed', 'OrderCanceled')) AS text, "
        "min(time) AS received, max(time) AS updated "
        "FROM events SEMI JOIN worked USING (order_id) WHERE side IS NOT NULL GROUP BY order_id"
        "), paid AS ("
        "SELECT parent_id AS order_id, sum(fee) AS fees FROM events "
        "WHERE type = 'OrderFilled' AND parent_id IS NOT NULL GROUP BY parent_id"
        ") SELECT p.*, f.fees, "
        f"CASE WHEN p.arrival_px > 0 THEN (p.avg_px - p.arrival_px) / p.arrival_px * ({sign}) END AS slippage_bps "
        "FROM parent p LEFT JOIN paid f USING (order_id)"
    )


def _brackets() -> str:
    """One row an entry with exits: where its stop and its targets stand, and what these have open now.

    `exited` is what they have traded; `stop_qty` is what the stop would close, `target_qty` what the targets would: of
    one position, not of two.
    """
    kept = ", ".join(f"arg_min({name}, seq) AS {name}" for name in (*_OF_BRACKET, "take_profit", "break_even"))
    told = ", ".join(f"arg_max_null({name}, seq) AS {name}" for name in (*_OF_BRACKET, "list_order_status", "text"))
    now = ", ".join(
        f"CASE WHEN t.list_id IS NULL THEN {was} ELSE t.{name} END AS {name}"
        for name, was in (("stop_loss", "e.stop_loss"), ("trailing_stop", "e.trailing_stop"))
    )
    targets = _bare_zeros(f"CASE WHEN t.list_id IS NULL THEN {_TARGETS} ELSE t.take_profits END")
    some = " OR ".join(f"{name} IS NOT NULL" for name in (*_OF_BRACKET, "take_profit"))
    return (
        "WITH entry AS ("  # noqa: S608 - names of our own
        f"SELECT order_id, arg_min(client_order_id, seq) AS list_id, arg_min(account, seq) AS account, {kept} "
        f"FROM events WHERE type = 'OrderReceived' AND list_id IS NOT NULL AND ({some}) GROUP BY order_id"
        "), told AS ("
        f"SELECT list_id, account, {told} FROM events "
        "WHERE type = 'OrderListReported' AND contingency_type = 'BRACKET' GROUP BY list_id, account"
        "), exits AS ("
        "SELECT x.parent_id AS order_id, sum(x.cum_qty) AS exited, list(x.order_id ORDER BY x.order_id) AS exits, "
        f"sum(x.leaves_qty) FILTER (x.order_type <> 'LIMIT' AND x.ord_status NOT IN {OVER}) AS stop_qty, "
        f"sum(x.leaves_qty) FILTER (x.order_type = 'LIMIT' AND x.ord_status NOT IN {OVER}) AS target_qty "
        "FROM orders x JOIN orders p ON p.order_id = x.parent_id AND p.side <> x.side GROUP BY x.parent_id"
        ") SELECT e.list_id, e.account, o.symbol, o.side, e.order_id, "
        "coalesce(t.list_order_status, 'EXECUTING') AS list_order_status, o.ord_status, o.quantity, o.cum_qty, "
        "coalesce(x.exited, 0) AS exited, coalesce(x.stop_qty, 0) AS stop_qty, "
        f"coalesce(x.target_qty, 0) AS target_qty, {now}, {targets} AS take_profits, "
        "e.break_even, x.exits, t.text, o.received "
        "FROM entry e JOIN orders o USING (order_id) LEFT JOIN exits x USING (order_id) "
        "LEFT JOIN told t ON t.list_id = e.list_id AND t.account = e.account"
    )


_TARGETS = "coalesce(e.take_profits, CAST(e.take_profit AS VARCHAR))"


def _bare_zeros(column: str) -> str:
    """Return SQL for targets, PRICE:WEIGHT each, without the zeros that a price ends with: however they were told."""
    trimmed = rf"regexp_replace({column}, '(\.\d*?)0+(:|,|$)', '\1\2', 'g')"
    return rf"regexp_replace({trimmed}, '\.(:|,|$)', '\1', 'g')"


def _lists() -> str:
    """One row a list of orders: what they are to one another, how the list stands, and how many work or are filled.

    An entry's bracket is not here, but in `brackets`.
    """
    told = ", ".join(
        f"arg_max({name}, seq) AS {name}" for name in ("contingency_type", "list_order_status", "order_ids", "text")
    )
    return (
        "WITH told AS ("  # noqa: S608 - names of our own
        f"SELECT list_id, account, {told}, min(time) AS received, max(time) AS updated FROM events "
        "WHERE type = 'OrderListReported' AND contingency_type <> 'BRACKET' GROUP BY list_id, account"
        "), legs AS (SELECT list_id, account, unnest(order_ids) AS order_id FROM told"
        "), stand AS (SELECT l.list_id, l.account, count(*) AS orders, "
        f"count(*) FILTER (o.ord_status NOT IN {OVER}) AS working, "
        "count(*) FILTER (o.ord_status = 'Filled') AS filled "
        "FROM legs l JOIN orders o USING (order_id) GROUP BY l.list_id, l.account"
        ") SELECT t.list_id, t.account, t.contingency_type, t.list_order_status, coalesce(s.orders, 0) AS orders, "
        "coalesce(s.working, 0) AS working, coalesce(s.filled, 0) AS filled, t.order_ids, t.text, t.received, "
        "t.updated FROM told t LEFT JOIN stand s ON s.list_id = t.list_id AND s.account = t.account"
    )


def _newest(event: type[Event], name: str, number: str, terms: type[ReferenceData], more: tuple[str, ...] = ()) -> str:
    """One row an instrument, account or venue: its name, its number and its terms as they were defined last."""
    kind = event.model_fields["type"].default
    named = (name, number) if number else (name,)
    names = ", ".join((*named, *terms.model_fields, *more, "time", "log_stream"))
    return (
        f"SELECT {names} FROM events WHERE type = '{kind}' "  # noqa: S608 - names of our own
        f"QUALIFY row_number() OVER (PARTITION BY {name} ORDER BY time DESC, seq DESC) = 1"
    )
