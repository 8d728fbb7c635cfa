"""The position stage alone, with a thousand open positions: fills, and marks that are told once a second.

In memory, nothing commits. Each is folded in turn with its floor, run after run: every entry's JSON read, and as many
messages as long as the stage's written and hashed. CPU microseconds an entry, medians, and the ratio of both.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import orjson

from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.position_service.stage import PositionStage

SYMBOLS = 1_000
START_MS = 1_700_000_000_000
BATCH = 500
ARMED = 100_000
ARMED_WITH = {
    "marks, 100 000 stops and targets armed": {"stop_loss": "1.00", "take_profit": "900.00"},
    "marks, 100 000 trailing stops, each mark the best": {"trailing_stop_percent": "90"},
}
PER_MS = 200
"""So many entries come in a millisecond."""


class Journal:
    """Writes entries as the orders stage does."""

    def __init__(self) -> None:
        self.seq = 0

    def entry(self, kind: str, **fields: Any) -> Entry:
        self.seq += 1
        ms = START_MS + self.seq // PER_MS
        event = {"type": kind, "v": EVENTS[kind].VERSION, "seq": self.seq, "time": ms, **fields}
        return Entry(f"{ms}-{self.seq}", ms, {b"data": orjson.dumps(event)})

    def opening(self) -> list[Entry]:
        units = {"tick_size": "0.01", "lot_size": "1", "multiplier": "1", "currency": "USD"}
        made = [self.entry("InstrumentDefined", symbol=f"S{n}", instrument_id=n + 1, **units) for n in range(SYMBOLS)]
        return made + [self.fill(n, "BUY", 100) for n in range(SYMBOLS)]

    def fill(self, n: int, side: str, quantity: int) -> Entry:
        order = {
            "order_id": str(self.seq), "client_order_id": f"c{self.seq}", "account": "bench",
            "symbol": f"S{n % SYMBOLS}", "side": side, "ord_status": "Filled",
            "quantity": str(quantity), "cum_qty": str(quantity), "leaves_qty": "0", "avg_px": f"100.{n % 100:02}",
        }  # fmt: skip
        trade = {
            "exec_id": f"SIM-0-{self.seq}-B", "venue": "SIM", "last_qty": str(quantity), "last_px": f"100.{n % 100:02}",
            "liquidity": "TAKER", "fee": "0.00350000", "currency": "USD", "strategy": None,
        }  # fmt: skip
        return self.entry("OrderFilled", **order, **trade)

    def protection(self, n: int, name: str, said: dict[str, str]) -> Entry:
        whose = {"signal_id": f"s{self.seq}", "account": "bench", "symbol": f"S{n % SYMBOLS}", "protection_id": name}
        return self.entry("PositionProtected", **whose, **said, signal_time=0)

    def quote(self, n: int) -> Entry:
        bid, ask = f"{100 + n // SYMBOLS % 50}.{n % 50:02}", f"{100 + n // SYMBOLS % 50}.{n % 50 + 2:02}"
        sides = {"bid_px": bid, "bid_qty": "100", "ask_px": ask, "ask_qty": "100", "last_px": bid}
        return self.entry("QuoteUpdated", symbol=f"S{n % SYMBOLS}", venue="SIM", **sides)


def folded(take: Callable[[Entry, Outputs], None], entries: list[Entry]) -> tuple[float, int]:
    """Fold entries in batches; return CPU microseconds an entry, and how many messages came of them."""
    out = Outputs("positions", "events.0")
    spent, sent = 0.0, 0
    for start in range(0, len(entries), BATCH):
        began = time.process_time()
        for entry in entries[start : start + BATCH]:
            out.begin(entry)
            take(entry, out)
            out.seal()
        spent += time.process_time() - began
        assert not out.dead, out.dead[0]
        sent += sum(len(payloads) for _, payloads in out.by_stream.values())
        out.clear()
    return 1e6 * spent / len(entries), sent


def floor_of(entries: list[Entry], sent: int) -> float:
    """Return CPU microseconds an entry for reading each and writing so many messages of a usual length."""
    message = {f"field_{n:02}": "123.4567890" for n in range(20)}
    every = len(entries) / sent if sent else 0.0
    due = [every]

    def take(entry: Entry, out: Outputs) -> None:
        orjson.loads(entry.fields[b"data"])
        due[0] -= 1
        if every and due[0] <= 0:
            due[0] += every
            out.event("positions.0", message)

    return folded(take, entries)[0]


def armed(count: int, repeats: int, said: dict[str, str]) -> tuple[list[tuple[float, float]], int]:
    """Return CPU microseconds of a mark, without and with 100 000 protections that no mark reaches; and what was told.

    The first stands where others have their floor: the ratio is what protections cost.
    """
    pairs = []
    for _ in range(repeats):
        seen = []
        for accounts in (0, ARMED // SYMBOLS):
            stage, journal = PositionStage(0), Journal()
            folded(stage.fold, journal.opening())
            protected = [journal.protection(n, f"p{k}", said) for k in range(accounts) for n in range(SYMBOLS)]
            if protected:
                folded(stage.fold, protected)
            folded(stage.fold, [journal.quote(n) for n in range(SYMBOLS)])  # the first mark that a trailing stop sees
            gc.collect()
            gc.disable()
            seen.append(folded(stage.fold, [journal.quote(n) for n in range(count)]))
            gc.enable()
            assert stage.gauges()["exits_armed"] == {"": accounts * SYMBOLS}
        (without, _), (with_them, told) = seen
        pairs.append((with_them, without))
    return pairs, told


def run(quick: bool) -> dict[str, Any]:
    """Return entries a second and CPU microseconds an entry of fills and of marks, each beside its floor."""
    count, repeats = (20_000, 3) if quick else (100_000, 5)
    spent: dict[str, list[tuple[float, float]]] = {"fills": [], "marks": []}
    told = {}
    for _ in range(repeats):
        stage, journal = PositionStage(0), Journal()
        folded(stage.fold, journal.opening())
        work = {
            "fills": [journal.fill(n, "SELL" if n // SYMBOLS % 2 else "BUY", 1 + n % 7) for n in range(count)],
            "marks": [journal.quote(n) for n in range(count)],
        }
        gc.collect()
        gc.disable()
        for name, entries in work.items():
            micros, told[name] = folded(stage.fold, entries)
            spent[name].append((micros, floor_of(entries, told[name])))
        gc.enable()
        assert stage.gauges()["positions"] == {"open": SYMBOLS, "flat": 0}
    for name, said in ARMED_WITH.items():
        spent[name], told[name] = armed(count, repeats, said)
    rows = {}
    for name, pairs in spent.items():
        micros, floor = (statistics.median(each) for each in zip(*pairs, strict=True))
        rows[name] = {
            "per_s": round(1e6 / micros), "cpu_us": round(micros, 2), "floor_us": round(floor, 2),
            "ratio": round(micros / floor, 2), "told": told[name],
        }  # fmt: skip
    return {"positions": SYMBOLS, "entries": count, "repeats": repeats, "rows": rows}
