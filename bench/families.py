"""What orders that make orders cost the orders stage: a quote beside many of them, and a child beside a plain order.

In memory, nothing commits. Quotes: a desk of ten thousand parents (a third each: TWAPs that wait for their next slice,
snipers whose price is far away, brackets whose stops are armed) and a million child triggers beside them is folded in
turn with a desk that has none, run after run; each is given as CPU microseconds a quote that concerns none of them, and
as a ratio of medians. The million is armed as the desk arms stops: what their orders are beside that no quote looks at.

Children: the venue acknowledges and fills each one, an entry with two reports. Clips of one order that go out together,
and slices of a TWAP one after the other; beside them plain orders, likewise acknowledged and filled.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from typing import Any

import orjson

from bench.orders import BATCH, START_MS, Bench
from bench.triggers import arm_triggers
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import REPORT, CommandType, ReportFlag, ReportType
from fillstream.libs.common.runtime.stage import Outputs

HOUR_MS = 3_600_000
FAR = "100"
"""A price that the market never comes near."""


class FamilyBench(Bench):
    """A bench whose venue answers whatever is sent to it: an acknowledgment and a fill."""

    def __init__(self) -> None:
        self.commands: list[frames.Command] = []
        super().__init__({})
        self.commands.clear()
        self.spent = 0.0

    def sent(self, out: Outputs) -> None:
        for kind, payloads in out.by_stream.values():
            if kind == b"frame":
                self.commands += [frames.Command._make(each) for one in payloads for each in frames.commands(one)]

    def signal(self, **special: Any) -> dict[bytes, bytes]:
        """Return the next order's instruction; what is no field of a plain one is its special part."""
        document = orjson.loads(self.order()[b"data"])
        plain = {name: special.pop(name) for name in [*special] if name in document}
        return {b"data": orjson.dumps(document | plain | ({"special": special} if special else {}))}

    def answers(self) -> list[dict[bytes, bytes]]:
        """Return an entry of two reports for each order that was sent."""
        found = []
        for each in self.commands:
            assert each.type == CommandType.NEW, "nothing is to be canceled here"
            self.matches += 1
            price = min(each.price, 15_001) if each.side == frames.Side.BUY else max(each.price, 14_999)
            whose = (each.account, each.symbol)
            accepted = REPORT.pack(
                each.order_id, price, each.qty, each.qty, 0, 0, *whose, ReportType.ACCEPTED, each.side, 0, 0, 0, 0
            )
            filled = REPORT.pack(
                each.order_id, price, each.qty, 0, 0, self.matches, *whose, ReportType.FILLED, each.side, 0,
                ReportFlag.TAKER, 0, 0,
            )  # fmt: skip
            found.append({b"frame.SIM": accepted + filled})
        self.commands.clear()
        return found

    def carry(self, entries: list[dict[bytes, bytes]]) -> None:
        """Fold entries and all that follows from them now."""
        while entries:
            self.spent += self.fold(entries)
            entries = self.answers()
            due = self.stage.due_ms
            if not entries and due is not None and due <= self.now_ms:
                entries = [{b"tick": b""}]

    @property
    def now_ms(self) -> int:
        return START_MS + self.count // 100

    def quoted(self) -> None:
        """Let the market be quoted anew, and what is due be done."""
        self.carry([{b"frame.SIM": self.quote(15_000)}, {b"tick": b""}])


def told(**parameters: Any) -> str:
    return orjson.dumps(parameters).decode()


def twap(bench: FamilyBench) -> dict[bytes, bytes]:
    words = told(duration_ms=10 * HOUR_MS, slices=10, urgency="AGGRESSIVE")
    return bench.signal(quantity="100", algorithm="TWAP", algorithm_parameters=words, time_in_force="GTC")


def sniper(bench: FamilyBench) -> dict[bytes, bytes]:
    return bench.signal(quantity="100", algorithm="SNIPER", algorithm_parameters=told(price=FAR), time_in_force="GTC")


def bracket(bench: FamilyBench) -> dict[bytes, bytes]:
    return bench.signal(quantity="10", stop_loss=FAR)


PARENTS: dict[str, Callable[[FamilyBench], dict[bytes, bytes]]] = {
    "TWAP": twap, "SNIPER": sniper, "bracket": bracket,
}  # fmt: skip


