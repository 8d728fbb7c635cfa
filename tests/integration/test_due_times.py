"""What is due happens on time on a desk that runs: by a real worker and the clock of a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
import redis

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import OrdType, Report, ReportType, Side, Tif
from fillstream.libs.common.messages.topology import SIM, Topology, id_ms
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.process.app import options_of
from fillstream.libs.common.process.settings import load_settings
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.role import Role
from fillstream.libs.common.runtime.stage import Stage
from fillstream.libs.common.runtime.worker import Worker
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS
from fillstream.tools.replay import replay
from tests.conftest import until
from tests.support.orders import CONFIG, report

TOPOLOGY = Topology()
SOON_MS = 50
"""So late an entry may be. A busy machine is later, not every time: what is due is tried again."""


@pytest.fixture
def run(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Stage], Worker]]:
    """Start stages whose regular tick never comes, and stop them at the end."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    running: list[Worker] = []

    def start(stage: Stage) -> Worker:
        stage.tick_ms = None
        worker = Worker(Role(stage, (), {}), options_of(load_settings()), StageMetrics(stage, feeds=False))
        worker.start()
        assert worker.ready.wait(timeout=90)
        running.append(worker)
        return worker

    yield start
    for worker in running:
        worker.stop()
        worker.join(timeout=90)
        assert not worker.is_alive()


def server_ms(client: redis.Redis) -> int:
    seconds, microseconds = client.time()  # type: ignore[misc]
    return int(seconds * 1000 + microseconds // 1000)


def replayed_as_committed(redis_url: str, stage: Stage) -> None:
    """A replay needs nothing but the entries."""
    found = replay(RedisLog(connect(redis_url), TOPOLOGY, stage.name, stage.inbox), stage)
    assert found.entries > 1
    assert found.digest == found.committed


def test_orders_expire_when_they_are_due_and_not_at_the_next_entry(
    client: redis.Redis, redis_url: str, run: Callable[[Stage], Worker]
) -> None:
    run(EngineStage(TOPOLOGY, 0, {}))
    commands = TOPOLOGY.commands(SIM, 0)
    codes = {"side": int(Side.BUY), "ord_type": int(OrdType.LIMIT)}
    expired: dict[int, int] = {}

    def late_ms(after_ms: dict[int, int]) -> list[int]:
        """Send orders that expire so long from now, wait until they have, and return how late each did."""
        now_ms = server_ms(client)
        frame = b"".join(
            frames.new_order(
                n, 1, 1, 0, **codes, tif=int(Tif.GTD if n % 2 else Tif.DAY), price=9, qty=1, expiry_ms=now_ms + ms
            )
            for n, ms in after_ms.items()
        )
        client.xadd(commands, {"frame": frame})

        def all_expired() -> bool:
            for entry_id, fields in client.xrange(TOPOLOGY.orders(0)):  # type: ignore[union-attr]
                for record in map(Report._make, frames.reports(fields[reports_field(SIM)])):
                    if record.type == ReportType.EXPIRED:
                        expired.setdefault(record.order_id, id_ms(entry_id.decode()))
            return after_ms.keys() <= expired.keys()

        until(all_expired, "every order to expire")
        return [expired[n] - now_ms - ms for n, ms in after_ms.items()]

    late = late_ms({1: 900, 2: 500, 3: 650, 4: 500})
    assert [*expired] == [2, 4, 3, 1]
    entries = client.xrange(commands)
    assert all(b"tick" in fields for _, fields in entries[1:])  # type: ignore[index]
    assert len(entries) <= 1 + 2 * 3, "a tick for each time, early ones once more"  # type: ignore[arg-type]
    until(lambda: min(late) <= SOON_MS or late.extend(late_ms({5 + len(late): 200})), "an order to expire soon enough")
    assert min(late) >= 0
    replayed_as_committed(redis_url, EngineStage(TOPOLOGY, 0, {}))


def test_quotes_are_told_when_they_are_due_and_an_idle_desk_is_left_alone(
    client: redis.Redis, redis_url: str, run: Callable[[Stage], Worker]
) -> None:
    run(OrdersStage(TOPOLOGY, 0, CONFIG))
    inbox, events = TOPOLOGY.orders(0), TOPOLOGY.events(0)
    late_ms: list[int] = []

    def is_soon() -> bool:
        bid = 18_490 - 10 * len(late_ms)
        quoted = report(ReportType.QUOTED, price=bid, qty=1, leaves=18_500, aux=1, account=0, side=0, partition=65_535)
        moved_ms = id_ms(client.xadd(inbox, {"frame": quoted}).decode())  # type: ignore[union-attr]
        found: list[dict[str, int]] = []

        def told(moved_ms: int = moved_ms, found: list[dict[str, int]] = found) -> bool:
            for _, fields in client.xrange(events, min=moved_ms):  # type: ignore[union-attr]
                event = orjson.loads(fields[b"data"])
                if event["type"] == "QuoteUpdated" and event["due_time"] == moved_ms + QUOTES_EVERY_MS:
                    found.append(event)
            return bool(found)

        until(told, "the quote to be told")
        late_ms.append(found[0]["time"] - found[0]["due_time"])
        return len(late_ms) >= 3 and min(late_ms) <= SOON_MS

    until(is_soon, "three quotes, and one of them told soon enough")
    assert min(late_ms) >= 0
    assert client.xlen(inbox) <= 1 + 3 * len(late_ms), "the configuration, quotes, a tick each, early ones once more"
    replayed_as_committed(redis_url, OrdersStage(TOPOLOGY, 0, CONFIG))
