"""Each routing policy, on markets that a person can check."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from fillstream.services.order_service.orders.routing import POLICIES
from fillstream.services.order_service.orders.routing.costs import Costs
from fillstream.services.order_service.orders.routing.policy import (
    Leg,
    Request,
    RouteParameters,
    VenueMarket,
    legs_of,
    nowhere,
    policy,
)
from fillstream.services.order_service.orders.routing.resting import with_rest  # noqa: F401 - of the example
from fillstream.services.order_service.orders.routing.spray import shares
from tests.support.tree import ROOT

A = VenueMarket("A", bids=((99, 10), (98, 10)), asks=((101, 10), (102, 10)))
B = VenueMarket("B", bids=((99, 20), (97, 10)), asks=((101, 20), (103, 10)))
DEAR = Costs(taker=Fraction(1, 100), maker=Fraction(1, 200))
REBATE = Costs(maker=Fraction(-1, 1000))


def routed(name: str, *venues: VenueMarket, parameters: dict[str, Any] | None = None, **more: Any) -> tuple[Leg, ...]:
    said = POLICIES[name].parameters.model_validate(parameters or {})
    fields = {"buy": True, "lots": 30, "limit": 103, "now": 10_000, "parameters": said, "venues": venues} | more
    return legs_of(POLICIES[name], Request(**fields))


# ---------------------------------------------------------------------------------------------------------- NAMED


def test_named_sends_all_to_the_first_venue_of_the_preferences_that_takes_orders() -> None:
    closed = A._replace(open=False, why="is halted")
    assert routed("NAMED", A, B, preferences=("B", "A")) == (Leg("B", 30, 103),)
    assert routed("NAMED", closed, B, preferences=("A", "B"), rests=True) == (Leg("B", 30, 103, rests=True),)


def test_named_waits_for_the_venue_that_it_was_told() -> None:
    assert routed("NAMED", A._replace(open=False), B, parameters={"venue": "A"}) == ()
    assert routed("NAMED", A, B, parameters={"venue": "B"}) == (Leg("B", 30, 103),)


def test_what_rests_is_called_back_when_the_parameters_say_so() -> None:
    [leg] = routed("NAMED", A, rests=True, parameters={"rest_ms": 500})
    assert leg.until_ms == 10_500


def test_named_passes_a_venue_whose_smallest_order_is_larger() -> None:
    assert routed("NAMED", A._replace(min_lots=31), B) == (Leg("B", 30, 103),)


def test_an_order_without_a_limit_goes_as_far_as_its_account_lets_it() -> None:
    assert routed("NAMED", A, limit=None, rests=True) == (Leg("A", 30, None),)


# ------------------------------------------------------------------------------------------------------ BEST_PRICE


def test_best_price_takes_the_best_levels_of_both() -> None:
    assert routed("BEST_PRICE", A, B, lots=35) == (Leg("A", 15, 102), Leg("B", 20, 101))


def test_of_equal_prices_the_preferred_venue_comes_first_and_without_preference_the_larger_one() -> None:
    assert routed("BEST_PRICE", A, B, lots=5, preferences=("A",)) == (Leg("A", 5, 101),)
    assert routed("BEST_PRICE", A, B, lots=5) == (Leg("B", 5, 101),)


def test_fees_decide_and_not_the_price_alone() -> None:
    assert routed("BEST_PRICE", A._replace(costs=DEAR), B._replace(asks=((102, 40),))) == (Leg("B", 30, 102),)


def test_a_seller_gets_the_most_after_fees() -> None:
    dear = A._replace(costs=DEAR, bids=((99, 40),))
    assert routed("BEST_PRICE", dear, B, buy=False, limit=90, lots=25) == (Leg("A", 5, 99), Leg("B", 20, 99))
    cheap = A._replace(bids=((100, 40),), costs=DEAR._replace(taker=Fraction(1, 200)))
    assert routed("BEST_PRICE", cheap, B, buy=False, limit=90, lots=25) == (Leg("A", 25, 100),)


def test_a_smallest_fee_is_paid_only_where_it_is_worth_it() -> None:
    floor = A._replace(asks=((100, 50),), costs=Costs(least=Fraction(30)))
    assert routed("BEST_PRICE", floor, B, lots=20) == (Leg("B", 20, 101),)
    assert routed("BEST_PRICE", floor, B._replace(asks=((102, 50),)), lots=20) == (Leg("A", 20, 100),)
    assert routed("BEST_PRICE", floor, B._replace(asks=((102, 50),)), lots=14) == (Leg("B", 14, 102),)


def test_a_largest_fee_makes_large_orders_cheap() -> None:
    capped = A._replace(asks=((101, 50),), costs=Costs(per_lot=Fraction(2), most=Fraction(20)))
    assert routed("BEST_PRICE", capped, B._replace(asks=((102, 50),)), lots=15) == (Leg("B", 15, 102),)
    assert routed("BEST_PRICE", capped, B._replace(asks=((102, 50),)), lots=25) == (Leg("A", 25, 101),)


def test_nothing_is_taken_beyond_the_limit_and_the_rest_rests_where_a_maker_pays_least() -> None:
    legs = routed("BEST_PRICE", A, B._replace(costs=REBATE), limit=101, lots=40, rests=True)
    assert legs == (Leg("A", 10, 101), Leg("B", 30, 101, rests=True))
    legs = routed("BEST_PRICE", A, B._replace(costs=REBATE), limit=101, lots=40)
    assert legs == (Leg("A", 10, 101), Leg("B", 20, 101))


def test_the_rest_goes_where_a_maker_nets_most_then_by_preference_then_before_the_shorter_queue() -> None:
    def rests_at(*venues: VenueMarket, **more: Any) -> str:
        [leg] = routed("BEST_PRICE", *venues, limit=99, lots=5, rests=True, **more)
        return leg.venue

    assert rests_at(A, B._replace(bids=((99, 5),))) == "B"
    assert rests_at(A, B._replace(bids=((99, 5), (98, 90)))) == "B", "what stands behind it is no queue"
    assert rests_at(A, B._replace(bids=((99, 5),)), preferences=("A",)) == "A"
    assert rests_at(A, B._replace(costs=REBATE), preferences=("A",)) == "B"
    assert rests_at(A, B._replace(costs=REBATE, fresh=False)) == "A", "of a market that nobody knows it is the last"
    assert rests_at(B._replace(costs=REBATE, fresh=False)) == "B"
    [leg] = routed("BEST_PRICE", A, B._replace(costs=REBATE), buy=False, limit=101, lots=5, rests=True)
    assert leg.venue == "B", "a seller gets a rebate, too"
    deep = A._replace(asks=((101, 10), (102, 90)))
    [leg] = routed("BEST_PRICE", deep, B, buy=False, limit=101, lots=5, rests=True)
    assert leg.venue == "A"


def test_the_rest_goes_elsewhere_where_the_best_venues_order_is_full_and_comes_back_when_told() -> None:
    full = A._replace(costs=REBATE, max_lots=10)
    legs = routed("BEST_PRICE", full, B, limit=101, lots=50, rests=True, parameters={"rest_ms": 7})
    assert legs == (Leg("A", 10, 101), Leg("B", 40, 101, rests=True, until_ms=10_007))


def test_what_can_be_had_in_whole_orders_alone_is_had_in_the_way_that_has_most() -> None:
    three = [each._replace(min_lots=3) for each in (A._replace(asks=((101, 3),)), B._replace(asks=((102, 9),)))]
    assert routed("BEST_PRICE", *three, lots=5) == (Leg("B", 5, 102),)
    assert routed("BEST_PRICE", *three, lots=6) == (Leg("A", 3, 101), Leg("B", 3, 102))


@pytest.mark.parametrize("name", ["BEST_PRICE", "SWEEP", "SPRAY"])
def test_nobody_takes_at_a_venue_that_is_closed_stale_excluded_by_a_reject_or_showed_too_much(name: str) -> None:
    for out in (
        {"open": False},
        {"fresh": False},
        {"rejected_ms": 9_000},
        {"missed_ms": 9_000, "at_ms": 9_000},
    ):
        legs = routed(name, A._replace(**out), B, lots=10, preferences=("A",))  # type: ignore[arg-type]
        assert [leg.venue for leg in legs] == ["B"], out
    back = A._replace(rejected_ms=5_000, missed_ms=9_000, at_ms=9_001)
    assert "A" in [leg.venue for leg in routed(name, back, B)]


# ----------------------------------------------------------------------------------------------------------- SWEEP


def test_a_sweep_goes_to_all_at_once_up_to_the_limit_and_the_rest_stays_at_the_best() -> None:
    assert routed("SWEEP", A, B, lots=45) == (Leg("A", 20, 103), Leg("B", 25, 103))
    assert routed("SWEEP", A, B._replace(costs=REBATE), lots=60, rests=True) == (
        Leg("A", 20, 103),
        Leg("B", 40, 103, rests=True),
    )


def test_a_sweep_that_may_not_rest_asks_the_cheapest_venue_for_what_nobody_shows() -> None:
    assert routed("SWEEP", A, B, lots=65) == (Leg("A", 35, 103), Leg("B", 30, 103))
    assert routed("SWEEP", A, B._replace(asks=((100, 5),)), lots=65) == (Leg("A", 20, 103), Leg("B", 45, 103))
    fewer = B._replace(bids=((100, 5),))
    assert routed("SWEEP", A, fewer, buy=False, limit=90, lots=65) == (Leg("A", 20, 90), Leg("B", 45, 90))
    assert routed("SWEEP", A, B, lots=65, limit=None) == (Leg("A", 35, 102), Leg("B", 30, 103))


# ----------------------------------------------------------------------------------------------------------- SPRAY


def test_a_spray_is_in_proportion_to_what_is_shown() -> None:
    assert routed("SPRAY", A, B, limit=101, lots=15) == (Leg("A", 5, 101), Leg("B", 10, 101))
    assert routed("SPRAY", A, B, lots=15, parameters={"by": "EQUAL"}, preferences=("B",)) == (
        Leg("B", 8, 103),
        Leg("A", 7, 103),
    )


def test_a_spray_takes_nothing_where_nobody_shows_anything_or_the_quote_is_old() -> None:
    assert routed("SPRAY", A, B, limit=99) == ()
    old = A._replace(fresh=False)
    assert routed("SPRAY", old, B, parameters={"by": "EQUAL"}) == (Leg("B", 30, 103),)
    assert routed("SPRAY", old, B, rests=True) == (Leg("B", 30, 103, rests=True),)
    assert len(routed("SPRAY", old, B, rests=True, parameters={"by": "EQUAL"})) == 2


def test_a_spray_that_rests_goes_by_the_queues_where_nothing_can_be_taken() -> None:
    legs = routed("SPRAY", A, B, limit=99, lots=9, rests=True)
    assert legs == (Leg("A", 3, 99, rests=True), Leg("B", 6, 99, rests=True))


def test_a_venue_whose_part_would_be_too_small_gets_none() -> None:
    assert routed("SPRAY", A._replace(min_lots=6), B, limit=101, lots=15) == (Leg("B", 15, 101),)
    assert routed("SPRAY", A._replace(min_lots=31)) == ()


def test_shares_are_whole_and_add_up() -> None:
    assert shares(10, [1, 1, 1]) == [4, 3, 3]
    assert shares(7, [0, 5, 9]) == [0, 3, 4]


# -------------------------------------------------------------------------------------------------- POST_THEN_TAKE


def test_it_posts_at_the_touch_where_a_maker_pays_least_and_takes_after_a_while() -> None:
    rebate = B._replace(costs=REBATE, bids=((98, 5),))
    [leg] = routed("POST_THEN_TAKE", A, rebate, began_ms=10_000, rests=True)
    assert leg == Leg("B", 30, 99, rests=True, post_only=True, until_ms=15_000)
    assert routed("POST_THEN_TAKE", A, rebate, began_ms=5_000, lots=5) == routed("BEST_PRICE", A, rebate, lots=5)


def test_it_never_posts_beyond_its_limit_or_where_it_would_take() -> None:
    [leg] = routed("POST_THEN_TAKE", A, B, began_ms=10_000, rests=True, limit=97)
    assert leg.ticks == 97
    locked = A._replace(asks=((99, 5),), costs=REBATE)
    [leg] = routed("POST_THEN_TAKE", locked, B, began_ms=10_000, rests=True)
    assert (leg.venue, leg.ticks) == ("B", 99)
    assert routed("POST_THEN_TAKE", locked, began_ms=10_000, rests=True, lots=5) == (Leg("A", 5, 99),)


def test_it_posts_at_the_best_touch_of_all_fresh_venues_on_either_side_and_at_the_limit_without_one() -> None:
    [leg] = routed("POST_THEN_TAKE", B._replace(bids=((97, 1),)), A, began_ms=10_000, rests=True)
    assert leg.ticks == 99
    [leg] = routed("POST_THEN_TAKE", B._replace(asks=((104, 1),)), A, buy=False, limit=90, began_ms=10_000, rests=True)
    assert leg.ticks == 101
    [leg] = routed("POST_THEN_TAKE", A, B._replace(bids=((100, 1),), fresh=False), began_ms=10_000, rests=True)
    assert leg.ticks == 99
    [leg] = routed("POST_THEN_TAKE", VenueMarket("A"), began_ms=10_000, rests=True)
    assert leg == Leg("A", 30, 103, rests=True, post_only=True, until_ms=15_000)


def test_an_order_that_may_not_rest_is_not_posted() -> None:
    assert routed("POST_THEN_TAKE", A, B, began_ms=10_000, lots=5) == routed("BEST_PRICE", A, B, lots=5)


def test_of_equal_venues_it_posts_before_the_shorter_queue() -> None:
    [leg] = routed("POST_THEN_TAKE", B, A, began_ms=10_000, rests=True)
    assert leg.venue == "A"


# ---------------------------------------------------------------------------------------------- what policies are


def test_people_are_told_why_nobody_takes_it() -> None:
    request = Request(
        True, 5, 100, 10_000, RouteParameters(),
        (
            A._replace(open=False, why="has an open breaker"), B._replace(rejected_ms=9_999),
            A._replace(name="C", missed_ms=9_999), A._replace(name="D", fresh=False), A._replace(name="E"),
        ),
    )  # fmt: skip
    assert nowhere(request) == (
        "A has an open breaker; B rejected it; C had less than it showed; D has no fresh quote; E has nothing within "
        "the limit"
    )
    assert nowhere(request._replace(venues=())) == "it has no venue"
    assert nowhere(request._replace(venues=(A._replace(min_lots=9),), limit=105)) == "no venue fits its size"


@pytest.mark.parametrize(
    ("legs", "sentence"),
    [
        ((Leg("A", 20, 103), Leg("B", 20, 103)), "its legs are 40 lots, 30 are left"),
        ((Leg("A", 1, 103), Leg("A", 1, 103)), "two of its legs go to one venue"),
        ((Leg("C", 1, 103),), "C takes nothing now"),
        ((Leg("A", 1, 104),), "the leg to A at 104 ticks goes beyond the limit, 103"),
        ((Leg("A", 1, None),), "the leg to A has no price"),
        ((Leg("B", 1, 103),), "B takes 2 to 9 lots, not 1"),
        ((Leg("B", 10, 103),), "B takes 2 to 9 lots, not 10"),
    ],
)
def test_a_policy_of_ones_own_that_says_too_much_is_told(legs: tuple[Leg, ...], sentence: str) -> None:
    wrong = POLICIES["NAMED"]._replace(name="MINE", split=lambda request: legs)
    request = Request(True, 30, 103, 10_000, RouteParameters(), (A, B._replace(min_lots=2, max_lots=9)))
    with pytest.raises(ValueError, match=f"^policy MINE: {sentence}$"):
        legs_of(wrong, request)


def test_a_policy_says_what_it_does_and_has_a_name_of_its_own() -> None:
    def silent(request: Request) -> tuple[Leg, ...]:
        return ()

    with pytest.raises(ValueError, match="policy MINE: its function must say in a docstring what it does"):
        policy("MINE", RouteParameters, example={})(silent)
    silent.__doc__ = "Says nothing."
    with pytest.raises(ValueError, match=r"policy NAMED: is .*named's already"):
        policy("NAMED", RouteParameters, example={})(silent)


def test_the_policy_of_ones_own_that_the_docs_have_is_one() -> None:
    text = (ROOT / "docs" / "routing.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    try:
        exec(code, dict(globals()))
        assert routed("CHEAPEST_MAKER", A._replace(costs=DEAR), B, rests=True) == (Leg("B", 30, 103, rests=True),)
    finally:
        POLICIES.pop("CHEAPEST_MAKER", None)
