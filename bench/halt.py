"""The kill switch beside many working orders: how long until venues are told, and until the journal has said all of it.

A whole desk on this machine. Orders rest far from the market; then a control halts the desk. Times are those of the
server, from the control's entry: until the mass cancel is committed for the venue, until the last order's OrderCanceled
is in the journal. The floor is what the same server needs to be told as many entries of an event's size, in pipelines.
"""

from __future__ import annotations

import statistics
import time
from typing import Any, cast

import orjson
import redis

from bench.end_to_end import PAYLOAD, TIMEOUT_S, T, client, desk, quote
from fillstream.client import Client
from fillstream.libs.common.messages.topology import SIM, id_ms

RESTS = {
    "signal_id": "{stamp}.{n}", "account": "demo", "symbol": "AAPL", "side": "BUY", "quantity": "5",
    "order_type": "LIMIT", "price": "149.00",
}  # fmt: skip
PIPELINE = 1_000


def wait(what: str, reached: Any) -> None:
    """Return once it has."""
    deadline = time.monotonic() + TIMEOUT_S
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} has not come in {TIMEOUT_S} s")
        time.sleep(0.05)


def events_after(server: redis.Redis, last: str, kind: str) -> list[str]:
    """Return the ids of the events of one type that came after an entry of the journal."""
    found, mark = [], f'"type":"{kind}"'.encode()
    while entries := cast("Any", server.xread({T.events(0): last}, count=PIPELINE)):
        for entry_id, fields in entries[0][1]:
            last = entry_id.decode()
            if mark in fields.get(b"data", b""):
                found.append(last)
    return found


def halted(orders: int) -> dict[str, float]:
    """Let `orders` rest on a fresh desk and halt it; return milliseconds."""
    with desk(analytics=False, fsync="everysec") as (url, _):
        server = redis.Redis.from_url(url)
        before = server.xlen(T.events(0))
        publisher = client(url, T.signals, 0, orders, RESTS)
        quote(server)
        wait("an acknowledgement of every order", lambda: server.xlen(T.events(0)) - before >= 2 * orders)
        publisher.wait()
        last = cast("Any", server.xrevrange(T.events(0), count=1))[0][0].decode()
        sent = cast("Any", server.xrevrange(T.commands(SIM, 0), count=1))[0][0].decode()
        with Client(url) as operator:
            operator.control("Halt", None, who="bench", reason="measured", timeout_s=TIMEOUT_S)
        wait("the end of every order", lambda: len(events_after(server, last, "OrderCanceled")) >= orders)
        [told] = events_after(server, last, "TradingStateChanged")
        control = next(
            entry_id for entry_id, fields in cast("Any", server.xrevrange(T.orders(0))) if b"control" in fields
        )
        began = id_ms(control.decode())
        commands = cast("Any", server.xrange(T.commands(SIM, 0), f"({sent}"))
        mass = next(entry_id for entry_id, fields in commands if b"frame" in fields)
        return {
            "told_ms": id_ms(told) - began,
            "mass_cancel_ms": id_ms(mass.decode()) - began,
            "journal_ms": id_ms(events_after(server, last, "OrderCanceled")[-1]) - began,
            "floor_ms": floor(server, orders),
        }


def floor(server: redis.Redis, entries: int) -> float:
    """Return the milliseconds that a server takes to be told as many entries, 1 000 at a time."""
    event = orjson.dumps({"data": PAYLOAD})
    began = time.monotonic()
    for _ in range(0, entries, PIPELINE):
        pipe = server.pipeline(transaction=False)
        for _ in range(PIPELINE):
            pipe.xadd("floor", {"data": event})
        pipe.execute()
    return round(1e3 * (time.monotonic() - began), 1)


def run(quick: bool) -> dict[str, Any]:
    """Return medians over fresh desks, and how long the journal took beside the floor."""
    orders, repeats = (5_000, 1) if quick else (100_000, 3)
    rows = [halted(orders) for _ in range(repeats)]
    found = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    return {"orders": orders, "runs": rows, **found, "ratio": round(found["journal_ms"] / found["floor_ms"], 2)}
