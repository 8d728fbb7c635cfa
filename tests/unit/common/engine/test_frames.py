"""Frames: Python's layout is the C header's, and only whole records are a frame."""

import re
import struct

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import (
    COMMAND,
    REPORT,
    Command,
    CommandType,
    OrdType,
    Reason,
    Report,
    ReportFlag,
    Side,
    Tif,
)
from tests.support.tree import ROOT

HEADER = (ROOT / "native/include/fillstream.h").read_text(encoding="utf-8")
SIZES = {"uint64_t": 8, "int64_t": 8, "uint32_t": 4, "uint16_t": 2, "uint8_t": 1}


def fields_in_header(record: str) -> list[tuple[str, int, int, bool]]:
    """(name, offset, bytes, signed) of each field, read from the header's text without a compiler."""
    body = re.search(rf"typedef struct {record} {{(.*?)}} {record};", HEADER, re.DOTALL)
    assert body
    fields, offset = [], 0
    for kind, name in re.findall(r"^\s*(u?int\d+_t) (\w+);", body[1], re.MULTILINE):
        assert offset % SIZES[kind] == 0, "a natural alignment, so no compiler pads"
        fields.append((name, offset, SIZES[kind], kind.startswith("int")))
        offset += SIZES[kind]
    return fields


@pytest.mark.parametrize(
    ("record", "layout", "fields"),
    [("fs_command", COMMAND, Command._fields), ("fs_report", REPORT, Report._fields)],
)
def test_layout_is_the_headers(record: str, layout: struct.Struct, fields: tuple[str, ...]) -> None:
    in_header = fields_in_header(record)
    assert tuple(name for name, *_ in in_header) == fields
    assert sum(size for *_, size, _ in in_header) == layout.size == frames.RECORD_BYTES == 64
    for i, (name, offset, size, signed) in enumerate(in_header):
        values = [0] * len(fields)
        values[i] = -2 if signed else 2 ** (8 * size) - 2
        packed = layout.pack(*values)
        expected = bytearray(64)
        expected[offset : offset + size] = b"\xfe" + b"\xff" * (size - 1)
        assert packed == bytes(expected), name


@pytest.mark.parametrize(
    ("record", "layout", "fields"),
    [("fs_command", COMMAND, Command._fields), ("fs_report", REPORT, Report._fields)],
)
def test_some_fields_of_a_record_are_found_where_the_header_has_them(
    record: str, layout: struct.Struct, fields: tuple[str, ...]
) -> None:
    packed = layout.pack(*range(1, len(fields) + 1))
    for value, (name, offset, *_) in enumerate(fields_in_header(record), start=1):
        assert frames.offset_of(record, name) == offset
        assert packed[offset] == value
        assert frames.struct_of_some(record, name).unpack(packed) == (value,)
    assert frames.struct_of_some(record, fields[-1], fields[0]).unpack(packed) == (1, len(fields))


def test_the_headers_drawing_names_the_offsets_of_the_wide_fields() -> None:
    drawing = re.search(r"^ \* +0 +8 .*$", HEADER, re.MULTILINE)
    assert drawing
    assert [int(n) for n in re.findall(r"\d+", drawing[0])] == [
        *range(0, 48, 8), 48, 52, 56, 57, 58, 59, 60, 61, 62
    ]  # fmt: skip


def test_codes_are_the_headers() -> None:
    body = re.search(r"enum fs_reason {(.*?)};", HEADER, re.DOTALL)
    assert body
    in_header = {name: int(code) for name, code in re.findall(r"FS_REASON_(\w+) = (\d+)", body[1])}
    assert {r.name: r.value for r in Reason} == in_header
    assert (Side.BUY, OrdType.LIMIT, Tif.FOK, CommandType.TIME) == (1, 2, 4, 6)
    assert (frames.PARTITION_ALL, frames.PARTITION_NONE) == (65535, 65534)
    assert (frames.MAX_QTY, frames.MAX_PRICE, frames.MAX_SYMBOL) == (10**15, 2**62 - 1, 65535)


def test_helpers_put_each_value_in_its_field() -> None:
    def command(record: bytes) -> dict[str, int]:
        return {k: v for k, v in Command._make(COMMAND.unpack(record))._asdict().items() if v}

    limit = frames.new_order(
        1, 2, 3, 4, side=Side.BUY, ord_type=OrdType.LIMIT, tif=Tif.GTC, price=5, qty=6, expiry_ms=7
    )
    who = {"order_id": 1, "account": 2, "symbol": 3, "partition": 4}
    codes = {"type": 1, "side": 1, "ord_type": 2, "tif": 1}
    assert command(limit) == who | codes | {"price": 5, "qty": 6, "time_ms": 7}
    assert command(frames.cancel(1, 2, 3, 4)) == who | {"type": 2}
    assert command(frames.replace(1, 2, 3, 4, price=5, qty=6)) == who | {"type": 3, "price": 5, "qty": 6}
    quoted = {"type": 4, "symbol": 3, "price": 5, "qty": 6, "aux_price": 7, "aux_qty": 8}
    assert command(frames.quote(3, 5, 6, 7, 8)) == quoted
    assert command(frames.print_trade(3, Side.SELL, 5, 6)) == {
        "type": 5,
        "symbol": 3,
        "side": 2,
        "price": 5,
        "qty": 6,
    }
    assert command(frames.set_time(9)) == {"type": 6, "time_ms": 9}


@pytest.mark.parametrize("size", [1, 63, 65, 127])
def test_a_frame_of_broken_length_is_refused_with_its_length_and_the_limit(size: int) -> None:
    for read in (frames.check_frame, frames.commands, frames.reports, lambda b: frames.decode(b, "reports")):
        with pytest.raises(ValueError, match=rf"whole records of 64 bytes, and {size} bytes"):
            read(b"x" * size)


def test_frames_of_whole_records_are_counted() -> None:
    assert [frames.check_frame(kind(128)) for kind in (bytes, bytearray)] == [2, 2]
    assert frames.check_frame(memoryview(bytes(128)).cast("Q")) == 2  # bytes, not items
    assert frames.check_frame(b"") == 0


def test_decode_spells_out_codes() -> None:
    frame = frames.new_order(
        1, 2, 3, 4, side=Side.SELL, ord_type=OrdType.MARKET, tif=Tif.IOC, price=0, qty=6
    ) + frames.quote(3, 5, 6, 7, 8)
    order, quote = frames.decode(frame, "commands")
    assert order["MsgType"] == "NEW"
    assert (order["Side"], order["OrdType"], order["TimeInForce"]) == ("SELL", "MARKET", "IOC")
    assert quote == {"MsgType": "QUOTE", "Symbol": 3, "BidPx": 5, "BidSize": 6, "OfferPx": 7, "OfferSize": 8}
    blank = Report(*[0] * len(Report._fields))
    house_fill = blank._replace(type=3, side=1, flags=ReportFlag.MAKER | ReportFlag.HOUSE, partition=65534)
    [fill] = frames.decode(REPORT.pack(*house_fill), "reports")
    assert (fill["ExecType"], fill["Flags"], fill["Partition"]) == ("FILLED", "MAKER|HOUSE", "NONE")


def test_decode_never_fails_for_what_a_record_says() -> None:
    for kind in ("commands", "reports"):
        for type_code in range(256):
            record = bytearray(b"\xff" * 64)
            record[56] = type_code
            [decoded] = frames.decode(record, kind)
            assert decoded
