"""The people who may log in to a desk's gateway: made, listed, changed.

Flows in: what a person asked for, and the two hashes of a desk. Flows out: `Kept`s; records, written. Never removes
anybody: one who is disabled tells who could log in until when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.people import Password, User, load_users, make
from fillstream.libs.common.process.sessions import Session, load_sessions, times_of
from fillstream.libs.common.values.versions import Unreadable


class NameTaken(Exception):
    """There is a user of that name; says so."""


class NoUser(Exception):
    """There is no user of that name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A user, and when the password was last set (milliseconds since 1970), None without one."""

    user: User
    password_ms: int | None


def kept(client: redis.Redis, topology: Topology) -> tuple[list[Kept], list[str]]:
    """Return the users of a desk by their names, and a sentence about each record that cannot be read."""
    raw: Any = client
    users, problems = load_users(raw.hgetall(topology.users))
    passwords = raw.hgetall(topology.passwords)
    found = []
    for name, user in sorted(users.items()):
        set_ms = None
        if (record := passwords.get(name.encode())) is not None:
            try:
                set_ms = Password.load(name, record).set_ms
            except Unreadable as error:
                problems.append(str(error))
        found.append(Kept(user, set_ms))
    return found, problems


def create(
    client: redis.Redis,
    topology: Topology,
    name: str,
    role: str,
    password: Callable[[], str],
    *,
    now_ms: int,
    who: str,
    accounts: list[str],
) -> User:
    """Make a user, and keep it.

    Args:
        client: may write users.
        topology: the desk's.
        name, role, accounts, now_ms, who: see `process.people.make`.
        password: returns what the password hashes to; asked for once it is clear that there can be such a user.

    Raises:
        ValueError: a field is not what it must be; names it.
        NameTaken: there is one of that name.
        redis.exceptions.RedisError: the server did not take it.
    """
    user = make(name, role, accounts, now_ms=now_ms, who=who)
    raw: Any = client
    if raw.hget(topology.users, name) is not None:
        raise NameTaken(f"name: {name} is a user already")
    argon2id = password()
    if not raw.hsetnx(topology.users, name, user.dump()):
        raise NameTaken(f"name: {name} is a user already")
    set_password(client, topology, name, argon2id, now_ms=now_ms, who=who)
    return user


def find(client: redis.Redis, topology: Topology, name: str) -> User:
    """Return the user of that name.

    Raises:
        NoUser: there is none.
        Unreadable: its record cannot be read.
    """
    raw: Any = client
    record = raw.hget(topology.users, name)
    if record is None:
        raise NoUser(name)
    return User.load(name, record)


def change(client: redis.Redis, topology: Topology, name: str, to: Callable[[User], User]) -> tuple[User, bool]:
    """Return a user as it is after a change, and whether that is another one.

    Args:
        client: may write users.
        topology, name: see `find`.
        to: returns the user as it is to be; the same one where nothing is to be done.

    Raises:
        NoUser: there is none.
        Unreadable: its record cannot be read.
        ValueError: a field is not what it must be; names it.
        redis.exceptions.RedisError: the server did not take it.
    """
    before = find(client, topology, name)
    after = to(before)
    if after is before:
        return before, False
    raw: Any = client
    raw.hset(topology.users, name, after.dump())
    return after, True


def set_password(client: redis.Redis, topology: Topology, name: str, argon2id: str, *, now_ms: int, who: str) -> None:
    """Set what a user's password hashes to.

    Raises:
        ValueError: a field is not what it must be; names it.
        redis.exceptions.RedisError: the server did not take it.
    """
    raw: Any = client
    raw.hset(topology.passwords, name, Password(argon2id, now_ms, who).dump())


# ------------------------------------------------------------------------------------------------- sessions and locks


@dataclass(frozen=True, slots=True)
class KeptSession:
    """That somebody is logged in, and when it was last used (milliseconds since 1970), None of one that never was."""

    id: str
    session: Session
    last_used_ms: int | None


def sessions(client: redis.Redis, topology: Topology, name: str) -> list[KeptSession]:
    """Return the sessions that a user has in Redis, the newest last; some may be over that no gateway has taken out."""
    raw: Any = client
    found, _ = load_sessions(raw.hgetall(topology.sessions))
    used = times_of(raw.hgetall(topology.sessions_used))
    mine = [KeptSession(each, session, used.get(each)) for each, session in found.items() if session.user == name]
    return sorted(mine, key=lambda each: (each.session.began_ms, each.id))


def log_out(client: redis.Redis, topology: Topology, name: str) -> int:
    """End all of a user's sessions, and return how many there were."""
    raw: Any = client
    ids = [each.id for each in sessions(client, topology, name)]
    return int(raw.hdel(topology.sessions, *ids)) if ids else 0


LOCKS = ("user", "password")
"""By what a user's own failures are counted; those of an address are that address's."""


def locked_until(client: redis.Redis, topology: Topology, name: str) -> int | None:
    """Return until when a user cannot log in for failures (milliseconds since 1970), None without a lock."""
    raw: Any = client
    (until_ms,) = raw.hmget(topology.lockout("user", name), "until_ms")
    return int(until_ms) or None if until_ms is not None and until_ms.isdigit() else None


def unlock(client: redis.Redis, topology: Topology, name: str) -> bool:
    """Forget a user's failures, and return whether there were any."""
    raw: Any = client
    return any([raw.delete(topology.lockout(kind, name)) for kind in LOCKS])
