"""Questions to the database, answered as JSON.

Flows in: SQL with a row limit. Flows out: `{"columns": [{"name", "type"}], "rows": [[...]], "truncated": bool,
"incomplete": [sentence, ...]}`. Never changes the database, never runs longer or answers with more than its limits,
never turns a number into a nearby one: decimals are text, and so are integers that a double does not hold.
"""

from __future__ import annotations

import datetime
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import orjson

from fillstream.libs.common.values.money import canonical
from fillstream.services.analytics.query.sql_guard import Refused, check
from fillstream.services.analytics.sinks.store import is_damage

DEFAULT_LIMIT = 1_000
MAX_LIMIT = 100_000
TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""An answer ends, truncated, after the row that passes it."""
MAX_RUNNING = 2
"""Queries that run at a time; they share two cores with the services."""
PAGE_ROWS = 1_000
PAGE_BYTES = 4 * 1024 * 1024
"""Rows are fetched at most so many, and about so large, at a time."""
EXACT_INTEGER = 2**53
"""JSON readers keep whole numbers below it exact."""
DAMAGED = (
    "stop analytics, move the file and its .wal away and start again: it is made from the streams, as far as they reach"
)
ZONED = "TIMESTAMP WITH TIME ZONE"
"""DuckDB's name of a type that is shown in the session's zone: every time in the tables is a UTC TIMESTAMP."""


class QueryError(Exception):
    """A query without an answer.

    Args:
        status: the HTTP status.
        text: a sentence.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns as (name, DuckDB type), rows in order, whether there were more, and what may be missing, in sentences."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    truncated: bool
    incomplete: Sequence[str] = ()

    def json(self) -> bytes:
        """Return the answer as the API gives it."""
        return orjson.dumps(
            {
                "columns": [{"name": name, "type": kind} for name, kind in self.columns],
                "rows": self.rows,
                "truncated": self.truncated,
                "incomplete": list(self.incomplete),
            }
        )


