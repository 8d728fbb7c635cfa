"""Inverse contracts: worth so much of the quoted currency each, and settled in what that buys.

Flows in: an instrument's units, prices as integers. Flows out: what a lot counts as there, as an integer, and the price
at which it counts as so much. Never uses a float, never knows a position.

One bitcoin contract of 100 dollars is worth 100 / price bitcoins: the less, the higher the price. Who is long gains
multiplier * (1 / entry - 1 / exit) of each. So a lot counts as -multiplier * lot size / price, which rises with the
price as that of any other instrument does, and cash, cost, P&L and exposure are its sums and differences. That is no
decimal number in general: of a lot it is rounded once, half to even, to VALUE_DECIMALS; all that follows is exact.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.values.money import half_even
from fillstream.libs.common.values.rational import Rational

VALUE_DECIMALS = 30
"""What a lot is worth is counted in steps of 10**-30 of the instrument's currency."""
VALUE_STEP = Decimal(1).scaleb(-VALUE_DECIMALS)
MEAN_DECIMALS = 15
"""A mean price is exact to so many decimals of a tick: one of trades at a single price is that price."""


class Inverse:
    """What a lot of one inverse contract is worth, in steps of 10**-VALUE_DECIMALS of its currency, below 0.

    Args:
        units: its tick and lot size, and what a contract is worth (`multiplier`).
    """

    __slots__ = ("_denominator", "_numerator")

    def __init__(self, units: InstrumentUnits) -> None:
        lot = Fraction(units.lot_size) * Fraction(units.multiplier) / Fraction(units.tick_size)
        self._numerator, self._denominator = (lot * 10**VALUE_DECIMALS).as_integer_ratio()

    def value(self, ticks: int) -> int:
        """Return what a lot counts as at a price above 0."""
        assert ticks > 0, "whoever tells of a price looks that it is one"
        return -half_even(self._numerator, self._denominator * ticks)

    def worth(self, ticks: int, lots: int) -> int:
        """Return what so many lots are worth at a price above 0, rounded once: what is to be 1 coin is 1 coin."""
        return half_even(self._numerator * lots, self._denominator * ticks)

    def exact(self, ticks: int | Fraction) -> Fraction:
        """Return what a lot is worth at a price above 0, not rounded: for how many of them a sum of money buys."""
        return Fraction(self._numerator, self._denominator) / ticks

    def half_steps(self, half_ticks: int) -> int:
        """Return what a lot counts as at a mark, in half steps: at a whole tick twice what a trade there does."""
        return -2 * half_even(2 * self._numerator, self._denominator * half_ticks)

    def ticks(self, value: Rational) -> Fraction:
        """Return the price at which a lot counts as so much, below 0: ticks, half to even at 10**-MEAN_DECIMALS."""
        top, bottom = self._numerator * value.denominator, self._denominator * -value.numerator
        return Fraction(half_even(top * 10**MEAN_DECIMALS, bottom), 10**MEAN_DECIMALS)

    def at(self, value: int) -> int:
        """Return the price (ticks) whose `value` it is."""
        return half_even(self._numerator, self._denominator * -value)


def inverse_of(units: InstrumentUnits) -> Inverse | None:
    """Return what values an instrument, None of one whose value is price times quantity."""
    return Inverse(units) if units.inverse else None


def value_of_step(units: InstrumentUnits) -> Fraction:
    """Return the money of what values are counted in: of a tick times a lot, or of an inverse contract VALUE_STEP."""
    if units.inverse:
        return Fraction(VALUE_STEP)
    return Fraction(units.tick_size) * Fraction(units.lot_size) * Fraction(units.multiplier)