def work(bench: FamilyBench, parents: int) -> dict[str, float]:
    """Let so many parents work; return CPU microseconds that one of each kind took until it waited."""
    found = {}
    for name, make in PARENTS.items():
        count, bench.spent = parents // len(PARENTS), 0.0
        for start in range(0, count, BATCH):
            bench.carry([make(bench) for _ in range(min(BATCH, count - start))])
            bench.quoted()
        found[name] = round(1e6 * bench.spent / count, 1)
    state = bench.stage._state
    families = state.families
    waits = sum(each.held == "price" for each in state.live())
    assert len(families.works) == 2 * (parents // 3) and waits == parents // 3, "each of them waits"
    return found


def quotes(quick: bool) -> dict[str, Any]:
    """Return what a quote costs beside none, beside parents, and beside parents and triggers."""
    parents, count, moves, repeats = (999, 100_000, 1_000, 9) if quick else (9_999, 1_000_000, 4_000, 15)
    alone, beside, armed = FamilyBench(), FamilyBench(), FamilyBench()
    took = work(beside, parents)
    work(armed, parents)
    arm_triggers(armed, count)
    benches = {"nobody": alone, f"{parents:,} parents": beside, f"and {count:,} child triggers": armed}
    gc.collect()
    gc.freeze()
    gc.disable()
    spent: dict[str, list[float]] = {name: [] for name in benches}
    for _ in range(repeats):
        for name, bench in benches.items():
            spent[name].append(bench.moves(moves))
            assert not bench.commands, "a quote concerned somebody"
            bench.ms_on(1_000)
            bench.quoted()
    gc.enable()
    gc.unfreeze()
    first = statistics.median(spent["nobody"])
    rows = {
        name: {
            "cpu_us_per_quote": round(statistics.median(each), 2),
            "ratio": round(statistics.median(each) / first, 3),
        }
        for name, each in spent.items()
    }
    return {"parents": parents, "triggers": count, "rows": rows, "made_us": took}


def plain(bench: FamilyBench, children: int) -> None:
    for _ in range(0, children, BATCH):
        bench.carry([bench.signal(quantity="1") for _ in range(BATCH)])


def clips(bench: FamilyBench, children: int) -> None:
    words = told(largest_clip="1")
    special: dict[str, Any] = {"algorithm": "AT_ONCE", "algorithm_parameters": words, "time_in_force": "GTC"}
    bench.carry([bench.signal(quantity=str(children), **special)])


def slices(bench: FamilyBench, children: int) -> None:
    words = told(duration_ms=children * 100, slices=children, urgency="AGGRESSIVE")
    special: dict[str, Any] = {"algorithm": "TWAP", "algorithm_parameters": words, "time_in_force": "GTC"}
    bench.carry([bench.signal(quantity=str(children), **special)])
    state = bench.stage._state
    order = state.orders[max(state.families.works)]
    while order.leaves:
        bench.ms_on(100)
        bench.carry([{b"tick": b""}])


def children(quick: bool) -> dict[str, Any]:
    """Return what a child costs, each kind beside plain orders of the same run."""
    made, repeats = (500, 3) if quick else (2_000, 7)
    kinds = {"plain orders": plain, "clips of one order": clips, "slices of a TWAP": slices}
    benches = {name: FamilyBench() for name in kinds}
    gc.collect()
    gc.disable()
    spent: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(repeats):
        for name, make in kinds.items():
            bench = benches[name]
            bench.spent = 0.0
            make(bench, made)
            spent[name].append(1e6 * bench.spent / made)
            bench.ms_on(10_000)
            bench.quoted()
    gc.enable()
    first = statistics.median(spent["plain orders"])
    return {name: row(statistics.median(each), first) for name, each in spent.items()}


def row(micros: float, first: float) -> dict[str, float]:
    return {"cpu_us": round(micros, 1), "a_second": round(1e6 / micros), "ratio": round(micros / first, 2)}


def run(quick: bool) -> dict[str, Any]:
    """Return both: quotes that concern nobody, and children beside plain orders."""
    return {"quotes": quotes(quick), "children": children(quick)}
