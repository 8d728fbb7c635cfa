"""How answers look: tables for people, JSON for programs.

Flows in: plain rows. Flows out: text on standard output. Never computes anything.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PIPE_WIDTH = 240
"""Columns when the output is no terminal: nothing is cut off there that a terminal would show."""
_STATE_STYLES = {
    "Filled": "green", "New": "cyan", "PartiallyFilled": "cyan", "Rejected": "red", "Canceled": "yellow",
    "Expired": "yellow", "live": "green", "down": "red", "crashed": "red", "paused": "yellow", "recovering": "yellow",
    "BUY": "green", "SELL": "red", "ok": "green", "missing": "red", "running": "green", "failed": "red",
}  # fmt: skip


def console() -> Console:
    """Return the console of standard output, as it is now."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(width=width, highlight=False)


def as_json(data: Any, lines: bool = False) -> None:
    """Print JSON: decimals as text, indented, or on one line each for streams."""
    option = 0 if lines else orjson.OPT_INDENT_2
    text = orjson.dumps(data, default=_plain, option=option | orjson.OPT_NON_STR_KEYS)
    sys.stdout.write(text.decode() + "\n")
    if lines:
        sys.stdout.flush()


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    raise TypeError(f"{type(value).__name__} has no JSON form")


def cell(value: Any) -> str:
    """Return a value as a table shows it, with a style for words that have one."""
    if value is None:
        return "[dim]-[/]"
    if isinstance(value, str) and value in _STATE_STYLES:
        return f"[{_STATE_STYLES[value]}]{value}[/]"
    if isinstance(value, (dict, list)):
        value = orjson.dumps(value, default=_plain).decode()
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return escape(printable(str(value)))


def printable(text: str) -> str:
    """Return text without characters that would move a terminal's cursor or change its title."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table; columns of numbers stand to the right."""
    rows = [list(row) for row in rows]
    made = Table(
        title=title, title_justify="left", title_style="bold", header_style="bold dim", box=None, pad_edge=False
    )
    for index, name in enumerate(columns):
        values = [row[index] for row in rows if row[index] is not None]
        made.add_column(name, justify="right" if values and all(map(_is_number, values)) else "left")
    for row in rows:
        made.add_row(*map(cell, row))
    return made


def show(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], json: bool) -> None:
    """Print rows: all of their fields as JSON, or the columns that are named as a table."""
    if json:
        as_json(list(rows))
        return
    out = console()
    out.print(table(title, columns, [[row.get(name) for name in columns] for row in rows]))
    if not rows:
        out.print("[dim]none[/]")


def time_of(ms: Any) -> str | None:
    """Return milliseconds since 1970 as UTC text with milliseconds; text and None stay what they are."""
    if isinstance(ms, int):
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    return ms if ms is None else str(ms)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.removeprefix("-").replace(".", "", 1).replace(",", "").isdigit()
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
