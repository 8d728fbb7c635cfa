"""Where a stage's machine starts from, what it counts, and what it says when it cannot go on."""

from __future__ import annotations

import logging
from time import perf_counter

import orjson
import pytest

from fillstream.backtest.memory_log import MemoryLog
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.continuity import GroupPosition, RecoveryError
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.runtime.runner import FoldFailed, Runner
from fillstream.libs.common.runtime.snapshots import Snapshot
from fillstream.libs.common.runtime.stage import Entry, Outputs
from tests.support.adder import INBOX, Adder, AdderDesk, drain


def snapshots_along(desk: AdderDesk, *numbers: str) -> list[Snapshot]:
    """Send numbers, commit each alone, and return the state after each."""
    desk.send(*numbers)
    runner = desk.start()
    taken = []
    while batch := runner.read(1, 0):
        runner.step(batch)
        taken.append(runner.snapshot())
    return taken


def letters(desk: AdderDesk) -> list[dict[str, object]]:
    return [orjson.loads(entry.fields[b"data"]) for entry in desk.redis.streams["dead"]]


def test_a_snapshot_counts_the_entries_of_every_commit_before_it() -> None:
    desk = AdderDesk()
    *_, newest = snapshots_along(desk, "1", "2", "3")
    desk.snapshots.save(newest)
    assert newest.entries == 3
    again = desk.start()
    assert (again.entries, again.replayed, again.position) == (3, 0, newest.id)


def test_behind_a_snapshot_of_what_redis_lost_the_one_at_the_checkpoint_is_used() -> None:
    desk = AdderDesk()
    first, second, third = snapshots_along(desk, "1", "2", "3")
    for each in (first, second, third):
        desk.snapshots.save(each)
    (checkpoint,) = desk.redis.checkpoints.values()
    checkpoint.id, checkpoint.entries, checkpoint.digest = second.id, 2, second.digest  # Redis lost a commit
    desk.redis.groups = dict.fromkeys(desk.redis.groups, GroupPosition(second.id, 2))
    with pytest.raises(RecoveryError, match=f"a snapshot at {third.id}, and Redis says that it stands at {second.id}"):
        desk.start()
    desk.snapshots.set_aside(third.id)  # somebody accepts it
    again = desk.start()
    assert (again.stage.total, again.replayed) == (3, 0)  # type: ignore[attr-defined]


def test_behind_a_snapshot_that_cannot_be_read_the_one_before_it_is_used(caplog: pytest.LogCaptureFixture) -> None:
    desk = AdderDesk()
    first, second, third = snapshots_along(desk, "1", "2", "3")
    desk.snapshots.save(first)
    for newer in (second, third):
        desk.snapshots.save(Snapshot(newer.id, newer.digest, newer.entries, b"{another format"))
    with caplog.at_level(logging.WARNING):
        again = desk.start()
    assert (again.stage.total, again.replayed) == (6, 2)  # type: ignore[attr-defined]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert said[0].startswith(f"snapshot skipped: {third.id}: this version cannot read its state: JSONDecodeError: ")


def test_memory_that_runs_out_while_a_snapshot_is_restored_is_not_the_snapshots_fault() -> None:
    class Starved(Adder):
        def restore(self, data: bytes) -> None:
            raise MemoryError

    desk = AdderDesk()
    (only,) = snapshots_along(desk, "1")
    desk.snapshots.save(only)
    with pytest.raises(MemoryError):
        desk.start(Starved())


def test_a_configuration_that_the_state_does_not_have_is_appended_to_the_inbox() -> None:
    class Configured(Adder):
        def configuration(self) -> dict[bytes, bytes] | None:
            return None if self.total else {b"n": b"5"}

    desk = AdderDesk()
    drain(desk.start(Configured()))
    assert desk.sums() == [5]
    drain(desk.start(Configured()))
    assert desk.sums() == [5], "the state has it now"


def test_a_suspect_that_was_the_last_entry_folded_slows_no_later_start() -> None:
    desk = AdderDesk()
    desk.send("1", "13")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    drain(desk.start())
    desk.send("2", "3")
    assert len(desk.start().read(500, 0)) == 2


def test_a_read_waits_as_long_as_it_is_told_and_takes_one_entry_while_a_suspect_lies_ahead() -> None:
    class Asked(MemoryLog):
        def read(self, count: int, block_ms: int) -> list[Entry]:
            asked.append((count, block_ms))
            return super().read(count, block_ms)

    asked: list[tuple[int, int]] = []
    desk = AdderDesk()
    desk.send("1", "13", "2")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    runner = Runner(Adder(), Asked(desk.redis, Topology(), "adder", INBOX), desk.snapshots)
    runner.recover()
    for _ in range(3):
        runner.step(runner.read(500, 1000))
    assert asked == [(1, 1000), (1, 1000), (500, 1000)]


