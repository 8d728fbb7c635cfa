"""TWAP, VWAP, IS and POV against what their names mean, on a seeded market."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Urgency
from fillstream.services.order_service.orders.algos.implementation_shortfall import front, kappa_tau
from fillstream.services.order_service.orders.algos.scheduled import by, place_of
from fillstream.services.order_service.orders.algos.twap import even
from fillstream.services.order_service.orders.algos.vwap import usual
from tests.support.algo_market import HALTED, START_MS, Move, SimJob, seeded, work

SEEDS = range(5)


def job_of(name: str, lots: int = 1_000_000, ms: int = 600_000, start_ms: int = START_MS, **told: Any) -> SimJob:
    parameters = ALGORITHMS[name].parameters.model_validate(told)
    return SimJob(True, lots, parameters, start_ms, start_ms + ms, now=start_ms)


# ---------------------------------------------------------------------------------------------------- TWAP


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("urgency", "slices_ahead"), [("AGGRESSIVE", 1), ("NEUTRAL", 1), ("PASSIVE", 2)])
def test_a_twap_is_never_further_from_its_schedule_than_its_slices(seed: int, urgency: str, slices_ahead: int) -> None:
    told = work("TWAP", seeded(seed), 6_000, {"slices": 20, "urgency": urgency})
    assert told.job.done == 6_000
    assert told.deviation() <= Fraction(slices_ahead, 20) + Fraction(1, 6_000)


def test_a_randomized_twap_is_off_by_what_was_drawn_and_no_two_orders_draw_the_same() -> None:
    told = {"slices": 20, "urgency": "AGGRESSIVE", "randomize": "0.5"}
    found = [work("TWAP", seeded(1), 6_000, told, order_id=each) for each in ("o-1", "o-1", "o-2")]
    times = [[each.at_ms for each in one.fills] for one in found]
    assert times[0] == times[1] != times[2]
    assert len({each.lots for each in found[0].fills}) > 5
    for each in found:
        assert each.job.done == 6_000
        assert each.deviation() <= Fraction(3, 40), "a slice, and half of one"


def test_an_even_schedule_begins_a_slice_in_the_ms_that_is_its() -> None:
    """600 ms in seven slices: the third begins at 2/7, which is ms 172."""
    job = job_of("TWAP", 7, 600, slices=7, urgency="AGGRESSIVE")
    job.quote.ask_qty = 100
    due = {}
    for now in range(600):
        job.now = START_MS + now
        due[now] = sum(each.lots for each in ALGORITHMS["TWAP"].plan(job).slices)
    steps = [now for now in range(600) if due[now] != due.get(now - 1, 0)]
    assert steps == [0, 86, 172, 258, 343, 429, 515]
    assert due[599] == 7
    job.now, job.done = START_MS, 1
    assert ALGORITHMS["TWAP"].plan(job).again_ms == START_MS + 86


@dataclass
class Fated(SimJob):
    """A job that draws what it is told: how late of half a slice, and how much more (500 000: no more and no less)."""

    draws: dict[str, int] = field(default_factory=dict)

    def draw(self, below: int, what: str = "") -> int:
        assert below == {"late": 500_001, "more": 1_000_001}[what]
        return self.draws[what]


def fated(**told: Any) -> Fated:
    parameters = ALGORITHMS["TWAP"].parameters.model_validate({"slices": 10, "randomize": "0.5", **told})
    job = Fated(True, 1_000, parameters, START_MS, START_MS + 100_000, now=START_MS)
    job.quote.bid, job.quote.bid_qty, job.quote.ask, job.quote.ask_qty = 99, 5_000, 101, 5_000
    return job


def asked_for(job: SimJob, ms: int) -> int:
    job.now = START_MS + ms
    return sum(each.lots for each in ALGORITHMS["TWAP"].plan(job).slices)


def test_a_drawn_slice_begins_late_and_until_then_the_one_before_stands_as_it_was_drawn() -> None:
    job = fated(urgency="AGGRESSIVE")
    job.draws = {"late": 300_000, "more": 900_000}
    assert asked_for(job, 0) == asked_for(job, 2_999) == 0
    assert ALGORITHMS["TWAP"].plan(job).again_ms == START_MS + 3_000
    assert asked_for(job, 3_000) == asked_for(job, 9_999) == 140, "a hundred, and forty more"
    job.draws = {"late": 500_000, "more": 0}
    assert asked_for(job, 10_000) == asked_for(job, 14_999) == 140
    assert asked_for(job, 15_000) == 150, "two hundred, less half of its own"
    job.draws = {"late": 0, "more": 0}
    assert asked_for(job, 70_000) == 750
    job.draws = {"late": 100, "more": 0}
    assert asked_for(job, 50_000) == 500, "the one before was never drawn: it is what the curve says"


def test_the_last_slice_begins_in_time_and_asks_for_all_that_is_left() -> None:
    job = fated(urgency="AGGRESSIVE")
    job.draws = {"late": 500_000, "more": 0}
    assert asked_for(job, 90_000) == 1_000


def test_a_neutral_one_crosses_no_more_than_is_due_however_few_were_drawn() -> None:
    """In the slice that asks for half of its lots the curve passes what is due: what is late is still what is due."""
    job = fated(urgency="NEUTRAL", largest_clip=10)
    job.draws = {"late": 0, "more": 0}
    job.now, job.done = START_MS + 9_000, 20
    plan = ALGORITHMS["TWAP"].plan(job)
    assert plan.planned == 90
    assert [(each.lots, each.rests) for each in plan.slices] == [(30, False)]


def test_who_waits_for_somebody_looks_four_times_a_slice_and_who_takes_tries_again_soon() -> None:
    job = job_of("TWAP", 100, 100_000, slices=10)
    plan = ALGORITHMS["TWAP"].plan
    job.quote.bid_qty, job.quote.ask_qty = 5, 5
    assert (plan(job).again_ms, plan(job).follows) == (START_MS + 2_500, True)
    job.parameters = job.parameters.model_copy(update={"retry_ms": 4_000})
    assert plan(job).again_ms == START_MS + 4_000
    job.parameters = job.parameters.model_copy(update={"retry_ms": 300, "urgency": Urgency.AGGRESSIVE})
    assert (plan(job).again_ms, plan(job).follows) == (START_MS + 300, False)
    job.done = 10
    assert plan(job).again_ms == START_MS + 10_000
    job.now = START_MS + 100_000
    assert plan(job).again_ms == job.now + 300, "its time is over, and the runner has not ended it yet"


def test_where_both_sides_are_missing_the_one_that_it_is_late_for_is_named() -> None:
    job = job_of("TWAP", 100, 100_000, slices=10)
    job.now = START_MS + 15_000
    plan = ALGORITHMS["TWAP"].plan(job)
    assert (plan.slices, plan.text) == ((), "nobody offers")


def test_a_slice_is_no_shorter_than_a_desk_can_follow() -> None:
    job = job_of("TWAP", 1_000, 1_000, slices=100_000, urgency="AGGRESSIVE")
    job.quote.ask_qty = 1_000
    plan = ALGORITHMS["TWAP"].plan(job)
    assert [each.lots for each in plan.slices] == [50]
    job.done = 50
    assert ALGORITHMS["TWAP"].plan(job).again_ms == START_MS + 50


def test_each_ms_is_in_one_slice_and_the_slices_lie_end_to_end() -> None:
    job, before = job_of("TWAP", 7, 1_000, slices=7), None
    for now in range(START_MS, START_MS + 1_000):
        job.now = now
        place = place_of(job)
        assert place.begins <= now < place.ends
        if before is not None and place.number != before.number:
            assert (place.number, place.begins) == (before.number + 1, before.ends)
            assert now == place.begins
        before = place
    assert before is not None
    assert (before.number, before.ends) == (6, job.end_ms)


def test_neutral_rests_until_it_is_a_clip_behind_and_then_crosses_what_it_is_behind() -> None:
    job = job_of("TWAP", 100, 100_000, slices=10)
    job.quote.bid, job.quote.bid_qty, job.quote.ask, job.quote.ask_qty = 99, 5, 101, 5
    plan = ALGORITHMS["TWAP"].plan
    job.now = START_MS + 9_900
    assert [(each.lots, each.ticks, each.rests) for each in plan(job).slices] == [(10, 99, True)]
    job.now = START_MS + 10_500
    assert [(each.lots, each.ticks, each.rests) for each in plan(job).slices] == [(10, None, False), (10, 99, True)]
    job.parameters = job.parameters.model_copy(update={"largest_clip": Decimal(15)})
    assert [(each.lots, each.ticks, each.rests) for each in plan(job).slices] == [(20, 99, True)]
    job.now = START_MS + 15_000
    assert [(each.lots, each.ticks, each.rests) for each in plan(job).slices] == [(15, None, False), (5, 99, True)]


def test_one_sided_and_locked_markets_say_why_nothing_works_and_are_rested_on_beside_the_lock() -> None:
    job = job_of("TWAP", 100, 100_000, slices=10, urgency="PASSIVE")
    plan = ALGORITHMS["TWAP"].plan
    job.quote.ask, job.quote.ask_qty = 101, 5
    assert (plan(job).slices, plan(job).text, plan(job).follows) == ((), "nobody bids", True)
    job.quote.bid, job.quote.bid_qty = 101, 5
    assert [each.ticks for each in plan(job).slices] == [100]
    job.buy = False
    assert [each.ticks for each in plan(job).slices] == [102]
    job.quote.ask_qty = 0
    assert (plan(job).slices, plan(job).text) == ((), "nobody offers")
    job.parameters = job.parameters.model_copy(update={"urgency": Urgency.AGGRESSIVE})
    assert [each.lots for each in plan(job).slices] == [10]
    job.quote.bid_qty = 0
    assert (plan(job).slices, plan(job).text) == ((), "nobody bids")


def test_after_a_halt_it_catches_up_with_its_schedule() -> None:
    moves = seeded(3)
    halted = [Move(START_MS + 100_000, session=HALTED), Move(START_MS + 220_000, session="CONTINUOUS")]
    told = work("TWAP", sorted([*moves, *halted], key=lambda move: move.at_ms), 6_000, {"slices": 20})
    during = [each for each in told.fills if START_MS + 100_000 < each.at_ms < START_MS + 220_000]
    soon = [each for each in told.samples if each.at_ms > START_MS + 240_000]
    assert during == []
    assert told.job.done == 6_000
    assert max(abs((each.planned or 0) - each.done) for each in soon) <= 301


def test_more_and_later_are_taken_up_from_where_it_stands() -> None:
    job = job_of("TWAP", 100, 100_000, slices=10, urgency="AGGRESSIVE")
    job.quote.ask_qty = 1_000
    job.now, job.done = START_MS + 50_000, 50
    assert sum(each.lots for each in ALGORITHMS["TWAP"].plan(job).slices) == 10
    job.lots = 200
    assert sum(each.lots for each in ALGORITHMS["TWAP"].plan(job).slices) == 70
    job.lots, job.end_ms = 100, START_MS + 200_000
    assert ALGORITHMS["TWAP"].plan(job).slices == (), "done is ahead of the slower schedule"


# ---------------------------------------------------------------------------------------------------- VWAP


def test_a_profile_of_equal_shares_is_a_twap() -> None:
    job, flat = job_of("VWAP", profile=[2] * 7), job_of("TWAP")
    for at in range(START_MS, START_MS + 600_001, 1_234):
        assert usual(job, at) == even(flat, at)


def test_a_profile_of_a_day_is_read_from_where_the_order_begins_and_comes_again_after_midnight() -> None:
    midnight = START_MS - START_MS % DAY_MS
    hours = [0] * 22 + [1, 3]
    told = {"profile": hours, "profile_bucket_ms": 3_600_000}
    late = job_of("VWAP", ms=2 * 3_600_000, start_ms=midnight + 22 * 3_600_000, **told)
    assert [usual(late, late.start_ms + half * 1_800_000) for half in range(5)] == [
        0, Fraction(1, 8), Fraction(1, 4), Fraction(5, 8), 1,
    ]  # fmt: skip
    over = job_of("VWAP", ms=DAY_MS, start_ms=midnight + 23 * 3_600_000, **told)
    assert usual(over, midnight + DAY_MS) == usual(over, midnight + DAY_MS + 20 * 3_600_000) == Fraction(3, 4)
    nothing = job_of("VWAP", ms=3_600_000, start_ms=midnight, **told)
    assert usual(nothing, midnight + 900_000) == Fraction(1, 4), "no usual volume at all: evenly"


def test_a_profile_may_begin_later_than_midnight() -> None:
    midnight, hour = START_MS - START_MS % DAY_MS, 3_600_000
    told = {"profile": [4, *[0] * 23], "profile_bucket_ms": hour, "profile_begins_ms": 2 * hour}
    job = job_of("VWAP", ms=3 * hour, start_ms=midnight + hour, **told)
    assert [by(job, usual, midnight + half * hour // 2) for half in range(2, 9)] == [
        0, 0, 0, 500_000, 1_000_000, 1_000_000, 1_000_000,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_right_profile_a_vwap_is_nearer_to_the_intervals_vwap_than_a_twap(seed: int) -> None:
    """A market that trades ten times as much in its first and last tenth, and whose price rises late."""
    busy = {0: 10, 9: 10}
    moves = [
        move._replace(quote=tuple(a + b for a, b in zip(move.quote, drift(move.at_ms), strict=True)))  # type: ignore[arg-type]
        if move.quote
        else move._replace(trade=(move.trade[0], move.trade[1] + drift(move.at_ms)[0], move.trade[2]))
        if move.trade
        else move
        for move in seeded(seed, busy=busy)
    ]
    common = {"slices": 60, "urgency": "AGGRESSIVE"}
    usual_day = {"profile": [10, 1, 1, 1, 1, 1, 1, 1, 1, 10], **common}
    by_volume, by_time = work("VWAP", moves, 6_000, usual_day), work("TWAP", moves, 6_000, common)
    assert abs(by_volume.slippage_bps()) < abs(by_time.slippage_bps())
    assert abs(by_volume.slippage_bps()) < 5


def drift(at_ms: int) -> tuple[int, int, int, int]:
    """Return what is added to a quote: the price rises late, by 200 ticks in the last tenth."""
    ticks = max(0, at_ms - START_MS - 540_000) * 200 // 60_000
    return ticks, 0, ticks, 0


# ---------------------------------------------------------------------------------------------------- IS

PAPER = {
    "risk_aversion": "0.000001", "volatility": "0.9486832980505138", "temporary_impact": "0.0000025",
    "permanent_impact": "0.00000025", "slices": 5,
}  # fmt: skip
"""The example of Almgren and Chriss: a million units at 50, 30% a year, five days; by DROP's OptimalTrajectoryNoDrift
(github.com/lakshmiDRIP/DROP) these are left after each."""
LEFT = ("542380.7", "290295.1", "148216.1", "62303.2", "0")


def test_is_has_the_published_trajectory_of_the_papers_example() -> None:
    job = job_of("IS", 10_000_000, 5 * DAY_MS, **PAPER)  # lots of a tenth
    left = [10_000_000 - by(job, front, START_MS + day * DAY_MS) for day in range(1, 6)]
    assert [abs(found - int(Decimal(each) * 10)) <= 1 for found, each in zip(left, LEFT, strict=True)] == [True] * 5
    told = job.parameters
    kappa = kappa_tau(told.risk_aversion, told.volatility, told.temporary_impact, told.permanent_impact, 5 * DAY_MS, 5)
    assert round(kappa, 4) == Decimal("0.6063")


def sinh(x: Fraction) -> Fraction:
    """Return the hyperbolic sine by its series: another way than the code's, to 60 digits for what is below 30."""
    term, total, n = x, x, 1
    while abs(term) > Fraction(1, 10**60):
        term = term * x * x / ((n + 1) * (n + 2))
        term = Fraction(round(term * 10**90), 10**90)
        total, n = total + term, n + 2
    return total


