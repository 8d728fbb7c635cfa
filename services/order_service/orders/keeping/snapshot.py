"""The orders stage's state as bytes, and back: every record by the names of its fields.

Flows in: a `State`; or the bytes that this release or an older one wrote. Flows out: canonical JSON, equal for equal
states; or the state again. Never decides anything about what it carries, never guesses what it does not know.

    version, seq, counter, forgotten, configured       numbers and flags of the state
    waiting [{id, field, value}]                       entries that wait for a configuration; value in hex
    config, defined                                    the configuration in force, and every term ever defined
    orders {record: "Order", count, columns}           by the names of `Order`; see `columns`
    remembered {record: "Remembered", names, rows}     names once, rows in their order, a line each
    timers [{due_ms, id, what}]                        in the order in which they fire
    remembered_linked                                  the same, of those with links
    overrides {account: {field: value}}                what operators set, in text or digits
    controls {record: "Answered", names, rows}         what came under which control_id, in the order it came
    quotes [{venue, instrument, ...}], moved [{venue, symbol}], daily {account: {day, count}}
    statuses, rejects, cancel_rejects, fills           counts
    numbered {commands stream: number}                 of a book's last fill: twice its trade's, 1 more of a taker
    trading {desk, accounts {account: {...}}}          what they may do, of those that are not ACTIVE
    breakers {count, rows [{...}]}                     circuit breakers; see `tripping`
    canceling [[...]]                                  what of mass cancels is still to be sent
    holdings, held, marks                              what accounts hold; see `held`
    awaited {sent, late}                               what venues have not answered; see `awaited`
    reconciling {runs, count, stated, stating}         comparisons with venues; see `reconciling.run`
    busted [venue and id]                              trades taken back of orders that left, the oldest first

There may be millions of orders. So live ones are columns, and rows of remembered ones are never decoded on the way: no
text in JSON has a line's end in it, so that the lines of the document can be told apart without.

To add a field with a default to `Order`, `Remembered` or `Quote` is enough: an older snapshot has none and loads. A
field with a type of its own joins `_WRITE` and `_READ` of `columns`. What changes the meaning or the shape of what is
there raises `VERSION` and adds a step to `UPCASTS`, and the snapshots in tests/upgrade/kept prove it.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any, Final

import orjson

from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.runtime.timers import Timer, Timers
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, check_names, upcast
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.control.overrides import Answered
from fillstream.services.order_service.orders.control.standing import ACTIVE, Standing
from fillstream.services.order_service.orders.control.tripping import Breaker
from fillstream.services.order_service.orders.keeping.columns import columns_of, dump_orders, load_orders
from fillstream.services.order_service.orders.keeping.held import dump_held, load_held
from fillstream.services.order_service.orders.life.order import Links, Order
from fillstream.services.order_service.orders.life.remembered import Remembered, is_linked
from fillstream.services.order_service.orders.state import QUOTES, Kept, State

VERSION = 5

_PLAIN: Final = ("seq", "counter", "forgotten", "configured", "statuses", "rejects", "cancel_rejects", "fills")
_NEEDED: Final = (
    *_PLAIN,
    "version",
    "waiting",
    "config",
    "defined",
    "orders",
    "remembered",
    "quotes",
    "moved",
    "daily",
)
_SINCE_0_2: Final = (
    "overrides", "controls", "remembered_linked", "numbered", "trading", "canceling", "breakers", "holdings",
    "held", "marks", "busted", "awaited", "reconciling",
)  # fmt: skip
"""Written when there are any: a desk without controls and links has the bytes it always had."""
_KEYS: Final = (*_NEEDED, "timers", *_SINCE_0_2)
_QUOTE: Final = tuple(sorted(Quote.__slots__))
_QUOTE_V3: Final = ("ask", "ask_qty", "at_ms", "bid", "bid_qty", "last")
_CONTROL: Final = ("control_id", *Answered._fields)
_REMEMBERED: Final = Remembered._fields
_REMEMBERED_PLAIN: Final = tuple(name for name in _REMEMBERED if name != "links")
_TABLES: Final = {"remembered": _REMEMBERED_PLAIN, "remembered_linked": _REMEMBERED}
"""In the order in which a document has them, with the names of what is in their rows."""
_REMEMBERED_NEEDED: Final = tuple(name for name in _REMEMBERED if name not in Remembered._field_defaults)


# ------------------------------------------------------------------------------------------------------------- writing


def dump(state: State) -> bytes:
    """Return the state as JSON; equal states give equal bytes."""
    records = [record for _, record in sorted(state.orders.items())]
    plain, linked = _remembered(records)
    document = {
        "version": VERSION,
        **{name: getattr(state, name) for name in _PLAIN},
        "statuses": {status: count for status, count in state.statuses.items() if count},
        "waiting": [{"id": i, "field": field.decode(), "value": value.hex()} for i, field, value in state.waiting],
        "config": state.config.to_json().decode(),
        "defined": _defined(state).to_json().decode(),
        "orders": dump_orders([record for record in records if isinstance(record, Order)]),
        "remembered": {"record": "Remembered", "names": _REMEMBERED_PLAIN, "rows": _lines(plain)},
        "quotes": [
            {"venue": venue, "instrument": number, **{name: getattr(quote, name) for name in _QUOTE}}
            for venue, quotes in sorted(state.quotes.items())
            for number, quote in sorted(quotes.items())
        ],
        "moved": [{"venue": venue, "symbol": symbol} for venue, symbol in state.moved],
        "timers": state.timers.dump(),
        "daily": {account: {"day": day, "count": count} for account, (day, count) in state.daily.items()},
    }
    if linked:
        document["remembered_linked"] = {"record": "Remembered", "names": _REMEMBERED, "rows": _lines(linked)}
    if state.busted:
        document["busted"] = [*state.busted]
    if (awaited := state.awaited.dump()) is not None:
        document["awaited"] = awaited
    if (reconciling := state.reconciling.dump()) is not None:
        document["reconciling"] = reconciling
    if state.numbered:
        document["numbered"] = state.numbered
    if state.overrides:
        document["overrides"] = state.overrides
    if state.controls:
        rows = [[control_id, *answered] for control_id, answered in state.controls.items()]
        document["controls"] = {"record": "Answered", "names": _CONTROL, "rows": rows}
    if state.standings or state.standing != ACTIVE:
        accounts = {account: standing._asdict() for account, standing in state.standings.items()}
        document["trading"] = {"desk": state.standing._asdict(), "accounts": accounts}
    if state.breakers:
        breakers = [breaker.dump() for breaker in state.breakers.values()]
        document["breakers"] = {"count": state.breaker_count, "rows": breakers}
    if state.canceling:
        document["canceling"] = [*state.canceling]
    document |= dump_held(state)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _defined(state: State) -> DeskConfig:
    return DeskConfig(instruments=state.instruments, accounts=state.accounts, venues=state.venues)


def _remembered(records: list[Order | bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the rows of remembered orders without links, and of those with some."""
    rows = [record for record in records if isinstance(record, bytes)]
    return [row for row in rows if not is_linked(row)], [row for row in rows if is_linked(row)]


