"""Exact money: decimal text to integers and back, and products of integers as decimal text.

Flows in: decimal text from JSON, integers of ticks and lots, Decimals from configuration. Flows out: integers and
decimal text with a fixed number of decimals. Never uses a float, never rounds silently: where a result is rounded,
its name or docstring says to how many decimals, always half to even (IEEE 754's and Decimal's default).

Why not Decimal all the way: `str(Decimal)` and one multiplication cost 0.5 µs, and an order needs a dozen of them.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction
from math import ceil, floor

from fillstream.libs.common.values.naming import shorten

MAX_DIGITS = 24
"""Digits, before and after the point together, of a price or a quantity."""
AVG_PX_DECIMALS = 12
"""Decimals that a mean price is given with at most (contracts, `avg_px`)."""
FEE_DECIMALS = 8
"""Decimals of a fee."""
_FAST_CHARS = MAX_DIGITS
"""Text up to this long cannot have too many digits, whatever it is."""
_EXACT_PRECISION = 400
"""Digits of the context that configuration is multiplied in: more than products of a few Decimals can have."""


def parse(text: str) -> Decimal:
    """Return the Decimal that `text` writes.

    Raises:
        ValueError: no decimal number, not finite, or more than MAX_DIGITS digits (before and after the point).
    """
    if len(text) > 4 * MAX_DIGITS:
        raise ValueError(f"must be a number of at most {MAX_DIGITS} digits, got {len(text)} characters")
    try:
        # Digits of other scripts are digits to some Pythons and none to others: their Unicode tables differ.
        number = Decimal(text if text.isascii() else "")
    except InvalidOperation:
        raise ValueError(f"must be a decimal number, got {shorten(text)}") from None
    if not number.is_finite():
        raise ValueError(f"must be a finite number, got {shorten(text)}")
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "a finite number's exponent is an int"
    decimals = max(0, -exponent)
    whole = max(0, len(digits) + exponent)
    if whole + decimals > MAX_DIGITS:
        raise ValueError(f"must be a number of at most {MAX_DIGITS} digits, got {shorten(text)}")
    return number


def units_of(text: str, decimals: int) -> int | None:
    """Return the number `text` writes in units of 10**-`decimals`, None when it has more decimals than that.

    Raises:
        ValueError: no decimal number. Any count of digits will do: sums and fees have more than what people write.
    """
    whole, _, part = text.partition(".")
    missing = decimals - len(part)
    if missing >= 0 and "E" not in text and "e" not in text:
        return int(whole + part) * 10**missing  # type: ignore[no-any-return]
    units: Fraction = Fraction(text) * 10**decimals
    return units.numerator if units.denominator == 1 else None


def plain(number: Decimal) -> str:
    """Return a Decimal as text without an exponent: `1E+2` is `100`."""
    return format(number, "f")


def canonical(number: Decimal) -> str:
    """Return a Decimal as plain text without superfluous zeros: equal values, equal text (`-0` and `1E+2` too)."""
    if not number:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def multiply(*factors: Decimal) -> Decimal:
    """Return the exact product of Decimals, whatever the caller's context."""
    with localcontext() as context:
        context.prec = _EXACT_PRECISION
        context.traps[InvalidOperation] = True
        product = Decimal(1)
        for factor in factors:
            product *= factor
        return product


