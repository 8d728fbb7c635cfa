"""Random books and fees of several venues, small enough that every split of an order can be tried."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from fillstream.services.order_service.orders.routing.costs import Costs
from fillstream.services.order_service.orders.routing.policy import Levels, Request, VenueMarket

NAMES = ("A", "B", "C", "D")
bps = st.sampled_from([0, 0, 1, -1, 5, 7, -10, 30, 200, -200]).map(lambda each: Fraction(each, 10_000))
per_lot = st.sampled_from([0, 1, 2, 3]).map(Fraction) | st.fractions(0, 3, max_denominator=8)
ticks = st.integers(0, 12).map(Fraction) | st.fractions(0, 30, max_denominator=7)


@st.composite
def some_costs(draw: st.DrawFn, bounds: bool = True) -> Costs:
    least = draw(st.none() | ticks) if bounds else None
    most = draw(st.none() | ticks) if bounds else None
    if least is not None and most is not None and least > most:
        least, most = most, least
    return Costs(
        maker=draw(bps), taker=draw(bps), per_lot=draw(per_lot),
        least=least, most=most, beside_taker=draw(st.just(Fraction(0)) | bps),
    )  # fmt: skip


@st.composite
def levels(draw: st.DrawFn, near: int, step: int) -> Levels:
    """Levels from about a price on, the best first."""
    prices = sorted(draw(st.sets(st.integers(0, 12), max_size=3)))
    return tuple((near + step * each, draw(st.integers(1, 4))) for each in prices)


@st.composite
def some_venues(draw: st.DrawFn, most: int = 3, near: int = 1_000, bounds: bool = True) -> tuple[VenueMarket, ...]:
    found = []
    for name in NAMES[: draw(st.integers(1, most))]:
        least = draw(st.sampled_from([1, 1, 1, 2, 3]))
        found.append(
            VenueMarket(
                name, draw(levels(near - 1, -1)), draw(levels(near, 1)), draw(some_costs(bounds)),
                min_lots=least, max_lots=draw(st.none() | st.integers(least, 6)),
            )
        )  # fmt: skip
    return tuple(found)


@st.composite
def requests(draw: st.DrawFn, parameters: Any, **more: Any) -> Request:
    """A request that an IOC order, or one that may rest, would make."""
    near = draw(st.sampled_from([1_000, 60, 3, -20]))  # prices below 0, and books over both sides of it
    venues = draw(some_venues(near=near, **more))
    return Request(
        buy=draw(st.booleans()), lots=draw(st.integers(1, 9)), parameters=parameters, venues=venues,
        limit=draw(st.none() | st.integers(near - 8, near + 8)), now=10_000, rests=draw(st.booleans()),
        preferences=tuple(draw(st.permutations(NAMES)))[: draw(st.integers(0, 4))],
        began_ms=draw(st.integers(0, 10_000)),
    )  # fmt: skip
