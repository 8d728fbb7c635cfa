"""Routing policies on random books: the best split there is, to the tick, and never more than an order has left."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.services.order_service.orders.routing import POLICIES
from fillstream.services.order_service.orders.routing.cheapest import MOST_WAYS, cheapest, parts_of, pieces, wholes
from fillstream.services.order_service.orders.routing.costs import Costs
from fillstream.services.order_service.orders.routing.policy import (
    Levels,
    Request,
    VenueMarket,
    again_ms,
    legs_of,
    wrong_legs,
)
from tests.support.naive_split import cost_of, naive_best
from tests.support.routed import Routed
from tests.support.venues import requests, some_costs

PARAMETERS = {name: each.parameters.model_validate(each.example) for name, each in POLICIES.items()}


@settings(max_examples=600)
@given(requests(PARAMETERS["BEST_PRICE"]))
def test_the_cheapest_split_is_the_best_of_all_splits_to_the_tick(request: Request) -> None:
    found = cheapest(request)
    markets = {each.name: each for each in request.venues}
    costs = [cost_of(request, markets[name], each.lots) for name, each in found.items()]
    assert None not in costs
    total = sum((each for each in costs if each is not None), Fraction(0))
    assert (sum(each.lots for each in found.values()), total) == naive_best(request, request.venues)
    told = sum(((each.value if request.buy else -each.value) + each.fee for each in found.values()), Fraction(0))
    assert told == total


@st.composite
def far_levels(draw: st.DrawFn) -> tuple[bool, tuple[tuple[int, int], ...]]:
    """Levels so far from one another that a fee of theirs may be a rebate further on."""
    buy = draw(st.booleans())
    prices = sorted(draw(st.sets(st.integers(-200, 200), min_size=1, max_size=4)), reverse=not buy)
    return buy, tuple((each, draw(st.integers(1, 4))) for each in prices)


@settings(max_examples=400)
@given(far_levels(), some_costs())
def test_what_each_next_lot_costs_only_rises_and_adds_up(shown: tuple[bool, Levels], costs: Costs) -> None:
    buy, levels = shown
    venue = VenueMarket("A", levels, levels, costs._replace(most=None))
    request = Request(buy, 99, None, 0, None, (venue,))
    parts = parts_of(venue.costs, wholes([costs]))
    each_lot = [price for price, lots in pieces(buy, parts, levels) for _ in range(lots)]
    assert each_lot == sorted(each_lot)
    for lots in range(1, len(each_lot) + 1):
        assert Fraction(sum(each_lot[:lots], parts.least or 0), parts.whole) == cost_of(request, venue, lots)


@settings(max_examples=300)
@given(requests(PARAMETERS["BEST_PRICE"]))
def test_legs_of_best_price_trade_just_what_was_planned(request: Request) -> None:
    planned = cheapest(request)
    markets = {each.name: each for each in request.venues}
    for leg in legs_of(POLICIES["BEST_PRICE"], request):
        if leg.rests:
            continue
        assert leg.ticks is not None
        levels = markets[leg.venue].against(request.buy)
        reached = [(at, lots) for at, lots in levels if (at <= leg.ticks if request.buy else at >= leg.ticks)]
        assert sum(lots for _, lots in reached) >= leg.lots == planned[leg.venue].lots
        assert sum(lots for _, lots in reached[:-1]) < leg.lots, "no further than it has to"


@settings(max_examples=300)
@given(st.sampled_from(sorted(POLICIES)), st.data())
def test_no_policy_says_more_than_it_may(name: str, data: st.DataObject) -> None:
    request = data.draw(requests(PARAMETERS[name]))
    legs = legs_of(POLICIES[name], request)
    assert wrong_legs(request, legs) is None
    assert sum(leg.lots for leg in legs) <= request.lots


@settings(max_examples=200)
@given(requests(PARAMETERS["SWEEP"], bounds=False))
def test_an_order_that_may_rest_is_out_whole_wherever_venues_have_no_limits(request: Request) -> None:
    free = tuple(each._replace(min_lots=1, max_lots=None) for each in request.venues)
    request = request._replace(venues=free, rests=True, limit=1_000 if request.limit is None else request.limit)
    for name in ("SWEEP", "BEST_PRICE", "NAMED", "SPRAY", "POST_THEN_TAKE"):
        parameters: Any = POLICIES[name].parameters()
        legs = legs_of(POLICIES[name], request._replace(parameters=parameters))
        assert sum(leg.lots for leg in legs) == request.lots, name


@given(requests(PARAMETERS["BEST_PRICE"]), st.integers(4, 9))
def test_of_many_venues_with_bounds_those_that_are_preferred_take_part(request: Request, count: int) -> None:
    bounded = request.venues[0]._replace(min_lots=2, max_lots=None)
    venues = tuple(
        bounded._replace(name=f"V{number}", costs=bounded.costs._replace(least=Fraction(1), most=Fraction(90)))
        for number in range(count)
    )
    names = tuple(reversed([each.name for each in venues]))
    request = request._replace(venues=venues, preferences=names, lots=2)
    most = next(n for n in range(9) if 3 ** (n + 1) > MOST_WAYS)
    assert set(cheapest(request)) <= set(names[:most])


@settings(max_examples=300)
@given(st.sampled_from(sorted(POLICIES)), st.data())
def test_never_more_is_outstanding_than_an_order_has_left_whatever_venues_do(name: str, data: st.DataObject) -> None:
    request = data.draw(requests(PARAMETERS[name]))
    routed = Routed(POLICIES[name], request, lambda below: data.draw(st.integers(0, below - 1)))
    routed.run()
    assert all(request.within(ticks) for _, ticks, _ in routed.filled), "a fill is never beyond the limit"
    reject_ms = request.parameters.reject_ms
    for at_ms, venue in routed.rejects:
        again = [ms for ms, leg in routed.legs if leg.venue == venue and ms > at_ms]
        assert min(again, default=at_ms + reject_ms) >= at_ms + reject_ms, "who rejected is left out for a while"


@settings(max_examples=200)
@given(requests(PARAMETERS["BEST_PRICE"]), st.data())
def test_what_a_venue_rejects_or_leaves_goes_elsewhere(request: Request, data: st.DataObject) -> None:
    request = request._replace(venues=tuple(each._replace(min_lots=1, max_lots=None) for each in request.venues))
    sent = legs_of(POLICIES["BEST_PRICE"], request._replace(rests=False))
    if not sent:
        return
    leg = data.draw(st.sampled_from(sent))
    what: dict[str, Any] = data.draw(st.sampled_from([{"rejected_ms": 10_000}, {"missed_ms": 10_000}]))
    later = tuple(each._replace(**what) if each.name == leg.venue else each for each in request.venues)
    others = [each for each in later if each.name != leg.venue]
    left = request._replace(lots=leg.lots, venues=later, now=10_001, rests=False)
    again = legs_of(POLICIES["BEST_PRICE"], left)
    assert sum(each.lots for each in again) == naive_best(left, others)[0]
    assert leg.venue not in [each.venue for each in again]
    assert again_ms(left) == 10_000 + request.parameters.reject_ms
    told = tuple(each._replace(at_ms=10_001, rejected_ms=None) for each in later)
    assert again_ms(left._replace(venues=told)) is None, "a market that was told anew is believed"


def test_there_are_the_policies_that_the_docs_have() -> None:
    assert list(POLICIES) == ["NAMED", "BEST_PRICE", "SWEEP", "SPRAY", "POST_THEN_TAKE"]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policys_example_is_one(name: str) -> None:
    chosen = POLICIES[name]
    assert chosen.parameters.model_validate(chosen.example)
    assert chosen.description.endswith(".")
