"""Position accounting: netting, weighted-average cost, flips through zero, realized and unrealized P&L, fees, cash.

Flows in: fills and marks as integers. Flows out: positions, and their money as exact integers or decimal text.
Never uses a float, never reads the market or a stream, never lets realized + unrealized drift from cash + value.

The method is average cost: one moving weighted-average entry; a fill through zero is split at zero, its closing part
realizes against the old average and the rest opens at the fill's price. Realized P&L excludes fees, fees never move
the average. (FIFO lots are a later issue.)

Units: `lots` and `ticks` are whole steps of an instrument's grid, `tick-lots` their product, and money is a count of
10**-decimals of the instrument's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import Literal

from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.values.money import Scale, fixed, half_even, multiply, units_of

Change = Literal["opened", "increased", "reduced", "closed", "flipped"]

MAX_COST_DENOMINATOR = 2**128
"""The open cost is an exact fraction as long as its denominator is not above this; every reduction may multiply it by
the position's size, so that a position that is never flat would otherwise grow without end."""
COST_DECIMALS = 18
"""Beyond that limit the cost that stays open is rounded, half to even, to this many decimals of a tick-lot. What is
rounded off moves from unrealized to realized or back: their sum stays exact."""
MONEY_DECIMALS = 12
"""Money has at least this many decimals: only an average that no decimal writes exactly is rounded to them."""


@dataclass(slots=True)
class Position:
    """One account's position in one instrument.

    Attributes:
        quantity: lots, long positive, short negative.
        cash: tick-lots that fills moved, sold positive; the exact sum of -lots * ticks.
        cost, denominator: what the open quantity cost, signed as it, in tick-lots: cost / denominator, lowest terms.
        fees: paid so far, in the instrument's money; see `Holdings.fee`.
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


class Holdings:
    """What all accounts hold of one instrument: its units, its mark, and every account's position in it.

    Args:
        symbol: as the journal names it.
        units: one tick-lot is worth tick size times lot size times multiplier, of the currency.

    Attributes:
        units: every price and quantity so far is a multiple of their tick and lot size; see `recount`.
        price, lot: their grids.
        decimals: of money; enough that every tick-lot, and half of one, is a whole number of them.
        half_tick_lot: money of half a tick-lot.
        mark: in half ticks, since a mid is one; None before the first quote.
        mark_text: the mark as a price.
        positions: by account, in the order of their first fills.
    """

    __slots__ = ("decimals", "half_tick_lot", "lot", "mark", "mark_text", "positions", "price", "symbol", "units")

    def __init__(self, symbol: str, units: InstrumentUnits) -> None:
        self.symbol = symbol
        self.positions: dict[str, Position] = {}
        self.mark: int | None = None
        self.mark_text: str | None = None
        self._measure(units)

    def _measure(self, units: InstrumentUnits) -> None:
        self.units = units
        self.price = Scale(units.tick_size)
        self.lot = Scale(units.lot_size)
        half = Fraction(multiply(units.tick_size, units.lot_size, units.multiplier)) / 2
        self.decimals = MONEY_DECIMALS
        while (half * 10**self.decimals).denominator != 1:
            self.decimals += 1
        self.half_tick_lot = int(half * 10**self.decimals)

    def recount(self, units: InstrumentUnits) -> None:
        """Count in steps that old and new sizes are both multiples of; every position and the mark keep their value.

        Currency and multiplier are taken as they are: who changes them has no positions here.
        """
        tick, lot = _common_step(self.price.step, units.tick_size), _common_step(self.lot.step, units.lot_size)
        ticks = int(Fraction(self.price.step) / Fraction(tick))
        lots = int(Fraction(self.lot.step) / Fraction(lot))
        decimals = self.decimals
        self._measure(units.model_copy(update={"tick_size": tick, "lot_size": lot}))
        for position in self.positions.values():
            position.quantity *= lots
            position.cash *= ticks * lots
            cost = position.open_cost * ticks * lots
            position.cost, position.denominator = cost.numerator, cost.denominator
            position.fees = _shift(position.fees, self.decimals - decimals)
        if self.mark is not None:
            self.set_mark(self.mark * ticks)

    def set_mark(self, half_ticks: int) -> None:
        """Value positions at this mark from now on."""
        self.mark = half_ticks
        ticks, odd = divmod(half_ticks, 2)
        if odd:
            self.mark_text = fixed(half_ticks * self.price.mantissa * 5, self.price.decimals + 1)
        else:
            self.mark_text = self.price.text(ticks)

    def fee(self, text: str) -> int | None:
        """Return a fee's text as money, None when it has more decimals than money has.

        Raises:
            ValueError: the text is no decimal number.
        """
        return units_of(text, self.decimals)

    # What follows is a position's money; realized is rounded once, and unrealized is what is left of the exact total.

    def realized(self, position: Position) -> int:
        """Return the gross realized P&L."""
        denominator = position.denominator
        units = 2 * (position.cash * denominator + position.cost) * self.half_tick_lot
        return units if denominator == 1 else half_even(units, denominator)

    def unrealized(self, position: Position, realized: int) -> int | None:
        """Return the P&L still open at the mark, given `realized`; None without a mark."""
        if self.mark is None:
            return None
        return (2 * position.cash + position.quantity * self.mark) * self.half_tick_lot - realized

    def cash(self, position: Position) -> int:
        """Return all the cash that fills moved, fees taken off."""
        return 2 * position.cash * self.half_tick_lot - position.fees

    def money(self, units: int) -> str:
        """Return money as exact decimal text without trailing zeros."""
        return fixed(units, self.decimals).rstrip("0").rstrip(".")

    def average(self, position: Position) -> str | None:
        """Return the weighted-average entry as a price, to at most 12 decimals; None when flat."""
        quantity = position.quantity
        if not quantity:
            return None
        if quantity < 0:
            return self.price.mean(-position.cost, position.denominator * -quantity)
        return self.price.mean(position.cost, position.denominator * quantity)


def _shift(units: int, decimals: int) -> int:
    factor: int = 10**decimals
    return units * factor


def _common_step(one: Decimal, other: Decimal) -> Decimal:
    """Return the largest step that both are whole multiples of."""
    first, second = Fraction(one), Fraction(other)
    denominator = first.denominator * second.denominator
    common = gcd(first.numerator * second.denominator, second.numerator * first.denominator)
    step = Fraction(common, denominator)
    decimals = 0
    while (step * 10**decimals).denominator != 1:
        decimals += 1
    return Decimal(f"{int(step * 10**decimals)}E-{decimals}")
