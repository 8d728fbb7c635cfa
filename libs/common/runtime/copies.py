"""A copy of a stage's snapshot off its volume: in Redis itself, compressed, in chunks, read back before it counts.

Flows in: a snapshot's file, as it lies on the volume. Flows out: a hash beside the stage's checkpoint; the file's bytes
again, checked. Never lets go of a whole copy before the next one is whole, never counts what it has not read back.

Why in Redis, and not in an object store or a folder through fsspec: the copy is needed exactly as long as the log that
goes on from it, so both share one server, one backup and one fate. What Redis loses of the copy it loses of the log as
well, and a copy that survived its log would be of no use. There is nothing to configure and no second credential. The
price is memory, about a fifth of the snapshot (a million orders: some 17 MB), and twice that while the next is written.

    header                    {format, id, generation, chunks, bytes, size, blake2b, at_ms}
    1700000000000-3.7/0       the first chunk of generation 1700000000000-3.7: the snapshot's id and the writer's epoch
    1700000000000-3.7/1       …

Chunks are written unfenced, under a name that no other writer has; the header is published by `copy.lua`, which asks
for the epoch and drops whatever belongs to other generations: a writer that was killed halfway leaves nothing for
long.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

import redis

from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.runtime.log import RedisLog
from fillstream.libs.common.runtime.options import Retention
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError, SnapshotStore
from fillstream.libs.common.runtime.trim import memory_limit

logger = logging.getLogger(__name__)

FORMAT = 1
CHUNK_BYTES = 1_000_000
"""The server does nothing else while it takes one, and keeps this much for the client that sends it."""
PIECE_BYTES = 1024 * 1024
"""Compressed at a time; the interpreter is free meanwhile."""
LEVEL = 1
"""Of zlib: 0.4 s for a million orders. Level 6 takes four times as long for a sixth less."""
MOST_OF_MEMORY = 0.9
"""A copy never fills the server beyond this share of its memory: writers need the rest."""
HEADER = "header"


class CopyFailed(Exception):
    """No copy was made; says why. The one before stands."""


@dataclass(frozen=True, slots=True)
class _Header:
    format: int
    id: str
    generation: str
    chunks: int
    bytes: int
    size: int
    blake2b: str
    at_ms: int


class SnapshotCopy:
    """The copy of one stage partition. See `runner.Snapshots` for what reading it means.

    Args:
        client: a connection of the calling thread's.
        log: the stage's inbox; its checkpoint has the epoch.
        key: of the hash, see `Topology.copy`.
        store: the snapshots on the volume, which know whose they are.
        retention: what the server may use.
    """

    def __init__(
        self, client: redis.Redis, log: RedisLog, key: str, store: SnapshotStore, retention: Retention
    ) -> None:
        self._client: Any = client
        self._log = log
        self._key = key
        self._store = store
        self._retention = retention

    @property
    def where(self) -> str:
        """Where it is, for sentences."""
        return _where(self._key)

    # ------------------------------------------------------------------------------------------------- reading

    def ids(self) -> list[str]:
        """Return the id that the copy stands at, if there is one."""
        if not self._client.hexists(self._key, HEADER):
            return []
        try:
            return [self._header().id]
        except SnapshotError as error:
            logger.warning("snapshot skipped: %s", error)
            return []

    def load(self, snapshot_id: str) -> Snapshot:
        """Read the copy.

        Raises:
            SnapshotError: it is not whole, or stands elsewhere.
        """
        header = self._header()
        if header.id != snapshot_id:
            raise SnapshotError(f"{self.where} stands at {header.id}, not at {snapshot_id}")
        return self._store.parse(self.where, self._read(header))

    def set_aside(self, snapshot_id: str) -> None:
        """Take the copy out of use; its chunks go with the next one."""
        raw = self._client.hget(self._key, HEADER)
        if raw is not None and self.ids() == [snapshot_id]:
            self._client.hset(self._key, f"lost:{snapshot_id}", raw)
            self._client.hdel(self._key, HEADER)

    def _header(self) -> _Header:
        return _header_at(self._client, self._key)

    def _read(self, header: _Header) -> bytes:
        return _content_at(self._client, self._key, header)

    # ------------------------------------------------------------------------------------------------- writing

    def write(self, snapshot_id: str) -> None:
        """Copy a snapshot from the volume, read it back, and publish it in place of the copy before.

        Raises:
            CopyFailed: there is no room, or what came back is not what was written; the copy before stands.
            Fenced: another process has claimed the partition.
            OSError: the snapshot cannot be read.
            redis.exceptions.RedisError: the server did not answer, or refused.
        """
        content = self._store.path(snapshot_id).read_bytes()
        chunks = [*packed(content)]
        self._drop_others()
        self._check_room(sum(map(len, chunks)))
        header = _header_of(self._client, snapshot_id, self._log.epoch, chunks, content)
        generation = header.generation
        try:
            for number, chunk in enumerate(chunks):
                self._client.hset(self._key, f"{generation}/{number}", chunk)
            self._read(header)
        except (redis.exceptions.OutOfMemoryError, SnapshotError) as error:
            self._drop_others()
            raise CopyFailed(f"snapshot {snapshot_id} not copied: {error}") from error
        self._publish(generation, json.dumps(asdict(header)))

    def _check_room(self, wanted: int) -> None:
        try:
            info = self._client.info("memory")
        except redis.exceptions.ResponseError as error:
            logger.debug("INFO memory refused (%s): the server itself will refuse what is too much", error)
            return
        used, limit = int(info["used_memory"]), memory_limit(int(info.get("maxmemory", 0)), self._retention)
        if limit and used + wanted > limit * MOST_OF_MEMORY:
            raise CopyFailed(
                f"no room for a copy of the snapshot at {self._key}: Redis uses {used} bytes, the copy takes {wanted},"
                f" and {limit * MOST_OF_MEMORY:.0f} is as far as it may go of {limit}. The inbox is not trimmed"
                " meanwhile: give the server more memory"
            )

    def _drop_others(self) -> None:
        """Drop what writers that did not get to their end have left."""
        raw = self._client.hget(self._key, HEADER)
        try:
            kept = self._header().generation if raw is not None else ""
        except SnapshotError:
            kept = ""  # nothing that could be read
        self._publish(kept, "")

    def _publish(self, generation: str, header: str) -> None:
        self._log.publish_copy(self._client, self._key, generation, header)


def packed(content: bytes) -> Iterator[bytes]:
    """Yield the compressed bytes in chunks of `CHUNK_BYTES`, the last one shorter."""
    packer, pending, view = zlib.compressobj(LEVEL), bytearray(), memoryview(content)
    for start in range(0, len(view), PIECE_BYTES):
        pending += packer.compress(view[start : start + PIECE_BYTES])
        while len(pending) >= CHUNK_BYTES:
            yield bytes(pending[:CHUNK_BYTES])
            del pending[:CHUNK_BYTES]
    pending += packer.flush()
    for start in range(0, len(pending), CHUNK_BYTES):
        yield bytes(pending[start : start + CHUNK_BYTES])


def _where(key: str) -> str:
    return f"the copy at {key} in Redis"


def _header_of(client: Any, snapshot_id: str, epoch: int, chunks: Sequence[bytes], content: bytes) -> _Header:
    seconds, microseconds = client.time()
    return _Header(
        FORMAT, snapshot_id, f"{snapshot_id}.{epoch}", len(chunks), sum(map(len, chunks)), len(content),
        blake2b(content, digest_size=16).hexdigest(), seconds * 1000 + microseconds // 1000,
    )  # fmt: skip


def _header_at(client: Any, key: str) -> _Header:
    raw = client.hget(key, HEADER)
    if raw is None:
        raise SnapshotError(f"{_where(key)} is not there any more")
    try:
        header = _Header(**json.loads(raw))
        id_key(header.id)
    except (ValueError, TypeError, AttributeError) as error:
        raise SnapshotError(f"{_where(key)}: no header: {error}") from error
    if header.format != FORMAT:
        raise SnapshotError(f"{_where(key)}: format {header.format}, this version reads {FORMAT}")
    return header


def _content_at(client: Any, key: str, header: _Header) -> bytes:
    unpacked, pieces = zlib.decompressobj(), []
    for number in range(header.chunks):
        chunk = client.hget(key, f"{header.generation}/{number}")
        if chunk is None:
            raise SnapshotError(f"{_where(key)}: chunk {number} of {header.chunks} is missing; damaged")
        try:
            pieces.append(unpacked.decompress(chunk))
        except zlib.error as error:
            raise SnapshotError(f"{_where(key)}: chunk {number} of {header.chunks}: {error}; damaged") from error
    content = b"".join(pieces)
    if (len(content), blake2b(content, digest_size=16).hexdigest()) != (header.size, header.blake2b):
        raise SnapshotError(f"{_where(key)}: {len(content)} bytes do not hash to what its header says; damaged")
    return content


def read_copy(client: redis.Redis, key: str) -> tuple[str, bytes] | None:
    """Return where a copy stands and the bytes of its snapshot's file; None where there is none.

    Args:
        client: a connection.
        key: see `Topology.copy`.

    Raises:
        SnapshotError: it is not whole, or was replaced meanwhile.
    """
    raw: Any = client
    if not raw.hexists(key, HEADER):
        return None
    header = _header_at(raw, key)
    return header.id, _content_at(raw, key, header)


def put_copy(client: redis.Redis, key: str, snapshot_id: str, content: bytes) -> None:
    """Leave a copy where none is, of a desk that does not run.

    Args:
        client: a connection.
        key: see `Topology.copy`.
        snapshot_id: where it stands.
        content: the bytes of its file.
    """
    raw: Any = client
    chunks = [*packed(content)]
    header = _header_of(raw, snapshot_id, 0, chunks, content)
    for number, chunk in enumerate(chunks):
        raw.hset(key, f"{header.generation}/{number}", chunk)
    raw.hset(key, HEADER, json.dumps(asdict(header)))


class JoinedSnapshots:
    """The snapshots of the volume and the copy off it, as one; the volume's first where both have the same.

    Args:
        local: on the volume.
        copy: off it.
    """

    def __init__(self, local: SnapshotStore, copy: SnapshotCopy) -> None:
        self._local = local
        self._copy = copy

    @property
    def where(self) -> str:
        """Where they are, for sentences."""
        return f"{self._local.folder}, nor is {self._copy.where} one"

    def ids(self) -> list[str]:
        """See `runner.Snapshots`."""
        return sorted({*self._local.ids(), *self._copy.ids()}, key=id_key)[::-1]

    def load(self, snapshot_id: str) -> Snapshot:
        """See `runner.Snapshots`."""
        if snapshot_id not in self._local.ids():
            return self._copy.load(snapshot_id)
        try:
            return self._local.load(snapshot_id)
        except SnapshotError as error:
            if snapshot_id not in self._copy.ids():
                raise
            logger.warning("snapshot skipped for its copy: %s", error)
            return self._copy.load(snapshot_id)

    def set_aside(self, snapshot_id: str) -> None:
        """See `runner.Snapshots`."""
        if snapshot_id in self._local.ids():
            self._local.set_aside(snapshot_id)
        self._copy.set_aside(snapshot_id)

    def desk(self) -> str:
        """See `runner.Snapshots`: what the volume says; the copy is where its desk is."""
        return self._local.desk()

    def belong_to(self, desk: str) -> None:
        """See `runner.Snapshots`."""
        self._local.belong_to(desk)

    def disown(self) -> None:
        """Take the volume's out of use, and forget whose they are."""
        self._local.disown()


def oldest_needed(local: Sequence[str], copied: Sequence[str]) -> str | None:
    """Return the id below which nobody needs the log: the oldest of the volume's snapshots and the copy.

    None where there is no copy: the volume may be lost, and the log alone has everything then.
    """
    return min([*local, *copied], key=id_key) if copied else None
