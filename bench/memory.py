"""What the desk keeps in Redis, in bytes: a signal, an order, the made-up market, and an idle second, stream by stream.

A stream is weighed with MEMORY USAGE over all its entries; the difference before and after is what the flow added. The
server's used_memory stands beside it: it has clients' buffers and the allocator's rest in it, the streams do not.
ARCHITECTURE.md has the formula that these figures go into.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile
from typing import Any, cast

import redis

from bench.end_to_end import SIGNAL, T, client, desk, quote
from fillstream.cli.commands.market import STARTS_AT
from fillstream.demo.feeds import publish, synthetic
from fillstream.demo.market_numbers import listed
from fillstream.libs.common.messages.topology import KINDS
from fillstream.libs.common.runtime.log import LOSSY_MAXLEN

STREAMS = tuple(T.key(name) for kind in KINDS.values() if not kind.lossy for name in T.names(kind.name))
"""Without `market.{s0}`: it is cut by length, and has a size instead of a rate."""
RATE = 200.0
"""Signals a second: slow enough for each to have its own entries, which costs the most."""
COMPOSE_BYTES = 768 * 1024 * 1024
"""maxmemory in docker-compose.yml."""
SHARE = 0.6
"""`messaging.retention_memory_share`'s default."""
QUIET_S = 3.0

RESTS = {**SIGNAL, "order_type": "LIMIT", "price": "149.00"}
OPENS = {"AAPL": "5", "MSFT": "5", "SPY": "5", "BTCUSDT": "0.01", "ETHUSDT": "0.1"}
"""Orders that open a position in every symbol of the made-up market."""


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
    """Measure every flow; signals on one desk, the market on another."""
    signals, seconds = (1_000, 30.0) if quick else (4_000, 120.0)
    with desk(analytics=False, fsync="everysec") as (url, stack):
        server = redis.Redis.from_url(url)

        def send(rate: float, fields: dict[str, str]) -> dict[str, float]:
            def sent() -> None:
                quote(server)  # the one before has grown too old: an order that reaches it would be refused
                assert client(url, T.signals, rate, signals, fields).wait() == 0, "the publisher failed"

            return grown(server, signals, idle, sent)

        settle(server)
        idle = per_second(server, seconds, time.sleep)
        flows = {
            "a market order, one fill": send(RATE, SIGNAL),
            "a limit order that rests": send(RATE, RESTS),
            "a market order, in a flood": send(0, SIGNAL),
        }
    with desk(analytics=False, fsync="everysec") as (url, stack):
        server = redis.Redis.from_url(url)
        instruments = {s: one for s, one in listed(stack.settings.instruments).items() if s in STARTS_AT}

        def play(seconds: float) -> None:
            end = time.monotonic() + seconds
            market = synthetic(instruments, STARTS_AT, 1)
            publish(server, T, takewhile(lambda _: time.monotonic() < end, market), 1.0)

        play(2.0)
        settle(server)
        quoted = per_second(server, seconds, play)
        for symbol, quantity in OPENS.items():
            server.xadd(T.signals, {"account": "demo", "symbol": symbol, "side": "BUY", "quantity": quantity})
        settle(server)
        marked = per_second(server, seconds, play)
        shown = int(cast(Any, server.memory_usage(T.market(0), samples=0))) / server.xlen(T.market(0))
    return {
        "bytes_per_s": {"idle": idle, "made-up market": quoted, "made-up market, five positions": marked},
        "bytes_per_signal": flows,
        "market_bytes": round(shown * LOSSY_MAXLEN),
        "hours_of_made_up_market": round(COMPOSE_BYTES / total(marked) / 3600),
        "signals_per_s_for_a_day": {
            name: round((SHARE * COMPOSE_BYTES / 86_400 - total(marked)) / total(row), 2) for name, row in flows.items()
        },
    }
