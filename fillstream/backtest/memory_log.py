"""Redis Streams and the two scripts in memory: what a backtest runs over, and the reference beside `RedisLog` in tests.

Flows in: what stages append and commit. Flows out: the same entries, in order. One `MemoryRedis` holds all streams of a
desk; a `MemoryLog` is one stage's view of it. The clock is a number that whoever runs the desk moves, so a run is
reproduced by what moved it. Never a file, a socket or a clock of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.continuity import (
    DeskMarker,
    Extent,
    GroupPosition,
    Story,
    Volume,
    checkpoint_gone,
    judge,
    judge_count,
    judge_inbox,
    judge_topology,
)
from fillstream.libs.common.runtime.log import DeskChanged, Fenced, Gap, Moved
from fillstream.libs.common.runtime.release import BEGINNING, Note, ranges, running
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError
from fillstream.libs.common.runtime.stage import Entry, Outputs


@dataclass
class MemoryRedis:
    """Every stream of a desk, where its stages stand, and the clock that gives entries their ids.

    Attributes:
        now_ms: what the clock says (ms since 1970 UTC); whoever runs the desk moves it, never back.
        streams: entries by key, in order.
        checkpoints: where stages stand, by key.
        added: how many entries each stream ever had.
        newest: the last id that each stream ever had.
        groups: where stages' consumer groups stand, by inbox.
        marker: of the desk, once there is one.
        fresh: streams that have had an entry since whoever looks at this emptied it, in the order of their first ones.
    """

    now_ms: int = 1_700_000_000_000
    streams: dict[str, list[Entry]] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    groups: dict[str, GroupPosition] = field(default_factory=dict)
    marker: DeskMarker | None = None
    fresh: dict[str, None] = field(default_factory=dict)

    def add(self, stream: str, fields: dict[bytes, bytes]) -> str:
        """Append an entry, as XADD does; return its id. The fields are the stream's from then on."""
        return self.add_all(stream, (fields,))

    def add_all(self, stream: str, several: Collection[dict[bytes, bytes]]) -> str:
        """Append entries, one at least; return the last one's id."""
        entries = self.streams.get(stream)
        if entries is None:
            entries = self.streams[stream] = []
        ms, seq = self.now_ms, 0
        newest = self.newest.get(stream)
        if newest is not None:
            last_ms, _, last_seq = newest.partition("-")
            if (last := int(last_ms)) >= ms:
                ms, seq = last, int(last_seq) + 1
        for seq, fields in enumerate(several, start=seq):  # noqa: B020 - the last one is the newest
            entries.append(Entry(f"{ms}-{seq}", ms, fields))
        self.added[stream] = self.added.get(stream, 0) + len(several)
        self.newest[stream] = entry_id = entries[-1].id
        self.fresh[stream] = None
        return entry_id

    def trim(self, stream: str, count: int) -> None:
        """Let go of a stream's first `count` entries, which everybody has read."""
        del self.streams[stream][:count]

    def hold(self, stream: str, entries: list[Entry]) -> None:
        """Have a stream of these entries, one at least, and no other that there ever was."""
        self.streams[stream] = entries
        self.added[stream] = len(entries)
        self.newest[stream] = entries[-1].id
        self.now_ms = max(self.now_ms, entries[-1].ms)

    def delete(self, stream: str, *places: int) -> None:
        """Lose entries of a stream, by their places, as XDEL and XTRIM do; what was ever appended still counts."""
        self.streams[stream] = [each for place, each in enumerate(self.streams[stream]) if place not in places]

    def forget(self, stream: str) -> None:
        """Lose a stream as a whole, as DEL does."""
        for kept in (self.streams, self.added, self.newest, self.groups):
            kept.pop(stream, None)

    def extent(self, stream: str, after: str = BEGINNING) -> Extent | None:
        """Return what a stream says of itself; None of one that is not there."""
        if stream not in self.added:
            return None
        entries = self.streams.get(stream, [])
        place = place_after(entries, after)
        return self.extent_from(stream, entries, place)

    def extent_from(self, stream: str, entries: list[Entry], place: int) -> Extent:
        """Return the same of a stream whose reader goes on at a place."""
        following = entries[place].id if place < len(entries) else ""
        return Extent(self.added[stream], len(entries), self.newest[stream], following)


def place_after(entries: list[Entry], after: str) -> int:
    """Return the place of the first entry behind an id."""
    return bisect_right(entries, id_key(after), key=lambda entry: id_key(entry.id))


