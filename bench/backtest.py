"""A backtest: orders a second through the whole desk in one process, beside the bare folds of the very same entries.

A strategy sends market orders at each quote, ten or one, to an ideal venue. What is on top of the folds is the
strategy's desk, the signals' validation, the log in memory, ticks, and the record of all that is told.
"""

from __future__ import annotations

import gc
import os
import time
from typing import Any

from fillstream import Backtest, Desk, Strategy
from fillstream.backtest import backtest
from fillstream.backtest.memory_desk import MemoryDesk
from fillstream.backtest.stages import stages_at
from fillstream.demo.market_numbers import Moment
from fillstream.libs.common.engine import frames
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.strategy.market import Quote

START_NS = 1_723_161_600_000_000_000
SIZES = (10, 1)
"""Orders a quote."""


class Busy(Strategy):
    """Sends as many orders at each quote as it is told."""

    parameters = {"orders": 10}  # noqa: RUF012 - a bench's

    def __init__(self) -> None:
        self.sent = 0

    def on_quote(self, desk: Desk, quote: Quote) -> None:
        for _ in range(desk.parameters["orders"]):  # type: ignore[arg-type]
            self.sent += 1
            desk.signal("AAPL", "BUY" if self.sent % 2 else "SELL", 1 + self.sent % 100)


def market(moments: int) -> list[Moment]:
    """Return quotes of AAPL, one a millisecond."""
    record = frames.quote(1, 15_000, 10**9, 15_002, 10**9)
    return [Moment(START_NS + each * 1_000_000, "AAPL", record) for each in range(moments)]


class Recording(MemoryDesk):
    """Keeps every entry of every inbox."""

    inboxes: dict[str, list[Entry]]

    def settle(self) -> None:
        if not hasattr(self, "inboxes"):
            self.inboxes = {}
            for place in self.places:
                kept = self.inboxes.setdefault(place.runner.stage.inbox, [])
                step = place.runner.step
                place.runner.step = lambda batch, kept=kept, step=step: (kept.extend(batch), step(batch))[1]  # type: ignore[method-assign, misc]
        super().settle()


def bare(settings: Settings, run: Backtest) -> dict[str, float]:
    """Return the CPU seconds of each stage's fold alone on the entries of a run."""
    desks: list[Recording] = []
    made = backtest.MemoryDesk
    backtest.MemoryDesk = lambda *args: desks.append(Recording(*args)) or desks[-1]  # type: ignore[assignment, misc, func-returns-value]
    try:
        digests = run.run().digests
    finally:
        backtest.MemoryDesk = made  # type: ignore[misc]
    seconds = {}
    for stage in stages_at(run._settings, lambda: START_NS // 1_000_000):
        out = Outputs(stage.name, stage.inbox)
        began = time.process_time()
        for entry in desks[0].inboxes[stage.inbox]:
            out.begin(entry)
            stage.fold(entry, out)
            out.seal()
            out.clear()
        seconds[stage.name] = time.process_time() - began
        assert out.digest.hex() == digests[stage.inbox], "the same entries, the same bytes"
    return seconds


def measure(settings: Settings, orders: int, size: int, repeats: int) -> dict[str, Any]:
    run = Backtest(Busy, market(orders // size), settings=settings, account="demo", parameters={"orders": size})
    best, folds = float("inf"), {}
    for _ in range(repeats):
        gc.collect()
        began = time.process_time()
        result = run.run()
        best = min(best, time.process_time() - began)
        assert result.summary.fills == orders, "every order trades"
    gc.freeze()
    gc.disable()
    for _ in range(repeats):
        for name, seconds in bare(settings, run).items():
            folds[name] = min(folds.get(name, float("inf")), seconds)
    gc.enable()
    gc.unfreeze()
    alone = sum(folds.values())
    return {
        "orders_per_s": round(orders / best),
        "cpu_us_per_order": round(1e6 * best / orders, 1),
        "folds_us_per_order": round(1e6 * alone / orders, 1),
        "folds_us": {name: round(1e6 * seconds / orders, 1) for name, seconds in folds.items()},
        "ratio": round(best / alone, 2),
    }


def run(quick: bool) -> dict[str, Any]:
    """Return orders a second and CPU microseconds an order, by how many orders a quote has; best of several runs."""
    orders, repeats = (2_000, 3) if quick else (10_000, 5)
    os.environ["FILLSTREAM_EXECUTION__SIMULATION__ENABLED"] = "false"
    settings = load_settings()
    return {
        "orders": orders,
        "repeats": repeats,
        "rows": {size: measure(settings, orders, size, repeats) for size in SIZES},
    }
