"""Snapshots of an old desk: how long folding stands still for one, what it takes and weighs, and a start from it.

States are made by the folds themselves, out of limit orders that rest, and out of refused ones, which are remembered.
Each stage is then restored in a process of its own, so that memory is its alone. The last figure is a whole desk's: it
is filled, its stages are killed, and all of them have to be live again.

`python -m bench.snapshots STAGE FOLDER` measures one stage, and prints JSON.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import redis

from bench.end_to_end import T, client, desk
from bench.stages import CONFIG, LISTINGS, QUOTE, TOPOLOGY, Pipe, fold
from fillstream.libs.common.messages.stages import STAGES
from fillstream.libs.common.runtime.copies import packed
from fillstream.libs.common.runtime.forked import write_forked
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotStore
from fillstream.libs.common.runtime.stage import Outputs, Stage, configuration_of
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.signals.stage import SignalsStage
from fillstream.stack.stack import LocalStack
from fillstream.tools.status import states

PORTION = 10_000
REPEATS = 5
POLL_S = 0.02
AT = "1700000000000-0"
RESTS = {
    "signal_id": "{stamp}.{n}", "account": "demo", "symbol": "AAPL", "side": "BUY", "quantity": "5",
    "order_type": "LIMIT", "price": "149.00",
}  # fmt: skip
LOADED_S = 600.0
FEW = 3


def resting(n: int) -> dict[bytes, bytes]:
    """Return the n-th signal: a limit order that rests, one in two; the others are refused."""
    return {
        b"signal_id": b"sig-%d" % n, b"account": b"bench", b"symbol": b"AAPL" if n % 2 else b"NONE", b"side": b"BUY",
        b"quantity": b"%d" % (1 + n % 100), b"order_type": b"LIMIT", b"price": b"149.%02d" % (n % 90),
    }  # fmt: skip


def fresh() -> dict[str, Stage]:
    """Return the stages that hold orders, empty, by name."""
    made: tuple[Stage, ...] = (
        SignalsStage(TOPOLOGY),
        OrdersStage(TOPOLOGY, 0, CONFIG),
        EngineStage(TOPOLOGY, 0, LISTINGS),
    )
    return {stage.name: stage for stage in made}


def build(orders: int, folder: Path) -> None:
    """Fold so many orders through the stages, and leave a snapshot of each."""
    stages = fresh()
    outs = {name: Outputs(name, stage.inbox) for name, stage in stages.items()}
    pipe = Pipe()

    def run(name: str, fields: list[dict[bytes, bytes]]) -> dict[str, list[dict[bytes, bytes]]]:
        return fold(stages[name], pipe.entries(fields), outs[name])[0]

    configured = configuration_of(stages["orders"])
    assert configured is not None
    run("orders", [configured])
    run("orders", run("engine", [{b"frame": QUOTE}])["orders.0"])
    for start in range(0, orders, PORTION):
        sent = run("signals", [resting(n) for n in range(start, min(orders, start + PORTION))])
        routed = run("orders", sent["orders.0"])
        run("orders", run("engine", routed["commands.SIM.0"])["orders.0"])
    for name, stage in stages.items():
        SnapshotStore(folder / name, name, 0).save(Snapshot(AT, bytes(16), orders, stage.snapshot()))


def status(pid: int | str, field: str) -> float:
    """Return a field of /proc/PID/status in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0  # it has ended


