"""A gateway that starts without a snapshot, on a log that was trimmed: analytics tells it what was before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from bench.end_to_end import quote
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from tests.conftest import until
from tests.support.analytics import committed
from tests.support.gateway_process import GatewayProcess
from tests.support.trimmed import plain

OPEN = {**IDEAL_DESK, "FILLSTREAM_GATEWAY__WITHOUT_KEY": "true", "FILLSTREAM_EXECUTION__MAX_QUOTE_AGE_MS": "0"}
PAGES = ("orders", "positions?flat=true", "accounts", "instruments", "fills", "trading_state", "controls", "quotes")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    with LocalStack(tmp_path / "stack", base_port=0, redis_port=0, gateway_port=0, environ=OPEN) as made:
        made.wait_ready()
        yield made


def known(url: str) -> dict[str, Any]:
    """What a gateway answers, without how far it is: the streams have ticks, which move a place."""
    found = {}
    for page in PAGES:
        body = httpx.get(f"{url}/v1/{page}", timeout=10).json()
        body.pop("as_of")
        found[page] = body
    return plain(found)  # type: ignore[no-any-return]


def traded(url: str) -> None:
    order = {"symbol": "AAPL", "side": "BUY", "quantity": "5", "account": "demo"}
    with httpx.Client(base_url=f"{url}/v1", timeout=20) as http:
        filled = [http.post("/orders", json=order).json() for _ in range(3)]
        assert all(each["order"]["ord_status"] == "Filled" for each in filled), filled
        resting = http.post("/orders", json={**order, "price": "50.00"}).json()
        assert resting["order"]["ord_status"] == "New", resting
        assert http.post("/reduce", json={"reason": "a test", "account": "demo"}).status_code == 200


def test_it_knows_what_one_knows_that_has_run_all_the_time(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology, url = stack.settings.topology(), stack.url("gateway")
    until(lambda: httpx.get(f"{url}/ready", timeout=2).status_code == 200, "the gateway to be ready")
    server: Any = redis.Redis.from_url(stack.redis_url)
    quoted(server, stack)
    traded(url)
    for key in (topology.events(0), topology.positions(0)):
        until(lambda key=key: committed(server, key), "analytics to have stored it")  # type: ignore[misc]
    before = known(url)
    assert [each["ord_status"] for each in before["orders"]["orders"]].count("New") == 1
    server.xtrim(topology.events(0), maxlen=2, approximate=False)
    server.xtrim(topology.positions(0), maxlen=0, approximate=False)

    second = GatewayProcess(stack.redis_url, tmp_path / "second")
    second.start()
    assert known(second.http) == before
    assert httpx.get(f"{second.http}/v1/stages").json()["gateway"]["gaps"] == []
    second.stop()

    monkeypatch.setenv("FILLSTREAM_ANALYTICS_URL", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("FILLSTREAM_DATABASE__TYPE", "none")  # so that it is not waited for
    third = GatewayProcess(stack.redis_url, tmp_path / "third")
    third.start()
    told = httpx.get(f"{third.http}/v1/orders").json()
    assert told["orders"] == []
    assert any(each.startswith("events.0: ") and "analytics does not answer" in each for each in told["incomplete"])
    gaps = httpx.get(f"{third.http}/v1/stages").json()["gateway"]["gaps"]
    assert any(each.startswith("positions.0: ") and "analytics does not answer" in each for each in gaps)
    third.stop()


def quoted(server: Any, stack: LocalStack) -> None:
    """Have a market, and wait until the desk has seen it."""
    quote(server)
    url = stack.url("gateway")
    until(lambda: bool(httpx.get(f"{url}/v1/quotes").json()["quotes"]), "the journal to tell of the quote")
