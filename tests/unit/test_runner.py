"""A stage's machine: it recovers to exactly what was committed, or refuses."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
import pytest

from fillstream.libs.common.log import Fenced
from fillstream.libs.common.runner import FoldFailed, RecoveryError, Runner
from fillstream.libs.common.stage import BadEntry, Entry, Family, Outputs
from fillstream.libs.common.streams import Topology
from tests.support.memory_log import MemoryLog, MemoryRedis, MemorySnapshots

INBOX = "numbers"


class Adder:
    """Adds numbers up and tells each sum; refuses words; a stage as small as one can be."""

    name, partition, inbox, tick_ms = "adder", 0, INBOX, None
    families: tuple[Family, ...] = ()

    def __init__(self, bug: bytes | None = None, factor: int = 1) -> None:
        self.total = 0
        self.latencies_ms: list[int] = []
        self.bug, self.factor = bug, factor

    def fold(self, entry: Entry, out: Outputs) -> None:
        text = entry.fields[b"n"]
        if text == self.bug:
            self.total = -1_000_000  # half-done: the state is undefined now
            raise ZeroDivisionError("bug")
        if not text.isdigit():
            raise BadEntry("not_a_number", f"n: {text.decode()} is not a number")
        self.total += int(text) * self.factor
        out.event("sums", {"total": self.total})

    def snapshot(self) -> bytes:
        return orjson.dumps(self.total)

    def restore(self, data: bytes) -> None:
        self.total = orjson.loads(data)

    def configuration(self) -> dict[bytes, bytes] | None:
        return None

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        return {}


class Desk:
    def __init__(self) -> None:
        self.redis = MemoryRedis()
        self.snapshots = MemorySnapshots()

    def start(self, stage: Adder | None = None) -> Runner:
        stage = stage or Adder()
        log = MemoryLog(self.redis, Topology(), stage.name, 0, INBOX)
        runner = Runner(stage, log, self.snapshots)
        runner.recover()
        return runner

    def send(self, *numbers: str) -> None:
        for number in numbers:
            self.redis.add(INBOX, {b"n": number.encode()})

    def sums(self) -> list[int]:
        return [orjson.loads(entry.fields[b"data"])["total"] for entry in self.redis.streams.get("sums", [])]

    def dead(self) -> list[str]:
        return [orjson.loads(entry.fields[b"data"])["text"] for entry in self.redis.streams.get("dead", [])]


def drain(runner: Runner, count: int = 500) -> None:
    while batch := runner.read(count, 0):
        runner.step(batch)


def test_a_restart_folds_the_log_again_to_the_same_state() -> None:
    desk = Desk()
    desk.send("1", "2", "3")
    drain(desk.start(), count=2)
    again = desk.start()
    assert (again.stage.total, again.replayed) == (6, 3)  # type: ignore[attr-defined]
    desk.send("4")
    drain(again)
    assert desk.sums() == [1, 3, 6, 10]


def test_a_restart_from_a_snapshot_folds_only_what_came_after() -> None:
    desk = Desk()
    desk.send("1", "2")
    runner = desk.start()
    drain(runner)
    desk.snapshots.save(runner.snapshot())
    desk.send("3")
    drain(runner)
    again = desk.start()
    assert (again.stage.total, again.replayed) == (6, 1)  # type: ignore[attr-defined]


def test_a_snapshot_ahead_of_the_checkpoint_is_not_used() -> None:
    desk = Desk()
    desk.send("1", "2")
    runner = desk.start()
    drain(runner, count=1)
    desk.snapshots.save(runner.snapshot())
    (checkpoint,) = desk.redis.checkpoints.values()
    first = Desk()
    first.send("1")
    drain(first.start())
    (at_first,) = first.redis.checkpoints.values()
    checkpoint.id, checkpoint.entries, checkpoint.digest = at_first.id, 1, at_first.digest  # Redis lost a commit
    del desk.redis.streams["sums"][1:]
    drain(desk.start())
    assert desk.sums() == [1, 3]


def test_a_version_that_decides_differently_refuses_to_start_and_says_what_to_do() -> None:
    desk = Desk()
    desk.send("1", "2")
    drain(desk.start())
    with pytest.raises(RecoveryError, match="stop it cleanly so that it leaves a snapshot"):
        desk.start(Adder(factor=2))


def test_an_entry_missing_from_the_log_is_noticed() -> None:
    desk = Desk()
    desk.send("1", "2", "3")
    drain(desk.start())
    del desk.redis.streams[INBOX][1]
    with pytest.raises(RecoveryError, match="2 entries"):
        desk.start()


def test_a_bad_entry_goes_to_dead_and_the_next_goes_through() -> None:
    desk = Desk()
    desk.send("1", "one", "2")
    drain(desk.start())
    assert desk.sums() == [1, 3]
    assert desk.dead() == ["n: one is not a number"]
    assert desk.start().stage.total == 3  # type: ignore[attr-defined]


def test_an_entry_that_breaks_the_fold_ends_the_process_then_is_quarantined_and_replays_alike() -> None:
    desk = Desk()
    desk.send("1", "13", "2")
    with pytest.raises(FoldFailed, match="ZeroDivisionError: bug"):
        drain(desk.start(Adder(bug=b"13")))
    assert desk.sums() == []  # nothing of the batch was committed
    second = desk.start(Adder(bug=b"13"))
    drain(second)
    assert desk.sums() == [1, 3]
    assert len(desk.dead()) == 1
    assert "ZeroDivisionError: bug" in desk.dead()[0]
    third = desk.start(Adder(bug=b"13"))
    assert third.stage.total == 3  # type: ignore[attr-defined]
    desk.send("4")
    drain(third)
    assert desk.sums() == [1, 3, 7]


def test_a_suspect_that_a_mended_version_can_fold_is_folded() -> None:
    desk = Desk()
    desk.send("1", "13", "2")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    drain(desk.start(Adder()))
    assert desk.sums() == [1, 14, 16]
    assert desk.dead() == []


def test_two_suspects_in_one_batch_are_each_quarantined_in_turn() -> None:
    class Fragile(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            if entry.fields[b"n"] in (b"13", b"14"):
                raise ZeroDivisionError("bug")
            super().fold(entry, out)

    desk = Desk()
    desk.send("1", "13", "2", "14", "3")
    starts = 0
    while desk.sums() != [1, 3, 6]:
        starts += 1
        assert starts < 10
        try:
            drain(desk.start(Fragile()))
        except FoldFailed:
            continue
    assert len(desk.dead()) == 2


def test_a_lost_reply_is_read_again() -> None:
    desk = Desk()
    desk.send("1", "2")
    runner = desk.start()
    runner.log.read(1, 0)
    drain(runner)
    assert desk.sums() == [1, 3]


def test_a_fenced_owner_stops_and_the_newer_goes_on() -> None:
    desk = Desk()
    desk.send("1", "2")
    older = desk.start()
    batch = older.read(1, 0)
    newer = desk.start()
    with pytest.raises(Fenced):
        older.step(batch)
    drain(newer)
    assert desk.sums() == [1, 3]
