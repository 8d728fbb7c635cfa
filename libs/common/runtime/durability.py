"""The barrier between Redis and anything that is kept outside of it: nothing runs ahead of what Redis holds durably.

Flows in: a connection, the id of the newest entry about to be kept elsewhere. Flows out: a return, once that entry
would survive a crash of the server. Never changes the server's configuration.

What it waits for depends on the server, and is looked up again every minute:

- `appendfsync always`: nothing; a reader sees no entry before it is on disk.
- another policy, and the server knows WAITAOF (Redis 7.2, Valkey): the next fsync of the append-only file.
- another policy on an older server: the entry to be `SETTLE_MS` old; everysec may lose two seconds at worst.
- no append-only file, or `appendfsync no`: nothing, and a warning says that a crash of the server may lose entries
  which were kept elsewhere.
"""

from __future__ import annotations

import logging
import time
from enum import StrEnum
from typing import Any

import redis

logger = logging.getLogger(__name__)

SETTLE_MS = 2_000
"""How old an entry must be where the server cannot tell what it has synced; everysec syncs later than this never."""
WAITAOF_MS = 10_000
"""How long the server may take for an fsync; less than the client's socket timeout."""
LOOK_AGAIN_S = 60.0
MARKER_TTL_MS = 60_000


class NotDurable(Exception):
    """The server did not sync its append-only file in time: its disk is stuck or full."""


class Barrier(StrEnum):
    """What `Durability` waits for."""

    ALWAYS = "always"
    WAITAOF = "waitaof"
    AGE = "age"
    NONE = "none"


class Durability:
    """Waits until entries are durable.

    Args:
        client: a connection that nobody else uses while `wait` runs: WAITAOF is about its own last write.
        marker: key of that write; expires by itself.
    """

    def __init__(self, client: redis.Redis, marker: str = "durability") -> None:
        self._client: Any = client
        self._marker = marker
        self._barrier = Barrier.NONE
        self._look_again = 0.0

    @property
    def barrier(self) -> Barrier:
        """What the last `wait` waited for."""
        return self._barrier

    def wait(self, newest_id_ms: int) -> None:
        """Return once every entry up to `newest_id_ms` that was read before this call is durable.

        Args:
            newest_id_ms: millisecond part of the newest entry's id.

        Raises:
            NotDurable: the server did not sync within `WAITAOF_MS`.
            redis.exceptions.RedisError: the server did not answer.
        """
        now = time.monotonic()
        if now >= self._look_again:
            self._barrier = self._look()
            self._look_again = now + LOOK_AGAIN_S
        match self._barrier:
            case Barrier.WAITAOF:
                self._wait_for_fsync()
            case Barrier.AGE:
                self._wait_for_age(newest_id_ms)

    def _look(self) -> Barrier:
        try:
            found = self._client.config_get("append*")
        except redis.exceptions.ResponseError as error:
            logger.info("CONFIG GET refused (%s): taking the append-only file to be on", error)
            found = {}
        if found.get("appendonly", "yes") != "yes":
            logger.warning("appendonly is %s: a crash of Redis may lose what was kept elsewhere", found["appendonly"])
            return Barrier.NONE
        match found.get("appendfsync"):
            case "always":
                return Barrier.ALWAYS
            case "no":
                logger.warning("appendfsync is no: a crash of its host may lose what was kept elsewhere")
                return Barrier.NONE
            case _:
                return Barrier.WAITAOF if self._knows_waitaof() else Barrier.AGE

    def _knows_waitaof(self) -> bool:
        try:
            self._client.execute_command("WAITAOF", 0, 0, 1)
        except redis.exceptions.ResponseError as error:
            logger.info("WAITAOF refused (%s): waiting %d ms instead", error, SETTLE_MS)
            return False
        return True

    def _wait_for_fsync(self) -> None:
        # WAITAOF waits for this connection's last write, and returns at once when there was none. The file is
        # written in order: what was read before this write is synced with it.
        self._client.set(self._marker, b"1", px=MARKER_TTL_MS)
        local, _ = self._client.execute_command("WAITAOF", 1, 0, WAITAOF_MS)
        if int(local) < 1:
            raise NotDurable(f"Redis has not synced its append-only file within {WAITAOF_MS} ms; look at its disk")

    def _wait_for_age(self, newest_id_ms: int) -> None:
        seconds, microseconds = self._client.time()
        age_ms = seconds * 1000 + microseconds // 1000 - newest_id_ms
        # An id may lie in the future (a client chose it, a clock went back): the entry was there before this call.
        left_ms = min(SETTLE_MS - age_ms, SETTLE_MS)
        if left_ms > 0:
            time.sleep(left_ms / 1000)
