"""What a quote costs the orders stage that concerns none of a million orders which wait for prices in the desk.

In memory, nothing commits. All variants are folded in turn, run after run, and each is given as CPU microseconds a
quote and beside the first, where nobody waits, as a ratio of medians. Orders are armed as the desk arms them; that the
orders themselves are not there saves minutes and a gigabyte, and no quote that reaches nobody looks at one.

The market walks up and down within a range that reaches no order. Trailing stops came while it walked down from far
above, so that there are thousands of best prices; then each quote of a second measure makes a new best price for all of
those below it, which is what the structure has to do at most.
"""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

from bench.orders import Bench
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import Special

MID = 15_000
SPREAD = 5_000
"""So many best prices trailing stops have seen (ticks), one below the other."""


def made(bench: Bench, kind: str, special: Special) -> Order:
    terms = bench.stage._state.terms["SIM"]["AAPL"]
    return Order(1, "s", "s", "bench", 1, terms, None, None, "SELL", kind, "GTC", 1, 1, 0, 0, special=special)


def arm_triggers(bench: Bench, count: int) -> float:
    """Arm orders that wait for bid and ask, half of them far below the market and half far above; return seconds."""
    triggers = bench.stage._state.triggers
    began = time.process_time()
    for number in range(count):
        if number % 2:
            kind, stop = "STOP", MID - 2_000 - number % 5_000
        else:
            kind, stop = "MARKET_IF_TOUCHED", MID + 2_000 + number % 5_000
        order = made(bench, kind, Special(stop=stop, trigger="BID_ASK"))
        order.order_id = 1_000_000_000 + number
        triggers.arm(order)
    return time.process_time() - began


def arm_trailing(bench: Bench, count: int) -> float:
    """Arm sell trailing stops while the bid falls to today's, each too far off to be hit; return seconds."""
    triggers = bench.stage._state.triggers
    began = time.process_time()
    for number in range(count):
        best = MID + SPREAD - number * SPREAD // count
        in_bps = bool(number % 2)
        offset = 8_000 + number % 1_000 if in_bps else SPREAD + 2_000 + number % 1_000
        special = Special(trigger="BID_ASK", offset=offset, in_bps=in_bps)
        order = made(bench, "TRAILING_STOP", special)
        order.order_id = 2_000_000_000 + number
        triggers.arm(order, best=best)
    return time.process_time() - began


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(quick: bool) -> dict[str, Any]:
    """Return CPU microseconds a quote, medians, each beside a desk where nobody waits; and what arming costs."""
    count, quotes, repeats = (100_000, 1_000, 9) if quick else (1_000_000, 4_000, 15)
    arming: dict[str, Callable[[Bench, int], float]] = {
        "nobody waits": lambda bench, count: 0.0,
        f"{count:,} triggers": arm_triggers,
        f"{count:,} trailing stops": arm_trailing,
    }
    benches, rows = {}, {}
    for name, arm in arming.items():
        before = memory_mb()
        benches[name] = bench = Bench({})
        seconds = arm(bench, count)
        rows[name] = {
            "armed": len(bench.stage._state.triggers),
            "arm_us": round(1e6 * seconds / count, 2),
            "bytes_each": round((memory_mb() - before) * (1 << 20) / count) if seconds else 0,
        }
    gc.collect()
    gc.freeze()
    gc.disable()
    spent: dict[str, list[float]] = {name: [] for name in benches}
    for _ in range(repeats):
        for name, bench in benches.items():
            spent[name].append(bench.moves(quotes))
            bench.ms_on(1_000)
            bench.fold([{b"frame.SIM": bench.quote(MID)}, {b"tick": b""}])
    first = statistics.median(spent["nobody waits"])
    for name in benches:
        micros = statistics.median(spent[name])
        rows[name] |= {"cpu_us_per_quote": round(micros, 2), "ratio": round(micros / first, 3)}
    for name, bench in benches.items():
        rising = [{b"frame.SIM": bench.quote(MID + n)} for n in range(50, 1_900)]
        rows[name]["cpu_us_per_new_best"] = round(1e6 * bench.fold(rising) / len(rising), 2)
    gc.enable()
    for row, bench in zip(rows.values(), benches.values(), strict=True):
        assert row["armed"] == len(bench.stage._state.triggers), "a quote reached somebody"
    return {"count": count, "quotes": quotes, "repeats": repeats, "variants": rows}
