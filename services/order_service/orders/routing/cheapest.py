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

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from math import lcm
from typing import Final, NamedTuple

from fillstream.services.order_service.orders.routing.costs import Costs
from fillstream.services.order_service.orders.routing.policy import Levels, Request, VenueMarket, rank, takers

MOST_WAYS: Final = 256


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


class Parts(NamedTuple):
    """A venue's costs in whole numbers of a part of a tick: Fractions would take several times as long.

    Attributes:
        whole: so many parts make a tick.
        taker, per_lot, beside, least, most: as `Costs` has them, of one who takes.
    """

    whole: int
    taker: int
    per_lot: int
    beside: int
    least: int | None
    most: int | None


class _Way(NamedTuple):
    """One way to use a venue: the lots it must take, and what each next lot costs (parts), only rising."""

    least: int
    fixed: int
    steps: tuple[tuple[int, int], ...]


class _Shown(NamedTuple):
    """What a venue shows within the limit, as far as one order may take it; how it comes in where prices are equal."""

    venue: VenueMarket
    levels: Levels
    ways: list[_Way | None]
    order: tuple[int, int]


def cheapest(request: Request) -> dict[str, Taken]:
    """Return the cheapest split of what is shown within the limit, by venue, the most preferred first."""
    venues = [each for each in takers(request) if each.fresh]
    shown = _some(list(_shown(request, venues)))
    best: tuple[int, int, int] | None = None
    chosen: list[int] = []
    for combination in product(*(each.ways for each in shown)):
        filled = _filled(request.lots, shown, combination)
        if filled is None:
            continue
        cost, lots = filled
        key = (-sum(lots), cost, sum(map(bool, lots)))
        if best is None or key < best:
            best, chosen = key, lots
    return {
        each.venue.name: taken(request.buy, each.venue, each.levels, lots)
        for each, lots in zip(shown, chosen, strict=False)
        if lots
    }


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


def parts_of(costs: Costs, whole: int) -> Parts:
    """Return a venue's costs in `whole`th parts of a tick, of which all of them are multiples."""
    least, most = costs.least, costs.most
    return Parts(
        whole,
        int(costs.taker * whole),
        int(costs.per_lot * whole),
        int(costs.beside_taker * whole),
        None if least is None else int(least * whole),
        None if most is None else int(most * whole),
    )


def wholes(costs: Iterable[Costs]) -> int:
    """Return of how many parts a tick has to be for all of these to be whole numbers of them."""
    numbers = (n for each in costs for n in (each.taker, each.per_lot, each.beside_taker, each.least, each.most))
    return lcm(*(each.denominator for each in numbers if each is not None))


def _shown(request: Request, venues: Sequence[VenueMarket]) -> Iterator[_Shown]:
    whole = wholes(each.costs for each in venues)
    for venue in venues:
        levels = _reachable(request, venue)
        if levels:
            size = sum(lots for at, lots in venue.against(request.buy) if request.within(at))
            ways = list(_ways(request.buy, venue.min_lots, parts_of(venue.costs, whole), levels))
            yield _Shown(venue, levels, ways, (rank(request, venue), -size))


def _ways(buy: bool, least: int, costs: Parts, levels: Levels) -> Iterator[_Way | None]:
    """Yield the ways to use a venue; None is not at all."""
    if least <= 1 and costs.least is None and costs.most is None:
        yield _Way(0, 0, tuple(pieces(buy, costs, levels)))  # which may be of no lots at all
        return
    yield None
    yield _Way(least, costs.least or 0, tuple(pieces(buy, costs, levels)))
    if costs.most is not None:
        signed = costs.whole if buy else -costs.whole
        capped = tuple((signed * ticks + costs.beside * abs(ticks), lots) for ticks, lots in levels)
        yield _Way(least, costs.most, capped)


def pieces(buy: bool, costs: Parts, levels: Levels) -> Iterator[tuple[int, int]]:
    """Yield what each next lot costs (parts), and how many cost so, the largest fee not counted.

    Below the smallest fee a lot costs its price alone; one lot may reach it.
    """
    signed = costs.whole if buy else -costs.whole
    above = None if costs.least is None else -costs.least
    for ticks, lots in levels:
        price = signed * ticks + costs.beside * abs(ticks)
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
            yield price + max(above + fee, 0) - max(above, 0), 1
            above, left = above + fee, left - 1
        if left:
            yield price + (fee if fee > 0 else 0), left
            above += left * fee


def _some(shown: Sequence[_Shown]) -> list[_Shown]:
    """Return as many venues as there may be ways of, the most preferred first."""
    found, combinations = [], 1
    for each in shown:
        if combinations * len(each.ways) <= MOST_WAYS:
            combinations *= len(each.ways)
            found.append(each)
    return found


def _filled(left: int, shown: Sequence[_Shown], ways: Sequence[_Way | None]) -> tuple[int, list[int]] | None:
    """Return the least that these ways cost together, and the lots at each venue; None where they need too much."""
    cost, lots = 0, [0] * len(ways)
    queue: list[tuple[int, tuple[int, int], int, int]] = []
    for number, way in enumerate(ways):
        if way is None:
            continue
        must = lots[number] = way.least
        left, cost = left - must, cost + way.fixed
        for price, size in way.steps:
            forced = min(must, size)
            cost, must = cost + forced * price, must - forced
            if size > forced:
                queue.append((price, shown[number].order, number, size - forced))
    if left < 0:
        return None
    queue.sort()
    for price, _, number, size in queue:
        some = min(size, left)
        cost, left = cost + some * price, left - some
        lots[number] += some
    return cost, lots
