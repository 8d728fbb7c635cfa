"""Redis Streams and the two scripts, written again as plainly as possible: the naive reference beside `RedisLog`.

One `MemoryRedis` holds every stream of a desk; a `MemoryLog` is one stage's view of it. The clock is a number that the
simulation moves, so a seed reproduces everything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

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
    now_ms: int = 1_700_000_000_000
    streams: dict[str, list[Entry]] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    groups: dict[str, GroupPosition] = field(default_factory=dict)
    marker: DeskMarker | None = None

    def add(self, stream: str, fields: dict[bytes, bytes]) -> str:
        entries = self.streams.setdefault(stream, [])
        ms, seq = self.now_ms, 0
        if id_key(self.newest.get(stream, BEGINNING)) >= (ms, seq):
            ms, seq = id_key(self.newest[stream])
            seq += 1
        entries.append(Entry(f"{ms}-{seq}", ms, dict(fields)))
        self.added[stream] = self.added.get(stream, 0) + 1
        self.newest[stream] = entries[-1].id
        return entries[-1].id

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
        place = _place_after(entries, after)
        following = entries[place].id if place < len(entries) else ""
        return Extent(self.added[stream], len(entries), self.newest[stream], following)


def _place_after(entries: list[Entry], after: str) -> int:
    """Return where the entries after an id begin: like a stream's, they stand in the order of their ids."""
    return bisect_right(entries, id_key(after), key=lambda each: id_key(each.id))


class MemoryClock:
    """See `libs.common.runtime.ticker.Clock`."""

    def __init__(self, redis: MemoryRedis) -> None:
        self._redis = redis

    def look(self) -> None:
        """It is never wrong."""

    def until_ms(self, due_ms: int) -> int:
        return max(0, due_ms - self._redis.now_ms)


class MemoryLog:
    """See `libs.common.runtime.log.Log`."""

    def __init__(self, redis: MemoryRedis, topology: Topology, stage: str, inbox: str) -> None:
        self.redis = redis
        self._key_of = topology.key
        self.inbox = topology.key(inbox)
        self._dead = topology.dead
        self._key = topology.checkpoint(stage, inbox)
        self._name = inbox
        self._topology = topology
        self._epoch = 0
        self._committed = "0-0"

    def checkpoint(self) -> Checkpoint:
        found = self.redis.checkpoints.get(self._key, Checkpoint())
        return replace(
            found, poisoned=dict(found.poisoned), notes=dict(found.notes), sent=dict(found.sent), gaps=set(found.gaps)
        )

    def look(self) -> Story:
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
        entries = self.redis.streams.get(self.inbox, [])
        place = _place_after(entries, self._committed)
        return entries[place : place + count]

    def between(self, after: str, upto: str) -> Iterator[Entry]:
        entries = self.redis.streams.get(self.inbox, [])
        place, end = _place_after(entries, after), _place_after(entries, upto)
        # Some at a time: who folds may append meanwhile, and most ask for the first alone.
        while place < end:
            portion = entries[place : min(place + 100, end)]
            yield from portion
            place += len(portion)

    def commit(self, batch: Sequence[Entry], out: Outputs, quarantined: tuple[str, str] | None = None) -> None:
        checkpoint = self._own()
        judge_inbox(self._name, checkpoint, self.redis.extent(self.inbox, checkpoint.id))
        follows = next(self.between(self._committed, "9999999999999999-0"), None)
        if checkpoint.id != self._committed or follows is None or follows.id != batch[0].id:
            raise Gap(f"read {batch[0].id} after {self._committed}, the checkpoint is {checkpoint.id}")
        read = checkpoint.entries + checkpoint.lost + len(batch)
        if self.redis.newest[self.inbox] == batch[-1].id and self.redis.added[self.inbox] != read:
            lost = replace(checkpoint, entries=checkpoint.entries + len(batch), id=batch[-1].id)
            judge_inbox(self._name, lost, self.redis.extent(self.inbox, lost.id))
        for stream, kind, payloads in out.runs:
            checkpoint.sent.setdefault(self._key_of(stream), 0)
            for payload in payloads if kind == b"data" else [b"".join(payloads)]:
                self.redis.add(self._key_of(stream), {kind: payload})
        for stream, lossy in out.lossy.items():
            for payload in lossy:
                self.redis.add(self._key_of(stream), {b"data": payload})
        for letter in out.dead:
            self.redis.add(self._dead, letter)
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
        checkpoint, extent = self.checkpoint(), self.redis.extent(self.inbox)
        if extent is not None:
            judge_count(
                self._name, checkpoint, extent, sum(1 for _ in self.between(checkpoint.id, "9999999999999999-0"))
            )

    def watch(self) -> None:
        checkpoint = self._own()
        judge(self.look(), Volume())
        for key in checkpoint.sent:
            checkpoint.sent[key] = self._had(key) or 0

    def settle(self) -> None:
        """Every commit here is known at once."""

    def append(self, fields: dict[bytes, bytes]) -> str:
        return self.redis.add(self.inbox, fields)

    def suspect(self, entry_id: str) -> None:
        self.redis.checkpoints[self._key].suspect = entry_id


class MemorySnapshots:
    """See `libs.common.runtime.runner.Snapshots`."""

    where = "memory"

    def __init__(self) -> None:
        self.saved: dict[str, Snapshot] = {}
        self.owner = ""

    def save(self, snapshot: Snapshot) -> None:
        self.saved[snapshot.id] = snapshot

    def ids(self) -> list[str]:
        return sorted(self.saved, key=id_key)[::-1]

    def load(self, snapshot_id: str) -> Snapshot:
        if snapshot_id not in self.saved:
            raise SnapshotError(snapshot_id)
        return self.saved[snapshot_id]

    def set_aside(self, snapshot_id: str) -> None:
        del self.saved[snapshot_id]

    def desk(self) -> str:
        return self.owner

    def belong_to(self, desk: str) -> None:
        self.owner = desk
