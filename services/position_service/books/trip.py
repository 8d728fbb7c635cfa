"""A trip: one position from the fill that opened it until it is flat again, with all that is said of it at its end.

Flows in: parts of fills, marks. Flows out: sums, as integers. Never knows a method of cost: from flat to flat all of
them make the same money.

A fill through zero ends one trip and begins the next; its fee is shared by the lots of both parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillstream.libs.common.values.rational import Rational, scaled

Key = tuple[str, int | None]
"""What a trip is told from others by."""


@dataclass(slots=True)
class Trip:
    """What happened between two moments at which nothing was held.

    A lot `counts` as the price in ticks at which it traded; see `Worth`.

    Attributes:
        position_id: its name: the client's, or that of the journal's event which opened it.
        opened_ms: when that was; None of one that an older release opened, of which nothing before is known.
        long: whether it was opened by a purchase.
        peak: the most lots that were held.
        entered, entry_value: lots that made it larger, and their tick-lots, without a sign.
        exited, exit_value: lots that made it smaller, likewise.
        fees: money.
        fills: how many, those of which a part counts elsewhere too.
        ended_ms: when it was flat again, None while it is not.
        best, worst: the highest and the lowest gross P&L (money) that marks made of it, 0 or beyond.
        seen: whether all its marks are in them; not those of one that was booked again.
    """

    position_id: str
    opened_ms: int | None
    long: bool
    peak: Rational = 0
    entered: Rational = 0
    entry_value: int = 0
    exited: Rational = 0
    exit_value: int = 0
    fees: int = 0
    fills: int = 0
    ended_ms: int | None = None
    best: int = 0
    worst: int = 0
    seen: bool = True

    def enter(self, lots: int, counts: int, fee: int, held: int) -> None:
        """Take in what made the position larger: lots without a sign; `held` is what there is then."""
        self.entered += lots
        self.entry_value += lots * counts
        self.fees += fee
        self.fills += 1
        self.peak = max(self.peak, held)

    def exit(self, lots: int, counts: int, fee: int, ended_ms: int | None = None) -> None:
        """Take in what made it smaller, or ended it."""
        self.ended_ms = ended_ms
        self.exited += lots
        self.exit_value += lots * counts
        self.fees += fee
        self.fills += 1

    @property
    def key(self) -> Key:
        """What tells it from others of one position: clients may use a name again."""
        return self.position_id, self.opened_ms

    @property
    def cash(self) -> int:
        """Tick-lots that it moved so far, fees aside; once it has ended this is its gross P&L."""
        return self.exit_value - self.entry_value if self.long else self.entry_value - self.exit_value

    def see(self, pnl: int) -> None:
        """Take note of its gross P&L at a mark (money)."""
        if pnl > self.best:
            self.best = pnl
        elif pnl < self.worst:
            self.worst = pnl

    def split(self, new: int, old: int) -> None:
        """Count in lots of which `new` are `old` of before: fractions of lots, where they break."""
        self.peak = scaled(self.peak, new, old)
        self.entered = scaled(self.entered, new, old)
        self.exited = scaled(self.exited, new, old)

    def rescale(self, lots: int, ticks: int, money: int) -> None:
        """Count in steps of which so many make a lot, a tick and a unit of money of before."""
        self.peak *= lots
        self.entered *= lots
        self.exited *= lots
        self.entry_value *= lots * ticks
        self.exit_value *= lots * ticks
        self.fees *= money
        self.best *= money
        self.worst *= money
