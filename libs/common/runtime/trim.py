"""Trimming: a log grows until everyone who may need an entry again has said that he does not, and it is old enough.

Flows in: the low-water marks that readers leave beside a stream, the positions of every consumer group on it, ours or a
user's, and how much memory the server uses. Flows out: XTRIM MINID. Never trims by length (that drops unread entries).
A reader that is no stage and was away for too long is waited for no more: `claims`.

How old is old enough gives way. While the server uses more than a share of its memory, entries younger than
`messaging.retention_s` go as well, the oldest first, each time the part of a stream that the server uses too much. What
somebody may need stays, and is named in a metric.

XTRIM is approximate: it frees whole nodes of a stream, about 4 kB, and an exact one would free no more. So up to a node
a stream stays that could go.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, cast

import redis

from fillstream.libs.common.messages.stages import STAGES
from fillstream.libs.common.messages.topology import id_key, id_ms
from fillstream.libs.common.runtime.claims import Claims, Kept, told_lapses
from fillstream.libs.common.runtime.holds import marks_of
from fillstream.libs.common.runtime.options import Retention

logger = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often the server's memory is looked at: what is left must last for longer than this and a snapshot."""
SWEEP_S = 10.0
"""How often streams are trimmed that nobody presses for."""
NOTHING_READ = "0-0"


def look(client: redis.Redis, stream: str, readers: Iterable[str]) -> Kept | None:
    """Return what a stream keeps, None where there is none yet.

    Args:
        client: a connection.
        stream: the stream's key.
        readers: those who need everything until they have left a mark.
    """
    if not client.exists(stream):  # a reader may leave its mark before the first entry
        return None
    raw = marks_of(client, stream)
    needs = {reader: NOTHING_READ for reader in readers}
    needs |= {reader.decode(): mark.decode() for reader, mark in raw.items()}
    groups: list[dict[str, Any]] = cast(Any, client.xinfo_groups(stream))
    for group in groups:
        name, positions = group["name"].decode(errors="backslashreplace"), [group["last-delivered-id"].decode()]
        if group["pending"]:
            pending: dict[str, Any] = cast(Any, client.xpending(stream, group["name"]))
            positions += [pending["min"].decode()] if pending["pending"] else []
        # A stage's own group goes by its name, and is never behind its mark.
        positions += [needs[name]] if name in needs else []
        needs[name] = min(positions, key=id_key)
    lapsed = {reader: lapse for reader, lapse in told_lapses(client, stream).items() if needs.get(reader) == lapse.need}
    info: dict[str, Any] = cast(Any, client.xinfo_stream(stream))
    last_ms = id_ms(info["last-generated-id"].decode())
    first = info["first-entry"]
    return Kept(stream, id_ms(first[0].decode()) if first else last_ms, last_ms, needs, {}).without(lapsed)


def cut(client: redis.Redis, kept: Kept, old_ms: int, excess: float = 0.0) -> tuple[int, str | None]:
    """Drop entries that nobody needs any more; return how many went, and who kept more from going, if anybody did.

    Args:
        client: a connection.
        kept: the stream.
        old_ms: entries older than this may go (milliseconds since 1970).
        excess: the part of the stream, by age, that should go in any case (0 to 1).
    """
    wanted_ms = old_ms
    if excess > 0:  # a millisecond at least: a burst may have one for all its entries
        part_ms = max(1, math.ceil(excess * (kept.last_ms - kept.first_ms)))
        wanted_ms = max(old_ms, kept.first_ms + part_ms)
    bound, holder = f"{max(0, wanted_ms)}-0", None
    if kept.needs:
        reader, needed = min(kept.needs.items(), key=lambda need: id_key(need[1]))
        if id_key(needed) < id_key(bound):
            bound, holder = needed, reader
    dropped = 0
    # One call drops ten thousand entries at most, so that the server is never busy with it for long.
    while count := client.xtrim(kept.stream, minid=bound, approximate=True):
        dropped += count
    return dropped, holder


def trim(client: redis.Redis, stream: str, readers: Iterable[str], retention_s: int, excess: float = 0.0) -> int:
    """Drop entries of one stream that nobody needs any more; return how many went.

    Args:
        client: a connection.
        stream: the stream's key.
        readers: those who must have left a mark; while one has not, nothing is dropped.
        retention_s: entries younger than this stay (seconds).
        excess: but this part of the stream should go in any case (0 to 1).
    """
    kept = look(client, stream, readers)
    seconds, _ = cast(Any, client.time())
    return cut(client, kept, (seconds - retention_s) * 1000, excess)[0] if kept else 0


