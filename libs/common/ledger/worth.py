"""What a position is worth: ticks and lots as money of an instrument's currency, exact, and its mark.

Flows in: an instrument's units, its mark, positions as integers. Flows out: their money as exact integers or decimal
text. Never uses a float, never rounds but where an average is no decimal number.

Money is a count of 10**-decimals of the instrument's currency.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import gcd

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.inverse import inverse_of, value_of_step
from fillstream.libs.common.messages.reference import InstrumentUnits
from fillstream.libs.common.values.money import Scale, fixed, half_even, ratio, units_of
from fillstream.libs.common.values.rational import Rational

MONEY_DECIMALS = 12
"""Money has at least this many decimals: only an average that no decimal writes exactly is rounded to them, and what is
shown of an inverse contract."""


class Worth:
    """What positions in one instrument are worth: its units and its mark.

    A lot that trades `counts` as its price in ticks; of an inverse contract as `ledger.inverse` has it, and a tick-lot
    is a step of that.

    Args:
        units: one tick-lot is worth tick size times lot size times multiplier, of the currency.

    Attributes:
        units: every price and quantity so far is a multiple of their tick and lot size; see `recount`.
        price, lot: their grids.
        inverse: what values a lot of an inverse contract, None of all others.
        decimals: of money; enough that every tick-lot, and half of one, is a whole number of them.
        half_tick_lot: money of half a tick-lot.
        mark: of what is long, in half ticks, since a mid is one; None before the first.
        short_mark: of what is short: the same, unless marks are what closing would meet.
    """

    __slots__ = ("decimals", "half_tick_lot", "inverse", "lot", "mark", "price", "short_mark", "units")

    def __init__(self, units: InstrumentUnits) -> None:
        self.mark: int | None = None
        self.short_mark: int | None = None
        self._measure(units)

    def _measure(self, units: InstrumentUnits) -> None:
        self.units = units
        self.price = Scale(units.tick_size)
        self.lot = Scale(units.lot_size)
        self.inverse = inverse_of(units)
        half = value_of_step(units) / 2
        self.decimals = MONEY_DECIMALS
        while (half * 10**self.decimals).denominator != 1:
            self.decimals += 1
        self.half_tick_lot = int(half * 10**self.decimals)

    def recount(self, units: InstrumentUnits) -> tuple[int, int, int]:
        """Count in steps that old and new sizes are both multiples of; the mark keeps its value.

        Currency and multiplier are taken as they are: who changes them has no positions here. Nor does who changes the
        grid of an inverse contract.

        Returns:
            How many of the new steps make a lot of before, how many a tick, and how many units of money one of before:
            see `Position.rescale`.
        """
        tick, lot = _common_step(self.price.step, units.tick_size), _common_step(self.lot.step, units.lot_size)
        ticks = int(Fraction(self.price.step) / Fraction(tick))
        lots = int(Fraction(self.lot.step) / Fraction(lot))
        decimals = self.decimals
        self._measure(units.model_copy(update={"tick_size": tick, "lot_size": lot}))
        self.mark = None if self.mark is None else self.mark * ticks
        self.short_mark = None if self.short_mark is None else self.short_mark * ticks
        return lots, ticks, 10 ** max(0, self.decimals - decimals)

    def steps_of(self, other: Worth) -> tuple[int, int, int]:
        """Return how many steps of this make a lot, a tick and a unit of money of another, of the same currency.

        Both are worth the same; see `recount` for steps that divide those of both.
        """
        ticks = Fraction(other.price.step) / Fraction(self.price.step)
        lots = Fraction(other.lot.step) / Fraction(self.lot.step)
        assert ticks.denominator == 1 and lots.denominator == 1, "counted in steps that divide its own"
        return int(lots), int(ticks), 10 ** (self.decimals - other.decimals)

    def mark_of(self, quantity: int) -> int | None:
        """Return the mark of so many lots, in half ticks."""
        return self.short_mark if quantity < 0 else self.mark

    def counts(self, ticks: int) -> int:
        """Return what a lot that trades at a price counts as."""
        return ticks if self.inverse is None else self.inverse.value(ticks)

    def ticks_of(self, counts: int) -> int:
        """Return the price (ticks) at which a lot traded that counts as so much."""
        return counts if self.inverse is None else self.inverse.at(counts)

    def counts_at(self, mark: int) -> int:
        """Return what a lot counts as at a mark (half ticks), in halves."""
        return mark if self.inverse is None else self.inverse.half_steps(mark)

    def valued_at(self, quantity: int) -> int | None:
        """Return what each of so many lots counts as at their mark, in halves; None without one."""
        mark = self.short_mark if quantity < 0 else self.mark
        return mark if mark is None or self.inverse is None else self.inverse.half_steps(mark)

    def mark_text(self, quantity: int) -> str | None:
        """Return the mark of so many lots as a price."""
        mark = self.mark_of(quantity)
        if mark is None:
            return None
        if mark & 1:
            return fixed(mark * self.price.mantissa * 5, self.price.decimals + 1)
        return self.price.text(mark // 2)

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
        value = self.valued_at(position.quantity)
        if value is None:
            return None
        return (2 * position.cash + position.quantity * value) * self.half_tick_lot - realized

    def cash(self, position: Position) -> int:
        """Return all the cash that fills moved, fees taken off."""
        return 2 * position.cash * self.half_tick_lot - position.fees

    def money(self, units: int) -> str:
        """Return money as decimal text without trailing zeros: exact, or of an inverse contract to MONEY_DECIMALS."""
        if self.inverse is not None:
            return ratio(units, 10**self.decimals, MONEY_DECIMALS)
        if not units:
            return "0"
        decimals, digits = self.decimals, str(abs(units))  # as `fixed` and no zeros behind; nearly all text is money
        if len(digits) <= decimals:
            digits = digits.zfill(decimals + 1)
        whole, part = digits[:-decimals], digits[-decimals:].rstrip("0")
        text = f"{whole}.{part}" if part else whole
        return text if units > 0 else "-" + text

    def average(self, position: Position) -> str | None:
        """Return the weighted-average entry as a price, to at most 12 decimals; None when flat."""
        quantity = position.quantity
        if not quantity:
            return None
        if self.inverse is not None:
            return self._text(self.inverse.ticks(Fraction(position.cost, position.denominator * quantity)))
        if quantity < 0:
            return self.price.mean(-position.cost, position.denominator * -quantity)
        return self.price.mean(position.cost, position.denominator * quantity)

    def mean_ticks(self, position: Position) -> Fraction:
        """Return the mean entry of what is open as a price in ticks."""
        mean = Fraction(position.cost, position.denominator * position.quantity)
        return mean if self.inverse is None else self.inverse.ticks(mean)

    def mean_text(self, value: int, lots: Rational) -> str | None:
        """Return the price at which so many lots count as so much together, to at most 12 decimals; None of no lots."""
        if not lots:
            return None
        if self.inverse is None:
            return self.price.mean(value * lots.denominator, lots.numerator)
        return self._text(self.inverse.ticks(Fraction(value) / lots))

    def _text(self, ticks: Fraction) -> str:
        return self.price.mean(ticks.numerator, ticks.denominator)


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
