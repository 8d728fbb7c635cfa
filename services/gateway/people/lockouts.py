"""How often somebody may fail to log in: counted in Redis, by user and by address, so that gateways share it.

Flows in: attempts, and how they ended. Flows out: refusals with how long to wait. Never keeps anybody out who is logged
in already: what a stranger fails at is no session's. Never has a name or an address in a key, only what it hashes to.

An attempt is counted as a failure before it is looked at, and taken back where it was none: of many at once no more are
looked at than may fail.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fillstream.libs.common.messages.topology import Topology
from fillstream.services.gateway.http.problems import Refusal

FREE: Final = 5
"""So many failures, and it is locked."""
FIRST_MS: Final = 30_000
MOST_MS: Final = 15 * 60_000
"""A lock is twice as long with each failure that follows, and no longer than this."""
FORGOTTEN_MS: Final = 60 * 60_000
"""After so long without another attempt it begins anew."""
FAILURES: Final = frozenset(("login_refused", "password_refused"))
"""Reasons of refusals that are failures; whatever else went wrong is nobody's guess."""
ATTEMPT: Final = """
local found = redis.call('HMGET', KEYS[1], 'failures', 'until_ms')
local failures, till = tonumber(found[1] or '0') + 1, tonumber(found[2] or '0')
local now, free, first, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if till > now then return {till - now, 0} end
local lock = 0
if failures >= free then lock = math.min(most, first * 2 ^ math.min(failures - free, 20)) end
redis.call('HSET', KEYS[1], 'failures', failures, 'until_ms', string.format('%.0f', lock > 0 and now + lock or 0))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {0, lock}
"""
"""Returns how long to wait (milliseconds), 0 where the attempt may be made; and for how long that locks if it fails."""
TAKEN_BACK: Final = """
local failures = tonumber(redis.call('HGET', KEYS[1], 'failures') or '0')
if failures <= 1 or ARGV[1] == 'all' then return redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'failures', failures - 1, 'until_ms', '0')
return 1
"""
Told = Callable[[str, int], None]
"""Hears of what was locked by a failure, `user` or `address`, and for how long (milliseconds)."""


class Lockouts:
    """Counts attempts.

    Args:
        client: of redis.asyncio.
        topology: names the counters.
    """

    def __init__(self, client: Any, topology: Topology) -> None:
        self._client = client
        self._topology = topology

    @asynccontextmanager
    async def attempt(self, told: Told, /, **whose: str) -> AsyncIterator[None]:
        """Let something be tried: what ends in a refusal of FAILURES has failed, and whatever else has not.

        Args:
            told: hears of what this failure has locked.
            whose: what it is counted by, `address` or another: its kind and which one. What succeeds clears all of
                these but `address`, from which somebody may have tried others' names.

        Raises:
            Refusal: 429: one of them is locked.
            redis.exceptions.RedisError: the server does not answer.
        """
        locks: dict[str, int] = {}
        for kind, which in whose.items():
            wait_ms, lock_ms = await self._attempt(kind, which)
            if wait_ms:
                for taken in locks:
                    await self._take_back(taken, whose[taken])
                raise locked(wait_ms)
            locks[kind] = lock_ms
        try:
            yield
        except BaseException as error:
            if isinstance(error, Refusal) and error.reason in FAILURES:
                for kind, lock_ms in locks.items():
                    if lock_ms:
                        told(kind, lock_ms)
            else:
                for kind, which in whose.items():
                    await self._take_back(kind, which)
            raise
        for kind, which in whose.items():
            await self._take_back(kind, which, everything=kind != "address")

    async def _attempt(self, kind: str, which: str) -> tuple[int, int]:
        key = self._topology.lockout(kind, which)
        now_ms = int(time.time() * 1000)
        wait_ms, lock_ms = await self._client.eval(ATTEMPT, 1, key, now_ms, FREE, FIRST_MS, MOST_MS, FORGOTTEN_MS)
        return int(wait_ms), int(lock_ms)

    async def _take_back(self, kind: str, which: str, *, everything: bool = False) -> None:
        await self._client.eval(TAKEN_BACK, 1, self._topology.lockout(kind, which), "all" if everything else "one")


def locked(wait_ms: int) -> Refusal:
    """Return the refusal of what is locked: whoever it is about, it says no more than for how long."""
    wait_s = max(1, math.ceil(wait_ms / 1000))
    told = f"login: failed too often; it may be tried again in {wait_s} s"
    return Refusal(429, "login_locked", told, {"Retry-After": str(wait_s)})
