"""Each stage alone: its fold in memory, on the entries it would really get, in entries and CPU microseconds.

One workload goes all the way: market orders are folded by the signals stage, what it sends by the orders stage, and
so on, in batches as large as under load. No Redis: what commits cost is measured end to end.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.codes import OrderType, TimeInForce
from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms
from fillstream.libs.common.messages.stages import STAGES
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs, Stage, configuration_of
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage
from fillstream.services.position_service.stage import PositionStage

BATCH = 500
START_MS = 1_700_000_000_000
TOPOLOGY = Topology()
INSTRUMENT = InstrumentTerms(id=1, tick_size=Decimal("0.01"), lot_size=Decimal(1), taker_fee_bps=Decimal("0.35"))
CONFIG = DeskConfig(
    instruments={"AAPL": INSTRUMENT},
    accounts={
        "bench": AccountTerms(
            id=1, max_order_value=Decimal(10**12), max_daily_orders=10**9, max_slippage_bps=Decimal(50)
        )
    },
    default_order_type=OrderType.MARKET,
    default_time_in_force=TimeInForce.GTC,
)
QUOTE = frames.quote(1, 15_000, 10**14, 15_002, 10**14)
LISTINGS = {1: Listing("AAPL", INSTRUMENT)}


def signal(n: int) -> dict[bytes, bytes]:
    """Return the flat fields of the n-th signal, as a client would send them."""
    side = b"BUY" if n % 2 else b"SELL"
    return {
        b"signal_id": b"sig-%d" % n, b"account": b"bench", b"symbol": b"AAPL", b"side": side,
        b"quantity": b"%d" % (1 + n % 100), b"order_type": b"MARKET",
    }  # fmt: skip


class Pipe:
    """Gives ids to what stages send, as Redis would."""

    def __init__(self) -> None:
        self._count = 0

    def entries(self, fields: Iterable[dict[bytes, bytes]]) -> list[Entry]:
        made = []
        for each in fields:
            self._count += 1
            ms = START_MS + self._count // 100
            made.append(Entry(f"{ms}-{self._count}", ms, each))
        return made


def fold(stage: Stage, entries: list[Entry], out: Outputs) -> tuple[dict[str, list[dict[bytes, bytes]]], float]:
    """Fold entries in batches; return what was sent by stream, packed as commits pack it, and the CPU seconds."""
    sent: dict[str, list[dict[bytes, bytes]]] = {}
    seconds = 0.0
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        began = time.process_time()
        for entry in batch:
            out.begin(entry)
            stage.fold(entry, out)
            out.seal()
        seconds += time.process_time() - began
        for stream, (kind, payloads) in out.by_stream.items():
            items = payloads if kind == b"data" else [b"".join(payloads)]
            sent.setdefault(stream, []).extend({kind: item} for item in items)
        assert not out.dead, out.dead[0]
        out.clear()
    return sent, seconds


def once(signals: int) -> dict[str, dict[str, float]]:
    """Carry one workload through all stages."""
    t, pipe, result = TOPOLOGY, Pipe(), {}
    made = (SignalsStage(t), OrdersStage(t, 0, CONFIG), EngineStage(t, 0, LISTINGS), PositionStage(0))
    stages: dict[str, Stage] = {stage.name: stage for stage in made}
    assert stages.keys() == STAGES.keys()
    outs = {name: Outputs(name, stage.inbox) for name, stage in stages.items()}

    def run(name: str, fields: list[dict[bytes, bytes]], units: int) -> dict[str, list[dict[bytes, bytes]]]:
        sent, seconds = fold(stages[name], pipe.entries(fields), outs[name])
        row = result.setdefault(name, {"units": 0.0, "seconds": 0.0})
        row["units"] += units
        row["seconds"] += seconds
        return sent

    configured = configuration_of(stages["orders"])
    assert configured is not None
    opening = fold(stages["orders"], pipe.entries([configured]), outs["orders"])[0]["events.0"]
    quoted = fold(stages["engine"], pipe.entries([{b"frame": QUOTE}]), outs["engine"])[0]
    fold(stages["orders"], pipe.entries(quoted["orders.0"]), outs["orders"])
    instructions = run("signals", [signal(n) for n in range(signals)], signals)["orders.0"]
    routed = run("orders", instructions, signals)
    commands = routed["commands.SIM.0"]
    reports = run("engine", commands, signals)["orders.0"]
    told = run("orders", reports, 0)
    journal = opening + routed["events.0"] + told["events.0"]
    booked = run("positions", journal, signals)["positions.0"]
    assert sum(b'"PositionChanged"' in each[b"data"] for each in booked) == signals, "every signal is booked once"
    return result


def run(quick: bool) -> dict[str, Any]:
    """Return per stage: signals a second and CPU microseconds a signal, medians of several runs."""
    signals, repeats = (5_000, 3) if quick else (40_000, 5)
    once(1_000)
    gc.collect()
    gc.disable()
    runs = [once(signals) for _ in range(repeats)]
    gc.enable()
    table = {}
    for name in runs[0]:
        micros = statistics.median(1e6 * r[name]["seconds"] / r[name]["units"] for r in runs)
        table[name] = {"cpu_us_per_signal": round(micros, 2), "signals_per_s": round(1e6 / micros)}
    return {"signals": signals, "repeats": repeats, "stages": table}
