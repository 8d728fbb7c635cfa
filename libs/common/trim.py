"""Trimming: a log grows until everyone who may need an entry again has said that he does not.

Flows in: the low-water marks readers leave beside a stream, and the positions of every consumer group on it, ours or
a user's. Flows out: XTRIM MINID. Never trims by length (that drops unread entries).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import redis

from fillstream.libs.common.streams import id_key


def low_water_key(stream: str) -> str:
    """Return the hash where readers of `stream` write the id below which they need nothing."""
    return f"{stream}.low"


def trim(client: redis.Redis, stream: str, readers: Iterable[str], retention_s: int) -> int:
    """Drop entries that nobody needs any more; return how many went.

    Args:
        client: a connection.
        stream: the stream's key.
        readers: those who must have left a mark; while one has not, nothing is dropped.
        retention_s: entries younger than this stay in any case (seconds).
    """
    if not client.exists(stream):  # a reader may leave its mark before the first entry
        return 0
    raw: dict[bytes, bytes] = cast(Any, client.hgetall(low_water_key(stream)))
    marks = {reader.decode(): mark.decode() for reader, mark in raw.items()}
    if any(reader not in marks for reader in readers):
        return 0
    seconds, _ = cast(Any, client.time())
    bounds = [f"{(seconds - retention_s) * 1000}-0", *marks.values()]
    groups: list[dict[str, Any]] = cast(Any, client.xinfo_groups(stream))
    for group in groups:
        bounds.append(group["last-delivered-id"].decode())
        pending: dict[str, Any] = cast(Any, client.xpending(stream, group["name"]))
        if pending["pending"]:
            bounds.append(pending["min"].decode())
    return client.xtrim(stream, minid=min(bounds, key=id_key), approximate=True)
