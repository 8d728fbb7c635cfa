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
