"""What a live process tells of itself, for `fillstream status`.

Flows in: a state and figures, about once a second. Flows out: a hash in Redis, which goes after a day of silence; it is
written when something has changed, and every `IDLE_S` all the same, as each write costs the server's disk some blocks.
Never reads it back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, cast

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
    """

    def __init__(
        self, client: redis.Redis, key: str, address: Address, clock: Callable[[], float] = time.monotonic
    ) -> None:
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
        put_status(self._client, self._key, self._address, **fields)
        self._said, self._next = said, now + IDLE_S


def put_status(client: redis.Redis, key: str, address: Address, **fields: Any) -> None:
    """Refresh a process's status hash.

    Args:
        client: a connection.
        key: see `Topology.status`.
        address: where the process serves HTTP.
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
    pipe.hset(key, mapping=cast(Any, fields))
    pipe.expire(key, STATUS_TTL_S)
    pipe.execute()
