"""One release takes over from another: what it may fold again, what it notes, and why it may not start."""

from __future__ import annotations

import pytest

from fillstream.backtest.memory_log import MemoryLog
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.continuity import RecoveryError
from fillstream.libs.common.runtime.release import Note
from fillstream.libs.common.runtime.runner import FoldFailed, Runner
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.tools.replay import replay
from tests.support.adder import INBOX, Adder, AdderDesk, drain

OLD, NEW = "0.2.0", "0.3.0"


@pytest.fixture
def desk() -> AdderDesk:
    """A desk on which OLD has decided two entries; nothing is saved yet."""
    made = AdderDesk()
    made.send("1", "2")
    drain(made.start(release=OLD))
    return made


def saved(desk: AdderDesk, release: str, stage: Adder | None = None) -> str:
    """Stop a release cleanly: it leaves a snapshot. Returns where."""
    runner = desk.start(stage, release)
    drain(runner)
    desk.snapshots.save(runner.snapshot())
    return runner.position


def inbox(desk: AdderDesk) -> list[dict[bytes, bytes]]:
    return [dict(entry.fields) for entry in desk.redis.streams[INBOX]]


def test_a_desk_of_one_release_has_no_note_in_its_inbox(desk: AdderDesk) -> None:
    drain(desk.start(release=OLD))
    assert [*map(set, inbox(desk))] == [{b"n"}, {b"n"}]
    (checkpoint,) = desk.redis.checkpoints.values()
    assert checkpoint.notes == {"0-0": Note(OLD, "0-0")}


def test_a_new_release_starts_from_the_snapshot_at_the_checkpoint_and_notes_it(desk: AdderDesk) -> None:
    upto = saved(desk, OLD)
    desk.send("3")  # waits while nobody runs: the new release decides it
    runner = desk.start(Adder(factor=10), NEW)
    assert (runner.replayed, runner.stage.total) == (0, 3)  # type: ignore[attr-defined]
    drain(runner)
    assert inbox(desk)[-1] == {b"release": NEW.encode(), b"after": upto.encode()}
    assert desk.sums() == [1, 3, 33], "the note told no sum"
    assert (runner.entries, desk.dead()) == (4, []), "and it is an entry as any other"
    (checkpoint,) = desk.redis.checkpoints.values()
    assert checkpoint.notes == {"0-0": Note(OLD, "0-0"), runner.position: Note(NEW, upto)}


def test_the_new_release_goes_on_after_a_crash_from_the_snapshot_that_the_old_one_left(desk: AdderDesk) -> None:
    saved(desk, OLD)
    desk.send("3")
    drain(desk.start(Adder(factor=10), NEW))
    desk.send("4")
    again = desk.start(Adder(factor=10), NEW)
    assert (again.replayed, again.stage.total) == (2, 33)  # type: ignore[attr-defined]
    drain(again)
    assert desk.sums() == [1, 3, 33, 73]
    assert sum(b"release" in fields for fields in inbox(desk)) == 1, "noted once"


def test_without_a_snapshot_at_the_checkpoint_the_new_release_names_the_old_one(desk: AdderDesk) -> None:
    (checkpoint,) = desk.redis.checkpoints.values()
    with pytest.raises(RecoveryError) as refused:
        desk.start(release=NEW)
    assert refused.value.text == (
        f"numbers: 0.2.0 decided the entries up to {checkpoint.id}, and there is no usable snapshot in memory; 0.3.0"
        " cannot fold again what 0.2.0 decided."
        " Start 0.2.0, stop it cleanly so that it leaves a snapshot, then start 0.3.0."
    )
    assert (checkpoint.epoch, len(inbox(desk))) == (1, 2), "nothing was claimed and nothing noted"
    assert desk.start(release=OLD).replayed == 2, "as it says"


