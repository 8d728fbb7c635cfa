"""The tables and views of the analytics database, made from the contracts.

Flows in: the pydantic models of `libs.common.messages`. Flows out: table definitions, for DuckDB and for Arrow alike.
Never lists a contract's field by hand, the tuples in market messages aside; never drops a column or a row.

Every table begins with where its row came from: `log_stream` and `log_id` (the stream and the id of the entry) and
`log_time` (the id's milliseconds). A stream's messages share one table, its columns the union of their fields, so that
the history of an order is one scan; a column that a message does not have is null. All times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Any, Literal, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel

from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import JournalEvent
from fillstream.libs.common.messages.market import Depth, Trades
from fillstream.libs.common.messages.positions import PositionMessage
from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.services.analytics.numbers import PRECISION, Number, Scales, number_of

TIME = "TIMESTAMP"
"""Microseconds, of which a message's time has thousands: `epoch_ms` and others know nothing of TIMESTAMP_MS."""
FORMAT = 2
"""Counts changes of the tables that are more than new columns. 1 (0.1.0) had one scale for every number, and
TIMESTAMP_MS; its files are brought up."""
FIELDS = "STRUCT(name BLOB, value BLOB)[]"
LEVELS = "levels"
"""Of a book: a list of prices and quantities."""

ARROW_OF: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "BLOB": pa.binary(),
    TIME: pa.timestamp("us"),
    FIELDS: pa.list_(pa.struct([("name", pa.binary()), ("value", pa.binary())])),
}


class SchemaError(Exception):
    """The database file has tables that this version cannot write."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and what it holds, a DuckDB type, a kind of number, or LEVELS."""

    name: str
    kind: str

    @property
    def number(self) -> Number | None:
        """The kind of number it holds, None when it holds none."""
        return self.kind if isinstance(self.kind, Number) else None

    def sql(self, scales: Scales) -> str:
        """Return its DuckDB type."""
        if self.number is not None:
            return scales.sql(self.number)
        if self.kind == LEVELS:
            return f"STRUCT(price {scales.sql(Number.PRICE)}, quantity {scales.sql(Number.QUANTITY)})[]"
        return self.kind

    def arrow(self, scales: Scales) -> pa.DataType:
        """Return the Arrow type that DuckDB takes in without a conversion."""
        if self.number is not None:
            return pa.decimal128(PRECISION, scales.of(self.number))
        if self.kind == LEVELS:
            parts = [Column(each.value, each) for each in (Number.PRICE, Number.QUANTITY)]
            return pa.list_(pa.struct([(part.name, part.arrow(scales)) for part in parts]))
        return ARROW_OF[self.kind]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name and its columns in order."""

    name: str
    columns: tuple[Column, ...]

    def arrow(self, scales: Scales) -> pa.Schema:
        """Return the schema of the batches appended to it."""
        return _arrow_schema(self, scales)

    def create(self, scales: Scales, name: str = "") -> str:
        """Return the statement that makes it."""
        columns = ", ".join(f'"{column.name}" {column.sql(scales)}' for column in self.columns)
        return f"CREATE TABLE {name or self.name} ({columns})"


@cache
def _arrow_schema(table: Table, scales: Scales) -> pa.Schema:
    return pa.schema([(column.name, column.arrow(scales)) for column in table.columns])


@dataclass(frozen=True, slots=True)
class Shape:
    """What one type of message must and may carry."""

    required: frozenset[str]
    allowed: frozenset[str]


DOCUMENT = "document"
"""What has fields of its own; a column has its JSON."""
ENVELOPE = (Column("log_stream", "VARCHAR"), Column("log_id", "VARCHAR"), Column("log_time", TIME))


def kind_of(name: str, annotation: Any) -> str:
    """Return what the column of a contract's field holds; optional or not makes no difference to it.

    Raises:
        TypeError: no column type is known for it.
    """
    if name == "time":
        return TIME
    if annotation is Decimal:
        return number_of(name)
    if annotation is int:
        return "BIGINT"
    if annotation is bool:
        return "BOOLEAN"
    if annotation is str or (isinstance(annotation, type) and issubclass(annotation, StrEnum)):
        return "VARCHAR"
    if get_origin(annotation) is Literal:
        return "VARCHAR"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return DOCUMENT
    found = {kind_of(name, inner) for inner in get_args(annotation) if _is_type(inner)}
    if len(found) == 1:
        kind = found.pop()
        if kind == DOCUMENT:  # one of them or many: as JSON, in one text
            return "VARCHAR"
        return f"{kind}[]" if get_origin(annotation) in (list, tuple) else kind
    raise TypeError(f"{name}: no column type for {annotation}")


def _is_type(annotation: Any) -> bool:
    """Whether a part of an annotation says a type; what `Annotated` adds to one does not, nor does None."""
    if annotation is type(None):
        return False
    return isinstance(annotation, type) or bool(get_args(annotation))


def columns_of(models: Iterable[type[Message]], skip: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return the union of the models' fields without those in `skip`, `type` first, then as they first appear.

    Raises:
        TypeError: two models give one name different types, or a field has no column type.
    """
    found = {"type": Column("type", "VARCHAR")}
    for model in models:
        for name, field in model.model_fields.items():
            if name in skip:
                continue
            column = Column(name, kind_of(name, field.annotation))
            if found.setdefault(name, column) != column:
                raise TypeError(f"{name}: {column.kind} in {model.__name__}, {found[name].kind} before")
    return tuple(found.values())


