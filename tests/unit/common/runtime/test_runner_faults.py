"""A stage's machine when everything around it goes wrong at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillstream.backtest.memory_log import MemoryLog, MemoryRedis, MemorySnapshots
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.log import Fenced
from fillstream.libs.common.runtime.runner import FoldFailed, Runner
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError, SnapshotStore
from fillstream.libs.common.runtime.stage import Entry, Outputs
from tests.support.adder import INBOX, Adder, AdderDesk, drain


def test_a_suspect_that_was_folded_slows_no_later_start() -> None:
    desk = AdderDesk()
    desk.send("1", "13", "2")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    drain(desk.start())
    desk.send("3", "4", "5")
    assert len(desk.start().read(500, 0)) == 3


def test_a_suspect_that_was_deleted_is_not_waited_for() -> None:
    desk = AdderDesk()
    desk.send("13", "1", "2", "3")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    desk.redis.delete(INBOX, 0)
    with pytest.raises(RecoveryError, match="1 entry after 0-0 and before"):
        desk.start()
    (checkpoint,) = desk.redis.checkpoints.values()
    checkpoint.lost = 1  # somebody accepts it
    runner = desk.start()
    runner.step(runner.read(500, 0))
    assert len(runner.read(500, 0)) == 2


def test_a_fenced_owner_accuses_no_entry() -> None:
    desk = AdderDesk()
    desk.send("1")
    older = desk.start(Adder(bug=b"13"))
    batch = older.read(1, 0)
    desk.start()

    class Pending:
        """A log whose last commit was refused and has not been told yet."""

        def __getattr__(self, name: str) -> object:
            return getattr(older_log, name)

        def settle(self) -> None:
            raise Fenced("claimed by another")

    older_log, older.log = older.log, Pending()  # type: ignore[assignment]
    broken = Entry(batch[0].id, batch[0].ms, {b"n": b"13"})
    with pytest.raises(Fenced):
        older.step([broken])
    (checkpoint,) = desk.redis.checkpoints.values()
    assert checkpoint.suspect == ""


def test_memory_that_runs_out_is_no_entrys_fault() -> None:
    class Starved(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            raise MemoryError

    desk = AdderDesk()
    desk.send("1")
    for _ in range(3):
        with pytest.raises(MemoryError):
            drain(desk.start(Starved()))
    drain(desk.start())
    assert (desk.sums(), desk.dead()) == ([1], [])


def test_a_bugs_words_are_made_fit_to_be_written_down() -> None:
    class Wordy(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            raise KeyError("\ud800" * 100_000)

    desk = AdderDesk()
    desk.send("1")
    with pytest.raises(FoldFailed):
        drain(desk.start(Wordy()))
    drain(desk.start(Wordy()))
    (text,) = desk.dead()
    assert text.startswith("entry ") and "KeyError" in text and len(text) < 1000


def test_an_entry_that_was_committed_and_breaks_now_needs_a_person() -> None:
    desk = AdderDesk()
    desk.send("1", "13")
    drain(desk.start())
    with pytest.raises(RecoveryError, match="ZeroDivisionError"):
        desk.start(Adder(bug=b"13"))


def test_a_state_that_this_version_cannot_read_is_folded_again() -> None:
    desk = AdderDesk()
    desk.send("1", "2")
    runner = desk.start()
    drain(runner)
    good = runner.snapshot()
    desk.snapshots.save(Snapshot(good.id, good.digest, good.entries, b"{another format"))
    assert desk.start().stage.total == 3  # type: ignore[attr-defined]


def test_a_snapshot_of_what_redis_lost_is_no_less_in_the_way_once_the_log_has_passed_it() -> None:
    desk = AdderDesk()
    desk.send("1", "2")
    runner = desk.start()
    drain(runner)
    desk.snapshots.save(runner.snapshot())
    desk.redis = MemoryRedis(now_ms=desk.redis.now_ms + 1000)  # another server, as new
    desk.send("5")
    for _ in range(2):
        with pytest.raises(RecoveryError, match="knows no desk") as refused:
            desk.start()
        assert refused.value.page == Page.DESK_GONE
    assert desk.redis.checkpoints == {}, "nothing was claimed"
    desk.snapshots = MemorySnapshots()  # somebody gives it up
    drain(desk.start())
    assert desk.sums() == [5]


def test_what_is_set_aside_is_kept_under_another_name(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "adder", 0)
    store.save(Snapshot("5-0", b"\x01" * 16, 5, b"state"))
    store.set_aside("5-0")
    assert store.ids() == []
    (tmp_path / "5-0.snapshot.lost").rename(tmp_path / "5-0.snapshot")
    assert store.load("5-0").state == b"state"


def test_a_file_that_cannot_be_read_is_a_snapshot_that_cannot_be_used(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "adder", 0)
    (tmp_path / "5-0.snapshot").mkdir()
    with pytest.raises(SnapshotError, match="cannot be read"):
        store.load("5-0")


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, "adder", 0)
    store.save(Snapshot("5-0", b"\x01" * 16, 5, b"state"))
    (tmp_path / ".6-0.17.tmp").write_bytes(b"half")
    SnapshotStore(tmp_path, "adder", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["5-0.snapshot"]


def test_what_a_fold_sent_before_it_broke_is_not_sent_by_the_quarantine() -> None:
    class Hasty(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            if entry.fields[b"n"] == b"13":
                out.event("sums", {"total": 13})
                out.market("tape", {"total": 13})
                out.bad("half", "half-done")
            super().fold(entry, out)

    desk = AdderDesk()
    desk.send("1", "13", "2")
    with pytest.raises(FoldFailed):
        drain(desk.start(Hasty(bug=b"13")))
    drain(desk.start(Hasty(bug=b"13")))
    assert desk.sums() == [1, 3]
    assert "tape" not in desk.redis.streams
    assert ["ZeroDivisionError: bug" in text for text in desk.dead()] == [True]
    assert desk.start(Hasty(bug=b"13")).stage.total == 3  # type: ignore[attr-defined]


class HandOver(MemoryLog):
    """The log of a version that starts while the former owner still works: he commits until the fence falls."""

    former: Runner

    def claim(self, release: str | None = None, at: str = "", desk: str | None = None) -> Checkpoint:
        drain(self.former)
        return super().claim(release, at, desk)


def hand_over(desk: AdderDesk, former: Runner, stage: Adder) -> Runner:
    """Start `stage` as a rolling update does; `former` commits all that waits while the new one looks for its place."""
    log = HandOver(desk.redis, Topology(), stage.name, INBOX)
    log.former = former
    runner = Runner(stage, log, desk.snapshots)
    runner.recover()
    return runner


def test_what_the_former_owner_committed_until_the_fence_fell_is_folded_too() -> None:
    desk = AdderDesk()
    desk.send("1")
    former = desk.start()
    drain(former)
    desk.send("2", "3")
    new = hand_over(desk, former, Adder())
    assert (new.stage.total, new.position, new.entries) == (6, former.position, 3)  # type: ignore[attr-defined]
    desk.send("4")
    drain(new)
    assert desk.sums() == [1, 3, 6, 10]
    assert desk.start().stage.total == 10  # type: ignore[attr-defined]


def test_what_the_former_owner_quarantined_until_the_fence_fell_is_quarantined_here() -> None:
    desk = AdderDesk()
    desk.send("13", "1")
    with pytest.raises(FoldFailed):
        drain(desk.start(Adder(bug=b"13")))
    new = hand_over(desk, desk.start(Adder(bug=b"13")), Adder())
    assert new.stage.total == 1  # type: ignore[attr-defined]


def test_a_version_that_would_have_decided_otherwise_than_the_former_owner_does_not_take_over() -> None:
    desk = AdderDesk()
    former = desk.start()
    desk.send("1", "2")
    with pytest.raises(RecoveryError, match="2 entries"):
        hand_over(desk, former, Adder(factor=2))
