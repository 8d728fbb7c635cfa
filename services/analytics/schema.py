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
from typing import Any, Literal, get_args, get_origin

import duckdb
import pyarrow as pa

from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import JournalEvent
from fillstream.libs.common.messages.market import Depth, Trades
from fillstream.libs.common.messages.positions import PositionMessage
from fillstream.libs.common.messages.signals import CancelOrder, NewOrder, ReplaceOrder
from fillstream.services.analytics.query.views import views

MONEY_PRECISION = 38
MONEY_SCALE = 12
MONEY_WHOLE_DIGITS = MONEY_PRECISION - MONEY_SCALE
MONEY = f"DECIMAL({MONEY_PRECISION},{MONEY_SCALE})"
MONEY_ARROW = pa.decimal128(MONEY_PRECISION, MONEY_SCALE)
"""Prices, quantities and money: 26 digits before the point (a signal has at most 24 in all), 12 after it, as many as a
mean price is given with. What does not fit is null in its row, and whole in `undecodable`."""
TIME = "TIMESTAMP_MS"
FORMAT = 1
"""Counts changes of the tables that are more than new columns."""

ARROW_OF: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "BLOB": pa.binary(),
    TIME: pa.timestamp("ms"),
    MONEY: MONEY_ARROW,
    f"STRUCT(price {MONEY}, quantity {MONEY})[]": pa.list_(
        pa.struct([("price", MONEY_ARROW), ("quantity", MONEY_ARROW)])
    ),
    "STRUCT(name BLOB, value BLOB)[]": pa.list_(pa.struct([("name", pa.binary()), ("value", pa.binary())])),
}
LEVELS = f"STRUCT(price {MONEY}, quantity {MONEY})[]"
FIELDS = "STRUCT(name BLOB, value BLOB)[]"


class SchemaError(Exception):
    """The database file has tables that this version cannot write."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name and its DuckDB type."""

    name: str
    sql: str

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type that DuckDB takes in without a conversion."""
        return ARROW_OF[self.sql]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its name and its columns in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """The schema of the batches appended to it."""
        return pa.schema([(column.name, column.arrow) for column in self.columns])

    def create(self) -> str:
        """Return the statement that makes it."""
        columns = ", ".join(f'"{column.name}" {column.sql}' for column in self.columns)
        return f"CREATE TABLE {self.name} ({columns})"


@dataclass(frozen=True, slots=True)
class Shape:
    """What one type of message must and may carry."""

    required: frozenset[str]
    allowed: frozenset[str]


ENVELOPE = (Column("log_stream", "VARCHAR"), Column("log_id", "VARCHAR"), Column("log_time", TIME))


def sql_type(name: str, annotation: Any) -> str:
    """Return the DuckDB type of a contract's field; optional or not makes no difference to it.

    Raises:
        TypeError: no column type is known for it.
    """
    if name == "time":
        return TIME
    if annotation is Decimal:
        return MONEY
    if annotation is int:
        return "BIGINT"
    if annotation is bool:
        return "BOOLEAN"
    if annotation is str or (isinstance(annotation, type) and issubclass(annotation, StrEnum)):
        return "VARCHAR"
    if get_origin(annotation) is Literal:
        return "VARCHAR"
    found = {sql_type(name, inner) for inner in get_args(annotation) if _is_type(inner)}
    if len(found) == 1:
        return found.pop() + ("[]" if get_origin(annotation) is list else "")
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
            column = Column(name, sql_type(name, field.annotation))
            if found.setdefault(name, column) != column:
                raise TypeError(f"{name}: {column.sql} in {model.__name__}, {found[name].sql} before")
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
        *columns_of([NewOrder, CancelOrder, ReplaceOrder]),
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
        Column("price", MONEY),
        Column("quantity", MONEY),
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
    '(stream VARCHAR, after_id VARCHAR, upto_id VARCHAR, entries BIGINT, "time" TIMESTAMP_MS, "text" VARCHAR)'
)
"""What the log no longer had when analytics got there, each with the sentence that said so."""
SCHEMA_FORMAT = "CREATE TABLE IF NOT EXISTS schema_format (format BIGINT)"

INTERNAL_TABLES = ("offsets", "gaps", "schema_format")


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, or add what a newer contract has more, and define the views anew; all of it or nothing.

    Raises:
        SchemaError: the file is of another format, or has a column of another type.
    """
    connection.execute("BEGIN TRANSACTION")
    try:
        for statement in (SCHEMA_FORMAT, OFFSETS, GAPS):
            connection.execute(statement)
        _check_format(connection)
        for table in TABLES:
            _bring_up(connection, table)
        for name, query in views().items():
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _check_format(connection: duckdb.DuckDBPyConnection) -> None:
    row = connection.execute("SELECT max(format) FROM schema_format").fetchone()
    found = row[0] if row else None
    if found is None:
        connection.execute("INSERT INTO schema_format VALUES (?)", [FORMAT])
    elif found != FORMAT:
        raise SchemaError(f"schema_format: the file has format {found}, this version writes {FORMAT}; {REBUILD}")


REBUILD = "move the file away to have it made again from the streams, or start the version that wrote it"


def _bring_up(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table.name]
    ).fetchall()
    if not rows:
        connection.execute(table.create())
        return
    # Which names inside a STRUCT DuckDB prints in quotes is its own affair.
    there = {name: sql.replace('"', "") for name, sql in rows}
    for column in table.columns:
        if column.name not in there:
            connection.execute(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {column.sql}')
        elif there[column.name] != column.sql:
            raise SchemaError(
                f"{table.name}.{column.name}: the file has {there[column.name]}, this version writes {column.sql}; "
                f"{REBUILD}"
            )
