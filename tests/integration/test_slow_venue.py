"""A desk as config/local.yaml has it: orders take their time to a venue that quotes worse, whoever dies meanwhile."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM
from fillstream.stack.stack import LocalStack
from fillstream.tools.audit import RedisSource, audit
from fillstream.tools.registry import all_stages
from tests.conftest import until

DELAY_MS = 1_500
ENVIRON = {
    "FILLSTREAM_EXECUTION__SIMULATION__ENABLED": "true",
    "FILLSTREAM_EXECUTION__SIMULATION__DELAY_MS": str(DELAY_MS),
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder: Path = tmp_path_factory.mktemp("desk")
    with LocalStack(folder, base_port=0, redis_port=0, without=["analytics"], environ=ENVIRON) as made:
        made.wait_ready()
        yield made


def test_an_order_on_its_way_survives_the_engine_and_fills_in_its_time_at_the_slipped_price(stack: LocalStack) -> None:
    topology, aapl = stack.settings.topology(), stack.settings.instruments["AAPL"].id
    with redis.Redis.from_url(stack.redis_url, protocol=2) as client:

        def events(kind: str) -> list[dict[str, Any]]:
            found: Any = client.xrange(topology.events(0))
            told = [json.loads(fields[b"data"]) for _, fields in found if b"data" in fields]
            return [each for each in told if each["type"] == kind and each.get("symbol") == "AAPL"]

        client.xadd(topology.commands(SIM, 0), {"frame": frames.quote(aapl, 19_000, 500, 19_002, 500)})
        until(lambda: bool(events("QuoteUpdated")), "the quote")
        client.xadd(topology.signals, {"signal_id": "one", "symbol": "AAPL", "side": "BUY", "quantity": "5"})
        until(lambda: len(_frames(client, topology.commands(SIM, 0))) == 2, "the order's command")
        stack.processes["engine"].kill(signal.SIGKILL)
        until(lambda: bool(events("OrderFilled")), "the fill")
        [received], [fill] = events("OrderReceived"), events("OrderFilled")
        assert fill["last_px"] == "190.12", "190.02 and 5 basis points, up to the next tick"
        assert fill["time"] - received["time"] >= DELAY_MS
        inbox: Any = client.xrange(topology.commands(SIM, 0))
        configs = [fields[b"config"] for _, fields in inbox if b"config" in fields]
        assert [json.loads(each)["delay_ms"] for each in configs] == [DELAY_MS], "told once, not at each start"
    found = audit(RedisSource(stack.redis_url, topology), topology, all_stages(stack.settings))
    assert found.problems == []


def _frames(client: Any, stream: str) -> list[bytes]:
    return [fields[b"frame"] for _, fields in client.xrange(stream) if b"frame" in fields]
