"""Frames: arrays of the engine's 64-byte records, as Python sees them.

Flows in: the bytes of a stream entry, or plain ints. Flows out: plain tuples of ints, or the bytes of an
entry. The layout and every code come from `native/include/fillstream.h` through the compiled core; this
module only names them, and checks at import that its names are the header's, in the header's order. It never
judges a value: the engine answers any frame of whole records.

Units: prices in ticks, quantities in lots, times in milliseconds since 1970 UTC.
"""

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Any, Literal, NamedTuple

from fillstream.native._core import ffi, lib


class CommandType(IntEnum):
    """`fs_command_type`: what a command asks for."""

    NEW = lib.FS_NEW
    CANCEL = lib.FS_CANCEL
    REPLACE = lib.FS_REPLACE
    QUOTE = lib.FS_QUOTE
    PRINT = lib.FS_PRINT
    TIME = lib.FS_TIME
    MASS_CANCEL = lib.FS_MASS_CANCEL
    SESSION = lib.FS_SESSION
    BANDS = lib.FS_BANDS


class Side(IntEnum):
    """`fs_side`, FIX 54."""

    BUY = lib.FS_BUY
    SELL = lib.FS_SELL


class OrdType(IntEnum):
    """`fs_ord_type`, FIX 40."""

    MARKET = lib.FS_MARKET
    LIMIT = lib.FS_LIMIT
    STOP = lib.FS_STOP
    STOP_LIMIT = lib.FS_STOP_LIMIT
    MARKET_TO_LIMIT = lib.FS_MARKET_TO_LIMIT
    TRAILING_STOP = lib.FS_TRAILING_STOP


class Tif(IntEnum):
    """`fs_tif`, FIX 59 TimeInForce."""

    DAY = lib.FS_DAY
    GTC = lib.FS_GTC
    IOC = lib.FS_IOC
    FOK = lib.FS_FOK
    GTD = lib.FS_GTD


class OrderFlag(IntFlag):
    """`fs_order_flag`: bits of FS_NEW's flags."""

    POST_ONLY = lib.FS_POST_ONLY
    ALL_OR_NONE = lib.FS_ALL_OR_NONE
    ICEBERG = lib.FS_ICEBERG
    OFFSET_BPS = lib.FS_OFFSET_BPS


class ReplaceFlag(IntFlag):
    """`fs_replace_flag`: bits of FS_REPLACE's flags."""

    OPEN_QTY = lib.FS_OPEN_QTY
    NEW_STOP = lib.FS_NEW_STOP


class MassFlag(IntFlag):
    """`fs_mass_flag`: bits of FS_MASS_CANCEL's flags."""

    BY_SYMBOL = lib.FS_BY_SYMBOL


class Stp(IntEnum):
    """`fs_stp`: self-trade prevention of FS_NEW."""

    NONE = lib.FS_STP_NONE
    CANCEL_RESTING = lib.FS_STP_CANCEL_RESTING
    CANCEL_INCOMING = lib.FS_STP_CANCEL_INCOMING
    CANCEL_BOTH = lib.FS_STP_CANCEL_BOTH
    DECREMENT = lib.FS_STP_DECREMENT


class Session(IntEnum):
    """`fs_session`: what a symbol's book does with orders."""

    CONTINUOUS = lib.FS_CONTINUOUS
    AUCTION = lib.FS_AUCTION
    HALTED = lib.FS_HALTED


class ReportType(IntEnum):
    """`fs_report_type`: what a report says."""

    ACCEPTED = lib.FS_ACCEPTED
    REJECTED = lib.FS_REJECTED
    FILLED = lib.FS_FILLED
    CANCELED = lib.FS_CANCELED
    CANCEL_REJECTED = lib.FS_CANCEL_REJECTED
    REPLACED = lib.FS_REPLACED
    REPLACE_REJECTED = lib.FS_REPLACE_REJECTED
    EXPIRED = lib.FS_EXPIRED
    QUOTED = lib.FS_QUOTED
    PRINTED = lib.FS_PRINTED
    TRIGGERED = lib.FS_TRIGGERED
    REDUCED = lib.FS_REDUCED
    MASS_CANCELED = lib.FS_MASS_CANCELED
    SESSION_SET = lib.FS_SESSION_SET
    BANDS_SET = lib.FS_BANDS_SET


