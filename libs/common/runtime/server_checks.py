"""Whether a Redis server is one that a desk may live on: what it would lose in silence, and what it is not.

Flows in: a connection, and what INFO says of the server. Flows out: `Doubt`s, each a sentence with the way on. Never
changes the server. Stages look before they recover and refuse what would cost orders; `fillstream doctor` shows all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis

logger = logging.getLogger(__name__)

MIN_VERSION: Final = (7, 0)
MAX_SKEW_S: Final = 5.0
"""The server's clock and this machine's may differ so much before somebody should look."""
DURABLE: Final = "durable log"
LARGE_BULK: Final = 8 * 1024 * 1024
"""`proto-max-bulk-len` above this lets one field stop every stage for seconds (bytes)."""


class ServerRefused(Exception):
    """The server is none that a desk may live on (exit code 78): says why, and what to set."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something about a server.

    Attributes:
        refuses: whether no stage should start on it.
        what: it is about.
        found: what was found.
        how: to mend it.
    """

    refuses: bool
    what: str
    found: str
    how: str

    @property
    def text(self) -> str:
        """All of it in a sentence."""
        return f"Redis: {self.what}: {self.found}; {self.how}"


def doubts(client: redis.Redis, now_s: Callable[[], float] = time.time) -> list[Doubt]:
    """Return everything that speaks against a server, the worst first.

    Args:
        client: a connection.
        now_s: this machine's clock, seconds since 1970.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    raw: Any = client
    found = [*_of_info(raw), *_of_configuration(raw), *_of_clock(raw, now_s)]
    return sorted(found, key=lambda each: not each.refuses)


def refuse_or_warn(client: redis.Redis) -> None:
    """Log what speaks against a server.

    Raises:
        ServerRefused: it is something that would cost orders.
    """
    found = doubts(client)
    for each in found:
        if not each.refuses:
            logger.warning("%s", each.text)
    refused = [each.text for each in found if each.refuses]
    if refused:
        raise ServerRefused(". ".join(refused))


def overwritten(client: redis.Redis, streams: Iterable[str], hashes: Iterable[str]) -> list[str]:
    """Return a sentence for each key that is there and is not what the desk keeps there.

    Args:
        client: a connection.
        streams: keys of streams.
        hashes: keys of hashes.

    Raises:
        redis.exceptions.RedisError: the server does not answer, or refuses.
    """
    raw: Any = client
    found = []
    asked: list[tuple[str, str, tuple[str, ...]]]
    asked = [(key, "a stream", ("XLEN", key)) for key in streams]
    asked += [(key, "a hash", ("HGET", key, "")) for key in hashes]
    for key, kind, command in asked:
        try:
            raw.execute_command(*command)
        except redis.exceptions.ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            found.append(
                f"Redis: {key}: must be {kind}; somebody wrote over it (SET, RENAME, RESTORE): look at it, rename or"
                " delete it, and the stages say what is lost"
            )
    return found


def refuse_overwritten(client: redis.Redis, streams: Iterable[str], hashes: Iterable[str]) -> None:
    """Return when every key is what it must be, or is not there; see `overwritten`.

    Raises:
        ServerRefused: one is not.
    """
    found = overwritten(client, streams, hashes)
    if found:
        raise ServerRefused(". ".join(found))


def _of_info(raw: Any) -> Iterator[Doubt]:
    try:
        told = {**raw.info("server"), **raw.info("memory"), **raw.info("replication"), **raw.info("persistence")}
    except redis.exceptions.ResponseError as error:
        yield Doubt(False, "INFO", f"refused: {error}", "make sure of maxmemory-policy noeviction and appendonly yes")
        return
    yield from judged(told)


def judged(told: Mapping[str, Any]) -> Iterator[Doubt]:
    """Yield what speaks against a server, of its INFO (sections server, memory, replication and persistence)."""
    version = str(told.get("redis_version", ""))
    numbers = tuple(int(each) for each in version.split(".")[:2] if each.isdigit())
    if numbers and numbers < MIN_VERSION:
        yield Doubt(True, "version", version, "must be 7.0 or newer: run Redis 7, 8, or Valkey")
    policy = told.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        limited = int(told.get("maxmemory", 0)) > 0
        how = "must be noeviction: the server deletes streams and checkpoints when memory is short as it is"
        yield Doubt(limited, "maxmemory-policy", str(policy), how)
    if told.get("role", "master") != "master":
        yield Doubt(True, "role", str(told["role"]), "must be master: nothing can be committed to a replica")
    if told.get("redis_mode", "standalone") == "cluster":
        how = "a desk needs one primary in this release: its streams are in several slots"
        yield Doubt(True, "mode", "cluster", how)
    if told.get("aof_last_write_status", "ok") != "ok":
        yield Doubt(False, "append-only file", "its last write failed", "look at the server's disk")
    if told.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield Doubt(False, "append-only file", "its last rewrite failed", "look at the server's disk and memory")


def _of_configuration(raw: Any) -> Iterator[Doubt]:
    try:
        told = {**raw.config_get("append*"), **raw.config_get("proto-max-bulk-len")}
    except redis.exceptions.ResponseError as error:
        yield Doubt(False, DURABLE, f"cannot be asked: {error}", "make sure of appendonly yes, appendfsync always")
        return
    yield from configured(told)


def configured(told: Mapping[str, Any]) -> Iterator[Doubt]:
    """Yield what speaks against a server, of its CONFIG GET."""
    only, fsync = told.get("appendonly"), told.get("appendfsync")
    text = f"appendonly {only}, appendfsync {fsync}"
    if only != "yes":
        how = "redis-cli CONFIG SET appendonly yes: a crash of the server loses orders as it is"
        yield Doubt(False, DURABLE, text, how)
    elif fsync != "always":
        how = "redis-cli CONFIG SET appendfsync always: a power failure may lose the last second as it is"
        yield Doubt(False, DURABLE, text, how)
    bulk = int(told.get("proto-max-bulk-len", LARGE_BULK))
    if bulk > LARGE_BULK:
        how = f"redis-cli CONFIG SET proto-max-bulk-len {LARGE_BULK}: one field may stop every stage as it is"
        yield Doubt(False, "proto-max-bulk-len", str(bulk), how)


def _of_clock(raw: Any, now_s: Callable[[], float]) -> Iterator[Doubt]:
    before = now_s()
    seconds, microseconds = raw.time()
    after = now_s()
    server = seconds + microseconds / 1e6
    skew = server - after if server > after else min(0.0, server - before)
    if abs(skew) > MAX_SKEW_S:
        side = "ahead of" if skew > 0 else "behind"
        how = "set both by NTP: ids of entries, and so every time, are the server's"
        yield Doubt(False, "clock", f"{abs(skew):.0f} s {side} this machine's", how)
