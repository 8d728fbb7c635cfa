"""What a person accepted so that a stage that had stopped may go on, and what the stage does about it.

Flows in: the word that `fillstream recover` left in Redis for a stage. Flows out: repairs of the stage's checkpoint,
and the control that tells the journal. Never accepts anything by itself, and never more than the very sentence that was
accepted: when something else is wrong by the time the stage starts, it stops again and says what.

The word waits in the hash `recover`, a field for each checkpoint, until the stage has acted on it. So it can be given
from anywhere, while snapshots are on volumes that only the stage can reach.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, cast
from uuid import uuid4

import orjson
import redis

from fillstream.libs.common.messages.controls import MAX_LOSS, AcceptLoss
from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.runtime.continuity import MAX_AHEAD_MS, GroupPosition, Page, RecoveryError, Story
from fillstream.libs.common.runtime.lua import lua
from fillstream.libs.common.runtime.release import BEGINNING, running
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError

logger = logging.getLogger(__name__)

COUNTED_AT_A_TIME = 1000
FORGETFUL: Final = frozenset({"signals"})
"""Stages whose state is a memory of what came before, and nothing that anybody holds or owes."""


def can_be_accepted(page: Page, stage: str) -> bool:
    """Whether a stage could go on without what is lost."""
    return page in REPAIRS and (page != Page.STATE_LOST or stage in FORGETFUL)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One word of a person about one stage.

    Attributes:
        page: what was accepted.
        text: the very sentence.
        who: gave it.
        reason: in that person's words.
        control_id: under which the journal is told.
        entry: the entry that is to be passed over; empty for other pages.
    """

    page: Page
    text: str
    who: str
    reason: str
    control_id: str
    entry: str = ""

    def dump(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps(asdict(self))

    def control(self, stage: str) -> bytes:
        """Return what tells the journal.

        Args:
            stage: the process's name.
        """
        told = AcceptLoss(
            control_id=self.control_id, who=self.who, reason=self.reason, stage=stage, page=self.page.value,
            loss=self.text[:MAX_LOSS],
        )  # fmt: skip
        return orjson.dumps(told.model_dump(mode="json", exclude_none=True))

    def covers(self, error: RecoveryError) -> bool:
        """Whether it is what was accepted: the very sentence. Who gave a desk up takes another that was begun since."""
        begun_since = (self.page, error.page) == (Page.DESK_GONE, Page.OTHER_DESK)
        return begun_since or (self.page, self.text) == (error.page, error.text)

    @classmethod
    def load(cls, data: bytes) -> Acceptance:
        """Read what `dump` returned."""
        told = orjson.loads(data)
        return cls(**{**told, "page": Page(told["page"])})


class Snapshots(Protocol):
    """What is done to a stage's snapshots."""

    def ids(self) -> list[str]:
        """Return the ids there are, newest first."""
        ...

    def load(self, snapshot_id: str) -> Snapshot:
        """Return one, or raise `SnapshotError`."""
        ...

    def desk(self) -> str:
        """Return the id of the desk whose these are; empty when nothing says so."""
        ...

    def set_aside(self, snapshot_id: str) -> None:
        """Take one out of `ids()`."""
        ...

    def disown(self) -> None:
        """Take all out of `ids()`, and forget whose they are."""
        ...


class Repairs:
    """Acts on the words that were left for one stage's partition.

    Args:
        client: a connection.
        topology: the desk's.
        stage: its name.
        inbox: the name of the stream it reads.
        process: what the stage's process is called.
        snapshots: the stage's.
    """

    def __init__(
        self, client: redis.Redis, topology: Topology, stage: str, inbox: str, process: str, snapshots: Snapshots
    ) -> None:
        self._raw: Any = client
        self._topology = topology
        self._stage = stage
        self._inbox = topology.key(inbox)
        self._name = inbox
        self._checkpoint = topology.checkpoint(stage, inbox)
        self._process = process
        self._snapshots = snapshots

    def accepted(self) -> Acceptance | None:
        """Return the word that waits for this stage, if any."""
        found = self._raw.hget(self._topology.recover, self._checkpoint)
        return None if found is None else Acceptance.load(found)

    def repair(self, error: RecoveryError, story: Story) -> None:
        """Do what lets the stage go on past `error`; may be done twice.

        Raises:
            RecoveryError: nothing that could be accepted helps; says what would.
        """
        if not can_be_accepted(error.page, self._stage):
            raise error
        REPAIRS[error.page](self, story)

    def tell(self, acceptance: Acceptance) -> None:
        """Tell the journal of every account partition, and forget the word; told twice after a crash, it says so."""
        control = acceptance.control(self._process)
        for partition in range(self._topology.account_partitions):
            self._raw.xadd(self._topology.orders(partition), {"control": control})
        self._raw.hdel(self._topology.recover, self._checkpoint)

    # ---------------------------------------------------------------------------------------------------- repairs

    def _count_as_lost(self, story: Story) -> None:
        """Let `entries` and `lost` be as many as were ever appended and are not to be read."""
        assert story.checkpoint is not None
        after = story.checkpoint.id
        if story.extent is None:
            self._raw.execute_command("XGROUP", "CREATE", self._inbox, self._stage, "0", "MKSTREAM")
        if story.extent is None or id_key(story.extent.last_id) < id_key(after):
            # What comes next must have an id that the stage has not passed.
            added = story.extent.added if story.extent else 0
            self._raw.execute_command("XSETID", self._inbox, after, "ENTRIESADDED", added)
        added = int(self._raw.xinfo_stream(self._inbox)["entries-added"])
        unread = sum(1 for _ in self._after(after))
        fields = {"lost": added - unread - story.checkpoint.entries, f"gap:{after}": self._now_ms()}
        self._raw.hset(self._checkpoint, mapping=fields)

    def _after(self, after: str) -> Iterator[str]:
        while page := self._raw.xrange(self._inbox, f"({after}", "+", COUNTED_AT_A_TIME):
            for entry_id, _ in page:
                after = entry_id.decode()
                yield after

    def _forget_outputs(self, story: Story) -> None:
        assert story.checkpoint is not None
        for key, had in story.checkpoint.sent.items():
            if (story.outputs.get(key) or 0) < had:
                self._raw.hdel(self._checkpoint, f"sent:{key}")

    def _mark_again(self, story: Story) -> None:
        # Without a checkpoint the volume knows whose it is; without either, nobody does, and any name will do.
        desk = story.checkpoint.desk if story.checkpoint else self._snapshots.desk() or uuid4().hex
        counts = {name: getattr(self._topology, name) for name in ("account_partitions", "symbol_partitions")}
        fields = {"id": desk, "born_ms": self._now_ms(), "release": running(), **counts}
        self._raw.hset(self._topology.desk, mapping=fields)

    def _set_newer_aside(self, story: Story) -> None:
        at = story.checkpoint.id if story.checkpoint else BEGINNING
        for snapshot_id in self._snapshots.ids():
            if id_key(snapshot_id) > id_key(at):
                self._snapshots.set_aside(snapshot_id)

    def _disown_snapshots(self, story: Story) -> None:
        self._snapshots.disown()

    def _begin_anew(self, story: Story) -> None:
        self._snapshots.disown()
        for snapshot_id in self._snapshots.ids():  # its copy in Redis, where that alone is left of the desk that was
            self._snapshots.set_aside(snapshot_id)

    def _rebuild_checkpoint(self, story: Story) -> None:
        """Make the checkpoint again from the stage's consumer group, which moved along with it.

        The output hash is lost with it: whoever folds the log again has nothing to compare it with, once.
        """
        group, old = story.has_read, story.checkpoint
        if group is None or group.read is None or story.marker is None:
            raise RecoveryError(
                Page.CHECKPOINT_GONE,
                f"{self._name}: {self._checkpoint} is gone, and so is the consumer group {self._stage} of"
                f" {self._inbox}, which tells where it stood. Restore a backup (`fillstream restore`).",
            )
        since, lost = self._lost(story, group)
        fields: dict[str, Any] = {
            "epoch": self._now_ms(), "id": group.at, "entries": group.read - lost, "lost": lost,
            "desk": story.marker.id,
        }  # fmt: skip
        if lost:
            fields[f"gap:{since}"] = self._now_ms()  # it may be right behind the snapshot
        if old is None:
            fields |= {"release": running(), f"release:{BEGINNING}": f"{running()} {BEGINNING}"}
        for entry_id, text in self._poisoned():
            fields[f"poisoned:{entry_id}"] = text
        self._raw.hdel(self._checkpoint, "digest", "suspect")  # of an older checkpoint; until the next call it stands
        self._raw.hset(self._checkpoint, mapping=fields)

    def _lost(self, story: Story, group: GroupPosition) -> tuple[str, int]:
        """Return the newest whole snapshot up to where the group stands, and how many entries up to there nobody read.

        Not counted in the stream: what was trimmed after it was read is no accepted loss, and has to be missed.
        """
        assert group.read is not None
        told = self._raw.hget(self._topology.status(self._stage, self._name), "lost")
        lost = max(story.checkpoint.lost if story.checkpoint else 0, int(told or 0))
        for snapshot_id in self._snapshots.ids():
            if id_key(snapshot_id) > id_key(group.at):
                continue
            try:
                snapshot = self._snapshots.load(snapshot_id)
            except SnapshotError as error:
                logger.warning("snapshot skipped: %s", error)
                continue
            return snapshot_id, group.read - snapshot.entries if snapshot_id == group.at else lost
        return BEGINNING, lost

    def _poisoned(self) -> Iterator[tuple[str, str]]:
        """Yield the entries of this inbox that were quarantined, with the reason, from the dead letters."""
        after = "-"
        while page := self._raw.xrange(self._topology.dead, after, "+", COUNTED_AT_A_TIME):
            for letter_id, fields in page:
                after = f"({letter_id.decode()}"
                letter = orjson.loads(fields.get(b"data", b"{}"))
                if letter.get("reason") == "poisoned" and letter.get("stream") == self._name:
                    yield letter["entry_id"], letter["text"]

    def _now_ms(self) -> int:
        seconds, microseconds = cast(tuple[int, int], self._raw.time())
        return seconds * 1000 + microseconds // 1000

    def _give_ids_of_now(self, story: Story) -> None:
        """See rebuild.lua.

        Raises:
            RecoveryError: it changed nothing, and says why.
        """
        # The slot of the stream's own key, where there are slots.
        limit_ms = self._now_ms() + MAX_AHEAD_MS
        script = lua("rebuild.lua", "extent.lua")
        aside = f"{self._inbox}.aside"
        found = self._raw.eval(script, 2, self._inbox, aside, limit_ms)
        if found == b"ASIDE":
            why = f"{aside} is there already, and is nobody's: look at it, and delete it."
        elif isinstance(found, bytes):
            why = f"entry {found.decode()} has too many fields to be written again: delete it (XDEL) if it was read."
        else:
            return
        raise RecoveryError(Page.TIME_AHEAD, f"{self._name}: the ids cannot be mended, {why} Nothing has changed.")

    def _leave_it_to_the_runner(self, story: Story) -> None:
        """It quarantines an entry when it comes to it, and begins with what state it has."""


REPAIRS: Final[dict[Page, Callable[[Repairs, Story], None]]] = {
    Page.CHECKPOINT_GONE: Repairs._rebuild_checkpoint,
    Page.DESK_GONE: Repairs._begin_anew,
    Page.ENTRIES_LOST: Repairs._count_as_lost,
    Page.INBOX_GONE: Repairs._count_as_lost,
    Page.JOURNAL_INCONSISTENT: Repairs._leave_it_to_the_runner,
    Page.LOG_REWOUND: Repairs._set_newer_aside,
    Page.MARKER_GONE: Repairs._mark_again,
    Page.OTHER_DESK: Repairs._disown_snapshots,
    Page.OUTPUT_GONE: Repairs._forget_outputs,
    Page.STATE_LOST: Repairs._leave_it_to_the_runner,
    Page.TIME_AHEAD: Repairs._give_ids_of_now,
}
"""What can be accepted, and what a stage does then. What is not here needs a backup, a snapshot or another release."""
