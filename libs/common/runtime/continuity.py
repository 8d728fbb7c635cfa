"""Whether a desk's marker, a stage's checkpoint, its streams and its snapshots tell one story.

Flows in: what Redis holds of a stage and what the stage's volume knows. Flows out: nothing when they agree, else the
one `RecoveryError` that names what does not fit, and the page of the runbook with the way on. Never talks to Redis.

A log can suffer what no crash does to it: entries trimmed by a client's MAXLEN before anybody read them, a key deleted
or evicted, a server flushed, replaced, or started from an older file. Each would look like an empty inbox or a new
desk, and a stage that took it for one would send its orders again, or forget its positions. So everybody remembers:

- Redis: the hash `desk`, with the desk's id, its partition counts, and which stages were ever started;
- each checkpoint: the desk's id, and how many entries were read, to be compared with how many were ever appended;
- each volume and each snapshot: the desk's id.

`fillstream recover` asks the same question of every stage at once, and takes the answers that only a person can give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fillstream.libs.common.messages.topology import Topology, id_key, id_ms
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.release import BEGINNING

RUNBOOK = "docs/runbook"
MAX_AHEAD_MS = 60_000
"""An entry's id may be so far ahead of the server's clock."""


class Page(StrEnum):
    """What stops a stage until a person has looked: a page of the runbook each, of that name."""

    CHECKPOINT_GONE = "checkpoint-gone"
    DESK_GONE = "desk-gone"
    ENTRIES_LOST = "entries-lost"
    INBOX_GONE = "inbox-gone"
    JOURNAL_INCONSISTENT = "journal-inconsistent"
    LOG_REWOUND = "log-rewound"
    MARKER_GONE = "marker-gone"
    OTHER_DESK = "other-desk"
    OTHER_RELEASE = "other-release"
    OUTPUT_GONE = "output-gone"
    OUTPUT_HASH = "output-hash"
    STATE_LOST = "state-lost"
    TIME_AHEAD = "time-ahead"


class RecoveryError(Exception):
    """A stage cannot go on without guessing; it stops for a person (exit code 71) and has changed nothing.

    Args:
        page: of the runbook.
        text: what does not fit, and what to do.
        entry: id of the entry that it stops at, where there is one.
    """

    def __init__(self, page: Page, text: str, entry: str = "") -> None:
        super().__init__(f"{text} `fillstream recover` explains it; so does {RUNBOOK}/{page.value}.md")
        self.page = page
        self.text = text
        self.entry = entry


class TopologyDiffers(Exception):
    """The settings have other partition counts than the desk has: its data would fall apart (exit code 78)."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What a stream says of itself.

    Attributes:
        added: how many entries were ever appended.
        length: how many are there.
        last_id: the newest there ever was.
        following: the first entry after the reader's checkpoint that is there; empty when none is.
    """

    added: int
    length: int
    last_id: str = BEGINNING
    following: str = ""

    @property
    def removed(self) -> int:
        """How many entries were trimmed or deleted."""
        return self.added - self.length


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """Where a stage's consumer group stands on its inbox: every commit moves it along with the checkpoint.

    Attributes:
        at: the last entry that was read.
        read: how many entries of the inbox lie up to there, lost ones included; None where the server does not know.
    """

    at: str
    read: int | None


@dataclass(frozen=True, slots=True)
class DeskMarker:
    """A desk as its Redis knows it.

    Attributes:
        id: made once, by the first stage that was ever started.
        born_ms: when that was, by the server's clock.
        account_partitions: how many it has, for good.
        symbol_partitions: likewise.
        stages: checkpoint keys of the stages that were ever started.
    """

    id: str
    born_ms: int = 0
    account_partitions: int = 1
    symbol_partitions: int = 1
    stages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Volume:
    """What a stage's volume knows.

    Attributes:
        desk: whose it is; empty when nothing says so.
        newest: id of the newest snapshot; `0-0` without one.
    """

    desk: str = ""
    newest: str = BEGINNING


@dataclass(frozen=True, slots=True)
class Story:
    """Everything Redis holds about one stage's partition, at one moment.

    Attributes:
        key: of the checkpoint.
        inbox: name of the stream that the stage reads.
        marker: of the desk; None when there is none.
        checkpoint: None when there is none.
        extent: of the inbox; None when there is no such stream.
        now_ms: what the server's clock says.
        outputs: extents of the streams that the checkpoint says it has sent to; None of one that is not there.
        group: the stage's, on the inbox; None when there is none.
    """

    key: str
    inbox: str
    marker: DeskMarker | None = None
    checkpoint: Checkpoint | None = None
    extent: Extent | None = None
    now_ms: int = 0
    outputs: Mapping[str, int | None] = field(default_factory=dict)
    group: GroupPosition | None = None

    @property
    def has_read(self) -> GroupPosition | None:
        """The group, where it tells that the stage was live here: it has passed an entry."""
        return self.group if self.group is not None and self.group.at != BEGINNING else None


def judge(story: Story, volume: Volume) -> None:
    """Return when everything tells one story.

    Raises:
        RecoveryError: it does not.
    """
    _judge_desk(story, volume)
    _judge_checkpoint(story, volume)
    judge_time(story)
    checkpoint = story.checkpoint
    if checkpoint is None:
        return
    judge_inbox(story.inbox, checkpoint, story.extent)
    if id_key(volume.newest) > id_key(checkpoint.id):
        raise RecoveryError(
            Page.LOG_REWOUND,
            f"{story.inbox}: this stage has a snapshot at {volume.newest}, and Redis says that it stands at"
            f" {checkpoint.id}: the server lost what it had acknowledged, or was started from an older file.",
        )
    judge_outputs(story.inbox, checkpoint.sent, story.outputs)


def judge_topology(topology: Topology, marker: DeskMarker | None) -> None:
    """Return when the settings have the desk's partition counts, or there is no desk yet.

    Raises:
        TopologyDiffers: they have others.
    """
    if marker is None:
        return
    for setting in ("account_partitions", "symbol_partitions"):
        told, kept = getattr(topology, setting), getattr(marker, setting)
        if told != kept:
            raise TopologyDiffers(
                f"messaging.{setting}: {told} must be {kept}, as desk {marker.id} has it: what an account or a symbol"
                " has in one partition, nobody would find in another. It cannot be changed once there is data"
            )


def _judge_desk(story: Story, volume: Volume) -> None:
    marker, checkpoint = story.marker, story.checkpoint
    told_by_checkpoint = checkpoint.desk if checkpoint else ""
    if marker is None:
        if checkpoint is None and story.has_read is not None:
            raise RecoveryError(
                Page.MARKER_GONE,
                f"{story.inbox}: the key `desk` is gone, and so is {story.key}, and the stage's consumer group"
                f" stands at {story.has_read.at}: the desk was here, and they were deleted or evicted.",
            )
        if checkpoint is None and (volume.desk or volume.newest != BEGINNING):
            known = f"desk {volume.desk}" if volume.desk else "a desk"
            raise RecoveryError(
                Page.DESK_GONE,
                f"{story.inbox}: this stage's volume is of {known}, up to {volume.newest}, and this Redis knows no"
                " desk: it was flushed, lost its files, or is another server.",
            )
        if told_by_checkpoint:
            raise RecoveryError(
                Page.MARKER_GONE,
                f"{story.inbox}: the checkpoint is of desk {told_by_checkpoint}, and the key `desk` is gone: it was"
                " deleted or evicted, and so may other keys be.",
            )
        return
    for what, desk in (("volume", volume.desk), ("checkpoint", told_by_checkpoint)):
        if desk and desk != marker.id:
            raise RecoveryError(
                Page.OTHER_DESK,
                f"{story.inbox}: this stage's {what} is of desk {desk}, this Redis holds desk {marker.id}.",
            )


def _judge_checkpoint(story: Story, volume: Volume) -> None:
    stands, group = story.checkpoint, story.has_read
    if stands is not None and group is not None and id_key(group.at) > id_key(stands.id):
        raise RecoveryError(
            Page.CHECKPOINT_GONE,
            f"{story.inbox}: {story.key} stands at {stands.id}, and the consumer group, which moves along with it, at"
            f" {group.at}: an older checkpoint was put in its place, or somebody moved the group (then move it back:"
            f" XGROUP SETID). From the older one the stage would act on entries a second time.",
        )
    if stands is not None or story.marker is None:
        return
    if story.key in story.marker.stages or volume.newest != BEGINNING or group is not None:
        raise checkpoint_gone(story, volume)


def checkpoint_gone(story: Story, volume: Volume | None = None) -> RecoveryError:
    """Return the error that says so of a stage that was live."""
    if story.marker is None:
        return RecoveryError(
            Page.DESK_GONE,
            f"{story.inbox}: this stage was live, and Redis knows neither its checkpoint nor a desk any more: it was"
            " flushed, or lost its files.",
        )
    snapshot = "" if volume is None or volume.newest == BEGINNING else f" Its newest snapshot is at {volume.newest}."
    return RecoveryError(
        Page.CHECKPOINT_GONE,
        f"{story.inbox}: the stage was live before, and {story.key} is gone: it was deleted or evicted.{snapshot}"
        " Started from nothing it would act on every entry a second time.",
    )


def judge_inbox(inbox: str, checkpoint: Checkpoint, extent: Extent | None) -> None:
    """Return when every entry that was ever appended was read, or is still there to be read.

    Raises:
        RecoveryError: some were lost, or the stream is not the one that was read.
    """
    read = checkpoint.entries + checkpoint.lost
    if extent is None or extent.added < read or id_key(extent.last_id) < id_key(checkpoint.id):
        raise _inbox_gone(inbox, checkpoint)
    lost = max(extent.removed - read, 0 if extent.following else extent.added - read)
    if lost > 0:
        before = f"before {extent.following}" if extent.following else f"up to {extent.last_id}"
        raise entries_lost(inbox, lost, f"after {checkpoint.id} and {before}")


def _inbox_gone(inbox: str, checkpoint: Checkpoint) -> RecoveryError:
    return RecoveryError(
        Page.INBOX_GONE,
        f"{inbox}: {checkpoint.entries + checkpoint.lost} entries up to {checkpoint.id} were read, and the stream is"
        " gone, or another of that name: it was deleted, or the server was started from an older file.",
    )


def judge_count(inbox: str, checkpoint: Checkpoint, extent: Extent, unread: int) -> None:
    """Return when what was read and what is there to be read are all that was ever appended.

    Sees what `judge_inbox` cannot: one entry deleted among others, an older stream that has grown again.

    Args:
        inbox: name of the stream.
        checkpoint: of its reader.
        extent: of the stream.
        unread: how many entries are there after the checkpoint, counted.

    Raises:
        RecoveryError: they are not.
    """
    missing = extent.added - unread - checkpoint.entries - checkpoint.lost
    if missing > 0:
        raise entries_lost(inbox, missing, f"after {checkpoint.id}")
    if missing < 0:
        raise _inbox_gone(inbox, checkpoint)


def entries_lost(inbox: str, lost: int, where: str) -> RecoveryError:
    """Return the error that says so.

    Args:
        inbox: name of the stream.
        lost: how many entries, at least.
        where: between which ids.
    """
    return RecoveryError(
        Page.ENTRIES_LOST,
        f"{inbox}: {lost} {'entry' if lost == 1 else 'entries'} {where}"
        f" {'was' if lost == 1 else 'were'} trimmed or deleted before this stage had read"
        f" {'it' if lost == 1 else 'them'} (XADD with MAXLEN, XTRIM or XDEL).",
    )


def is_ahead(ms: int, now_ms: int, position: str) -> bool:
    """Whether an id's milliseconds are too far ahead of the server's clock.

    Where the log is ahead already, since the server's clock was set back, it goes on from where it is.

    Args:
        ms: of the id.
        now_ms: what the server's clock says, or a little less.
        position: the last id that was read.
    """
    return ms > max(now_ms, id_ms(position)) + MAX_AHEAD_MS


def judge_time(story: Story) -> None:
    """Return when no id of the inbox is far ahead of the server's clock.

    The server gives ids of its own time. What is ahead was given one by whoever appended it, and would take the time of
    the log along: expiries at once, and no memory of what came before.

    Raises:
        RecoveryError: one is.
    """
    position = story.checkpoint.id if story.checkpoint else BEGINNING
    if story.extent is not None and is_ahead(id_ms(story.extent.last_id), story.now_ms, position):
        raise RecoveryError(
            Page.TIME_AHEAD,
            f"{story.inbox}: an id is more than {MAX_AHEAD_MS // 1000} s ahead of the server's clock: whoever appended"
            " that entry chose it. Nothing has been done about it, nor about what follows.",
        )


def judge_outputs(inbox: str, sent: Mapping[str, int], outputs: Mapping[str, int | None]) -> None:
    """Return when every stream that was sent to is there, with all that was appended to it.

    Args:
        inbox: the stage's, for the sentence.
        sent: how many entries each stream had had when the stage last looked, by key.
        outputs: how many it has had now; None where there is no such stream.

    Raises:
        RecoveryError: one is gone, or an older one.
    """
    for key, had in sent.items():
        if (outputs.get(key) or 0) < had:
            raise RecoveryError(
                Page.OUTPUT_GONE,
                f"{inbox}: {key}, which this stage writes, had had {had} entries and is gone, or another of that name:"
                " it was deleted, or the server was started from an older file.",
            )
