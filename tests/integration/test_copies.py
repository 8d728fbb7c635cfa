"""The copy of a snapshot off its volume: a lost folder is no lost desk, and nothing is trimmed that it would need."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream.libs.common.messages.topology import Topology, low_water_key
from fillstream.libs.common.process.app import options_of
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime.acceptance import Repairs
from fillstream.libs.common.runtime.continuity import Page, Story, Volume, judge
from fillstream.libs.common.runtime.copies import CHUNK_BYTES, CopyFailed, JoinedSnapshots, SnapshotCopy
from fillstream.libs.common.runtime.durability import Durability, NotDurable
from fillstream.libs.common.runtime.forked import write_forked
from fillstream.libs.common.runtime.log import Fenced, RedisLog, connect
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.options import Retention
from fillstream.libs.common.runtime.role import Role
from fillstream.libs.common.runtime.runner import RecoveryError, Runner
from fillstream.libs.common.runtime.snapshot_writer import SnapshotWriter
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError, SnapshotStore
from fillstream.libs.common.runtime.worker import Worker
from tests.conftest import until
from tests.support.adder import INBOX, Adder

KEY = "copy.adder"
UNBOUNDED = Retention(0, 1, 0)  # type: ignore[arg-type]


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES", "100")
    monkeypatch.setenv("FILLSTREAM_DATABASE__COPY_EVERY_S", "1")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__RETENTION_S", "0")
    return load_settings()


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[Adder], Worker]]:
    running: list[Worker] = []

    def make(stage: Adder) -> Worker:
        made = Worker(Role(stage, (), {INBOX: ("adder",)}), options_of(settings), StageMetrics(stage, feeds=False))
        running.append(made)
        made.start()
        assert made.ready.wait(timeout=90)
        return made

    yield make
    for each in running:
        stop(each)


def stop(worker: Worker) -> None:
    worker.stop()
    worker.join(timeout=90)
    assert not worker.is_alive()


def send(client: redis.Redis, count: int) -> None:
    pipe = client.pipeline()
    for _ in range(count):
        pipe.xadd(INBOX, {"n": "1"})
    pipe.execute()


@pytest.fixture
def log(redis_url: str) -> Iterator[RedisLog]:
    with connect(redis_url) as made:
        log = RedisLog(made, Topology(), "adder", INBOX)
        log.claim()
        yield log


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots" / "adder-0", "adder", 0)


@pytest.fixture
def copy(client: redis.Redis, log: RedisLog, store: SnapshotStore) -> SnapshotCopy:
    return SnapshotCopy(client, log, KEY, store, UNBOUNDED)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def saved(store: SnapshotStore, ms: int, state: bytes) -> Snapshot:
    snapshot = Snapshot(f"{ms}-0", bytes(16), ms, state)
    store.save(snapshot)
    return snapshot


def fill(client: redis.Redis, folder: Path) -> None:
    """Send 5 000 entries, with a snapshot after each fifth: enough that the first one has gone."""
    store = SnapshotStore(folder / "snapshots" / "adder-0", "adder", 0)
    for _ in range(5):
        send(client, 1_000)
        until(
            lambda: store.ids()[:1] == [client.xinfo_stream(INBOX)["last-generated-id"].decode()],  # type: ignore[index]
            "a snapshot at the end",
        )


# ------------------------------------------------------------------------------------------------- a lost volume


def test_a_stage_whose_folder_is_lost_goes_on_from_the_copy(
    client: redis.Redis, start: Callable[[Adder], Worker], tmp_path: Path
) -> None:
    worker = start(Adder())
    fill(client, tmp_path)
    until(lambda: client.xlen(INBOX) < 5_000, "the log to be trimmed below the copy")
    stop(worker)
    shutil.rmtree(tmp_path / "snapshots")
    again = Adder()
    stop(start(again))
    assert again.total == 5_000
    assert client.xlen("sums") == 5_000, "no entry was decided twice"


def test_a_damaged_copy_and_a_lost_folder_are_told_by_both_their_names(
    client: redis.Redis, start: Callable[[Adder], Worker], tmp_path: Path, log: RedisLog
) -> None:
    worker = start(Adder())
    fill(client, tmp_path)
    until(lambda: client.xlen(INBOX) < 5_000, "the log to be trimmed below the copy")
    stop(worker)
    shutil.rmtree(tmp_path / "snapshots")
    chunk = next(name for name in client.hkeys(KEY) if name != b"header")  # type: ignore[union-attr]
    client.hdel(KEY, chunk)
    store = SnapshotStore(tmp_path / "snapshots" / "adder-0", "adder", 0)
    runner = Runner(Adder(), log, JoinedSnapshots(store, SnapshotCopy(client, log, KEY, store, UNBOUNDED)))
    with pytest.raises(RecoveryError) as refused:
        runner.recover()
    assert f"there is no usable snapshot in {store.folder}, nor is the copy at {KEY} in Redis one" in str(refused.value)
    assert f"the copy at {KEY} in Redis: chunk 0 of 1 is missing; damaged" in str(refused.value)


def test_without_a_copy_no_mark_moves(
    client: redis.Redis, start: Callable[[Adder], Worker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(self: SnapshotCopy, snapshot_id: str) -> None:
        raise CopyFailed("no room for a copy")

    monkeypatch.setattr(SnapshotCopy, "write", full)
    worker = start(Adder())
    send(client, 1_000)
    until(lambda: len([*(tmp_path / "snapshots" / "adder-0").glob("*.snapshot")]) > 0, "a snapshot")
    until(lambda: b"no room" in (client.hget("status.adder", "last_error") or b""), "status to say so")  # type: ignore[operator]
    stop(worker)
    assert not client.exists(low_water_key(INBOX))
    assert client.xlen(INBOX) == 1_000


def test_a_copy_that_a_crash_may_take_away_moves_no_mark(
    client: redis.Redis, start: Callable[[Adder], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = [False]
    true_wait, true_write = Durability.wait, SnapshotCopy.write

    def wait(self: Durability, newest_id_ms: int) -> None:
        if stuck[0]:
            stuck[0] = False
            raise NotDurable("the disk is stuck")
        true_wait(self, newest_id_ms)

    def write(self: SnapshotCopy, snapshot_id: str) -> None:
        true_write(self, snapshot_id)
        stuck[0] = not client.exists("unstuck")

    monkeypatch.setattr(Durability, "wait", wait)
    monkeypatch.setattr(SnapshotCopy, "write", write)
    start(Adder())
    send(client, 200)
    until(lambda: b"stuck" in (client.hget("status.adder", "last_error") or b""), "status to say so")  # type: ignore[operator]
    assert client.hexists(KEY, "header")
    assert not client.exists(low_water_key(INBOX))
    client.set("unstuck", 1)
    send(client, 200)
    until(lambda: client.exists(low_water_key(INBOX)), "the next copy, which is safe")


def test_who_was_fenced_off_publishes_no_snapshot(
    client: redis.Redis, log: RedisLog, store: SnapshotStore, settings: Settings, redis_url: str
) -> None:
    stage = Adder()
    writer = SnapshotWriter(store, Role(stage, (), {}), log, options_of(settings), StageMetrics(stage, feeds=False))
    writer.save(Snapshot("5-0", bytes(16), 5, b"1"))
    owner = RedisLog(connect(redis_url), Topology(), "adder", INBOX)
    owner.claim()
    late = Snapshot("6-0", bytes(16), 6, b"2")
    for snapshot in (late, write_forked((late.id, late.entries), lambda: late, store)):
        with pytest.raises(Fenced, match="epoch 1 was fenced off, the partition is claimed by epoch 2"):
            writer.save(snapshot)
    assert [path.name for path in store.folder.iterdir()] == ["5-0.snapshot"]
    assert client.hget(low_water_key(INBOX), "adder") == b"5-0"


def test_where_no_process_can_be_made_the_thread_writes_the_snapshot(
    client: redis.Redis, start: Callable[[Adder], Worker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refused() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, "fork", refused)
    start(Adder())
    send(client, 200)
    until(lambda: [*(tmp_path / "snapshots" / "adder-0").glob("*.snapshot")], "a snapshot all the same")


# ------------------------------------------------------------------------------------------------------ one copy


def test_a_copy_is_in_chunks_and_comes_back_whole(
    client: redis.Redis, copy: SnapshotCopy, store: SnapshotStore
) -> None:
    snapshot = saved(store, 5, noise(2_500_000))
    copy.write("5-0")
    sizes = [client.hstrlen(KEY, name) for name in client.hkeys(KEY) if name != b"header"]  # type: ignore[union-attr,arg-type]
    assert len(sizes) == 3
    assert max(sizes) <= CHUNK_BYTES
    assert copy.ids() == ["5-0"]
    assert copy.load("5-0") == snapshot


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024])
def test_a_copy_of_any_size_comes_back(copy: SnapshotCopy, store: SnapshotStore, size: int) -> None:
    snapshot = saved(store, 5, bytes(size))
    copy.write("5-0")
    assert copy.load("5-0") == snapshot


def test_the_one_before_stands_until_the_next_is_read_back(
    client: redis.Redis, copy: SnapshotCopy, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = saved(store, 5, b"first")
    copy.write("5-0")
    second = saved(store, 6, noise(1_500_000))
    true_hset = client.hset

    def broken(key: str, name: str, value: bytes) -> Any:
        return true_hset(key, name, value[:-1] if name.endswith("/0") else value)

    with monkeypatch.context() as wire:
        wire.setattr(client, "hset", broken)
        with pytest.raises(CopyFailed, match=r"6-0 not copied: the copy at copy.adder in Redis: chunk 1 .*damaged"):
            copy.write("6-0")
    assert (copy.ids(), copy.load("5-0")) == (["5-0"], first)
    assert client.hlen(KEY) == 2, "what was not verified is gone"
    copy.write("6-0")
    assert (copy.ids(), copy.load("6-0")) == (["6-0"], second)
    assert client.hlen(KEY) == 3, "and so is the one before"


def test_what_a_killed_writer_left_goes(client: redis.Redis, copy: SnapshotCopy, store: SnapshotStore) -> None:
    client.hset(KEY, "4-0.1/0", b"half")
    saved(store, 5, b"state")
    copy.write("5-0")
    assert sorted(client.hkeys(KEY)) == [b"5-0.1/0", b"header"]  # type: ignore[type-var]


def test_who_was_fenced_off_publishes_no_copy(
    client: redis.Redis, log: RedisLog, copy: SnapshotCopy, store: SnapshotStore, redis_url: str
) -> None:
    saved(store, 5, b"state")
    copy.write("5-0")
    RedisLog(connect(redis_url), Topology(), "adder", INBOX).claim()
    saved(store, 6, b"state")
    before = client.dump(KEY)
    with pytest.raises(Fenced, match="epoch 1 was fenced off, the partition is claimed by epoch 2"):
        copy.write("6-0")
    assert client.dump(KEY) == before


def test_a_copy_that_would_fill_the_server_is_not_written(
    client: redis.Redis, copy: SnapshotCopy, store: SnapshotStore
) -> None:
    saved(store, 5, noise(3_000_000))
    used = int(client.info("memory")["used_memory"])  # type: ignore[index]
    client.config_set("maxmemory", used + 2_000_000)
    try:
        with pytest.raises(CopyFailed, match=r"no room for a copy .* the copy takes 300\d{4}, .* is not trimmed"):
            copy.write("5-0")
    finally:
        client.config_set("maxmemory", 0)
    assert copy.ids() == []


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("header", b"{", "no header"),
        ("header", b'{"format": 1}', "no header"),
        ("5-0.1/0", b"rubbish", "chunk 0 of 1: Error -3 .*; damaged"),
    ],
)
def test_a_damaged_copy_is_told(
    client: redis.Redis, copy: SnapshotCopy, store: SnapshotStore, field: str, value: bytes, sentence: str
) -> None:
    saved(store, 5, b"state")
    copy.write("5-0")
    client.hset(KEY, field, value)
    with pytest.raises(SnapshotError, match=f"the copy at copy.adder in Redis: {sentence}"):
        copy.load("5-0")
    saved(store, 6, b"state")
    copy.write("6-0")
    assert copy.ids() == ["6-0"], "it does not stand in the way of the next"


# -------------------------------------------------------------------------------------------------- both as one


def test_both_are_read_as_one(copy: SnapshotCopy, store: SnapshotStore) -> None:
    both = JoinedSnapshots(store, copy)
    assert both.ids() == []
    five = saved(store, 5, b"five")
    copy.write("5-0")
    six = saved(store, 6, b"six")
    assert both.ids() == ["6-0", "5-0"]
    assert (both.load("6-0"), both.load("5-0")) == (six, five)
    os.truncate(store.path("5-0"), 20)
    assert both.load("5-0") == five, "the copy is whole"
    os.truncate(store.path("6-0"), 20)
    with pytest.raises(SnapshotError, match=r"6-0\.snapshot"):
        both.load("6-0")
    both.set_aside("5-0")
    assert (both.ids(), copy.ids()) == (["6-0"], [])


def test_who_begins_a_new_desk_sets_the_copy_of_the_old_one_aside_as_well(
    client: redis.Redis, copy: SnapshotCopy, store: SnapshotStore
) -> None:
    """A server may have lost all but the copies: as long as one counts, the stage is told of a desk that is gone."""
    both, nothing = JoinedSnapshots(store, copy), Story("checkpoint.adder", INBOX)
    saved(store, 5, b"five")
    store.belong_to("desk")
    copy.write("5-0")
    with pytest.raises(RecoveryError) as error:
        judge(nothing, Volume(both.desk(), both.ids()[0]))
    assert error.value.page == Page.DESK_GONE
    Repairs(client, Topology(), "adder", INBOX, "adder", both).repair(error.value, nothing)
    assert both.ids() == []
    judge(nothing, Volume(both.desk()))
