"""An order's terms as people say them, checked, and as the engine's record takes them.

Flows in: keywords of `Engine.submit_order`. Flows out: an `OrdType` and the fields of a record, or a ValueError or
TypeError that names the field, what it was and what it must be. What an order may be in itself is decided here, in
the words of the header; what the state of a book says to it, the engine decides.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypedDict

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY, MAX_TIPS, OrderFlag, OrdType, Side, Stp, Tif
from fillstream.libs.common.values.checks import integer, member, shown

MAX_ACCOUNT: Final = (1 << 32) - 1
MAX_TIME_MS: Final = (1 << 64) - 1
MAX_OFFSET_BPS: Final = 9999

_LIMITED: Final = frozenset({OrdType.LIMIT, OrdType.STOP_LIMIT})
STOPPED: Final = frozenset({OrdType.STOP, OrdType.STOP_LIMIT})
_TRAILING: Final = frozenset({OrdType.TRAILING_STOP})
_LASTING: Final = frozenset({Tif.DAY, Tif.GTC, Tif.GTD})
_RESTING: Final = OrderFlag.POST_ONLY | OrderFlag.ALL_OR_NONE
NO_FLAG: Final = OrderFlag(0)
_ALL_FLAGS: Final = OrderFlag(sum(OrderFlag))
_SIDE_CODES: Final = {name: int(side) for side in Side for name in (side.name, side.name.lower())}
_LOWEST: Final = -MAX_PRICE
_FLAG_NAMES: Final = ", ".join(str(flag.name) for flag in OrderFlag)


class OrderKeywords(TypedDict, total=False):
    """The keywords of `Engine.submit_order`, for who passes them on."""

    account: int
    ord_type: OrdType | str | None
    tif: Tif | str
    stop_price: int | None
    display: int | None
    offset: int | None
    flags: OrderFlag
    stp: Stp | str
    expiry_ms: int | None


class Record(NamedTuple):
    """The fields of a new order's record, but for whose it is and of what."""

    side: Side
    ord_type: OrdType
    tif: Tif
    price: int
    qty: int
    expiry_ms: int
    stop_price: int
    display_or_offset: int
    flags: OrderFlag
    stp: Stp


def check_terms(
    side: Side | str,
    price: int | None,
    qty: int,
    ord_type: OrdType | str | None,
    tif: Tif | str,
    stop_price: int | None,
    display: int | None,
    offset: int | None,
    flags: OrderFlag,
    stp: Stp | str,
    expiry_ms: int | None,
) -> Record:
    """Return the record's fields of terms that fit together; see `Engine.submit_order` for what they are."""
    side, tif, stp, flags = member("side", side, Side), member("tif", tif, Tif), member("stp", stp, Stp), _flags(flags)
    kind = _kind(ord_type, price, stop_price, offset)
    lots = integer("qty", qty, 1, MAX_QTY)
    limit = check_price("price", _wanted("price", price, kind, _LIMITED))
    stop = check_price("stop_price", _wanted("stop_price", stop_price, kind, STOPPED))
    trail = _offset(_wanted("offset", offset, kind, _TRAILING), flags, kind)
    shows = _display(display, lots, kind, tif, flags)
    if flags is not NO_FLAG and flags & _RESTING and (kind is not OrdType.LIMIT or tif not in _LASTING):
        given = f"flags is {flags!r}, and ord_type {kind.name}, tif {tif.name}"
        raise ValueError(f"{given}: POST_ONLY and ALL_OR_NONE are for limit orders that may rest.")
    if tif is Tif.GTD and expiry_ms is None:
        raise ValueError("expiry_ms is None, and a GTD order needs one.")
    expiry = 0 if expiry_ms is None else integer("expiry_ms", expiry_ms, 1, MAX_TIME_MS)
    if shows is not None:
        flags |= OrderFlag.ICEBERG
    return Record(side, kind, tif, _or_0(limit), lots, expiry, _or_0(stop), _or_0(shows) + _or_0(trail), flags, stp)


def plain_side(side: object, price: object, qty: object) -> int:
    """Return a plain limit order's side as the record has it; 0 where something wants a closer look, or a refusal."""
    if type(price) is not int or type(qty) is not int or not (_LOWEST <= price <= MAX_PRICE and 0 < qty <= MAX_QTY):
        return 0
    if type(side) is str:
        return _SIDE_CODES.get(side, 0)
    return int(side) if type(side) is Side else 0


def check_price(field: str, price: int | None) -> int | None:
    """Return a price in ticks, which may be 0 or negative, or None."""
    return None if price is None else integer(field, price, -MAX_PRICE, MAX_PRICE)


def _kind(ord_type: OrdType | str | None, price: int | None, stop_price: int | None, offset: int | None) -> OrdType:
    """Return the type that was said, or that the prices say."""
    if ord_type is not None:
        return member("ord_type", ord_type, OrdType)
    if stop_price is not None:
        return OrdType.STOP if price is None else OrdType.STOP_LIMIT
    if offset is not None:
        return OrdType.TRAILING_STOP
    return OrdType.MARKET if price is None else OrdType.LIMIT


def _wanted(field: str, value: int | None, kind: OrdType, takers: frozenset[OrdType]) -> int | None:
    """Return the value, when an order of this type takes one and has it, or takes none and has none."""
    if value is None and kind in takers:
        raise ValueError(f"{field} is None, and an order of type {kind.name} needs one.")
    if value is not None and kind not in takers:
        raise ValueError(f"{field} is {shown(value)}, and an order of type {kind.name} takes none.")
    return value


def _flags(flags: OrderFlag) -> OrderFlag:
    if flags is NO_FLAG:  # mostly; looking into an enumeration costs more than all else here
        return flags
    if not isinstance(flags, OrderFlag) or flags not in _ALL_FLAGS:
        raise ValueError(f"flags is {shown(flags)}, and must be an OrderFlag: {_FLAG_NAMES}, or several joined by |.")
    return flags


def _offset(offset: int | None, flags: OrderFlag, kind: OrdType) -> int | None:
    in_bps = flags is not NO_FLAG and OrderFlag.OFFSET_BPS in flags
    if offset is None and in_bps:
        raise ValueError(f"flags has OFFSET_BPS, and an order of type {kind.name} has no offset.")
    return None if offset is None else integer("offset", offset, 1, MAX_OFFSET_BPS if in_bps else MAX_PRICE)


def _display(display: int | None, qty: int, kind: OrdType, tif: Tif, flags: OrderFlag) -> int | None:
    if display is None:
        if flags is not NO_FLAG and OrderFlag.ICEBERG in flags:
            raise ValueError("flags has ICEBERG, and display is None: an iceberg needs one.")
        return None
    if OrderFlag.ALL_OR_NONE in flags:
        raise ValueError(f"display is {shown(display)}, and an ALL_OR_NONE order takes none.")
    if kind not in _LIMITED or tif not in _LASTING:
        raise ValueError(f"display is {shown(display)}, and an order of type {kind.name} with {tif.name} takes none.")
    least = -(-qty // MAX_TIPS)  # more tips than that the engine does not allow
    return integer("display", display, least, qty)


def _or_0(value: int | None) -> int:
    return 0 if value is None else value
