"""The cheapest split by trying every one: each venue's lots, one after another, taken lot by lot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from fillstream.services.order_service.orders.routing.policy import Request, VenueMarket


def cost_of(request: Request, venue: VenueMarket, lots: int) -> Fraction | None:
    """Return what so many lots cost at a venue, fees and all (ticks); None where it does not show as many."""
    book = [ticks for ticks, size in (venue.asks if request.buy else venue.bids) for _ in range(size)]
    book = [
        ticks for ticks in book if request.limit is None or (ticks - request.limit) * (1 if request.buy else -1) <= 0
    ]
    if lots > len(book):
        return None
    total, within, beside = Fraction(0), Fraction(0), Fraction(0)
    for ticks in book[:lots]:
        total += ticks if request.buy else -ticks
        within += venue.costs.taker * abs(ticks) + venue.costs.per_lot
        beside += venue.costs.beside_taker * abs(ticks)
    if lots:
        if venue.costs.least is not None and within < venue.costs.least:
            within = venue.costs.least
        if venue.costs.most is not None and within > venue.costs.most:
            within = venue.costs.most
    return total + within + beside


def splits(request: Request, venues: Sequence[VenueMarket]) -> Iterator[tuple[int, Fraction]]:
    """Yield how many lots every possible split takes, and what it costs."""
    choices = []
    for venue in venues:
        found = [(0, Fraction(0))]
        most = request.lots if venue.max_lots is None else min(venue.max_lots, request.lots)
        for lots in range(venue.min_lots, most + 1):
            cost = cost_of(request, venue, lots)
            if cost is not None:
                found.append((lots, cost))
        choices.append(found)
    for each in product(*choices):
        lots = sum(one for one, _ in each)
        if lots <= request.lots:
            yield lots, sum((cost for _, cost in each), Fraction(0))


def naive_best(request: Request, venues: Sequence[VenueMarket]) -> tuple[int, Fraction]:
    """Return the most lots that can be taken, and the least that these can cost."""
    lots, cost = min((-lots, cost) for lots, cost in splits(request, venues))
    return -lots, cost
