"""What a fill costs at a venue, exact, in ticks: what venues are compared by.

Flows in: an instrument's terms at a venue, an account's tier, a rate. Flows out: `Costs`, whose numbers are Fractions
of ticks and lots; net prices; what an order's fee is. Never rounds: the desk rounds a fee once an order, at 10**-8 of
the currency (`ledger.fees`), and no comparison here depends on that. Never uses a float.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from fillstream.libs.common.ledger.fees import Straight
from fillstream.services.order_service.orders.compiled import Terms

_NONE: Final = Fraction(0)


class Costs(NamedTuple):
    """What a venue charges for an order there, in ticks times lots; negative numbers are rebates.

    An order pays `beside` of the ticks times lots that it takes, and its share `taker` (`maker` of what rested) of them
    with `per_lot` of each lot, which together are at least `least` and at most `most`.

    Attributes:
        maker, taker: share of ticks times lots.
        per_lot: ticks of each lot.
        least, most: of an order that trades at all; None without a bound.
        beside_maker, beside_taker: share of ticks times lots that no bound counts: the basis points of a venue whose
            bounds are in another currency.
    """

    maker: Fraction = _NONE
    taker: Fraction = _NONE
    per_lot: Fraction = _NONE
    least: Fraction | None = None
    most: Fraction | None = None
    beside_maker: Fraction = _NONE
    beside_taker: Fraction = _NONE

    @property
    def bounded(self) -> bool:
        """Whether an order's fee is more than a sum over its lots."""
        return self.least is not None or self.most is not None

    def fee(self, units: int, lots: int, maker: bool = False) -> Fraction:
        """Return the fee (ticks times lots) of an order that traded so much.

        Args:
            units: its ticks, without their sign, times its lots.
            lots: its lots; of none there is no fee.
            maker: whether it rested.
        """
        if not lots:
            return _NONE
        share, beside = (self.maker, self.beside_maker) if maker else (self.taker, self.beside_taker)
        within = share * units + self.per_lot * lots
        if self.least is not None:
            within = max(within, self.least)
        if self.most is not None:
            within = min(within, self.most)
        return within + beside * units

    def each(self, ticks: int, maker: bool = False) -> Fraction:
        """Return the fee (ticks) of one lot at a price, by which bounds are not counted."""
        share, beside = (self.maker, self.beside_maker) if maker else (self.taker, self.beside_taker)
        return (share + beside) * abs(ticks) + self.per_lot

    def net(self, buy: bool, ticks: int, maker: bool = False) -> Fraction:
        """Return what a buyer pays, or a seller gets, for a lot at a price (ticks), bounds not counted."""
        fee = self.each(ticks, maker)
        return ticks + fee if buy else ticks - fee


FREE: Final = Costs()


def costs_of(terms: Terms, tier: int = 0, rate: Fraction | None = None, at: int = 0) -> Costs | None:
    """Return what a venue charges for an instrument.

    Args:
        terms: the instrument's at the venue.
        tier: the account's there.
        rate: what one unit of the schedule's currency is worth in the instrument's, where that is another one.
        at: the price (ticks) near which it trades: what is no share of an inverse contract's worth, a fee per unit or
            a bound, is another count of ticks at each price, and is taken for what it is there.

    Returns:
        None for what nobody can compare: where a part of it is in a currency without a rate.
    """
    fees = terms.fees
    if fees is None:
        value = Fraction(terms.value)
        return Costs(terms.maker_fee.exact / value, terms.taker_fee.exact / value)
    found = fees.straight(tier)
    if terms.inverse is not None:
        found = _at_a_price(found, Fraction(at, terms.worth(at)) if at > 0 else _NONE)
    if not found.apart:
        return Costs(found.maker, found.taker, found.per_lot, found.least, found.most)
    if rate is None:
        return None
    least, most = (None if bound is None else bound * rate for bound in (found.least, found.most))
    return Costs(_NONE, _NONE, found.per_lot * rate, least, most, found.maker, found.taker)


def _at_a_price(found: Straight, ticks: Fraction) -> Straight:
    """Return a schedule whose sums are in ticks times lots, of which so many make a unit of what lots are worth."""
    least, most = (None if bound is None else bound * ticks for bound in (found.least, found.most))
    return found._replace(per_lot=found.per_lot * ticks, least=least, most=most)
