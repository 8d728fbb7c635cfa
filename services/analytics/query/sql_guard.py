"""Which SQL may run: one statement that only reads, built from functions that only compute.

Flows in: text from anybody who reaches the query API. Flows out: nothing, or a refusal that names what is wrong. Never
runs the text; DuckDB parses it, and the parsed statement is judged.

This is one of three walls. The database itself has no access to files, network or extensions, and its configuration is
locked (`store`); the statement runs in a transaction that DuckDB holds to reading (`query`). What is left to refuse
here are reading statements that still do something: table functions such as `checkpoint()` and `query()`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import orjson
from duckdb import StatementType

MAX_SQL_CHARACTERS = 65_536
MAX_NODES = 200_000
TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns",
        "duckdb_constraints",
        "duckdb_functions",
        "duckdb_indexes",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "pragma_database_size",
        "pragma_storage_info",
        "pragma_table_info",
        "pragma_version",
        "range",
        "repeat",
        "repeat_row",
        "summary",
        "unnest",
    }
)
"""Table functions that only compute, or describe the database's own tables. All others are refused."""
REFUSED_FUNCTIONS = frozenset(
    {
        "current_setting",
        "currval",
        "getenv",
        "getvariable",
        "nextval",
        "pg_sleep",
        "setseed",
        "setval",
        "sleep_ms",
        "write_log",
    }
)
"""Scalar functions that change something, wait, or tell about the process."""

_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?(?:\(\s*(?:analyze|format\s+\w+|,|\s)*\)\s*)?", re.IGNORECASE)


class Refused(Exception):
    """A statement that may not run; the sentence says why."""


def check(sql: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse everything but one statement that reads.

    Args:
        sql: the text.
        connection: parses it; nothing of it is executed.

    Raises:
        Refused: it is empty, too long, no SQL, more than one statement, or does more than read.
    """
    if len(sql) > MAX_SQL_CHARACTERS:
        raise Refused(f"sql: {len(sql)} characters, a query has at most {MAX_SQL_CHARACTERS}")
    statement = _only_statement(sql, connection)
    if statement.type == StatementType.EXPLAIN:
        start = _EXPLAIN.match(sql)
        if start is None:
            raise Refused("sql: write EXPLAIN or EXPLAIN ANALYZE first, and the SELECT right behind it")
        sql = sql[start.end() :]
        statement = _only_statement(sql, connection)
    if statement.type != StatementType.SELECT:
        raise Refused(
            f"sql: a {statement.type.name} statement may not run here, only SELECT, DESCRIBE, SHOW, SUMMARIZE and "
            "EXPLAIN of these"
        )
    for kind, name in _functions(_tree(sql, connection)):
        if kind == "table" and name not in TABLE_FUNCTIONS:
            raise Refused(f"sql: the table function {name} may not run here")
        if name in REFUSED_FUNCTIONS:
            raise Refused(f"sql: the function {name} may not run here")


def _only_statement(sql: str, connection: duckdb.DuckDBPyConnection) -> duckdb.Statement:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.InterruptException:
        raise  # it was ended, not refused
    except duckdb.Error as error:
        raise Refused(f"sql: {str(error).strip()}") from None
    if len(statements) != 1:
        raise Refused(f"sql: {len(statements)} statements, a query is exactly one")
    if statements[0].named_parameters:
        raise Refused("sql: has parameters; write the values into it")
    return statements[0]


def _tree(sql: str, connection: duckdb.DuckDBPyConnection) -> Any:
    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        tree = orjson.loads(row[0]) if row else None
    except duckdb.InterruptException:
        raise
    except (duckdb.Error, orjson.JSONDecodeError) as error:
        raise Refused(f"sql: cannot be looked into: {str(error).strip()}") from None
    if not isinstance(tree, dict) or tree.get("error") is not False:
        told = tree.get("error_message", "no reason given") if isinstance(tree, dict) else "no reason given"
        raise Refused(f"sql: only a SELECT that DuckDB can take apart may run here: {told}")
    return tree


def _functions(tree: Any) -> Iterator[tuple[str, str]]:
    """Yield every function that a parsed statement calls: `table` or `scalar`, and its name in lower case."""
    waiting = [tree]
    seen = 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > MAX_NODES:
            raise Refused(f"sql: more than {MAX_NODES} parts")
        if isinstance(node, dict):
            if node.get("type") == "TABLE_FUNCTION":
                yield "table", str(node["function"].get("function_name", "")).lower()
            elif "function_name" in node:
                yield "scalar", str(node["function_name"]).lower()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
