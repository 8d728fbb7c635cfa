"""LOBSTER's order-by-order messages (NASDAQ) as quotes and trades.

Flows in: `SYMBOL_DATE_BEGIN_END_message_LEVELS.csv`, and `…_orderbook_LEVELS.csv` where that stands beside it. Flows
out: a quote whenever the best bid or offer is another, and a print for every execution. Without the second file the
book is made of the messages: what rested before the file began is not known then, and counted where it is missed.

Columns of messages: seconds after midnight in New York, type (1 new, 2 part of it canceled, 3 deleted, 4 executed, 5 a
hidden order executed, 6 a cross, 7 a halt), order id, size, price times 10 000, direction of the order that rests (1 a
buy, -1 a sell). Columns of books: ask price, ask size, bid price, bid size of each level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from heapq import heappop, heappush
from itertools import zip_longest
from pathlib import Path
from zoneinfo import ZoneInfo

from fillstream.backtest.driver import Happening
from fillstream.demo.market_files import FeedError, Reading, text_lines
from fillstream.demo.market_numbers import Listed, Moment, instrument_of, price_of, size_of
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import Side
from fillstream.libs.common.values.naming import shorten

NAME = re.compile(r"(?P<symbol>.+?)_(?P<day>\d{4}-\d\d-\d\d)_\d+_\d+_message_\d+\.csv(\.gz)?")
ZONE = ZoneInfo("America/New_York")
_SECONDS = re.compile(r"(\d{1,5})(?:\.(\d{1,9}))?")
COLUMNS = ("time", "type", "order id", "size", "price", "direction")
_SCALE = Decimal(10_000)
_EMPTY = 9_999_999_999
"""The price of a level that is not there."""
Top = tuple[tuple[int, int], tuple[int, int]]
"""Bid and ask: ticks and lots, 0 and 0 of a side that is not there."""


def is_lobster(path: Path) -> bool:
    """Whether a file is called as LOBSTER calls its messages."""
    return NAME.fullmatch(path.name) is not None


def lobster(path: Path, instruments: Mapping[str, Listed], reading: Reading) -> Iterator[Happening]:
    """Yield what a file of messages tells.

    Raises:
        FeedError: of a line that cannot be used: file, line, column and value.
    """
    found = NAME.fullmatch(path.name)
    assert found is not None, "who calls has looked at the name"
    try:
        one = instrument_of(instruments, found["symbol"])
        midnight = datetime.fromisoformat(found["day"]).replace(tzinfo=ZONE)
    except ValueError as error:
        raise FeedError(f"{path}: {error}") from error
    beside = path.with_name(path.name.replace("_message_", "_orderbook_"))
    books = text_lines(beside) if beside.is_file() else iter(())
    yield from _Messages(path, one, found["symbol"], int(midnight.timestamp()) * 10**9, reading).read(
        books, beside if beside.is_file() else None
    )


class _Messages:
    def __init__(self, path: Path, one: Listed, symbol: str, midnight_ns: int, reading: Reading) -> None:
        self._path = path
        self._one = one
        self._symbol = symbol
        self._midnight_ns = midnight_ns
        self._reading = reading
        self._book = _Book()
        self._last_ns = 0

    def read(self, books: Iterator[str], beside: Path | None) -> Iterator[Happening]:
        top: Top | None = None
        for number, (line, book) in enumerate(zip_longest(text_lines(self._path), books), start=1):
            if line is None or (beside is not None and book is None):
                shorter = self._path if line is None else beside
                raise FeedError(f"{shorter}: ends with line {number - 1}, and the file that goes with it does not")
            self._reading.line = number
            try:
                time_ns, trade = self._message(line)
            except ValueError as error:
                raise FeedError(f"{self._path}:{number}: {error}") from error
            if trade is not None:
                yield Moment(time_ns, self._symbol, frames.print_trade(self._one.id, *trade))
            try:
                stands = self._top() if beside is None else self._told(book)
            except ValueError as error:
                raise FeedError(f"{beside or self._path}:{number}: {error}") from error
            if stands != top:
                top = stands
                yield Moment(time_ns, self._symbol, frames.quote(self._one.id, *top[0], *top[1]))

    def _message(self, line: str) -> tuple[int, tuple[Side, int, int] | None]:
        """Take a message over; return when it was, and what traded by it."""
        values = line.strip().split(",")
        if len(values) < len(COLUMNS):
            raise ValueError(f"must have the columns {', '.join(COLUMNS)}, got {len(values)}")
        time_ns = self._time(values[0])
        kind, order_id, size, price, direction = (
            _whole(text, name) for text, name in zip(values[1:6], COLUMNS[1:], strict=True)
        )
        if kind not in range(1, 8):
            raise ValueError(f"type: {kind} must be from 1 to 7")
        if kind in (6, 7):
            self._reading.passed_over["cross" if kind == 6 else "halt"] += 1
            return time_ns, None
        if direction not in (1, -1):
            raise ValueError(f"direction: {direction} must be 1 or -1")
        lots = size_of(self._one, str(size), "size", self._reading, 1)
        ticks = price_of(self._one, format(Decimal(price) / _SCALE, "f"), "price")
        if kind != 5 and not self._book.take(kind, order_id, direction, ticks, lots):
            self._reading.passed_over["message of an order from before the file"] += 1
        # The order that rested is the other side: who came in sold to a buyer.
        return time_ns, (Side.SELL if direction == 1 else Side.BUY, ticks, lots) if kind in (4, 5) else None

    def _time(self, text: str) -> int:
        found = _SECONDS.fullmatch(text)
        if found is None:
            raise ValueError(f"time: {shorten(text)} must be seconds after midnight")
        time_ns = self._midnight_ns + int(found[1]) * 10**9 + int((found[2] or "").ljust(9, "0"))
        if time_ns < self._last_ns:
            raise ValueError(f"time: {text} is before that of the line before it")
        self._last_ns = time_ns
        return time_ns

    def _told(self, line: str) -> Top:
        """Return what a line of the book's file says."""
        values = [_whole(text, "level 1") for text in line.strip().split(",")[:4]]
        if len(values) != 4:
            raise ValueError("must have ask price, ask size, bid price and bid size of each level")
        ask, bid = self._level(values[0], values[1], "ask"), self._level(values[2], values[3], "bid")
        return bid, ask

    def _level(self, price: int, size: int, side: str) -> tuple[int, int]:
        if abs(price) == _EMPTY or not size:
            return 0, 0
        lots = size_of(self._one, str(size), f"{side} size", self._reading)
        return price_of(self._one, format(Decimal(price) / _SCALE, "f"), f"{side} price"), lots

    def _top(self) -> Top:
        return self._book.best(1), self._book.best(-1)