def shapes_of(models: Iterable[type[Message]]) -> dict[str, Shape]:
    """Return what each type of message must and may carry, by the name in its `type`."""
    return {
        model.model_fields["type"].default: Shape(
            frozenset(n for n, f in model.model_fields.items() if type(None) not in get_args(f.annotation)),
            frozenset(model.model_fields),
        )
        for model in models
    }


def members(union: Any) -> tuple[type[Message], ...]:
    """Return the models of an annotated union."""
    return get_args(get_args(union)[0])


JOURNAL = members(JournalEvent)
POSITIONS = members(PositionMessage)

SIGNALS_TABLE = Table(
    "signals",
    (
        *ENVELOPE,
        *columns_of(SIGNALS.values()),
        Column("problem", "VARCHAR"),
        Column("fields", FIELDS),
    ),
)
"""What clients sent, as they wrote it. `problem` says what could not be typed; then `fields` has the entry whole."""
EVENTS_TABLE = Table("events", (*ENVELOPE, *columns_of(JOURNAL)))
POSITIONS_TABLE = Table("position_events", (*ENVELOPE, *columns_of(POSITIONS)))
TRADES_TABLE = Table(
    "trades",
    (
        *ENVELOPE,
        *columns_of([Trades], skip=["trades"]),
        Column("trade_number", "BIGINT"),
        Column("price", Number.PRICE),
        Column("quantity", Number.QUANTITY),
        Column("side", "VARCHAR"),
    ),
)
"""One row a trade; `side` is the aggressor's."""
DEPTH_TABLE = Table(
    "depth",
    (*ENVELOPE, *columns_of([Depth], skip=["bids", "asks"]), Column("bids", LEVELS), Column("asks", LEVELS)),
)
DEAD_TABLE = Table("dead", (*ENVELOPE, *columns_of([DeadLetter]), Column("fields", FIELDS)))
"""Dead letters; `stream` and `entry_id` say where the entry was, `fields` has it byte for byte."""
UNDECODABLE_TABLE = Table(
    "undecodable",
    (*ENVELOPE, Column("reason", "VARCHAR"), Column("text", "VARCHAR"), Column("fields", FIELDS)),
)
"""Entries of internal streams that do not fit their table, byte for byte, with a sentence that says why."""
TABLES = (
    SIGNALS_TABLE,
    EVENTS_TABLE,
    POSITIONS_TABLE,
    TRADES_TABLE,
    DEPTH_TABLE,
    DEAD_TABLE,
    UNDECODABLE_TABLE,
)

OFFSETS = "CREATE TABLE IF NOT EXISTS offsets (stream VARCHAR PRIMARY KEY, id VARCHAR, entries BIGINT)"
"""Where each stream has been read to, committed with the rows: the last id, and how many entries it had up to there."""
GAPS = (
    "CREATE TABLE IF NOT EXISTS gaps "
    '(stream VARCHAR, after_id VARCHAR, upto_id VARCHAR, entries BIGINT, "time" TIMESTAMP, "text" VARCHAR, '
    "from_seq BIGINT, upto_seq BIGINT)"
)
"""What the log no longer had when analytics got there, each with the sentence that said so."""
GAPS_NUMBERS = ("from_seq", "upto_seq")
"""Which of a journal's numbers are missing, null of other streams and where nothing came behind the gap yet."""
DESK = "CREATE TABLE IF NOT EXISTS desk (id VARCHAR)"
"""Whose rows these are: the desk's id, committed with the first rows; none in a file of 0.2.0 and before."""
JOURNALS = "CREATE TABLE IF NOT EXISTS journals (stream VARCHAR PRIMARY KEY, seq BIGINT, id VARCHAR)"
"""The last row of each stream that numbers its events, committed with it."""
SCHEMA_FORMAT = "CREATE TABLE IF NOT EXISTS schema_format (format BIGINT)"

INTERNAL_TABLES = ("offsets", "gaps", "journals", "schema_format")
