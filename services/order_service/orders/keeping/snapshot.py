"""The orders stage's state as bytes, and back: every record by the names of its fields.

Flows in: a `State`; or the bytes that this release or an older one wrote. Flows out: canonical JSON, equal for equal
states; or the state again. Never decides anything about what it carries, never guesses what it does not know.

    version, seq, counter, forgotten, configured       numbers and flags of the state
    waiting [{id, field, value}]                       entries that wait for a configuration; value in hex
    config, defined                                    the configuration in force, and every term ever defined
    orders {record: "Order", count, columns}           by the names of `Order`; see `columns`
    remembered {chunks, …}                             orders that left the state: see `engine.ids`, a line a chunk
    timers [{due_ms, id, what}]                        in the order in which they fire
    overrides {account: {field: value}}                what operators set, in text or digits
    traded {account: {venue and currency: [[day, value]]}}   where a venue's fees depend on it
    switched {alias: account}                          where operators let aliases point
    rule_switches {rule_id: true or false}             rules that operators switched on or off
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
    calendars                                          that came last, as their entry has them
    trailed [[order_id, ticks]]                        the best price seen, of trailing stops that wait in the desk
    markets [{venue, symbol, needs, ending, market}]   who needs more of a market than its top; see `markets`
    paced {account's number: {sent, waiting}}          who waits for its turn; see `pacing`
    families {works, brackets, lists, stirred, …}      orders that made others; see `parents.families`
    busted [venue and id]                              trades taken back of orders that left, the oldest first

There may be millions of orders. So live ones are columns, and remembered ones chunks of 4096 in base 64: no text in
JSON has a line's end in it, so that the lines of the document can be told apart before they are decoded.

To add a field with a default to `Order` or `Quote` is enough: an older snapshot has none and loads. A
field with a type of its own joins `_WRITE` and `_READ` of `columns`. What changes the meaning or the shape of what is
there raises `VERSION` and adds a step to `UPCASTS`, and the snapshots in tests/upgrade/kept prove it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import deque
from io import BytesIO
from itertools import pairwise
from typing import Any, Final

import orjson

from fillstream.libs.common.engine.ids import DIGEST_BYTES, Ids
from fillstream.libs.common.messages.calendar import Calendars
from fillstream.libs.common.messages.topology import SIM, Topology, order_id_of
from fillstream.libs.common.runtime.timers import Timer, Timers
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, check_names, upcast
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.control.overrides import Answered
from fillstream.services.order_service.orders.control.standing import ACTIVE, Standing
from fillstream.services.order_service.orders.control.tripping import Breaker
from fillstream.services.order_service.orders.keeping.columns import columns_of, dump_orders, load_orders
from fillstream.services.order_service.orders.keeping.held import dump_held, load_held
from fillstream.services.order_service.orders.life.remembered import PAYLOAD, STATUSES, RememberedOrders, Row
from fillstream.services.order_service.orders.state import QUOTES, State

VERSION = 6

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
    "overrides", "controls", "numbered", "trading", "canceling", "breakers", "holdings", "held", "position_ids",
    "marks", "busted", "awaited", "calendars", "switched", "traded", "paced", "reconciling", "markets", "trailed",
    "families", "rule_switches",
)  # fmt: skip
"""Written when there are any: a desk without controls and links has the bytes it always had."""
_KEYS: Final = (*_NEEDED, "timers", *_SINCE_0_2)
_QUOTE: Final = tuple(sorted(Quote.__slots__))
_QUOTE_V3: Final = ("ask", "ask_qty", "at_ms", "bid", "bid_qty", "last")
_CONTROL: Final = ("control_id", *Answered._fields)
_REMEMBERED: Final = {"digest_bytes": DIGEST_BYTES, "payload_bytes": PAYLOAD, "statuses": [*STATUSES]}
"""What the rows of remembered orders are made of."""
_EMPTY: Final = b"[\n\n]"
_V5_REMEMBERED: Final = (
    "order_id", "client_order_id", "account", "symbol", "side", "status", "quantity", "cum_qty", "avg_px",
    "received_ms", "links",
)  # fmt: skip
_V5_TABLES: Final = ("remembered", "remembered_linked")


# ------------------------------------------------------------------------------------------------------------- writing


def dump(state: State) -> bytes:
    """Return the state as JSON; equal states give equal bytes."""
    document = {
        "version": VERSION,
        **{name: getattr(state, name) for name in _PLAIN},
        "statuses": {status: count for status, count in state.statuses.items() if count},
        "waiting": [{"id": i, "field": field.decode(), "value": value.hex()} for i, field, value in state.waiting],
        "config": state.config.to_json().decode(),
        "defined": _defined(state).to_json().decode(),
        "orders": dump_orders([order for _, order in sorted(state.orders.items())]),
        "remembered": {**_REMEMBERED, "chunks": orjson.Fragment(_EMPTY)},
        "quotes": [
            {"venue": venue, "instrument": number, **{name: getattr(quote, name) for name in _QUOTE}}
            for venue, quotes in sorted(state.quotes.items())
            for number, quote in sorted(quotes.items())
        ],
        "moved": [{"venue": venue, "symbol": symbol} for venue, symbol in state.moved],
        "timers": state.timers.dump(),
        "daily": {account: {"day": day, "count": count} for account, (day, count) in state.daily.items()},
    }
    if not state.timetable.calendars.is_empty:
        document["calendars"] = state.timetable.calendars.to_json().decode()
    if state.busted:
        document["busted"] = [*state.busted]
    if (awaited := state.awaited.dump()) is not None:
        document["awaited"] = awaited
    if (reconciling := state.reconciling.dump()) is not None:
        document["reconciling"] = reconciling
    if trailed := state.triggers.bests():
        document["trailed"] = trailed
    if state.markets:
        document["markets"] = state.markets.dump()
    if state.pacing.of:
        document["paced"] = state.pacing.dump()
    if state.numbered:
        document["numbered"] = state.numbered
    if state.overrides:
        document["overrides"] = state.overrides
    if state.traded.days:
        document["traded"] = {
            account: {at: [[day, str(value)] for day, value in days.items()] for at, days in venues.items()}
            for account, venues in state.traded.days.items()
        }
    switches = {"switched": state.aliases.switched, "rule_switches": state.rule_switches.on}
    document |= {name: said for name, said in switches.items() if said}
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
    if state.families:
        document["families"] = state.families.dump(state.orders)
    document |= dump_held(state)
    return _with_chunks(orjson.dumps(document, option=orjson.OPT_SORT_KEYS), state.remembered.ids)


def _defined(state: State) -> DeskConfig:
    return DeskConfig(instruments=state.instruments, accounts=state.accounts, venues=state.venues)


def _with_chunks(document: bytes, ids: Ids) -> bytes:
    """Return a document with the chunks of a table in its empty list: a line each, its number and its bytes in base 64.

    They may be most of a gigabyte, so they are written once, into what is returned: a BytesIO gives its bytes away.
    """
    head, empty, tail = document.partition(_EMPTY)
    assert empty, "no other list has an end of line in it"
    out = BytesIO()
    out.write(head + b"[\n")
    for count, (number, data) in enumerate(ids.chunks()):
        out.write(b'%b[%d,"%b"]' % (b",\n" if count else b"", number, b64encode(data)))
    out.write(b"\n]" + tail)
    return out.getvalue()


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
    if "calendars" in document:
        state.timetable.calendars = Calendars.from_json(document["calendars"].encode())
    state.accounts = dict(defined.accounts)
    for name, venue in defined.venues.items():
        state.define_venue(name, venue)
    for symbol, instrument in defined.instruments.items():
        state.define(symbol, instrument)
    _load_quotes(document["quotes"], state)
    state.moved = {(each["venue"], each["symbol"]): None for each in document["moved"]}
    state.timers = Timers.load(document["timers"]) if "timers" in document else _timers_before(state)
    state.daily = {account: (each["day"], each["count"]) for account, each in document["daily"].items()}
    state.overrides = document.get("overrides", {})
    for account, venues in document.get("traded", {}).items():
        days = {at: {int(day): int(value) for day, value in each} for at, each in venues.items()}
        state.traded.days[account] = days
    state.aliases.switched = document.get("switched", {})
    state.rule_switches.on = document.get("rule_switches", {})
    state.aliases.configure(state.config, state.accounts)
    state.numbered = document.get("numbered", {})
    state.awaited.timeout_ms = state.config.execution_timeout_ms
    if "awaited" in document:
        state.awaited.load(document["awaited"])
    if "reconciling" in document:
        state.reconciling.load(document["reconciling"])
    state.busted = dict.fromkeys(document.get("busted", ()))
    state.markets.load(document.get("markets", []))
    state.pacing.load(document.get("paced", {}))
    if "controls" in document:
        state.controls = _load_controls(document["controls"])
    if "trading" in document:
        _load_trading(document["trading"], state)
    if "breakers" in document:
        _load_breakers(document["breakers"], state)
    state.canceling = deque(tuple(each) for each in document.get("canceling", ()))
    load_held(document, state)
    remembered = _load_remembered(document["remembered"], lines, state, partition)
    state.triggers.kept = {order_id: best for order_id, best in document.get("trailed", ())}
    state.put_all(load_orders(document["orders"], state.terms), remembered)
    _load_families(document, state)
    state.watch_all()
    return state


def _load_families(document: Document, state: State) -> None:
    if "families" in document:
        state.families.load(document["families"], state.orders)
        for work in state.families.works.values():
            state.watching.watch(state.orders[work.order_id], work.follows, work.touch)


def _load_quotes(rows: list[Document], state: State) -> None:
    for each in rows:
        check_names("quote", each, ("venue", "instrument", *_QUOTE), ("venue", "instrument", *_QUOTE_V3))
        quote = state.quotes[each.pop("venue")][each.pop("instrument")]
        for name, value in each.items():
            setattr(quote, name, value)


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


def _load_breakers(table: Document, state: State) -> None:
    found = [Breaker.load(row) for row in table["rows"]]
    state.breaker_count = table["count"]
    state.breakers = {(each.scope, each.account, each.name): each for each in found}


def _load_trading(trading: Document, state: State) -> None:
    check_names("trading", trading, ("desk", "accounts"), ("desk", "accounts"))
    for each in (trading["desk"], *trading["accounts"].values()):
        check_names("Standing", each, Standing._fields, Standing._fields)
    state.standing = Standing(**trading["desk"])
    state.standings = {account: Standing(**each) for account, each in trading["accounts"].items()}


def _split(data: bytes) -> tuple[Any, list[list[bytes]]]:
    """Return the document without the rows that have a line of their own, and those, a list a table in their order."""
    lines = data.split(b"\n")
    if len(lines) == 1:
        return orjson.loads(data), []
    frame = [number for number, line in enumerate(lines) if line and not line.startswith(b"[")]
    document = orjson.loads(b"".join([lines[number] for number in frame]))
    rows = [[line.removesuffix(b",") for line in lines[above + 1 : below] if line] for above, below in pairwise(frame)]
    return document, rows


def _load_remembered(found: Document, lines: list[list[bytes]], state: State, partition: int) -> RememberedOrders:
    if "tables" in found:
        return _load_v5(found["tables"], lines, state, partition)
    names = (*_REMEMBERED, "chunks")
    check_names("remembered", found, names, names)
    for name, value in _REMEMBERED.items():
        if found[name] != value:
            raise Unreadable(f"orders snapshot: {name} {found[name]} must be {value}")
    ids = Ids(PAYLOAD, state.forgotten + 1)
    for number, text in found["chunks"] or map(orjson.loads, lines[0] if lines else ()):
        try:
            ids.load(number, b64decode(text, validate=True))
        except ValueError as error:
            raise Unreadable(f"orders snapshot: remembered: {error}") from None
    return RememberedOrders(ids)


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


def upcast_v5_v6(document: Document) -> Document:
    """Put the tables of remembered orders together, the one of those with links last; their rows may be lines."""
    document["version"] = 6
    document["remembered"] = {"tables": [document.pop(name) for name in _V5_TABLES if name in document]}
    return document


def _load_v5(tables: list[Document], lines: list[list[bytes]], state: State, partition: int) -> RememberedOrders:
    """Return the orders that a release until version 5 remembered, each with its quantities as JSON."""
    remembered, before = RememberedOrders(Ids(PAYLOAD, state.forgotten + 1)), order_id_of(partition, 0)
    for index, table in enumerate(tables):
        if table["record"] != "Remembered":
            raise Unreadable(f"orders snapshot: record {table['record']} must be Remembered among remembered orders")
        names = table["names"]
        check_names("Remembered", dict.fromkeys(names), _V5_REMEMBERED, _V5_REMEMBERED[:-1])
        for row in table["rows"] or map(orjson.loads, lines[index] if lines else ()):
            each = dict(zip(names, row, strict=True))
            account, instrument = state.accounts.get(each["account"]), state.instruments.get(each["symbol"])
            numbers = instrument.id if instrument else 0, account.id if account else 0
            kept = Row(each["status"], each["side"], each["received_ms"], *numbers)
            remembered.put(each["order_id"] - before, each["account"], each["client_order_id"], kept)
    return remembered


UPCASTS: Upcasts = {2: upcast_v2_v3, 3: upcast_v3_v4, 4: upcast_v4_v5, 5: upcast_v5_v6}
"""No release wrote version 1."""
