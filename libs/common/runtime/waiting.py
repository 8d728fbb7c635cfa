"""Waiting for a Redis that is not there: with patience, with a line now and then, and only where nothing is under way.

Flows in: a connection. Flows out: log lines, and the moment when the server answers. Never waits in the middle of a
call whose outcome is unknown: a stage that loses its Redis while it is live ends, and waits here at its next start.
"""

from __future__ import annotations

import logging
import threading
import time

import redis

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 3.0
SAID_AGAIN_S = 30.0
"""The same reason is logged this often."""
UNREACHABLE = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)
"""Not there, still loading its file, refusing the password: all of it may be mended without this process ending."""


def wait_for_redis(client: redis.Redis, stop: threading.Event | None = None, limit_s: float | None = None) -> bool:
    """Return True once the server answers and has loaded its data, False when `stop` was set before.

    Args:
        client: of a server that may be anywhere between unreachable and ready.
        stop: ends the wait.
        limit_s: gives up after so long; None for never.

    Raises:
        redis.exceptions.RedisError: the server did not answer within `limit_s`, or refuses what no waiting will mend.
    """
    stop = stop or threading.Event()
    began, said_at, said = time.monotonic(), 0.0, ""
    pause_s = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            client.ping()
        except UNREACHABLE as error:
            now, reason = time.monotonic(), str(error)
            if limit_s is not None and now - began > limit_s:
                raise
            if reason != said or now - said_at >= SAID_AGAIN_S:
                said, said_at = reason, now
                logger.warning("waiting for Redis, %.0f s so far: %s", now - began, reason)
            stop.wait(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)
        else:
            if said:
                logger.info("Redis answers after %.0f s", time.monotonic() - began)
            return True
    return False
