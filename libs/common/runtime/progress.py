"""How far a recovery is: what it does, how much of it is done, told about once a second to whoever waits for it.

Flows in: what a runner begins to do, and a count that it keeps anyway. Flows out: a sentence, a percentage. Never slows
the recovery down: nothing is called for an entry.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

logger = logging.getLogger(__name__)

TELL_S = 1.0


@dataclass(frozen=True, slots=True)
class Told:
    """How far a recovery is.

    Attributes:
        progress: the sentence.
        done, total: entries folded again, of how many; 0 while a snapshot is read.
        percent: of these, 0 to 100.
    """

    progress: str
    done: int
    total: int
    percent: int


class Progress:
    """What a runner does until it is live.

    Args:
        count: returns how many entries it has folded again so far.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._now = ("starting", 0, 0)

    def say(self, what: str) -> None:
        """Begin something that has no count."""
        self._now = (what, 0, 0)

    def fold(self, total: int) -> None:
        """Begin to fold `total` entries again."""
        self._now = ("folding again", self._count(), total)

    @property
    def told(self) -> Told:
        """How far it is now; for any thread."""
        what, before, total = self._now
        if not total:
            return Told(what, 0, 0, 0)
        done = min(total, self._count() - before)
        percent = 100 * done // total
        return Told(f"{what} {done} of {total} entries, {percent} %", done, total, percent)


@contextmanager
def telling(progress: Progress, put: Callable[..., Any]) -> Iterator[None]:
    """Call `put` with `progress`, `done`, `total` and `percent` once a second, from a thread of its own, until left."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(TELL_S):
            told = progress.told
            try:
                put(progress=told.progress, done=told.done, total=told.total, percent=told.percent)
            except redis.exceptions.RedisError as error:  # the recovery meets the same server, and says so
                logger.warning("progress not told: %s", error)

    teller = threading.Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
