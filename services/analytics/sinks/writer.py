"""The writing side: chunks of entries into DuckDB, rows and offsets in one transaction.

Flows in: chunks from the reader. Flows out: commits, and after each the low-water marks that trimming respects. Never
commits what Redis may still lose, never counts an entry twice: a crash leaves rows and offset, or neither.

A commit takes a few milliseconds however small it is, so entries gather for `GATHER_S` unless many wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import redis

from fillstream.libs.common.messages.topology import id_ms, low_water_key
from fillstream.libs.common.runtime.durability import Durability
from fillstream.services.analytics.decode.entries import (
    DEAD_LETTERS,
    EVENTS,
    POSITION_EVENTS,
    Batch,
    Decoder,
    Messages,
    RawEntry,
    decode_messages,
    undecodable_rows,
)
from fillstream.services.analytics.decode.market import decode_market
from fillstream.services.analytics.decode.signals import decode_signals
from fillstream.services.analytics.metrics import STAGE, AnalyticsMetrics
from fillstream.services.analytics.schema import UNDECODABLE_TABLE
from fillstream.services.analytics.sinks.store import Gap, Offset, Store

logger = logging.getLogger(__name__)

GATHER_S = 0.2
"""How long entries gather before a commit."""
GATHER_ENTRIES = 5_000
"""So many entries are committed without waiting for more."""
MAX_WAITING = 100_000
"""The reader stops while so many entries wait for the writer."""
MAX_WAITING_BYTES = 128 * 1024 * 1024
MEMORY_TRIES = 5
MEMORY_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries of one stream in order, or a gap in it, and the offset that is reached with them."""

    stream: str
    entries: Sequence[RawEntry]
    upto: Offset
    gap: Gap | None = None


class Waiting:
    """The chunks between reader and writer, bounded in entries and bytes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks: list[Chunk] = []
        self._bytes = 0
        self._closed = False
        self.entries = 0

    @property
    def full(self) -> bool:
        """Whether the reader has to wait."""
        return self.entries >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES

    def put(self, chunks: Sequence[Chunk], size: int) -> None:
        """Add what was read, `size` bytes in all."""
        with self._changed:
            self._chunks += chunks
            self._bytes += size
            self.entries += sum(len(chunk.entries) for chunk in chunks)
            self._changed.notify()

    def close(self) -> None:
        """Say that nothing more comes."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> list[Chunk]:
        """Wait for chunks and return all of them, empty once closed and all were taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._closed)
            self._changed.wait_for(lambda: self.entries >= GATHER_ENTRIES or self._closed, timeout=GATHER_S)
            taken, self._chunks = self._chunks, []
            self.entries, self._bytes = 0, 0
        return taken


def _messages_into(table: Messages) -> Decoder:
    return lambda stream, entries, batch: decode_messages(table, stream, entries, batch)


DECODERS: dict[str, Decoder] = {
    "signals": decode_signals,
    "dead": _messages_into(DEAD_LETTERS),
    "events": _messages_into(EVENTS),
    "positions": _messages_into(POSITION_EVENTS),
    "market": decode_market,
}
"""What decodes the streams of each kind that the map says analytics reads."""


class Writer:
    """Decodes and commits.

    Args:
        store: where to.
        client: a connection that nobody else uses.
        streams: the kind of each stream, by key.
        lossy: kinds of streams that nobody's marks hold.
        marker: key that the durability barrier writes to.
        metrics: told after each commit.
        relieve: ends the queries that run, when they leave a commit no memory.
    """

    def __init__(
        self,
        store: Store,
        client: redis.Redis,
        streams: Mapping[str, str],
        lossy: frozenset[str],
        marker: str,
        metrics: AnalyticsMetrics,
        relieve: Callable[[], None],
    ) -> None:
        self._store = store
        self._client = client
        self._decoders = {stream: DECODERS[kind] for stream, kind in streams.items()}
        self._marked = frozenset(stream for stream, kind in streams.items() if kind not in lossy)
        self._durability = Durability(client, marker)
        self._metrics = metrics
        self._relieve = relieve
        stored = store.offsets()
        self.committed: dict[str, Offset] = {stream: stored.get(stream, Offset()) for stream in streams}

    def mark(self, streams: Sequence[str]) -> None:
        """Leave the low-water marks: analytics needs nothing up to them any more."""
        pipe = self._client.pipeline(transaction=False)
        for stream in streams:
            if stream in self._marked:
                pipe.hset(low_water_key(stream), STAGE, self.committed[stream].id)
        pipe.execute()

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Commit the chunks.

        Raises:
            StoreError, NotDurable, redis.exceptions.RedisError: end the process; the next start reads from the offset.
        """
        began = time.perf_counter()
        offsets = {chunk.stream: chunk.upto for chunk in chunks}
        gaps = [chunk.gap for chunk in chunks if chunk.gap is not None]
        entries: dict[str, int] = {}
        tables: dict[str, list[pa.Table]] = {}
        reasons: list[str] = []
        for stream in offsets:
            own = [entry for chunk in chunks if chunk.stream == stream for entry in chunk.entries]
            entries[stream] = len(own)
            reasons += self._decode(stream, own, tables)
        decoded = time.perf_counter()
        self._durability.wait(max(id_ms(offset.id) for offset in offsets.values()))
        durable = time.perf_counter()
        self._commit(tables, offsets, gaps)
        committed = time.perf_counter()
        self.committed.update(offsets)
        self.mark(list(offsets))
        self._metrics.decode.observe(decoded - began)
        self._metrics.durable.observe(durable - decoded)
        self._metrics.commit.observe(committed - durable)
        rows = {name: sum(part.num_rows for part in parts) for name, parts in tables.items()}
        self._metrics.committed(entries, rows, reasons)

    def _decode(self, stream: str, entries: Sequence[RawEntry], tables: dict[str, list[pa.Table]]) -> list[str]:
        """Add the entries' rows to `tables`; return the reasons of those that were undecodable."""
        if not entries:
            return []
        batch = Batch(self._store.scales)
        self._decoders[stream](stream, entries, batch)
        if batch.undecodable:
            first = batch.undecodable[0]
            logger.warning(
                "%s: %d of %d entries are undecodable, the first %s: %s",
                stream,
                len(batch.undecodable),
                len(entries),
                first.entry[0].decode(),
                first.text,
            )
            batch.add(UNDECODABLE_TABLE.name, undecodable_rows(stream, batch.undecodable))
        for name, parts in batch.tables.items():
            tables.setdefault(name, []).extend(parts)
        return [each.reason for each in batch.undecodable]

    def _commit(self, tables: Mapping[str, list[pa.Table]], offsets: Mapping[str, Offset], gaps: Sequence[Gap]) -> None:
        """Commit, ending queries that have taken the memory; such a failure is rolled back and safe to try again."""
        for attempt in range(1, MEMORY_TRIES + 1):
            try:
                self._store.commit(tables, offsets, gaps)
            except duckdb.OutOfMemoryException as error:
                logger.warning("commit %d of %d found no memory, ending queries: %s", attempt, MEMORY_TRIES, error)
                if attempt == MEMORY_TRIES:
                    raise
                self._relieve()
                time.sleep(MEMORY_PAUSE_S)
            else:
                return
