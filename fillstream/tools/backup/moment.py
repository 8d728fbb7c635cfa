"""What a desk holds at one moment, but for the entries of its streams; and the same, put on another server.

Flows in: a connection, the desk's topology. Flows out: a `Moment`, taken by one call. Every commit of a stage is one
call as well: so checkpoints, the ends of all streams and the positions of all groups fit together, whoever writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from fillstream.libs.common.messages.stages import Place, places
from fillstream.libs.common.messages.topology import KINDS, Topology, low_water_key
from fillstream.libs.common.runtime.checkpoint import Checkpoint, parse_checkpoint
from fillstream.libs.common.runtime.lua import lua

Pairs = list[tuple[bytes, bytes]]
"""The names and values of a hash."""


@dataclass(frozen=True, slots=True)
class Group:
    """Where a consumer group of a stream stands.

    Attributes:
        name: the group's, as latin-1.
        at: the last entry that it was given.
        read: how many entries it was given; None where the server does not know.
        pending: how many it has not acknowledged; a backup leaves those out.
    """

    name: str
    at: str
    read: int | None
    pending: int


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """What a stream says of itself.

    Attributes:
        added: how many entries it was ever given.
        length: how many are there.
        last_id: the newest id ever given out.
        deleted_id: the newest id ever deleted one by one.
        groups: who reads it.
    """

    added: int
    length: int
    last_id: str
    deleted_id: str
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """See the module.

    Attributes:
        ms: when, by the server's clock.
        streams: by name; only those that there are.
        hashes: the desk's small hashes by key; only those that there are.
    """

    ms: int
    streams: Mapping[str, StreamEnd] = field(default_factory=dict)
    hashes: Mapping[str, Pairs] = field(default_factory=dict)

    def checkpoint(self, key: str) -> Checkpoint | None:
        """Return a stage's checkpoint by its key; None when there was none."""
        found = self.hashes.get(key)
        return parse_checkpoint([each for pair in found for each in pair]) if found else None


def stages(topology: Topology) -> Iterator[tuple[Place, str]]:
    """Yield every stage's partition with the name of its inbox."""
    for place in places(topology):
        if place.inbox is not None:
            yield place, place.inbox


def stream_names(topology: Topology) -> list[str]:
    """Return the names of the desk's streams."""
    return [name for kind in KINDS for name in topology.names(kind)]


def hash_keys(topology: Topology) -> list[str]:
    """Return the keys of the hashes that a desk cannot be without; the copies of snapshots are larger, and apart."""
    found = [topology.checkpoint(place.program.name, inbox) for place, inbox in stages(topology)]
    found += [low_water_key(topology.key(name)) for name in stream_names(topology)]
    return [*found, topology.recover, topology.keys, topology.users, topology.passwords, topology.desk]


def copy_keys(topology: Topology) -> list[str]:
    """Return the keys of the copies of the stages' snapshots."""
    return [topology.copy(place.program.name, inbox) for place, inbox in stages(topology)]


def take(client: redis.Redis, topology: Topology) -> Moment:
    """Return what a desk holds now."""
    raw: Any = client
    names, keys = stream_names(topology), hash_keys(topology)
    all_keys = [*map(topology.key, names), *keys]
    ms, streams, hashes = raw.eval(lua("moment.lua"), len(all_keys), *all_keys, len(names))
    return Moment(
        ms,
        {name: _end(told) for name, told in zip(names, streams, strict=True) if told},
        {
            key: list(zip(flat[::2], flat[1::2], strict=True))
            for key, flat in zip(keys, hashes, strict=True)
            if flat
        },
    )  # fmt: skip


def _end(told: list[Any]) -> StreamEnd:
    added, length, last_id, deleted_id, groups = told
    return StreamEnd(
        added, length, last_id.decode(), deleted_id.decode(),
        tuple(
            Group(name.decode("latin-1"), at.decode(), None if read == b"" else int(read), pending)
            for name, at, read, pending in zip(*(groups[part::4] for part in range(4)), strict=True)
        ),
    )  # fmt: skip


def finish_stream(client: redis.Redis, key: str, end: StreamEnd) -> None:
    """Let a stream whose entries were put back say of itself what it said, and make its groups.

    Args:
        client: a connection.
        key: of the stream; made when it has no entries.
        end: what it said.
    """
    raw: Any = client
    raw.execute_command("XGROUP", "CREATE", key, "restore", "0", "MKSTREAM")
    raw.execute_command("XGROUP", "DESTROY", key, "restore")
    raw.execute_command(
        "XSETID", key, end.last_id, "ENTRIESADDED", end.added, "MAXDELETEDID", end.deleted_id
    )  # fmt: skip
    for group in end.groups:
        name = group.name.encode("latin-1")
        read = () if group.read is None else ("ENTRIESREAD", group.read)
        raw.execute_command("XGROUP", "CREATE", key, name, group.at, *read)
