"""Execution algorithms against their definitions: on seeded markets, and on a real capture where there is one.

Each works the same order on the same market twice: by the simple runner of tests/support, and by the desk's own, with
SIM's book; figures are of what it traded. The
pictures of docs/algorithms.md are drawn on the way, into docs/algorithms/.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from fillstream.libs.common.values.money import Scale
from fillstream.tools.schedule_picture import schedule_of, svg
from tests.support.algo_desk import CAPTURED, DeskTrader, work_on_desk
from tests.support.algo_market import CAPTURE, START_MS, Move, Trader, captured, seeded, work

PICTURES = Path(__file__).parents[1] / "docs/algorithms"
LOTS = 12_000
BUSY = {0: 4, 1: 3, 8: 3, 9: 5}
"""How much larger a seeded market's trades are at its beginning and its end."""
PROFILE = [4, 3, 1, 1, 1, 1, 1, 1, 3, 5]
SHORTFALL = {"risk_aversion": "0.01", "volatility": "1.2", "temporary_impact": "0.0000001"}
WORKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("TWAP", {"urgency": "PASSIVE"}),
    ("TWAP", {"urgency": "NEUTRAL"}),
    ("TWAP", {"urgency": "AGGRESSIVE"}),
    ("TWAP", {"urgency": "AGGRESSIVE", "randomize": "0.3"}),
    ("VWAP", {"urgency": "NEUTRAL", "profile": PROFILE, "slices": 60}),
    ("VWAP", {"urgency": "AGGRESSIVE", "profile": PROFILE, "slices": 60}),
    ("POV", {"urgency": "NEUTRAL", "participation": "0.1"}),
    ("POV", {"urgency": "AGGRESSIVE", "participation": "0.1"}),
    ("IS", {"urgency": "NEUTRAL", **SHORTFALL}),
    ("IS", {"urgency": "AGGRESSIVE", **SHORTFALL}),
    ("CHASER", {}),
    ("LADDER", {"spacing_ticks": 3}),
    ("ICEBERG", {"display_quantity": 100}),
)
DRAWN = {
    "TWAP": {"urgency": "NEUTRAL", "randomize": "0.2"},
    "VWAP": {"urgency": "NEUTRAL", "profile": PROFILE, "slices": 60},
    "POV": {"urgency": "NEUTRAL", "participation": "0.1"},
    "IS": {"urgency": "NEUTRAL", **SHORTFALL},
    "LADDER": {"spacing_ticks": 3},
}
CAPTURED_MS = 280_000


def run(quick: bool) -> dict[str, Any]:
    seeds = range(2 if quick else 20)
    markets = [seeded(seed, busy=BUSY) for seed in seeds]
    rows = {
        told_of(name, told): of_all([work(name, market, LOTS, told) for market in markets]) for name, told in WORKED
    }
    PICTURES.mkdir(exist_ok=True)
    for name, told in DRAWN.items():
        picture(name.lower(), work(name, markets[0], LOTS, told, order_id=f"{name}-1"))
    few = markets[: 1 if quick else 5]
    return {
        "seeds": len(seeds), "lots": LOTS, "seeded": rows, "captured": on_capture(), "plan_us": plan_us(markets[0]),
        "desk": {
            told_of(name, told): {
                "desk": of_all([work_on_desk(name, market, LOTS, told) for market in few]),
                "simple": of_all([work(name, market, LOTS, told, depth=1) for market in few]),
            }
            for name, told in WORKED
        },
        "desk_seeds": len(few), "desk_captured": on_capture(on_desk=True),
    }  # fmt: skip


def told_of(name: str, told: Mapping[str, Any]) -> str:
    words = [str(told[each]) for each in ("urgency",) if each in told]
    words += [f"randomize {told['randomize']}"] if "randomize" in told else []
    return " ".join((name, *words))


