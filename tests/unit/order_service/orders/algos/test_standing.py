"""ICEBERG, SNIPER, CHASER and LADDER: what they ask for as the market moves and fills come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from fillstream.services.order_service.orders.algos import ALGORITHMS
from tests.support.algo_market import START_MS, SimJob, seeded, work


def job_of(name: str, *, buy: bool = True, lots: int = 100, limit: int | None = None, **told: Any) -> SimJob:
    parameters = ALGORITHMS[name].parameters.model_validate(told)
    job = SimJob(buy, lots, parameters, START_MS, None, limit, now=START_MS)
    quote(job, 99, 101)
    return job


def quote(job: SimJob, bid: int | None, ask: int | None, lots: int = 50) -> None:
    job.quote.bid, job.quote.bid_qty = (bid, lots) if bid is not None else (0, 0)
    job.quote.ask, job.quote.ask_qty = (ask, lots) if ask is not None else (0, 0)


def wanted(job: SimJob) -> list[tuple[int, int | None]]:
    return [(each.lots, each.ticks) for each in ALGORITHMS[_name(job)].plan(job).slices]


def _name(job: SimJob) -> str:
    [name] = [each.name for each in ALGORITHMS.values() if each.parameters is type(job.parameters)]
    return name


# ---------------------------------------------------------------------------------------------------- ICEBERG


def test_an_iceberg_shows_the_next_tip_when_the_first_is_gone_and_not_before() -> None:
    job = job_of("ICEBERG", limit=98, display_quantity=30)
    assert wanted(job) == [(30, 98)]
    job.open, job.done = 18, 12
    assert wanted(job) == [(18, 98)], "a tip is not filled up"
    job.open, job.done = 0, 30
    assert wanted(job) == [(30, 98)]
    job.open, job.done = 0, 90
    assert wanted(job) == [(10, 98)], "the last is what is left"


def test_an_icebergs_tips_vary_as_drawn_and_stay_as_drawn_until_they_are_gone() -> None:
    job = job_of("ICEBERG", lots=10_000, limit=98, display_quantity=100, randomize="0.5")
    tips = []
    for _ in range(20):
        [(tip, _)] = wanted(job)
        assert wanted(job) == [(tip, 98)]
        tips.append(tip)
        job.done += tip
    assert all(50 <= tip <= 150 for tip in tips)
    assert len(set(tips)) > 10


def test_an_iceberg_without_a_limit_stays_where_the_touch_was_when_its_tip_came() -> None:
    job = job_of("ICEBERG", display_quantity=30)
    quote(job, None, 101)
    assert ALGORITHMS["ICEBERG"].plan(job).text == "nobody bids"
    quote(job, 99, 101)
    assert wanted(job) == [(30, 99)]
    job.open = 30
    quote(job, 95, 97)
    assert wanted(job) == [(30, 99)]
    job.open, job.done = 0, 30
    assert wanted(job) == [(30, 95)]


def test_an_amended_limit_moves_the_tip() -> None:
    job = job_of("ICEBERG", limit=98, display_quantity=30)
    wanted(job)
    job.open, job.limit = 30, 97
    assert wanted(job) == [(30, 97)]


@pytest.mark.parametrize("seed", range(3))
def test_an_iceberg_on_a_market_never_shows_more_than_a_tip(seed: int) -> None:
    told = work("ICEBERG", seeded(seed), 5_000, {"display_quantity": 100}, limit=18_485)
    assert told.job.done > 0
    assert all(each.ticks <= 18_485 and each.lots <= 100 for each in told.fills)


# ---------------------------------------------------------------------------------------------------- SNIPER


def test_a_sniper_shows_nothing_until_the_other_side_reaches_its_price() -> None:
    job = job_of("SNIPER", price="0.98")
    plan = ALGORITHMS["SNIPER"].plan(job)
    assert (plan.slices, plan.touch, plan.follows) == ((), 98, False)
    quote(job, 95, 98)
    plan = ALGORITHMS["SNIPER"].plan(job)
    assert [(each.lots, each.ticks, each.rests) for each in plan.slices] == [(100, 98, False)]
    assert plan.again_ms == START_MS + 250, "what found nobody is not sent again at once"
    seller = job_of("SNIPER", buy=False, price="1.03")
    assert wanted(seller) == []
    quote(seller, 103, 104)
    assert wanted(seller) == [(100, 103)]


def test_a_sniper_waits_for_as_many_as_it_was_told_or_as_it_has_left() -> None:
    job = job_of("SNIPER", price="1.01", minimum_quantity=60)
    plan = ALGORITHMS["SNIPER"].plan(job)
    assert (plan.slices, plan.follows, plan.text) == ((), True, "too few are quoted there")
    job.done = 50
    assert wanted(job) == [(50, 101)]


def test_a_sniper_never_waits_for_a_price_beyond_the_orders_own() -> None:
    job = job_of("SNIPER", price="1.05", limit=100)
    plan = ALGORITHMS["SNIPER"].plan(job)
    assert (plan.slices, plan.touch) == ((), 100)


def test_a_price_between_ticks_is_kept_on_the_side_that_was_promised() -> None:
    assert ALGORITHMS["SNIPER"].plan(job_of("SNIPER", price="0.987")).touch == 98
    assert ALGORITHMS["SNIPER"].plan(job_of("SNIPER", buy=False, price="1.023")).touch == 103


# ---------------------------------------------------------------------------------------------------- CHASER


def test_a_chaser_follows_the_touch_both_ways_by_moves_that_are_large_enough() -> None:
    job = job_of("CHASER", offset_ticks=2, minimum_move_ticks=3)
    assert wanted(job) == [(100, 97)]
    quote(job, 101, 103)
    assert wanted(job) == [(100, 97)]
    quote(job, 102, 104)
    assert wanted(job) == [(100, 100)]
    quote(job, 90, 92)
    assert wanted(job) == [(100, 88)]
    quote(job, None, 92)
    assert wanted(job) == [(100, 88)], "without a bid there is nothing to follow"
    seller = job_of("CHASER", buy=False, offset_ticks=2)
    assert wanted(seller) == [(100, 103)]


def test_a_chaser_stays_within_the_orders_limit_and_short_of_the_other_side() -> None:
    job = job_of("CHASER", limit=98, offset_ticks=-5)
    assert wanted(job) == [(100, 98)]
    job.limit = 200
    assert wanted(job) == [(100, 100)], "in front of the bid, and not at the ask"
    job.limit = 95
    job.parameters = job.parameters.model_copy(update={"minimum_move_ticks": 50})
    assert wanted(job) == [(100, 95)], "an amended limit moves it, however small the move"


def test_a_chaser_does_not_chase_itself() -> None:
    """In front of the best bid it is the best bid: without looking it would go up to the ask, tick by tick."""
    job = job_of("CHASER", offset_ticks=-1)
    quote(job, 90, 101)
    assert wanted(job) == [(100, 91)]
    job.open = 100
    quote(job, 91, 101, lots=100)
    assert wanted(job) == [(100, 91)]
    quote(job, 91, 101, lots=130)
    assert wanted(job) == [(100, 92)], "somebody else stands there, too"


def test_a_chaser_waits_for_a_market() -> None:
    job = job_of("CHASER", buy=False)
    quote(job, 99, None)
    plan = ALGORITHMS["CHASER"].plan(job)
    assert (plan.slices, plan.text, plan.follows) == ((), "nobody offers", True)


@pytest.mark.parametrize("seed", range(3))
def test_a_chaser_that_only_makes_never_pays_the_spread(seed: int) -> None:
    told = work("CHASER", seeded(seed), 5_000, {})
    assert told.job.done == 5_000
    assert all(each.maker for each in told.fills)


# ---------------------------------------------------------------------------------------------------- LADDER


def test_a_ladder_rests_at_its_levels_and_goes_on_with_what_is_left_of_them() -> None:
    job = job_of("LADDER", levels=4, spacing_ticks=5, limit=98)
    assert wanted(job) == [(25, 98), (25, 93), (25, 88), (25, 83)]
    job.done = 30
    assert wanted(job) == [(20, 93), (25, 88), (25, 83)]
    seller = job_of("LADDER", buy=False, levels=2, spacing_ticks=5, first_price="1.05")
    assert wanted(seller) == [(50, 105), (50, 110)]


def test_a_ladders_sizes_grow_by_its_ratio_and_add_up_to_the_lot() -> None:
    job = job_of("LADDER", lots=1_001, levels=4, spacing_percent=10, sizes="GEOMETRIC", ratio=2, limit=1_000)
    assert wanted(job) == [(66, 1_000), (134, 900), (267, 810), (534, 729)]
    assert sum(lots for lots, _ in wanted(job)) == 1_001


def test_percents_are_rounded_away_from_the_market_and_two_levels_are_never_one() -> None:
    assert wanted(job_of("LADDER", levels=3, spacing_percent="0.1", limit=98)) == [(33, 98), (33, 97), (34, 96)]
    dear = job_of("LADDER", levels=2, spacing_percent="0.15", limit=1_000, buy=False)
    assert wanted(dear) == [(50, 1_000), (50, 1_002)]


def test_a_ladder_without_a_price_begins_where_the_touch_is_and_stays_there() -> None:
    job = job_of("LADDER", levels=2, spacing_ticks=1)
    quote(job, None, None)
    assert ALGORITHMS["LADDER"].plan(job).text == "nobody bids"
    quote(job, 99, 101)
    assert wanted(job) == [(50, 99), (50, 98)]
    quote(job, 120, 121)
    assert wanted(job) == [(50, 99), (50, 98)]


def test_levels_without_a_price_above_nothing_are_left_out_and_said() -> None:
    job = job_of("LADDER", levels=4, spacing_ticks=1, limit=2)
    assert wanted(job) == [(25, 2), (25, 1)]
    assert ALGORITHMS["LADDER"].plan(job).text == "levels at a price of 0 or below wait for an amendment"


def test_where_the_first_is_at_nothing_already_the_others_go_on_below() -> None:
    assert wanted(job_of("LADDER", levels=2, spacing_percent=10, limit=0)) == [(50, 0), (50, -1)]


def test_a_first_price_between_ticks_is_taken_away_from_the_market() -> None:
    assert wanted(job_of("LADDER", levels=1, spacing_ticks=1, first_price="0.987")) == [(100, 98)]
    assert wanted(job_of("LADDER", levels=1, spacing_ticks=1, first_price="1.023", buy=False)) == [(100, 103)]


@pytest.mark.parametrize(
    "told", [{}, {"spacing_ticks": 1, "spacing_percent": Decimal(1)}, {"spacing_ticks": 0}, {"spacing_percent": 100}]
)
def test_a_ladder_is_spaced_in_one_way(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="spacing"):
        ALGORITHMS["LADDER"].parameters.model_validate(told)
