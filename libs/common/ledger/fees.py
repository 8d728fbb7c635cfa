"""What a venue charges for fills: basis points by liquidity and by what an account traded, per unit, within bounds.

Flows in: terms of an instrument and a venue; fills as integers. Flows out: fees as integers of 10**-FEE_DECIMALS. Never
knows accounts, rates or streams; never uses a float.

    of each fill    bps of its value + fee_per_unit of its quantity         exact
    of an order     the sum over its fills, rounded half to even, at least min_fee and at most max_fee
    of a fill       what its order is charged with it, less what it was charged before

So the fees of an order's fills are, whatever their number, the fee of the order, rounded once. A venue that charges by
the FILL rounds and bounds each by itself. Where `fee_currency` is another than the instrument's, basis points are of
the value and in the instrument's currency all the same, and what is per unit and both bounds are in the other.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from fillstream.libs.common.ledger.inverse import value_of_step
from fillstream.libs.common.messages.codes import FeeScope
from fillstream.libs.common.messages.fee_tiers import BASE, tiers_of
from fillstream.libs.common.messages.reference import BPS, InstrumentFields, VenueTerms
from fillstream.libs.common.values.money import FEE_DECIMALS, half_even

FEE_UNIT: Final = 10**FEE_DECIMALS
TRADED_UNIT: Final = 10**18
"""What was traded is counted in units of 10**-18 of the instrument's currency."""


class Charged(NamedTuple):
    """What an order was charged so far.

    Attributes:
        raw: its fills' fees before rounding and bounds, in units of 10**-FEE_DECIMALS.
        fee: what it was charged, in the same.
    """

    raw: Fraction = Fraction(0)
    fee: int = 0


NOTHING: Final = Charged()


class Straight(NamedTuple):
    """A schedule in one tier as whoever compares venues needs it: exact, in ticks times lots, before any rounding.

    Attributes:
        maker, taker: share of a fill's ticks times lots.
        per_lot: besides, of each lot.
        least, most: of an order, None without a bound.
        apart: `per_lot` and the bounds are in `currency`, and the shares are not within the bounds.
    """

    maker: Fraction
    taker: Fraction
    per_lot: Fraction
    least: Fraction | None
    most: Fraction | None
    apart: bool


class Fee(NamedTuple):
    """What a fill costs, in units of 10**-FEE_DECIMALS.

    Attributes:
        own: in the instrument's currency.
        other: in the schedule's, where that is another one; 0 otherwise.
        charged: what the order was charged with it.
    """

    own: int
    other: int
    charged: Charged


class FeeSchedule:
    """What a venue charges for fills of one instrument.

    Args:
        instrument, venue: whose terms.

    Attributes:
        in_base: what buys is charged in the coin that was bought: see `lots_for`.
        currency: of what is per unit and of the bounds, where it is another than the instrument's; None otherwise.
        window_days: so many days before a fill's own decide its tier.
        tiered: whether what was traded matters.
    """

    __slots__ = (
        "_bounds", "_by_fill", "_per_lot", "_rates", "_steps", "_value", "currency", "in_base", "tiered", "window_days",
    )  # fmt: skip

    def __init__(self, instrument: InstrumentFields, venue: VenueTerms) -> None:
        self._value = value_of_step(instrument)
        maker = instrument.maker_fee_bps if venue.maker_fee_bps is None else venue.maker_fee_bps
        taker = instrument.taker_fee_bps if venue.taker_fee_bps is None else venue.taker_fee_bps
        tiers = tiers_of(venue.fee_tiers)
        per_bps = self._value * FEE_UNIT / BPS
        rates = [(maker, taker), *((tier.maker_bps, tier.taker_bps) for tier in tiers)]
        self._rates = [(Fraction(rests) * per_bps, Fraction(takes) * per_bps) for rests, takes in rates]
        self._steps = [Fraction(tier.traded) * TRADED_UNIT for tier in tiers]
        self._per_lot = Fraction(venue.fee_per_unit or 0) * Fraction(instrument.lot_size) * FEE_UNIT
        least = None if venue.min_fee is None else half_even(*(Fraction(venue.min_fee) * FEE_UNIT).as_integer_ratio())
        most = None if venue.max_fee is None else half_even(*(Fraction(venue.max_fee) * FEE_UNIT).as_integer_ratio())
        self._bounds = least, most
        self._by_fill = venue.fee_charged is FeeScope.FILL
        self.in_base = venue.fee_currency == BASE and instrument.base_currency is not None
        named = venue.fee_currency not in (None, BASE, instrument.currency)
        self.currency = venue.fee_currency if named else None
        self.tiered = bool(tiers)
        self.window_days = venue.fee_window_days

    def tier(self, traded: int) -> int:
        """Return which tier an account is in that traded so much (TRADED_UNIT) in the window, 0 below the first."""
        return sum(traded >= step for step in self._steps)

    def fill(self, before: Charged, units: int, lots: int, maker: bool, tier: int) -> Fee:
        """Return what a fill costs.

        Args:
            before: what its order was charged so far.
            units: its ticks, without their sign, times its lots; of an inverse contract what its lots are worth.
            lots: its lots.
            maker: whether it rested.
            tier: of its account.
        """
        by_value = self._rates[tier][0 if maker else 1] * units
        raw = self._per_lot * lots + (0 if self.currency else by_value)
        total = before.raw + raw
        charged = Charged(total, before.fee + self._bounded(raw) if self._by_fill else self._bounded(total))
        fee = charged.fee - before.fee
        if self.currency is None:
            return Fee(fee, 0, charged)
        return Fee(_rounded(by_value), fee, charged)

    def straight(self, tier: int) -> Straight:
        """Return the schedule of a tier, for comparisons. A bound of each fill is taken for one of the order."""
        unit = self._value * FEE_UNIT
        rests, takes = self._rates[tier]
        least, most = (None if bound is None else bound / unit for bound in self._bounds)
        return Straight(rests / unit, takes / unit, self._per_lot / unit, least, most, self.currency is not None)

    def at_most(self, units: int, lots: int) -> Fee:
        """Return the most that an order of so much may cost that trades at once and whole, in whatever tier."""
        fees = [self.fill(NOTHING, units, lots, maker, t) for t in range(len(self._rates)) for maker in (True, False)]
        return max(fees)

    def lots_for(self, fee: int, ticks: int) -> int:
        """Return the whole lots, bought at `ticks`, that pay a fee or a part of it: what is left is paid in money."""
        if fee <= 0 or ticks <= 0:
            return 0
        return int(Fraction(fee, FEE_UNIT) / (self._value * ticks))

    def in_units(self, fee: int) -> int:
        """Return a fee in the instrument's currency in ticks times lots, rounded up; 0 of a rebate."""
        return max(0, -int(-Fraction(fee, FEE_UNIT) / self._value // 1))

    def _bounded(self, raw: Fraction) -> int:
        least, most = self._bounds
        fee = _rounded(raw)
        if least is not None:
            fee = max(fee, least)
        return fee if most is None else min(fee, most)


def _rounded(fee: Fraction | int) -> int:
    return half_even(*fee.as_integer_ratio())


def schedule_of(instrument: InstrumentFields, venue: VenueTerms) -> FeeSchedule | None:
    """Return what a venue charges beyond plain basis points of ticks times lots, None of one that does not."""
    if not (venue.has_schedule or instrument.inverse):
        return None
    return FeeSchedule(instrument, venue)