class MemoryClock:
    """See `libs.common.runtime.ticker.Clock`."""

    def __init__(self, redis: MemoryRedis) -> None:
        self._redis = redis

    def look(self) -> None:
        """It is never wrong."""

    def until_ms(self, due_ms: int) -> int:
        """Return how long it takes until the clock says so; 0 if it does."""
        return max(0, due_ms - self._redis.now_ms)


class MemoryLog:
    """See `libs.common.runtime.log.Log`."""

    def __init__(self, redis: MemoryRedis, topology: Topology, stage: str, inbox: str) -> None:
        self.redis = redis
        self._key_of = lru_cache(maxsize=4096)(topology.key)
        self.inbox = topology.key(inbox)
        self._dead = topology.dead
        self._key = topology.checkpoint(stage, inbox)
        self._name = inbox
        self._topology = topology
        self._epoch = 0
        self._committed = "0-0"
        self._at = 0

    def _place(self, entries: list[Entry]) -> int:
        """Return the place of the first entry that is not committed: where it was, unless somebody cut the stream."""
        at = self._at
        if at and at <= len(entries) and entries[at - 1].id == self._committed:
            return at
        if len(entries) <= 1:  # whoever reads all at once leaves one, or none
            self._at = len(entries) if entries and id_key(entries[0].id) <= id_key(self._committed) else 0
            return self._at
        self._at = place_after(entries, self._committed)
        return self._at

    def checkpoint(self) -> Checkpoint:
        """See `Log.checkpoint`; a copy."""
        found = self.redis.checkpoints.get(self._key, Checkpoint())
        return replace(
            found, poisoned=dict(found.poisoned), notes=dict(found.notes), sent=dict(found.sent), gaps=set(found.gaps)
        )

    def look(self) -> Story:
        """See `Log.look`."""
        redis, known = self.redis, self.checkpoint()
        exists = self._key in redis.checkpoints
        outputs = {key: self._had(key) for key in known.sent}
        extent = redis.extent(self.inbox, known.id)
        judge_topology(self._topology, redis.marker)
        stands = redis.groups.get(self.inbox)
        return Story(
            self._key, self._name, redis.marker, known if exists else None, extent, redis.now_ms, outputs, stands
        )

    def _had(self, key: str) -> int | None:
        extent = self.redis.extent(key)
        return extent.added if extent else None

    def claim(self, release: str | None = None, at: str = "", desk: str | None = None) -> Checkpoint:
        """See `Log.claim`."""
        redis, topology = self.redis, self._topology
        known = redis.marker.id if redis.marker else ""
        if desk is not None and desk != known:
            raise DeskChanged
        checkpoint = redis.checkpoints.get(self._key, Checkpoint())
        self._note(checkpoint, release or running(), at)
        redis.checkpoints[self._key] = checkpoint
        if redis.marker is None:
            counts = (topology.account_partitions, topology.symbol_partitions)
            redis.marker = DeskMarker(f"desk {redis.now_ms}", redis.now_ms, *counts)
        redis.marker = replace(redis.marker, stages=redis.marker.stages | {self._key})
        checkpoint.desk = redis.marker.id
        redis.added.setdefault(self.inbox, 0)
        redis.newest.setdefault(self.inbox, BEGINNING)
        redis.groups.setdefault(self.inbox, GroupPosition(checkpoint.id, checkpoint.entries + checkpoint.lost))
        checkpoint.epoch += 1
        self._epoch, self._committed = checkpoint.epoch, checkpoint.id
        return self.checkpoint()

    def _note(self, checkpoint: Checkpoint, release: str, at: str) -> None:
        if checkpoint.id == BEGINNING:
            checkpoint.notes[BEGINNING] = Note(release, BEGINNING)
            return
        # Who decides now: as if one more entry had been committed.
        decides = ranges(checkpoint.notes, "9999999999999-0")[-1].release
        if decides == release:
            return
        if at and at != checkpoint.id:
            raise Moved(checkpoint.id, decides)
        note = self.redis.add(self.inbox, {b"release": release.encode(), b"after": checkpoint.id.encode()})
        checkpoint.notes[note] = Note(release, checkpoint.id)

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """See `Log.read`; it never waits."""
        entries = self.redis.streams.get(self.inbox)
        if not entries:
            return []
        at = self._place(entries)
        return entries[at : at + count]

    def between(self, after: str, upto: str) -> Iterator[Entry]:
        """See `Log.between`."""
        entries = self.redis.streams.get(self.inbox, [])
        yield from entries[place_after(entries, after) : place_after(entries, upto)]

    def commit(self, batch: Sequence[Entry], out: Outputs, quarantined: tuple[str, str] | None = None) -> None:
        """See `Log.commit`."""
        checkpoint, redis = self._own(), self.redis
        entries = redis.streams.get(self.inbox, [])
        place = self._place(entries)
        if checkpoint.id != self._committed or self.inbox not in redis.added:
            judge_inbox(self._name, checkpoint, redis.extent(self.inbox, checkpoint.id))
        elif redis.added[self.inbox] - len(entries) + place != checkpoint.entries + checkpoint.lost:
            judge_inbox(self._name, checkpoint, redis.extent_from(self.inbox, entries, place))
        if checkpoint.id != self._committed or place == len(entries) or entries[place].id != batch[0].id:
            raise Gap(f"read {batch[0].id} after {self._committed}, the checkpoint is {checkpoint.id}")
        read = checkpoint.entries + checkpoint.lost + len(batch)
        if redis.newest[self.inbox] == batch[-1].id and redis.added[self.inbox] != read:
            lost = replace(checkpoint, entries=checkpoint.entries + len(batch), id=batch[-1].id)
            judge_inbox(self._name, lost, redis.extent(self.inbox, lost.id))
        for stream, kind, payloads in out.runs:
            key = self._key_of(stream)
            if key not in checkpoint.sent:
                checkpoint.sent[key] = 0
            redis.add_all(key, [{kind: each} for each in payloads] if kind == b"data" else [{kind: b"".join(payloads)}])
        for stream, lossy in out.lossy.items():
            for payload in lossy:
                redis.add(self._key_of(stream), {b"data": payload})
        for letter in out.dead:
            redis.add(self._dead, letter)
        self._at = place + len(batch)
        checkpoint.id = self._committed = batch[-1].id
        checkpoint.digest = out.digest
        checkpoint.entries += len(batch)
        self.redis.groups[self.inbox] = GroupPosition(checkpoint.id, checkpoint.entries + checkpoint.lost)
        if quarantined:
            checkpoint.poisoned[quarantined[0]] = quarantined[1]
            checkpoint.suspect = ""

    def _own(self) -> Checkpoint:
        if self._key not in self.redis.checkpoints:
            raise checkpoint_gone(self.look())
        checkpoint = self.redis.checkpoints[self._key]
        if checkpoint.epoch != self._epoch:
            raise Fenced(f"epoch {self._epoch}, claimed by {checkpoint.epoch}")
        return checkpoint

    def count_again(self) -> None:
        """See `Log.count_again`."""
        checkpoint, extent = self.checkpoint(), self.redis.extent(self.inbox)
        if extent is not None:
            judge_count(
                self._name, checkpoint, extent, sum(1 for _ in self.between(checkpoint.id, "9999999999999999-0"))
            )

    def watch(self) -> None:
        """See `Log.watch`."""
        checkpoint = self._own()
        judge(self.look(), Volume())
        for key in checkpoint.sent:
            checkpoint.sent[key] = self._had(key) or 0

    def settle(self) -> None:
        """Every commit here is known at once."""

    def append(self, fields: dict[bytes, bytes]) -> str:
        """Append an entry to the inbox; return its id."""
        return self.redis.add(self.inbox, fields)

    def suspect(self, entry_id: str) -> None:
        """Remember an entry that broke the fold."""
        self.redis.checkpoints[self._key].suspect = entry_id


class MemorySnapshots:
    """See `libs.common.runtime.runner.Snapshots`."""

    where = "memory"

    def __init__(self) -> None:
        self.saved: dict[str, Snapshot] = {}
        self.owner = ""

    def save(self, snapshot: Snapshot) -> None:
        """Keep one."""
        self.saved[snapshot.id] = snapshot

    def ids(self) -> list[str]:
        """Return the ids there are, newest first."""
        return sorted(self.saved, key=id_key)[::-1]

    def load(self, snapshot_id: str) -> Snapshot:
        """Return one.

        Raises:
            SnapshotError: there is none of that id.
        """
        if snapshot_id not in self.saved:
            raise SnapshotError(snapshot_id)
        return self.saved[snapshot_id]

    def set_aside(self, snapshot_id: str) -> None:
        """Let go of one that cannot be used."""
        del self.saved[snapshot_id]

    def desk(self) -> str:
        """Return the id of the desk whose they are; empty before there is one."""
        return self.owner

    def belong_to(self, desk: str) -> None:
        """Remember the desk whose they are."""
        self.owner = desk
