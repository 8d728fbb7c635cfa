"""Entries of the internal streams into Arrow batches.

Flows in: raw entries as XREAD gives them. Flows out: a `Batch`: tables to append, by name, and the entries that fit no
table. Never loses an entry: each is a row, or in `undecodable` whole with the reason, or both when only one of its
numbers does not fit; only a release's note to its stage is passed over. Never lets one bad entry change what becomes
of another.

The messages of a batch are parsed together by Arrow, in C++ and without the interpreter's lock. What Arrow refuses is
halved until the bad entry stands alone; pydantic then says in a sentence what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from pydantic import TypeAdapter, ValidationError

from fillstream.libs.common.messages import journal
from fillstream.libs.common.messages.bad_entry import cut_of, unpack_raw
from fillstream.libs.common.messages.base import Models, head_of, upcast
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.positions import POSITION_MESSAGES, position_message
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.analytics.decode.columns import LAST_MS, fits, numbers, times
from fillstream.services.analytics.numbers import Scales
from fillstream.services.analytics.schema import (
    ARROW_OF,
    DEAD_TABLE,
    ENVELOPE,
    EVENTS_TABLE,
    FIELDS,
    JOURNAL,
    POSITIONS,
    POSITIONS_TABLE,
    TIME,
    UNDECODABLE_TABLE,
    Column,
    Shape,
    Table,
    shapes_of,
)

RawEntry = Sequence[Any]
"""`[id, [name, value, name, value, ...]]`, all bytes, as the server sends it."""
DATA = b"data"
ROW = "#"
"""A field put into each message before parsing; it shows that no message became two rows, or none."""
PARSED_BYTES = 32 * 1024 * 1024
"""Messages are parsed together up to this size."""
TEXT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Undecodable:
    """An entry that is not, or not wholly, in its table."""

    entry: RawEntry
    reason: str
    text: str


@dataclass(slots=True)
class Batch:
    """What the entries of one stream became.

    Attributes:
        scales: of the database that it is for.
        tables: rows to append, by table.
        undecodable: what is not, or not wholly, in its table.
    """

    scales: Scales = field(default_factory=Scales)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    undecodable: list[Undecodable] = field(default_factory=list)

    def add(self, name: str, rows: pa.Table) -> None:
        """Add rows to append to table `name`."""
        if rows.num_rows:
            self.tables.setdefault(name, []).append(rows)


class _Refused(Exception):
    """These messages cannot be taken together."""


@dataclass(frozen=True, slots=True)
class Messages:
    """How the JSON messages of one kind of stream are read.

    Attributes:
        table: where they go.
        models: by type; each knows the version it is read in.
        shapes: what each type of message must and may carry.
        contract: validates one message, for the sentence.
        raw: whether the entry's other fields are the dead letter's.
    """

    table: Table
    models: Models
    shapes: dict[str, Shape]
    contract: TypeAdapter[Any]
    raw: bool = False

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that come from the message itself."""
        return tuple(c for c in self.table.columns if c not in ENVELOPE and c.kind != FIELDS)


EVENTS = Messages(EVENTS_TABLE, journal.EVENTS, shapes_of(JOURNAL), journal.journal_event)
POSITION_EVENTS = Messages(POSITIONS_TABLE, POSITION_MESSAGES, shapes_of(POSITIONS), position_message)
DEAD_LETTERS = Messages(
    DEAD_TABLE, {"DeadLetter": DeadLetter}, shapes_of([DeadLetter]), TypeAdapter(DeadLetter), raw=True
)


def decode_messages(kind: Messages, stream: str, entries: Sequence[RawEntry], batch: Batch) -> None:
    """Add the entries of `stream` to `batch`."""
    good: list[RawEntry] = []
    for entry in entries:
        flat = entry[1]
        if flat and is_aside(flat[::2]):
            continue
        if flat and ((flat[0] == DATA and len(flat) == 2) or (kind.raw and DATA in flat[::2])):
            good.append(entry)
        else:
            batch.undecodable.append(Undecodable(entry, "no_message", _no_message(flat)))
    for part in by_size(good):
        _decode_part(kind, stream, part, batch)


def by_size(entries: Sequence[RawEntry]) -> Iterable[Sequence[RawEntry]]:
    """Yield runs of entries of about `PARSED_BYTES` at most."""
    start, size = 0, 0
    for index, entry in enumerate(entries):
        length = len(entry[1][1])
        if size and size + length > PARSED_BYTES:
            yield entries[start:index]
            start, size = index, 0
        size += length
    if start < len(entries):
        yield entries[start:]


def _no_message(flat: Sequence[bytes] | None) -> str:
    names = ", ".join(ascii(name.decode("utf-8", "backslashreplace"))[:40] for name in (flat or ())[: 2 * 5 : 2])
    return f"data: an entry of this stream has this one field with one JSON message, this one has {names or 'none'}"


