"""The API monitor against a real HTTP server that misbehaves, and as a process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from faststream.redis import RedisBroker

from fillstream import Client, LocalStack
from fillstream.libs.common.messages.wire import decode
from fillstream.libs.common.process.settings import default_path
from fillstream.libs.common.process.settings.api_monitor import ApiSource
from fillstream.services.api_monitor.asking import Failed, address, ask
from fillstream.services.api_monitor.memory import Memory
from fillstream.services.api_monitor.metrics import MonitorMetrics
from fillstream.services.api_monitor.polling import Poller
from tests.conftest import free_port, until
from tests.support.bad_api import Api, answers, bad_api, drips, floods, hangs_up, sends

KEY = "consumer.api-monitor.flow"
BUY = {"symbol": "AAPL", "signal": "BUY", "confidence": 0.9}
SELL = {"symbol": "MSFT", "signal": "SELL", "confidence": 0.7}


@pytest.fixture
def api() -> Iterator[Api]:
    with bad_api() as made:
        yield made


def source(api: Api, **more: Any) -> ApiSource:
    quick = {"url": api.url, "retries": 0, "backoff_ms": 1, "timeout_ms": 2_000}
    return ApiSource.model_validate({**quick, **more})


def asked(source: ApiSource) -> tuple[bytes, list[float]]:
    """Ask once, retries included, and return the answer with what was waited between (seconds)."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def work() -> bytes:
        async with httpx.AsyncClient(follow_redirects=False) as http:
            return await ask(http, source, sleep)

    return asyncio.run(work()), waited


def failed(source: ApiSource) -> Failed:
    with pytest.raises(Failed) as raised:
        asked(source)
    return raised.value


