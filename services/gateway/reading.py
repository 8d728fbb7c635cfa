"""Reading the public streams into the desk's state: one XREAD over all of them.

Flows in: entries, from the places where the state stands; what was before the log's beginning first. Flows out: a fold
of each, in order. Never claims, never holds a stream back, never goes on after an entry that it could not fold: the
process ends, and starts again.

One XREAD and not FastStream's batch subscribers, one a stream: an order's events come in several small batches, each
at 0.6 of the CPU that it costs there (`python -m bench gateway`, row `reading`); after a server was away those look
again in five seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from fillstream.libs.common.messages.stages import DOORS
from fillstream.libs.common.messages.topology import Topology, id_key, id_ms
from fillstream.services.gateway.earlier import Earlier
from fillstream.services.gateway.sending import AWAY
from fillstream.services.gateway.state.desk import Desk, Rewound

logger = logging.getLogger(__name__)

BATCH: Final = 500
"""Entries at a time: they are folded in one go, and the loop has its turn between."""
BLOCK_MS: Final = 1_000
LOOK_S: Final = 5.0
"""How often it is looked at whether the streams are still those that were read."""
FIRST_AGAIN_S: Final = 0.05
LAST_AGAIN_S: Final = 1.0
"""A server that is away is asked again after so long, twice as long each time, at most so long."""


def names_of(topology: Topology) -> list[str]:
    """Return the names of the streams that a gateway reads."""
    return [name for kind in DOORS["gateway"].reads for name in topology.names(kind)]


class Reading:
    """Keeps a desk's state up to date.

    Args:
        client: of redis.asyncio.
        topology: the desk's.
        desk: the state; from where its places are.
        ends: the newest entry of each stream as this begins, by name: what is to be read before it is ready.
        earlier: fetches what the log has no more; None where nobody could be asked.

    Attributes:
        names: of the streams.
        waits_for: why the server does not answer; empty while it does.
        after_batch: called once a batch was folded.
        turned: told each time that a batch was folded: who waits for something looks again.
    """

    def __init__(
        self, client: Any, topology: Topology, desk: Desk, ends: Mapping[str, str], earlier: Earlier | None = None
    ) -> None:
        self._client = client
        self._earlier = earlier
        self._desk = desk
        self.names = names_of(topology)
        self._keys = [topology.key(name) for name in self.names]
        self._name_of = {key.encode(): name for key, name in zip(self._keys, self.names, strict=True)}
        from_nothing = not desk.places
        for name in self.names:
            desk.places.setdefault(name, "0-0")  # of a stream without entries one goes on behind its beginning
        self._behind = {name: end for name, end in ends.items() if id_key(end) > id_key(desk.places.get(name, "0-0"))}
        self.waits_for = ""
        self._answered = time.monotonic()
        self._looked = time.monotonic()
        self._full: set[str] = set()
        desk.takes_all = from_nothing and bool(self._behind)
        self.turned = asyncio.Condition()
        self.after_batch: list[Callable[[], None]] = []

    @property
    def is_ready(self) -> bool:
        """Whether everything is read that was there when this began."""
        return not self._behind and not self._is_short

    @property
    def _is_short(self) -> bool:
        """Whether what the log has no more is not fetched yet."""
        return self._earlier is not None and self._earlier.is_reading

    def behind_s(self) -> float:
        """Return how old what is known here may be (seconds): 0 where all was read that there was a moment ago."""
        silent_s = max(0.0, time.monotonic() - self._answered - BLOCK_MS / 1000)
        ages = [time.time() - id_ms(self._desk.places[name]) / 1000 for name in self._full]
        return max(0.0, silent_s, *ages)

    def progress(self) -> str:
        """Say how far it is, in a sentence."""
        if self._earlier is not None and self._is_short and self._earlier.progress:
            return self._earlier.progress
        places = self._desk.places
        waiting = [f"{name} at {places.get(name, '0-0')} of {end}" for name, end in self._behind.items()]
        if waiting:
            return f"reading {', '.join(waiting)}"
        return "looking at where the log begins" if self._is_short else "ready"

    async def run(self) -> None:
        """Read until it is cancelled. A server that is away is waited for.

        Raises:
            Exception: an entry cannot be folded, or the server refuses the question.
        """
        again_s = 0.0
        while True:
            try:
                if self._earlier is not None and self._is_short:
                    await self._earlier.read()
                found = await self._read()
            except AWAY as error:
                self.waits_for = str(error) or type(error).__name__
                if not again_s:
                    logger.warning("reading waits for Redis: %s", self.waits_for)
                again_s = min(max(FIRST_AGAIN_S, 2 * again_s), LAST_AGAIN_S)
                await asyncio.sleep(again_s)
                continue
            except RedisError as error:
                error.add_note(f"asked for what follows in {', '.join(self.names)}")
                raise
            if again_s:
                logger.info("reading goes on")
                again_s, self.waits_for = 0.0, ""
            self._answered = time.monotonic()
            self._full = {self._name_of[key] for key, entries in found if len(entries) == BATCH}
            if time.monotonic() - self._looked >= LOOK_S:
                await self._look_back()
            for key, entries in found:
                await self._take(self._name_of[key], entries)
                if len(entries) == BATCH:
                    await asyncio.sleep(0)

    async def _read(self) -> Sequence[Any]:
        places = self._desk.places
        options = ("COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS")
        found = await self._client.execute_command(
            "XREAD", *options, *self._keys, *(places[name] for name in self.names)
        )
        return found or ()

    async def _look_back(self) -> None:
        """See to it that no stream ends before what was read of it: XREAD would wait for ever behind its end.

        Raises:
            Rewound: one does.
        """
        self._looked = time.monotonic()
        async with self._client.pipeline(transaction=False) as pipe:
            for key in self._keys:
                pipe.xinfo_stream(key)
            told = await pipe.execute(raise_on_error=False)
        for name, info in zip(self.names, told, strict=True):
            ends = "0-0" if isinstance(info, RedisError) else info["last-generated-id"].decode()
            if isinstance(info, RedisError) and not isinstance(info, ResponseError):
                return  # it went away meanwhile: the next question says so
            if id_key(ends) < id_key(self._desk.places[name]):
                raise Rewound(f"{name}: ends at {ends}, and {self._desk.places[name]} was read")

    async def _take(self, name: str, entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> None:
        for entry_id, fields in entries:
            try:
                self._desk.fold(name, entry_id.decode(), fields)
            except Exception as error:
                error.add_note(f"{name}: entry {entry_id.decode()} cannot be folded")
                raise
        end = self._behind.get(name)
        if end is not None and id_key(self._desk.places[name]) >= id_key(end):
            del self._behind[name]
            self._desk.takes_all = self._desk.takes_all and bool(self._behind)
        if not self._behind:
            self._desk.lost.clear()  # a gap that shows from now on has another cause
        for each in self.after_batch:
            each()
        async with self.turned:
            self.turned.notify_all()