def _decode_part(kind: Messages, stream: str, entries: Sequence[RawEntry], batch: Batch) -> None:
    try:
        payloads = [_payload(entry) for entry in entries]
        try:
            rows = _rows(kind, stream, entries, payloads, batch.scales)
        except (_Refused, pa.ArrowException):
            raised = [_raised(kind, payload) for payload in payloads]
            if raised == payloads:
                raise
            rows = _rows(kind, stream, entries, raised, batch.scales)
        batch.add(kind.table.name, rows)
        return
    except (_Refused, pa.ArrowException, UnicodeDecodeError):
        if len(entries) == 1:
            _decode_alone(kind, stream, entries[0], batch)
            return
    middle = len(entries) // 2
    _decode_part(kind, stream, entries[:middle], batch)
    _decode_part(kind, stream, entries[middle:], batch)


def _raised(kind: Messages, payload: bytes) -> bytes:
    """Return a message of an older version as today's, any other as it is: what is wrong with that is found later."""
    try:
        name, v, _ = head_of(payload)
        model = kind.models.get(name)
        if model is None or v >= model.VERSION:
            return payload
        return orjson.dumps(upcast(orjson.loads(payload), kind.models))
    except (Unreadable, orjson.JSONDecodeError):
        return payload


def _payload(entry: RawEntry) -> bytes:
    flat = entry[1]
    if flat[0] == DATA:
        return flat[1]  # type: ignore[no-any-return]
    return flat[2 * flat[::2].index(DATA) + 1]  # type: ignore[no-any-return]


def _decode_alone(kind: Messages, stream: str, entry: RawEntry, batch: Batch) -> None:
    try:
        message = kind.contract.validate_json(_payload(entry))
    except ValidationError as error:
        newer = _newer(kind, _payload(entry))
        if newer is not None:
            batch.undecodable.append(Undecodable(entry, "bad_message", newer))
            return
        batch.undecodable.append(Undecodable(entry, "bad_message", sentences(error)[:TEXT_CHARACTERS]))
        return
    document = message.model_dump(mode="json")
    problems = []
    for column in kind.columns:
        value = getattr(message, column.name, None)
        if value is not None and not _has_room(column, value, batch.scales):
            document[column.name] = None
            problems.append(f"{column.name}: {str(value)[:80]} does not fit {column.sql(batch.scales)}")
    if problems:
        batch.undecodable.append(Undecodable(entry, "out_of_range", "; ".join(problems)))
    try:
        batch.add(kind.table.name, _rows(kind, stream, [entry], [orjson.dumps(document)], batch.scales, strict=False))
    except (_Refused, pa.ArrowException, UnicodeDecodeError) as error:
        batch.undecodable.append(Undecodable(entry, "bad_message", f"data: {error}"[:TEXT_CHARACTERS]))


def _newer(kind: Messages, payload: bytes) -> str | None:
    """Return what is to be said of a message whose version this release does not read; None for any other."""
    try:
        name, v, _ = head_of(payload)
    except Unreadable:
        return None
    model = kind.models.get(name)
    if model is None or v <= model.VERSION:
        return None
    return f"v: {v} of {name} must be at most {model.VERSION}, which this release reads: a newer one wrote it"


def _has_room(column: Column, value: Any, scales: Scales) -> bool:
    if column.number is not None:
        return fits(value, scales.of(column.number))
    match column.kind:
        case "BIGINT":
            return -(2**63) <= value < 2**63  # type: ignore[no-any-return]
        case _ if column.kind == TIME:
            return 0 <= value <= LAST_MS  # type: ignore[no-any-return]
        case _:
            return True


# ----------------------------------------------------------------------------------------------------- JSON to Arrow


def _rows(
    kind: Messages,
    stream: str,
    entries: Sequence[RawEntry],
    payloads: Sequence[bytes],
    scales: Scales,
    strict: bool = True,
) -> pa.Table:
    """Return one row an entry.

    Args:
        kind: see `Messages`.
        stream: the key of the stream.
        entries: for their ids.
        payloads: their messages.
        scales: of the database's numbers.
        strict: whether a message that lacks a field of its type is refused; one whose number was left out is not.

    Raises:
        _Refused, pa.ArrowException, UnicodeDecodeError: at least one message is not what `kind` says.
    """
    parsed = _parse(kind, payloads)
    if strict:
        _check_shapes(kind, parsed)
    columns = envelope(stream, entries)
    for column in kind.table.columns[len(ENVELOPE) :]:
        if column.kind == FIELDS:
            columns.append(raw_fields([unpack(entry[1]) for entry in entries]))
            continue
        values = parsed.column(column.name)
        values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
        if column.number is not None:
            values, bad = numbers(values, scales.of(column.number))
            if bad:
                raise _Refused(column.name)
        elif column.kind == TIME:
            values = values.cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
        columns.append(values)
    return pa.table(columns, schema=kind.table.arrow(scales))


