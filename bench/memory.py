"""What the desk keeps in Redis, in bytes: a signal, an order, the made-up market, and an idle second, stream by stream.

A stream is weighed with MEMORY USAGE over all its entries; the difference before and after is what the flow added. The
server's used_memory stands beside it: it has clients' buffers and the allocator's rest in it, the streams do not.
ARCHITECTURE.md has the formula that these figures go into.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis

from bench.end_to_end import SIGNAL, T, client, desk
from fillstream.commands.market import STARTS_AT
from fillstream.feeds import listed, publish, synthetic

STREAMS = (T.signals, T.orders(0), T.commands(0), T.events(0), T.positions(0), T.dead)
"""Without `market.{0}`: it is cut by length, and has a size instead of a rate."""
RATE = 200.0
"""Signals a second: slow enough for each to have its own entries, which costs the most."""
COMPOSE_BYTES = 768 * 1024 * 1024
"""maxmemory in docker-compose.yml."""
SHARE = 0.6
"""`messaging.retention_memory_share`'s default."""
QUIET_S = 3.0

RESTS = {**SIGNAL, "order_type": "LIMIT", "price": "149.00"}
CANCELS = {"type": "CancelOrder", "signal_id": "c{stamp}.{n}", "account": "demo", "orig_client_order_id": "{n}"}


def weigh(server: Any) -> dict[str, int]:
    """Return the bytes of every stream, and the server's under `used_memory`."""
    found = {stream: int(server.memory_usage(stream, samples=0) or 0) for stream in STREAMS}
    return {**found, "used_memory": int(server.info("memory")["used_memory"])}


def settle(server: Any) -> None:
    """Return once the journal and the positions have stood still for a while; ticks go on."""
    calm_since, before = time.monotonic(), -1
    while time.monotonic() - calm_since < QUIET_S:
        total = sum(server.xlen(stream) for stream in (T.signals, T.events(0), T.positions(0), T.dead))
        if total != before:
            calm_since, before = time.monotonic(), total
        time.sleep(0.05)


def grown(server: Any, units: float, idle: dict[str, float], run: Callable[[], None]) -> dict[str, float]:
    """Return what `run` adds to each stream, in bytes a unit, without what idle seconds would have added."""
    settle(server)
    before, began = weigh(server), time.monotonic()
    run()
    settle(server)
    after, seconds = weigh(server), time.monotonic() - began
    return {name: round((after[name] - before[name] - idle.get(name, 0.0) * seconds) / units, 2) for name in after}


def per_second(server: Any, seconds: float, run: Callable[[float], None]) -> dict[str, float]:
    """Return what `run(seconds)` adds to each stream, in bytes a second."""
    before, began = weigh(server), time.monotonic()
    run(seconds)
    after, took = weigh(server), time.monotonic() - began
    return {name: round((after[name] - before[name]) / took, 2) for name in after}


def total(row: dict[str, float]) -> float:
    """Return the sum over the streams."""
    return round(sum(row[stream] for stream in STREAMS), 2)


def run(quick: bool) -> dict[str, Any]:
    """Measure every flow on a fresh desk each."""
    signals, seconds = (1_000, 20.0) if quick else (4_000, 120.0)

    def send(url: str, rate: float, fields: dict[str, str]) -> Callable[[], None]:
        def sent() -> None:
            publisher = client(url, T.signals, rate, signals, fields)
            assert publisher.wait() == 0, "the publisher failed"

        return sent

    def market(server: Any, stack: Any) -> Callable[[float], None]:
        instruments = {s: one for s, one in listed(stack.settings.instruments).items() if s in STARTS_AT}

        def played(seconds: float) -> None:
            end = time.monotonic() + seconds
            with suppress(StopIteration):
                publish(server, T, (m for m in synthetic(instruments, STARTS_AT, 1) if _until(end)), 1.0)

        return played

    with desk(analytics=False, fsync="everysec") as (url, stack):
        server = redis.Redis.from_url(url)
        settle(server)
        idle = per_second(server, seconds / 2, time.sleep)
        flows = {
            "a market order, one fill": grown(server, signals, idle, send(url, RATE, SIGNAL)),
            "a limit order that rests": grown(server, signals, idle, send(url, RATE, RESTS)),
            "a market order, in a flood": grown(server, signals, idle, send(url, 0, SIGNAL)),
        }
    with desk(analytics=False, fsync="everysec") as (url, stack):
        server = redis.Redis.from_url(url)
        settle(server)
        quoted = per_second(server, seconds, market(server, stack))
        shown = int(server.memory_usage(T.market(0), samples=0) or 0) / max(1, server.xlen(T.market(0)))
    return {
        "bytes_per_s": {"idle": idle, "made-up market, nobody trades": quoted},
        "bytes_per_signal": flows,
        "market_bytes_per_entry": round(shown, 1),
        "hours_of_made_up_market": round(COMPOSE_BYTES / total(quoted) / 3600, 1),
        "signals_per_s_for_a_day": {
            name: round((SHARE * COMPOSE_BYTES / 86_400 - total(idle)) / total(row), 2) for name, row in flows.items()
        },
    }


def _until(end: float) -> bool:
    if time.monotonic() >= end:
        raise StopIteration
    return True
