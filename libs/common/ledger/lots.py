"""Cost by the lot: the first that was opened is closed first (FIFO), or the last (LIFO).

Flows in: fills as integers. Flows out: a position that is asked like any other. Never lets realized + unrealized differ
from what another method of cost makes them together: methods only move the border between the two.

A fill through zero is split at zero, as with average cost. What was opened at one price after the other is one lot
where nothing came in between: which part of it goes first makes no difference. A stock split may leave lots whose size
or price is no whole number; they are fractions then, and stay exact.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from fillstream.libs.common.ledger.average import Change, Position
from fillstream.libs.common.values.rational import Rational, scaled, simplest

Lot = tuple[Rational, Rational]
"""What is open of one purchase, or one short sale: its quantity (lots, signed) and its price (ticks)."""


@dataclass(slots=True)
class LotPosition(Position):
    """A position whose cost is that of the very lots which are open.

    Attributes:
        open: the oldest first; their quantities add up to the position's.
    """

    open: deque[Lot] = field(default_factory=deque)

    def fill(self, lots: int, ticks: int) -> Change:
        """Book a trade of `lots` (bought positive, never 0) at `ticks`; return what it did to the position."""
        assert lots, "a fill trades something"
        before = self.quantity
        after = self.quantity = before + lots
        self.cash -= lots * ticks
        if not before or (before > 0) == (lots > 0):
            if self.open and self.open[-1][1] == ticks:
                self.open[-1] = (self.open[-1][0] + lots, ticks)
            else:
                self.open.append((lots, ticks))
            self._cost_more(lots * ticks)
            return "increased" if before else "opened"
        if after and (before > 0) == (after > 0):
            self._close(-lots)
            return "reduced"
        self.open.clear()
        self.cost, self.denominator = after * ticks, 1
        if not after:
            return "closed"
        self.open.append((after, ticks))
        return "flipped"

    def split(self, new: int, old: int) -> bool:
        """Make `new` lots of `old` ones, each at what it cost; False, and nothing is done, where lots would break."""
        if not super(LotPosition, self).split(new, old):
            return False
        self.open = deque((scaled(lots, new, old), scaled(ticks, old, new)) for lots, ticks in self.open)
        return True

    def rescale(self, lots: int, ticks: int, money: int) -> None:
        """Count in steps of which so many make a lot, a tick and a unit of money of before."""
        super(LotPosition, self).rescale(lots, ticks, money)
        self.open = deque((quantity * lots, price * ticks) for quantity, price in self.open)

    def take_over(self, other: Position) -> None:
        """Go on with what another position is, lot by lot; it is nothing then."""
        assert isinstance(other, LotPosition), "an account counts by one method"
        super(LotPosition, self).take_over(other)
        self.open, other.open = other.open, deque()

    def _close(self, lots: int) -> None:
        """Take so many (signed as the position) off the lots whose turn it is; fewer than there are."""
        left: Rational = lots
        while True:
            quantity, ticks = self._next()
            part = min(left, quantity) if lots > 0 else max(left, quantity)
            self._cost_more(-part * ticks)
            left -= part
            if part != quantity:
                return self._put_back((simplest(quantity - part), ticks))
            if not left:
                return None

    def _next(self) -> Lot:
        return self.open.popleft()

    def _put_back(self, lot: Lot) -> None:
        self.open.appendleft(lot)

    def _cost_more(self, cost: Rational) -> None:
        if self.denominator == 1 and isinstance(cost, int):  # as nearly always: there was no split
            self.cost += cost
            return
        total = self.open_cost + cost
        self.cost, self.denominator = total.numerator, total.denominator


@dataclass(slots=True)
class LastLotPosition(LotPosition):
    """A position that closes first what it opened last."""

    def _next(self) -> Lot:
        return self.open.pop()

    def _put_back(self, lot: Lot) -> None:
        self.open.append(lot)
