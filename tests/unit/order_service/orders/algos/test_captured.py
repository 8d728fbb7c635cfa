"""The algorithms on five minutes of a real market: Binance spot BTCUSDT as captured, which is not ours to copy."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from fillstream.libs.common.values.money import Scale
from tests.support.algo_market import CAPTURE, Move, captured, work

pytestmark = pytest.mark.skipif(
    not CAPTURE.exists(),
    reason=f"{CAPTURE.name} is not there: a real capture is read beside the project, not kept in it",
)
WORKED_MS = 280_000
LOTS = 1_000_000  # 10 BTC


@pytest.fixture(scope="module")
def moves() -> list[Move]:
    return list(captured())


def profile(moves: list[Move], start_ms: int) -> list[int]:
    """Return what traded in each of 28 stretches: the profile that a desk would know only afterwards."""
    found = [0] * 28
    for move in moves:
        place = (move.at_ms - start_ms) * 28 // WORKED_MS
        if move.trade is not None and 0 <= place < 28:
            found[place] += move.trade[2]
    return found


def test_twap_keeps_to_its_schedule(moves: list[Move]) -> None:
    told = work("TWAP", moves, LOTS, {"slices": 28}, ms=WORKED_MS, start_ms=moves[0].at_ms + 5_000, depth=1)
    assert told.job.done == LOTS
    assert told.deviation() <= Fraction(2, 28)


@pytest.mark.parametrize("urgency", ["NEUTRAL", "AGGRESSIVE"])
def test_pov_keeps_to_its_share(moves: list[Move], urgency: str) -> None:
    told = work(
        "POV", moves, 10**9, {"participation": "0.1", "urgency": urgency, "every_ms": 250, "largest_clip": "0.5"},
        ms=WORKED_MS, start_ms=moves[0].at_ms + 5_000, depth=1, lot=Scale(Decimal("0.00001")),
    )  # fmt: skip
    assert Fraction("0.09") <= told.participation() <= Fraction("0.1")


def test_vwap_with_the_days_own_profile_trades_at_the_intervals_vwap(moves: list[Move]) -> None:
    start = moves[0].at_ms + 5_000
    told = {"profile": profile(moves, start), "slices": 140, "urgency": "AGGRESSIVE"}
    found = work("VWAP", moves, LOTS // 10, told, ms=WORKED_MS, start_ms=start, depth=1)
    assert found.job.done == LOTS // 10
    assert abs(found.slippage_bps()) < 1