class Reason(IntEnum):
    """`fs_reason`: why an order was canceled (below 16) or a command refused (16 and above)."""

    NONE = lib.FS_REASON_NONE
    REQUESTED = lib.FS_REASON_REQUESTED
    IOC_REMAINDER = lib.FS_REASON_IOC_REMAINDER
    FOK_KILLED = lib.FS_REASON_FOK_KILLED
    NO_LIQUIDITY = lib.FS_REASON_NO_LIQUIDITY
    REPLACED_BELOW_FILLED = lib.FS_REASON_REPLACED_BELOW_FILLED
    SELF_TRADE = lib.FS_REASON_SELF_TRADE
    MASS_CANCEL = lib.FS_REASON_MASS_CANCEL
    UNKNOWN_ORDER = lib.FS_REASON_UNKNOWN_ORDER
    NOT_OWNER = lib.FS_REASON_NOT_OWNER
    DUPLICATE_ID = lib.FS_REASON_DUPLICATE_ID
    BAD_RECORD = lib.FS_REASON_BAD_RECORD
    BAD_QTY = lib.FS_REASON_BAD_QTY
    BAD_PRICE = lib.FS_REASON_BAD_PRICE
    BAD_SYMBOL = lib.FS_REASON_BAD_SYMBOL
    CAPACITY = lib.FS_REASON_CAPACITY
    EXPIRED = lib.FS_REASON_EXPIRED
    SESSION = lib.FS_REASON_SESSION
    OUTSIDE_BANDS = lib.FS_REASON_OUTSIDE_BANDS
    WOULD_TRADE = lib.FS_REASON_WOULD_TRADE
    BAD_DISPLAY = lib.FS_REASON_BAD_DISPLAY
    BAD_STOP = lib.FS_REASON_BAD_STOP
    CROSSED = lib.FS_REASON_CROSSED
    REJECT_RATE = lib.FS_REASON_REJECT_RATE


class ReportFlag(IntFlag):
    """`fs_report_flag`: bits of a report's flags."""

    MAKER = lib.FS_FLAG_MAKER
    TAKER = lib.FS_FLAG_TAKER
    HOUSE = lib.FS_FLAG_HOUSE
    DORMANT = lib.FS_FLAG_DORMANT
    AUCTION = lib.FS_FLAG_AUCTION
    TRAILING = lib.FS_FLAG_TRAILING
    OFFSET_BPS = lib.FS_FLAG_OFFSET_BPS


class Command(NamedTuple):
    """`fs_command`: one instruction to the engine. The header says what each field means for each type."""

    order_id: int
    price: int
    qty: int
    aux_price: int
    aux_qty: int
    time_ms: int
    account: int
    symbol: int
    type: int
    side: int
    ord_type: int
    tif: int
    flags: int
    stp: int
    partition: int


class Report(NamedTuple):
    """`fs_report`: one thing the engine says. The header says what each field means for each type."""

    order_id: int
    price: int
    qty: int
    leaves: int
    aux: int
    match_id: int
    account: int
    symbol: int
    type: int
    side: int
    reason: int
    flags: int
    partition: int
    reserved: int


FORMAT_CODES = {"uint64_t": "Q", "int64_t": "q", "uint32_t": "I", "uint16_t": "H", "uint8_t": "B"}


def struct_of(c_name: str, fields: tuple[str, ...]) -> Struct:
    """Return the `struct.Struct` of a C record, having checked that it has these fields and no padding."""
    c_fields = ffi.typeof(c_name).fields
    assert tuple(name for name, _ in c_fields) == fields, f"{c_name}: the header has other fields than frames.py"
    layout = "<"
    for name, field in c_fields:
        assert Struct(layout).size == field.offset, f"{c_name}.{name}: padding before it"
        layout += FORMAT_CODES[field.type.cname]
    assert Struct(layout).size == ffi.sizeof(c_name), f"{c_name}: padding at its end"
    return Struct(layout)