def test_a_snapshot_before_the_checkpoint_is_not_enough(desk: AdderDesk) -> None:
    at = saved(desk, OLD)
    desk.send("3")
    drain(desk.start(release=OLD))  # and is killed
    with pytest.raises(RecoveryError, match=f"the newest usable snapshot stands at {at}; 0.3.0 cannot fold"):
        desk.start(release=NEW)


def test_an_old_release_that_still_runs_is_left_alone(desk: AdderDesk) -> None:
    saved(desk, OLD)
    running = desk.start(release=OLD)

    class Racing(MemoryLog):
        def claim(self, release: str | None = None, at: str = "", desk_found: str | None = None) -> Checkpoint:
            desk.send("3")
            drain(running)
            return super().claim(release, at, desk_found)

    stage = Adder()
    log = Racing(desk.redis, Topology(), "adder", INBOX)
    with pytest.raises(RecoveryError, match=r"0\.2\.0 decided up to .* it still runs\. Start 0\.2\.0, stop it"):
        Runner(stage, log, desk.snapshots, NEW).recover()
    desk.send("4")
    drain(running)
    assert desk.sums()[-1] == 10, "nobody fenced it"


def test_the_old_release_does_not_fold_again_what_the_new_one_decided(desk: AdderDesk) -> None:
    saved(desk, OLD)
    desk.send("3")
    upto = saved(desk, NEW)
    with pytest.raises(RecoveryError) as refused:
        desk.start(release=OLD)
    assert str(refused.value).startswith(f"numbers: 0.3.0 decided the entries up to {upto}, and the newest usable")
    assert "Start 0.3.0, stop it cleanly" in str(refused.value)
    assert f"Passed over: {upto}: 0.3.0 wrote it, which is newer than 0.2.0: start 0.3.0." in str(refused.value)


def test_a_new_release_whose_snapshots_are_lost_says_which_one_it_needs(desk: AdderDesk) -> None:
    at = saved(desk, OLD)
    desk.send("3")
    saved(desk, NEW)
    desk.snapshots.saved.clear()
    with pytest.raises(RecoveryError) as refused:
        desk.start(release=NEW)
    assert f"0.2.0 decided the entries up to {at}, and there is no usable snapshot" in str(refused.value)
    assert f"Bring back a snapshot of this stage at or after {at}: 0.3.0 began at one." in str(refused.value)


def test_what_only_looks_like_a_note_is_an_entry_like_any_other(desk: AdderDesk) -> None:
    class Strict(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            if b"n" not in entry.fields:
                raise BadEntry("no_number", "n: is missing")
            super().fold(entry, out)

    desk.redis.add(INBOX, {b"release": b"9.9.9", b"after": b"0-0"})
    drain(desk.start(Strict(), OLD))
    assert desk.dead() == ["n: is missing"]


def test_a_replay_says_who_decided_what(desk: AdderDesk) -> None:
    upto = saved(desk, OLD)
    desk.send("3")
    drain(desk.start(Adder(factor=10), NEW))
    log = desk.start(Adder(factor=10), NEW).log
    found = replay(log, Adder(factor=10))
    assert found.agrees is False, "the new release decides the old one's entries differently"
    end = desk.redis.streams[INBOX][-1].id
    assert [tuple(each) for each in found.decided] == [(OLD, "0-0", upto), (NEW, upto, end)]


def test_a_bad_entry_after_something_was_sent_is_a_bug_and_not_a_bad_entry() -> None:
    class Hasty(Adder):
        def fold(self, entry: Entry, out: Outputs) -> None:
            out.event("sums", {"total": 1})
            raise BadEntry("late", "n: is refused too late")

    desk = AdderDesk()
    desk.send("1")
    with pytest.raises(FoldFailed, match="AssertionError: BadEntry after something was sent"):
        drain(desk.start(Hasty()))
    assert desk.sums() == desk.dead() == []
    drain(desk.start(Hasty()))
    assert len(desk.dead()) == 1, "quarantined as every entry that breaks a fold twice"
