"""What a live process tells of itself about once a second, for `fillstream status`.

Flows in: a state and figures. Flows out: a hash in Redis, which goes after a day of silence. Never reads it back.
"""

from __future__ import annotations

import os
import time
from typing import Any, cast

import redis

from fillstream.libs.common.runtime.exit_codes import RESTARTS_VARIABLE
from fillstream.libs.common.runtime.options import Address

STATUS_TTL_S = 86_400


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
