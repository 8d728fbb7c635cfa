"""Numbers of a strategy, exactly: a float is taken as the digits that it prints, and never computed with.

Flows in: whatever stands in a strategy for a number. Flows out: Decimals, on the grid where there is one. Pure.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

Amount = Decimal | int | float | str


def exact(value: Amount, name: str) -> Decimal:
    """Return a number as it is written.

    Raises:
        ValueError: it is none; the sentence names it.
    """
    if isinstance(value, bool):
        raise ValueError(f"{name}: must be a number, not {value}")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"{name}: {value!r} must be a decimal number") from None
    if not number.is_finite():
        raise ValueError(f"{name}: {value!r} must be a decimal number")
    return number


def share(value: Amount, name: str) -> Decimal:
    """Return a share of a price, as 0.03 for three in a hundred.

    Raises:
        ValueError: it is not above 0 and below 1.
    """
    number = exact(value, name)
    if not 0 < number < 1:
        raise ValueError(f"{name}: {number} must be above 0 and below 1: 0.03 is three in a hundred")
    return number


def on_grid(price: Decimal, tick: Decimal, up: bool) -> Decimal:
    """Return the nearest multiple of a tick size that is not below (or not above) a price."""
    return (price / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * tick