def of_all(traders: Sequence[Trader | DeskTrader]) -> dict[str, Any]:
    """Return the figures of several runs: the mean, but for the largest deviation the largest."""

    def mean(of: Callable[[Trader | DeskTrader], Any]) -> float:
        return round(statistics.mean(float(of(each)) for each in traders), 3)

    scheduled = any(each.planned is not None for one in traders for each in one.samples)
    return {
        "done": mean(lambda one: 100 * one.job.done / one.job.lots),
        "deviation": round(max(float(100 * one.deviation()) for one in traders), 2) if scheduled else None,
        "participation": mean(lambda one: 100 * one.participation()),
        "vwap_bps": mean(lambda one: one.slippage_bps()),
        "vwap_sd_bps": round(statistics.pstdev(float(one.slippage_bps()) for one in traders), 3),
        "arrival_bps": mean(arrival_bps),
        "made": mean(lambda one: 100 * sum(each.lots for each in one.fills if each.maker) / max(1, one.job.done)),
        "children": mean(lambda one: one.sent),
    }


def arrival_bps(trader: Trader | DeskTrader) -> float:
    """Return how much worse than the mid when it began it traded (basis points)."""
    job = trader.job
    if not job.done or not job.arrival:
        return 0.0
    return 10_000 * (2 * trader.notional / job.done / job.arrival - 1)


def on_capture(on_desk: bool = False) -> dict[str, Any] | None:
    """Return the figures on the real capture, by the simple runner or the desk's; None where it is not there."""
    if not CAPTURE.exists():
        return None
    moves = list(captured())
    start = moves[0].at_ms + 5_000
    lots: dict[str, Any] = {"depth": 1, "lot": Scale(Decimal("0.00001")), "ms": CAPTURED_MS, "start_ms": start}
    runs: tuple[tuple[str, int, dict[str, Any]], ...] = (
        ("TWAP", 300_000, {"urgency": "NEUTRAL", "slices": 28}),
        ("TWAP", 300_000, {"urgency": "AGGRESSIVE", "slices": 28}),
        ("VWAP", 300_000, {"urgency": "NEUTRAL", "slices": 140, "profile": volumes(moves, start)}),
        ("VWAP", 300_000, {"urgency": "AGGRESSIVE", "slices": 140, "profile": volumes(moves, start)}),
        ("POV", 10**9, {"urgency": "NEUTRAL", "participation": "0.1", "every_ms": 250, "largest_clip": "0.5"}),
        ("POV", 10**9, {"urgency": "AGGRESSIVE", "participation": "0.1", "every_ms": 250}),
        (
            "IS",
            300_000,
            {"urgency": "NEUTRAL", "slices": 28, **SHORTFALL, "risk_aversion": "0.000000016", "volatility": "2000"},
        ),
        ("CHASER", 300_000, {}),
    )
    found = {}
    for name, quantity, told in runs:
        if on_desk:
            of_desk = work_on_desk(name, moves, quantity, told, ms=CAPTURED_MS, start_ms=start, terms=CAPTURED)
            found[told_of(name, told)] = of_all([of_desk])
            continue
        one = work(name, moves, quantity, told, order_id=f"{name}-1", **lots)
        found[told_of(name, told)] = of_all([one])
        if name == "VWAP" and told["urgency"] == "NEUTRAL":
            picture("vwap_captured", one)
    return found


def volumes(moves: Sequence[Move], start_ms: int) -> list[int]:
    """Return what traded in each of 28 stretches: the profile that one knows afterwards."""
    found = [0] * 28
    for move in moves:
        place = (move.at_ms - start_ms) * 28 // CAPTURED_MS
        if move.trade is not None and 0 <= place < 28:
            found[place] += move.trade[2]
    return found


def picture(name: str, trader: Trader) -> None:
    (PICTURES / f"{name}.svg").write_text(svg(schedule_of(trader.job.order_id, trader.events)))


def plan_us(market: Sequence[Move]) -> dict[str, float]:
    """Return what one question costs an algorithm (CPU µs), by its name."""
    found = {}
    for name, told in (*WORKED, ("SNIPER", {"price": "184.00"})):
        if name in found:
            continue
        trader = work(name, market[:200], LOTS, told)
        job, plan = trader.job, trader.algorithm.plan
        job.done, rounds = 0, 2_000
        begun = time.process_time()
        for _ in range(rounds):
            job.now = START_MS + 10_000 + job.asked
            job.asked += 1
            plan(job)
        found[name] = round((time.process_time() - begun) / rounds * 1e6, 1)
    return found
