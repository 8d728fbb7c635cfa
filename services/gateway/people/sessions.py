"""Who is logged in, as Redis has it: read every second, so that several gateways share it and a restart forgets nobody.

Flows in: the hashes of users, passwords and sessions; secrets of cookies. Flows out: `Caller`s; sessions that begin and
end; last uses. Never lets in who is disabled, or is somebody else by now, for longer than a moment; never keeps or
tells a secret.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from redis.exceptions import RedisError

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.keys import Scope
from fillstream.libs.common.process.people import CALLER_PREFIX, User, load_users, mark_of
from fillstream.libs.common.process.sessions import Session, id_of, load_sessions, new_secret, times_of
from fillstream.services.gateway.http.access import Caller

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
"""How old what is known of people gets."""
MOST: Final = 20
"""Sessions of a person; another one ends that which was not used for longest."""
BEGUN_S: Final = 2.0
"""For so long a session that began here counts, whatever a reading says that may have begun before it."""
REMEMBERED_S: Final = 10.0
"""So long an end is remembered here: what was read from Redis at that moment may not have it yet."""


class LiveSessions:
    """The sessions that are known, kept up to date.

    Args:
        client: of redis.asyncio.
        topology: names the hashes.
        idle_ms: how long one may be that is not used.
        lifetime_ms: how long one may be at most.
    """

    def __init__(self, client: Any, topology: Topology, idle_ms: int, lifetime_ms: int) -> None:
        self._client = client
        self._topology = topology
        self.idle_ms, self.lifetime_ms = idle_ms, lifetime_ms
        self._users: dict[str, User] = {}
        self._marks: dict[str, str] = {}
        self._sessions: dict[str, Session] = {}
        self._used: dict[str, int] = {}
        self._untold: dict[str, int] = {}
        self._ended: dict[str, float] = {}
        self._owed: set[str] = set()  # ended here; whether the server knows is not known
        self._begun: dict[str, tuple[Session, float]] = {}
        self._over: set[str] = set()
        self._dying: set[str] = set()
        self._unused: set[str] = set()
        self._told: set[str] = set()

    # ------------------------------------------------------------------------------------------------------ who it is

    async def find(self, secret: str) -> Caller | None:
        """Return who is logged in by that secret, None: nobody. It counts as a use."""
        session_id = id_of(secret)
        if session_id is None:
            return None
        caller = self._caller(session_id)
        if caller is None and await self._is_kept(session_id):
            caller = self._caller(session_id)
        if caller is not None:
            self._used[session_id] = self._untold[session_id] = _now_ms()
        return caller

    def is_live(self, session_id: str) -> bool:
        """Whether a session that was let in may stay."""
        session = self._sessions.get(session_id)
        return session is not None and not self._is_over(session_id, session, _now_ms())

    def of(self, session_id: str) -> tuple[Session, User, int] | None:
        """Return a live session, whose it is, and until when it lasts where it is not used again (milliseconds)."""
        if not self.is_live(session_id):
            return None
        session = self._sessions[session_id]
        return session, self._users[session.user], session.over_ms(self._used.get(session_id, 0), self.idle_ms)

    def _caller(self, session_id: str) -> Caller | None:
        if not self.is_live(session_id):
            return None
        return caller_of_user(self._users[self._sessions[session_id].user], session_id)

    def _is_over(self, session_id: str, session: Session, now_ms: int) -> bool:
        return (
            session_id in self._ended
            or self._marks.get(session.user) != session.mark
            or self._users[session.user].is_disabled
            or now_ms >= session.over_ms(self._used.get(session_id, 0), self.idle_ms)
        )

    # ----------------------------------------------------------------------------------------------- begins and ends

    async def begin(self, user: User, mark: str, address: str | None) -> str:
        """Begin a session of somebody who has shown the password; return its secret.

        Args:
            user: who it is.
            mark: of the records by which that was found.
            address: from where.

        Raises:
            redis.exceptions.RedisError: the server did not take it.
        """
        now_ms, secret = _now_ms(), new_secret()
        session = Session(user.name, mark, now_ms, now_ms + self.lifetime_ms, address)
        session_id = id_of(secret)
        assert session_id is not None, "it was made a moment ago"
        mine = sorted(self._of_user(user.name), key=lambda each: self._used.get(each, self._sessions[each].began_ms))
        for each in mine[: max(0, len(mine) - MOST + 1)]:
            await self.end(each)
        await self._client.hset(self._topology.sessions, session_id, session.dump())
        self._users[user.name], self._marks[user.name] = user, mark
        self._sessions[session_id] = session
        self._begun[session_id] = session, time.monotonic()
        return secret

    async def end(self, session_id: str) -> None:
        """End a session, at once here, and within a second elsewhere.

        Raises:
            redis.exceptions.RedisError: nobody knows whether the server took it; it is over here.
        """
        self._ended[session_id] = time.monotonic()
        self._begun.pop(session_id, None)
        self._owed.add(session_id)  # until the server has taken it, it is tried again
        await self._client.hdel(self._topology.sessions, session_id)
        self._owed.discard(session_id)
        self._sessions.pop(session_id, None)

    async def go_on(self, session_id: str, mark: str) -> None:
        """Have a session go on though its person's records are others now, and end all others of that person.

        Args:
            session_id: which.
            mark: of the records of now.

        Raises:
            redis.exceptions.RedisError: the server did not take it.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return  # it was ended meanwhile
        self._marks[session.user] = mark
        self._sessions[session_id] = after = replace(session, mark=mark)
        await self._client.hset(self._topology.sessions, session_id, after.dump())
        for each in self._of_user(session.user):
            if each != session_id:
                await self.end(each)

    def _of_user(self, name: str) -> list[str]:
        return [session_id for session_id, each in self._sessions.items() if each.user == name]

    # --------------------------------------------------------------------------------------------------- as Redis has

    async def _is_kept(self, session_id: str) -> bool:
        """Read everything anew where Redis has a session that is not known, or not live; return whether it was."""
        try:
            if await self._client.hget(self._topology.sessions, session_id) is None:
                return False
            await self.load()
        except RedisError as error:
            logger.info("a session is looked for among those that are known: %s", error)
            return False
        return True

    async def load(self) -> None:
        """Read users, passwords and sessions, and say what cannot be read of them, once."""
        names = self._topology
        raw = await self._client.hgetall(names.sessions)  # first: a mark that changes meanwhile ends none by mistake
        used = times_of(await self._client.hgetall(names.sessions_used))
        records = await self._client.hgetall(names.users)
        passwords = await self._client.hgetall(names.passwords)
        self._users, problems = load_users(records)
        self._marks = _marks(records, passwords)
        self._sessions, unreadable = load_sessions(raw)
        now_ms, now_s = _now_ms(), time.monotonic()
        self._begun = {each: (its, at) for each, (its, at) in self._begun.items() if now_s - at < BEGUN_S}
        for each, (its, _) in self._begun.items():
            self._sessions.setdefault(each, its)  # what was read may be older than its beginning
        self._ended = {each: at for each, at in self._ended.items() if now_s - at < REMEMBERED_S or each in self._owed}
        self._used = {each: max(used.get(each, 0), self._used.get(each, 0)) for each in self._sessions}
        for problem in (*problems, *unreadable):
            if problem not in self._told:
                logger.warning("who cannot be read is not let in: %s", problem)
        self._told = {*problems, *unreadable}
        over = {each for each, its in self._sessions.items() if its.user.encode() not in records}
        self._sessions = {each: its for each, its in self._sessions.items() if its.user in self._users}
        over |= {each for each, its in self._sessions.items() if self._is_over(each, its, now_ms)}
        self._over = over
        self._unused = {*used} - {each.decode(errors="backslashreplace") for each in raw}

    async def _bury(self) -> None:
        """Take sessions out of Redis that were over a second ago as well, and uses of those that there are not.

        Whoever changes a password, at another gateway, may have written half of it the first time.
        """
        over, unused = self._over & self._dying | self._owed, self._unused
        self._dying = self._over
        if over:
            await self._client.hdel(self._topology.sessions, *over)
            self._owed -= over
        if over | unused:
            await self._client.hdel(self._topology.sessions_used, *(over | unused))

    async def turn(self) -> None:
        """Read everything, take out what is over, and write down last uses."""
        await self.load()
        await self._bury()
        await self._tell_uses()

    async def run(self) -> None:
        """Keep them up to date, and write down last uses, until it is cancelled."""
        while True:
            try:
                await self.turn()
            except RedisError as error:  # away, full or read only: who is known stays so
                logger.info("people are as they were: %s", error)
            await asyncio.sleep(EVERY_S)

    async def _tell_uses(self) -> None:
        if untold := {each: at for each, at in self._untold.items() if each in self._sessions}:
            await self._client.hset(
                self._topology.sessions_used, mapping={each: str(at) for each, at in untold.items()}
            )
        self._untold = {each: at for each, at in self._untold.items() if untold.get(each, at) != at}


def _marks(records: Mapping[bytes, bytes], passwords: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return the mark of each user who has a password."""

    def each() -> Iterator[tuple[str, str]]:
        for name, record in records.items():
            if (password := passwords.get(name)) is not None:
                yield name.decode(errors="backslashreplace"), mark_of(record, password)

    return dict(each())


def caller_of_user(user: User, session_id: str) -> Caller:
    """Return who a person is, for routes."""
    scopes = frozenset(scope for scope in Scope if user.may(scope))
    return Caller(f"{CALLER_PREFIX}{user.name}", user.name, scopes, frozenset(user.accounts), session=session_id)


def _now_ms() -> int:
    return int(time.time() * 1000)
