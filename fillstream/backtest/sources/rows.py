"""Rows of tables: CSV, plain or gzip, and Parquet, as texts by column.

Flows in: a path. Flows out: `Row`s with where they stand. Never a float that was text: of a column of binary floats the
shortest decimal that reads back as the same number is taken, and whether that is a whole tick is checked like others.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from fillstream.demo.market_files import FeedError, text_lines
from fillstream.demo.market_numbers import field_of
from fillstream.libs.common.values.moments import milliseconds
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.naming import shorten
from fillstream.stack.extras import how_to_get

PARQUET_ROWS = 20_000
"""Rows of a Parquet file that are in memory at a time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_OF = {"time_ns": 1, "time_us": 1_000, "time_ms": 1_000_000, "time_s": 1_000_000_000}
TIMES = (*_NS_OF, "time")
"""Columns that say when: the first that is there counts. `time` is ISO 8601 with its zone, or a day."""
_DAY_CHARACTERS = len("2026-11-29")


class Row(NamedTuple):
    """A row.

    Attributes:
        at: where it stands, as the beginning of a sentence: `quotes.csv:17`.
        values: texts by column; None of what is empty.
    """

    at: str
    values: Mapping[str, str | None]


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the names of a table's columns.

    Raises:
        FeedError: it is no table that can be read.
    """
    if is_parquet(path):
        cursor = _parquet(path)
        return tuple(each[0] for each in cursor.description)
    first = next(iter(text_lines(path)), "")
    return tuple(next(csv.reader([first]), ()))


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def rows_of(path: Path) -> Iterator[Row]:
    """Yield a table's rows.

    Raises:
        FeedError: it is no table that can be read, or a row has more or fewer columns than the first line.
    """
    yield from _parquet_rows(path) if is_parquet(path) else _csv_rows(path)


def _csv_rows(path: Path) -> Iterator[Row]:
    rows = csv.DictReader(text_lines(path), restkey="", strict=True)
    try:
        for values in rows:
            at = f"{path}:{rows.line_num}"
            if "" in values or None in values.values():
                raise FeedError(f"{at}: must have {len(rows.fieldnames or ())} columns, as the first line has")
            yield Row(at, {name: value or None for name, value in values.items()})
    except csv.Error as error:  # of the line that it could not take apart
        raise FeedError(f"{path}:{rows.line_num + 1}: {error}") from error


def _parquet(path: Path) -> Any:
    try:
        import duckdb  # noqa: PLC0415 - an extra, asked for where it is used
    except ImportError:
        raise FeedError(f"{path}: Parquet is read by DuckDB: {how_to_get('analytics')}") from None
    try:
        return duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)])
    except duckdb.Error as error:
        raise FeedError(f"{path}: {str(error).splitlines()[0]}") from error


def _parquet_rows(path: Path) -> Iterator[Row]:
    cursor = _parquet(path)
    names = [each[0] for each in cursor.description]
    number = 0
    while found := cursor.fetchmany(PARQUET_ROWS):
        for values in found:
            number += 1
            yield Row(f"{path}: row {number}", {name: _text(each) for name, each in zip(names, values, strict=True)})


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return value
        case float():
            return format(Decimal(repr(value)), "f") if value - value == 0 else repr(value)
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return f"@{(moment - _EPOCH) // timedelta(microseconds=1) * 1000}"
        case date():
            return value.isoformat()
        case _:
            return str(value)


def time_column(columns: tuple[str, ...]) -> str | None:
    """Return the column that says when, None when there is none."""
    return next((name for name in TIMES if name in columns), None)


def time_of(values: Mapping[str, str | None], column: str) -> int:
    """Return when a row was, nanoseconds since 1970 UTC.

    Raises:
        ValueError: it does not say.
    """
    text = field_of(values, column)
    if text.startswith("@"):
        return int(text[1:])
    if column == "time":
        ms = milliseconds(f"{text}T00:00:00Z" if len(text) == _DAY_CHARACTERS else text)
        if ms is None:
            raise ValueError(f"time: {shorten(text)} must be a day, or a time with its zone: 2026-11-29T14:30:00Z")
        return ms * 1_000_000
    if not (text.isascii() and text.isdigit() and len(text) < MAX_DIGITS):
        raise ValueError(f"{column}: {shorten(text)} must be whole {column.removeprefix('time_')} since 1970")
    return int(text) * _NS_OF[column]
