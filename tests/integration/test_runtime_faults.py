"""What the server or a person may do to a stage's streams at the worst moment: all of a batch happens, or nothing."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from fillstream.backtest.memory_log import MemorySnapshots
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.app import options_of
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.durability import Durability, NotDurable
from fillstream.libs.common.runtime.log import BATCH_BYTES, READ_AHEAD_FROM, RedisLog, connect
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.role import Role
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.server_checks import ServerRefused
from fillstream.libs.common.runtime.snapshot_writer import SnapshotWriter
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.libs.common.runtime.worker import Worker
from fillstream.services.analytics.metrics import AnalyticsMetrics
from fillstream.services.analytics.read.desk import Owner
from fillstream.services.analytics.read.reader import READ_BYTES, Reader
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import Waiting
from tests.conftest import until
from tests.support.adder import INBOX, Adder

TOPOLOGY = Topology()


@pytest.fixture
def log(redis_url: str) -> Iterator[RedisLog]:
    with connect(redis_url) as made:
        log = RedisLog(made, TOPOLOGY, "adder", INBOX)
        log.claim()
        yield log


def outputs(**events: list[str]) -> Outputs:
    out = Outputs("adder", INBOX)
    for stream, texts in events.items():
        for text in texts:
            out.event(stream, {"event": text})
    return out


def send(client: redis.Redis, count: int, size: int = 1) -> None:
    pipe = client.pipeline()
    for _ in range(count):
        pipe.xadd(INBOX, {"n": "1" * size})
    pipe.execute()


def everything(client: redis.Redis) -> dict[bytes, bytes]:
    return {key: client.dump(key) for key in client.scan_iter() if key != INBOX.encode()}


# ------------------------------------------------------------------------------------------------- the commit's script


def test_an_output_of_the_wrong_type_leaves_nothing_of_the_batch(client: redis.Redis, log: RedisLog) -> None:
    client.set("second", "no stream")
    send(client, 1)
    before = everything(client)
    with pytest.raises(redis.exceptions.ResponseError, match="WRONGTYPE"):
        log.commit(log.read(10, 1), outputs(first=["a"], second=["b"]))
    assert everything(client) == before


@pytest.mark.parametrize("full", ["second", "dead"])
def test_an_output_to_which_nothing_can_be_appended_leaves_nothing_of_the_batch(
    client: redis.Redis, log: RedisLog, full: str
) -> None:
    client.xadd(full, {"a": "b"}, id="18446744073709551615-18446744073709551615")
    send(client, 1)
    before = everything(client)
    batch, out = log.read(10, 1), outputs(first=["a"])
    if full == "dead":
        out.begin(batch[0])
        out.bad("poisoned", "a trial")
    else:
        out.event(full, {"event": "b"})
    with pytest.raises(ServerRefused, match=f"Redis: {full}: somebody gave its newest entry the largest id"):
        log.commit(batch, out)
    assert everything(client) == before


def test_a_group_that_somebody_destroyed_leaves_nothing_of_the_batch(client: redis.Redis, log: RedisLog) -> None:
    send(client, 1)
    client.xgroup_destroy(INBOX, "adder")
    before = everything(client)
    batch = log.read(10, 1)
    with pytest.raises(redis.exceptions.ResponseError, match="NOGROUP"):
        log.commit(batch, outputs(first=["a"]), (batch[0].id, "ValueError: no"))
    assert everything(client) == before


def test_an_inbox_that_was_deleted_and_begun_anew_leaves_nothing_of_the_batch(
    client: redis.Redis, log: RedisLog
) -> None:
    client.xadd(INBOX, {"n": "1"}, id="5-0")
    log.commit(log.read(10, 1), outputs(first=["a"]))
    client.delete(INBOX)
    send(client, 1)
    before = everything(client)
    with pytest.raises(redis.exceptions.ResponseError, match="NOGROUP"):
        log.commit(log.read(10, 1), outputs(first=["b"]))
    assert everything(client) == before


def test_a_server_out_of_memory_leaves_nothing_of_the_batch(client: redis.Redis, log: RedisLog) -> None:
    send(client, 1)
    batch = log.read(10, 1)
    before = everything(client)
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            log.commit(batch, outputs(first=["a"] * 100))
    finally:
        client.config_set("maxmemory", "0")
    assert everything(client) == before


def test_a_server_that_runs_out_of_memory_halfway_finishes_the_batch(client: redis.Redis, log: RedisLog) -> None:
    send(client, 1)
    batch = log.read(10, 1)
    used = int(client.info("memory")["used_memory"])  # type: ignore[index]
    client.config_set("maxmemory", str(used + 4_000_000))
    try:
        log.commit(batch, outputs(first=["a" * 10_000] * 1_500))
        log.settle()
    except redis.exceptions.OutOfMemoryError:
        pass  # noticed at the first write
    finally:
        client.config_set("maxmemory", "0")
    assert (client.xlen("first"), log.checkpoint().entries) in ((0, 0), (1_500, 1))


def test_scripts_that_were_flushed_leave_nothing_of_the_batch(client: redis.Redis, log: RedisLog) -> None:
    send(client, 1)
    batch = log.read(10, 1)
    client.script_flush()
    with pytest.raises(redis.exceptions.ResponseError):
        log.commit(batch, outputs(first=["a"]))
    assert not client.exists("first")


def test_a_server_turned_replica_leaves_nothing_of_the_batch(client: redis.Redis, log: RedisLog) -> None:
    send(client, 1)
    batch = log.read(10, 1)
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(redis.exceptions.ResponseError):
            log.commit(batch, outputs(first=["a"]))
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")
    assert not client.exists("first")


# ----------------------------------------------------------------------------------------------------- reading ahead


def test_a_claim_forgets_what_was_read_ahead(client: redis.Redis, log: RedisLog) -> None:
    send(client, 3 * READ_AHEAD_FROM)
    lost = log.read(READ_AHEAD_FROM, 1)
    log.claim()
    assert log.read(READ_AHEAD_FROM, 1) == lost


def test_part_of_a_batch_committed_is_followed_by_its_rest(client: redis.Redis, log: RedisLog) -> None:
    send(client, 3 * READ_AHEAD_FROM)
    batch = log.read(READ_AHEAD_FROM, 1)
    log.commit(batch[:5], outputs(first=["a"]))
    assert log.read(READ_AHEAD_FROM, 1)[:11] == batch[5:]


@pytest.mark.parametrize("settles", [False, True])
@pytest.mark.parametrize("sizes", [(500, 500), (16, 1, 16, 15, 17, 500), (1, 500, 1)])
def test_however_batches_are_sized_each_entry_is_committed_once(
    client: redis.Redis, log: RedisLog, sizes: tuple[int, ...], settles: bool
) -> None:
    send(client, 1_200)
    seen: list[str] = []
    turn = 0
    while len(seen) < 1_200:
        batch = log.read(sizes[turn % len(sizes)], 1)
        turn += 1
        assert batch
        log.commit(batch, outputs(sums=["x"] * len(batch)))
        if settles:
            log.settle()
        seen += [entry.id for entry in batch]
    log.settle()
    assert len(set(seen)) == 1_200
    assert client.xlen("sums") == log.checkpoint().entries == 1_200


def test_an_entry_deleted_after_it_was_read_ahead_is_not_committed_over(client: redis.Redis, log: RedisLog) -> None:
    send(client, 2 * READ_AHEAD_FROM)
    first = log.read(READ_AHEAD_FROM, 1)
    log.commit(first, outputs(sums=["first"]))
    second = log.read(READ_AHEAD_FROM, 1)
    client.xdel(INBOX, second[0].id)
    log.commit(second, outputs(sums=["second"]))
    with pytest.raises(Exception, match="do not follow the checkpoint"):
        log.settle()
    assert client.xlen("sums") == 1
    assert log.checkpoint().id == first[-1].id


# ------------------------------------------------------------------------------------------------------ large entries


def test_large_entries_come_in_small_batches(client: redis.Redis, log: RedisLog) -> None:
    """500 entries of a megabyte would be half a gigabyte in this process, and again in the server's script."""
    size = BATCH_BYTES // 4
    for _ in range(20):
        send(client, 1, size)
    seen: list[str] = []
    while len(seen) < 20:
        batch = log.read(500, 1)
        assert 1 <= len(batch) <= 4
        log.commit(batch, outputs(sums=["x"]))
        seen += [entry.id for entry in batch]
    log.settle()
    assert len(set(seen)) == log.checkpoint().entries == 20


