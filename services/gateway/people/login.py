"""Logging in and out, and changing one's own password.

Flows in: names, passwords, sessions. Flows out: sessions; a password's record, written. Never tells whether there is a
user of a name: the sentence and the time are the same, whoever it is. Never keeps, logs or tells a password.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import RedisError

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process import passwords
from fillstream.libs.common.process.audited import Action
from fillstream.libs.common.process.people import CALLER_PREFIX, Password, User, mark_of
from fillstream.libs.common.values.naming import shorten
from fillstream.libs.common.values.networks import Address
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.http.sources import place_of
from fillstream.services.gateway.people.audit import DONE, Audit
from fillstream.services.gateway.people.hashing import Hashing
from fillstream.services.gateway.people.lockouts import Lockouts, Told
from fillstream.services.gateway.people.sessions import LiveSessions

logger = logging.getLogger(__name__)

MAX_NAME: Final = 64
REFUSED: Final = "user: there is none with this name and password who may log in"
"""Whichever of it is wrong."""
SET_IF_SAME: Final = (
    "if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end "
    "redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) return 1"
)
"""A password that the operator sets meanwhile stays: it may have been set for a reason."""


@dataclass(frozen=True, slots=True)
class Found:
    """A person, as Redis has the records: decoded, and as they are."""

    user: User
    password: Password
    raw: tuple[bytes, bytes]


class People:
    """Lets people in and out.

    Args:
        client: of redis.asyncio.
        topology: names the hashes.
        sessions: of those who are in.
        audit: hears of all of it.
    """

    def __init__(self, client: Any, topology: Topology, sessions: LiveSessions, audit: Audit) -> None:
        self._client = client
        self._topology = topology
        self.sessions = sessions
        self.hashing = Hashing()
        self._audit = audit
        self._lockouts = Lockouts(client, topology)

    async def log_in(self, name: object, password: object, address: Address | None) -> str:
        """Return the secret of a new session.

        Args:
            name, password: as they were said.
            address: from where.

        Raises:
            Refusal: 401, whoever it is not; 422 of what can be no name or password; 429 where it failed too often; 503
                where Redis does not answer.
        """
        whose, shown = checked("user", name, MAX_NAME), checked("password", password, passwords.MAX_BYTES)
        told = self._locked(address)
        async with _answering(), self._lockouts.attempt(told, address=place_of(address), user=whose):
            found = await self._records(whose)
            # A name that is nobody's is not written down: it may be a password in the wrong field.
            said = {"who": None if found is None else whose, "address": _text(address)}
            is_right = await self.hashing.matches(None if found is None else found.password.argon2id, shown)
            if not is_right or found is None or found.user.is_disabled:
                self._audit.note(Action.LOGIN, "login_refused", **said)
                raise Refusal(401, "login_refused", REFUSED)
            secret = await self.sessions.begin(found.user, mark_of(*found.raw), _text(address))
            self._audit.note(Action.LOGIN, DONE, **said, caller=f"{CALLER_PREFIX}{whose}")
            return secret

    async def log_out(self, caller: Caller, address: Address | None) -> None:
        """End somebody's session.

        Raises:
            Refusal: 503: Redis does not answer.
        """
        assert caller.session is not None, "who is logged in has one"
        async with _answering():
            await self.sessions.end(caller.session)
            self._audit.note(Action.LOGOUT, DONE, who=caller.name, caller=caller.id, address=_text(address))

    async def change_password(self, caller: Caller, old: object, new: object, address: Address | None) -> None:
        """Give somebody another password, and end the person's other sessions.

        Guesses are counted apart from those of logins: what a stranger fails at keeps nobody from it who is in.

        Raises:
            Refusal: 403 where the old one is wrong, 409 where it was changed meanwhile, 422 of what may be none, 429
                where it failed too often, 503.
        """
        assert caller.session is not None, "who is logged in has one"
        shown = checked("password", old, passwords.MAX_BYTES)
        wanted = checked("new_password", new, passwords.MAX_BYTES)
        try:
            passwords.check(wanted, caller.name)
        except ValueError as error:
            raise Refusal(422, "bad_value", f"new_{error}") from None
        async with _answering(), self._lockouts.attempt(self._locked(address), password=caller.name):
            found = await self._records(caller.name)
            is_right = await self.hashing.matches(None if found is None else found.password.argon2id, shown)
            said = {"who": caller.name, "caller": caller.id, "address": _text(address)}
            if not is_right or found is None:
                self._audit.note(Action.PASSWORD, "password_refused", **said)
                raise Refusal(403, "password_refused", "password: is not yours")
            if shown == wanted:
                raise Refusal(422, "bad_value", "new_password: must be another than the one that you have")
            after = Password(await self.hashing.hashed(wanted), int(time.time() * 1000), caller.name).dump()
            whose = self._topology.passwords
            if not await self._client.eval(SET_IF_SAME, 1, whose, caller.name, found.raw[1], after):
                raise Refusal(409, "password_changed", "password: was changed by somebody else meanwhile")
            self._audit.note(Action.PASSWORD, DONE, **said)
            await self.sessions.go_on(caller.session, mark_of(found.raw[0], after))

    def _locked(self, address: Address | None) -> Told:
        """Return what hears of what is locked by somebody's failure."""

        def told(kind: str, lock_ms: int) -> None:
            logger.warning("logins by %s are locked for %d s: failures from %s", kind, lock_ms // 1000, address)
            self._audit.note(Action.LOCKOUT, f"{kind}_locked", address=_text(address), locked_ms=lock_ms)

        return told

    async def _records(self, name: str) -> Found | None:
        """Return who somebody is as Redis has it now; None where there is nobody, or none that can be read."""
        record = await self._client.hget(self._topology.users, name)
        password = await self._client.hget(self._topology.passwords, name)
        if record is None or password is None:
            return None
        try:
            return Found(User.load(name, record), Password.load(name, password), (record, password))
        except Unreadable as error:
            logger.warning("who cannot be read does not log in: %s", error)
            return None


def _text(address: Address | None) -> str | None:
    return None if address is None else str(address)


def checked(field: str, said: object, most: int) -> str:
    """Return a text that somebody said.

    Args:
        field: its name.
        said: whatever it is.
        most: bytes of it as UTF-8.

    Raises:
        Refusal: 422: it is no text, or longer; it is not shown.
    """
    if not isinstance(said, str):
        raise Refusal(422, "bad_value", f"{field}: must be text")
    try:
        size = len(said.encode())
    except UnicodeEncodeError:
        raise Refusal(422, "bad_value", f"{field}: must be text, and half a surrogate pair is none") from None
    if size > most:
        raise Refusal(422, "bad_value", f"{field}: has {size} bytes, and must have {most} at most")
    return said


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Refuse where Redis does not answer, or does not take it."""
    try:
        yield
    except RedisError as error:
        raise Refusal(503, "redis_away", f"redis: {shorten(str(error))}", {"Retry-After": "1"}) from None
