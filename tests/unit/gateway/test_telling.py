"""What a gateway tells of itself: live, how old what it shows is, and the row that `fillstream status` has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Away
from redis.exceptions import NoPermissionError, OutOfMemoryError

from fillstream.services.gateway.metrics import GatewayMetrics
from fillstream.services.gateway.reading import BATCH
from fillstream.services.gateway.telling import Telling
from tests.support.gateway_reading import Server, entries, read, reading_of


class Heart:
    """Remembers what was said."""

    def __init__(self, error: Exception | None = None) -> None:
        self.said: list[dict[str, Any]] = []
        self.error = error

    def beat(self, **fields: Any) -> None:
        if self.error:
            raise self.error
        self.said.append(fields)


def gauge(metrics: GatewayMetrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"fillstream_{name}", metrics.labels)


def test_it_says_that_it_recovers_and_then_that_it_is_live() -> None:
    async def scene() -> None:
        server = Server([entries("events.0", "5-0")])
        reading, heart, metrics = reading_of(server, events_0="5-0"), Heart(), GatewayMetrics()
        telling = Telling(reading, metrics, heart)  # type: ignore[arg-type]
        await telling.tell()
        assert gauge(metrics, "live") == 0
        await read(reading, server)
        await telling.tell()
        assert gauge(metrics, "live") == 1
        assert gauge(metrics, "behind_seconds") == 0
        await telling.tell("stopped")
        assert [each["state"] for each in heart.said] == ["recovering", "live", "stopped"]
        assert "events.0 at 0-0 of 5-0" in heart.said[0]["progress"]
        assert heart.said[1]["progress"] == ""

    asyncio.run(scene())


def test_a_full_batch_says_how_old_the_newest_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        ids = [f"{1_800_000_000_000 + number}-0" for number in range(BATCH)]
        server = Server([entries("events.0", *ids)])
        reading, metrics = reading_of(server), GatewayMetrics()
        await read(reading, server)
        monkeypatch.setattr("time.time", lambda: 1_800_000_000.499 + 90)
        await Telling(reading, metrics, None).tell()
        assert gauge(metrics, "behind_seconds") == pytest.approx(90)

    asyncio.run(scene())


def test_a_server_that_is_away_makes_it_older_and_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        server = Server([entries("events.0", "5-0")], Away("gone"))
        reading, metrics, heart = reading_of(server), GatewayMetrics(), Heart(Away("gone"))
        await read(reading, server)
        now = reading._answered
        monkeypatch.setattr("time.monotonic", lambda: now + 46)
        await Telling(reading, metrics, heart).tell()  # type: ignore[arg-type]
        assert gauge(metrics, "live") == 0
        assert gauge(metrics, "behind_seconds") == pytest.approx(45)

    asyncio.run(scene())


@pytest.mark.parametrize("error", [NoPermissionError("no"), OutOfMemoryError("full"), Away("gone")])
def test_what_the_server_does_not_take_ends_nothing_and_is_told_once(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        reading, heart = reading_of(Server()), Heart(error)
        telling = Telling(reading, GatewayMetrics(), heart)  # type: ignore[arg-type]
        await telling.tell()
        await telling.tell()
        assert [each.message for each in caplog.records] == [
            f"how the gateway is cannot be told to `fillstream status`: {error}"
        ]
        heart.error = None
        await telling.tell()
        heart.error = error
        await telling.tell()
        assert len(caplog.records) == 2

    asyncio.run(scene())
