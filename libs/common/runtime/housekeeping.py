"""What a live stage does once a second beside its fold: is the log what it was, how far behind is everybody, tell.

Flows in: a place to look at, and what the fold says of itself. Flows out: the status hash, gauges, the lag downstream,
and, to be raised by the worker, that something is not what it was. Never touches the state of the fold, and never waits
in its way: each of these questions takes as long as a commit, and a message that came meanwhile would have to wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import redis

from fillstream.libs.common.runtime.heartbeat import Heartbeat
from fillstream.libs.common.runtime.log import RedisLog
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.role import Downstream
from fillstream.libs.common.runtime.server_clock import ServerClock
from fillstream.libs.common.runtime.waiting import UNREACHABLE

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
LAG_CHECK_S = 0.25

Said = Mapping[str, Any]


class Housekeeping(threading.Thread):
    """The thread that does so, while the stage is live.

    Args:
        client: a connection of its own.
        log: the stage's inbox; only watched.
        clock: looked at, so that it stays right.
        downstream: whose lag holds the stage back.
        metrics: told what was found.
        beat: of the status hash.
        said: returns what the worker says of itself: `state`, `entries`, `lost` and more, all for the status hash but
            `lost`; for any thread.
    """

    def __init__(
        self,
        client: redis.Redis,
        log: RedisLog,
        clock: ServerClock,
        downstream: tuple[Downstream, ...],
        metrics: StageMetrics,
        beat: Heartbeat,
        said: Callable[[], dict[str, Any]],
    ) -> None:
        super().__init__(name="housekeeping", daemon=True)
        self._client = client
        self._log = log
        self._clock = clock
        self._downstream = downstream
        self._metrics = metrics
        self._beat = beat
        self._said = said
        self._stop_asked = threading.Event()
        self._broke: BaseException | None = None
        self._rate_from = (time.monotonic(), 0)
        self.downstream_lag = 0

    def check(self) -> None:
        """Raise what this thread has found, if anything is not what it was."""
        if self._broke is not None:
            raise self._broke

    def stop(self) -> None:
        """Look a last time, and end."""
        self._stop_asked.set()
        self.join()

    def run(self) -> None:
        """Look, until asked to stop."""
        try:
            next_beat = 0.0
            while not self._stop_asked.is_set():
                now = time.monotonic()
                is_time = now >= next_beat
                if is_time:
                    next_beat = now + HEARTBEAT_S
                self._look(is_time)
                self._stop_asked.wait(LAG_CHECK_S if self._downstream else HEARTBEAT_S)
            self._look(beats=True)
        except BaseException as error:
            self._broke = error  # the worker asks, and ends the process

    def _look(self, beats: bool) -> None:
        try:
            if beats:
                self._log.watch()
                self.beat()
                self._clock.look()
            self.downstream_lag = self._lag_of_downstream()
            self._metrics.downstream_lag(self.downstream_lag)
        except UNREACHABLE as error:
            # The worker meets the same server, and knows what is under way.
            logger.debug("nothing to be seen: %s", error)

    def beat(self) -> None:
        """Refresh the status hash, and the gauges that need a look at Redis."""
        said = self._said()
        entries, lost = said["entries"], said.pop("lost")
        now = time.monotonic()
        then, counted = self._rate_from
        rate = (entries - counted) / (now - then) if now > then and counted else 0.0
        self._rate_from = (now, entries)
        lag = max(0, _entries_added(cast(Any, self._client.xinfo_stream(self._log.inbox))) - entries - lost)
        self._metrics.lag.set(lag)
        self._beat.beat(**said, lag=lag, entries_per_s=round(rate, 1), downstream_lag=self.downstream_lag)

    def _lag_of_downstream(self) -> int:
        """Return the largest lag downstream: entries ever appended to a stream less those its stage has committed."""
        if not self._downstream:
            return 0
        pipe = self._client.pipeline(transaction=False)
        for each in self._downstream:
            pipe.xinfo_stream(each.stream)
            pipe.hmget(each.checkpoint, "entries", "lost")
        replies = pipe.execute(raise_on_error=False)
        lags = [0]
        for info, done in zip(replies[::2], replies[1::2], strict=True):
            if isinstance(info, redis.exceptions.ResponseError) and "no such key" in str(info):
                continue  # nothing was ever appended
            if isinstance(info, Exception):
                raise info
            if isinstance(done, redis.exceptions.ResponseError) and str(done).startswith("WRONGTYPE"):
                continue  # somebody wrote over it; the stage behind refuses to start, and names it
            if isinstance(done, Exception):
                raise done
            lags.append(_entries_added(info) - sum(int(each or 0) for each in done))
        return max(lags)


def _entries_added(info: dict[str, Any]) -> int:
    """Return how many entries were ever appended, from XINFO STREAM's answer."""
    return int(info["entries-added"])