def _lines(rows: list[bytes]) -> orjson.Fragment:
    """Return rows as a list, a line each."""
    return orjson.Fragment(b"".join((b"[\n", b",\n".join(rows), b"\n]")))


# ------------------------------------------------------------------------------------------------------------- reading


def load(data: bytes, topology: Topology, partition: int) -> State:
    """Return the state that `dump` wrote, of this release or of an older one.

    Raises:
        Unreadable: of a version, a record or with a name that this release does not know.
    """
    document, lines = _split(data)
    if not isinstance(document, dict):
        raise Unreadable(f"orders snapshot: must be an object with named fields, got {type(document).__name__}")
    document = upcast("orders snapshot", document, document.get("version"), VERSION, UPCASTS)
    check_names("orders snapshot", document, _KEYS, _NEEDED)
    state = State(topology, partition)
    for name in _PLAIN:
        setattr(state, name, document[name])
    state.waiting = [(each["id"], each["field"].encode(), bytes.fromhex(each["value"])) for each in document["waiting"]]
    state.config = DeskConfig.from_json(document["config"].encode())
    defined = DeskConfig.from_json(document["defined"].encode())
    state.accounts = dict(defined.accounts)
    for name, venue in defined.venues.items():
        state.define_venue(name, venue)
    for symbol, instrument in defined.instruments.items():
        state.define(symbol, instrument)
    for each in document["quotes"]:
        check_names("quote", each, ("venue", "instrument", *_QUOTE), ("venue", "instrument", *_QUOTE_V3))
        quote = state.quotes[each.pop("venue")][each.pop("instrument")]
        for name, value in each.items():
            setattr(quote, name, value)
    state.moved = {(each["venue"], each["symbol"]): None for each in document["moved"]}
    state.timers = Timers.load(document["timers"]) if "timers" in document else _timers_before(state)
    state.daily = {account: (each["day"], each["count"]) for account, each in document["daily"].items()}
    state.overrides = document.get("overrides", {})
    state.numbered = document.get("numbered", {})
    state.awaited.timeout_ms = state.config.execution_timeout_ms
    if "awaited" in document:
        state.awaited.load(document["awaited"])
    if "reconciling" in document:
        state.reconciling.load(document["reconciling"])
    state.busted = dict.fromkeys(document.get("busted", ()))
    if "controls" in document:
        state.controls = _load_controls(document["controls"])
    if "trading" in document:
        _load_trading(document["trading"], state)
    if "breakers" in document:
        found = [Breaker.load(row) for row in document["breakers"]["rows"]]
        state.breaker_count = document["breakers"]["count"]
        state.breakers = {(each.scope, each.account, each.name): each for each in found}
    state.canceling = deque(tuple(each) for each in document.get("canceling", ()))
    load_held(document, state)
    _load_records(document, lines, state)
    state.watch_all()
    return state


