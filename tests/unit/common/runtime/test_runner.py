"""A stage's machine: it recovers to exactly what was committed, or refuses."""

from __future__ import annotations

import pytest

from fillstream.libs.common.runtime.continuity import Page, RecoveryError
from fillstream.libs.common.runtime.log import Fenced
from fillstream.libs.common.runtime.runner import FoldFailed
from fillstream.libs.common.runtime.stage import Entry, Outputs
from tests.support.adder import INBOX, Adder, AdderDesk, drain


def test_a_restart_folds_the_log_again_to_the_same_state() -> None:
    desk = AdderDesk()
    desk.send("1", "2", "3")
    drain(desk.start(), count=2)
    again = desk.start()
    assert (again.stage.total, again.replayed) == (6, 3)  # type: ignore[attr-defined]
    desk.send("4")
    drain(again)
    assert desk.sums() == [1, 3, 6, 10]


def test_a_restart_from_a_snapshot_folds_only_what_came_after() -> None:
    desk = AdderDesk()
    desk.send("1", "2")
    runner = desk.start()
    drain(runner)
    desk.snapshots.save(runner.snapshot())
    desk.send("3")
    drain(runner)
    again = desk.start()
    assert (again.stage.total, again.replayed) == (6, 1)  # type: ignore[attr-defined]


def test_a_version_that_decides_differently_refuses_to_start_and_says_what_to_do() -> None:
    desk = AdderDesk()
    desk.send("1", "2")
    drain(desk.start())
    with pytest.raises(RecoveryError, match="stop it cleanly so that it leaves a snapshot"):
        desk.start(Adder(factor=2))


def test_an_entry_missing_from_the_log_is_noticed() -> None:
    desk = AdderDesk()
    desk.send("1", "2", "3")
    drain(desk.start())
    desk.redis.delete(INBOX, 1)
    with pytest.raises(RecoveryError, match=r"of the 3 entries from there to .* 1 are trimmed or deleted") as refused:
        desk.start()
    assert refused.value.page == Page.STATE_LOST


def test_a_bad_entry_goes_to_dead_and_the_next_goes_through() -> None:
    desk = AdderDesk()
    desk.send("1", "one", "2")
    drain(desk.start())
    assert desk.sums() == [1, 3]
    assert desk.dead() == ["n: one is not a number"]
    assert desk.start().stage.total == 3  # type: ignore[attr-defined]


def test_an_entry_that_breaks_the_fold_ends_the_process_then_is_quarantined_and_replays_alike() -> None:
    desk = AdderDesk()
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
    desk = AdderDesk()
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

    desk = AdderDesk()
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
    desk = AdderDesk()
    desk.send("1", "2")
    runner = desk.start()
    runner.log.read(1, 0)
    drain(runner)
    assert desk.sums() == [1, 3]


def test_a_fenced_owner_stops_and_the_newer_goes_on() -> None:
    desk = AdderDesk()
    desk.send("1", "2")
    older = desk.start()
    batch = older.read(1, 0)
    newer = desk.start()
    with pytest.raises(Fenced):
        older.step(batch)
    drain(newer)
    assert desk.sums() == [1, 3]
