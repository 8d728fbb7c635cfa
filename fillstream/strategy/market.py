"""Markets as a strategy sees them: quotes, trades, and bars made of them.

Flows in: exact prices and quantities with their times. Flows out: frozen values. Never rounds, never a float, and never
a bar before its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fillstream.libs.common.values.naming import shorten

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_INTERVAL = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d)")
MAX_INTERVAL_MS = 366 * 86_400_000
BarsOf = Literal["mid", "trade"]
"""Of what bars are made: of the mid between bid and ask, or of trades."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and offer of an instrument.

    Attributes:
        time_ms: when (ms since 1970 UTC).
        symbol: of what.
        bid_px, ask_px: prices; None of a side that nobody quotes.
        bid_qty, ask_qty: quantities, 0 of such a side.
    """

    time_ms: int
    symbol: str
    bid_px: Decimal | None
    bid_qty: Decimal
    ask_px: Decimal | None
    ask_qty: Decimal

    @property
    def mid(self) -> Decimal | None:
        """Between bid and ask, None where one of them is not there."""
        if self.bid_px is None or self.ask_px is None:
            return None
        return (self.bid_px + self.ask_px) / 2


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade on the market, somebody's.

    Attributes:
        time_ms: when (ms since 1970 UTC).
        symbol: of what.
        price, quantity: at what price, how much.
        side: BUY or SELL of who came in; None where the data does not say.
    """

    time_ms: int
    symbol: str
    price: Decimal
    quantity: Decimal
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened between two times.

    Attributes:
        time_ms: when it began (ms since 1970 UTC).
        end_ms: when it ended: it has everything before that.
        symbol: of what.
        open, high, low, close: prices.
        volume: traded in it; 0 of bars that are made of mids, None where the data does not say.
    """

    time_ms: int
    end_ms: int
    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None


def interval_ms(text: str, name: str = "interval") -> int:
    """Return the milliseconds of `500ms`, `5s`, `1m`, `4h` or `1d`.

    Raises:
        ValueError: it is none of these, or longer than `MAX_INTERVAL_MS`.
    """
    found = _INTERVAL.fullmatch(text)
    ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not 0 < ms <= MAX_INTERVAL_MS:
        raise ValueError(
            f"{name}: {shorten(text)} must be a number with ms, s, m, h or d behind it, as 1m; 366d at most"
        )
    return ms


class BarMaker:
    """Makes bars of prices as they come. Bars begin at whole intervals since 1970 UTC, and end when time says so.

    An interval in which there was no price has no bar.

    Args:
        every_ms: how long a bar is.
    """

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._open: dict[str, list[Decimal]] = {}
        self.due_ms: int | None = None

    def add(self, time_ms: int, symbol: str, price: Decimal, quantity: Decimal) -> None:
        """Take a price over. What has ended by then must have been taken by `ended` before."""
        bar = self._open.get(symbol)
        if bar is None:
            self._open[symbol] = [price, price, price, price, quantity]
            self.due_ms = (time_ms // self._every_ms + 1) * self._every_ms
            return
        bar[1], bar[2], bar[3] = max(bar[1], price), min(bar[2], price), price
        bar[4] += quantity

    def ended(self, now_ms: int) -> list[Bar]:
        """Return the bars that have ended by now, in the order of their first prices."""
        if self.due_ms is None or now_ms < self.due_ms:
            return []
        end = self.due_ms
        bars = [Bar(end - self._every_ms, end, symbol, *prices) for symbol, prices in self._open.items()]
        self._open.clear()
        self.due_ms = None
        return bars
