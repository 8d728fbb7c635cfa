"""Files of market data, whatever kind they are, as one market in order.

Flows in: paths. Flows out: what happened, merged by time. A file's kind is told by its first bytes, its name and its
columns. Never a row left out silently: what a market does not need is counted in `Reading.passed_over`, and what cannot
be used ends it with a sentence that says file, line, column and value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from pathlib import Path

from fillstream.backtest.driver import Happening
from fillstream.backtest.sources.lobster import is_lobster, lobster
from fillstream.backtest.sources.rows import columns_of, is_parquet
from fillstream.backtest.sources.tables import ALIASES, Options, kind_of, table
from fillstream.demo.feeds import binance
from fillstream.demo.market_files import FeedError, Reading, binary_lines
from fillstream.demo.market_numbers import Listed


@dataclass(slots=True)
class MarketFile:
    """A file, and what was read of it so far.

    Attributes:
        path: where it is.
        kind: `binance`, `lobster`, `quotes`, `trades` or `bars`.
        names_symbols: it says itself of which instruments it is.
        reading: how it is read, and what was passed over.
    """

    path: Path
    kind: str
    names_symbols: bool = True
    reading: Reading = field(default_factory=Reading)


def look_at(paths: Sequence[Path], round_sizes: bool = False) -> list[MarketFile]:
    """Return which kind each file is.

    Raises:
        FeedError: there is no such file, or it is of no kind that is known.
    """
    found = []
    for path in paths:
        if not path.is_file():
            what = "is a folder, name its files" if path.is_dir() else "there is no such file"
            raise FeedError(f"{path}: {what}")
        kind, names_symbols = _kind(path)
        found.append(MarketFile(path, kind, names_symbols, Reading(round_sizes)))
    return found


def _kind(path: Path) -> tuple[str, bool]:
    """Return which kind a file is, and whether it names its instruments."""
    if is_lobster(path):
        return "lobster", True
    if not is_parquet(path):
        line = next((line for _, line in binary_lines(path) if line.strip()), b"")
        stamp, _, body = line.partition(b" ")
        if stamp.isdigit() and body.lstrip().startswith((b"{", b"[")):
            return "binance", True
    columns = columns_of(path)
    # What is of no kind the reader refuses, with the columns that it has.
    return kind_of(columns) or "table", any(name in columns for name in ALIASES["symbol"])


def market_of(files: Sequence[MarketFile], instruments: Mapping[str, Listed], options: Options) -> Iterator[Happening]:
    """Yield what files tell, in the order of time; of the same time in the order of files.

    Trades without any quotes beside them are the market themselves: each is quoted at its price.

    Raises:
        FeedError: a row cannot be used.
    """
    options = replace(options, prints=any(file.kind != "trades" for file in files))
    yield from merge(*(_read(file, instruments, options) for file in files), key=lambda each: each.time_ns)


def _read(file: MarketFile, instruments: Mapping[str, Listed], options: Options) -> Iterator[Happening]:
    if file.kind == "binance":
        return _in_order(file, binance(file.path, instruments, file.reading))
    if file.kind == "lobster":
        return lobster(file.path, instruments, file.reading)
    return table(file.path, instruments, file.reading, options)


def _in_order(file: MarketFile, market: Iterator[Happening]) -> Iterator[Happening]:
    last_ns = 0
    for happening in market:
        if happening.time_ns < last_ns:
            raise FeedError(
                f"{file.path}:{file.reading.line}: time: {happening.time_ns} is before the {last_ns} of the line before"
            )
        last_ns = happening.time_ns
        yield happening
