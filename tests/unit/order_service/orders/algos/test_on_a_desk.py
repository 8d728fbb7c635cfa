"""Algorithms against their definitions under the desk's own runner, and beside the simple one on the same market."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import acosh, sinh, sqrt

import pytest

from tests.support.algo_desk import CAPTURED, DeskTrader, work_on_desk
from tests.support.algo_market import CAPTURE, START_MS, Move, Trader, captured, seeded, work

LOTS = 12_000
MS = 600_000
PROFILE = [4, 3, 1, 1, 1, 1, 1, 1, 3, 5]
DAY_MS = 86_400_000


@pytest.fixture(scope="module", params=[1, 2])
def market(request: pytest.FixtureRequest) -> list[Move]:
    return seeded(request.param, busy={0: 4, 1: 3, 8: 3, 9: 5})


def by_slice(trader: Trader | DeskTrader, slices: int = 20) -> Counter[int]:
    """Return the lots that were filled in each slice of its time."""
    found: Counter[int] = Counter()
    for each in trader.fills:
        found[(each.at_ms - START_MS) * slices // MS] += each.lots
    return found


@pytest.mark.parametrize("urgency", ["PASSIVE", "NEUTRAL", "AGGRESSIVE"])
def test_twap_is_off_by_a_slice_at_most(market: list[Move], urgency: str) -> None:
    found = work_on_desk("TWAP", market, LOTS, {"urgency": urgency})
    assert (found.job.done, len(found.samples) > 100) == (LOTS, True)
    assert 0 < found.deviation() <= Fraction(1, 20)


def test_vwap_with_the_markets_profile_trades_at_its_vwap(market: list[Move]) -> None:
    told = {"urgency": "AGGRESSIVE", "profile": PROFILE, "slices": 60}
    found = work_on_desk("VWAP", market, LOTS, told)
    assert found.job.done == LOTS
    assert abs(found.slippage_bps()) < Fraction(3, 2)


@pytest.mark.parametrize("urgency", ["NEUTRAL", "AGGRESSIVE"])
def test_pov_keeps_to_its_share_of_what_the_market_reports(market: list[Move], urgency: str) -> None:
    found = work_on_desk("POV", market, LOTS, {"urgency": urgency, "participation": "0.1"})
    assert Fraction("0.095") <= found.participation() <= Fraction("0.1")


def test_is_plans_what_the_closed_form_has(market: list[Move]) -> None:
    told = {
        "urgency": "AGGRESSIVE", "slices": 20, "risk_aversion": "0.01", "volatility": "1.2",
        "temporary_impact": "0.0000001",
    }  # fmt: skip
    found = work_on_desk("IS", market, LOTS, told)
    tau = MS / 20 / DAY_MS
    kappa = acosh(1 + (sqrt(0.01 * 1.2**2 / 1e-7) * tau) ** 2 / 2) / tau
    whole = MS / DAY_MS
    compared = 0
    for each in found.samples:
        passed = (each.at_ms - START_MS) / DAY_MS
        if each.planned is None or each.at_ms - START_MS > MS:
            continue
        done = LOTS * (1 - sinh(kappa * (whole - passed)) / sinh(kappa * whole))
        assert abs(each.planned - done) <= 1, each
        compared += 1
    assert compared > 50
    assert found.job.done == LOTS


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("TWAP", {"urgency": "AGGRESSIVE"}),
        ("VWAP", {"urgency": "AGGRESSIVE", "profile": PROFILE, "slices": 20}),
        ("LADDER", {"spacing_ticks": 3}),
    ],
)
def test_the_simple_runner_and_the_desks_fill_as_much_in_every_slice(
    market: list[Move], name: str, told: dict[str, object]
) -> None:
    ours, simple = work_on_desk(name, market, LOTS, told), work(name, market, LOTS, told, depth=1)
    assert ours.job.done == simple.job.done
    assert by_slice(ours) == by_slice(simple)
    assert abs(ours.notional - simple.notional) <= 2 * LOTS  # at most two ticks a lot: they look at other ms


@pytest.mark.skipif(not CAPTURE.exists(), reason=f"{CAPTURE.name} is not there: it is read beside the project")
def test_twap_and_pov_keep_to_their_definitions_on_a_real_market() -> None:
    moves = list(captured())
    start = moves[0].at_ms + 5_000
    twap = work_on_desk(
        "TWAP", moves, 300_000, {"slices": 28, "urgency": "AGGRESSIVE"}, ms=280_000, start_ms=start, terms=CAPTURED
    )
    assert twap.job.done == 300_000
    assert twap.deviation() <= Fraction(1, 28) + Fraction(1, 300_000)  # a lot for what is rounded
    told = {"participation": "0.1", "every_ms": 250, "urgency": "AGGRESSIVE"}
    pov = work_on_desk("POV", moves, 10**9, told, ms=280_000, start_ms=start, terms=CAPTURED)
    assert Fraction("0.09") <= pov.participation() <= Fraction("0.1")
