"""How a gateway reads: FastStream's batch subscribers, one a stream, beside one XREAD over all of them.

Small batches, as one order at a time makes them: entries come to three of eight streams, some milliseconds apart. The
figure is this process's CPU a batch; what feeds it is another process.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import redis
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage

from fillstream.services.gateway.sending import cancel, connect

STREAMS = [f"bench.reading.{number}" for number in range(8)]
FEED = """
import sys, time, redis
server, names = redis.Redis.from_url(sys.argv[1]), sys.argv[3:6]
for number in range(int(sys.argv[2])):
    server.xadd(names[number % 3], {"data": b"x" * 400})
    if number % 3 == 2:
        time.sleep(0.005)
"""
Stop = Callable[[], Awaitable[None]]


class Heard:
    """Counts what was read, until it is all."""

    def __init__(self, most: int) -> None:
        self.entries = self.batches = 0
        self.is_all = asyncio.Event()
        self._most = most

    def take(self, entries: Any) -> None:
        """Count a batch."""
        self.entries += len(entries)
        self.batches += 1
        if self.entries >= self._most:
            self.is_all.set()


async def _by_faststream(url: str, heard: Heard) -> Stop:
    quiet = logging.getLogger("bench.reading")
    quiet.disabled = True  # that its connections end with it is an error to it
    broker = RedisBroker(url, logger=quiet, log_level=logging.DEBUG, apply_types=False)

    async def parse(message: Mapping[str, Any]) -> RedisBatchStreamMessage:
        return RedisBatchStreamMessage(
            raw_message=message, body=b"", correlation_id="0", group=None, consumer=FAKE_CONSUMER
        )

    async def decode(message: RedisBatchStreamMessage) -> Any:
        return list(zip(message.raw_message["message_ids"], message.raw_message["data"], strict=True))

    async def take(entries: Any) -> None:
        heard.take(entries)

    for name in STREAMS:
        stream = StreamSub(name, batch=True, max_records=500, last_id="0-0", polling_interval=1_000)
        broker.subscriber(stream=stream, parser=parse, decoder=decode, title=name, no_reply=True)(take)
    await broker.start()
    return broker.stop


async def _by_xread(url: str, heard: Heard) -> Stop:
    client, places = connect(url), dict.fromkeys(STREAMS, "0-0")

    async def read() -> None:
        while True:
            options = ("COUNT", 500, "BLOCK", 1_000, "STREAMS")
            for key, entries in await client.execute_command("XREAD", *options, *places, *places.values()) or ():
                heard.take(entries)
                places[key.decode()] = entries[-1][0]

    task = asyncio.create_task(read())

    async def stop() -> None:
        await cancel(task)
        await client.aclose()

    return stop


async def _once(url: str, way: Callable[[str, Heard], Awaitable[Stop]], entries: int) -> float:
    """Return the CPU of a batch (µs)."""
    with redis.Redis.from_url(url) as server:
        server.delete(*STREAMS)
    heard = Heard(entries)
    stop = await way(url, heard)
    feeder = subprocess.Popen([sys.executable, "-c", FEED, url, str(entries), *STREAMS[:3]])  # noqa: ASYNC220 - short
    before = time.process_time()
    await heard.is_all.wait()
    spent = time.process_time() - before
    await stop()
    feeder.wait()
    return 1e6 * spent / heard.batches


def run(url: str, entries: int) -> dict[str, Any]:
    """Return the CPU of a batch (µs), the median of three, and the ratio of the two."""
    spent: dict[str, list[float]] = {"faststream": [], "xread": []}
    for _ in range(3):
        spent["faststream"].append(asyncio.run(_once(url, _by_faststream, entries)))
        spent["xread"].append(asyncio.run(_once(url, _by_xread, entries)))
    found = {name: round(statistics.median(each), 1) for name, each in spent.items()}
    return {"us_a_batch": found, "ratio": round(found["xread"] / found["faststream"], 2)}