class _Book:
    """A book of the orders that messages told of."""

    def __init__(self) -> None:
        self._orders: dict[int, list[int]] = {}
        self._levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self._prices: dict[int, list[int]] = {1: [], -1: []}

    def take(self, kind: int, order_id: int, direction: int, ticks: int, lots: int) -> bool:
        """Apply a message; return whether its order is known."""
        if kind == 1:
            self._orders[order_id] = [direction, ticks, lots]
            self._add(direction, ticks, lots)
            return True
        order = self._orders.get(order_id)
        if order is None:
            return False
        gone = order[2] if kind == 3 else min(lots, order[2])
        order[2] -= gone
        if not order[2]:
            del self._orders[order_id]
        self._add(order[0], order[1], -gone)
        return True

    def _add(self, direction: int, ticks: int, lots: int) -> None:
        levels = self._levels[direction]
        if ticks not in levels:
            heappush(self._prices[direction], -direction * ticks)
        levels[ticks] = levels.get(ticks, 0) + lots

    def best(self, direction: int) -> tuple[int, int]:
        """Return the best price of a side and what is there; 0 and 0 of an empty one."""
        levels, prices = self._levels[direction], self._prices[direction]
        while prices:
            ticks = -direction * prices[0]
            if levels.get(ticks):
                return ticks, levels[ticks]
            heappop(prices)
            levels.pop(ticks, None)
        return 0, 0


def _whole(text: str, name: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise ValueError(f"{name}: {shorten(text)} must be a whole number")
    return int(text)
