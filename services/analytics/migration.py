"""The tables and views of a database file, made or brought up to what this version writes.

Flows in: a connection to a file of any format so far. Flows out: the same file in today's format, all of it or nothing;
the scales of its numbers. Never drops a row, never rounds a number: one that its column cannot hold is null there, and
in `undecodable` with the sentence that says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb

from fillstream.libs.common.messages.topology import id_key
from fillstream.services.analytics.numbers import PRECISION, Number, Scales
from fillstream.services.analytics.query.views import views
from fillstream.services.analytics.schema import (
    DESK,
    FORMAT,
    GAPS,
    GAPS_NUMBERS,
    JOURNALS,
    LEVELS,
    OFFSETS,
    SCHEMA_FORMAT,
    TABLES,
    TIME,
    UNDECODABLE_TABLE,
    Column,
    SchemaError,
    Table,
)
from fillstream.services.analytics.sinks.numbering import NUMBERED, Hole, Numbered, holes

REBUILD = "move the file away to have it made again from the streams, or start the version that wrote it"
ID_ORDER = "split_part(log_id, '-', 1)::UBIGINT, split_part(log_id, '-', 2)::UBIGINT"
PAGE_ROWS = 10_000
_NEW = "being_brought_up"
_DECIMAL = re.compile(rf"DECIMAL\({PRECISION},(\d+)\)")
_LEVELS = re.compile(rf"STRUCT\(price {_DECIMAL.pattern}, quantity {_DECIMAL.pattern}\)\[\]")
_OLD_TIME = "TIMESTAMP_MS"
_FIRST_FORMAT = 1


def migrate(connection: duckdb.DuckDBPyConnection, wanted: Scales) -> Scales:
    """Make the tables, or bring them up, and define the views anew; all of it or nothing.

    Args:
        connection: to the file; nobody else writes it.
        wanted: what its numbers must have room for. A file never has fewer decimals than it had.

    Returns: the scales that its columns have now.

    Raises:
        SchemaError: the file is of another format, or has a column of another type.
    """
    connection.execute("BEGIN TRANSACTION")
    try:
        was_there = _types(connection, "journals")
        for statement in (SCHEMA_FORMAT, DESK, OFFSETS, GAPS, JOURNALS):
            connection.execute(statement)
        for name in GAPS_NUMBERS:
            connection.execute(f"ALTER TABLE gaps ADD COLUMN IF NOT EXISTS {name} BIGINT")
        found = _format_of(connection)
        scales = wanted if found == _FIRST_FORMAT else wanted.at_least(_scales_of(connection))
        for name in views():
            connection.execute(f"DROP VIEW IF EXISTS {name}")
        if found == _FIRST_FORMAT:
            connection.execute(f'ALTER TABLE gaps ALTER "time" TYPE {TIME}')
        for table in (UNDECODABLE_TABLE, *(each for each in TABLES if each is not UNDECODABLE_TABLE)):
            _bring_up(connection, table, scales)
        if not was_there:
            _number(connection)
        for name, query in views().items():
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS {query}")
        connection.execute("DELETE FROM schema_format")
        connection.execute("INSERT INTO schema_format VALUES (?)", [FORMAT])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return scales


def _number(connection: duckdb.DuckDBPyConnection) -> None:
    """Look once through the journals of a file that did not watch their numbers: what is missing, where they end."""
    for table in NUMBERED:
        rows = connection.execute(
            f"SELECT log_stream, log_id, seq FROM {table} WHERE seq IS NOT NULL "  # noqa: S608 - names of our own
            f"ORDER BY log_stream, {ID_ORDER}"
        )
        stands: dict[str, Numbered] = {}
        found: list[Hole] = []
        while page := rows.fetchmany(PAGE_ROWS):
            for stream, entry_id, seq in page:
                more, stands[stream] = holes(stream, stands.get(stream, Numbered()), [(entry_id, seq)])
                found += more
        note_numbering(connection, found, stands)


def note_numbering(
    connection: duckdb.DuckDBPyConnection, found: Sequence[Hole], stands: Mapping[str, Numbered]
) -> None:
    """Note holes, each on the gap that it was noticed as before, or as one of its own, and where the journals stand."""
    for hole in found:
        noticed = connection.execute(
            "SELECT rowid, after_id, upto_id FROM gaps WHERE stream = ? AND from_seq IS NULL", [hole.stream]
        ).fetchall()
        within = [
            row
            for row, after_id, upto_id in noticed
            if id_key(hole.after_id) <= id_key(after_id) and id_key(upto_id) < id_key(hole.upto_id)
        ]
        if within and hole.entries:
            connection.execute(
                "UPDATE gaps SET from_seq = ?, upto_seq = ? WHERE rowid = ?", [hole.from_seq, hole.upto_seq, within[-1]]
            )
            continue
        numbers = [hole.from_seq, hole.upto_seq] if hole.entries else [None, None]
        connection.execute(
            "INSERT INTO gaps VALUES (?, ?, ?, ?, now()::TIMESTAMP, ?, ?, ?)",
            [hole.stream, hole.after_id, hole.upto_id, hole.entries, hole.text, *numbers],
        )
    for stream, last in stands.items():
        connection.execute(
            "INSERT INTO journals VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq, id = excluded.id",
            [stream, last.seq, last.id],
        )


def _format_of(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT max(format) FROM schema_format").fetchone()
    found = row[0] if row else None
    if found is not None and found not in (_FIRST_FORMAT, FORMAT):
        raise SchemaError(f"schema_format: the file has format {found}, this version writes {FORMAT}; {REBUILD}")
    return FORMAT if found is None else int(found)


def _types(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return the types of a table's columns by name, empty when it is not there."""
    rows = connection.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal", [table]
    ).fetchall()
    # Which names inside a STRUCT DuckDB prints in quotes is its own affair.
    return {name: sql.replace('"', "") for name, sql in rows}