def _timers_before(state: State) -> Timers:
    """Return the timers of a state from before there were any: moved quotes were told by the next tick."""
    if not state.moved:
        return Timers()
    return Timers([Timer(max(quote.at_ms for quotes in state.quotes.values() for quote in quotes.values()), 0, QUOTES)])


def _load_controls(table: Document) -> dict[str, Answered]:
    if table["record"] != "Answered":
        raise Unreadable(f"orders snapshot: record {table['record']} must be Answered among controls")
    names = table["names"]
    check_names("Answered", dict.fromkeys(names), _CONTROL, _CONTROL)
    answered = [dict(zip(names, row, strict=True)) for row in table["rows"]]
    return {each.pop("control_id"): Answered(**each) for each in answered}


def _load_trading(trading: Document, state: State) -> None:
    check_names("trading", trading, ("desk", "accounts"), ("desk", "accounts"))
    for each in (trading["desk"], *trading["accounts"].values()):
        check_names("Standing", each, Standing._fields, Standing._fields)
    state.standing = Standing(**trading["desk"])
    state.standings = {account: Standing(**each) for account, each in trading["accounts"].items()}


def _split(data: bytes) -> tuple[Any, dict[str, list[bytes]]]:
    """Return the document without the rows that have a line of their own, and those, by table."""
    lines = data.split(b"\n")
    if len(lines) == 1:
        return orjson.loads(data), {}
    frame = [number for number, line in enumerate(lines) if line and not line.startswith(b"[")]
    document = orjson.loads(b"".join([lines[number] for number in frame]))
    rows = [[line.removesuffix(b",") for line in lines[above + 1 : below] if line] for above, below in pairwise(frame)]
    return document, dict(zip(_TABLES, rows, strict=False))


