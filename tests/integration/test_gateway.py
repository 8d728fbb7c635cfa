"""The front door of a real desk: processes that are killed, a Redis that goes away, connections that come again."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import websockets

from fillstream import Client
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from fillstream.tools.status import StageState, states
from tests.conftest import until

ORDER = {"symbol": "AAPL", "side": "BUY", "quantity": "1"}
OPEN = {
    **IDEAL_DESK,
    "FILLSTREAM_GATEWAY__WITHOUT_KEY": "true",
    "FILLSTREAM_GATEWAY__CALLS_PER_MINUTE": "1000000",
    "FILLSTREAM_EXECUTION__MAX_QUOTE_AGE_MS": "0",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder = tmp_path_factory.mktemp("gateway")
    with LocalStack(folder, base_port=0, redis_port=0, gateway_port=0, environ=OPEN, without=["analytics"]) as made:
        made.wait_ready()
        quote(made)
        yield made


def quote(stack: LocalStack, bid: str = "190.00", ask: str = "190.02") -> None:
    """Have SIM quoted, and wait until the gateway knows."""
    file = stack.data_dir / "quotes.csv"
    file.write_text(f"time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty\n1,AAPL,{bid},1000000,{ask},1000000\n")
    from fillstream.demo.feeds import publish, quotes_csv
    from fillstream.demo.market_numbers import listed

    with Client(stack.redis_url, stack.settings.topology()) as client:
        publish(client.redis, stack.settings.topology(), quotes_csv(file, listed(stack.settings.instruments)))

    def is_told() -> bool:
        told = httpx.get(f"{stack.url('gateway')}/v1/quotes/AAPL")
        return told.status_code == 200 and told.json()["quote"]["ask_px"] == ask

    until(is_told, "the quote")


def kill(stack: LocalStack, name: str) -> None:
    """End a process as the kernel does when memory is short; the supervisor starts it again."""

    def is_ended() -> bool:
        pid = stack.processes[name].pid
        if pid is None:
            return False  # it is being started again
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    until(is_ended, f"{name} to be killed")


class Sender(threading.Thread):
    """Sends orders one after the other, each until it has an answer, under one id."""

    def __init__(self, url: str, name: str, count: int) -> None:
        super().__init__(name=name)
        self.url, self.count = url, count
        self.answers: dict[str, dict[str, Any]] = {}
        self.repeats = 0

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=20, trust_env=False) as http:
            for number in range(self.count):
                key = f"{self.name}-{number}"
                deadline = time.monotonic() + 90
                while key not in self.answers and time.monotonic() < deadline:
                    with suppress(httpx.TransportError):
                        told = http.post("/v1/orders", json=ORDER, headers={"Idempotency-Key": key})
                        if told.status_code in (200, 201):
                            self.answers[key] = told.json()["order"]
                            break
                        assert told.status_code in (202, 503), told.text
                    self.repeats += 1
                    time.sleep(0.05)


@pytest.mark.parametrize("victim", ["gateway", "orders", "signals", "engine", "valkey"])
def test_every_accepted_order_has_one_outcome_whoever_is_killed(stack: LocalStack, victim: str) -> None:
    url = stack.url("gateway")
    before = held(url)
    senders = [Sender(url, f"{victim}{each}", 40) for each in range(3)]
    for each in senders:
        each.start()
    until(lambda: sum(len(each.answers) for each in senders) > 15, "some orders")
    kill(stack, victim)
    for each in senders:
        each.join(120)
    answers = {key: order for each in senders for key, order in each.answers.items()}
    assert len(answers) == 120
    assert {order["ord_status"] for order in answers.values()} == {"Filled"}
    assert len({order["order_id"] for order in answers.values()}) == 120
    until(lambda: held(url) == before + 120, "the position")
    with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
        for key, order in [*answers.items()][::13]:  # the same call again has the same answer
            again = http.post("/v1/orders", json=ORDER, headers={"Idempotency-Key": key})
            assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
            assert again.json()["order"]["order_id"] == order["order_id"]
    assert held(url) == before + 120


def held(url: str) -> int:
    """What is held of AAPL, 0 of nothing."""
    with suppress(httpx.TransportError):
        told = httpx.get(f"{url}/v1/positions/AAPL", timeout=20, trust_env=False)
        if told.status_code == 200:
            return int(told.json()["position"]["position"])
    return 0


def test_a_stream_goes_on_without_a_gap_over_kills_of_the_gateway(stack: LocalStack) -> None:
    url = stack.url("gateway")
    heard: list[int] = []
    place: dict[str, str] = {"events.0": "0-0"}

    async def listen(most: int) -> None:
        """Hear as many messages as that, or until the connection ends."""
        target = f"{url.replace('http', 'ws')}/v1/stream"
        with suppress(websockets.WebSocketException, OSError):
            async with websockets.connect(target, max_size=None) as socket:
                await socket.send(orjson.dumps({"action": "subscribe", "topic": "events", "after": place}).decode())
                async for raw in socket:
                    frame = orjson.loads(raw)
                    if frame["type"] != "changes":
                        continue
                    heard.extend(row["seq"] for row in frame["rows"])
                    place.update(frame["as_of"])
                    if len(heard) >= most:
                        return

    sender = Sender(url, "streamed", 60)
    sender.start()
    for kills in range(3):
        asyncio.run(listen(len(heard) + 60))
        if kills < 2:
            kill(stack, "gateway")
    sender.join(120)
    assert len(sender.answers) == 60
    until(lambda: stack.processes["gateway"].state == "running", "the gateway")
    last = httpx.get(f"{url}/v1/orders", params={"limit": 1}).json()["as_of"]["events.0"]
    deadline = time.monotonic() + 60
    while place["events.0"] < last and time.monotonic() < deadline:
        asyncio.run(listen(len(heard) + 1))
    assert heard == [*range(1, len(heard) + 1)]
    assert len(heard) > 200


def test_server_sent_events_go_on_behind_their_last_id(stack: LocalStack) -> None:
    url = f"{stack.url('gateway')}/v1/stream"
    seen: list[str] = []
    last_id = "events.0=0-0"
    for round_ in range(3):
        httpx.post(f"{stack.url('gateway')}/v1/orders", json=ORDER, timeout=20)
        with httpx.stream(
            "GET", url, params={"topics": "fills"}, headers={"last-event-id": last_id}, timeout=20
        ) as told:
            assert told.headers["content-type"].startswith("text/event-stream")
            at = last_id
            for line in told.iter_lines():
                if line.startswith("id: "):
                    at = line[4:]
                elif line.startswith("data: "):
                    seen += [row["exec_id"] for row in orjson.loads(line[6:]).get("rows", [])]
                    if at != last_id:
                        last_id = at
                        break
        assert len(seen) == len(set(seen)), round_
    fills = httpx.get(f"{stack.url('gateway')}/v1/fills", params={"limit": 1000}).json()["fills"]
    assert sorted(seen) == sorted(fill["exec_id"] for fill in fills)


def test_a_state_that_was_kept_is_the_state_after_a_stop(stack: LocalStack, tmp_path: Path) -> None:
    url = stack.url("gateway")
    before = httpx.get(f"{url}/v1/orders", params={"limit": 1000}).json()["orders"]
    gateway = stack.processes["gateway"]
    pid = gateway.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    until(lambda: gateway.pid not in (None, pid), "another gateway")
    until(lambda: _ready(url), "it to be ready")
    assert [*(stack.data_dir / "snapshots" / "gateway-0").glob("*.snapshot")]
    after = httpx.get(f"{url}/v1/orders", params={"limit": 1000}).json()["orders"]
    assert after == before


def _ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/ready").status_code == 200
    return False


def test_a_place_that_the_server_has_trimmed_is_told_and_no_gap_is_passed_over(stack: LocalStack) -> None:
    key = stack.settings.topology().key("market.0")
    url = stack.url("gateway")
    until(lambda: _ready(url), "the gateway")

    async def ask(after: str) -> dict[str, Any]:
        async with websockets.connect(f"{url.replace('http', 'ws')}/v1/stream", max_size=None) as socket:
            said = {"action": "subscribe", "topic": "trades", "after": {"market.0": after}}
            await socket.send(orjson.dumps(said).decode())
            while True:
                told: dict[str, Any] = orjson.loads(await socket.recv())
                if told["type"] in ("subscribed", "refused"):
                    return told

    with Client(stack.redis_url, stack.settings.topology()) as client:
        for _ in range(3):
            httpx.post(f"{url}/v1/orders", json=ORDER, timeout=20)
        ids = [entry_id.decode() for entry_id, _ in client.redis.xrange(key)]
        assert len(ids) > 2
        assert asyncio.run(ask(ids[0]))["type"] == "subscribed"
        client.redis.xtrim(key, minid=ids[-2], approximate=False)
    refused = asyncio.run(ask(ids[0]))
    assert (refused["status"], refused["reason"]) == (410, "place_gone")
    assert asyncio.run(ask(ids[-2]))["type"] == "subscribed"


def test_the_status_has_a_gateway_that_is_there(stack: LocalStack) -> None:
    def row() -> StageState | None:
        with Client(stack.redis_url, stack.settings.topology()) as client:
            found = states(client.redis, stack.settings.topology())
        return next((each for each in found if each.stage == "gateway"), None)

    found = until(lambda: (each := row()) is not None and each.state == "live" and each, "the gateway's row")
    assert found.url == stack.url("gateway")
    assert found.last_error is None
    text = httpx.get(f"{stack.url('gateway')}/metrics").text
    assert 'fillstream_live{partition="0",stage="gateway"} 1.0' in text
