"""Sees to it that an entry comes when time has to pass: a slow regular tick, and one when the stage has something due.

Flows in: the stage's `due_ms`, where it stands, and the server's clock. Flows out: `tick` entries. Never decides
anything: what an entry's time makes happen is the fold's, so a tick too many or too early changes nothing, and another
entry serves as well.

    due, and no entry of that time is on its way      append a tick
    it got an id before the time that was waited for  ask the server's clock again, wait for the rest, repeat it
    due at or before where the stage stands           it left something undone: append one at once
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from fillstream.libs.common.messages.topology import id_key, id_ms
from fillstream.libs.common.runtime.stage import Stage, Timed

IDLE_MS = 1000
"""Nobody waits longer without looking around."""
TICK = {b"tick": b"1"}


class Clock(Protocol):
    """The clock that gives entries their ids; see `ServerClock`."""

    def look(self) -> None:
        """Find out what it says."""
        ...

    def until_ms(self, due_ms: int) -> int:
        """Return how many milliseconds it takes until it says `due_ms`; 0 if it does."""
        ...


class Ticker:
    """The ticks of one stage.

    Args:
        stage: for its `tick_ms`, and `due_ms` if it is `Timed`.
        append: puts an entry into the inbox and returns its id.
        clock: the inbox's.
        stopwatch: seconds, for the regular tick.
    """

    def __init__(
        self,
        stage: Stage,
        append: Callable[[dict[bytes, bytes]], str],
        clock: Clock,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tick_ms = stage.tick_ms
        self._timed = stage if isinstance(stage, Timed) else None
        self._append = append
        self._clock = clock
        self._stopwatch = stopwatch
        self._next = 0.0
        self._sent = "0-0"

    def tick(self, position: str) -> int:
        """Append a tick if it is time for one.

        Args:
            position: id of the last entry that the stage has folded.

        Returns:
            How many milliseconds may pass until the next call, unless an entry comes; 1 at least.
        """
        wait_ms = IDLE_MS
        if self._tick_ms is not None:
            now = self._stopwatch()
            if now >= self._next:
                self._next = now + self._tick_ms / 1000
                self._sent = self._append(TICK)
            wait_ms = min(wait_ms, round((self._next - now) * 1000))
        due_ms = None if self._timed is None else self._timed.due_ms
        if due_ms is not None:
            wait_ms = min(wait_ms, self._see_to(due_ms, position))
        return max(1, wait_ms)

    def _see_to(self, due_ms: int, position: str) -> int:
        """Append a tick if `due_ms` is reached and none is on its way; return how long to wait for it otherwise."""
        if id_key(self._sent) > id_key(position) and id_ms(self._sent) >= due_ms:
            return IDLE_MS
        if due_ms > id_ms(position) and (wait_ms := self._clock.until_ms(due_ms)):
            return wait_ms
        self._sent = self._append(TICK)
        if id_ms(self._sent) >= due_ms:
            return IDLE_MS
        self._clock.look()
        return self._clock.until_ms(due_ms)
