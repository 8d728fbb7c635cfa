"""Who did what at this gateway, written to a stream of its own: logins, failures, locks, and every request that writes.

Flows in: what was done. Flows out: entries of `gateway.audit`; pages of them. Never holds an answer up, and never has a
body, a value of a path, or a secret. What could not be written yet when a kill ends the process is lost; what an order
was is in `signals`, with who asked.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import RedisError
from starlette.requests import HTTPConnection

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.audited import KEPT, Action, Search, entry_of
from fillstream.services.gateway.http.access import OWN_WAY, Caller
from fillstream.services.gateway.http.sources import Sources

logger = logging.getLogger(__name__)

DONE: Final = "done"
MOST_WAITING: Final = 10_000
"""Entries that wait for a Redis that is away; the oldest go, and how many is told."""
AT_ONCE: Final = 500
AGAIN_S: Final = 1.0


class Audit:
    """Writes down who did what.

    Args:
        client: of redis.asyncio.
        topology: names the stream.
        sources: tells from where somebody asks.

    Attributes:
        waiting: entries that are not written yet.
    """

    def __init__(self, client: Any, topology: Topology, sources: Sources) -> None:
        self._client = client
        self._stream = topology.audit
        self._sources = sources
        self._lost = 0
        self._more = asyncio.Event()
        self.waiting: deque[dict[str, bytes]] = deque()

    def note(self, action: Action, outcome: str, **said: Any) -> None:
        """Write something down, in a moment; see `entry_of`."""
        if len(self.waiting) >= MOST_WAITING:
            self.waiting.popleft()
            self._lost += 1
        self.waiting.append(entry_of(action, outcome, int(time.time() * 1000), said))
        self._more.set()

    def wrote(self, caller: Caller, scope: Any, status: int) -> None:
        """Write down a request that was to change something.

        Args:
            caller: whose it was.
            scope: of the request, answered.
            status: of the answer, 0 of none.
        """
        address = self._sources.address(HTTPConnection(scope))
        outcome = DONE if 0 < status < 400 else "refused"
        self.note(
            Action.WRITE, outcome, who=caller.name, caller=caller.id, address=None if address is None else str(address),
            method=scope["method"], path=template_of(scope), status=status,
        )  # fmt: skip

    async def run(self) -> None:
        """Write what there is, until it is cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            try:
                await self._write()
            except RedisError as error:
                logger.warning("the audit waits with %d entries: %s", len(self.waiting), error)
                await asyncio.sleep(AGAIN_S)
                self._more.set()

    async def end(self) -> None:
        """Write what is left, where Redis answers."""
        with suppress(RedisError):
            await self._write()
        if self.waiting:
            logger.error("the audit has lost %d entries: Redis does not answer", len(self.waiting))

    async def _write(self) -> None:
        while self.waiting:
            batch = [self.waiting[each] for each in range(min(AT_ONCE, len(self.waiting)))]
            lost = self._lost
            async with self._client.pipeline(transaction=False) as pipe:
                for fields in batch:
                    pipe.xadd(self._stream, fields, maxlen=KEPT, approximate=True)
                await pipe.execute()
            for fields in batch:
                if self.waiting and self.waiting[0] is fields:
                    self.waiting.popleft()
            if lost:
                self._lost -= lost
                logger.error("the audit has lost %d entries while Redis was away", lost)

    async def search(self, search: Search) -> Search:
        """Return a search that has found all that it looks for.

        Raises:
            redis.exceptions.RedisError: the server does not answer.
        """
        while not search.is_done:
            search.take(await self._client.execute_command("XREVRANGE", self._stream, *search.command))
        return search


def template_of(scope: Any) -> str:
    """Return the path of the route that answered, with the names of its values; `?` where there is none."""
    if scope["path"].startswith(OWN_WAY):
        return f"{OWN_WAY[0]}…"
    route = scope.get("route")
    if route is None:
        return "?"
    path: str = scope["path"]
    own: str = route.path_format.format(**scope["path_params"])  # without what it is included below
    return f"{path.removesuffix(own)}{route.path_format}" if path.endswith(own) else "?"
