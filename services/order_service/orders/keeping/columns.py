"""Orders as columns: a snapshot keeps a million of them in a sixth of the bytes, and reads them eight times as fast.

Flows in: orders, or the columns that `dump_orders` wrote. Flows out: the same, the other way round. Never decides which
orders there are.

    {record: "Order", count, columns {field: column}}

A column holds a field of every order, in the order of the orders' ids, in one of three shapes:

    [value, value, ...]                 one each
    {same: value}                       all have the same
    {values: [...], codes: [...]}       few different ones, each once, and which of them each has
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from fractions import Fraction
from operator import attrgetter
from typing import Any, Final

from fillstream.libs.common.ledger.fees import Charged
from fillstream.libs.common.messages.codes import TimeInForce
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.values.versions import Document, Unreadable, check_names
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.config import day_end
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.parts import Amendment, Fill, Links
from fillstream.services.order_service.orders.life.special import Special, said_by

_DAY: Final = TimeInForce.DAY.value
_FIELDS: Final = tuple(field for field in fields(Order) if field.init)
_NAMES: Final = tuple(field.name for field in _FIELDS)
_NEEDED: Final = tuple(f.name for f in _FIELDS if f.default is MISSING and f.default_factory is MISSING)
_DEFAULTS: Final = {field.name: field.default for field in _FIELDS if field.default is not MISSING}
_RARE: Final = ("links", "loosest", "special", "held", "came", "fills", "standing", "charged", "arrival")
"""Fields of few orders, written where they say something: older releases know none of them."""
_CODED: Final = frozenset(
    ("account", "terms", "strategy", "confidence", "side", "order_type", "time_in_force", "venue", "status")
)
"""Texts of which there are few; also in memory each is there once then."""

_WRITE: Final[dict[str, Callable[[Any], Any]]] = {
    "terms": lambda terms: terms.symbol,
    "notional": str,  # may pass 64 bits, where JSON's integers end
    "amendment": lambda amendment: amendment and _dump_amendment(amendment),
    "exec_ids": list,
    "links": lambda links: links and _dump_links(links),
    "special": lambda special: special and said_by(special),
    "fills": lambda fills: [_dump_fill(fill) for fill in fills],
    "charged": lambda charged: charged and [*map(str, (*charged.raw.as_integer_ratio(), charged.fee))],
}


def _dump_fill(fill: Fill) -> Document:
    record = fill._asdict()
    if abs(fill.fee) >= 1 << 63:  # text where JSON's integers end
        record["fee"] = str(fill.fee)
    return record


def _dump_links(links: Links) -> Document:
    record = links._asdict()
    if links.list_id is None:  # of most; older releases do not know it
        del record["list_id"]
    return record


def _dump_amendment(amendment: Amendment) -> Document:
    record = amendment._asdict()
    if amendment.stop is None:  # of most; older releases do not know it
        del record["stop"]
    return record


def _load_amendment(record: Document | None) -> Amendment | None:
    if record is None:
        return None
    check_names("Amendment", record, Amendment._fields, ("signal_id", "quantity", "price"))
    return Amendment(**record)


def _load_links(record: Document | None) -> Links | None:
    if record is None:
        return None
    check_names("Links", record, Links._fields, Links._fields[:-1])
    return Links(**record)


def _load_special(record: Document | None) -> Special | None:
    if record is None:
        return None
    check_names("Special", record, Special._fields, ())
    return Special(**record)


def _load_fills(records: list[Document]) -> tuple[Fill, ...]:
    for record in records:
        check_names("Fill", record, Fill._fields, Fill._fields)
    return tuple(Fill(**{**record, "fee": int(record["fee"])}) for record in records)


def _load_charged(said: list[str] | None) -> Charged | None:
    if said is None:
        return None
    numerator, denominator, fee = map(int, said)
    return Charged(Fraction(numerator, denominator), fee)


_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "notional": int,
    "amendment": _load_amendment,
    "links": _load_links,
    "exec_ids": tuple,
    "special": _load_special,
    "fills": _load_fills,
    "charged": _load_charged,
}


# ------------------------------------------------------------------------------------------------------------- writing


def dump_orders(orders: Sequence[Order]) -> Document:
    """Return orders, in the order of their ids, as columns."""
    columns = {name: _column(name, [*map(attrgetter(name), orders)]) for name in _NAMES} if orders else {}
    for name in _RARE:
        if columns.get(name) in ({"same": None}, {"same": False}, {"same": []}):
            del columns[name]
    return {"record": "Order", "count": len(orders), "columns": columns}


def _column(name: str, values: list[Any]) -> Any:
    write = _WRITE.get(name)
    if values.count(values[0]) == len(values):
        return {"same": write(values[0]) if write else values[0]}
    if write:
        values = [*map(write, values)]
    if name not in _CODED:
        return values
    codes: dict[Any, int] = {}
    return {"codes": [codes.setdefault(value, len(codes)) for value in values], "values": [*codes]}


# ------------------------------------------------------------------------------------------------------------- reading


def load_orders(table: Document, terms: dict[str, dict[str, Terms]]) -> list[Order]:
    """Return the orders that `dump_orders` wrote.

    Args:
        table: as it was written; a column of a field with a default may be missing.
        terms: by venue and symbol.

    Raises:
        Unreadable: another record, a name, a column or terms that this release does not know.
    """
    if table.get("record") != "Order":
        raise Unreadable(f"orders snapshot: record {table.get('record')} must be Order among orders")
    count, columns = table["count"], table["columns"]
    if not count:
        return []
    check_names("Order", columns, _NAMES, _NEEDED)
    found = {name: _values(name, column, count) for name, column in columns.items()}
    venues = found.setdefault("venue", [SIM] * count)
    found["terms"] = _terms(found["order_id"], venues, found["terms"], terms)
    if "expiry_ms" not in found:  # an older record does not say when DAY ends
        found["expiry_ms"] = [
            day_end(received_ms) if time_in_force == _DAY else 0
            for received_ms, time_in_force in zip(found["received_ms"], found["time_in_force"], strict=True)
        ]
    rows = [found[name] if name in found else [_DEFAULTS[name]] * count for name in _NAMES]
    return [*map(Order, *rows)]


def _values(name: str, column: Any, count: int) -> list[Any]:
    """Return a column's values, one for each order."""
    read = _READ.get(name)
    if isinstance(column, dict):
        if column.keys() == {"same"}:
            value = column["same"]
            return [read(value) if read else value] * count
        if column.keys() != {"codes", "values"}:
            raise Unreadable(f"Order: column {name} of {', '.join(column)} must be a list, same, or codes and values")
        column = [*map(column["values"].__getitem__, column["codes"])]
    if len(column) != count:
        raise Unreadable(f"Order: column {name} of {len(column)} values must have {count}, one for each order")
    return [*map(read, column)] if read else column


def _terms(ids: list[int], venues: list[str], symbols: list[str], terms: dict[str, dict[str, Terms]]) -> list[Terms]:
    try:
        return [terms[venue][symbol] for venue, symbol in zip(venues, symbols, strict=True)]
    except KeyError:
        for order_id, venue, symbol in zip(ids, venues, symbols, strict=True):
            if symbol not in terms.get(venue, {}):
                raise Unreadable(
                    f"Order {order_id}: terms {symbol} must be defined, and so must venue {venue}"
                ) from None
        raise


def columns_of(records: Sequence[Document]) -> Document:
    """Return orders that were written one by one, by the names of their fields, as columns.

    Raises:
        Unreadable: one is no order, or misses what others have and has no default.
    """
    for record in records:
        if record.pop("record", None) != "Order":
            raise Unreadable("orders snapshot: every record must be Order among orders")
    names = dict.fromkeys(name for record in records for name in record)
    for record in records:
        check_names("Order", record, _NAMES, [*names.keys() - _DEFAULTS.keys()])
    return {
        "record": "Order",
        "count": len(records),
        "columns": {name: [record.get(name, _DEFAULTS.get(name)) for record in records] for name in names},
    }
