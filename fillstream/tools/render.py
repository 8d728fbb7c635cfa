"""How answers look: tables for people, JSON for programs.

Flows in: plain rows. Flows out: text on standard output. Never computes anything, and never cuts off a value without
showing that it did: a table that is too wide loses the date, long tails of digits and spare columns, in this order.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

PIPE_WIDTH = 240
"""Columns when the output is no terminal: nothing is cut off there that a terminal would show."""
GAP = 2
"""Columns between two columns of a table."""
PROSE = {"text": 24, "found": 24, "how": 24, "log": 24, "value": 24, "description": 24}
"""Columns whose values may go on in the next line, and how narrow they may become."""
TIMES = ("time", "received", "updated", "changed", "since", "until")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
_PIECE = re.compile(r"[^/_,;:=&?-]+[/_,;:=&?-]*|[/_,;:=&?-]+")
"""A path, a URL or a pattern may go on in the next line behind each of these."""
_LONG_TAIL = re.compile(r"(-?(?:0\.0*|[1-9]\d*\.)\d{4})\d{2,}")
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
    text = _text(value)
    return f"[{_STATE_STYLES[text]}]{text}[/]" if text in _STATE_STYLES else escape(text)


class _Wrapped(str):
    """Text that was made printable and broken into lines."""


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, _Wrapped):
        return value
    if isinstance(value, (dict, list)):
        value = orjson.dumps(value, default=_plain).decode()
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return printable(str(value))


def printable(text: str) -> str:
    """Return text without characters that would move a terminal's cursor or change its title."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


@dataclass(slots=True)
class _Column:
    name: str
    heading: str
    values: list[Any]
    is_number: bool

    @property
    def is_empty(self) -> bool:
        return all(value is None for value in self.values)

    @property
    def width(self) -> int:
        """Columns of the terminal that it needs."""
        heading = max(map(cell_len, self.heading.split("\n")))
        longest = max((cell_len(_text(value)) for value in self.values), default=0)
        return max(heading, min(longest, PROSE.get(self.name, longest)))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table as it is, however wide; columns of numbers stand to the right."""
    return _table(title, _columns(columns, rows))


def print_table(
    out: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], spare: Sequence[str] = ()
) -> None:
    """Print a table so that it fits, or a line for each value where it cannot.

    Args:
        out: where to; its width is what has to do.
        title: above it.
        columns: the headings.
        rows: a value for each heading.
        spare: headings that can be missed most, the first of them first; --json has them all.
    """
    grid = _columns(columns, rows)
    whole = list(grid)
    missing: list[str] = []
    if not _fits(grid, out.width):
        title = _without_date(title, grid)
        for each in grid:
            each.values = [_LONG_TAIL.sub(r"\1…", value) if isinstance(value, str) else value for value in each.values]
    if not _fits(grid, out.width):
        for each in grid:
            each.heading = each.heading.replace("_", "_\n")
    by_worth = [each for name in spare for each in grid if each.name == name]
    for each in sorted(by_worth, key=lambda column: not column.is_empty):
        if not _fits(grid, out.width):
            grid.remove(each)
            missing += [] if each.is_empty else [each.name]
    if _fits(grid, out.width) or not grid[0].values:
        _wrap_prose(grid, out.width)
        out.print(_table(title, grid))
    else:
        _print_tall(out, title, whole)  # lines have room for all
        return
    if missing:
        out.print(f"[dim]no room for {', '.join(missing)}: a wider terminal has it, and --json[/]")


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[_Column]:
    rows = list(rows)
    made = []
    for index, name in enumerate(names):
        values = [row[index] for row in rows]
        if name in TIMES:
            values = [_spaced(value) for value in values]
        there = [value for value in values if value is not None]
        made.append(_Column(name, printable(name), values, bool(there) and all(map(_is_number, there))))
    return made


def _table(title: str, grid: Sequence[_Column]) -> Table:
    made = Table(
        title=title, title_justify="left", title_style="bold", header_style="bold dim", box=None, pad_edge=False
    )
    for each in grid:
        justify: JustifyMethod = "right" if each.is_number else "left"
        made.add_column(escape(each.heading), justify=justify, no_wrap=each.name not in PROSE, overflow="fold")
    for row in zip(*(each.values for each in grid), strict=True):
        made.add_row(*map(cell, row))
    return made


def _print_tall(out: Console, title: str, grid: Sequence[_Column]) -> None:
    """Print each row as lines of heading and value."""
    if title:
        out.print(title, markup=False, style="bold")
    width = max(len(each.name) for each in grid)
    for number in range(len(grid[0].values)):
        out.print(f"[dim]row {number + 1}[/]")
        for each in grid:
            name = escape(printable(each.name).ljust(width))
            out.print(f"  [dim]{name}[/]  {cell(each.values[number])}", soft_wrap=True)


def _fits(grid: Sequence[_Column], width: int) -> bool:
    return sum(each.width + GAP for each in grid) - GAP <= width


def _wrap_prose(grid: Sequence[_Column], width: int) -> None:
    """Give columns of prose the room that the others leave; break their values between words, or parts of a path."""
    prose = [each for each in grid if each.name in PROSE]
    prose.sort(key=lambda column: max((cell_len(_text(value)) for value in column.values), default=0))
    room = width - sum((0 if each in prose else each.width) + GAP for each in grid) + GAP
    for place, each in enumerate(prose):
        share = max(room // (len(prose) - place), PROSE[each.name])
        each.values = [
            None if value is None else _Wrapped("\n".join(wrapped(_text(value), share))) for value in each.values
        ]
        room -= max((cell_len(line) for value in each.values for line in _text(value).split("\n")), default=0)


def wrapped(text: str, width: int) -> list[str]:
    """Return text as lines of at most `width` characters.

    They end between words, else behind `/`, `_` and the like, and within a word only where it has none of these.
    """
    lines = [""]
    for word in text.rstrip().split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if len(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for piece in _PIECE.findall(word):
            if len(lines[-1]) + len(piece) > width and lines[-1]:
                lines.append("")
            lines[-1] += piece
            while len(lines[-1]) > width:
                lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines


def _without_date(title: str, grid: Sequence[_Column]) -> str:
    """Leave the date out of the times when they all have the same, and name it in the title."""
    times = [each for each in grid if each.name in TIMES]
    days = {str(value)[:10] for each in times for value in each.values if value is not None}
    if len(days) != 1 or not all(_TIME.match(str(value)) for each in times for value in each.values if value):
        return title
    for each in times:
        each.values = [value and value[11:] for value in each.values]
    return f"{title}, {days.pop()} UTC".removeprefix(", ")


def _spaced(value: Any) -> Any:
    """Return a time with a space between date and time of day; what is no time stays what it is."""
    if isinstance(value, str) and _TIME.match(value):
        return value.replace("T", " ", 1).removesuffix("Z")
    return value


def show(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], json: bool, spare: Sequence[str] = ()
) -> None:
    """Print rows: all of their fields as JSON, or the columns that are named as a table; see `print_table`."""
    if json:
        as_json(list(rows))
        return
    out = console()
    print_table(out, title, columns, [[row.get(name) for name in columns] for row in rows], spare)
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
