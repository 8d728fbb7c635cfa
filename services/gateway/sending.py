"""Appending to the desk's inboxes: what comes within a turn of the loop goes in one round trip.

Flows in: entries to append. Flows out: their ids; or `Unsure`, when nobody knows whether the server has them. Never
decides whether something is sent twice: whoever asks does, under an id that the desk knows again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fillstream.libs.common.runtime.log import SOCKET_TIMEOUT_S

AWAY: Final = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, redis.exceptions.BusyLoadingError)
MOST_AT_ONCE: Final = 1_000
"""Entries in one round trip."""
AGAIN_S: Final = 0.1
"""After so long a task that goes on is cancelled again."""


class Unsure(Exception):
    """The server went away before it answered: what was asked for may be in its stream, or not."""


class Refused(Exception):
    """The server does not take it, and says why: a full memory, a user that may not."""


def connect(url: str) -> Any:
    """Return a client that never repeats anything by itself."""
    return redis.asyncio.Redis.from_url(
        url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S, health_check_interval=0,
    )  # fmt: skip


async def cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task that talks to a server, until it has ended.

    Once is not enough: redis.asyncio sends under `asyncio.wait_for`, which before Python 3.12 forgets a cancellation
    that comes as the sending is done.

    Raises:
        Exception: the task's, where it has met one.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=AGAIN_S)
    if not task.cancelled():
        task.result()


class Sending:
    """Appends entries, many in a round trip.

    Args:
        client: of redis.asyncio.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._waiting: list[tuple[str, Mapping[str | bytes, str | bytes], asyncio.Future[str]]] = []
        self._task: asyncio.Task[None] | None = None

    async def append(self, key: str, fields: Mapping[Any, Any]) -> str:
        """Append an entry to a stream and return its id.

        Raises:
            Unsure: the server went away.
            Refused: it does not take the entry.
        """
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((key, fields, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        await asyncio.sleep(0)  # whoever has its turn now adds to it
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                replies = await self._send(batch)
            except AWAY as error:
                replies = [Unsure(str(error) or type(error).__name__)] * len(batch)
            except Exception as error:
                for _, _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                raise
            for (_, _, future), reply in zip(batch, replies, strict=True):
                _tell(future, reply)

    async def _send(self, batch: list[tuple[str, Mapping[Any, Any], asyncio.Future[str]]]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipe:
            for key, fields, _ in batch:
                pipe.execute_command("XADD", key, "*", *(part for pair in fields.items() for part in pair))
            return list(await pipe.execute(raise_on_error=False))


def _tell(future: asyncio.Future[str], reply: Any) -> None:
    if future.done():
        return  # whoever asked has gone
    if isinstance(reply, AWAY):
        future.set_exception(Unsure(str(reply) or type(reply).__name__))
    elif isinstance(reply, redis.exceptions.RedisError):
        future.set_exception(Refused(str(reply)))
    elif isinstance(reply, Exception):
        future.set_exception(reply)
    else:
        future.set_result(reply.decode())
