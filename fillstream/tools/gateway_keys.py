"""The keys that a desk's gateway lets in: made, listed, revoked.

Flows in: what a person asked for, and the two hashes of a desk. Flows out: `Kept`s; a record, written. Never removes a
key: one that was revoked tells who used it until when.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.hook_templates import template_of
from fillstream.libs.common.process.hooks import Hook
from fillstream.libs.common.process.keys import ID_PREFIX, Key, Scope, State, load_all, make


class NameTaken(Exception):
    """There is a live key of that name; says which."""


class NoKey(Exception):
    """There is no key of that id or name."""


class NotOneKey(Exception):
    """It cannot be said which key is meant; names those that may be."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A key, and when it was last used (milliseconds since 1970), None of one that never was."""

    key: Key
    last_used_ms: int | None


def kept(client: redis.Redis, topology: Topology) -> tuple[list[Kept], list[str]]:
    """Return the keys of a desk, the newest last, and a sentence about each record that cannot be read."""
    raw: Any = client
    keys, problems = load_all(raw.hgetall(topology.keys))
    used = dict(_times(raw.hgetall(topology.keys_used)))
    found = [Kept(key, used.get(key.id)) for key in keys.values()]
    return sorted(found, key=lambda each: (each.key.created_ms, each.key.id)), problems


def _times(raw: dict[bytes, bytes]) -> Iterator[tuple[str, int]]:
    for name, value in raw.items():
        if value.isdigit() and len(value) <= 15:  # whatever is no time tells of no use
            yield name.decode(errors="backslashreplace"), int(value)


def create(
    client: redis.Redis,
    topology: Topology,
    name: str,
    scopes: tuple[Scope, ...],
    *,
    now_ms: int,
    who: str,
    accounts: list[str],
    expires_ms: int | None,
    rate_limit: int | None,
    hook: Hook | None = None,
) -> tuple[Key, str]:
    """Make a key, keep it, and return it with its secret; arguments as of `process.keys.make`.

    Raises:
        ValueError: a field is not what it must be, one of a hook's template included; names it.
        NameTaken: a live key has that name.
        redis.exceptions.RedisError: the server did not take it.
    """
    if hook is not None and hook.template is not None:
        template_of(hook.template)
    key, secret = make(
        name, scopes, now_ms=now_ms, who=who, accounts=accounts, expires_ms=expires_ms, rate_limit=rate_limit, hook=hook
    )
    there, _ = kept(client, topology)
    for each in there:
        if each.key.name == name and each.key.state(now_ms) == "live":
            raise NameTaken(f"name: {name} is the live key {each.key.id}'s; revoke that one, or take another name")
    _keep(client, topology, key)
    return key, secret


def find(client: redis.Redis, topology: Topology, word: str, *, now_ms: int, is_hook: bool = False) -> Key:
    """Return the key that a person means.

    Args:
        client: may read the keys.
        topology: the desk's.
        word: its id, or its name: that of the live one, where there are others.
        now_ms: milliseconds since 1970.
        is_hook: a hook is meant, and no other key.

    Raises:
        Unreadable: its record cannot be read.
        NoKey: there is none.
        NotOneKey: there are several of that name.
    """
    if not word.startswith(ID_PREFIX):
        return _by_name(client, topology, word, now_ms, is_hook)
    key = _by_id(client, topology, word)
    if is_hook and key.hook is None:
        raise NoKey(word)
    return key


def revoke(
    client: redis.Redis, topology: Topology, word: str, *, now_ms: int, who: str, is_hook: bool = False
) -> tuple[Key, bool]:
    """Revoke a key for good, and return it, and whether it was not revoked before.

    Args:
        client: may write the keys.
        topology, word, now_ms, is_hook: see `find`.
        who: wants it.

    Raises:
        Unreadable: its record cannot be read.
        NoKey: there is none.
        NotOneKey: there are several of that name.
        ValueError: `who` is no name.
        redis.exceptions.RedisError: the server did not take it.
    """
    before = find(client, topology, word, now_ms=now_ms, is_hook=is_hook)
    after = before.revoked(now_ms, who)
    if after is before:
        return before, False
    _keep(client, topology, after)
    return after, True


def _by_id(client: redis.Redis, topology: Topology, key_id: str) -> Key:
    raw: Any = client
    record = raw.hget(topology.keys, key_id)
    if record is None:
        raise NoKey(key_id)
    return Key.load(key_id, record)


def _by_name(client: redis.Redis, topology: Topology, name: str, now_ms: int, is_hook: bool) -> Key:
    there, _ = kept(client, topology)
    named = [each.key for each in there if each.key.name == name and not (is_hook and each.key.hook is None)]
    states: tuple[State, ...] = ("live", "expired")
    for state in states:
        found = [key for key in named if key.state(now_ms) == state]
        if len(found) > 1:
            raise NotOneKey(f"{name}: {', '.join(key.id for key in found)} are called so; name one by its id")
        if found:
            return found[0]
    if not named:
        raise NoKey(name)
    return max(named, key=lambda key: key.revoked_ms or 0)


def _keep(client: redis.Redis, topology: Topology, key: Key) -> None:
    raw: Any = client
    raw.hset(topology.keys, key.id, key.dump())
