"""The DuckDB file: opened closed to everything outside, written by one thread, atomically.

Flows in: Arrow tables and the offsets they reach. Flows out: one commit that holds both; cursors for queries. Never
commits rows without their offsets, and never one without the other: a crash at any moment leaves both or neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from fillstream.services.analytics.migration import migrate, note_numbering
from fillstream.services.analytics.numbers import Scales
from fillstream.services.analytics.query.incomplete import Missing
from fillstream.services.analytics.schema import TABLES
from fillstream.services.analytics.sinks.numbering import NUMBERED, Hole, Numbered, holes

MEMORY_LIMIT = "512MB"
"""DuckDB's memory, for the writer and all queries together."""
SPILL_LIMIT = "1GB"
"""What queries may put into temporary files beside the database."""
_INCOMING = "incoming"
_NAMES = frozenset(table.name for table in TABLES)


class StoreError(Exception):
    """The file cannot be used or written; the sentence says what to do. What was committed before stands."""


class Damaged(StoreError):
    """The file cannot be read as it is, and no other start will: a person moves it away, or brings it back."""


PASSING = ("could not set lock", "no space left", "out of memory", "too many open files")
"""What is in the sentence of an error that a later start may not meet again."""
DAMAGE = (
    "corrupt",
    "checksum",
    "not a valid duckdb database file",
    "could not read enough bytes",
    "failure while replaying wal",
    "serialization error",
    "deserialize",
)
"""What is in the sentence of an error about the file's own bytes."""


def is_damage(error: Exception) -> bool:
    """Whether DuckDB says that what is in the file, or in its write-ahead log, is not what it wrote."""
    text = str(error).lower()
    return any(sign in text for sign in DAMAGE)


def way_on(path: Path, told: str) -> str:
    """Return what to do about a file that cannot be read.

    Args:
        path: the file's.
        told: DuckDB's sentence: whether the write-ahead log is at fault.
    """
    log = path.with_name(f"{path.name}.wal")
    first = f"move {log} away and start again"
    both = f"move {path} and {log.name} away" if log.exists() else f"move {path} away"
    again = "it is made again from the streams, as far back as they reach; what they have no more, table missing tells"
    if log.name in told and log.exists():
        return f"{first}; if that does not help, {both}: {again}"
    return f"{both} and start again, or put a backup there: {again}"


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a stream has been read.

    Attributes:
        id: the last entry's.
        entries: how many entries the stream had been given up to there.
    """

    id: str = "0-0"
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries that the log no longer had when analytics got there."""

    stream: str
    after_id: str
    upto_id: str
    entries: int
    noticed_ms: int
    text: str