def struct_of_some(c_name: str, *names: str) -> Struct:
    """Return a `struct.Struct` as long as a C record that unpacks these fields of it, in the record's order, alone."""
    layout = "<"
    for name, field in ffi.typeof(c_name).fields:
        layout += FORMAT_CODES[field.type.cname] if name in names else f"{ffi.sizeof(field.type)}x"
    assert Struct(layout).size == ffi.sizeof(c_name), f"{c_name}: padding between its fields"
    return Struct(layout)


def offset_of(c_name: str, name: str) -> int:
    """Return where in a C record a field begins (bytes)."""
    return int(ffi.offsetof(c_name, name))


def check_enum(c_name: str, prefix: str, members: type[IntEnum] | type[IntFlag]) -> None:
    """Assert that an enumeration here has the header's names and values, all of them."""
    in_header: dict[str, int] = ffi.typeof(f"enum {c_name}").relements
    here = {prefix + member.name: member.value for member in members if member.name is not None}
    assert here == in_header, f"{c_name}: the header has other codes than frames.py"


COMMAND = struct_of("fs_command", Command._fields)
REPORT = struct_of("fs_report", Report._fields)
RECORD_BYTES: int = COMMAND.size
assert REPORT.size == RECORD_BYTES

PARTITION_ALL: int = lib.FS_PARTITION_ALL
PARTITION_NONE: int = lib.FS_PARTITION_NONE
MAX_QTY: int = lib.FS_MAX_QTY
MAX_PRICE: int = lib.FS_MAX_PRICE
MAX_SYMBOL: int = lib.FS_MAX_SYMBOL
MAX_TIPS: int = lib.FS_MAX_TIPS
MAX_SPECIAL: int = lib.FS_MAX_SPECIAL

check_enum("fs_command_type", "FS_", CommandType)
check_enum("fs_side", "FS_", Side)
check_enum("fs_ord_type", "FS_", OrdType)
check_enum("fs_tif", "FS_", Tif)
check_enum("fs_report_type", "FS_", ReportType)
check_enum("fs_reason", "FS_REASON_", Reason)
check_enum("fs_report_flag", "FS_FLAG_", ReportFlag)
check_enum("fs_order_flag", "FS_", OrderFlag)
check_enum("fs_replace_flag", "FS_", ReplaceFlag)
check_enum("fs_mass_flag", "FS_", MassFlag)
check_enum("fs_stp", "FS_STP_", Stp)
check_enum("fs_session", "FS_", Session)


# ------------------------------------------------------------------- packing
# Plain ints for speed: an attribute of an IntEnum costs as much as the packing itself.

_pack = COMMAND.pack
_NEW, _CANCEL, _REPLACE = int(CommandType.NEW), int(CommandType.CANCEL), int(CommandType.REPLACE)
_QUOTE, _PRINT, _TIME = int(CommandType.QUOTE), int(CommandType.PRINT), int(CommandType.TIME)
_MASS, _SESSION, _BANDS = int(CommandType.MASS_CANCEL), int(CommandType.SESSION), int(CommandType.BANDS)


def new_order(
    order_id: int,
    account: int,
    symbol: int,
    partition: int,
    *,
    side: int,
    ord_type: int,
    tif: int,
    price: int,
    qty: int,
    expiry_ms: int = 0,
    stop_price: int = 0,
    display_or_offset: int = 0,
    flags: int = 0,
    stp: int = 0,
) -> bytes:
    """Return the record of FS_NEW. `price` is 0 for a market order, `expiry_ms` 0 for none.

    `stop_price` (ticks) is for stops; `display_or_offset` (lots; ticks or basis points) for an iceberg or a trailing
    stop; `flags` are `OrderFlag`, `stp` is `Stp`. Raises `struct.error` for an int that its field cannot hold, as do
    the functions below.
    """
    aux = (stop_price, display_or_offset)
    codes = (_NEW, side, ord_type, tif, flags, stp, partition)
    return _pack(order_id, price, qty, *aux, expiry_ms, account, symbol, *codes)


