"""The floor and a rival: the same number of hops and payload sizes as the desk, with no work in between.

`python -m bench.relay bare|faststream URL SOURCE TARGET` is one hop. Bare is redis-py as simply as it goes: read a
group, append, acknowledge. FastStream is its batch subscriber with our parser, and the same append.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import redis

GROUP, CONSUMER = "relay", "one"
BATCH = 500


def make_group(client: redis.Redis, stream: str) -> None:
    """Create the relay's group at the stream's beginning, before anything is published."""
    client.xgroup_create(stream, GROUP, "0", mkstream=True)


def bare(url: str, source: str, target: str) -> None:
    """Relay with redis-py alone until killed."""
    client = redis.Redis.from_url(url, protocol=2)
    make_group(client, source)
    while True:
        for _, entries in cast(Any, client.xreadgroup(GROUP, CONSUMER, {source: ">"}, count=BATCH, block=1000)) or []:
            pipe = client.pipeline(transaction=False)
            for _, fields in entries:
                pipe.xadd(target, fields)
            pipe.xack(source, GROUP, *[entry_id for entry_id, _ in entries])
            pipe.execute()


async def faststream(url: str, source: str, target: str) -> None:
    """Relay with a FastStream batch subscriber until killed."""
    from faststream import AckPolicy
    from faststream.redis import RedisBroker, StreamSub
    from faststream.redis.message import RedisBatchStreamMessage

    make_group(redis.Redis.from_url(url, protocol=2), source)
    broker = RedisBroker(url, apply_types=False, logger=None)
    client: Any = await broker.connect()

    async def parse(message: Any, original: Any = None) -> Any:
        return RedisBatchStreamMessage(
            raw_message=message, body=b"", correlation_id="", message_id="", group=GROUP, consumer=CONSUMER
        )

    async def decode(message: Any, original: Any = None) -> Any:
        return message.raw_message

    sub = StreamSub(source, group=GROUP, consumer=CONSUMER, batch=True, max_records=BATCH, polling_interval=1000)

    @broker.subscriber(stream=sub, parser=parse, decoder=decode, ack_policy=AckPolicy.MANUAL)
    async def relay(batch: Any) -> None:
        pipe = client.pipeline(transaction=False)
        for fields in batch["data"]:
            pipe.xadd(target, fields)
        pipe.xack(source, GROUP, *batch["message_ids"])
        await pipe.execute()

    await broker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "bare":
        bare(*rest)
    else:
        asyncio.run(faststream(*rest))
