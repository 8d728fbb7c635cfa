"""Which protections of one instrument a mark reaches. Never scans: a mark that reaches nobody costs two comparisons.

Flows in: prices to wait for; marks. Flows out: what was reached, nearest price first. Never knows what a protection is:
it goes by numbers. Longs and shorts are apart, as each may have a mark of its own.
"""

from __future__ import annotations

from enum import IntEnum

from fillstream.libs.common.triggers.ladder import Ladder
from fillstream.libs.common.triggers.trailing import ANYWHERE, Trailing


class What(IntEnum):
    """What a protection waits for; the losing side first."""

    STOP = 0
    TAKE = 1
    ACTIVATION = 2
    EVEN = 3
    TRAIL = 4


_KINDS = 8
"""More than there are, so that id and kind are one number."""
Reached = tuple[int, What, int | None]
"""A protection's number, what was reached, and of a trailing stop where it stood (ticks)."""


class Watch:
    """What waits for the mark of the longs, or of the shorts, of one instrument.

    Attributes:
        low, high: marks (half ticks) between which, themselves included, certainly nobody is reached.
    """

    __slots__ = ("_better", "_trails", "_worse", "high", "low")

    def __init__(self, long: bool) -> None:
        self._worse, self._better = Ladder(rising=not long), Ladder(rising=long)
        self._trails = {in_bps: Trailing(buy=not long, in_bps=in_bps) for in_bps in (False, True)}
        self._settle()

    def wait(self, number: int, what: What, price: int | None) -> None:
        """Let a protection wait for a price (ticks), instead of another; None: for none."""
        ladder = self._ladder(what)
        key = number * _KINDS + what
        if price is not None:
            ladder.add(key, price)
        elif key in ladder:
            ladder.drop(key)
        self._settle()

    def trail(self, number: int, offset: int, in_bps: bool, best: int | None) -> None:
        """Let a protection's stop trail; `best` is the best mark (ticks) it has seen."""
        self._trails[in_bps].add(number, offset, best)
        self._settle()

    def best_at(self, mark: int | None) -> int | None:
        """Return the best mark (ticks) of a stop that begins to trail at one (half ticks)."""
        return self._trails[False].best_now(mark)

    def trailing(self, number: int) -> tuple[int | None, int | None] | None:
        """Return the best mark and the stop (ticks) of a protection that trails, None of one that does not."""
        for each in self._trails.values():
            if number in each:
                return each.best_of(number), each.stop_of(number)
        return None

    def drop(self, number: int) -> None:
        """Let a protection wait for nothing."""
        for what in (What.STOP, What.TAKE, What.ACTIVATION, What.EVEN):
            key, ladder = number * _KINDS + what, self._ladder(what)
            if key in ladder:
                ladder.drop(key)
        for each in self._trails.values():
            if number in each:
                each.drop(number)
        self._settle()

    def reached(self, mark: int) -> list[Reached]:
        """Take out and return what a mark (half ticks) reaches; what is added meanwhile is looked at by the next."""
        found: list[Reached] = []
        for ladder in (self._worse, self._better):
            if ladder.is_reached(mark):
                found += ((key // _KINDS, What(key % _KINDS), None) for key in ladder.reached(mark))
        for each in self._trails.values():
            if each and each.follow(mark):
                found += ((number, What.TRAIL, stop) for number, stop in each.reached(mark))
        self._settle()
        return found

    def _ladder(self, what: What) -> Ladder:
        return self._worse if what is What.STOP else self._better

    def _settle(self) -> None:
        """Note between which marks nobody is reached and no best price changes."""
        low, high = -ANYWHERE, ANYWHERE
        windows = [ladder.window() for ladder in (self._worse, self._better) if ladder]
        for its_low, its_high in (*windows, *(each.window() for each in self._trails.values() if each)):
            low, high = max(low, its_low), min(high, its_high)
        self.low, self.high = low, high

    def __len__(self) -> int:
        return len(self._worse) + len(self._better) + sum(map(len, self._trails.values()))