class Queries:
    """Runs queries, each on a connection of its own.

    Args:
        cursor: makes a connection to the database.
        observe: told the outcome (`ok`, `refused`, `failed`, `timeout`, `busy`) and the seconds of each.
        timeout_s: how long one may take, waiting for its turn included.
    """

    def __init__(
        self,
        cursor: Callable[[], duckdb.DuckDBPyConnection],
        observe: Callable[[str, float], None],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._cursor = cursor
        self._observe = observe
        self._timeout_s = timeout_s
        self._turns = threading.BoundedSemaphore(MAX_RUNNING)
        self._lock = threading.Lock()
        self._running: set[_Running] = set()

    def ask(self, sql: str, limit: int = DEFAULT_LIMIT) -> Answer:
        """Answer somebody's SQL.

        Args:
            sql: one statement that reads.
            limit: rows at most, 1 to MAX_LIMIT.

        Raises:
            QueryError: 400 refused or wrong, 408 took too long, 500 the file is damaged, 503 no turn in time or no
                memory.
        """
        return self._timed(sql, [], limit, guarded=True)

    def select(self, sql: str, values: Sequence[Any], limit: int = DEFAULT_LIMIT) -> Answer:
        """Answer one of our own queries, `values` for its parameters. Raises as `ask` does."""
        return self._timed(sql, values, limit, guarded=False)

    def interrupt(self) -> None:
        """End the queries that run: the writer needs their memory."""
        with self._lock:
            for running in self._running:
                running.end("the writer needed the memory")

    def _timed(self, sql: str, values: Sequence[Any], limit: int, guarded: bool) -> Answer:
        began = time.monotonic()
        outcome = "failed"
        try:
            answer = self._in_turn(sql, values, limit, guarded)
            outcome = "ok"
        except QueryError as error:
            outcome = {400: "refused", 408: "timeout", 500: "failed", 503: "busy"}[error.status]
            raise
        else:
            return answer
        finally:
            self._observe(outcome, time.monotonic() - began)

    def _in_turn(self, sql: str, values: Sequence[Any], limit: int, guarded: bool) -> Answer:
        if not 1 <= limit <= MAX_LIMIT:
            raise QueryError(400, f"limit: {limit} is not between 1 and {MAX_LIMIT}")
        deadline = time.monotonic() + self._timeout_s
        if not self._turns.acquire(timeout=self._timeout_s):
            raise QueryError(503, f"{MAX_RUNNING} queries have been running for {self._timeout_s:g} s; try again")
        try:
            return self._run(sql, values, limit, guarded, deadline)
        finally:
            self._turns.release()

    def _run(self, sql: str, values: Sequence[Any], limit: int, guarded: bool, deadline: float) -> Answer:
        connection = self._cursor()
        running = _Running(connection, max(0.01, deadline - time.monotonic()))
        with self._lock:
            self._running.add(running)
        try:
            if guarded:
                check(sql, connection)
            connection.execute("BEGIN TRANSACTION READ ONLY")
            connection.execute(sql, values or None)
            return _fetch(connection, limit)
        except Refused as error:
            raise QueryError(400, str(error)) from None
        except duckdb.InterruptException:
            if running.why:
                raise QueryError(503, f"the query was ended: {running.why}; try again") from None
            raise QueryError(408, f"the query took longer than {self._timeout_s:g} s and was ended") from None
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            raise QueryError(503, f"the query needs more memory than there is: {error}") from None
        except duckdb.Error as error:
            if is_damage(error):
                text = str(error).strip().partition("\n")[0]
                raise QueryError(500, f"the database file is damaged: {text}; {DAMAGED}") from None
            raise QueryError(400, f"sql: {str(error).strip()}") from None
        except (ValueError, RuntimeError) as error:
            raise QueryError(400, f"sql: {str(error).strip()}") from None
        finally:
            with self._lock:
                self._running.discard(running)
            running.finish()
            # A failed statement may have ended the transaction itself; closing ends it in any case.
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            connection.close()


class _Running:
    """A query that can be ended from outside, until it is finished."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, timeout_s: float) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._finished = False
        self.why = ""
        self._timer = threading.Timer(timeout_s, self.end)
        self._timer.daemon = True
        self._timer.start()

    def end(self, why: str = "") -> None:
        with self._lock:
            if not self._finished:
                self.why = why
                self._connection.interrupt()

    def finish(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._finished = True


def _fetch(connection: duckdb.DuckDBPyConnection, limit: int) -> Answer:
    """Read rows until there are no more, or enough: DuckDB computes them as they are read."""
    columns = [(str(column[0]), str(column[1])) for column in connection.description or ()]
    _check_kinds(columns)
    rows: list[list[Any]] = []
    size, fetch = 0, 10
    while len(rows) <= limit and size <= MAX_ANSWER_BYTES:
        page = connection.fetchmany(min(fetch, limit + 1 - len(rows)))
        if not page:
            return Answer(columns, rows, truncated=False)
        for row in page:
            rows.append([json_value(value) for value in row])
            size += sum(len(value) if isinstance(value, str) else 8 for value in rows[-1])
        fetch = max(1, min(PAGE_ROWS, PAGE_BYTES * len(rows) // max(1, size)))
    return Answer(columns, rows[:limit], truncated=True)


def _check_kinds(columns: Sequence[tuple[str, str]]) -> None:
    """Refuse a column, nested ones included, whose value would depend on the host's zone and on DuckDB's version."""
    for name, kind in columns:
        if ZONED in kind:
            raise QueryError(400, f"sql: column {name}: {kind} cannot be answered with; cast it: now()::TIMESTAMP")


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: decimals and large integers as text, times as ISO 8601 in UTC, bytes as SQL."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < EXACT_INTEGER else str(value)
        case Decimal():
            return canonical(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime.datetime():
            return _utc(value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return _bytes_as_sql(bytes(value))
        case dict():
            return {str(name): json_value(inner) for name, inner in value.items()}
        case list() | tuple():
            return [json_value(inner) for inner in value]
        case _:
            return str(value)


def _utc(value: datetime.datetime) -> str:
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    digits = "milliseconds" if value.microsecond % 1000 == 0 else "microseconds"
    return f"{value.isoformat(timespec=digits)}Z"


def _bytes_as_sql(value: bytes) -> str:
    r"""Return bytes as DuckDB prints a BLOB: printable ASCII as it is, all else as \xNN."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02X}" for byte in value)
