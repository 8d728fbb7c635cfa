"""The gateway beside what it stands before: a POST to its fill against an XADD to its fill, calls a second, readers.

All against one desk of real processes whose venue fills at once; each figure has its floor in the same run. State: how
many entries of a busy desk's streams are folded a second, and what an order costs in memory.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import httpx
import orjson
import redis
import websockets

from bench import gateway_reading, gateway_start
from bench.end_to_end import cpu_seconds, percentiles, quote
from fillstream import Client
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.gateway.state.desk import Desk
from fillstream.stack.stack import IDEAL_DESK, LocalStack

T = Topology()
ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "5", "account": "demo"}
ENVIRON = {
    **IDEAL_DESK,
    "FILLSTREAM_GATEWAY__WITHOUT_KEY": "true",
    "FILLSTREAM_GATEWAY__CALLS_PER_MINUTE": "1000000",
    "FILLSTREAM_GATEWAY__STREAMS_PER_KEY": "100000",
    "FILLSTREAM_EXECUTION__MAX_QUOTE_AGE_MS": "0",
}
BATCH = 1_000
CONNECTIONS = 32
SIGNALS_PER_S = 2_000 / 3
"""Of three events each: 2 000 events a second."""


def run(quick: bool) -> dict[str, Any]:
    """Return latencies (ms), calls a second, CPU a call (µs), readers, folds a second and bytes an order."""
    with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
        more: dict[str, Any] = {"environ": ENVIRON, "without": ("analytics",), "gateway_port": 0}
        with LocalStack(Path(folder), base_port=0, redis_port=0, **more) as stack:
            stack.wait_ready()
            quote(redis.Redis.from_url(stack.redis_url))
            time.sleep(1.0)  # the journal tells of it within 250 ms
            url = stack.url("gateway")
            calls = 100 if quick else 1_000
            return {
                "latency": [_latency(stack, url, calls) for _ in range(3)],
                "single": asyncio.run(_single(stack, url, 10 * calls)),
                "batch": _batch(stack, url, 1 if quick else 10),
                "readers": asyncio.run(_readers(stack, url, 20 if quick else 200, 2.0 if quick else 10.0)),
                "state": _state(stack, 20_000 if quick else 100_000),
                "reading": gateway_reading.run(stack.redis_url, 300 if quick else 3_000),
                "start": gateway_start.run(stack.redis_url, _again(_of_orders(stack)), 20_000 if quick else 1_000_000),
            }


def _latency(stack: LocalStack, url: str, count: int) -> dict[str, Any]:
    """One after the other: a POST until its answer, an XADD until its fill, in turns."""
    posted, added = [], []
    with httpx.Client(base_url=url, trust_env=False) as http, Client(stack.redis_url, T) as client:
        server = client.redis
        for _ in range(count):
            began = time.perf_counter_ns()
            told = http.post("/v1/orders", json=ORDER)
            posted.append(time.perf_counter_ns() - began)
            assert told.json()["order"]["ord_status"] == "Filled", told.text
            at = server.xrevrange(T.events(0), count=1)[0][0]
            began = time.perf_counter_ns()
            server.xadd(T.signals, ORDER)
            while b"OrderFilled" not in b"".join(_read(server, at)):
                pass
            added.append(time.perf_counter_ns() - began)
    return {"post": percentiles(posted), "xadd": percentiles(added)}


def _read(server: Any, at: bytes) -> list[bytes]:
    reply = server.xread({T.events(0): at}, block=1_000)
    return [fields[b"data"] for _, entries in reply for _, fields in entries if b"data" in fields]


async def _single(stack: LocalStack, url: str, count: int) -> dict[str, Any]:
    """From some connections at once, one order a call."""
    left = count
    before = cpu_seconds(stack)["gateway"]
    began = time.perf_counter()

    async def one() -> None:
        nonlocal left
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
            while left > 0:
                left -= 1
                assert (await http.post("/v1/orders", json=ORDER)).status_code == 201

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return _rate(stack, count, time.perf_counter() - began, before)


def _batch(stack: LocalStack, url: str, calls: int) -> dict[str, Any]:
    """A thousand orders a call."""
    before, began = cpu_seconds(stack)["gateway"], time.perf_counter()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        for _ in range(calls):
            told = http.post("/v1/orders/batch", json={"orders": [ORDER] * BATCH}, headers={"prefer": "wait=30"})
            assert all(each["status"] == 200 for each in told.json()["orders"]), told.text[:500]
    return _rate(stack, calls * BATCH, time.perf_counter() - began, before)


def _rate(stack: LocalStack, orders: int, seconds: float, cpu_before: float) -> dict[str, Any]:
    spent = cpu_seconds(stack)["gateway"] - cpu_before
    return {
        "orders": orders,
        "orders_per_s": round(orders / seconds),
        "gateway_cpu_us": round(1e6 * spent / orders, 1),
        "orders_per_s_and_core": round(orders / spent) if spent else None,
    }


async def _readers(stack: LocalStack, url: str, count: int, seconds: float) -> dict[str, Any]:
    """So many readers of the whole journal while signals come as fast as one client sends them."""
    heard = [0] * count
    stop = asyncio.Event()

    async def read(number: int) -> None:
        async with websockets.connect(f"{url.replace('http', 'ws')}/v1/stream", max_size=None) as socket:
            await socket.send('{"action": "subscribe", "topic": "events"}')
            while not stop.is_set():
                raw = await socket.recv()
                if b'"changes"'.decode() in raw[:40]:
                    heard[number] += raw.count('"seq":') if number == 0 else 1

    tasks = [asyncio.create_task(read(number)) for number in range(count)]
    await asyncio.sleep(2.0)
    before, began = cpu_seconds(stack)["gateway"], time.perf_counter()
    heard[:] = [0] * count
    server = redis.asyncio.Redis.from_url(stack.redis_url)
    sent = 0
    while time.perf_counter() - began < seconds:
        async with server.pipeline(transaction=False) as pipe:
            for _ in range(25):
                pipe.xadd(T.signals, ORDER)  # type: ignore[arg-type]
            await pipe.execute()
        sent += 25
        await asyncio.sleep(max(0.0, began + sent / SIGNALS_PER_S - time.perf_counter()))
    took = time.perf_counter() - began
    spent = cpu_seconds(stack)["gateway"] - before
    await asyncio.sleep(0.5)
    stop.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.aclose()
    return {
        "readers": count,
        "events_per_s": round(heard[0] / took),
        "frames_per_s_and_reader": round(statistics.median(heard[1:]) / took, 1),
        "gateway_cores": round(spent / took, 2),
    }


def _of_orders(stack: LocalStack) -> list[dict[str, Any]]:
    """Return what the journal of this very run says of orders."""
    server = redis.Redis.from_url(stack.redis_url)
    entries: Any = server.xrange(T.events(0))
    told = [orjson.loads(fields[b"data"]) for _, fields in entries if b"data" in fields]
    return [each for each in told if each.get("order_id") and "ord_status" in each]


def _again(of_orders: list[dict[str, Any]]) -> Iterator[dict[bytes, bytes]]:
    """Yield these events, again and again as other orders', without an end."""
    seq = 0
    for number in count():
        for each in of_orders:
            seq += 1
            head = {"type": each["type"], "v": each["v"], "seq": seq}
            renamed = {**head, **each, "order_id": f"{number}{each['order_id']}", "seq": seq}
            renamed["client_order_id"] = f"{number}-{each['client_order_id']}"
            if "exec_id" in renamed:
                renamed["exec_id"] = f"{number}-{renamed['exec_id']}"
            yield {b"data": orjson.dumps(renamed)}


def _state(stack: LocalStack, most: int) -> dict[str, Any]:
    """Fold the journal of this very run, again and again as other orders, as a gateway does at its start."""
    of_orders = _of_orders(stack)
    orders_told = len({each["order_id"] for each in of_orders})
    per_order = len(of_orders) / orders_told
    documents = [*islice(_again(of_orders), max(1, round(most / orders_told)) * len(of_orders))]
    gc.collect()
    before = _resident()
    desk = Desk(10**9)
    began = time.process_time()
    for number, fields in enumerate(documents):
        desk.fold("events.0", f"{1_800_000_000_000 + number}-0", fields)
    took = time.process_time() - began
    gc.collect()
    orders = len(desk.orders.by_id)
    grown = max(0, _resident() - before)
    return {
        "orders": orders,
        "events_per_order": round(per_order, 1),
        "events_per_s": round(len(documents) / took),
        "seconds_for_a_million_events": round(1e6 * took / len(documents), 1),
        "bytes_per_order": round(grown / orders),
    }


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
