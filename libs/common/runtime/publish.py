"""The function with which a client publishes a signal strictly: `FCALL fs_publish 1 signals name value …`.

Flows in: a connection. Flows out: the library `fillstream` in the server, replaced by this release's. Never needed by a
desk: who appends with XADD is heard as well.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import redis

from fillstream.libs.common.runtime.lua import lua

logger = logging.getLogger(__name__)

FUNCTION: Final = "fs_publish"


def load_functions(client: redis.Redis) -> bool:
    """Give the server the function, and return whether it took it; where it did not, the log says why.

    Args:
        client: a connection that may load functions.

    Raises:
        redis.exceptions.ConnectionError: the server went away.
    """
    raw: Any = client
    try:
        raw.function_load(lua("publish.lua"), replace=True)
    except redis.exceptions.ResponseError as error:
        logger.warning("%s is not there, signals are published with XADD alone: %s", FUNCTION, error)
        return False
    return True