def test_an_entry_larger_than_a_batch_may_be_comes_alone(client: redis.Redis, log: RedisLog) -> None:
    for size in (1, 2 * BATCH_BYTES, 1):
        send(client, 1, size)
    lengths = []
    while batch := log.read(500, 1):
        lengths.append([len(entry.fields[b"n"]) for entry in batch])
        log.commit(batch, outputs())
    assert lengths == [[1], [2 * BATCH_BYTES], [1]]


def test_analytics_takes_large_entries_a_few_at_a_time(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    send(client, 40)
    for _ in range(100):
        send(client, 1, 1024 * 1024)
    waiting = Waiting()
    own = connect(redis_url)
    owner = Owner(own, Topology(), [INBOX], Store(tmp_path / "rows.duckdb"))
    reader = Reader(own, {INBOX: "signals"}, {}, waiting, AnalyticsMetrics(), owner)
    while reader.read[INBOX].entries < 140:
        reader.read_once()
        assert sum(len(raw[1][1]) for chunk in waiting.take() for raw in chunk.entries if raw[1]) <= 2 * READ_BYTES


# -------------------------------------------------------------------------------------------------- the live process


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES", "10")
    return load_settings()


@pytest.fixture
def worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    stage = Adder()
    made = Worker(Role(stage, (), {}), options_of(settings), StageMetrics(stage, feeds=False))
    deaths: list[BaseException] = []
    monkeypatch.setattr(Worker, "_die", lambda self, error: deaths.append(error))
    made.deaths = deaths  # type: ignore[attr-defined]
    yield made
    made.stop()
    made.join(timeout=90)
    assert not made.is_alive(), "it can be stopped, whatever became of its snapshots"


def test_a_server_that_does_not_sync_costs_snapshots_not_the_desk(
    client: redis.Redis, worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wait, stuck = Durability.wait, [True]

    def sometimes(self: Durability, newest_id_ms: int) -> None:
        if stuck[0]:
            raise NotDurable("the disk is stuck")
        wait(self, newest_id_ms)

    monkeypatch.setattr(Durability, "wait", sometimes)
    worker.start()
    assert worker.ready.wait(timeout=90)
    send(client, 20)
    status = TOPOLOGY.status("adder", "numbers")
    until(lambda: b"the disk is stuck" in (client.hget(status, "last_error") or b""), "the status to tell")
    stuck[0] = False
    send(client, 20)
    until(lambda: list((tmp_path / "snapshots" / "adder-0").glob("*.snapshot")), "a snapshot once the disk moves again")
    assert worker.deaths == []  # type: ignore[attr-defined]


def test_a_snapshot_writer_that_breaks_ends_the_process(
    client: redis.Redis, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(self: SnapshotWriter, snapshot: Any) -> None:
        raise ZeroDivisionError("bug")

    monkeypatch.setattr(SnapshotWriter, "save", bug)
    worker.start()
    assert worker.ready.wait(timeout=90)
    send(client, 20)
    until(lambda: worker.deaths, "the process to end")  # type: ignore[attr-defined]
    assert isinstance(worker.deaths[0], ZeroDivisionError)  # type: ignore[attr-defined]


def test_after_the_server_was_emptied_nothing_begins_until_the_old_desk_is_given_up(
    client: redis.Redis, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths: list[BaseException] = []
    monkeypatch.setattr(Worker, "_die", lambda self, error: deaths.append(error))

    def run(count: int) -> Adder:
        stage = Adder()
        worker = Worker(Role(stage, (), {}), options_of(settings), StageMetrics(stage, feeds=False))
        worker.start()
        until(lambda: worker.ready.is_set() or deaths, "the worker to be live")
        assert deaths == []
        total = client.xlen("sums")
        send(client, count)
        until(lambda: client.xlen("sums") == total + count, "the entries to be folded")
        worker.stop()
        worker.join(timeout=90)
        return stage

    assert run(25).total == 25
    client.flushall()
    stage = Adder()
    worker = Worker(Role(stage, (), {}), options_of(settings), StageMetrics(stage, feeds=False))
    worker.start()
    until(lambda: deaths, "the worker to refuse")
    worker.join(timeout=90)
    (death,) = deaths
    assert isinstance(death, RecoveryError) and death.page == Page.DESK_GONE
    assert client.keys("checkpoint.*") == []
    deaths.clear()
    shutil.rmtree(tmp_path / "snapshots")
    assert run(5).total == 5
    assert run(5).total == 10


# -------------------------------------------------------------------------------------------------------- lost replies


def test_connections_cut_at_any_moment_lose_and_double_nothing(client: redis.Redis, redis_url: str) -> None:
    """The reply to a commit on its way is lost, over and over; each recovery finds out whether it happened."""
    total, cut = 5_000, threading.Event()
    send(client, total)
    snapshots = MemorySnapshots()

    def cut_off() -> None:
        dice = random.Random(1)
        with redis.Redis.from_url(redis_url) as other:
            # So many at most: on a busy machine every recovery could take longer than the next cut lets it.
            for _ in range(300):
                if cut.wait(dice.random() * 0.02):
                    return
                other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    cutter = threading.Thread(target=cut_off)
    cutter.start()
    deaths = 0
    try:
        while True:
            with connect(redis_url) as made:
                try:
                    runner = Runner(Adder(), RedisLog(made, TOPOLOGY, "adder", INBOX), snapshots)
                    runner.recover()
                    while batch := runner.read(20, 1):
                        runner.step(batch)
                    runner.log.settle()
                    break
                except redis.exceptions.RedisError:
                    deaths += 1
    finally:
        cut.set()
        cutter.join()
    with redis.Redis.from_url(redis_url) as reader:
        sums = [orjson.loads(fields[b"data"])["total"] for _, fields in reader.xrange("sums")]  # type: ignore[misc]
    assert sums == list(range(1, total + 1))
    assert deaths > 0