def cancel(order_id: int, account: int, symbol: int, partition: int) -> bytes:
    """Return the record of FS_CANCEL. `symbol` and `partition` only mark a rejection."""
    return _pack(order_id, 0, 0, 0, 0, 0, account, symbol, _CANCEL, 0, 0, 0, 0, 0, partition)


def replace(
    order_id: int,
    account: int,
    symbol: int,
    partition: int,
    *,
    price: int,
    qty: int,
    flags: int = 0,
    stop_price: int = 0,
) -> bytes:
    """Return the record of FS_REPLACE. `qty` is the new total: what is filled so far counts.

    With `ReplaceFlag.OPEN_QTY` it is what shall be open; with `NEW_STOP`, `stop_price` replaces a dormant order's.
    """
    aux = (stop_price, 0, 0)
    return _pack(order_id, price, qty, *aux, account, symbol, _REPLACE, 0, 0, 0, flags, 0, partition)


def quote(symbol: int, bid: int, bid_qty: int, ask: int, ask_qty: int) -> bytes:
    """Return the record of FS_QUOTE. A quantity of 0: no such side."""
    return _pack(0, bid, bid_qty, ask, ask_qty, 0, 0, symbol, _QUOTE, 0, 0, 0, 0, 0, 0)


def print_trade(symbol: int, side: int, price: int, qty: int) -> bytes:
    """Return the record of FS_PRINT. `side` is the aggressor's."""
    return _pack(0, price, qty, 0, 0, 0, 0, symbol, _PRINT, side, 0, 0, 0, 0, 0)


def set_time(now_ms: int) -> bytes:
    """Return the record of FS_TIME."""
    return _pack(0, 0, 0, 0, 0, now_ms, 0, 0, _TIME, 0, 0, 0, 0, 0, 0)


def mass_cancel(
    account: int = 0, symbol: int | None = None, side: int = 0, order_id: int = 0, partition: int = 0
) -> bytes:
    """Return the record of FS_MASS_CANCEL: 0 and None stand for all.

    `order_id` only marks the answer, which goes to the account partition `partition`.
    """
    flags = 0 if symbol is None else int(MassFlag.BY_SYMBOL)
    return _pack(order_id, 0, 0, 0, 0, 0, account, symbol or 0, _MASS, side, 0, 0, flags, 0, partition)


def session(symbol: int, state: int, reference: int = 0) -> bytes:
    """Return the record of FS_SESSION. `reference` (ticks) is the auction's."""
    return _pack(0, reference, 0, 0, 0, 0, 0, symbol, _SESSION, 0, 0, 0, state, 0, 0)


def bands(symbol: int, low: int | None = None, high: int | None = None) -> bytes:
    """Return the record of FS_BANDS: limits must be in low..high (ticks). Both None: no bands."""
    if low is None or high is None:
        return _pack(0, 0, 0, 0, 0, 0, 0, symbol, _BANDS, 0, 0, 0, 0, 0, 0)
    return _pack(0, low, 0, high, 0, 0, 0, symbol, _BANDS, 0, 0, 0, 1, 0, 0)


# ----------------------------------------------------------------- unpacking


def check_frame(frame: bytes | bytearray | memoryview) -> int:
    """Return the number of records in a frame, or raise ValueError if its length is not whole records."""
    size = frame.nbytes if isinstance(frame, memoryview) else len(frame)
    if size % RECORD_BYTES:
        raise ValueError(torn(size))
    return size // RECORD_BYTES


def torn(size: int) -> str:
    """Return the sentence about a frame of `size` bytes that are not whole records."""
    return f"A frame is whole records of {RECORD_BYTES} bytes, and {size} bytes are not a multiple of {RECORD_BYTES}."


