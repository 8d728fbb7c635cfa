"""What analytics found as a DataFrame: pandas, polars or Arrow, whichever is installed.

Flows in: columns with DuckDB types, rows with decimals as text. Flows out: a frame with exact decimals, times in UTC,
numbers as numbers. Never makes a float of a decimal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, Final, Literal

from fillstream.client.analytics import Found

Library = Literal["pandas", "polars", "arrow"]
EXTRA = "frames"
_DECIMAL = re.compile(r"^DECIMAL\((\d+),\s*(\d+)\)$")
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
_FLOATS = frozenset({"FLOAT", "DOUBLE"})


def frame(found: Found, as_: Library) -> Any:
    """Return what was found as a frame of that library.

    Decimals are exact (`Decimal` objects in pandas, decimal columns in the others), times are UTC, what holds several
    values is a list or a dict, and hugeints are Python integers, or text where the library has no such number.

    Raises:
        ValueError: there is no such library.
        ModuleNotFoundError: it is not installed; the sentence says how to get it.
    """
    make = _MAKERS.get(as_)
    if make is None:
        raise ValueError(f"as_: {as_!r} must be one of {', '.join(_MAKERS)}")
    kinds = {column["name"]: column["type"] for column in found.columns}
    columns = {name: [_value(row[name], kind) for row in found.rows] for name, kind in kinds.items()}
    return make(columns, kinds)


def _value(value: Any, kind: str) -> Any:
    """Return a value of an answer as Python has it."""
    if value is None:
        return None
    if _DECIMAL.match(kind):
        return Decimal(value)
    if kind in _INTEGERS or kind in ("HUGEINT", "UHUGEINT"):
        return int(value)
    if kind in _FLOATS:
        return float(value)
    if kind.startswith("TIMESTAMP"):
        return datetime.fromisoformat(value).astimezone(UTC)
    if kind == "DATE":
        return date.fromisoformat(value)
    return value


def _library(module: str, name: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise ModuleNotFoundError(
            f"as_={name!r} needs {module.partition('.')[0]}, which is not installed: pip install 'fillstream[{EXTRA}]'",
            name=error.name,
        ) from None


def _pandas(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> Any:
    pandas = _library("pandas", "pandas")
    types = {name: _PANDAS.get(_plain(kind), "object") for name, kind in kinds.items()}
    return pandas.DataFrame({name: pandas.Series(values, dtype=types[name]) for name, values in columns.items()})


def _polars(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> Any:
    polars = _library("polars", "polars")
    types = {
        "integer": polars.Int64,
        "unsigned": polars.UInt64,
        "float": polars.Float64,
        "time": polars.Datetime("us", "UTC"),
        "date": polars.Date,
        "flag": polars.Boolean,
        "text": polars.String,
        "huge": polars.String,
    }
    series = []
    for name, values in columns.items():
        kind, size = _plain(kinds[name]), _DECIMAL.match(kinds[name])
        wanted = polars.Decimal(int(size[1]), int(size[2])) if size else types.get(kind)
        series.append(polars.Series(name, _shown(values, kind), dtype=wanted, strict=True))
    return polars.DataFrame(series)


def _arrow(columns: Mapping[str, list[Any]], kinds: Mapping[str, str]) -> Any:
    arrow = _library("pyarrow", "arrow")
    types = {
        "integer": arrow.int64(),
        "unsigned": arrow.uint64(),
        "float": arrow.float64(),
        "time": arrow.timestamp("us", "UTC"),
        "date": arrow.date32(),
        "flag": arrow.bool_(),
        "text": arrow.string(),
        "huge": arrow.string(),
    }
    arrays = []
    for name, values in columns.items():
        kind, size = _plain(kinds[name]), _DECIMAL.match(kinds[name])
        wanted = arrow.decimal128(int(size[1]), int(size[2])) if size else types.get(kind)
        arrays.append(arrow.array(_shown(values, kind), type=wanted))
    return arrow.Table.from_arrays(arrays, names=[*columns])


def _shown(values: list[Any], kind: str) -> list[Any]:
    """Return values as a column takes them: beyond 64 bits neither library has integers."""
    return [None if each is None else str(each) for each in values] if kind == "huge" else values


def _plain(kind: str) -> str:
    """Return what sort of value a DuckDB type has."""
    if kind == "UBIGINT":
        return "unsigned"
    if kind in _INTEGERS:
        return "integer"
    if kind in ("HUGEINT", "UHUGEINT"):
        return "huge"
    if kind in _FLOATS:
        return "float"
    if kind.startswith("TIMESTAMP"):
        return "time"
    return {"DATE": "date", "BOOLEAN": "flag", "VARCHAR": "text"}.get(kind, "other")


_PANDAS: Final = {
    "integer": "Int64",
    "unsigned": "UInt64",
    "float": "float64",
    "time": "datetime64[us, UTC]",
    "flag": "boolean",
}
"""Of all others pandas keeps the objects: dates, decimals, text, lists."""
_MAKERS: Final[Mapping[str, Callable[..., Any]]] = {"pandas": _pandas, "polars": _polars, "arrow": _arrow}