class Store:
    """The database file.

    Args:
        path: made, folder and all, when it is not there.
        scales: what its numbers must have room for.
        memory_limit: as DuckDB writes sizes.

    Attributes:
        scales: the decimals of its numbers.
        desk: id of the desk whose rows these are; empty while nothing says so.
        missing: what the log no longer had, by stream; renewed by a commit that notices more.

    Raises:
        StoreError: it cannot be opened now; another start may.
        Damaged: it cannot be opened at all.
        SchemaError: it has tables that this version cannot write.
    """

    def __init__(self, path: Path, scales: Scales | None = None, memory_limit: str = MEMORY_LIMIT) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = duckdb.connect(
                path,
                config={
                    "enable_external_access": "false",
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    "allow_community_extensions": "false",
                    "memory_limit": memory_limit,
                    "max_temp_directory_size": SPILL_LIMIT,
                    "threads": "1",
                },
            )
            self._connection.execute("SET GLOBAL python_enable_replacements = false")
            # Times are UTC; what turns them into instants, or now into a time or a date, asks the session's zone, which
            # is the host's by default: the same rows would answer the same question differently.
            self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
            self._connection.execute("SET lock_configuration = true")
            self.scales = migrate(self._connection, scales or Scales())
            self.missing = self._missing()
            self.desk = "".join(found for (found,) in self._connection.execute("SELECT id FROM desk").fetchall())
            self._noted = self.desk
            self._journals = {
                stream: Numbered(seq, entry_id)
                for stream, seq, entry_id in self._connection.execute("SELECT * FROM journals").fetchall()
            }
        except duckdb.Error as error:
            told = _first_line(error)
            if any(sign in told.lower() for sign in PASSING):
                raise StoreError(f"{path}: cannot be opened: {told}") from error
            raise Damaged(f"{path}: cannot be opened: {told}; {way_on(path, told)}") from error

    def offsets(self) -> dict[str, Offset]:
        """Return how far each stream has been read.

        Raises:
            Damaged: the file does not tell.
        """
        try:
            rows = self._connection.execute("SELECT stream, id, entries FROM offsets").fetchall()
        except duckdb.Error as error:
            raise self._damaged(error) from error
        return {stream: Offset(entry_id, entries) for stream, entry_id, entries in rows}

    def belong_to(self, desk: str) -> None:
        """Take the rows to be of this desk, from the next commit on; for any thread."""
        self.desk = desk

    def commit(self, tables: Mapping[str, list[pa.Table]], offsets: Mapping[str, Offset], gaps: Iterable[Gap]) -> int:
        """Append the tables' rows and move the offsets: all of it or nothing. Return the number of rows.

        Raises:
            duckdb.OutOfMemoryException: nothing was written; DuckDB's memory is taken by queries.
            StoreError: nothing was written.
            Damaged: the same, and another start will not write it either.
        """
        connection = self._connection
        rows = 0
        gaps = list(gaps)
        desk = self.desk
        found, stands = self._numbering(tables)
        try:
            connection.execute("BEGIN TRANSACTION")
            if desk != self._noted:
                connection.execute("DELETE FROM desk")
                connection.execute("INSERT INTO desk VALUES (?)", [desk])
            for name, parts in tables.items():
                rows += self._append(name, pa.concat_tables(parts))
            for gap in gaps:
                connection.execute(
                    "INSERT INTO gaps VALUES (?, ?, ?, ?, epoch_ms(?::BIGINT), ?, NULL, NULL)",
                    [gap.stream, gap.after_id, gap.upto_id, gap.entries, gap.noticed_ms, gap.text],
                )
            note_numbering(connection, found, stands)
            for stream, offset in offsets.items():
                connection.execute(
                    "INSERT INTO offsets VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET id = excluded.id, entries = excluded.entries",
                    [stream, offset.id, offset.entries],
                )
            connection.execute("COMMIT")
            self._noted = desk
            self._journals.update(stands)
            if gaps or found:
                self.missing = self._missing()
        except duckdb.Error as error:
            self._roll_back()
            if isinstance(error, duckdb.OutOfMemoryException):
                raise
            if is_damage(error):
                raise self._damaged(error) from error
            raise StoreError(
                f"{self.path}: {_first_line(error)}; nothing was committed and nothing is lost: the rows are still in "
                "Redis and are read again at the next start. If the disk is full, make room"
            ) from error
        return rows

    def _numbering(self, tables: Mapping[str, list[pa.Table]]) -> tuple[list[Hole], dict[str, Numbered]]:
        """Return what is missing between rows that are to be appended, and where their journals stand with them."""
        found: list[Hole] = []
        stands: dict[str, Numbered] = {}
        for name in NUMBERED:
            for part in tables.get(name, []):
                # A decoder's part is of one stream.
                stream = part.column("log_stream")[0].as_py()
                rows = zip(part.column("log_id").to_pylist(), part.column("seq").to_pylist(), strict=True)
                last = stands.get(stream) or self._journals.get(stream, Numbered())
                more, stands[stream] = holes(stream, last, rows)
                found += more
        return found, stands

    def _missing(self) -> tuple[Missing, ...]:
        rows = self._connection.execute(
            "SELECT stream, sum(entries)::BIGINT, count(*), min(from_seq), max(upto_seq), "
            "strftime(min(\"time\"), '%Y-%m-%dT%H:%M:%SZ') FROM gaps GROUP BY stream ORDER BY stream"
        ).fetchall()
        return tuple(
            Missing(stream, entries, gaps, None if low is None else (low, high), since)
            for stream, entries, gaps, low, high, since in rows
        )

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the same database, for one thread."""
        return self._connection.cursor()

    def close(self) -> None:
        """Write what is in the write-ahead log into the file and let go of it."""
        self._connection.close()

    def _append(self, name: str, rows: pa.Table) -> int:
        assert name in _NAMES, name
        self._connection.register(_INCOMING, rows)
        try:
            self._connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM {_INCOMING}")  # noqa: S608 - ours
        finally:
            self._connection.unregister(_INCOMING)
        return int(rows.num_rows)

    def _damaged(self, error: duckdb.Error) -> Damaged:
        told = _first_line(error)
        return Damaged(f"{self.path}: {told}; {way_on(self.path, told)}")

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            # The failure rolled it back already, or closed the database; the process ends either way.
            return


def _first_line(error: Any) -> str:
    return str(error).strip().partition("\n")[0]
