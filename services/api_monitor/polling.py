"""Polling one prediction API, for ever: ask, read, leave out what is known, publish through FastStream.

Flows in: answers. Flows out: predictions in `signals`, each once. Never ends by itself, and never takes a prediction
for published that Redis has not taken: it is published at the next poll then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import redis

from fillstream.libs.common.process.settings.api_monitor import ApiSource
from fillstream.services.api_monitor.asking import Failed, address, ask
from fillstream.services.api_monitor.memory import Memory
from fillstream.services.api_monitor.metrics import MonitorMetrics
from fillstream.services.api_monitor.reading import BadAnswer, readings

logger = logging.getLogger(__name__)

MOST_SAID = 5
"""Items that are refused are named up to so many of a poll; all are counted."""


class Poller:
    """Polls one source.

    Args:
        name: the source's.
        source: what the configuration says of it.
        http: asks.
        broker: FastStream's; publishes.
        stream: the key of `signals`.
        memory: of what was published.
        metrics: counts.
        clock: now, in seconds since 1970.
    """

    def __init__(
        self,
        name: str,
        source: ApiSource,
        http: httpx.AsyncClient,
        broker: Any,
        stream: str,
        memory: Memory,
        metrics: MonitorMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._source = source
        self._http = http
        self._broker = broker
        self._stream = stream
        self._memory = memory
        self._metrics = metrics
        self._clock = clock
        self._last = "ok"

    async def run(self) -> None:
        """Poll every `interval_ms` until cancelled."""
        interval_s = self._source.interval_ms / 1000
        while True:
            began = time.monotonic()
            await self.poll()
            await asyncio.sleep(max(0.0, interval_s - (time.monotonic() - began)))

    async def poll(self) -> str:
        """Ask once, publish what is new, and return the outcome: `ok`, or what failed."""
        began = time.monotonic()
        try:
            outcome, text = "ok", await self._publish_new(await ask(self._http, self._source))
        except Failed as failure:
            outcome, text = failure.outcome, str(failure)
        except BadAnswer as error:
            outcome, text = "bad_answer", str(error)
        except redis.exceptions.RedisError as error:
            outcome, text = "redis", f"Redis does not take it, the next poll publishes it: {error}"
        self._metrics.polled(self.name, outcome, time.monotonic() - began)
        if outcome != "ok":
            logger.warning("%s at %s: %s", self.name, address(self._source.url), text)
        elif self._last != "ok":
            logger.info("%s at %s answers again", self.name, address(self._source.url))
        self._last = outcome
        return outcome

    async def _publish_new(self, body: bytes) -> str:
        now_ms = int(self._clock() * 1000)
        counts: Counter[str] = Counter()
        try:
            for reading in readings(self._source, self.name, body):
                outcome: str = reading.outcome
                if reading.signal is not None:
                    signal_id = await self._memory.new_id(reading.signal_id, now_ms)
                    outcome = "duplicate"
                    if signal_id is not None:
                        await self._broker.publish({**reading.signal, "signal_id": signal_id}, stream=self._stream)
                        await self._memory.learn(reading.signal_id, now_ms)
                        outcome = "published"
                counts[outcome] += 1
                if outcome == "refused" and counts[outcome] <= MOST_SAID:
                    logger.warning("%s: %s", self.name, reading.text)
        finally:
            self._metrics.read(self.name, counts)
        return ""