def _scales_of(connection: duckdb.DuckDBPyConnection) -> Scales:
    """Return the scales of a file of today's format; the least there is for a new one."""
    found: dict[str, int] = {}
    for table in TABLES:
        there = _types(connection, table.name)
        for column in table.columns:
            scale = _DECIMAL.fullmatch(there.get(column.name, ""))
            if column.number is not None and scale:
                found[column.number.value] = max(found.get(column.number.value, 0), int(scale[1]))
    return Scales(**found)


def _bring_up(connection: duckdb.DuckDBPyConnection, table: Table, scales: Scales) -> None:
    there = _types(connection, table.name)
    if not there:
        connection.execute(table.create(scales))
        return
    for column in table.columns:
        if column.name in there and not _may_become(there[column.name], column, scales):
            raise SchemaError(
                f"{table.name}.{column.name}: the file has {there[column.name]}, this version writes "
                f"{column.sql(scales)}; {REBUILD}"
            )
    if any(there.get(column.name, column.sql(scales)) != column.sql(scales) for column in table.columns):
        _rebuild(connection, table, scales, there)
        return
    for column in table.columns:
        if column.name not in there:
            connection.execute(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {column.sql(scales)}')


def _may_become(found: str, column: Column, scales: Scales) -> bool:
    if found == column.sql(scales):
        return True
    if column.number is not None:
        return _DECIMAL.fullmatch(found) is not None
    if column.kind == LEVELS:
        return _LEVELS.fullmatch(found) is not None
    return column.kind == TIME and found == _OLD_TIME


def _rebuild(connection: duckdb.DuckDBPyConnection, table: Table, scales: Scales, there: Mapping[str, str]) -> None:
    """Write a table anew with the types of today: a change of many columns at once, in one pass."""
    connection.execute(table.create(scales, _NEW))
    chosen = []
    for column in table.columns:
        if column.name not in there:
            continue
        old, new = there[column.name], column.sql(scales)
        if old == new or column.kind == TIME:
            value = f'CAST("{column.name}" AS {new})'
        else:
            misfit = _misfit(column, old, scales)
            _note_misfits(connection, table, column, misfit, new)
            value = f'CASE WHEN {misfit} THEN NULL ELSE TRY_CAST("{column.name}" AS {new}) END'
        chosen.append(f'{value} AS "{column.name}"')
    more = [f'"{name}"' for name in there if name not in {column.name for column in table.columns}]
    for name in more:
        connection.execute(f"ALTER TABLE {_NEW} ADD COLUMN {name} {there[name.strip(chr(34))]}")
    source = f"SELECT {', '.join([*chosen, *more])} FROM {table.name}"  # noqa: S608 - names of our own
    connection.execute(f"INSERT INTO {_NEW} BY NAME {source}")
    connection.execute(f"DROP TABLE {table.name}")
    connection.execute(f"ALTER TABLE {_NEW} RENAME TO {table.name}")


def _misfit(column: Column, old: str, scales: Scales) -> str:
    """Return the condition under which a value cannot become today's type to the digit."""
    if column.number is not None:
        return _number_misfit(f'"{column.name}"', old, scales.sql(column.number))
    parts = _LEVELS.fullmatch(old)
    assert parts is not None, old
    conditions = [
        _number_misfit(f"one.{number.value}", f"DECIMAL({PRECISION},{scale})", scales.sql(number))
        for number, scale in zip((Number.PRICE, Number.QUANTITY), parts.groups(), strict=True)
    ]
    return f'coalesce(len(list_filter("{column.name}", lambda one: {" OR ".join(conditions)})), 0) > 0'


def _number_misfit(value: str, old: str, new: str) -> str:
    # A cast to fewer decimals rounds without a word; the way back shows it.
    cast = f"TRY_CAST({value} AS {new})"
    return f"({value} IS NOT NULL AND coalesce(TRY_CAST({cast} AS {old}) <> {value}, TRUE))"


def _note_misfits(connection: duckdb.DuckDBPyConnection, table: Table, column: Column, misfit: str, new: str) -> None:
    connection.execute(
        f"INSERT INTO undecodable BY NAME SELECT log_stream, log_id, log_time, 'out_of_range' AS reason, "  # noqa: S608
        f"'{column.name}: ' || \"{column.name}\"::VARCHAR || ' does not fit {new}' AS \"text\" "
        f"FROM {table.name} WHERE {misfit}"
    )
