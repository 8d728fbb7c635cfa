"""Keys as Redis has them, read now and then: who may come in, and when each was last used.

Flows in: two hashes. Flows out: `Caller`s; last uses. Never sees a secret but the caller's own, and never lets a
revoked key in for longer than a moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from redis.exceptions import RedisError

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.keys import Key, KeyRing, Scope
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.access import Caller

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""How old what is known of keys gets: a key that was revoked is refused then at the latest."""
EVERYTHING: Final = frozenset(Scope)


class LiveKeys:
    """The keys that are known, kept up to date.

    Args:
        client: of redis.asyncio.
        topology: names the hashes.
    """

    def __init__(self, client: Any, topology: Topology) -> None:
        self._client = client
        self._topology = topology
        self._ring = KeyRing()
        self._told: list[str] = []
        self._used: dict[str, int] = {}
        self._at = 0.0

    def find(self, key_id: str, secret: str, now_ms: int) -> Caller | str:
        """Return who a key is, or why it is none."""
        found = self._ring.find(key_id, secret, now_ms)
        if isinstance(found, str):
            return found
        self._used[key_id] = now_ms
        return caller_of_key(found)

    async def renew(self, key_id: str) -> bool:
        """Read the keys again for one that is not known, at most every so often; return whether they were."""
        if time.monotonic() - self._at < EVERY_S / 10:
            return False
        try:
            await self.load()
        except RedisError as error:
            logger.info("key %s is looked for among those that are known: %s", shorten(key_id), error)
            return False
        return True

    def is_live(self, key_id: str) -> bool:
        """Whether a key that was let in may stay."""
        return self._ring.is_live(key_id, int(time.time() * 1000))

    async def load(self) -> None:
        """Read the keys, and say what cannot be read of them, once."""
        self._at = time.monotonic()
        raw = await self._client.hgetall(self._topology.keys)
        told = self._ring.load(raw)
        for sentence in told:
            if sentence not in self._told:
                logger.warning("a key that cannot be read is none: %s", sentence)
        self._told = told

    async def run(self) -> None:
        """Keep them up to date, and write down last uses, until it is cancelled."""
        while True:
            try:
                await self.load()
                await self._tell_uses()
            except RedisError as error:  # away, full or read only: who is known stays so
                logger.info("keys are as they were: %s", error)
            await asyncio.sleep(EVERY_S)

    async def _tell_uses(self) -> None:
        if used := dict(self._used):
            await self._client.hset(self._topology.keys_used, mapping={name: str(ms) for name, ms in used.items()})
            self._used = {name: ms for name, ms in self._used.items() if used.get(name) != ms}


def caller_of_key(key: Key) -> Caller:
    """Return who a key is, for routes."""
    scopes = frozenset(scope for scope in Scope if key.may(scope))
    return Caller(key.id, key.name, scopes, frozenset(key.accounts), key.rate_limit, key.hook)
