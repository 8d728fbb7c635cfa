"""What a gateway tells of itself: gauges for Prometheus, and the status that `fillstream status` shows.

Flows in: the state of reading. Flows out: gauges; the hash `status.gateway`, which has a field for each gateway of a
desk. Never decides anything.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import redis

from fillstream.libs.common.runtime.heartbeat import Heartbeat
from fillstream.services.gateway.metrics import GatewayMetrics
from fillstream.services.gateway.reading import Reading

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0


class Telling:
    """Tells how a gateway is, once a second.

    Args:
        reading: how far it is.
        metrics: gauges.
        heartbeat: on a connection of its own; None: nothing is written.
    """

    def __init__(self, reading: Reading, metrics: GatewayMetrics, heartbeat: Heartbeat | None) -> None:
        self._reading = reading
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._is_mute = False

    async def run(self) -> None:
        """Tell until it is cancelled."""
        while True:
            await self.tell()
            await asyncio.sleep(EVERY_S)

    async def tell(self, state: str | None = None) -> None:
        """Tell how it is now; what the server does not take is told in the log, once."""
        reading = self._reading
        behind_s = reading.behind_s()
        self._metrics.is_at(is_live=reading.is_ready and not reading.waits_for, behind_s=behind_s)
        if self._heartbeat is None:
            return
        said = {
            "state": state or ("live" if reading.is_ready else "recovering"),
            "progress": "" if reading.is_ready else reading.progress(),
            "last_error": reading.waits_for,
        }
        try:
            await asyncio.to_thread(self._heartbeat.beat, **said)
        except redis.exceptions.RedisError as error:  # away, full, read only, or it may not: the desk goes on without
            if not self._is_mute:
                logger.warning("how the gateway is cannot be told to `fillstream status`: %s", error)
            self._is_mute = True
        else:
            self._is_mute = False