def own_mb(pid: int) -> float:
    """Return what a process shares with nobody, in megabytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def measure(name: str, folder: Path) -> dict[str, float]:
    """Restore a stage from its snapshot, take some more of it, and return what that cost."""
    store, stage = SnapshotStore(folder / name, name, 0), fresh()[name]
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    snapshot = store.load(AT)
    read = time.perf_counter()
    stage.restore(snapshot.state)
    restored = time.perf_counter()
    size = len(snapshot.state)
    began_copy = time.perf_counter()
    copied = sum(map(len, packed(store.path(AT).read_bytes())))
    copied_s = time.perf_counter() - began_copy
    del snapshot
    gc.freeze()
    gc.enable()
    pauses, seconds, child_mb = [], [], 0.0
    for number in range(REPEATS):
        at = time.perf_counter()
        written = write_forked((f"{number + 1}-0", 0), lambda: Snapshot("1-0", bytes(16), 0, stage.snapshot()), store)
        pauses.append(time.perf_counter() - at)
        while os.waitid(os.P_PID, written.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            child_mb = max(child_mb, own_mb(written.pid))
            time.sleep(POLL_S)
        written.wait()
        seconds.append(time.perf_counter() - at)
        written.drop()
    at = time.perf_counter()
    stage.snapshot()
    in_thread = time.perf_counter() - at
    return {
        "pause_ms": round(1e3 * statistics.median(pauses), 2),
        "longest_pause_ms": round(1e3 * max(pauses), 2),
        "in_thread_ms": round(1e3 * in_thread, 2),
        "written_s": round(statistics.median(seconds), 2),
        "parent_mb": round(status("self", "VmRSS")),
        "child_own_mb": round(child_mb),
        "read_s": round(read - began, 2),
        "restored_s": round(restored - read, 2),
        "bytes": size,
        "copy_bytes": copied,
        "copy_packed_s": round(copied_s, 2),
    }


def recovered(orders: int) -> dict[str, Any]:
    """Fill a desk with orders that rest, kill its stages, and return how long each takes to be live again."""
    with desk(analytics=False, fsync="everysec") as (url, stack):
        server = redis.Redis.from_url(url)
        publisher = client(url, T.signals, 0, orders, RESTS)
        deadline = time.monotonic() + LOADED_S
        # Ticks come all the time: what was published is through when nothing but a few of them is left anywhere.
        while publisher.poll() is None or any((each.lag or 0) > FEW for each in states(server, T)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{orders} orders did not rest within {LOADED_S} s")
            time.sleep(0.5)
        assert publisher.returncode == 0, "the publisher failed"
        found: dict[str, Any] = {"orders": orders, "killed": {}}
        for killed in ([OrdersStage.name], [*STAGES]):
            label = killed[0] if len(killed) == 1 else "all stages"
            found["killed"][label] = live_again(stack, killed)
        return found


def live_again(stack: LocalStack, names: list[str]) -> dict[str, Any]:
    """Kill processes; return how long it takes until all are live again, and what they say of it."""
    before = {name: stack.processes[name].restarts for name in names}
    began = time.monotonic()
    for name in names:
        stack.processes[name].kill()
    while any(stack.processes[name].restarts == before[name] for name in names):
        time.sleep(0.01)
    stack.wait_ready()
    found: dict[str, Any] = {"live_after_s": round(time.monotonic() - began, 2), "stages": {}}
    for name in names:
        told = {
            line.partition("{")[0].removeprefix("fillstream_"): float(line.rpartition(" ")[2])
            for line in httpx.get(f"{stack.url(name)}/metrics").text.splitlines()
            if line.startswith(("fillstream_recovery_seconds", "fillstream_replayed_entries"))
        }
        found["stages"][name] = {**told, "rss_mb": round(status(stack.processes[name].pid or 0, "VmRSS"))}
    return found


def run(quick: bool) -> dict[str, Any]:
    """Return the figures of each stage at several sizes, and those of a desk that was killed."""
    sizes = (1_000, 20_000) if quick else (1_000, 1_000_000)
    table: dict[str, Any] = {}
    for orders in sizes:
        with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
            build(orders, Path(folder))
            for name in fresh():
                command = [sys.executable, "-m", "bench.snapshots", name, folder]
                told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                table.setdefault(name, {})[str(orders)] = json.loads(told)
    return {"stages": table, "recovery": recovered(sizes[-1])}


if __name__ == "__main__":
    _, name, folder = sys.argv
    print(json.dumps(measure(name, Path(folder))))
