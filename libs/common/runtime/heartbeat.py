"""What a live process tells of itself, for `fillstream status`.

Flows in: a state and figures, about once a second. Flows out: a hash in Redis, which goes after a day of silence; it is
written when something has changed, and every `IDLE_S` all the same, as each write costs the server's disk some blocks.
Never reads it back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson
import redis

from fillstream.libs.common.runtime.exit_codes import RESTARTS_VARIABLE
from fillstream.libs.common.runtime.options import Address

STATUS_TTL_S = 86_400
IDLE_S = 15.0
"""A process of which nothing changes says so this often; `tools.status` knows."""
AGES = frozenset({"snapshot_age_s", "commit_age_s"})
"""Only grow, until something else changes."""


class Heartbeat:
    """Tells a process's status; for one thread.

    Args:
        client: a connection.
        key: see `Topology.status`.
        address: where the process serves HTTP.
        clock: seconds.
        instance: which of several it is, whose statuses are in one hash: a field each. Empty where there is one.
    """

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        address: Address,
        clock: Callable[[], float] = time.monotonic,
        instance: str = "",
    ) -> None:
        self._instance = instance
        self._client = client
        self._key = key
        self._address = address
        self._clock = clock
        self._said: dict[str, Any] = {}
        self._next = 0.0

    def beat(self, **fields: Any) -> None:
        """Tell it, if anything but an age has changed, or it is time to."""
        said = {name: value for name, value in fields.items() if name not in AGES}
        now = self._clock()
        if said == self._said and now < self._next:
            return
        put_status(self._client, self._key, self._address, self._instance, **fields)
        self._said, self._next = said, now + IDLE_S


def put_status(client: redis.Redis, key: str, address: Address, instance: str = "", **fields: Any) -> None:
    """Refresh a process's status hash, or its field there: see `Heartbeat`.

    Args:
        client: a connection.
        key: see `Topology.status`.
        address: where the process serves HTTP.
        instance: which of several it is.
        fields: its state and what else there is to say.
    """
    fields |= {
        "pid": os.getpid(),
        "host": address.host,
        "port": address.port,
        "url": address.url,
        "restarts": os.environ.get(RESTARTS_VARIABLE, "0"),
        "at_ms": int(time.time() * 1000),
    }
    pipe = client.pipeline(transaction=False)
    pipe.hset(key, mapping={instance: orjson.dumps(fields)} if instance else cast(Any, fields))
    pipe.expire(key, STATUS_TTL_S)
    pipe.execute()


def statuses_in(told: Mapping[bytes, bytes]) -> dict[str, dict[str, str]]:
    """Return what a hash tells of each instance, by its name; by an empty one of a process of which there is one.

    Args:
        told: the hash, as the server has it.
    """
    found: dict[str, dict[str, str]] = {}
    own: dict[str, str] = {}
    for name, value in told.items():
        if value.startswith(b"{"):
            found[name.decode()] = {each: str(said) for each, said in orjson.loads(value).items()}
        else:
            own[name.decode()] = value.decode()
    return {"": own, **found} if own else found


def forget_silent(client: redis.Redis, key: str) -> None:
    """Take out of a hash what instances told that have been silent for a day: their hash is kept alive by others."""
    raw: Any = client
    now_ms = time.time() * 1000
    told = statuses_in(raw.hgetall(key))
    gone = [name for name, said in told.items() if name and now_ms - int(said["at_ms"]) > STATUS_TTL_S * 1000]
    if gone:
        raw.hdel(key, *gone)