def test_a_dead_letter_says_which_stage_refused_which_entry_of_which_stream_and_why() -> None:
    desk = AdderDesk()
    desk.send("one", "13")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    runner = desk.start(Adder(bug=b"13"))
    reasons = []
    while batch := runner.read(500, 0):
        runner.step(batch)
        reasons += runner.out.reasons
    assert reasons == ["not_a_number", "poisoned"], "the metric's labels"
    first, second = desk.redis.streams[INBOX]
    cause = f"entry {second.id}: ZeroDivisionError: bug"
    assert [
        (each["stage"], each["stream"], each["entry_id"], each["reason"], each["text"]) for each in letters(desk)
    ] == [
        ("adder", INBOX, first.id, "not_a_number", "n: one is not a number"),
        ("adder", INBOX, second.id, "poisoned", cause),
    ]
    (checkpoint,) = desk.redis.checkpoints.values()
    assert (checkpoint.poisoned, checkpoint.suspect) == ({second.id: cause}, "")


def test_a_bugs_words_that_are_no_text_are_written_down_as_escapes() -> None:
    class Wordy(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            raise ValueError("\ud800é" + "x" * 1000)

    desk = AdderDesk()
    desk.send("1")
    with pytest.raises(FoldFailed) as failed:
        drain(desk.start(Wordy()))
    assert str(failed.value) == f"entry {failed.value.entry_id}: ValueError: \\ud800\\xe9" + "x" * 98


def test_a_build_that_decides_differently_is_told_what_was_found_and_what_to_do() -> None:
    desk = AdderDesk()
    desk.send("1")
    drain(desk.start())
    (checkpoint,) = desk.redis.checkpoints.values()
    other = AdderDesk()
    other.send("2")
    drain(other.start())
    (differs,) = other.redis.checkpoints.values()
    with pytest.raises(RecoveryError) as refused:
        desk.start(Adder(factor=2))
    assert refused.value.text == (
        f"numbers: folding again up to {checkpoint.id} (1 entries) gives output hash {differs.digest.hex()}, but"
        f" {checkpoint.id} (1 entries) was committed with {checkpoint.digest.hex()}. {running()} decided them: either"
        " this is another build of it (start the one that wrote the log, stop it cleanly so that it leaves a snapshot,"
        " then start this one), or entries were deleted or changed: compare with `fillstream replay`."
    )


def test_a_build_that_breaks_on_what_was_committed_is_told_so() -> None:
    desk = AdderDesk()
    desk.send("13")
    drain(desk.start())
    (entry,) = desk.redis.streams[INBOX]
    with pytest.raises(RecoveryError) as refused:
        desk.start(Adder(bug=b"13"))
    assert refused.value.text == (
        f"numbers: entry {entry.id}: ZeroDivisionError: bug. The entry was committed, so {running()} could fold it"
        " once: the log, the configuration or this build is another. Folding began with the first entry of the log, as"
        " there is no usable snapshot in memory; of a log that was trimmed that cannot succeed."
    )


@pytest.mark.parametrize("field", ["id", "entries", "digest"])
def test_any_part_of_the_checkpoint_that_does_not_agree_stops_the_start(field: str) -> None:
    class Moved(MemoryLog):
        """A log whose checkpoint was changed by hand."""

        def claim(self, release: str | None = None, at: str = "", desk: str | None = None) -> Checkpoint:
            found = super().claim(release, at, desk)
            wrong: object = {"id": "9999999999999-0", "entries": 3, "digest": b"\1" * 16}[field]
            setattr(found, field, wrong)
            return found

    desk = AdderDesk()
    desk.send("1", "2")
    drain(desk.start())
    with pytest.raises(RecoveryError):
        Runner(Adder(), Moved(desk.redis, Topology(), "adder", INBOX), desk.snapshots).recover()


def test_what_was_folded_again_is_no_news() -> None:
    """Latencies of a replay would be told to the metric a second time."""

    class Timed(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            super().fold(entry, out)
            self.latencies_ms.append(7)

    desk = AdderDesk()
    desk.send("1", "2")
    drain(desk.start(Timed()))
    again = desk.start(Timed())
    assert (again.stage.latencies_ms, again.out.by_stream) == ([], {})


def test_a_commits_time_is_that_of_the_commit() -> None:
    desk = AdderDesk()
    desk.send("1")
    runner = desk.start()
    assert runner.commit_seconds == 0.0
    began = perf_counter()
    drain(runner)
    assert 0 < runner.commit_seconds <= perf_counter() - began
