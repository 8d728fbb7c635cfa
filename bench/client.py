"""A client that costs next to nothing: it publishes at a given rate and reads the last stream, in its own processes.

`python -m bench.client publish URL STREAM RATE COUNT FIELD=VALUE...` appends entries with a stamp of the monotonic
clock in the field given as `{stamp}`; RATE 0 is as fast as the server takes them (pre-encoded, one socket).
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import redis

PIPELINE = 500


def encode(*words: bytes) -> bytes:
    """Return a command in the Redis protocol."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def commands(stream: str, count: int, fields: dict[str, str]) -> Iterator[bytes]:
    """Yield XADDs whose `{n}` is the entry's number and `{stamp}` the clock when it is yielded."""
    head = [b"XADD", stream.encode(), b"*"]
    for n in range(count):
        words = [*head]
        for name, value in fields.items():
            words += (name.encode(), value.replace("{n}", str(n)).replace("{stamp}", str(time.monotonic_ns())).encode())
        yield encode(*words)


def publish(url: str, stream: str, rate: float, count: int, fields: dict[str, str]) -> None:
    """Append `count` entries, at `rate` a second, or as fast as they are taken when it is 0."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname or "127.0.0.1", where.port or 6379)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = link.makefile("rb")
        if not rate:
            encoded = list(commands(stream, count, fields))
            print(time.monotonic_ns(), flush=True)
            for start in range(0, count, PIPELINE):
                part = encoded[start : start + PIPELINE]
                link.sendall(b"".join(part))
                for _ in part:
                    _reply(replies)
            return
        began = time.perf_counter()
        print(time.monotonic_ns(), flush=True)
        for n, command in enumerate(commands(stream, count, fields)):
            link.sendall(command)
            _reply(replies)
            ahead = began + (n + 1) / rate - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)


def _reply(replies: Any) -> None:
    head = replies.readline()
    assert head.startswith(b"$"), head
    replies.readline()


def collect(
    url: str, stream: str, count: int, timeout_s: float, start: str = "0-0", only: bytes = b""
) -> list[tuple[int, dict[bytes, bytes]]]:
    """Return the next `count` entries of a stream after `start`, each with the monotonic clock when it arrived.

    With `only`, entries whose `data` does not contain it are passed over.
    """
    client = redis.Redis.from_url(url, protocol=2)
    found: list[tuple[int, dict[bytes, bytes]]] = []
    at: Any = start
    deadline = time.monotonic() + timeout_s
    while len(found) < count and time.monotonic() < deadline:
        for _, entries in cast(Any, client.xread({stream: at}, count=1000, block=500)) or []:
            now = time.monotonic_ns()
            found += ((now, fields) for _, fields in entries if not only or only in fields.get(b"data", b""))
            at = entries[-1][0]
    return found


if __name__ == "__main__":
    _, url, stream, rate, count, *pairs = sys.argv[1:]
    publish(url, stream, float(rate), int(count), dict(pair.split("=", 1) for pair in pairs))
