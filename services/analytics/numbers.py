"""How many decimals the numbers of the analytics database have: four kinds, each a DECIMAL of 38 digits.

Flows in: the terms of a desk's instruments, or the types that a file's columns have already. Flows out: `Scales`. Never
lets a number be rounded: what a scale cannot hold is refused before anything is stored.

DuckDB gives a product as many decimals as its factors have together, and 38 digits in all: what the decimals leave is
what a value may have before the point. So factors are kept short and results long. A price (12 decimals, as a mean
price has), a quantity (8) and a multiplier or fee in basis points (4) leave 14 digits before the point to a product of
the three, and 10 where a fee in basis points comes on top; with one scale of 12 for everything, as 0.1.0 had it, such a
product had 2. Money and limits (18) multiply nothing: half a tick-lot of a pair counted in 1e-8 is 5e-17. A desk that
counts in finer steps has more decimals, and that much less room before the point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum

from fillstream.libs.common.ledger.worth import MONEY_DECIMALS
from fillstream.libs.common.messages.reference import InstrumentTerms, VenueTerms
from fillstream.libs.common.values.money import canonical, multiply

PRECISION = 38
"""Digits of a DECIMAL, before and after the point together: DuckDB has no longer one."""
MAX_DECIMALS = 24
"""A column has at most so many, so that 14 digits are left before the point."""
HALF = Decimal("0.5")


class Number(StrEnum):
    """What a number is, which says how many decimals its column has."""

    PRICE = "price"
    QUANTITY = "quantity"
    RATIO = "ratio"
    AMOUNT = "amount"


PRICES = frozenset({"price", "new_price", "tick_size", "trailing_offset", "stop_loss", "take_profit", "trailing_stop"})
_LIMITS = ("max_order_quantity", "min_order_quantity", "max_position")
QUANTITIES = frozenset(
    {
        "quantity",
        "new_quantity",
        "position",
        "old_position",
        "target",
        "tolerance",
        "lot_size",
        "display_quantity",
        *_LIMITS,
    }
)
RATIOS = frozenset({"multiplier", "maker_fee_bps", "taker_fee_bps", "initial_margin"})


def number_of(name: str) -> Number:
    """Return what the number in a contract's field is, by the field's name; what is no factor is an amount."""
    if name in PRICES or name.endswith(("_px", "stop_price", "_offset")):
        return Number.PRICE
    if name in QUANTITIES or name.endswith("_qty"):
        return Number.QUANTITY
    return Number.RATIO if name in RATIOS else Number.AMOUNT


@dataclass(frozen=True, slots=True)
class Scales:
    """The decimals of each kind of number."""

    price: int = 12
    quantity: int = 8
    ratio: int = 4
    amount: int = 18

    def of(self, number: Number) -> int:
        """Return the decimals of a kind."""
        return int(getattr(self, number.value))

    def sql(self, number: Number) -> str:
        """Return the DuckDB type of a kind."""
        return f"DECIMAL({PRECISION},{self.of(number)})"

    def at_least(self, other: Scales) -> Scales:
        """Return the scales that hold what either holds."""
        return Scales(*(max(getattr(self, each.name), getattr(other, each.name)) for each in fields(Scales)))


class TooFine(Exception):
    """An instrument whose numbers no column holds; the sentence names it and the limit."""


def scales_of(instruments: Mapping[str, InstrumentTerms], venues: Iterable[VenueTerms] = ()) -> Scales:
    """Return the scales that hold every number of these instruments to the digit.

    A mark may stand between two ticks, and money counts in halves of a tick times a lot times the multiplier; that of
    an inverse contract is rounded.

    Raises:
        TooFine: see there.
    """
    needed = Scales()
    for symbol, terms in instruments.items():
        half_tick_lot = multiply(terms.tick_size, terms.lot_size, terms.multiplier, HALF)
        amounts = MONEY_DECIMALS if terms.inverse else decimals(half_tick_lot)
        fees = (terms.maker_fee_bps, terms.taker_fee_bps)
        own = Scales(
            decimals(multiply(terms.tick_size, HALF)),
            decimals(terms.lot_size),
            max(map(decimals, (terms.multiplier, *fees))),
            amounts,
        )
        _check(symbol, terms, own)
        needed = needed.at_least(own)
    for venue in venues:
        fees_of_venue = (venue.maker_fee_bps, venue.taker_fee_bps)
        for fee in fees_of_venue:
            needed = needed.at_least(Scales(ratio=decimals(fee or Decimal(0))))
    return needed


def _check(symbol: str, terms: InstrumentTerms, own: Scales) -> None:
    for number in Number:
        found = own.of(number)
        if found > MAX_DECIMALS:
            steps = f"tick_size {canonical(terms.tick_size)}, lot_size {canonical(terms.lot_size)}, multiplier "
            steps += canonical(terms.multiplier)
            what = "half a tick times a lot times the multiplier" if number is Number.AMOUNT else f"its {number.value}"
            raise TooFine(
                f"instruments.{symbol}: {what} has {found} decimals ({steps}), and analytics holds at most "
                f"{MAX_DECIMALS}; choose larger steps, or run the desk without analytics (database.type: none)"
            )


def decimals(number: Decimal) -> int:
    """Return how many decimals a number has, zeros at its end left out."""
    return len(canonical(number).partition(".")[2])
