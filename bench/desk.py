"""The web desk in a real browser: pictures a second with a full blotter, calm and while the desk is busy.

A gateway of its own reads streams that this bench writes: orders that rest, then updates of them. The floor is the same
page with the same orders while nothing happens, in the same run. Software rendering: no machine of ours has a screen.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import redis
from playwright.sync_api import Page

from bench.end_to_end import cpu_seconds
from fillstream.libs.common.messages.stages import PROGRAMS
from fillstream.libs.common.messages.topology import Topology
from fillstream.stack.stack import LocalStack
from tests.support.browser import Tab, chromium

T = Topology()
STAGES = tuple(each.name for each in PROGRAMS)
"""The page shows what the streams say, whoever wrote it."""
ENVIRON = {"FILLSTREAM_GATEWAY__WITHOUT_KEY": "true", "FILLSTREAM_GATEWAY__CALLS_PER_MINUTE": "1000000"}
AT_ONCE = 50
FRAMES = """(ms) => new Promise((done) => {
  const at = [];
  const turn = (now) => { at.push(now); now - at[0] < ms ? requestAnimationFrame(turn) : done(at); };
  requestAnimationFrame(turn);
})"""


def run(quick: bool) -> dict[str, Any]:
    """Return pictures a second, CPU of the browser and the gateway in cores, memory, bytes served and first paint."""
    orders, seconds = (2_000, 3.0) if quick else (20_000, 10.0)
    with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
        more: dict[str, Any] = {"environ": ENVIRON, "without": STAGES, "gateway_port": 0}
        with LocalStack(Path(folder), base_port=0, redis_port=0, **more) as stack, chromium() as browser:
            writer = _Writer(redis.Redis.from_url(stack.redis_url), orders)
            stack.wait_ready()
            tab = Tab(browser, stack.url("gateway"))
            served = _first(tab)
            tab.page.wait_for_function("() => window.agGrid && document.querySelectorAll('.ag-row').length > 0")
            tab.page.wait_for_timeout(3_000)
            found: dict[str, Any] = {"orders": orders, **served}
            for name, rate in (("calm", 0), ("200", 200), ("2000", 2_000), ("calm again", 0)):
                with writer.going(rate):
                    tab.page.wait_for_timeout(1_000)
                    found[name] = _watched(stack, tab.page, seconds)
            found["heap_mb"] = round(tab.page.evaluate("performance.memory.usedJSHeapSize") / 1e6, 1)
            tab.close()
            return found


def _first(tab: Tab) -> dict[str, Any]:
    """Open the page in a browser that has nothing of it; return bytes served, and when it was painted first."""
    session = tab.page.context.new_cdp_session(tab.page)
    session.send("Network.enable")
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda each: sizes.append(int(each["encodedDataLength"])))
    tab.open("orders")
    paints = tab.page.evaluate("performance.getEntriesByType('paint').map((each) => [each.name, each.startTime])")
    again: list[int] = []
    session.on("Network.loadingFinished", lambda each: again.append(int(each["encodedDataLength"])))
    tab.page.reload()
    tab.open("orders")
    return {
        "bytes_served": sum(sizes) - sum(again), "bytes_served_again": sum(again),
        **{name.replace("-", "_") + "_ms": round(at) for name, at in paints},
    }  # fmt: skip


def _watched(stack: LocalStack, page: Page, seconds: float) -> dict[str, Any]:
    gateway, browser, began = cpu_seconds(stack)["gateway"], _browser_cpu(), time.perf_counter()
    at: list[float] = page.evaluate(FRAMES, 1_000 * seconds)
    took = time.perf_counter() - began
    spans = sorted(b - a for a, b in pairwise(at))
    return {
        "pictures_per_s": round(1_000 * (len(at) - 1) / (at[-1] - at[0]), 1),
        "longest_ms": round(spans[-1], 1),
        "p99_ms": round(spans[round(0.99 * (len(spans) - 1))], 1),
        "browser_cores": round((_browser_cpu() - browser) / took, 2),
        "gateway_cores": round((cpu_seconds(stack)["gateway"] - gateway) / took, 2),
    }


def _browser_cpu() -> float:
    """Return the CPU time of every process of Chromium that descends from this one (Linux)."""
    tick, ours, spent = os.sysconf("SC_CLK_TCK"), {os.getpid()}, 0.0
    told = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, tail = each.read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        words = tail.split()
        told.append((int(each.parent.name), int(words[1]), head.partition("(")[2], int(words[11]) + int(words[12])))
    for pid, parent, name, ticks in sorted(told):
        if parent in ours:
            ours.add(pid)
            spent += ticks / tick if name.startswith("chrom") else 0.0
    return spent


class _Writer:
    """Writes the journal: orders that rest, then what becomes of them.

    Args:
        server: the desk's.
        orders: how many.
    """

    def __init__(self, server: Any, orders: int) -> None:
        self._server, self._orders, self._seq, self._at = server, orders, 0, 0
        self._write([self._event("OrderReceived", number, "PendingNew") for number in range(orders)])
        self._write([self._event("OrderAccepted", number, "New") for number in range(orders)])
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _event(self, kind: str, number: int, status: str, filled: int = 0) -> dict[str, Any]:
        self._seq += 1
        told = {
            "type": kind, "v": 1, "seq": self._seq, "time": int(1_000 * time.time()), "order_id": str(number + 1),
            "client_order_id": f"c{number}", "account": "default", "symbol": "AAPL", "side": "BUY",
            "ord_status": status, "quantity": "1000000", "cum_qty": str(filled), "leaves_qty": str(1_000_000 - filled),
        }  # fmt: skip
        if kind == "OrderReceived":
            told |= {"order_type": "LIMIT", "price": "189.25", "time_in_force": "GTC", "venue": "SIM", "strategy": "s"}
        if kind == "OrderFilled":
            told |= {"exec_id": f"E{self._seq}", "venue": "SIM", "last_qty": "1", "last_px": "189.25", "fee": "0"}
            told |= {"avg_px": "189.25", "liquidity": "MAKER", "currency": "USD"}
        return told

    def _write(self, events: list[dict[str, Any]]) -> None:
        for begin in range(0, len(events), 1_000):
            with self._server.pipeline(transaction=False) as pipe:
                for each in events[begin : begin + 1_000]:
                    pipe.xadd(T.events(0), {"data": orjson.dumps(each)})
                pipe.execute()

    def going(self, per_s: int) -> _Writer:
        """Fill the orders a little, so often a second, while the block runs."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._go, args=(per_s,)) if per_s else None
        return self

    def __enter__(self) -> None:
        if self._thread:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _go(self, per_s: int) -> None:
        sent, began = 0, time.perf_counter()
        while not self._stop.wait(max(0.0, began + sent / per_s - time.perf_counter())):
            events = []
            for _ in range(AT_ONCE):
                self._at += 7919
                number = self._orders - 1 - self._at % self._orders
                events.append(self._event("OrderFilled", number, "PartiallyFilled", self._at // self._orders + 1))
            self._write(events)
            sent += AT_ONCE
