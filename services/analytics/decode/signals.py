"""What clients sent, as typed as it goes.

Flows in: raw entries of `signals`, in every shape `messages.wire` knows. Flows out: a row each in table `signals`.
Never judges a signal (that is the signals stage's part) and never loses one: what cannot be typed is null, `problem`
says why, and `fields` then has the entry byte for byte. A release's note to the stage is no signal, and passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.base import exact_flag
from fillstream.libs.common.messages.note import is_note
from fillstream.libs.common.messages.wire import decode
from fillstream.libs.common.values.naming import shorten
from fillstream.services.analytics.decode.columns import numbers
from fillstream.services.analytics.decode.entries import Batch, RawEntry, envelope, raw_fields
from fillstream.services.analytics.schema import ENVELOPE, SIGNALS_TABLE

COLUMNS = tuple(c for c in SIGNALS_TABLE.columns if c not in ENVELOPE and c.name not in ("problem", "fields"))
NAMES = frozenset(column.name for column in COLUMNS)
LARGEST_INTEGER = 2**63 - 1


def decode_signals(stream: str, entries: Sequence[RawEntry], batch: Batch) -> None:
    """Add a row for each entry to `batch`."""
    entries = [entry for entry in entries if not (entry[1] and is_note(entry[1][::2]))]
    problems: dict[int, list[str]] = {}
    found = [_signal(row, entry[1] or [], problems) for row, entry in enumerate(entries)]
    columns = envelope(stream, entries)
    for column in COLUMNS:
        name = column.name
        values = [signal.get(name) for signal in found]
        if column.kind == "BIGINT":
            columns.append(_integers(name, values, problems))
            continue
        if column.kind == "BOOLEAN":
            columns.append(_flags(name, values, problems))
            continue
        text = pa.array([_text(name, value, row, problems) for row, value in enumerate(values)], pa.string())
        if column.number is not None:
            text, bad = numbers(text, batch.scales.of(column.number))
            room = column.sql(batch.scales)
            for row in bad:
                problems.setdefault(row, []).append(f"{name}: {shorten(values[row])} is no number that fits {room}")
        columns.append(text)
    columns.append(pa.array(["; ".join(problems[row]) if row in problems else None for row in range(len(entries))]))
    columns[-1] = columns[-1].cast(pa.string())
    columns.append(raw_fields(_pairs(entry) if row in problems else None for row, entry in enumerate(entries)))
    batch.add(SIGNALS_TABLE.name, pa.table(columns, schema=SIGNALS_TABLE.arrow(batch.scales)))


def _pairs(entry: RawEntry) -> list[tuple[bytes, bytes]]:
    flat = entry[1] or ()
    return list(zip(flat[::2], flat[1::2], strict=True))


def _signal(row: int, flat: Sequence[bytes], problems: dict[int, list[str]]) -> dict[str, Any]:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    said = []
    signal: dict[str, Any] = {}
    try:
        signal = decode(fields)
    except BadEntry as error:
        said.append(error.text)
    if 2 * len(fields) != len(flat):
        said.append("a field is there more than once, the last one counts here")
    if not signal.keys() <= NAMES:
        unknown = next(name for name in signal if name not in NAMES)
        said.append(f"{shorten(unknown)}: not a field of a signal")
    if said:
        problems[row] = said
    return signal


def _text(name: str, value: Any, row: int, problems: dict[int, list[str]]) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        if value.isascii() or value.encode("utf-8", "surrogatepass") == value.encode("utf-8", "replace"):
            return value
        problems.setdefault(row, []).append(f"{name}: {shorten(value)} is half a surrogate pair, not text")
        return None
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    problems.setdefault(row, []).append(f"{name}: {shorten(value)} is neither text nor a number")
    return None


def _flags(name: str, values: Sequence[Any], problems: dict[int, list[str]]) -> pa.Array:
    flags: list[bool | None] = []
    for row, value in enumerate(values):
        flag = None
        if value is not None:
            try:
                flag = exact_flag(value)
            except ValueError as error:
                problems.setdefault(row, []).append(f"{name}: {shorten(value)} {error}")
        flags.append(flag)
    return pa.array(flags, pa.bool_())


def _integers(name: str, values: Sequence[Any], problems: dict[int, list[str]]) -> pa.Array:
    integers: list[int | None] = []
    for row, value in enumerate(values):
        integer = None
        if value is not None:
            integer = _integer(value)
            if integer is None:
                problems.setdefault(row, []).append(f"{name}: {shorten(value)} is no whole number that fits BIGINT")
        integers.append(integer)
    return pa.array(integers, pa.int64())


def _integer(value: Any) -> int | None:
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > 18 or value != value.to_integral_value():
            return None
        integer = int(value)
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        integer = int(value)
    else:
        return None
    return integer if abs(integer) <= LARGEST_INTEGER else None
