"""A live stage between batches: it holds back, ticks, snapshots, lets its log be trimmed, and tells how it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream.libs.common.messages.topology import low_water_key
from fillstream.libs.common.process.app import options_of
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime import worker
from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.exit_codes import EXIT_SETTINGS
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.role import Downstream, Role
from fillstream.libs.common.runtime.snapshots import SnapshotStore
from fillstream.libs.common.runtime.trim import trim
from fillstream.libs.common.runtime.worker import Worker
from tests.conftest import until
from tests.support.adder import INBOX, Adder

SOON_MS = 50
"""So late an entry may come. A busy machine is later than that; not every time."""


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES", "100")
    monkeypatch.setenv("FILLSTREAM_DATABASE__COPY_EVERY_S", "1")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__RETENTION_S", "0")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__MAX_DOWNSTREAM_LAG", "50")
    return load_settings()


class Live:
    """A worker with its metrics, stopped at the end."""

    def __init__(self, settings: Settings, role: Role) -> None:
        self.metrics = StageMetrics(role.stage, feeds=bool(role.downstream))
        self.worker = Worker(role, options_of(settings), self.metrics)
        self.worker.start()
        assert self.worker.ready.wait(timeout=90)

    def metric(self, name: str, **more: str) -> float | None:
        labels = {"stage": "adder", "partition": "0", **more}
        return self.metrics.registry.get_sample_value(f"fillstream_{name}", labels)


@pytest.fixture
def start(settings: Settings) -> Iterator[Any]:
    running: list[Live] = []

    def make(stage: Adder | None = None, **more: Any) -> Live:
        role = Role(stage or Adder(), more.get("downstream", ()), more.get("trims", {}))
        running.append(Live(settings, role))
        return running[-1]

    yield make
    for live in running:
        live.worker.stop()
        live.worker.join(timeout=90)
        assert not live.worker.is_alive()


def send(client: redis.Redis, count: int) -> None:
    pipe = client.pipeline()
    for _ in range(count):
        pipe.xadd(INBOX, {"n": "1"})
    pipe.execute()


def test_it_reads_no_further_while_a_stage_downstream_is_too_far_behind(client: redis.Redis, start: Any) -> None:
    live = start(downstream=[Downstream("sums", "checkpoint.next")])
    send(client, 60)
    until(lambda: client.xlen("sums") == 60, "the first batch, which nothing held back")
    until(lambda: live.metric("reader_paused") == 1, "the worker to see a lag of 60, limit 50")
    assert live.metric("downstream_lag_entries") == 60
    send(client, 10)
    assert client.xlen("sums") == 60
    until(lambda: client.hget("status.adder", "state") == b"paused", "the status to say so")
    client.hset("checkpoint.next", "entries", "60")  # the stage downstream has caught up
    until(lambda: client.xlen("sums") == 70, "the worker to read again")
    assert live.metric("reader_paused") == 0


def test_ticks_make_time_pass_on_a_quiet_inbox(client: redis.Redis, start: Any) -> None:
    class Ticking(Adder):
        tick_ms = 20

        def fold(self, entry: Any, out: Any) -> None:
            if b"tick" in entry.fields:
                self.total += 1000
            else:
                super().fold(entry, out)

    stage = Ticking()
    start(stage)
    until(lambda: stage.total >= 3000, "three ticks")


def test_calendars_are_offered_at_the_start_and_again_when_they_are_others(
    client: redis.Redis, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CALENDAR_S", 0.05)

    class Calendared(Adder):
        wanted, has = b"one", b""

        def calendar(self) -> dict[bytes, bytes] | None:
            return None if self.has == self.wanted else {b"calendar": self.wanted}

        def fold(self, entry: Any, out: Any) -> None:
            self.has = entry.fields[b"calendar"]

    stage = Calendared()
    start(stage)
    until(lambda: stage.has == b"one", "the calendars of its start")
    stage.wanted = b"two"
    until(lambda: stage.has == b"two", "those that were compiled since")
    assert [fields for _, fields in client.xrange(INBOX)][-1] == {b"calendar": b"two"}


def test_an_entry_comes_when_the_stage_has_something_due(client: redis.Redis, start: Any) -> None:
    class Timed(Adder):
        """Wants an entry at some times, by the clock of the server; and at more, until one of them came soon."""

        def __init__(self, times: list[int]) -> None:
            super().__init__()
            self.times = times
            self.late_ms: list[int] = []
            self.early = 0

        @property
        def due_ms(self) -> int | None:
            return self.times[0] if self.times else None

        def fold(self, entry: Any, out: Any) -> None:
            if not self.times or entry.ms < self.times[0]:
                self.early += 1
                return
            self.late_ms.append(entry.ms - self.times[0])
            if len(self.times) == 1 and min(self.late_ms[1:]) > SOON_MS:
                self.times.append(entry.ms + 100)
            self.times.pop(0)

    seconds, microseconds = client.time()  # type: ignore[misc]
    now_ms = seconds * 1000 + microseconds // 1000
    stage = Timed([now_ms - 5, now_ms + 400, now_ms + 407, now_ms + 650])
    start(stage)
    until(lambda: not stage.times, f"an entry for each, and one of them within {SOON_MS} ms")
    assert min(stage.late_ms) >= 0
    assert client.xlen(INBOX) <= len(stage.late_ms) + stage.early, "one each, and one more for each early one"


def test_snapshots_are_written_behind_it_and_the_log_is_trimmed_below_the_oldest(
    client: redis.Redis, start: Any, tmp_path: Path
) -> None:
    live = start(trims={INBOX: ("adder",)})
    folder = tmp_path / "snapshots" / "adder-0"
    for wave in range(1, 6):
        send(client, 1000)
        until(lambda wave=wave: client.xlen("sums") == 1000 * wave, f"wave {wave}")  # type: ignore[misc]
        until(lambda wave=wave: _snapshots_reach(client, folder), "a snapshot at the end of the wave")  # type: ignore[misc]
    until(lambda: client.xlen(INBOX) < 5000, "the log to be trimmed")
    oldest = min(path.stem for path in folder.glob("*.snapshot"))
    first = client.xrange(INBOX, count=1)[0][0].decode()  # type: ignore[index,union-attr]
    assert first <= oldest, "what the oldest snapshot needs is there"
    assert live.metric("snapshot_age_seconds") is not None
    live.worker.stop()
    live.worker.join(timeout=90)
    again = Adder()
    start(again)
    assert again.total == 5000


def _snapshots_reach(client: redis.Redis, folder: Path) -> bool:
    committed = client.hget("checkpoint.adder", "id")
    return bool(committed) and (folder / f"{committed.decode()}.snapshot").exists()  # type: ignore[union-attr]


def test_it_tells_how_it_is(client: redis.Redis, start: Any) -> None:
    live = start()
    send(client, 25)
    until(lambda: live.metric("entries_in_total", stream=INBOX) == 25, "the entries to be counted")
    until(lambda: client.hget("status.adder", "entries") == b"25", "the heartbeat")
    status = client.hgetall("status.adder")
    assert (status[b"state"], status[b"lag"], status[b"last_error"]) == (b"live", b"0", b"")  # type: ignore[index]
    assert live.metric("lag_entries") == 0
    assert live.metric("batch_entries_sum") == 25
    assert live.metric("live") == 1


@pytest.mark.parametrize("missing", ["reader", "group", "age"])
def test_nothing_is_trimmed_that_somebody_may_need(client: redis.Redis, missing: str) -> None:
    seconds, _ = client.time()  # type: ignore[misc]
    began = seconds * 1000 - 10_000
    for n in range(1000):
        client.xadd("stream", {"n": n}, id=f"{began + n}-0")
    client.hset(low_water_key("stream"), "one", f"{began + 900}-0")
    if missing != "reader":
        client.hset(low_water_key("stream"), "two", f"{began + 900}-0")
    if missing == "group":
        client.xgroup_create("stream", "a user's own", f"{began + 50}-0")
    assert trim(client, "stream", ("one", "two"), retention_s=3600 if missing == "age" else 0) == 0
    assert client.xlen("stream") == 1000


def test_what_everybody_is_past_is_trimmed(client: redis.Redis) -> None:
    for n in range(1000):
        client.xadd("stream", {"n": n}, id=f"{n + 1}-0")
    client.hset(low_water_key("stream"), mapping={"one": "900-0", "two": "500-0"})
    dropped = trim(client, "stream", ("one", "two"), retention_s=0)
    assert 0 < dropped < 500


def test_a_stream_that_has_no_entry_yet_is_left_alone(client: redis.Redis) -> None:
    client.hset(low_water_key("stream"), "one", "0-0")
    assert trim(client, "stream", ("one",), retention_s=0) == 0


def test_when_the_log_is_not_what_it_was_the_state_is_left_for_the_next_start(
    client: redis.Redis, start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else may lead to it: the client that cut the log has cut what was read as well."""
    deaths: list[BaseException] = []
    monkeypatch.setattr(Worker, "_die", lambda self, error: deaths.append(error))
    start()
    send(client, 30)
    until(lambda: client.xlen("sums") == 30, "the entries to be folded")
    pipe = client.pipeline(transaction=True)
    pipe.xadd(INBOX, {"n": "1"})
    pipe.xtrim(INBOX, maxlen=0, approximate=False)
    pipe.execute()
    until(lambda: deaths, "it to be seen")
    assert isinstance(deaths[0], RecoveryError) and deaths[0].page == Page.ENTRIES_LOST
    store = SnapshotStore(tmp_path / "snapshots" / "adder-0", "adder", 0)
    stands = client.hget("checkpoint.adder", "id").decode()  # type: ignore[union-attr]
    assert store.ids()[0] == stands
    assert store.load(stands).entries == 30


@pytest.mark.parametrize("key", [INBOX, "dead", "checkpoint.adder", "copy.adder", "status.adder", "recover", "desk"])
def test_a_key_that_somebody_wrote_over_is_named_and_nothing_is_tried(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(worker.os, "_exit", ended.append)
    client.set(key, "x")
    refused = Worker(Role(Adder(), (), {}), options_of(settings), StageMetrics(Adder(), feeds=False))
    refused.run()
    assert ended == [EXIT_SETTINGS]
    assert f"Redis: {key}: must be a " in caplog.text
    assert client.get(key) == b"x"


def test_a_stage_goes_on_while_the_checkpoint_of_the_next_one_is_written_over(client: redis.Redis, start: Any) -> None:
    live = start(downstream=[Downstream("sums", "checkpoint.next")])
    send(client, 10)
    until(lambda: client.xlen("sums") == 10, "the first entries")
    client.set("checkpoint.next", "x")
    looked = client.hget("status.adder", "at_ms")
    until(lambda: client.hget("status.adder", "at_ms") != looked, "another look", timeout_s=30)
    send(client, 10)
    until(lambda: client.xlen("sums") == 20, "the next entries")
    assert live.worker.is_alive()
