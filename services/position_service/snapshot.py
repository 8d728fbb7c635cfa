"""The position stage's state as bytes, and back: every record by the names of its fields.

Flows in: a `Books`; or the bytes that this release or an older one wrote. Flows out: JSON, equal for equal states; or
the books again. Never books anything, never guesses what it does not know.

    version, read, sent, fills, timers; differing, methods, hedging, exits, targets, accounts where there are any
    instruments [{symbol, currency, tick_size, lot_size, multiplier, id, venue, marked_by, interval_ms, told_ms, moved,
                  telling, marks, settlement, session, day,
                  held [{account, settled, position, trip; session, before, before_trip, trades, names; hedged}]}]

`hedged` is of an account that hedges: the same of each position, with its name. The five before it are there where
trades are kept, which are a column for each of their fields. Integers that may pass 64 bits are text, and so are
fractions. Lists keep the order of the books: marks are told in it. A field that is added with a default needs no more;
what changes a shape raises `VERSION` and adds a step to `UPCASTS`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from typing import Any, Final

import orjson

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.lots import LotPosition
from fillstream.libs.common.messages.codes import CostMethod, MarkPrice
from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.timers import Timers
from fillstream.libs.common.values.rational import rational
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, check_names, upcast
from fillstream.services.position_service.accounts.account import dump_account, load_account
from fillstream.services.position_service.books.books import Books
from fillstream.services.position_service.books.held import Held, Trade
from fillstream.services.position_service.books.instrument import NEVER, Instrument
from fillstream.services.position_service.books.trip import Trip
from fillstream.services.position_service.books.true_range import dump_range, load_range
from fillstream.services.position_service.exits.kept import dump_kept, load_kept
from fillstream.services.position_service.rules.rule import dump_rule, load_rule
from fillstream.services.position_service.targets.target import dump_targets, load_targets

VERSION = 3

_KEYS: Final = ("version", "read", "sent", "fills", "timers", "instruments")
_MAY: Final = ("differing", "methods", "hedging", "exits", "targets", "accounts", "rules")
_PLAIN: Final = ("id", "venue", "interval_ms", "told_ms", "moved", "telling", "session", "day")
_UNITS: Final = tuple(name for name in InstrumentUnits.model_fields if name not in InstrumentUnits.rare())
_TERMS: Final = (
    "symbol", *_UNITS, *_PLAIN, "marked_by", "marks", "settlement", "held",
)  # fmt: skip
_RARE: Final = (*InstrumentUnits.rare(), "base_currency", "closes", "outdated", "stale", "true_range")
_HELD: Final = ("account", "settled", "position", "trip")
_HEDGED: Final = ("name", "began_ms", "session", "settled", "position", "trip")
_KEPT: Final = ("session", "before", "before_trip", "trades", "names")
_POSITION: Final = tuple(each.name for each in fields(Position))
_TRIP: Final = tuple(each.name for each in fields(Trip))
_TEXT_OF_TRIP: Final = frozenset(("peak", "entered", "entry_value", "exited", "exit_value", "fees", "best", "worst"))
_BIG: Final = frozenset(("lots", "ticks", "fee", "paid"))
"""Fields of a trade that may pass 64 bits."""


def dump(books: Books) -> bytes:
    """Return the books as JSON."""
    document: Document = {
        "version": VERSION,
        "read": books.read,
        "sent": books.sent,
        "fills": books.fills,
        "timers": books.timers.dump(),
        "instruments": [_instrument(each) for each in books.instruments.values()],
    }
    if books.differing:
        document["differing"] = books.differing
    if books.methods:
        document["methods"] = books.methods
    if books.hedging:
        document["hedging"] = [*books.hedging]
    if books.accounts:
        document["accounts"] = [dump_account(each) for each in books.accounts.values()]
    if books.rules.by_id:
        document["rules"] = [dump_rule(each) for each in books.rules.by_id.values()]
    if books.exits.made:
        document["exits"] = dump_kept(books.exits)
    if books.targets.made:
        document["targets"] = dump_targets(books.targets)
    return orjson.dumps(document)


def _instrument(instrument: Instrument) -> Document:
    rare: Document = {} if instrument.base_currency is None else {"base_currency": instrument.base_currency}
    if instrument.closes:
        rare["closes"] = [[day, str(mark)] for day, mark in instrument.closes]
    rare |= {name: True for name in ("outdated", "stale") if getattr(instrument, name)}
    if instrument.true_range is not None:
        rare["true_range"] = dump_range(instrument.true_range)
    return rare | {
        "symbol": instrument.symbol,
        **instrument.units.values(),
        **{name: getattr(instrument, name) for name in _PLAIN},
        "telling": [account if name is None else [account, name] for account, name in instrument.telling],
        "marked_by": instrument.marked_by,
        "marks": [_text(instrument.mark), _text(instrument.short_mark)],
        "settlement": None if instrument.settlement is None else [*map(str, instrument.settlement)],
        "held": [
            {"account": account, **_held(held)}
            | ({} if held.hedged is None else {"hedged": [_part(each) for each in held.each]})
            for account, held in instrument.held.items()
        ],
    }


def _part(held: Held) -> Document:
    return {"name": held.name, "began_ms": held.began_ms, "session": held.session, **_held(held)}


def _held(held: Held) -> Document:
    record = {
        "settled": _text(held.settled),
        "position": _position(held.position),
        "trip": _trip(held.trip),
    }
    if not held.trades:
        return record
    columns = zip(Trade._fields, zip(*held.trades.values(), strict=True), strict=True)
    trades: Document = {name: [*map(str, column)] if name in _BIG else column for name, column in columns}
    return record | {
        "session": held.session,
        "before": _position(held.before),
        "before_trip": _trip(held.before_trip),
        "trades": {"name": [*held.trades], **trades},
        "names": held.names,
    }


def _position(position: Position) -> Document:
    record: Document = {name: str(getattr(position, name)) for name in _POSITION}
    if isinstance(position, LotPosition):
        record["open"] = [[str(lots), str(ticks)] for lots, ticks in position.open]
    return record


def _trip(trip: Trip | None) -> Document | None:
    if trip is None:
        return None
    values = {name: getattr(trip, name) for name in _TRIP}
    return {name: str(value) if name in _TEXT_OF_TRIP else value for name, value in values.items()}


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def load(data: bytes) -> Books:
    """Return the books that `dump` wrote, of this release or of an older one.

    Raises:
        Unreadable: of a version or with a name that this release does not know.
    """
    document = orjson.loads(data)
    if not isinstance(document, dict):
        raise Unreadable(f"positions snapshot: must be an object with named fields, got {type(document).__name__}")
    # 0.1.0 wrote no version: its was the first.
    document = upcast("positions snapshot", document, document.get("version", 1), VERSION, UPCASTS)
    check_names("positions snapshot", document, (*_KEYS, *_MAY), _KEYS)
    books = Books(document["read"], document["sent"], document["fills"], differing=document.get("differing", {}))
    books.timers = Timers.load(document["timers"])
    books.methods = {account: CostMethod(method) for account, method in document.get("methods", {}).items()}
    books.hedging = dict.fromkeys(document.get("hedging", ()))
    for each in document.get("rules", ()):
        books.rules.add(load_rule(each))
    for each in document.get("accounts", ()):
        account = books.accounts[each["name"]] = load_account(each)
        if account.number:
            books.account_numbers[account.number] = account.name
    for record in document["instruments"]:
        instrument = _load_instrument(record, books)
        books.instruments[instrument.symbol] = books.numbers[instrument.id] = instrument
        if instrument.base_currency is not None:
            books.rates[instrument.base_currency, instrument.units.currency] = instrument
    if "exits" in document:
        books.exits = load_kept(document["exits"])
    if "targets" in document:
        books.targets = load_targets(document["targets"])
    books.count()
    return books


def _load_instrument(record: Document, books: Books) -> Instrument:
    check_names("instrument", record, (*_TERMS, *_RARE), _TERMS)
    instrument = Instrument(record["symbol"], InstrumentUnits.out_of(record))
    for name in _PLAIN:
        setattr(instrument, name, record[name])
    instrument.base_currency = record.get("base_currency")
    instrument.outdated, instrument.stale = record.get("outdated", False), record.get("stale", False)
    instrument.closes.extend((day, int(mark)) for day, mark in record.get("closes", ()))
    if "true_range" in record:
        instrument.true_range = load_range(record["true_range"])
    instrument.marked_by = MarkPrice(record["marked_by"])
    instrument.mark, instrument.short_mark = map(_number, record["marks"])
    if record["settlement"] is not None:
        long, short = map(int, record["settlement"])
        instrument.settlement = long, short
    instrument.telling = [(each, None) if isinstance(each, str) else (each[0], each[1]) for each in record["telling"]]
    for each in record["held"]:
        account, parts = each["account"], each.pop("hedged", None)
        method = books.method_of(account)
        held = instrument.held[account] = _load_held(each, method if parts is None else Position, _HELD)
        if parts is not None:
            held.hedged = {}
            for part in parts:
                each_held = held.hedged[part["name"]] = _load_held(part, method, _HEDGED)
                each_held.name, each_held.began_ms, each_held.session = (part[name] for name in _HEDGED[:3])
    return instrument


def _load_held(record: Document, method: type[Position], names: tuple[str, ...]) -> Held:
    check_names("what is held", record, (*names, *_KEPT), names)
    position, trip = _load_position(record["position"], method), _load_trip(record["trip"])
    held = Held(position, trip, settled=_number(record["settled"]))
    if "trades" not in record:
        held.settle_trades()
        return held
    columns = record["trades"]
    check_names("trades", columns, ("name", *Trade._fields), ("name", *Trade._fields))
    values = ([*map(int, columns[name])] if name in _BIG else columns[name] for name in Trade._fields)
    held.trades = dict(zip(columns["name"], map(Trade._make, zip(*values, strict=True)), strict=True))
    held.names, held.session = record["names"], record["session"]
    held.before, held.before_trip = _load_position(record["before"], method), _load_trip(record["before_trip"])
    return held


def _load_position(record: Document, method: type[Position]) -> Position:
    check_names("position", record, (*_POSITION, "open"), ("quantity",))
    position = method(**{name: int(value) for name, value in record.items() if name != "open"})
    if isinstance(position, LotPosition):
        position.open = deque((rational(lots), rational(ticks)) for lots, ticks in record["open"])
    return position


def _load_trip(record: Document | None) -> Trip | None:
    if record is None:
        return None
    check_names("trip", record, _TRIP, ("position_id", "opened_ms", "long"))
    values: dict[str, Any] = {
        name: rational(value) if name in _TEXT_OF_TRIP else value for name, value in record.items()
    }
    return Trip(**values)


_V1_POSITION = ("account", "quantity", "cash", "cost", "denominator", "fees")


def upcast_v1_v2(document: Document) -> Document:
    """Name the fields of positions, which 0.1.0 wrote as lists."""
    document["version"] = 2
    for instrument in document["instruments"]:
        positions = instrument["positions"]
        instrument["positions"] = [dict(zip(_V1_POSITION, values, strict=True)) for values in positions]
    return document


def upcast_v2_v3(document: Document) -> Document:
    """Give what is held a trip of which nothing before is known, and no trades that are kept."""
    document |= {"version": 3, "timers": []}
    for number, instrument in enumerate(document["instruments"], 1):
        check_names("instrument", instrument, _V2_TERMS, _V2_TERMS[1:])
        instrument.setdefault("venue", SIM)
        mark = instrument.pop("mark")
        instrument |= {"id": -number, "interval_ms": 0, "told_ms": NEVER, "moved": False, "telling": [], "session": 0}
        instrument |= {"day": -1, "marked_by": "MID", "marks": [mark, mark], "settlement": None, "held": []}
        for position in instrument.pop("positions"):
            account, lots = position.pop("account"), int(position["quantity"])
            named = {"position_id": f"{instrument['symbol']}-before", "opened_ms": None, "long": lots > 0}
            settled = {"account": account, "settled": None, "position": position}
            instrument["held"].append({**settled, "trip": named if lots else None})
    return document


_V2_TERMS = ("venue", "symbol", *_UNITS, "mark", "positions")
UPCASTS: Upcasts = {1: upcast_v1_v2, 2: upcast_v2_v3}
