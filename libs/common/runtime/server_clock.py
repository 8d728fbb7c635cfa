"""What the Redis server's clock says now, as far as a worker can know without asking each time.

Flows in: the server's TIME, asked once in a while, and a stopwatch of this process. Flows out: milliseconds since 1970.
Never reads this machine's clock: ids of entries are the server's time, and no decision waits for another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import redis


class ServerClock:
    """An estimate that is never ahead of the server, and behind it by no more than a question's way there and back.

    Until the server's clock is set back, which the next `look` notices.

    Args:
        ask: returns the server's seconds and microseconds.
        stopwatch: seconds of this process.
    """

    def __init__(self, ask: Callable[[], tuple[int, int]], stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._stopwatch = stopwatch
        self._ahead_us = 0
        self.look()

    @classmethod
    def of(cls, client: redis.Redis) -> ServerClock:
        """Return the clock of the server at the other end of a connection."""
        return cls(client.time)

    def look(self) -> None:
        """Ask the server. It answered at some time before the answer was here: to count from now is never too early."""
        seconds, microseconds = self._ask()
        self._ahead_us = seconds * 1_000_000 + microseconds - int(self._stopwatch() * 1_000_000) - 1

    @property
    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self._ahead_us + int(self._stopwatch() * 1_000_000)

    def until_ms(self, due_ms: int) -> int:
        """Return how many milliseconds it takes until the server's clock says `due_ms`, rounded up; 0 if it does."""
        return max(0, -((self.now_us - due_ms * 1000) // 1000))
