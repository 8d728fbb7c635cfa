"""How many streams a key may hold open, and how fast it may speak on them: WebSocket and server-sent events together.

Flows in: connections that open and close, messages. Flows out: refusals, and how long a message has to wait. Never
counts calls of HTTP: those are the door's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from fillstream.services.gateway.http.access import Caller
from fillstream.services.gateway.http.problems import Refusal


class Streams:
    """What each key holds open.

    Args:
        most: streams of a key at a time.
        messages_per_s: that a key may send on all of its streams; as many at once, and what is more waits.

    Attributes:
        open: how many each key holds, by its id.
    """

    def __init__(self, most: int, messages_per_s: int) -> None:
        self._most = most
        self._per_s = messages_per_s
        self.open: Counter[str] = Counter()
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, caller: Caller) -> None:
        """Refuse a stream more of a key that holds as many as it may.

        Raises:
            Refusal: 429.
        """
        if self.open[caller.id] >= self._most:
            told = f"streams: {caller.called} holds {self._most} open already, the most that one may; close one first"
            raise Refusal(429, "too_many_streams", told)

    def begin(self, caller: Caller) -> Callable[[], None]:
        """Count a stream; return what ends it.

        Raises:
            Refusal: 429: the key holds as many as it may.
        """
        self.check(caller)
        self.open[caller.id] += 1
        is_open = True

        def end() -> None:
            nonlocal is_open
            if is_open:
                is_open = False
                self.open[caller.id] -= 1
                if not self.open[caller.id]:
                    del self.open[caller.id]
                    self._left.pop(caller.id, None)

        return end

    def wait_s(self, caller: Caller, now_s: float) -> float:
        """Take a message's turn; return how long it has to wait for it (seconds).

        Args:
            caller: whose it is.
            now_s: on a clock that never goes back.
        """
        left, at_s = self._left.get(caller.id, (float(self._per_s), now_s))
        left = min(float(self._per_s), left + (now_s - at_s) * self._per_s) - 1.0
        self._left[caller.id] = left, now_s
        return max(0.0, -left / self._per_s)

    async def turn(self, caller: Caller) -> None:
        """Return once a message of a key may be done; nothing more is read from it meanwhile."""
        wait_s = self.wait_s(caller, time.monotonic())
        if wait_s:
            await asyncio.sleep(wait_s)