def commands(frame: bytes | bytearray | memoryview) -> Iterator[tuple[int, ...]]:
    """Yield a tuple in the order of `Command`'s fields for each record. ValueError: see `check_frame`."""
    check_frame(frame)
    return COMMAND.iter_unpack(frame)


def reports(frame: bytes | bytearray | memoryview) -> Iterator[tuple[int, ...]]:
    """Yield a tuple in the order of `Report`'s fields for each record. ValueError: see `check_frame`."""
    check_frame(frame)
    return REPORT.iter_unpack(frame)


# ---------------------------------------------------------------- for people


def _name(members: type[IntEnum] | type[IntFlag], code: int) -> str:
    """Return the name of a code, or the code as text: a frame may hold anything."""
    try:
        return members(code).name or str(code)
    except ValueError:
        return str(code)


def _partition(code: int) -> int | str:
    return {PARTITION_ALL: "ALL", PARTITION_NONE: "NONE"}.get(code, code)


def _decode_command(record: tuple[int, ...]) -> dict[str, Any]:
    c = Command._make(record)
    kind = _name(CommandType, c.type)
    if c.type == CommandType.TIME:
        return {"MsgType": kind, "TransactTime": c.time_ms}
    if c.type == CommandType.QUOTE:
        bid_ask = {"BidPx": c.price, "BidSize": c.qty, "OfferPx": c.aux_price, "OfferSize": c.aux_qty}
        return {"MsgType": kind, "Symbol": c.symbol, **bid_ask}
    if c.type == CommandType.PRINT:
        trade = {"Side": _name(Side, c.side), "LastPx": c.price, "LastQty": c.qty}
        return {"MsgType": kind, "Symbol": c.symbol, **trade}
    fields = {"MsgType": kind, "OrderID": c.order_id, "Account": c.account, "Symbol": c.symbol}
    fields["Partition"] = _partition(c.partition)
    if c.type == CommandType.CANCEL:
        return fields
    if c.type != CommandType.REPLACE:
        codes = {"Side": _name(Side, c.side), "OrdType": _name(OrdType, c.ord_type)}
        fields |= {**codes, "TimeInForce": _name(Tif, c.tif), "ExpireTime": c.time_ms}
    return fields | {"Price": c.price, "OrderQty": c.qty}


def _decode_report(record: tuple[int, ...]) -> dict[str, Any]:
    r = Report._make(record)
    kind = _name(ReportType, r.type)
    if r.type == ReportType.QUOTED:
        bid_ask = {"BidPx": r.price, "BidSize": r.qty, "OfferPx": r.leaves, "OfferSize": r.aux}
        return {"ExecType": kind, "Symbol": r.symbol, **bid_ask}
    if r.type == ReportType.PRINTED:
        trade = {"Side": _name(Side, r.side), "LastPx": r.price, "LastQty": r.qty}
        return {"ExecType": kind, "Symbol": r.symbol, **trade}
    fields = {"ExecType": kind, "OrderID": r.order_id, "Account": r.account, "Symbol": r.symbol}
    fields["Side"] = _name(Side, r.side)
    if r.type == ReportType.FILLED:
        fields |= {"LastPx": r.price, "LastQty": r.qty, "LeavesQty": r.leaves, "TrdMatchID": r.match_id}
    else:
        fields |= {"Price": r.price, "OrderQty": r.qty, "LeavesQty": r.leaves}
    if r.reason:
        fields["Reason"] = _name(Reason, r.reason)
    if r.flags:
        fields["Flags"] = _name(ReportFlag, r.flags)
    return fields | {"Partition": _partition(r.partition)}


def decode(frame: bytes | bytearray | memoryview, kind: Literal["commands", "reports"]) -> list[dict[str, Any]]:
    """Return each record of a frame as a dict in FIX's names, with codes spelled out, for people to read.

    A frame does not say which records it holds; the stream does: `commands.{s}` commands, `reports` reports.
    Raises ValueError as `check_frame` does, and never for what the records say.
    """
    if kind == "commands":
        return [_decode_command(record) for record in commands(frame)]
    return [_decode_report(record) for record in reports(frame)]
