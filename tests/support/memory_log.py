"""Redis Streams and the two scripts, written again as plainly as possible: the naive reference beside `RedisLog`.

One `MemoryRedis` holds every stream of a desk; a `MemoryLog` is one stage's view of it. The clock is a number that the
simulation moves, so a seed reproduces everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.runtime.log import Checkpoint, Fenced, Gap, Moved
from fillstream.libs.common.runtime.release import BEGINNING, Note, ranges, running
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError
from fillstream.libs.common.runtime.stage import Entry, Outputs


@dataclass
class MemoryRedis:
    now_ms: int = 1_700_000_000_000
    streams: dict[str, list[Entry]] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def add(self, stream: str, fields: dict[bytes, bytes]) -> str:
        entries = self.streams.setdefault(stream, [])
        ms, seq = self.now_ms, 0
        if entries and id_key(entries[-1].id) >= (ms, seq):
            ms, seq = id_key(entries[-1].id)
            seq += 1
        entries.append(Entry(f"{ms}-{seq}", ms, dict(fields)))
        return entries[-1].id


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
        self._epoch = 0
        self._committed = "0-0"

    def checkpoint(self) -> Checkpoint:
        found = self.redis.checkpoints.get(self._key, Checkpoint())
        return replace(found, poisoned=dict(found.poisoned), notes=dict(found.notes))

    def claim(self, release: str | None = None, at: str = "") -> Checkpoint:
        checkpoint = self.redis.checkpoints.setdefault(self._key, Checkpoint())
        self._note(checkpoint, release or running(), at)
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
        return [entry for entry in entries if id_key(entry.id) > id_key(self._committed)][:count]

    def between(self, after: str, upto: str) -> Iterator[Entry]:
        for entry in list(self.redis.streams.get(self.inbox, [])):
            if id_key(after) < id_key(entry.id) <= id_key(upto):
                yield entry

    def commit(self, batch: Sequence[Entry], out: Outputs, quarantined: tuple[str, str] | None = None) -> None:
        checkpoint = self.redis.checkpoints[self._key]
        if checkpoint.epoch != self._epoch:
            raise Fenced(f"epoch {self._epoch}, claimed by {checkpoint.epoch}")
        follows = next(self.between(self._committed, "9999999999999999-0"), None)
        if checkpoint.id != self._committed or follows is None or follows.id != batch[0].id:
            raise Gap(f"read {batch[0].id} after {self._committed}, the checkpoint is {checkpoint.id}")
        for stream, (kind, payloads) in out.by_stream.items():
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
        if quarantined:
            checkpoint.poisoned[quarantined[0]] = quarantined[1]
            checkpoint.suspect = ""

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
