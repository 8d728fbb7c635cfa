"""What the log still has, compared with what analytics has read of it.

Flows in: XINFO STREAM of a stream, the offset reached in it. Flows out: nothing, or what is missing, in a sentence.
Never talks to Redis itself, the functions at the end aside.

A stream counts the entries it was ever given (`entries-added`), and analytics counts those it has read. Whatever was
trimmed before it was read shows as a difference, without comparing entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from fillstream.libs.common.messages.topology import id_key
from fillstream.services.analytics.sinks.store import Offset

MAX_SEQUENCE = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Extent:
    """What a stream holds.

    Attributes:
        added: entries ever appended.
        length: entries there now.
        first_id: of the oldest entry, None when empty.
        last_id: the newest id ever given out.
        deleted_id: the newest id ever deleted one by one.
    """

    added: int = 0
    length: int = 0
    first_id: str | None = None
    last_id: str = "0-0"
    deleted_id: str = "0-0"


def trimmed_unread(extent: Extent, read: Offset) -> int:
    """Return how many entries were dropped from the stream's old end before they were read."""
    if extent.first_id is not None and id_key(extent.first_id) <= id_key(read.id):
        return 0
    if extent.length == 0 and extent.deleted_id == extent.last_id:
        return 0  # emptied one by one
    return max(0, extent.added - read.entries - extent.length)


def deleted_unread(extent: Extent, read: Offset) -> int:
    """Return how many entries were deleted one by one before they were read; known once all others have been."""
    nothing_left = extent.last_id == read.id or extent.length == 0
    return max(0, extent.added - read.entries) if nothing_left else 0


def behind(extent: Extent, read: Offset) -> str | None:
    """Return a sentence when the log is not the one that was read: Redis has lost entries, or began anew."""
    if id_key(extent.last_id) < id_key(read.id):
        return f"Redis ends at {extent.last_id}, analytics has read up to {read.id}"
    if extent.added < read.entries:
        return f"Redis has had {extent.added} entries, analytics has read {read.entries}"
    all_unread = extent.first_id is not None and id_key(extent.first_id) > id_key(read.id)
    if all_unread and extent.length > extent.added - read.entries:
        return (
            f"Redis has {extent.length} entries after {read.id}, though only {extent.added - read.entries} came since"
        )
    return None


def continue_at(extent: Extent) -> Offset:
    """Return the offset just before the oldest entry there is."""
    if extent.first_id is None:
        return Offset(extent.last_id, extent.added)
    return Offset(before(extent.first_id), extent.added - extent.length)


def before(entry_id: str) -> str:
    """Return the greatest id below `entry_id`."""
    ms, sequence = id_key(entry_id)
    if sequence:
        return f"{ms}-{sequence - 1}"
    return f"{ms - 1}-{MAX_SEQUENCE}" if ms else "0-0"


def extent_of(client: redis.Redis, stream: str) -> Extent:
    """Return what a stream holds; one that is not there holds nothing."""
    raw: Any = client
    if not raw.exists(stream):
        return Extent()
    info = raw.xinfo_stream(stream)
    first = info["first-entry"]
    return Extent(
        int(info["entries-added"]),
        int(info["length"]),
        first[0].decode() if first else None,
        info["last-generated-id"].decode(),
        info["max-deleted-entry-id"].decode(),
    )


def check_anchor(client: redis.Redis, stream: str, extent: Extent, read: Offset) -> str | None:
    """Return a sentence when the last entry read should still be there and is not: the log was written anew."""
    if extent.first_id is None or id_key(extent.first_id) > id_key(read.id) or read.id == "0-0":
        return None
    raw: Any = client
    if raw.xrange(stream, read.id, read.id) or id_key(extent.deleted_id) >= id_key(read.id):
        return None
    return f"Redis does not have entry {read.id}, which analytics has read, though it has older ones"
