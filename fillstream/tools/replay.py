"""Fold a stage's log again, offline, and say whether its outputs are the ones that were committed.

Flows in: the inbox as Redis holds it, a fresh stage, snapshots if the log no longer reaches back to its beginning.
Flows out: a `Replay`. Never claims, commits or appends: a live stage does not notice.
"""

from __future__ import annotations

from dataclasses import dataclass

from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.runtime.log import Log
from fillstream.libs.common.runtime.release import Range, ranges
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError
from fillstream.libs.common.runtime.stage import Stage


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found.

    Attributes:
        stage: the stage, holding the state as it was at `upto`.
        upto: the last entry folded.
        entries: how many were folded.
        digest: the output hash there.
        committed: the output hash that was committed, when `upto` is the checkpoint; else None.
        decided: which releases decided the entries, in order.
        release: which folded them again.
    """

    stage: Stage
    upto: str
    entries: int
    digest: bytes
    committed: bytes | None
    decided: tuple[Range, ...] = ()
    release: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether the hashes agree; None when no hash is known for where the replay ended."""
        return None if self.committed is None else self.digest == self.committed

    @property
    def foreign(self) -> Range | None:
        """The last entries that another release decided than the one that folded them again; bytes may differ then."""
        others = [each for each in self.decided if each.release != self.release]
        return others[-1] if others else None


class _NoSnapshots:
    """A replay starts from nothing, so that it proves the whole log."""

    where = "use"

    def ids(self) -> list[str]:
        return []

    def load(self, snapshot_id: str) -> Snapshot:
        raise SnapshotError(f"{snapshot_id}: a replay uses none")

    def set_aside(self, snapshot_id: str) -> None:
        raise SnapshotError(f"{snapshot_id}: a replay uses none")

    def desk(self) -> str:
        return ""

    def belong_to(self, desk: str) -> None:
        raise SnapshotError(f"{desk}: a replay leaves nothing behind")


def replay(log: Log, stage: Stage, until: str | None = None) -> Replay:
    """Fold the log of `stage`, as constructed, from its first entry.

    Args:
        log: the stage's inbox; only read.
        stage: fresh; it is changed.
        until: the last entry to fold; None for the checkpoint.

    The hash is compared when the replay ends at the checkpoint. On a live stage the checkpoint moves on; what counts
    is where it stood when the replay began.
    """
    checkpoint = log.checkpoint()
    if until is None or id_key(until) > id_key(checkpoint.id):
        until = checkpoint.id
    runner = Runner(stage, log, _NoSnapshots())
    runner.know_poisoned(checkpoint.poisoned)
    runner.know_notes(checkpoint.notes)
    runner.replay(log.between("0-0", until))
    committed = checkpoint.digest if until == checkpoint.id else None
    decided = tuple(ranges(checkpoint.notes, until))
    return Replay(stage, runner.position, runner.entries, runner.out.digest, committed, decided, runner.release)