class Watched(Protocol):
    """Who is told what the streams keep: a stage's metrics."""

    def trimmed(self, stream: str, entries: int) -> None:
        """Count entries that went."""
        ...

    def streams(self, kept: Sequence[Kept], sizes: Mapping[str, int], now_ms: int) -> None:
        """Take note of what each stream keeps, how many bytes it takes, and when that was."""
        ...


class Trimmer:
    """Keeps the streams of one stage within their retention, and its part of the server within its memory.

    Every stage does this for the streams that it alone trims, each by the same share: together they free what the
    server uses too much.

    Args:
        client: a connection that nobody else uses.
        owner: the stage's name, under which its snapshots hold its inbox.
        trims: stream key to the readers that must have left a mark there.
        retention: of entries, and of memory.
        watched: told what happens.
    """

    def __init__(
        self,
        client: redis.Redis,
        owner: str,
        trims: Mapping[str, Sequence[str]],
        retention: Retention,
        watched: Watched,
    ) -> None:
        self._client: Any = client
        self._owner = owner
        self._trims = trims
        self._retention = retention
        self._watched = watched
        self._one_at_a_time = threading.Lock()
        self._claims = Claims(client, retention)
        self._next_sweep = 0.0
        self._pressed = False
        self._full = ""
        self._refused = ""
        self.held_by_snapshots = False
        """Whether memory is short and a newer snapshot would let entries go."""

    def sweep(self, at_once: bool = False) -> None:
        """Trim if it is time to, or memory is short.

        Args:
            at_once: it is time: a mark has moved.

        Raises:
            redis.exceptions.RedisError: the server did not answer, or refused.
        """
        with self._one_at_a_time:
            excess = self._excess()
            if excess or at_once or time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + SWEEP_S
                self._sweep(excess)

    def _sweep(self, excess: float) -> None:
        seconds, microseconds = self._client.time()
        now_ms = seconds * 1000 + microseconds // 1000
        old_ms = now_ms - self._retention.retention_s * 1000
        holders = set()
        for stream, readers in self._trims.items():
            kept = look(self._client, stream, readers)
            if kept is not None:
                kept = self._claims.judge(kept, [each for each in readers if each in STAGES], now_ms, self._full)
                dropped, holder = cut(self._client, kept, old_ms, excess)
                self._watched.trimmed(stream, dropped)
                holders.add(holder)
        self.held_by_snapshots = bool(excess) and self._owner in holders
        kept_now = [kept for stream, readers in self._trims.items() if (kept := look(self._client, stream, readers))]
        sizes = {kept.stream: int(self._client.memory_usage(kept.stream) or 0) for kept in kept_now}
        self._watched.streams(kept_now, sizes, now_ms)

    def _excess(self) -> float:
        """Return which part of the memory in use should be freed, 0 when there is enough, or no bound to it."""
        try:
            info = self._client.info("memory")
        except redis.exceptions.ResponseError as error:
            # Where an ACL forbids it, logs are trimmed by age alone.
            if str(error) != self._refused:
                self._refused = str(error)
                logger.warning("INFO memory refused, messaging.retention_memory_share has no effect: %s", error)
            return 0.0
        used, limit = int(info["used_memory"]), memory_limit(int(info.get("maxmemory", 0)), self._retention)
        wanted = limit * self._retention.retention_memory_share
        pressed = 0 < wanted < used
        most = self._retention.max_reader_memory_share
        self._full = f"Redis uses {used} of {limit} bytes, above messaging.max_reader_memory_share ({most})"
        if not pressed or used <= limit * most:
            self._full = ""
        if pressed != self._pressed:
            self._pressed = pressed
            what = "keeping less than messaging.retention_s" if pressed else "keeping messaging.retention_s again"
            logger.warning("%s: Redis uses %d bytes, %d is its share of %d", what, used, wanted, limit)
        return float(1 - wanted / used) if pressed else 0.0


def memory_limit(maxmemory: int, retention: Retention) -> int:
    """Return how many bytes the server may use: its own limit or the configured one, the lower; 0 for no limit."""
    return min((limit for limit in (maxmemory, retention.max_memory_bytes) if limit), default=0)
