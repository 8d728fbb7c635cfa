"""What a gateway tells of itself: gauges for Prometheus, and the status that `fillstream status` shows.

Flows in: the state of reading. Flows out: gauges; the hash `status.gateway`. Of several gateways of a desk the hash has
what the last one told; each has its own metrics. Never decides anything.
"""

from __future__ import annotations

import asyncio
from typing import Final

import redis

from fillstream.libs.common.runtime.heartbeat import Heartbeat
from fillstream.services.gateway.metrics import GatewayMetrics
from fillstream.services.gateway.reading import Reading
from fillstream.services.gateway.sending import AWAY

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

    async def run(self) -> None:
        """Tell until it is cancelled."""
        while True:
            await self.tell()
            await asyncio.sleep(EVERY_S)

    async def tell(self, state: str | None = None) -> None:
        """Tell how it is now. A server that is away is not told; `reading` says so in the log."""
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
        except AWAY:
            pass  # who is away cannot be told, and reading has said so
        except redis.exceptions.ResponseError as error:
            error.add_note("status.gateway: an own users.acl has to be made anew for the gateway to tell how it is")
            raise
