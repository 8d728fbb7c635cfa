"""The machine around a fold: recover, fold a batch, commit it. Live, in a replay and in the simulation alike.

Flows in: a `Log` and snapshots. Flows out: commits. Never starts a thread, never knows what a stage does;
the only clock it reads is a stopwatch on the commit, for a metric.

    recover:  newest usable snapshot -> did this release decide what follows? -> fold it silently up to the checkpoint
              -> output hashes agree? -> take the fence
    step:     read a batch -> fold -> commit (all or nothing)

Any error whose outcome is unknown leaves through the top: the process ends and the next one recovers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Protocol

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.runtime.acceptance import Repairs
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.continuity import Page, RecoveryError, Story, Volume, judge
from fillstream.libs.common.runtime.log import DeskChanged, Log, Moved
from fillstream.libs.common.runtime.progress import Progress
from fillstream.libs.common.runtime.release import BEGINNING, Notes, order_of, own_since, ranges, running
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError
from fillstream.libs.common.runtime.stage import (
    EMPTY_DIGEST,
    Entry,
    Inconsistent,
    Losable,
    Outputs,
    Stage,
    calendar_of,
    configuration_of,
    latencies_of,
)

logger = logging.getLogger(__name__)

MAX_CAUSE_CHARACTERS = 100
"""So much of what a bug says is kept."""


class Snapshots(Protocol):
    """Where snapshots are read from: a `SnapshotStore`, or a dict in the simulation."""

    @property
    def where(self) -> str:
        """Where they are, as the end of a sentence that says that none is usable."""
        ...

    def ids(self) -> list[str]:
        """Return the ids there are, newest first."""
        ...

    def load(self, snapshot_id: str) -> Snapshot:
        """Return one, or raise `SnapshotError`."""
        ...

    def desk(self) -> str:
        """Return the id of the desk whose these are; empty when nothing says so."""
        ...

    def belong_to(self, desk: str) -> None:
        """Remember the desk whose these are, from before the first snapshot on."""
        ...


class FoldFailed(Exception):
    """A fold broke on an entry in a way it does not know: a bug. The state is undefined; the process must end."""

    def __init__(self, entry_id: str, cause: Exception) -> None:
        # A bug's words may be anything; these are stored in the checkpoint and in a dead letter.
        words = str(cause)[:MAX_CAUSE_CHARACTERS].encode("ascii", "backslashreplace").decode()
        super().__init__(f"entry {entry_id}: {type(cause).__name__}: {words}")
        self.entry_id = entry_id


class Runner:
    """A stage, where it stands, and what it has not committed yet.

    Args:
        stage: fresh, as constructed.
        log: its inbox and way out.
        snapshots: where to recover from.
        release: that decides; None for the one that runs.
        repairs: what a person accepted, where somebody can.
    """

    def __init__(
        self,
        stage: Stage,
        log: Log,
        snapshots: Snapshots,
        release: str | None = None,
        repairs: Repairs | None = None,
    ) -> None:
        self.release = release or running()
        self.stage = stage
        self.log = log
        self.snapshots = snapshots
        self.position = "0-0"
        self.entries = 0
        self.replayed = 0
        self.commit_seconds = 0.0
        self.out = Outputs(stage.name, stage.inbox)
        self._initial = stage.snapshot()
        self._suspect = ""
        self._poisoned: dict[str, str] = {}
        self._notes: Notes = {}
        self._gaps: set[str] = set()
        self._passed_over: list[str] = []
        self.lost = 0
        self._desk = ""
        self._repairs = repairs
        self._passes_over = ""
        self.is_settled = True
        self.was_repaired = False
        self.progress = Progress(lambda: self.replayed)

    # ------------------------------------------------------------------------------------------------ recovery

    def recover(self) -> None:
        """Rebuild the state, prove that it is the one that was committed, and take the fence.

        Raises:
            RecoveryError: the desk, the log and the snapshots do not tell one story, or do not lead to the committed
                output hash, or another release decided what would have to be folded again.
            TopologyDiffers: the desk has other partition counts.
        """
        story = self._look()
        found = story.checkpoint or Checkpoint()
        self._load(found)
        self._check_release(found)
        try:
            self._check_reach(found, story)
        except RecoveryError as error:
            self._repair(error)
            # With what state there is, at the checkpoint: what it does not remember, nobody can tell it.
            self.position, self.entries, self.out.digest = found.id, found.entries, found.digest
        self._replay(found)
        claimed = self._claim(story)
        # The former owner may have committed until the fence fell.
        self._check_release(claimed)
        self._replay(claimed)
        self._desk, self.lost = claimed.desk, claimed.lost
        self.snapshots.belong_to(claimed.desk)
        if claimed.suspect and id_key(claimed.suspect) > id_key(claimed.id):
            self._suspect = claimed.suspect
        self._tell_accepted()
        # Calendars first: what waits for the very first configuration is decided with it.
        for offered in (calendar_of(self.stage), configuration_of(self.stage)):
            if offered is not None:
                self.log.append(offered)

    def prove(self) -> Checkpoint:
        """Rebuild the state up to the checkpoint and compare the output hash; takes nothing and changes nothing.

        Returns: the checkpoint.

        Raises:
            RecoveryError: as `recover` does, whatever somebody accepted.
            TopologyDiffers: the desk has other partition counts.
        """
        story = self._judged()
        found = story.checkpoint or Checkpoint()
        self._load(found)
        self._check_release(found)
        self._check_reach(found, story)
        self._replay(found)
        return found

    def _look(self) -> Story:
        """Return what Redis tells of this stage, once it agrees with what the volume tells, or somebody accepted it."""
        try:
            story = self._judged()
            self._look_for_hole()
        except RecoveryError as error:
            self._repair(error)
            story = self._judged()
        return story

    def _look_for_hole(self) -> None:
        """Raise what was accepted and only a count of all entries shows, so that it is acted on."""
        accepted = self._repairs.accepted() if self._repairs else None
        if accepted is not None and accepted.page in (Page.ENTRIES_LOST, Page.INBOX_GONE):
            self.log.count_again()

    def _repair(self, error: RecoveryError) -> None:
        """Do what a person's word asks for; without one, raise the error."""
        accepted = self._repairs.accepted() if self._repairs else None
        if self._repairs is None or accepted is None or not accepted.covers(error):
            raise error
        logger.warning("%s accepted, by %s: %s", accepted.page.value, accepted.who, accepted.text)
        self._repairs.repair(error, self.log.look())
        self.was_repaired = True
        if accepted.page != Page.STATE_LOST:  # that one counts once the stage is live
            self._repairs.tell(accepted)

    def _tell_accepted(self) -> None:
        """Tell the journal of what was accepted and acted on, if anything was."""
        accepted = self._repairs.accepted() if self._repairs else None
        if self._repairs is None or accepted is None:
            return
        if accepted.page == Page.JOURNAL_INCONSISTENT and id_key(accepted.entry) > id_key(self.position):
            self._suspect = self._passes_over = accepted.entry
        self._repairs.tell(accepted)

    def _judged(self) -> Story:
        # In this order: a former owner may leave a snapshot meanwhile, which must not look like lost entries.
        try:
            volume = Volume(self.snapshots.desk(), next(iter(self.snapshots.ids()), BEGINNING))
        except SnapshotError as error:
            raise RecoveryError(Page.OTHER_DESK, f"{self.stage.inbox}: {error}.") from error
        story = self.log.look()
        judge(story, volume)
        return story

    def _claim(self, story: Story) -> Checkpoint:
        while True:
            try:
                return self.log.claim(self.release, self.position, story.marker.id if story.marker else "")
            except DeskChanged:  # another stage, started at the same time, made the desk
                story = self._look()
            except Moved as moved:
                raise RecoveryError(
                    Page.OTHER_RELEASE,
                    f"{self.stage.inbox}: {moved.release} decided up to {moved.upto} while this one, {self.release},"
                    f" was starting at {self.position}: it still runs. {_hand_over(moved.release, self.release)}",
                ) from moved

    def _load(self, checkpoint: Checkpoint) -> None:
        """Restore the newest snapshot that is not ahead of the checkpoint, or start from nothing."""
        for snapshot_id in self.snapshots.ids():
            if id_key(snapshot_id) > id_key(checkpoint.id):
                continue
            self.progress.say(f"reading snapshot {snapshot_id}")
            try:
                snapshot = self.snapshots.load(snapshot_id)
                self.progress.say(f"restoring snapshot {snapshot_id} of {len(snapshot.state)} bytes")
                self._restore(snapshot)
            except SnapshotError as error:
                logger.warning("snapshot skipped: %s", error)
                self._passed_over.append(str(error))
                self.stage.restore(self._initial)
                continue
            self.position, self.entries = snapshot.id, snapshot.entries
            self.out.digest = snapshot.digest
            return
        self.out.digest = EMPTY_DIGEST

    def _check_release(self, checkpoint: Checkpoint) -> None:
        """Refuse to fold again what another release decided: its bytes were its own."""
        since = own_since(checkpoint.notes, checkpoint.id, self.release)
        if id_key(self.position) >= id_key(since):
            return
        other = ranges(checkpoint.notes, since)[-1].release
        begins = f"the newest usable snapshot stands at {self.position}"
        if self.position == BEGINNING:
            begins = f"there is no usable snapshot in {self.snapshots.where}"
        if since == checkpoint.id:
            what_to_do = _hand_over(other, self.release)
        else:
            what_to_do = f"Bring back a snapshot of this stage at or after {since}: {self.release} began at one."
        raise RecoveryError(
            Page.OTHER_RELEASE,
            f"{self.stage.inbox}: {other} decided the entries up to {since}, and {begins}; {self.release} cannot fold"
            f" again what {other} decided. {what_to_do}{self._told_of_snapshots()}",
        )

    def _check_reach(self, found: Checkpoint, story: Story) -> None:
        """Refuse to fold a log again that has not every entry from where this state stands."""
        removed = story.extent.removed if story.extent else 0
        if self.position == found.id or removed <= self.entries:
            return
        # So many are gone that some may be of those to be folded; now it is worth counting them.
        wanted = found.entries - self.entries
        present = sum(1 for _ in self.log.between(self.position, found.id))
        if present >= wanted:
            return
        begins = f"the newest usable snapshot stands at {self.position}, entry {self.entries}"
        if self.position == BEGINNING:
            begins = f"there is no usable snapshot in {self.snapshots.where}"
        raise RecoveryError(
            Page.STATE_LOST,
            f"{self.stage.inbox}: {begins}, and of the {wanted} entries from there to {found.id}, where"
            f" this stage stands, {wanted - present} are trimmed or deleted.{self._told_of_snapshots()} Bring back a"
            " snapshot of this stage.",
        )

    def _told_of_snapshots(self) -> str:
        """Return what is to be said of snapshots that could not be used."""
        return "".join(f" Passed over: {each}." for each in self._passed_over)

    def _restore(self, snapshot: Snapshot) -> None:
        if order_of(snapshot.release) > order_of(self.release):
            raise SnapshotError(
                f"{snapshot.id}: {snapshot.release} wrote it, which is newer than {self.release}: start"
                f" {snapshot.release}"
            )
        try:
            self.stage.restore(snapshot.state)
        except MemoryError:
            raise
        except Exception as error:
            raise SnapshotError(
                f"{snapshot.id}: this version cannot read its state: {type(error).__name__}: {error}"
            ) from error

    def know_poisoned(self, poisoned: dict[str, str]) -> None:
        """Decide on quarantined entries as the commit that quarantined them did: entry id to reason."""
        self._poisoned = poisoned

    def know_notes(self, notes: Notes) -> None:
        """Tell the notes of releases from entries that only look like one."""
        self._notes = notes

    def _replay(self, checkpoint: Checkpoint) -> None:
        self.know_poisoned(checkpoint.poisoned)
        self.know_notes(checkpoint.notes)
        self._gaps = checkpoint.gaps
        if self.position != checkpoint.id:
            self.progress.fold(checkpoint.entries - self.entries)
            try:
                self.replay(self.log.between(self.position, checkpoint.id))
            except (FoldFailed, Inconsistent) as error:
                raise RecoveryError(
                    Page.OUTPUT_HASH,
                    f"{self.stage.inbox}: {error}. The entry was committed, so {self.release} could fold it once:"
                    f" the log, the configuration or this build is another.{self._began_at()}",
                ) from error
        if (self.position, self.entries, self.out.digest) != (
            checkpoint.id,
            checkpoint.entries,
            checkpoint.digest or self.out.digest,
        ):
            raise RecoveryError(
                Page.OUTPUT_HASH,
                f"{self.stage.inbox}: folding again up to {self.position} ({self.entries} entries) gives output hash"
                f" {self.out.digest.hex()}, but {checkpoint.id} ({checkpoint.entries} entries) was committed with"
                f" {checkpoint.digest.hex()}. {self.release} decided them: either this is another build of it (start"
                " the one that wrote the log, stop it cleanly so that it leaves a snapshot, then start this one), or"
                " entries were deleted or changed: compare with `fillstream replay`."
                f"{self._began_at() if self.entries != checkpoint.entries else self._told_of_snapshots()}",
            )

    def _began_at(self) -> str:
        """Return what is to be said of a start without a snapshot: of a log that was trimmed it cannot succeed."""
        if self.entries > self.replayed:
            return self._told_of_snapshots()
        return (
            f" Folding began with the first entry of the log, as there is no usable snapshot in {self.snapshots.where};"
            f" of a log that was trimmed that cannot succeed.{self._told_of_snapshots()}"
        )

    def replay(self, entries: Iterable[Entry]) -> None:
        """Fold entries that were committed before, sending nothing."""
        for entry in entries:
            self._mind_gap()
            self._fold_one(entry)
            self.position = entry.id
            self.entries += 1
            self.replayed += 1
            self.out.clear()
        latencies_ms = latencies_of(self.stage)
        if latencies_ms is not None:
            latencies_ms.clear()

    # ---------------------------------------------------------------------------------------------------- live

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """Return the next batch: one entry at a time while a suspect lies ahead, so that each is judged alone."""
        return self.log.read(1 if self._suspect else count, block_ms)

    def step(self, batch: Sequence[Entry]) -> None:
        """Fold a batch and commit it.

        Raises:
            FoldFailed: the fold broke on an entry; it is marked, and quarantined if it does so again.
            Fenced, Gap: see `Log.commit`.
        """
        self.is_settled = False
        self.out.clear()
        quarantined = None
        self._mind_gap()
        try:
            for entry in batch:
                if entry.id == self._suspect:
                    quarantined = self._fold_suspect(entry)
                else:
                    self._fold_one(entry)
        except FoldFailed as error:
            self.log.settle()  # who was fenced off accuses nobody
            self.log.suspect(error.entry_id)
            raise
        except RecoveryError as error:
            raise self._told_by_the_log(error) from error
        if self._suspect and id_key(batch[-1].id) > id_key(self._suspect):
            self._suspect = ""  # somebody deleted it
        self._commit(batch, quarantined)

    def _mind_gap(self) -> None:
        """Tell the stage of entries that were lost between where it stands and the next one."""
        if self._gaps and self.position in self._gaps and isinstance(self.stage, Losable):
            self.stage.after_loss()

    def _told_by_the_log(self, error: RecoveryError) -> RecoveryError:
        """Return why an entry contradicts the state: the ones that were lost before it, where some were."""
        self.log.settle()
        try:
            self.log.count_again()
        except RecoveryError as told:
            return told
        return error

    def _commit(self, batch: Sequence[Entry], quarantined: tuple[str, str] | None = None) -> None:
        began = perf_counter()
        self.log.commit(batch, self.out, quarantined)
        self.commit_seconds = perf_counter() - began
        self.position = batch[-1].id
        self.entries += len(batch)
        self.is_settled = True

    def _fold_suspect(self, entry: Entry) -> tuple[str, str] | None:
        """Fold the entry that ended the process before, with a copy of the state at hand.

        If it breaks the fold a second time it goes to `dead`, and its id and the reason are returned: the commit
        writes them down, so that every later replay decides the same.
        """
        self._suspect = ""
        before, sent = self.stage.snapshot(), self.out.fork()
        try:
            self._fold_one(entry)
        except FoldFailed as error:
            logger.error("quarantined after it ended the process twice: %s", error)
            text = str(error)
        except RecoveryError as error:
            if entry.id != self._passes_over:
                raise
            text = error.text
        else:
            return None
        self.stage.restore(before)
        self.out = sent
        self._poisoned[entry.id] = text
        self._fold_one(entry)
        return entry.id, text

    def _fold_one(self, entry: Entry) -> None:
        out = self.out
        out.begin(entry)
        if self._poisoned and entry.id in self._poisoned:
            out.bad("poisoned", self._poisoned[entry.id])
            out.seal()
            return
        if entry.id in self._notes:
            return
        try:
            self.stage.fold(entry, out)
        except BadEntry as bad:
            if out.unsealed:  # half of what it sent would stay: that is no bad entry, it is a bug
                raise FoldFailed(entry.id, AssertionError("BadEntry after something was sent")) from bad
            out.bad(bad.reason, bad.text)
        except Inconsistent as error:
            raise RecoveryError(Page.JOURNAL_INCONSISTENT, f"{error}.", entry.id) from error
        except MemoryError:  # not the entry's fault
            raise
        except Exception as error:
            raise FoldFailed(entry.id, error) from error
        out.seal()

    def snapshot(self) -> Snapshot:
        """Return the state as it stands after the last commit, which the log has settled."""
        return Snapshot(self.position, self.out.digest, self.entries, self.stage.snapshot(), self.release, self._desk)


def _hand_over(other: str, release: str) -> str:
    return f"Start {other}, stop it cleanly so that it leaves a snapshot, then start {release}."
