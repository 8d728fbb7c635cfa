"""Passwords, looked at in a thread: two at a time, and so many that wait for it.

Flows in: hashes and passwords. Flows out: yes or no; new hashes. Never keeps the loop waiting, and never more than two
cores nor 128 MiB busy with it: whoever floods the gateway with logins stops logins, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from fillstream.libs.common.process import passwords
from fillstream.services.gateway.http.problems import Refusal

AT_ONCE: Final = 2
MOST_WAITING: Final = 50
"""Some three seconds of work for two: who comes then is sent away."""
T = TypeVar("T")


class Hashing:
    """Looks at passwords."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def matches(self, argon2id: str | None, password: str) -> bool:
        """Whether that is the password of a hash; where there is none it takes as long, and is no.

        Raises:
            Refusal: 503: too many wait.
        """
        found = await self._in_turn(lambda: passwords.matches(argon2id or passwords.nobodys(), password))
        return found and argon2id is not None

    async def hashed(self, password: str) -> str:
        """Return what a password hashes to.

        Raises:
            Refusal: 503: too many wait.
        """
        return await self._in_turn(lambda: passwords.hashed(password))

    async def warm(self) -> None:
        """Make the hash that nobody's password has: the first who asks for it would wait twice as long."""
        await self._in_turn(passwords.nobodys)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            told = f"login: {MOST_WAITING} wait to log in already; try again in a moment"
            raise Refusal(503, "login_busy", told, {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
