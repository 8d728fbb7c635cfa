"""The reading side: every public stream in order, from where the database stands.

Flows in: XREAD of the streams, XINFO once a second. Flows out: chunks for the writer. Never runs further ahead of the
writer than `writer.MAX_WAITING`, never passes over an entry in silence: what the log lost before it was read stops the
service, or is written down where that cannot be. Never takes an entry whose id somebody chose ahead of the clock: it
waits before it, as the stage that mends the ids gives it another one.

One plain synchronous XREAD for all streams: no consumer group is needed, as the offsets live in DuckDB.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis

from fillstream.libs.common.messages.stages import READERS
from fillstream.libs.common.messages.topology import KINDS, Topology, id_ms
from fillstream.libs.common.runtime.continuity import MAX_AHEAD_MS, Page, is_ahead
from fillstream.services.analytics.metrics import STAGE, AnalyticsMetrics
from fillstream.services.analytics.read.desk import AWAY, LogLost, Owner
from fillstream.services.analytics.read.extent import (
    Extent,
    behind,
    check_anchor,
    continue_at,
    deleted_unread,
    extent_of,
    trimmed_unread,
)
from fillstream.services.analytics.sinks.store import Gap, Offset
from fillstream.services.analytics.sinks.writer import Chunk, Waiting

logger = logging.getLogger(__name__)

READ_COUNT = 2_000
"""Entries of each stream in one read, at most."""
FIRST_COUNT = 16
"""In the first read: the entries that wait may be the ones that took all memory before."""
READ_BYTES = 32 * 1024 * 1024
"""A read should not be much larger; the count follows the size of the entries read before."""
BLOCK_MS = 1_000
PAUSE_S = 0.05
"""Between reads that did not fill up: analytics stands behind the hot path and leaves it the processor."""
LOOK_S = 1.0
LOSSY = frozenset(name for name, kind in KINDS.items() if kind.lossy)
"""Kinds of streams that are cut by length: what was skipped there is only counted."""


def public_streams(topology: Topology) -> dict[str, str]:
    """Return the streams that analytics reads, by key, with the kind of each."""
    return {topology.key(name): kind for kind in READERS[STAGE].reads for name in topology.names(kind)}


class Reader:
    """Reads.

    Args:
        client: a connection that nobody else uses.
        streams: see `public_streams`.
        stored: the offsets in the database; a stream without one was never read.
        waiting: where the chunks go.
        metrics: told what was skipped and whether reading is held back.
        owner: says whose the streams are.
    """

    def __init__(
        self,
        client: redis.Redis,
        streams: Mapping[str, str],
        stored: Mapping[str, Offset],
        waiting: Waiting,
        metrics: AnalyticsMetrics,
        owner: Owner,
    ) -> None:
        self._client = client
        self._owner = owner
        # The library's own callback builds a dict per entry; the raw reply is all we need.
        client.set_response_callback("XREAD", lambda reply, **_: reply)
        self._streams = streams
        self._stored = stored
        self._waiting = waiting
        self._metrics = metrics
        self._count = FIRST_COUNT
        self.read = {stream: stored.get(stream, Offset()) for stream in streams}
        self.paused = False
        self._ahead: dict[str, str] = {}

    @property
    def waits_for(self) -> str:
        """Says what it waits for before entries that are ahead of the clock; empty when there are none."""
        return " ".join(self._ahead.values())

    def run(self, stop: threading.Event, beat: Callable[[Mapping[str, Extent]], None]) -> None:
        """Read until asked to stop.

        Args:
            stop: ends the run.
            beat: told about once a second what the streams hold.

        Raises:
            LogLost: see there.
            redis.exceptions.RedisError: the server went away; the next start reads from the offset.
        """
        self._owner.check()
        self._check_anchors()
        next_look = 0.0
        while not stop.is_set():
            now = time.monotonic()
            if now >= next_look:
                next_look = now + LOOK_S
                beat(self.look())
            if self._held_back() or not self.read_once():
                stop.wait(PAUSE_S)

    def look(self) -> dict[str, Extent]:
        """Compare the log with what was read of it, and return what it holds.

        Raises:
            LogLost: entries are gone that nobody may drop unread, Redis has lost what was read, or is another desk's.
        """
        self._owner.check()
        extents = {}
        for stream, kind in self._streams.items():
            extent, read = extent_of(self._client, stream), self.read[stream]
            extents[stream] = extent
            problem = behind(extent, read)
            if problem and kind in LOSSY:
                self.read[stream] = continue_at(extent)
            elif problem:
                raise _lost(stream, problem)
            elif count := trimmed_unread(extent, read):
                self._skip(stream, continue_at(extent), count, "trimmed")
            elif count := deleted_unread(extent, read):
                self._skip(stream, Offset(extent.last_id, extent.added), count, "deleted one by one")
        self._owner.adopt()
        return extents

    def read_once(self) -> bool:
        """Read each stream once, waiting a second at most; return whether more is likely to be there at once."""
        raw: Any = self._client
        reply = raw.execute_command(
            "XREAD", "COUNT", self._count, "BLOCK", BLOCK_MS, "STREAMS",
            *self.read, *(offset.id for offset in self.read.values()),
        )  # fmt: skip
        if not reply:
            return True  # it waited already
        self._owner.check()  # what came may be of a desk that has begun since the last look
        chunks, size = [], 0
        for key, page in reply:
            stream = key.decode()
            entries = self._of_now(stream, page)
            if not entries:
                continue
            size += sum(sum(map(len, entry[1])) for entry in entries if entry[1])
            upto = Offset(entries[-1][0].decode(), self.read[stream].entries + len(entries))
            self.read[stream] = upto
            chunks.append(Chunk(stream, entries, upto))
        if not chunks:
            return False
        self._waiting.put(chunks, size)
        counts = [len(chunk.entries) for chunk in chunks]
        filled = max(counts) == self._count
        mean = max(1, size // sum(counts))
        larger = 2 * self._count if filled else self._count
        self._count = max(1, min(READ_COUNT, larger, READ_BYTES // (mean * len(self._streams))))
        return filled

    def _of_now(self, stream: str, entries: list[Any]) -> list[Any]:
        """Return the entries before the first that is ahead of the server's clock."""
        position = self.read[stream].id
        found = entries
        if id_ms(entries[-1][0].decode()) > id_ms(position) + MAX_AHEAD_MS:  # or it cannot be
            seconds, _ = self._client.time()
            is_of_now = [not is_ahead(id_ms(each[0].decode()), seconds * 1000, position) for each in entries]
            found = entries[: is_of_now.index(False)] if False in is_of_now else entries
        if len(found) == len(entries):
            self._ahead.pop(stream, None)
        elif stream not in self._ahead:
            self._ahead[stream] = (
                f"{stream}: waits before {entries[len(found)][0].decode()}, an id ahead of the server's clock"
                f" ({Page.TIME_AHEAD.value})."
            )
            logger.warning("%s", self._ahead[stream])
        return found

    def _check_anchors(self) -> None:
        for stream, offset in self._stored.items():
            if stream in self._streams and self._streams[stream] not in LOSSY:
                problem = check_anchor(self._client, stream, extent_of(self._client, stream), offset)
                if problem:
                    raise _lost(stream, problem)

    def _skip(self, stream: str, upto: Offset, count: int, how: str) -> None:
        read = self.read[stream]
        text = f"{stream}: {count} entries after {read.id} were {how} before analytics read them"
        lossy = self._streams[stream] in LOSSY
        if how == "trimmed" and stream in self._stored and not lossy:
            raise LogLost(
                Page.ENTRIES_LOST,
                f"{text}. To go on without them, noted in table gaps: "
                "python -m fillstream.services.analytics accept-gaps. "
                "Trimming respects analytics' low-water marks for messaging.max_reader_lag_s and until memory is nearly"
                " full: `fillstream status` says whether it did; if so, look for another XTRIM or MAXLEN.",
            )
        self._metrics.skipped(stream, count)
        self.read[stream] = upto
        if not lossy:
            logger.warning(text)
            gap = Gap(stream, read.id, upto.id, count, int(time.time() * 1000), text)
            self._waiting.put([Chunk(stream, [], upto, gap)], 0)

    def _held_back(self) -> bool:
        full = self._waiting.full
        if full != self.paused:
            self.paused = full
            self._metrics.paused(full)
        return full


def _lost(stream: str, problem: str) -> LogLost:
    return LogLost(
        Page.LOG_REWOUND,
        f"{stream}: {problem}. Restore Redis' append-only file; or, if what it has now is the truth, {AWAY}.",
    )


def accept_gaps(client: redis.Redis, streams: Mapping[str, str], stored: Mapping[str, Offset]) -> list[Gap]:
    """Return the gaps that stop the service, one a stream; committed with `continue_at`, they no longer do."""
    gaps = []
    for stream, offset in stored.items():
        if stream not in streams or streams[stream] in LOSSY:
            continue
        extent = extent_of(client, stream)
        count = 0 if behind(extent, offset) else trimmed_unread(extent, offset)
        if count:
            text = f"{stream}: {count} entries after {offset.id} were trimmed before analytics read them; accepted"
            gaps.append(Gap(stream, offset.id, continue_at(extent).id, count, int(time.time() * 1000), text))
    return gaps
