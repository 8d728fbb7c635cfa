"""Tables of quotes, trades and bars as what happened on the market.

Flows in: rows, and the instruments. Flows out: quotes and prints as a feed would send them, and bars at their ends.
Prices and sizes are exact, or the row is refused: nothing is made up but what a bar leaves open; see `_Table.of_bar`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

from fillstream.backtest.driver import BarEnded, Happening
from fillstream.backtest.sources.rows import Row, columns_of, rows_of, time_column, time_of
from fillstream.demo.market_files import FeedError, Reading
from fillstream.demo.market_numbers import Listed, Moment, field_of, instrument_of, price_of, side_of, size_of
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import Side
from fillstream.libs.common.values.naming import shorten
from fillstream.strategy.market import Bar

ALIASES: Mapping[str, tuple[str, ...]] = {
    "bid_px": ("bid_px", "bid_price", "bid"),
    "bid_qty": ("bid_qty", "bid_size", "bid_amount"),
    "ask_px": ("ask_px", "ask_price", "ask"),
    "ask_qty": ("ask_qty", "ask_size", "ask_amount"),
    "price": ("price", "last_px"),
    "quantity": ("quantity", "qty", "size", "amount", "last_qty"),
    "side": ("side",),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "symbol": ("symbol",),
}
"""What a column may be called; the first that is there counts."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "quotes": ("bid_px", "bid_qty", "ask_px", "ask_qty"),
    "bars": ("open", "high", "low", "close"),
    "trades": ("price", "quantity"),
}
"""The columns that make a table one of a kind, beside one that says when; looked for in this order."""
WITHOUT_VOLUME = 10**12
"""Lots on each side of a quote that is made of a bar without a volume: more than anybody takes."""
MOMENTS_OF_A_BAR = 4
_SIDES = {"BUY": Side.BUY, "B": Side.BUY, "SELL": Side.SELL, "S": Side.SELL}


@dataclass(frozen=True, slots=True)
class Options:
    """How files are read.

    Attributes:
        symbol: of rows that have no column for it.
        bar_ms: how long bars are; None: as far as the first two of an instrument are apart.
        prints: whether trades are prints beside quotes; else they are the quotes.
    """

    symbol: str | None = None
    bar_ms: int | None = None
    prints: bool = True


def kind_of(columns: tuple[str, ...]) -> str | None:
    """Return which kind of table has these columns, None for none."""
    for kind, needed in NEEDED.items():
        if all(any(alias in columns for alias in ALIASES[name]) for name in needed):
            return kind
    return None


def table(path: Path, instruments: Mapping[str, Listed], reading: Reading, options: Options) -> Iterator[Happening]:
    """Yield what a table tells.

    Raises:
        FeedError: of a row that cannot be used: file, line, column and value.
    """
    columns = columns_of(path)
    kind, time_name = kind_of(columns), time_column(columns)
    if kind is None or time_name is None:
        shown = ", ".join(map(repr, columns[:12])) or "none"
        kinds = "; ".join(f"{name}: {', '.join(needed)}" for name, needed in NEEDED.items())
        raise FeedError(
            f"{path}:1: columns {shown} are none of a market's: a time (time_ns, time_us, time_ms, time_s or time), and"
            f" of {kinds}"
        )
    names = {name: alias for name, aliases in ALIASES.items() for alias in aliases[::-1] if alias in columns}
    if "symbol" not in names and options.symbol is None:
        raise FeedError(f"{path}:1: symbol: there is no such column, and no symbol is given for the whole file")
    make = _Table(instruments, reading, options, names, time_name)
    yield from _located(rows_of(path), {"quotes": make.quote, "trades": make.trade, "bars": make.bars}[kind])
    yield from make.rest()


def _located(rows: Iterator[Row], make: Callable[[Row], Iterator[Happening]]) -> Iterator[Happening]:
    """Make happenings of rows; say of a row that cannot be used where it stands."""
    for row in rows:
        try:
            yield from make(row)
        except ValueError as error:
            raise FeedError(f"{row.at}: {error}") from error


def _stands(one: Listed, symbol: str, time_ns: int, price: int, lots: int, side: Side) -> Iterator[Moment]:
    """Yield a market of which only a trade is known: both sides at its price and size, and its print.

    The quote comes first, so that a stop that waits for the trade meets the market that the trade was made in.
    """
    yield Moment(time_ns, symbol, frames.quote(one.id, price, lots, price, lots))
    yield Moment(time_ns, symbol, frames.print_trade(one.id, side, price, lots))


