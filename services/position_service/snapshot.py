"""The position stage's state as bytes, and back: every record by the names of its fields.

Flows in: a `Books`; or the bytes that this release or an older one wrote. Flows out: JSON, equal for equal states; or
the books again. Never books anything, never guesses what it does not know.

    version, read, sent, fills; differing where there are any
    instruments [{symbol, venue, currency, tick_size, lot_size, multiplier, mark, positions [{account, ...}]}]

Integers that may pass 64 bits are text. Lists keep the order of the books: marks are told in it. A field of `Position`
that is added with a default needs no more; what changes a shape raises `VERSION` and adds a step to `UPCASTS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

import orjson

from fillstream.libs.common.ledger.average import Holdings, Position
from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, check_names, upcast

VERSION = 2

_KEYS: Final = ("version", "read", "sent", "fills", "instruments")
_TERMS: Final = ("symbol", *InstrumentUnits.model_fields, "mark", "positions")
_POSITION: Final = tuple(each.name for each in fields(Position))


@dataclass(slots=True)
class Books:
    """All that the stage knows.

    Attributes:
        read: number of the journal's last event.
        sent: number of the last message sent.
        fills: what fills did to positions, counted.
        holdings: of every instrument, by symbol.
        venues: whose quotes mark an instrument, by symbol.
        differing: in how many positions the orders stage differed when it stated them last, by account.
    """

    read: int = 0
    sent: int = 0
    fills: dict[str, int] = field(
        default_factory=lambda: {"opened": 0, "increased": 0, "reduced": 0, "closed": 0, "flipped": 0}
    )
    holdings: dict[str, Holdings] = field(default_factory=dict)
    venues: dict[str, str] = field(default_factory=dict)
    differing: dict[str, int] = field(default_factory=dict)


def dump(books: Books) -> bytes:
    """Return the books as JSON."""
    document = {
        "version": VERSION,
        "read": books.read,
        "sent": books.sent,
        "fills": books.fills,
        "instruments": [_holdings(each, books.venues[each.symbol]) for each in books.holdings.values()],
    }
    if books.differing:
        document["differing"] = books.differing
    return orjson.dumps(document)


def _holdings(holdings: Holdings, venue: str) -> Document:
    return {
        "symbol": holdings.symbol,
        "venue": venue,
        **holdings.units.values(),
        "mark": None if holdings.mark is None else str(holdings.mark),
        "positions": [
            {"account": account, **{name: str(getattr(position, name)) for name in _POSITION}}
            for account, position in holdings.positions.items()
        ],
    }


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
    check_names("positions snapshot", document, (*_KEYS, "differing"), _KEYS)
    holdings = {each["symbol"]: _load_holdings(each) for each in document["instruments"]}
    venues = {each["symbol"]: each.get("venue", SIM) for each in document["instruments"]}
    differing = document.get("differing", {})
    return Books(document["read"], document["sent"], document["fills"], holdings, venues, differing)


def _load_holdings(record: Document) -> Holdings:
    check_names("instrument", record, ("venue", *_TERMS), _TERMS)
    holdings = Holdings(record["symbol"], InstrumentUnits.out_of(record))
    if record["mark"] is not None:
        holdings.set_mark(int(record["mark"]))
    for each in record["positions"]:
        check_names("Position", each, ("account", *_POSITION), ("account", "quantity"))
        account = each.pop("account")
        holdings.positions[account] = Position(**{name: int(value) for name, value in each.items()})
    return holdings


_V1_POSITION = ("account", "quantity", "cash", "cost", "denominator", "fees")


def upcast_v1_v2(document: Document) -> Document:
    """Name the fields of positions, which 0.1.0 wrote as lists."""
    document["version"] = 2
    for instrument in document["instruments"]:
        positions = instrument["positions"]
        instrument["positions"] = [dict(zip(_V1_POSITION, values, strict=True)) for values in positions]
    return document


UPCASTS: Upcasts = {1: upcast_v1_v2}
