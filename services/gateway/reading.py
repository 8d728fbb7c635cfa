"""Reading the public streams into the desk's state: a batch subscriber of FastStream for each stream.

Flows in: entries, from the place where the state stands. Flows out: a fold of each, in order. Never claims, never holds
a stream back, and never goes on after an entry that it could not fold: the process ends, and starts again.

FastStream hands a batch on once it has moved its own place, and goes on after a handler that raised: so what counts is
the state's place alone, and a handler that fails ends the process (facts: FastStream 0.7.8).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any, Final

from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage

from fillstream.libs.common.messages.stages import DOORS
from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.libs.common.runtime.exit_codes import EXIT_CRASHED
from fillstream.services.gateway.state.desk import Desk

logger = logging.getLogger(__name__)

BATCH: Final = 500
"""Entries at a time: they are folded in one go, and the loop has its turn between."""
BLOCK_MS: Final = 1_000


def names_of(topology: Topology) -> list[str]:
    """Return the names of the streams that a gateway reads."""
    return [name for kind in DOORS["gateway"].reads for name in topology.names(kind)]


class Reading:
    """Keeps a desk's state up to date.

    Args:
        broker: whose subscribers read.
        topology: the desk's.
        desk: the state; from where its places are.
        ends: the newest entry of each stream as this begins, by name: what is to be read before it is ready.

    Attributes:
        names: of the streams.
        after_batch: called once a batch was folded.
        turned: told each time that a batch was folded: who waits for something looks again.
    """

    def __init__(self, broker: RedisBroker, topology: Topology, desk: Desk, ends: Mapping[str, str]) -> None:
        self._desk = desk
        self.names = names_of(topology)
        for name in self.names:
            desk.places.setdefault(name, "0-0")  # of a stream without entries one goes on behind its beginning
        self._behind = {name: end for name, end in ends.items() if id_key(end) > id_key(desk.places.get(name, "0-0"))}
        self.turned = asyncio.Condition()
        self.after_batch: list[Any] = []
        for name in self.names:
            self._subscribe(broker, name, topology.key(name))

    @property
    def is_ready(self) -> bool:
        """Whether everything is read that was there when this began."""
        return not self._behind

    def progress(self) -> str:
        """Say how far it is, in a sentence."""
        places = self._desk.places
        waiting = [f"{name} at {places.get(name, '0-0')} of {end}" for name, end in self._behind.items()]
        return f"reading {', '.join(waiting)}" if waiting else "ready"

    def _subscribe(self, broker: RedisBroker, name: str, key: str) -> None:
        at = self._desk.places.get(name, "0-0")
        stream = StreamSub(key, batch=True, max_records=BATCH, last_id=at, polling_interval=BLOCK_MS)

        async def parse(message: Mapping[str, Any]) -> RedisBatchStreamMessage:
            return RedisBatchStreamMessage(
                raw_message=message, body=b"", correlation_id=name, group=None, consumer=FAKE_CONSUMER
            )

        async def decode(message: RedisBatchStreamMessage) -> Any:
            raw = message.raw_message
            return list(zip(raw["message_ids"], raw["data"], strict=True))

        async def take(entries: Any) -> None:
            await self._take(name, entries)

        broker.subscriber(stream=stream, parser=parse, decoder=decode, title=name, no_reply=True)(take)

    async def _take(self, name: str, entries: list[tuple[bytes, Mapping[bytes, bytes]]]) -> None:
        try:
            for entry_id, fields in entries:
                self._desk.fold(name, entry_id.decode(), fields)
            end = self._behind.get(name)
            if end is not None and id_key(self._desk.places[name]) >= id_key(end):
                del self._behind[name]
            for each in self.after_batch:
                each()
        except Exception:
            logger.critical("%s: an entry behind %s cannot be folded; the process ends", name,
                            self._desk.places.get(name), exc_info=True)  # fmt: skip
            os._exit(EXIT_CRASHED)
        async with self.turned:
            self.turned.notify_all()
