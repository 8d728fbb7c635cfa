"""What was published already, so that an API that says a thing at each poll says it once.

Flows in: ids with their time. Flows out: whether one is known. Kept in Redis, in a hash of a client's: a restart knows
what was published before. Never forgets within a source's `unique_ms`.
"""

from __future__ import annotations

from typing import Any

PRUNE_EVERY_MS = 3_600_000
DESK_KNOWS_MS = 2 * 86_400_000
"""The desk knows an id for a day, and so does this, and for longer."""


class Memory:
    """The ids of one source.

    Args:
        redis: an asynchronous connection.
        key: of the hash.
        unique_ms: how long an id is known.
    """

    def __init__(self, redis: Any, key: str, unique_ms: int) -> None:
        self._redis = redis
        self._key = key
        self._unique_ms = unique_ms
        self._seen: dict[str, int] | None = None
        self._pruned_ms = 0

    async def new_id(self, name: str, now_ms: int) -> str | None:
        """Return the id to publish a prediction under; None where it was published in the last `unique_ms`.

        One that was published before that gets another id: the desk knows the first one longer. It is the same until
        the prediction is learned, so that one whose publishing was not heard of is published again, and taken once.
        """
        if self._seen is None:
            told = await self._redis.hgetall(self._key)
            self._seen = {known.decode(): int(value) for known, value in told.items()}
        at_ms = self._seen.get(name)
        if at_ms is None:
            return name
        return None if now_ms - at_ms < self._unique_ms else f"{name}.{at_ms}"

    async def learn(self, name: str, now_ms: int) -> None:
        """Remember that a prediction was published."""
        assert self._seen is not None, "it was asked before"
        await self._redis.hset(self._key, name, now_ms)
        self._seen[name] = now_ms
        if now_ms - self._pruned_ms >= PRUNE_EVERY_MS:
            self._pruned_ms = now_ms
            await self._prune(now_ms)

    async def _prune(self, now_ms: int) -> None:
        assert self._seen is not None
        kept_ms = max(self._unique_ms, DESK_KNOWS_MS)
        old = [name for name, at_ms in self._seen.items() if now_ms - at_ms >= kept_ms]
        if old:
            await self._redis.hdel(self._key, *old)
        for name in old:
            del self._seen[name]
