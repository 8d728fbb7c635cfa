"""The cheapest way to take so many lots from several venues at once, fees and their bounds counted: exact.

Flows in: markets, a limit, a number of lots. Flows out: lots and worst price by venue. Never goes beyond what is shown.

As many lots as can be taken within the limit are; among all ways to take these, the one that costs least. Without
bounds, what each next lot costs at a venue (its price and its fee) only rises, so that taking the cheapest next lot
again and again is the best there is. Bounds break that in one way each, and each becomes a *way* in which that holds:

    not used     a smallest fee, or a smallest quantity, is worth having only where enough is taken
    used         pays at least the smallest fee; what comes before it is reached costs no more. Still only rising
    capped       pays the largest fee, whatever it takes: a fee of nothing a lot

An order's true cost is the least over the ways, so the best split is the best over all combinations of ways. These are
`MOST_WAYS` at most: where venues have more, those that are preferred least take no part. A bound of each fill
(`fee_charged: FILL`) is taken for one of the order: where a venue makes n fills of a leg, that may be wrong by
n - 1 times its smallest fee.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Final, NamedTuple

from fillstream.services.order_service.orders.routing.policy import Levels, Request, VenueMarket, rank, takers

MOST_WAYS: Final = 256
_ZERO: Final = Fraction(0)


class Taken(NamedTuple):
    """What is taken at a venue.

    Attributes:
        lots: how many.
        units: ticks, without their sign, times lots.
        value: ticks times lots.
        worst: the last price (ticks).
        fee: ticks times lots.
    """

    lots: int
    units: int
    value: int
    worst: int
    fee: Fraction


class _Way(NamedTuple):
    """One way to use a venue: the lots it must take, and what each next lot costs, only rising."""

    venue: VenueMarket
    least: int
    fixed: Fraction
    steps: tuple[tuple[Fraction, int], ...]


def cheapest(request: Request) -> dict[str, Taken]:
    """Return the cheapest split of what is shown within the limit, by venue, the most preferred first."""
    venues = [each for each in takers(request) if each.fresh]
    shown = [(each, found) for each in venues if (found := _reachable(request, each))]
    ways = _some([list(_ways(request, each, levels)) for each, levels in shown])
    best: tuple[int, Fraction, int] | None = None
    chosen: dict[str, int] = {}
    for combination in product(*ways):
        used = [way for way in combination if way is not None]
        filled = _filled(request, used)
        if filled is None:
            continue
        cost, lots = filled
        key = (-sum(lots.values()), cost, len(lots))
        if best is None or key < best:
            best, chosen = key, lots
    levels = {each.name: (each, found) for each, found in shown}
    return {name: taken(request.buy, *levels[name], lots) for name, lots in chosen.items()}


def taken(buy: bool, venue: VenueMarket, levels: Levels, lots: int) -> Taken:
    """Return what so many lots cost at a venue, as taker; `levels` have as many."""
    left, units, value, worst = lots, 0, 0, 0
    for ticks, size in levels:
        if not left:
            break
        worst, some = ticks, min(size, left)
        units, value, left = units + abs(ticks) * some, value + ticks * some, left - some
    assert not left, "no more is taken than is shown"
    return Taken(lots, units, value, worst, venue.costs.fee(units, lots))


def _reachable(request: Request, venue: VenueMarket) -> Levels:
    """Return a venue's levels within the limit, as far as one order there may take them; none of too little."""
    left, found = venue.most(request.lots), []
    for ticks, lots in venue.against(request.buy):
        if not left or not request.within(ticks):
            break
        some = min(lots, left)
        found.append((ticks, some))
        left -= some
    return tuple(found) if sum(lots for _, lots in found) >= venue.min_lots else ()


def _ways(request: Request, venue: VenueMarket, levels: Levels) -> Iterator[_Way | None]:
    """Yield the ways to use a venue; None is not at all."""
    costs, least = venue.costs, venue.min_lots
    if least <= 1 and not costs.bounded:
        yield _Way(venue, 0, _ZERO, tuple(pieces(request.buy, venue, levels)))  # which may be of no lots at all
        return
    yield None
    yield _Way(venue, least, costs.least or _ZERO, tuple(pieces(request.buy, venue, levels)))
    if costs.most is not None:
        signed = 1 if request.buy else -1
        capped = tuple((signed * ticks + costs.beside_taker * abs(ticks), lots) for ticks, lots in levels)
        yield _Way(venue, least, costs.most, capped)


def pieces(buy: bool, venue: VenueMarket, levels: Levels) -> Iterator[tuple[Fraction, int]]:
    """Yield what each next lot costs, and how many cost so, the largest fee not counted.

    Below the smallest fee a lot costs its price alone; one lot may reach it.
    """
    costs = venue.costs
    above = None if costs.least is None else -costs.least
    for ticks, lots in levels:
        price = (ticks if buy else -ticks) + costs.beside_taker * abs(ticks)
        fee = costs.taker * abs(ticks) + costs.per_lot
        if above is None or not fee:
            yield price + fee, lots
            continue
        left = lots
        before = above > 0 if fee < 0 else above < 0  # so many lots until the smallest fee is crossed, up or down
        first = min(left, abs(above) // abs(fee)) if before else 0
        if first:
            yield price + (fee if above > 0 else 0), first
            above, left = above + first * fee, left - first
        if left and (above > 0 if fee < 0 else above < 0):
            yield price + max(above + fee, _ZERO) - max(above, _ZERO), 1
            above, left = above + fee, left - 1
        if left:
            yield price + (fee if fee > 0 else 0), left
            above += left * fee


def _some(ways: Sequence[list[_Way | None]]) -> list[list[_Way | None]]:
    """Return the ways of as many venues as there may be, the most preferred first."""
    found, combinations = [], 1
    for each in ways:
        if combinations * len(each) <= MOST_WAYS:
            combinations *= len(each)
            found.append(each)
    return found


def _filled(request: Request, used: Sequence[_Way]) -> tuple[Fraction, dict[str, int]] | None:
    """Return the least that these ways cost together, and the lots at each venue; None where they need too much."""
    left, cost = request.lots - sum(way.least for way in used), sum((way.fixed for way in used), _ZERO)
    if left < 0:
        return None
    lots = {way.venue.name: way.least for way in used}
    queue: list[tuple[Fraction, int, int, int, str, int]] = []
    for number, way in enumerate(used):
        must, shown = way.least, sum(size for at, size in way.venue.against(request.buy) if request.within(at))
        for price, size in way.steps:
            forced = min(must, size)
            cost, must = cost + forced * price, must - forced
            if size > forced:
                queue.append((price, rank(request, way.venue), -shown, number, way.venue.name, size - forced))
    for price, _, _, _, name, size in sorted(queue):
        some = min(size, left)
        cost, left = cost + some * price, left - some
        lots[name] += some
    return cost, {name: some for name, some in lots.items() if some}