class _Table:
    def __init__(
        self,
        instruments: Mapping[str, Listed],
        reading: Reading,
        options: Options,
        names: Mapping[str, str],
        time_name: str,
    ) -> None:
        self._instruments = instruments
        self._reading = reading
        self._options = options
        self._names = names
        self._time = time_name
        self._last_ns = 0
        self._first: dict[str, int] = {}
        self._kept: list[tuple[int, str, Row]] = []
        self._coming: list[tuple[int, int, Happening]] = []
        self._serial = 0
        self._every_ns = None if options.bar_ms is None else options.bar_ms * 1_000_000

    def _head(self, row: Row) -> tuple[int, str, Listed]:
        time_ns = time_of(row.values, self._time)
        if time_ns < self._last_ns:
            said = field_of(row.values, self._time)
            raise ValueError(f"{self._time}: {said} is before that of the row before it; sort the file")
        self._last_ns = time_ns
        symbol = self._options.symbol or ""
        if "symbol" in self._names:
            symbol = field_of(row.values, self._names["symbol"])
        return time_ns, symbol, instrument_of(self._instruments, symbol)

    def quote(self, row: Row) -> Iterator[Happening]:
        time_ns, symbol, one = self._head(row)
        names = self._names
        bid = side_of(one, row.values, names["bid_px"], names["bid_qty"], self._reading)
        ask = side_of(one, row.values, names["ask_px"], names["ask_qty"], self._reading)
        yield Moment(time_ns, symbol, frames.quote(one.id, *bid, *ask))

    def trade(self, row: Row) -> Iterator[Happening]:
        time_ns, symbol, one = self._head(row)
        price = self._price(one, row, "price")
        name = self._names["quantity"]
        quantity = size_of(one, field_of(row.values, name), name, self._reading, 1)
        if not quantity:
            self._reading.passed_over["trade below a lot"] += 1
            return
        if self._options.prints:
            yield Moment(time_ns, symbol, frames.print_trade(one.id, self._side(row), price, quantity))
        else:
            yield from _stands(one, symbol, time_ns, price, quantity, self._side(row))

    def _side(self, row: Row) -> Side:
        """Return who came in; of a file that does not say, a buyer: what rests on the other side may trade."""
        if "side" not in self._names:
            return Side.BUY
        said = field_of(row.values, self._names["side"])
        if said.upper() not in _SIDES:
            raise ValueError(f"{self._names['side']}: {shorten(said)} must be BUY or SELL")
        return _SIDES[said.upper()]

    def _price(self, one: Listed, row: Row, name: str) -> int:
        return price_of(one, field_of(row.values, self._names[name]), self._names[name])

    # ---------------------------------------------------------------------------------------------------- bars

    def bars(self, row: Row) -> Iterator[Happening]:
        """Yield what happened before a bar begins, and keep the bar: others begin at the same time."""
        time_ns, symbol, _ = self._head(row)
        if self._every_ns is None:
            before = self._first.get(symbol)
            if before is not None:
                self._every_ns = time_ns - before
                if self._every_ns < MOMENTS_OF_A_BAR * 1_000_000:
                    told = f"two bars of {symbol} are {self._every_ns} ns apart"
                    raise ValueError(f"{self._time}: {told}; say how long a bar is")
            self._first.setdefault(symbol, time_ns)
        self._kept.append((time_ns, symbol, row))
        if self._every_ns is not None:
            self._spread()
            while self._coming and self._coming[0][0] < time_ns:
                yield heappop(self._coming)[2]

    def rest(self) -> Iterator[Happening]:
        """Yield what was kept.

        Raises:
            FeedError: nobody knows how long bars are.
        """
        if self._kept and self._every_ns is None:
            raise FeedError(f"{self._kept[0][2].at}: there are no two bars of an instrument: say how long a bar is")
        while self._coming:
            yield heappop(self._coming)[2]

    def _spread(self) -> None:
        """Put what the bars tell that were kept where it belongs in time."""
        kept, self._kept = self._kept, []
        for time_ns, symbol, row in kept:
            try:
                made = self.of_bar(time_ns, symbol, row)
            except ValueError as error:
                raise FeedError(f"{row.at}: {error}") from error
            for happening in made:
                self._serial += 1
                heappush(self._coming, (happening.time_ns, self._serial, happening))

    def of_bar(self, time_ns: int, symbol: str, row: Row) -> list[Happening]:
        """Return a bar as four trades and its end.

        The market stands at the open, at a third of the bar at the extreme that is nearer to the open, at two thirds at
        the other, and in its last millisecond at the close, where the bar is told, too. A quarter of the volume trades
        at each; whoever came in bought where the price rose, and at the open.
        """
        assert self._every_ns is not None, "nobody gets here before that is known"
        one = self._instruments[symbol]
        prices = {name: self._price(one, row, name) for name in NEEDED["bars"]}
        begin, high, low, end = prices["open"], prices["high"], prices["low"], prices["close"]
        if not low <= min(begin, end) <= max(begin, end) <= high:
            told = ", ".join(f"{name} {field_of(row.values, self._names[name])}" for name in NEEDED["bars"])
            raise ValueError(f"high, low: must be the highest and the lowest of {told}")
        volume, lots = None, WITHOUT_VOLUME
        if "volume" in self._names:
            whole = size_of(one, field_of(row.values, self._names["volume"]), self._names["volume"], self._reading)
            volume, lots = one.lots.number(whole), max(whole // MOMENTS_OF_A_BAR, 1)
        first, second = (high, low) if high - begin < begin - low else (low, high)
        last_ns = time_ns + self._every_ns - 1_000_000
        third = (last_ns - time_ns) // 3
        stands = ((time_ns, begin), (time_ns + third, first), (time_ns + 2 * third, second), (last_ns, end))
        made: list[Happening] = []
        before = begin
        for at, price in stands:
            made += _stands(one, symbol, at, price, lots, Side.BUY if price >= before else Side.SELL)
            before = price
        opened, highest, lowest, closed = (one.ticks.number(price) for price in (begin, high, low, end))
        began_ms, ended_ms = time_ns // 1_000_000, (time_ns + self._every_ns) // 1_000_000
        bar = Bar(began_ms, ended_ms, symbol, opened, highest, lowest, closed, volume)
        return [*made, BarEnded(last_ns, symbol, bar)]