def half_even(numerator: int, denominator: int) -> int:
    """Return numerator / denominator rounded to an integer, half to even. `denominator` is positive."""
    quotient, remainder = divmod(numerator, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def fixed(units: int, decimals: int) -> str:
    """Return `units` / 10**`decimals` as text with exactly that many decimals: fixed(-5, 2) is `-0.05`."""
    if not decimals:
        return str(units)
    if units < 0:
        return "-" + fixed(-units, decimals)
    digits = str(units)
    if len(digits) <= decimals:
        digits = digits.zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def ratio(numerator: int, denominator: int, decimals: int, least: int = 0) -> str:
    """Return numerator / denominator as text: half to even at `decimals`, zeros cut off its end down to `least`.

    ratio(1, 3, 12) is `0.333333333333`; ratio(5, 2, 12, 2) is `2.50`. `denominator` is positive.
    """
    text = fixed(half_even(numerator * 10**decimals, denominator), decimals)
    end = len(text)
    shortest = end - decimals + least
    while end > shortest and text[end - 1] == "0":
        end -= 1
    return text[:end].removesuffix(".")


class Scale:
    """The grid of a price or a quantity: multiples of a positive Decimal step (tick size, lot size).

    Attributes:
        step: the Decimal given.
        mantissa, decimals: step = mantissa / 10**decimals, decimals the least that is not negative.
        zero: the text of no steps.

    Raises:
        ValueError: the step is not finite and positive, or has more than MAX_DIGITS digits.
    """

    __slots__ = ("_power", "_unit", "decimals", "mantissa", "step", "zero")

    def __init__(self, step: Decimal) -> None:
        if not step.is_finite() or step <= 0:
            raise ValueError(f"must be above 0, got {step}")
        parse(str(step))
        ratio_of_step = Fraction(step)
        decimals = 0
        while (ratio_of_step * 10**decimals).denominator != 1:
            decimals += 1
        self.step = step
        self.decimals = decimals
        self.mantissa = int(ratio_of_step * 10**decimals)
        self.zero = fixed(0, decimals)
        self._unit = self.mantissa == 1
        self._power: list[int] = [10 ** (decimals - n) for n in range(decimals + 1)]

    def __repr__(self) -> str:
        return f"Scale({self.step})"

    def units(self, text: str) -> int | None:
        """Return how many steps `text` is, or None when it is no whole number of them.

        Raises:
            ValueError: as `parse`.
        """
        if len(text) <= _FAST_CHARS:
            whole, point, part = text.partition(".")
            size = len(part)
            if size <= self.decimals and whole and (not point or part.isdigit()):
                try:
                    scaled = int(whole + part) * self._power[size]
                except ValueError:
                    pass  # an exponent, or no number at all: `parse` tells them apart
                else:
                    if self._unit:
                        return scaled
                    units, rest = divmod(scaled, self.mantissa)
                    return None if rest else units
        exact: Fraction = Fraction(parse(text)) / Fraction(self.step)
        return exact.numerator if exact.denominator == 1 else None

    def text(self, units: int) -> str:
        """Return `units` steps as text with exactly `decimals` decimals."""
        decimals = self.decimals
        digits = str(units if self._unit else units * self.mantissa)
        if not decimals:
            return digits
        if units > 0 and len(digits) > decimals:
            return f"{digits[:-decimals]}.{digits[-decimals:]}"
        return fixed(units * self.mantissa, decimals)

    def number(self, units: int) -> Decimal:
        """Return `units` steps as an exact Decimal."""
        return multiply(Decimal(units), self.step)

    def mean(self, total: int, count: int) -> str:
        """Return total / count steps as text: at least `decimals`, at most AVG_PX_DECIMALS decimals, half to even.

        The average price is `price.mean(sum of ticks times lots, sum of lots)`. `count` is positive.
        """
        units, rest = divmod(total, count)
        if not rest:
            return self.text(units)
        decimals = max(self.decimals, AVG_PX_DECIMALS)
        return ratio(total * self.mantissa, count * 10**self.decimals, decimals, self.decimals)


class Factor:
    """Money in an amount of integer units: `units` times a Decimal, as text with a fixed number of decimals.

    With factor = tick size times lot size times multiplier, units of ticks times lots become money.

    Attributes:
        decimals: of the text; half to even where the exact product has more.
    """

    __slots__ = ("_denominator", "_numerator", "decimals")

    def __init__(self, factor: Decimal, decimals: int) -> None:
        scale: int = 10**decimals
        scaled = Fraction(factor) * scale
        self.decimals = decimals
        self._numerator = scaled.numerator
        self._denominator = scaled.denominator

    @property
    def exact(self) -> Fraction:
        """The Decimal that it multiplies by."""
        return Fraction(self._numerator, self._denominator * 10**self.decimals)

    def scaled(self, units: int) -> int:
        """Return the money in 10**-decimals, half to even."""
        if self._denominator == 1:
            return units * self._numerator
        return half_even(units * self._numerator, self._denominator)

    def text(self, units: int) -> str:
        """Return the money as text."""
        return fixed(self.scaled(units), self.decimals)


def at_most(limit: Decimal, factor: Decimal) -> int:
    """Return the most units whose money, units times `factor`, is at most `limit`. `factor` is positive."""
    units: Fraction = Fraction(limit) / Fraction(factor)
    return floor(units)


def at_least(limit: Decimal, factor: Decimal) -> int:
    """Return the fewest units whose money, units times `factor`, is at least `limit`. `factor` is positive."""
    units: Fraction = Fraction(limit) / Fraction(factor)
    return ceil(units)