def _parse_schema(kind: Messages) -> pa.Schema:
    """Numbers are read as text: Arrow's own conversion to decimals is not to be trusted, see `columns`."""
    return pa.schema([(ROW, pa.int64()), *((column.name, _as_read(column)) for column in kind.columns)])


def _as_read(column: Column) -> pa.DataType:
    if column.number is not None:
        return pa.string()
    return pa.int64() if column.kind == TIME else ARROW_OF[column.kind]


_PARSE_OPTIONS = {
    kind.table.name: pj.ParseOptions(explicit_schema=_parse_schema(kind), unexpected_field_behavior="error")
    for kind in (EVENTS, POSITION_EVENTS, DEAD_LETTERS)
}


def _parse(kind: Messages, payloads: Sequence[bytes]) -> pa.Table:
    lines = []
    for row, payload in enumerate(payloads):
        if payload[:1] != b"{":
            raise _Refused("not an object")
        lines.append(b'{"%s":%d,%s' % (ROW.encode(), row, payload[1:]))
    text = b"\n".join(lines)
    text.decode()  # Arrow takes any bytes for text
    parsed = pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=_PARSE_OPTIONS[kind.table.name],
    )
    if parsed.num_rows != len(payloads) or not parsed.column(ROW).combine_chunks().equals(
        pa.array(range(len(payloads)), pa.int64())
    ):
        raise _Refused("not one object an entry")
    return parsed


def _check_shapes(kind: Messages, parsed: pa.Table) -> None:
    """Refuse when a message has a type nobody knows, lacks a field of its type, has one of another, or another version.

    A null stands for absent in both directions: it is what the column holds either way.
    """
    rows = parsed.num_rows
    out_of_time = pc.or_(pc.less(parsed.column("time"), 0), pc.greater(parsed.column("time"), LAST_MS))
    if pc.any(out_of_time).as_py():
        raise _Refused("time")
    nulls = {column.name: parsed.column(column.name).null_count for column in kind.columns}
    mixed = parsed.select([name for name, count in nulls.items() if 0 < count < rows])
    for count in pc.value_counts(parsed.column("type")).to_pylist():
        name, own_rows = count["values"], count["counts"]
        shape = kind.shapes.get(name) if name is not None else None
        if shape is None:
            raise _Refused("type")
        versions = parsed.column("v")
        if own_rows != rows:
            versions = versions.filter(pc.equal(parsed.column("type"), name))
        if versions.null_count or not pc.all(pc.equal(versions, kind.models[name].VERSION)).as_py():
            raise _Refused("v")
        own = mixed if own_rows == rows else mixed.filter(pc.equal(parsed.column("type"), name))
        own_nulls = {column: own.column(column).null_count for column in mixed.column_names}
        for column, total in nulls.items():
            absent = own_nulls.get(column, own_rows if total else 0)
            if (absent and column in shape.required) or (absent < own_rows and column not in shape.allowed):
                raise _Refused(column)


# ------------------------------------------------------------------------------------------------- shared by decoders


def envelope(stream: str, entries: Sequence[RawEntry]) -> list[pa.Array]:
    """Return the first columns of every table: the stream, the ids and their times."""
    ids = [entry[0] for entry in entries]
    return [
        pa.repeat(pa.scalar(stream, pa.string()), len(ids)),
        pa.array(ids, pa.binary()).cast(pa.string()),
        times([int(entry_id.partition(b"-")[0]) for entry_id in ids]),
    ]


def unpack(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the fields of the entry that a dead letter carries.

    All but `data` when they are not as one packs them, or the entry was too large: its head, size and digest then.
    """
    pairs = [(name, value) for name, value in zip(flat[::2], flat[1::2], strict=True) if name != DATA]
    try:
        letter = dict(pairs)
        return pairs if cut_of(letter) else list(unpack_raw(letter).items())
    except (ValueError, TypeError, AttributeError):
        return pairs


def raw_fields(entries: Iterable[Iterable[tuple[bytes, bytes]] | None]) -> pa.Array:
    """Return the column that holds whole entries: a list of names and values, null for None."""
    rows = [None if pairs is None else [{"name": name, "value": value} for name, value in pairs] for pairs in entries]
    return pa.array(rows, pa.list_(pa.struct([("name", pa.binary()), ("value", pa.binary())])))


def undecodable_rows(stream: str, found: Sequence[Undecodable]) -> pa.Table:
    """Return the rows of table `undecodable`."""
    whole = [zip((e.entry[1] or ())[::2], (e.entry[1] or ())[1::2], strict=True) for e in found]
    return pa.table(
        [
            *envelope(stream, [each.entry for each in found]),
            pa.array([each.reason for each in found], pa.string()),
            pa.array([each.text for each in found], pa.string()),
            raw_fields(whole),
        ],
        schema=UNDECODABLE_TABLE.arrow(Scales()),  # it has no numbers
    )


Decoder = Callable[[str, Sequence[RawEntry], Batch], None]
"""Adds the entries of a stream to a batch."""
