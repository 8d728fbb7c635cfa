"""The low-water marks of a stream, and the one that a backup leaves while it reads: it holds trimming, not for ever.

Flows in: a stream. Flows out: what its readers need. A mark is an id below which its reader needs nothing. A backup
needs everything, until a deadline that it moves on while it lives: its mark is the id `0-DEADLINE`, below every entry,
with the milliseconds of the deadline for a sequence. Behind it the mark counts no more, and goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import redis

from fillstream.libs.common.messages.topology import id_key, low_water_key

BACKUP = "backup"
"""The name of the reader."""
HOLD_MS = 600_000
"""How long a backup that was killed holds trimming."""


def marks_of(client: redis.Redis, stream: str) -> dict[bytes, bytes]:
    """Return the id below which each reader of a stream needs nothing, by its name; a hold whose time is over goes."""
    raw: Any = client
    marks: dict[bytes, bytes] = raw.hgetall(low_water_key(stream))
    held = marks.get(BACKUP.encode())
    if held is not None and _deadline_ms(held) < _now_ms(raw):
        raw.hdel(low_water_key(stream), BACKUP)
        del marks[BACKUP.encode()]
    return marks


def hold(client: redis.Redis, streams: Iterable[str]) -> None:
    """Let nobody trim these streams for `HOLD_MS` from now on."""
    raw: Any = client
    mark = f"0-{_now_ms(raw) + HOLD_MS}"
    for stream in streams:
        raw.hset(low_water_key(stream), BACKUP, mark)


def release(client: redis.Redis, streams: Iterable[str]) -> None:
    """Let them be trimmed again."""
    raw: Any = client
    for stream in streams:
        raw.hdel(low_water_key(stream), BACKUP)


def _deadline_ms(mark: bytes) -> int:
    return id_key(mark.decode())[1]


def _now_ms(raw: Any) -> int:
    seconds, microseconds = raw.time()
    return int(seconds) * 1000 + int(microseconds) // 1000
