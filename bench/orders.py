"""What a plain order costs the orders stage: without limits, with each family of them, with all, and on a busy desk.

In memory, nothing commits. An order is a limit order that the venue acknowledges and fills: an instruction and two
reports. All variants are folded in turn, run after run, so that a machine that slows down slows all of them; each is
given as CPU microseconds and beside the first, a desk without any of it, as a ratio of medians.

The busy desks hold what does not concern the order: a hundred thousand orders that wait for other prices, ten thousand
accounts. A market that moves without reaching them is measured as well.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from bench.stages import CONFIG, INSTRUMENT
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import REPORT, ReportFlag, ReportType
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage

TOPOLOGY = Topology()
START_MS = 1_700_000_000_000
BATCH = 100
HUGE = Decimal(10) ** 15
FAMILIES: dict[str, dict[str, Any]] = {
    "position": {"max_position": HUGE, "max_open_orders": 10**6, "may_short": False},
    "exposure": {"max_symbol_exposure": HUGE, "max_gross_exposure": HUGE, "max_net_exposure": HUGE},
    "buying power": {"account_type": "margin", "initial_margin": Decimal("0.1")},
    "daily loss": {"max_daily_loss": HUGE},
    "activity": {"duplicate_window_ms": 1, "max_orders_per_window": 10**6, "refuse_self_cross": True},
    "breakers": {"breaker_orders": 10**6, "breaker_rejects": 10**6},
}
ALL: dict[str, Any] = {name: value for family in FAMILIES.values() for name, value in family.items()}


class Bench:
    """One orders stage, and orders of an account that go all the way through it."""

    def __init__(self, terms: dict[str, Any], accounts: int = 1, waiting: int = 0) -> None:
        own = AccountTerms(**{**CONFIG.accounts["bench"].model_dump(), **terms})
        others = {f"other-{n}": AccountTerms(**{**own.model_dump(), "id": n}) for n in range(2, accounts + 1)}
        config = DeskConfig(instruments={"AAPL": INSTRUMENT}, accounts={"bench": own, **others})
        self.stage = OrdersStage(TOPOLOGY, 0, config)
        self.out = Outputs("orders", self.stage.inbox)
        self.count = self.orders = self.matches = 0
        configuration = self.stage.configuration()
        assert configuration is not None
        self.fold([configuration])
        self.stage._state.holdings.adjust("bench", HUGE)
        self.fold([{b"frame.SIM": self.quote(15_000)}])
        for _ in range(0, waiting, BATCH):
            self.fold([self.order("MARKET_IF_TOUCHED", stop_price="10") for _ in range(min(BATCH, waiting))])
        self.fold([{b"frame.SIM": self.quote(15_000)}])
        self.ms_on(1_000)
        self.fold([{b"tick": b""}])
        self.run(200)
        gc.collect()

    def ms_on(self, ms: int) -> None:
        self.count += 100 * ms

    def fold(self, entries: list[dict[bytes, bytes]]) -> float:
        """Fold entries; return the CPU seconds."""
        made = []
        for fields in entries:
            self.count += 1
            ms = START_MS + self.count // 100
            made.append(Entry(f"{ms}-{self.count}", ms, fields))
        stage, out = self.stage, self.out
        began = time.process_time()
        for entry in made:
            out.begin(entry)
            stage.fold(entry, out)
            out.seal()
        seconds = time.process_time() - began
        assert not out.dead, out.dead[0]
        for _, payloads in out.by_stream.values():
            assert not any(b'"OrderRejected"' in each for each in payloads), "an order is refused"
        self.sent(out)
        out.clear()
        return seconds

    def sent(self, out: Outputs) -> None:
        """Look at what a fold sent, where that is needed."""

    def quote(self, mid: int) -> bytes:
        return REPORT.pack(
            0, mid - 1, 10**9, mid + 1, 10**9, 0, 0, 1, ReportType.QUOTED, 0, 0, 0, frames.PARTITION_ALL, 0
        )

    def order(self, kind: str = "LIMIT", **special: str) -> dict[bytes, bytes]:
        self.orders += 1
        name = f"s{self.orders}"
        document: dict[str, Any] = {
            "type": "NewOrder", "v": 1, "signal_id": name, "client_order_id": name, "account": "bench",
            "symbol": "AAPL", "side": "BUY", "quantity": str(1 + self.orders % 90), "order_type": kind,
            "price": "150.00" if kind == "LIMIT" else None, "time_in_force": None, "strategy": None,
            "confidence": None, "signal_time": START_MS,
        }  # fmt: skip
        if special:
            document["special"] = special
        return {b"data": orjson.dumps(document)}

    def reports(self) -> dict[bytes, bytes]:
        """Return the venue's two reports of the newest order."""
        self.matches += 1
        lots, order_id = 1 + self.orders % 90, self.orders
        of_order = (1, 1, ReportType.ACCEPTED, 1, 0, 0, 0, 0)
        accepted = REPORT.pack(order_id, 15_000, lots, lots, 0, 0, *of_order)
        of_fill = (1, 1, ReportType.FILLED, 1, 0, ReportFlag.TAKER, 0, 0)
        return {b"frame.SIM": accepted + REPORT.pack(order_id, 15_000, lots, 0, 0, self.matches, *of_fill)}

    def run(self, orders: int) -> float:
        """Carry orders through; return CPU microseconds an order."""
        seconds = 0.0
        for _ in range(0, orders, BATCH):
            made = []
            for _ in range(BATCH):
                made += [self.order(), self.reports()]
            seconds += self.fold(made)
        return 1e6 * seconds / orders

    def moves(self, quotes: int) -> float:
        """Move the market without reaching anybody; return CPU microseconds a quote."""
        return 1e6 * self.fold([{b"frame.SIM": self.quote(15_000 + n % 50)} for n in range(quotes)]) / quotes


def run(quick: bool) -> dict[str, Any]:
    """Return CPU microseconds an order and a quote, medians, and each beside a desk without limits."""
    orders, repeats, waiting, accounts = (1_000, 5, 10_000, 1_000) if quick else (4_000, 9, 100_000, 10_000)
    variants: dict[str, Callable[[], Bench]] = {
        "no limits": lambda: Bench({}),
        **{f"limits: {name}": lambda terms=terms: Bench(terms) for name, terms in FAMILIES.items()},  # type: ignore[misc]
        "limits: all": lambda: Bench(ALL),
        f"{waiting:,} orders wait": lambda: Bench({}, waiting=waiting),
        f"{accounts:,} accounts": lambda: Bench({}, accounts=accounts),
    }
    made = {name: make() for name, make in variants.items()}
    gc.freeze()
    gc.disable()
    spent: dict[str, list[float]] = {name: [] for name in made}
    quoted: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(repeats):
        for name, bench in made.items():
            spent[name].append(bench.run(orders))
            quoted[name].append(bench.moves(orders))
            bench.ms_on(1_000)
            bench.fold([{b"frame.SIM": bench.quote(15_000)}, {b"tick": b""}])
    gc.enable()
    first = statistics.median(spent["no limits"])
    first_quote = statistics.median(quoted["no limits"])
    rows = {}
    for name in made:
        micros, quote = statistics.median(spent[name]), statistics.median(quoted[name])
        rows[name] = {
            "cpu_us_per_order": round(micros, 2), "ratio": round(micros / first, 3),
            "cpu_us_per_quote": round(quote, 2), "quote_ratio": round(quote / first_quote, 3),
        }  # fmt: skip
    return {"orders": orders, "repeats": repeats, "variants": rows}
