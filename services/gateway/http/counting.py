"""Where calls are counted: the storage under `limits`' strategies, in this process's memory.

Flows in: what a strategy counts. Flows out: its counts. Never starts a thread: `limits`' own MemoryStorage starts one
for about every call, an eighth of the gateway's time. One thread alone may use it: that of the event loop.
"""

from __future__ import annotations

import time
from typing import Final

from limits.storage import Storage

LOOK_AT: Final = 10_000
"""So many counters, and those that are over are dropped before there is another one."""


class Counts(Storage):
    """Counters that end."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}
        self._look_at = LOOK_AT

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """None that is this one's."""
        return ()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count; return what it comes to.

        Args:
            key: of the counter.
            expiry: seconds after which one that begins now is over.
            amount: that is added.
        """
        now = time.time()
        count, ends = self._counts.get(key, (0, 0.0))
        if ends <= now:
            if len(self._counts) >= self._look_at:
                self._counts = {name: each for name, each in self._counts.items() if each[1] > now}
                self._look_at = max(LOOK_AT, 2 * len(self._counts))
            count, ends = 0, now + expiry
        self._counts[key] = count + amount, ends
        return count + amount

    def get(self, key: str) -> int:
        """Return what a counter has come to."""
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when a counter is over (seconds since 1970); now, where there is none."""
        now = time.time()
        return max(now, self._counts.get(key, (0, now))[1])

    def check(self) -> bool:
        """Return that it works."""
        return True

    def reset(self) -> int | None:
        """Drop all; return how many there were."""
        count = len(self._counts)
        self._counts.clear()
        return count

    def clear(self, key: str) -> None:
        """Drop one."""
        self._counts.pop(key, None)
