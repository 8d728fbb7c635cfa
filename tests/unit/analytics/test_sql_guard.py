"""Which SQL may run, and how its values are written down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fillstream.services.analytics.query.api import json_value
from fillstream.services.analytics.query.sql_guard import Refused, check
from fillstream.services.analytics.sinks.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "analytics.duckdb")
    yield made
    made.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "FROM events",
        "TABLE events",
        "VALUES (1)",
        "DESCRIBE events",
        "SHOW TABLES",
        "SUMMARIZE events",
        "EXPLAIN SELECT 1",
        "explain analyze select count(*) from events",
        "EXPLAIN (FORMAT json) SELECT 1",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x, range(3), unnest([1, 2])",
        "SELECT * FROM orders WHERE account = 'a;b' -- a comment; with a semicolon\n;",
    ],
)
def test_reading_is_let_through(store: Store, sql: str) -> None:
    check(sql, store.cursor())


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "no sql at all",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE events",
        "SELECT ?",
        "SELECT $a",
        "INSERT INTO events DEFAULT VALUES",
        "UPDATE events SET seq = 1",
        "DELETE FROM events",
        "TRUNCATE events",
        "DROP TABLE events",
        "CREATE TABLE x (a INT)",
        "CREATE TEMP TABLE x AS SELECT 1",
        "CREATE MACRO f() AS 1",
        "ALTER TABLE events ADD COLUMN x INT",
        "MERGE INTO offsets USING (SELECT 1) ON true WHEN MATCHED THEN DELETE",
        "COPY events TO '/tmp/x.csv'",
        "COPY events FROM '/etc/passwd'",
        "EXPORT DATABASE '/tmp/x'",
        "IMPORT DATABASE '/tmp/x'",
        "ATTACH '/tmp/x.duckdb'",
        "ATTACH ':memory:' AS m",
        "DETACH memory",
        "USE memory",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 8",
        "SET VARIABLE a = 1",
        "RESET threads",
        "PRAGMA database_list",
        "PRAGMA threads = 8",
        "CALL pragma_version()",
        "CHECKPOINT",
        "FORCE CHECKPOINT",
        "VACUUM",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "PREPARE a AS SELECT 1",
        "EXECUTE a",
        "EXPLAIN INSERT INTO events DEFAULT VALUES",
        "EXPLAIN ANALYZE CREATE TABLE x (a INT)",
        "EXPLAIN ANALYZE CHECKPOINT",
        "/* */ EXPLAIN ANALYZE CHECKPOINT",
        "EXPLAIN /* */ ANALYZE CHECKPOINT",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/passwd')",
        "SELECT * FROM read_json('/etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT getenv('HOME')",
        "SELECT * FROM checkpoint()",
        'SELECT * FROM main."CHECKPOINT"()',
        "SELECT * FROM force_checkpoint()",
        "WITH x AS (SELECT * FROM checkpoint()) SELECT * FROM x",
        "SELECT (SELECT count(*) FROM checkpoint())",
        "SELECT 1 ORDER BY (SELECT count(*) FROM checkpoint())",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM json_execute_serialized_sql('{}')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM enable_logging()",
        "SELECT * FROM truncate_duckdb_logs()",
        "SELECT write_log('x')",
        "SELECT 'x'.write_log()",
        "SELECT list_transform([1], a -> write_log('x'))",
        "SELECT current_setting('temp_directory')",
        "SELECT sleep_ms(1000)",
        "SELECT pg_sleep(1)",
        "SELECT '" + "x" * 70_000 + "'",
    ],
)
def test_whatever_does_more_than_read_is_refused(store: Store, sql: str) -> None:
    with pytest.raises(Refused, match=r"^sql: "):
        check(sql, store.cursor())


def test_values_are_json_without_losing_a_digit() -> None:
    assert json_value(Decimal("65000.120000000000")) == "65000.12"
    assert json_value(2**53 - 1) == 2**53 - 1
    assert json_value(2**53) == "9007199254740992"
    assert json_value(float("nan")) == "nan"
    assert json_value(float("-inf")) == "-inf"
    assert json_value(datetime(2026, 11, 21, 2, 58, 15, 123_000)) == "2026-11-21T02:58:15.123Z"
    assert json_value(b"a\\\x00\xff") == "a\\x5C\\x00\\xFF"
    assert json_value({"a": [Decimal("1.50"), None]}) == {"a": ["1.5", None]}