@pytest.mark.parametrize("risk_aversion", ["0", "1e-18", "1e-9", "1e-6", "1e-5", "1e-4"])
@pytest.mark.parametrize("slices", [1, 5, 50])
def test_is_follows_the_closed_form_to_the_lot(risk_aversion: str, slices: int) -> None:
    lots = 10**35  # far more than there are: the digits of a context that is not the code's own would show
    told = {**PAPER, "risk_aversion": Decimal(risk_aversion), "slices": slices, "permanent_impact": 0}
    job = job_of("IS", lots, 5 * DAY_MS, **told)
    with localcontext(prec=70):
        tau = Decimal(5) / slices
        tilde = (Decimal(risk_aversion) * Decimal(PAPER["volatility"]) ** 2 / Decimal(PAPER["temporary_impact"])).sqrt()  # type: ignore[arg-type]
        y = (tilde * tau) ** 2 / 2
        kappa = Fraction((1 + y + (y * (y + 2)).sqrt()).ln() / tau)
    for sixth in range(7):
        t = Fraction(5 * sixth, 6)
        share = (5 - t) / 5 if not kappa else sinh(kappa * (5 - t)) / sinh(kappa * 5)
        found = lots - by(job, front, START_MS + 5 * DAY_MS * sixth // 6)
        assert abs(found - lots * share) <= 1


def test_the_more_its_owner_minds_risk_the_faster_it_begins() -> None:
    done = []
    for risk_aversion in ("0", "0.0000001", "0.000001", "0.00001"):
        job = job_of("IS", 10**6, 5 * DAY_MS, **{**PAPER, "risk_aversion": risk_aversion})
        done.append(by(job, front, START_MS + DAY_MS))
    assert done == sorted(done)
    assert done[0] == 200_000
    assert done[-1] > 700_000


def test_a_permanent_impact_that_the_model_has_no_answer_for_is_left_out() -> None:
    with_it = job_of("IS", 10**6, 5 * DAY_MS, **{**PAPER, "permanent_impact": "0.000005"})
    without = job_of("IS", 10**6, 5 * DAY_MS, **{**PAPER, "permanent_impact": "0"})
    assert by(with_it, front, START_MS + DAY_MS) == by(without, front, START_MS + DAY_MS)


# ---------------------------------------------------------------------------------------------------- POV


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("urgency", "share"),
    [("PASSIVE", "0.05"), ("PASSIVE", "0.25"), ("NEUTRAL", "0.25"), ("AGGRESSIVE", "0.25"), ("AGGRESSIVE", "0.5")],
)
def test_a_pov_has_its_share_of_what_the_market_traded_and_never_more(seed: int, urgency: str, share: str) -> None:
    told = work("POV", seeded(seed), 10**7, {"participation": share, "urgency": urgency})
    assert told.participation() <= Fraction(share)
    assert told.participation() >= Fraction(share) * Fraction("0.9")


def test_a_pov_of_a_silent_market_trades_nothing_and_one_of_all_of_it_does_not_wait() -> None:
    job = job_of("POV", 100, participation="0.5")
    job.quote.bid_qty = job.quote.ask_qty = 10
    assert ALGORITHMS["POV"].plan(job).slices == ()
    assert ALGORITHMS["POV"].plan(job).again_ms == START_MS + 1_000
    job.volume = 10
    assert ALGORITHMS["POV"].plan(job).again_ms == START_MS + 250, "it crosses, and tries again soon"
    assert sum(each.lots for each in ALGORITHMS["POV"].plan(job).slices) == 10
    job.volume, job.done, job.own = 20, 10, 10
    assert ALGORITHMS["POV"].plan(job).slices == (), "its own trades are no reason to trade more"
    job.parameters = job.parameters.model_copy(update={"participation": Decimal(1)})
    assert sum(each.lots for each in ALGORITHMS["POV"].plan(job).slices) == 90
