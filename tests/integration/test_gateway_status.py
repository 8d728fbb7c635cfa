"""Several gateways of a desk in `fillstream status`: a row each, of what each told itself."""

from __future__ import annotations

import time
from typing import Any

import orjson
import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.heartbeat import STATUS_TTL_S, Heartbeat, forget_silent, put_status
from fillstream.libs.common.runtime.options import Address
from fillstream.tools.status import StageState, states

TOPOLOGY = Topology()
KEY = TOPOLOGY.status("gateway")


def gateways(client: redis.Redis) -> list[StageState]:
    return [each for each in states(client, TOPOLOGY) if each.stage == "gateway"]


def test_each_has_a_row_and_one_that_stopped_has_none(client: redis.Redis) -> None:
    one = Heartbeat(client, KEY, Address("0.0.0.0", 8000, "http://127.0.0.1:8000"), instance="pod-a:8000")
    two = Heartbeat(client, KEY, Address("0.0.0.0", 8000, "http://127.0.0.1:8000"), instance="pod-b:8000")
    one.beat(state="live", progress="", last_error="")
    two.beat(state="recovering", progress="reading events.0", last_error="")
    told = [(each.note, each.state, each.progress) for each in gateways(client)]
    assert told == [("pod-a:8000", "live", None), ("pod-b:8000", "recovering", "reading events.0")]
    assert all(each.pid and each.at_ms and each.url == "http://127.0.0.1:8000" for each in gateways(client))
    two.beat(state="stopped", progress="", last_error="")
    assert [each.note for each in gateways(client)] == ["pod-a:8000"]


def test_one_of_an_older_release_has_its_row_beside_the_others(client: redis.Redis) -> None:
    put_status(client, KEY, Address("127.0.0.1", 8000, "http://127.0.0.1:8000"), state="live")
    put_status(client, KEY, Address("127.0.0.1", 8001, "http://127.0.0.1:8001"), "here:8001", state="live")
    assert [(each.note, each.url) for each in gateways(client)] == [
        (None, "http://127.0.0.1:8000"), ("here:8001", "http://127.0.0.1:8001"),
    ]  # fmt: skip


def test_one_of_an_older_release_that_is_gone_has_no_row_once_others_have_come(client: redis.Redis) -> None:
    put_status(client, KEY, Address("127.0.0.1", 8000, "http://127.0.0.1:8000"), state="live")
    raw: Any = client
    raw.hset(KEY, "at_ms", round(time.time() * 1000) - 3_600_000)
    assert [each.state for each in gateways(client)] == ["down"]
    put_status(client, KEY, Address("127.0.0.1", 8001, "http://127.0.0.1:8001"), "here:8001", state="live")
    assert [(each.note, each.state) for each in gateways(client)] == [("here:8001", "live")]


def test_one_that_stopped_long_ago_is_not_said_to_be_down(client: redis.Redis) -> None:
    for name in ("gone:8000", "here:8000"):
        put_status(client, KEY, Address("127.0.0.1", 8000, "http://127.0.0.1:8000"), name, state="stopped")
    raw: Any = client
    said = orjson.loads(raw.hget(KEY, "gone:8000"))
    raw.hset(KEY, "gone:8000", orjson.dumps({**said, "at_ms": said["at_ms"] - 3_600_000}))
    assert gateways(client) == []


def test_what_was_silent_for_a_day_is_forgotten_and_nothing_else(client: redis.Redis) -> None:
    for name in ("old:8000", "new:8000"):
        put_status(client, KEY, Address("127.0.0.1", 8000, "http://127.0.0.1:8000"), name, state="live")
    raw: Any = client
    said = orjson.loads(raw.hget(KEY, "old:8000"))
    said["at_ms"] = round(time.time() * 1000) - STATUS_TTL_S * 1000 - 1
    raw.hset(KEY, "old:8000", orjson.dumps(said))
    forget_silent(client, KEY)
    assert raw.hkeys(KEY) == [b"new:8000"]
