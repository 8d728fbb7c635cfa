"""Position accounting: netting, weighted-average cost, flips through zero, realized P&L, cash.

Flows in: fills as integers. Flows out: positions. Never uses a float, never knows a market, a stream or a currency
(`worth` does), never lets realized + unrealized drift from cash + value.

The method is average cost: one moving weighted-average entry; a fill through zero is split at zero, its closing part
realizes against the old average and the rest opens at the fill's price. Realized P&L excludes fees, fees never move
the average. `lots` closes one purchase after the other instead, and everything here is asked in the same way.

Units: `lots` and `ticks` are whole steps of an instrument's grid, and `tick-lots` their product.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Literal

from fillstream.libs.common.values.money import half_even

Change = Literal["opened", "increased", "reduced", "closed", "flipped"]

MAX_COST_DENOMINATOR = 2**128
"""The open cost is an exact fraction as long as its denominator is not above this; every reduction may multiply it by
the position's size, so that a position that is never flat would otherwise grow without end."""
COST_DECIMALS = 18
"""Beyond that limit the cost that stays open is rounded, half to even, to this many decimals of a tick-lot. What is
rounded off moves from unrealized to realized or back: their sum stays exact."""


@dataclass(slots=True)
class Position:
    """One account's position in one instrument.

    Attributes:
        quantity: lots, long positive, short negative.
        cash: tick-lots that fills moved, sold positive; the exact sum of -lots * ticks.
        cost, denominator: what the open quantity cost, signed as it, in tick-lots: cost / denominator, lowest terms.
        fees: paid so far, in the instrument's money; see `Worth.fee`.
    """

    quantity: int = 0
    cash: int = 0
    cost: int = 0
    denominator: int = 1
    fees: int = 0

    def fill(self, lots: int, ticks: int) -> Change:
        """Book a trade of `lots` (bought positive, never 0) at `ticks`; return what it did to the position."""
        assert lots, "a fill trades something"
        before = self.quantity
        after = before + lots
        self.quantity = after
        self.cash -= lots * ticks
        if not before:
            self.cost = lots * ticks
            return "opened"
        if (before > 0) == (lots > 0):
            self.cost += lots * ticks * self.denominator
            return "increased"
        if (before > 0) == (after > 0) and after:
            self._keep(abs(after), abs(before))
            return "reduced"
        self.cost = after * ticks
        self.denominator = 1
        return "flipped" if after else "closed"

    def split(self, new: int, old: int) -> bool:
        """Make `new` lots of `old` ones, as a stock split does; False, and nothing is done, where lots would break.

        What the position cost stays, and so do cash, fees and what is realized: quantity times average is the same.
        """
        quantity, rest = divmod(self.quantity * new, old)
        if not rest:
            self.quantity = quantity
        return not rest

    def rescale(self, lots: int, ticks: int, money: int) -> None:
        """Count in steps of which so many make a lot, a tick and a unit of money of before: all keeps its worth."""
        self.fees *= money
        self.quantity *= lots
        self.cash *= lots * ticks
        cost = self.open_cost * lots * ticks
        self.cost, self.denominator = cost.numerator, cost.denominator

    def take_over(self, other: Position) -> None:
        """Go on with what another position is, which is nothing then: cash, fees and what is realized are of both.

        Both are counted in the same steps, and this one holds nothing.
        """
        assert not self.quantity, "two positions are never one"
        self.quantity, self.cost, self.denominator = other.quantity, other.cost, other.denominator
        self.cash += other.cash
        self.fees += other.fees
        other.quantity = other.cash = other.cost = other.fees = 0
        other.denominator = 1

    def _keep(self, part: int, whole: int) -> None:
        """Keep part / whole of the open cost."""
        cost = self.cost * part
        denominator = self.denominator * whole
        common = gcd(cost, denominator)
        if denominator > MAX_COST_DENOMINATOR * common:
            cost = half_even(cost * 10**COST_DECIMALS, denominator)
            denominator = 10**COST_DECIMALS
            common = gcd(cost, denominator)
        self.cost = cost // common
        self.denominator = denominator // common

    @property
    def open_cost(self) -> Fraction:
        """What the open quantity cost, in tick-lots, signed as the quantity."""
        return Fraction(self.cost, self.denominator)

    @property
    def realized(self) -> Fraction:
        """Gross realized P&L in tick-lots: derived, so that realized + unrealized is cash + value at any mark."""
        return self.cash + self.open_cost