def test_it_asks_as_it_is_told_and_shows_no_secret(api: Api, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = tmp_path / "key"
    secret.write_text("from-a-file\n")
    api.will(answers([BUY]))
    with caplog.at_level(logging.INFO, "fillstream"):
        asked(source(api, headers={"authorization": "Bearer s3cret"}, header_files={"x-key": str(secret)},
                     params={"key": "p4ram"}))  # fmt: skip
    [(path, headers)] = api.heard
    assert path == "/predictions?key=p4ram"
    assert (headers["authorization"], headers["x-key"]) == ("Bearer s3cret", "from-a-file")
    asked(source(api, method="POST", body={"want": ["AAPL"]}))
    assert api.body == b'{"want":["AAPL"]}'
    assert address(f"{api.url}?key=1") == api.url
    api.will(sends(403, b"s3cret"))
    failure = failed(source(api, headers={"authorization": "Bearer s3cret"}))
    assert str(failure) == "answered 403"
    assert "s3cret" not in caplog.text
    missing = failed(source(api, header_files={"x-key": str(tmp_path / "none")}))
    assert "header_files.x-key" in str(missing) and "cannot be read: FileNotFoundError" in str(missing)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_what_may_do_better_is_asked_again_with_longer_and_longer_pauses(api: Api, status: int) -> None:
    api.will(sends(status), sends(status), hangs_up, answers([BUY]))
    body, waited = asked(source(api, retries=3, backoff_ms=100))
    assert body == b'[{"symbol": "AAPL", "signal": "BUY", "confidence": 0.9}]'
    assert waited == [0.1, 0.2, 0.4]


def test_an_api_that_says_when_to_come_again_is_heard_within_reason(api: Api) -> None:
    api.will(sends(429, retry_after="7"), sends(503, retry_after="99999"), sends(503, retry_after="tomorrow"),
             answers([]))  # fmt: skip
    assert asked(source(api, retries=3, backoff_ms=100))[1] == [7.0, 60.0, 0.4]


def test_what_will_not_do_better_is_asked_once(api: Api) -> None:
    for behaviour, outcome, text in (
        (sends(404), "status", "answered 404"),
        (sends(302, location="http://127.0.0.1:1/elsewhere"), "redirect", "a redirect is not followed"),
        (floods(api), "too_large", "the answer is larger than 1000 bytes, max_bytes"),
    ):
        api.heard.clear()
        api.will(behaviour)
        failure = failed(source(api, retries=3, max_bytes=1000, headers={"authorization": "s3cret"}))
        assert (failure.outcome, len(api.heard)) == (outcome, 1)
        assert text in str(failure)


def test_an_answer_that_comes_too_slowly_is_given_up_however_it_comes(api: Api) -> None:
    api.will(drips(api))
    began = time.monotonic()
    failure = failed(source(api, timeout_ms=150, retries=1))
    assert (failure.outcome, str(failure)) == ("timeout", "no whole answer in 150 ms, timeout_ms")
    assert len(api.heard) == 2 and time.monotonic() - began < 5


def test_what_cannot_be_sent_is_a_failure_that_shows_nothing(api: Api) -> None:
    for value in ("s3cr\u00e9t", "s3cret\n", "s3cret\r\nx: y"):
        failure = failed(source(api, headers={"x-key": value}))
        assert failure.outcome in ("unsendable", "unreachable")
        assert "s3cr" not in str(failure)
    assert not any("x" in headers for _, headers in api.heard), "no header is smuggled in"


def test_nobody_there_is_a_failure(api: Api) -> None:
    nowhere = source(api, url=f"http://127.0.0.1:{free_port()}/")
    assert failed(nowhere).outcome == "unreachable"
    api.will(hangs_up)
    assert failed(source(api)).outcome == "unreachable"


class Polled:
    """A poller on a real Redis, polled when a test says so."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        self.url, self.client = url, client
        self.metrics = MonitorMetrics(["flow"])
        self.now_s = 1_764_000_000.0

    def polls(self, source: ApiSource, times: int = 1) -> list[str]:
        """Poll so often, as a process that has just been started."""

        async def work() -> list[str]:
            broker = RedisBroker(self.url, logger=None)
            client = redis.asyncio.Redis.from_url(self.url)
            async with httpx.AsyncClient() as http, client, broker:
                await broker.connect()
                memory = Memory(client, KEY, source.unique_ms)
                poller = Poller("flow", source, http, broker, "signals", memory, self.metrics, lambda: self.now_s)
                return [await poller.poll() for _ in range(times)]

        return asyncio.run(work())

    def published(self) -> list[dict[str, Any]]:
        raw: Any = self.client
        return [decode(fields) for _, fields in raw.xrange("signals")]

    def items(self, outcome: str) -> float:
        labels = {"stage": "api-monitor", "partition": "0", "source": "flow", "outcome": outcome}
        return self.metrics.registry.get_sample_value("fillstream_api_items_total", labels) or 0.0


@pytest.fixture
def polled(redis_url: str, client: redis.Redis) -> Polled:
    return Polled(redis_url, client)


def test_what_is_said_at_each_poll_is_published_once_and_by_a_restart_too(polled: Polled, api: Api) -> None:
    api.will(answers([BUY, BUY]), answers([BUY, SELL]), answers([SELL, BUY]))
    assert polled.polls(source(api), 2) == ["ok", "ok"]
    assert polled.polls(source(api)) == ["ok"], "another process"
    assert [(each["type"], each["symbol"], each["move"], each["confidence"]) for each in polled.published()] == [
        ("Prediction", "AAPL", "BUY", "0.9"), ("Prediction", "MSFT", "SELL", "0.7"),
    ]  # fmt: skip
    assert (polled.items("published"), polled.items("duplicate")) == (2, 4)


def test_after_its_time_a_prediction_is_published_again_under_another_id(polled: Polled, api: Api) -> None:
    api.will(answers([BUY]))
    hour = source(api, unique_ms=3_600_000)
    polled.polls(hour)
    polled.now_s += 3599
    polled.polls(hour)
    polled.now_s += 1
    polled.polls(hour)
    first, second = polled.published()
    assert second["signal_id"] == f"{first['signal_id']}.1764000000000"
    polled.now_s += 3 * 86_400
    polled.polls(hour)
    assert polled.client.hlen(KEY) == 1


def test_what_fails_is_counted_and_published_by_the_next_poll(polled: Polled, api: Api) -> None:
    api.will(sends(500), sends(200, b"{"), answers([{"symbol": "AAPL"}, SELL, BUY]), answers(5))
    assert polled.polls(source(api, min_confidence=0.8), 4) == ["status", "bad_answer", "ok", "bad_answer"]
    assert [each["symbol"] for each in polled.published()] == ["AAPL"]
    assert [polled.items(each) for each in ("published", "below_threshold", "refused")] == [1, 1, 1]
    page = polled.metrics.registry
    labels = {"stage": "api-monitor", "partition": "0", "source": "flow"}
    assert page.get_sample_value("fillstream_api_polls_total", {**labels, "outcome": "bad_answer"}) == 2
    assert (page.get_sample_value("fillstream_api_last_good_poll_timestamp_seconds", labels) or 0) > 0


def test_a_redis_that_refuses_keeps_nothing_from_being_published_later(polled: Polled, api: Api) -> None:
    api.will(answers([BUY]))
    polled.client.set("signals", "no stream")
    assert polled.polls(source(api)) == ["redis"]
    polled.client.delete("signals")
    assert polled.polls(source(api)) == ["ok"]
    assert len(polled.published()) == 1


# ------------------------------------------------------------------------------------------------------ a process


def configured(folder: Path, text: str) -> Path:
    for file in default_path().parent.glob("*.yaml"):
        folder.joinpath(file.name).write_text(file.read_text() + (text if file.name == "local.yaml" else ""))
    return folder / "local.yaml"


def section(api: Api) -> str:
    return (
        f"\napi_monitor:\n  sources:\n    flow:\n      url: {api.url}\n      interval_ms: 100\n      items: data\n"
        "      headers: {authorization: 'Bearer ${FLOW_TOKEN}'}\n"
    )


def test_up_starts_it_where_it_is_configured_and_the_desk_journals_what_it_publishes(api: Api, tmp_path: Path) -> None:
    api.will(answers({"data": [BUY]}))
    config = tmp_path / "config"
    config.mkdir()
    os.environ["FLOW_TOKEN"] = "t0ken"
    try:
        path = configured(config, section(api))
        with LocalStack(tmp_path / "data", base_port=0, redis_port=0, config=path, without=("analytics",)) as stack:
            stack.wait_ready()
            with Client(stack.redis_url) as desk:
                item = next(desk.follow_predictions(after="0"))
            assert (item.message.symbol, item.message.move, item.message.confidence) == (
                "AAPL",
                "BUY",
                item.message.confidence,
            )
            assert item.message.signal_id.startswith("flow-")
            url = stack.url("api-monitor")
            told = {
                path: httpx.get(f"{url}{path}", trust_env=False)
                for path in ("/health", "/ready", "/metrics", "/docs", "/")
            }
            assert {each.status_code for each in told.values()} == {200}
            assert 'fillstream_api_items_total{outcome="published"' in told["/metrics"].text
            assert "Prediction" in told["/docs"].text
            assert api.heard[0][1]["authorization"] == "Bearer t0ken"
            log = (tmp_path / "data/logs/api-monitor.log").read_text()
            assert "api-monitor live: polls flow" in log
            assert "t0ken" not in log
    finally:
        del os.environ["FLOW_TOKEN"]


def test_without_a_source_there_is_no_process_and_one_that_is_started_says_so(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data", base_port=0, redis_port=0)
    assert "api-monitor" not in stack.processes
    ended = subprocess.run(
        [sys.executable, "-m", "fillstream.services.api_monitor"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 78
    assert "api_monitor.sources: there is none to poll" in ended.stderr


def test_a_clean_stop_is_one(api: Api, redis_url: str, tmp_path: Path) -> None:
    port = free_port()
    environ = {**os.environ, "CONFIG_PATH": str(configured(tmp_path, section(api))), "REDIS_URL": redis_url,
               "FLOW_TOKEN": "x", "FILLSTREAM_SERVICE__PORT": str(port)}  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "fillstream.services.api_monitor"], env=environ,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    until(lambda: len(api.heard) > 1, "it to poll")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "Traceback" not in said


def test_a_section_that_is_wrong_is_refused_with_its_place(api: Api, tmp_path: Path) -> None:
    path = configured(tmp_path, section(api).replace("interval_ms: 100", "interval_ms: 1"))
    environ = {**os.environ, "CONFIG_PATH": str(path), "FLOW_TOKEN": "x"}
    ended = subprocess.run(
        [sys.executable, "-m", "fillstream.services.api_monitor"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 78
    assert "api_monitor.sources.flow.interval_ms: 1" in ended.stderr
