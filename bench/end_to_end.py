"""The whole desk on this machine, from XADD to journal and position, beside bare relays of the same length.

Throughput: a client floods `signals`; the clock stops when the last position is booked. Latency: a client publishes at
a steady rate; each signal's stamp is compared with the moment its position event arrives at another process. The floor
is `HOPS` bare redis-py relays on the same server with entries of the same size, the rival FastStream subscribers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import redis

from bench.client import collect
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.stack.stack import IDEAL_DESK, LocalStack

HOPS = 5
"""signals, orders, engine, orders again, positions."""
T = Topology()
QUOTE = frames.quote(1, 15_000, 10**14, 15_002, 10**14)
PAYLOAD = "x" * 380
"""About the mean of the desk's own entries: instructions of 270, fills of 400, positions of 370 bytes."""
SIGNAL = {
    "signal_id": "{stamp}.{n}", "account": "demo", "symbol": "AAPL", "side": "BUY", "quantity": "5",
    "order_type": "MARKET",
}  # fmt: skip
TIMEOUT_S = 120.0


def client(url: str, stream: str, rate: float, count: int, fields: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a publisher in its own process."""
    pairs = [f"{name}={value}" for name, value in fields.items()]
    command = [sys.executable, "-m", "bench.client", "publish", url, stream, str(rate), str(count), *pairs]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def percentiles(nanoseconds: list[int]) -> dict[str, float]:
    """Return p50, p99 and p99.9 in milliseconds."""
    ordered = sorted(nanoseconds)
    at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in SHARES.items()}
    return {name: round(value / 1e6, 3) for name, value in at.items()}


SHARES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}


# ----------------------------------------------------------------------------------------------------- the desk


@contextmanager
def desk(analytics: bool, fsync: str) -> Iterator[tuple[str, LocalStack]]:
    """Run a fresh desk: yields its Redis URL and the stack."""
    with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
        without = () if analytics else ("analytics",)
        more: dict[str, Any] = {"redis_args": ("--appendfsync", fsync), "without": without, "environ": IDEAL_DESK}
        with LocalStack(Path(folder), base_port=0, redis_port=0, **more) as stack:
            stack.wait_ready()
            quote(redis.Redis.from_url(stack.redis_url))
            yield stack.redis_url, stack


@contextmanager
def paused(stack: LocalStack) -> Iterator[None]:
    """Keep the services, but not Valkey, from running: the floor has the machine for itself."""
    services = [each for name, each in stack.processes.items() if name != "valkey"]
    for each in services:
        each.kill(signal.SIGSTOP)
    try:
        yield
    finally:
        for each in services:
            each.kill(signal.SIGCONT)


def quote(server: redis.Redis) -> None:
    """Tell the market: what is older than `execution.max_quote_age_ms` is no market any more."""
    server.xadd(T.commands(SIM, 0), {"frame": QUOTE})


def booked(events: redis.Redis) -> int:
    """Return how many position changes there are; quotes add marks, one at most here."""
    return events.xlen(T.positions(0))


def throughput(url: str, stack: LocalStack, signals: int) -> dict[str, Any]:
    """Flood the desk with `signals` market orders; return the rate and the CPU each process spent a signal."""
    watch = redis.Redis.from_url(url)
    quote(watch)
    before, cpu = booked(watch), cpu_seconds(stack)
    publisher = client(url, T.signals, 0, signals, SIGNAL)
    assert publisher.stdout is not None
    began = int(publisher.stdout.readline())
    published = 0.0
    while booked(watch) - before < signals:
        if not published and publisher.poll() is not None:
            published = (time.monotonic_ns() - began) / 1e9
        if time.monotonic_ns() - began > TIMEOUT_S * 1e9:
            raise TimeoutError(f"{booked(watch) - before} of {signals} positions booked after {TIMEOUT_S} s")
        time.sleep(0.01)
    seconds = (time.monotonic_ns() - began) / 1e9
    spent = cpu_seconds(stack)
    publisher.wait()
    return {
        "signals": signals,
        "seconds": round(seconds, 3),
        "published_in_s": round(published or seconds, 3),
        "signals_per_s": round(signals / seconds),
        "cpu_us_per_signal": {
            name: round(1e6 * (spent[name] - cpu[name]) / signals, 1) for name in spent if name in cpu
        },
    }


def cpu_seconds(stack: LocalStack) -> dict[str, float]:
    """Return the CPU time of every process of the stack so far (Linux)."""
    tick = os.sysconf("SC_CLK_TCK")
    spent = {}
    for name, each in stack.processes.items():
        words = Path(f"/proc/{each.pid}/stat").read_text().rsplit(")", 1)[1].split()
        spent[name] = (int(words[11]) + int(words[12])) / tick
    return spent


def latency(url: str, rate: float, seconds: float) -> dict[str, Any]:
    """Publish at a steady rate; return percentiles from XADD to the position event in another process."""
    watch: Any = redis.Redis.from_url(url)
    count = int(rate * seconds)
    quote(watch)
    last = watch.xrevrange(T.positions(0), count=1)
    start = last[0][0].decode() if last else "0-0"
    journal = watch.xrevrange(T.events(0), count=1)[0][0].decode()
    publisher = client(url, T.signals, rate, count, SIGNAL)
    found = collect(url, T.positions(0), count, seconds + TIMEOUT_S, start, b'"PositionChanged"')
    publisher.wait()
    sent = {}
    for _, fields in watch.xrange(T.events(0), f"({journal}"):
        event = orjson.loads(fields.get(b"data", b"{}"))
        if event.get("type") == "OrderReceived":
            sent[event["order_id"]] = int(event["signal_id"].split(".")[0])
    took = [arrived - sent[orjson.loads(fields[b"data"])["order_id"]] for arrived, fields in found]
    assert len(took) == count, f"{len(took)} of {count} positions arrived"
    return {"rate_per_s": rate, "signals": count, **percentiles(took)}


# ---------------------------------------------------------------------------------------------------- the floor


@contextmanager
def relays(url: str, kind: str) -> Iterator[None]:
    """Run `HOPS` relays in a row, each its own process."""
    running = [
        subprocess.Popen([sys.executable, "-m", "bench.relay", kind, url, f"hop{n}", f"hop{n + 1}"])
        for n in range(HOPS)
    ]
    watch = redis.Redis.from_url(url)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while not all(_has_group(watch, f"hop{n}") for n in range(HOPS)):
            assert time.monotonic() < deadline, "the relays did not start"
            time.sleep(0.05)
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
        watch.delete(*[f"hop{n}" for n in range(HOPS + 1)])


def _has_group(watch: redis.Redis, stream: str) -> bool:
    return bool(watch.exists(stream)) and bool(cast(Any, watch.xinfo_groups(stream)))


def relay_latency(url: str, kind: str, rate: float, seconds: float) -> dict[str, Any]:
    """Return percentiles of bare relays at a steady rate."""
    count = int(rate * seconds)
    with relays(url, kind):
        publisher = client(url, "hop0", rate, count, {"stamp": "{stamp}", "data": PAYLOAD})
        found = collect(url, f"hop{HOPS}", count, seconds + TIMEOUT_S)
        publisher.wait()
    assert len(found) == count, f"{len(found)} of {count} entries came through"
    return {"rate_per_s": rate, **percentiles([arrived - int(fields[b"stamp"]) for arrived, fields in found])}


def relay_throughput(url: str, kind: str, count: int) -> dict[str, Any]:
    """Flood bare relays; return the rate."""
    watch = redis.Redis.from_url(url)
    with relays(url, kind):
        publisher = client(url, "hop0", 0, count, {"stamp": "{stamp}", "data": PAYLOAD})
        assert publisher.stdout is not None
        began = int(publisher.stdout.readline())
        while watch.xlen(f"hop{HOPS}") < count:
            assert time.monotonic_ns() - began < TIMEOUT_S * 1e9, "the relays are stuck"
            time.sleep(0.01)
        seconds = (time.monotonic_ns() - began) / 1e9
        publisher.wait()
    return {"entries": count, "entries_per_s": round(count / seconds)}


# -------------------------------------------------------------------------------------------------------- a run


def run(quick: bool) -> dict[str, Any]:
    """Measure the desk, the floor and the rival, one after the other on the same server, and their ratios."""
    signals, seconds, repeats = (10_000, 3.0, 1) if quick else (60_000, 8.0, 3)
    result: dict[str, Any] = {"hops": HOPS, "repeats": repeats, "throughput": [], "latency": {}}
    for fsync in ("everysec", "always"):
        with desk(analytics=False, fsync=fsync) as (url, stack):
            throughput(url, stack, signals // 5)
            runs = [throughput(url, stack, signals) for _ in range(repeats)]
            with paused(stack):
                floor = [relay_throughput(url, "bare", signals) for _ in range(repeats)]
        best = sorted(runs, key=lambda each: each["signals_per_s"])[len(runs) // 2]
        bare = sorted(each["entries_per_s"] for each in floor)[len(floor) // 2]
        result["throughput"].append(
            {"appendfsync": fsync, "desk": best, "floor_entries_per_s": bare,
             "ratio": round(best["signals_per_s"] / bare, 3)}
        )  # fmt: skip
    with desk(analytics=True, fsync="everysec") as (url, stack):
        throughput(url, stack, signals // 5)
        result["throughput_with_analytics"] = throughput(url, stack, signals)
    with desk(analytics=False, fsync="everysec") as (url, stack):
        latency(url, 100, 1.0)
        for rate in (100.0, 1000.0):
            ours = [latency(url, rate, seconds) for _ in range(repeats)]
            with paused(stack):
                bare_runs = [relay_latency(url, "bare", rate, seconds) for _ in range(repeats)]
                rival = relay_latency(url, "faststream", rate, seconds)
            mine, floor_ = (sorted(each, key=lambda one: one["p50_ms"])[repeats // 2] for each in (ours, bare_runs))
            result["latency"][f"{rate:.0f}/s"] = {
                "desk": mine, "floor": floor_, "faststream": rival,
                "ratio_p50": round(mine["p50_ms"] / floor_["p50_ms"], 2),
            }  # fmt: skip
    return result