def _load_records(document: Document, lines: dict[str, list[bytes]], state: State) -> None:
    orders = load_orders(document["orders"], state.terms)
    remembered: list[Kept] = []
    for name, names in _TABLES.items():
        if name not in document:
            continue
        table, rows = document[name], lines.get(name)
        if table["record"] != "Remembered":
            raise Unreadable(f"orders snapshot: record {table['record']} must be Remembered among remembered orders")
        if rows is None or tuple(table["names"]) != names:
            values = table["rows"] if rows is None else [orjson.loads(row) for row in rows]
            rows = [each.to_json() for each in _load_remembered(table["names"], values)]
        remembered += map(_kept, rows)
    state.put_all(orders, remembered)


def _kept(row: bytes) -> Kept:
    """Return whose a remembered order is, and its row, which is decoded only where a text in it is escaped."""
    if b"\\" in row:
        order_id, client_order_id, account, *_ = orjson.loads(row)
        return order_id, client_order_id, account, row
    head, client, _, account, _ = row.split(b'"', 4)
    return int(head[1:-1]), client.decode(), account.decode(), row


def _load_remembered(names: list[str], rows: list[list[Any]]) -> list[Remembered]:
    check_names("Remembered", dict.fromkeys(names), _REMEMBERED, _REMEMBERED_NEEDED)
    if tuple(names) == _REMEMBERED_PLAIN:
        return [Remembered(*row) for row in rows]
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [Remembered(**{**row, "links": Links(*row["links"]) if row.get("links") else None}) for row in found]


# ------------------------------------------------------------------------------------------------------ older versions

_V2_ORDER = (
    "order_id", "signal_id", "client_order_id", "account", "account_id", "terms", "strategy", "confidence", "side",
    "order_type", "time_in_force", "quantity", "price", "signal_time", "received_ms", "status", "cum", "notional",
    "last_match", "acknowledged", "cancel_signal", "amendment", "finished_ms",
)  # fmt: skip
_V2_AMENDMENT = ("signal_id", "quantity", "price")
_V2_REMEMBERED = (
    "order_id", "client_order_id", "account", "symbol", "side", "status", "quantity", "cum_qty", "avg_px",
    "received_ms",
)  # fmt: skip
_V2_QUOTE = ("instrument", "bid", "bid_qty", "ask", "ask_qty", "last", "at_ms")


def upcast_v2_v3(document: Document) -> Document:
    """Name the fields, which 0.1.0 wrote as lists. The length of a list told it what the record was."""
    orders, remembered = [], []
    for values in document["orders"]:
        if len(values) == len(_V2_REMEMBERED):
            remembered.append(values)
            continue
        order = dict(zip(_V2_ORDER, values, strict=True))
        if order["amendment"] is not None:
            order["amendment"] = dict(zip(_V2_AMENDMENT, order["amendment"], strict=True))
        orders.append({"record": "Order", **order})
    document["version"] = 3
    document["orders"] = orders
    document["remembered"] = {"record": "Remembered", "names": [*_V2_REMEMBERED], "rows": remembered}
    document["quotes"] = [dict(zip(_V2_QUOTE, values, strict=True)) for values in document["quotes"]]
    document["waiting"] = [dict(zip(("id", "field", "value"), values, strict=True)) for values in document["waiting"]]
    document["daily"] = {account: {"day": day, "count": count} for account, (day, count) in document["daily"].items()}
    return document


def upcast_v3_v4(document: Document) -> Document:
    """Say whose quotes they are: there was one venue."""
    document["version"] = 4
    document["quotes"] = [{"venue": SIM, **quote} for quote in document["quotes"]]
    document["moved"] = [{"venue": SIM, "symbol": symbol} for symbol in document["moved"]]
    return document


def upcast_v4_v5(document: Document) -> Document:
    """Turn the orders, which were written one by one, into columns."""
    document["version"] = 5
    document["orders"] = columns_of(document["orders"])
    return document


UPCASTS: Upcasts = {2: upcast_v2_v3, 3: upcast_v3_v4, 4: upcast_v4_v5}
"""No release wrote version 1."""
