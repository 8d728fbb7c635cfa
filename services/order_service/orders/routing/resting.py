"""Where what finds nobody rests: the venue with the best net price of a maker.

Flows in: a request, what the legs so far take. Flows out: legs. Never rests anything of an order that may not rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fillstream.services.order_service.orders.routing.policy import (
    Leg,
    Request,
    VenueMarket,
    rank,
    resting_until,
    takers,
)


def best_to_rest(request: Request, ticks: int, venues: Sequence[VenueMarket]) -> VenueMarket | None:
    """Return where an order rests best at a price: by net price, then preference, then the shorter queue before it."""

    def key(venue: VenueMarket) -> tuple[bool, Fraction, int, int]:
        net = venue.costs.net(request.buy, ticks, maker=True)
        queue = sum(lots for at, lots in venue.beside(request.buy) if (at >= ticks if request.buy else at <= ticks))
        return not venue.fresh, net if request.buy else -net, rank(request, venue), queue

    return min(venues, key=key, default=None)


def with_rest(request: Request, legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Return the legs, and what they leave resting at the limit where it does so best.

    Where the best venue has a leg already, that is one order: it takes what the leg was to take, and the rest rests.
    """
    left = request.lots - sum(leg.lots for leg in legs)
    if not left or not request.rests or request.limit is None:
        return legs
    there = {leg.venue: leg.lots for leg in legs}
    fit = [
        each
        for each in takers(request)
        if each.min_lots <= there.get(each.name, 0) + left
        and each.most(there.get(each.name, 0) + 1) > there.get(each.name, 0)
    ]
    venue = best_to_rest(request, request.limit, fit)
    if venue is None:
        return legs
    lots = venue.most(there.get(venue.name, 0) + left)
    rests = Leg(venue.name, lots, request.limit, rests=True, until_ms=resting_until(request))
    return (*(leg for leg in legs if leg.venue != venue.name), rests)
