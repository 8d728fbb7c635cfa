"""Everything Redis holds about one stage's partition, at one moment.

Flows in: a connection and the stage's place. Flows out: a `Story`, for `continuity` to judge. Never changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.checkpoint import parse_checkpoint
from fillstream.libs.common.runtime.continuity import DeskMarker, Extent, GroupPosition, Story, judge_topology
from fillstream.libs.common.runtime.lua import lua


def look(client: redis.Redis, topology: Topology, stage: str, inbox: str) -> Story:
    """Return what there is about a stage's partition.

    Args:
        client: from `connect`.
        topology: the desk's.
        stage: its name.
        inbox: the name of the stream it reads.

    Raises:
        TopologyDiffers: the desk has other partition counts.
        redis.exceptions.RedisError: the server does not answer.
    """
    raw: Any = client
    key = topology.checkpoint(stage, inbox)
    script = lua("look.lua", "extent.lua")
    # Read-only, so that whoever may only read may look.
    reply = raw.execute_command("EVAL_RO", script, 3, topology.key(inbox), key, topology.desk, stage)
    story = parse_story(key, inbox, reply)
    judge_topology(topology, story.marker)
    return story


def read_marker(client: redis.Redis, topology: Topology) -> DeskMarker | None:
    """Return the desk that a server holds; None when it holds none.

    Raises:
        TopologyDiffers: the desk has other partition counts than `topology`.
    """
    raw: Any = client
    told = raw.hgetall(topology.desk)
    if isinstance(told, dict):  # of a client that has the library's own callbacks
        told = [each for pair in told.items() for each in pair]
    marker = parse_marker(told)
    judge_topology(topology, marker)
    return marker


def parse_story(key: str, inbox: str, reply: Any) -> Story:
    """Read the reply of look.lua.

    Args:
        key: of the checkpoint.
        inbox: name of the stream.
        reply: see there.
    """
    desk, checkpoint, extent, now_ms, sent, group = reply
    outputs = {sent[i].decode(): None if sent[i + 1] < 0 else sent[i + 1] for i in range(0, len(sent), 2)}
    return Story(
        key,
        inbox,
        parse_marker(desk),
        parse_checkpoint(checkpoint) if checkpoint else None,
        Extent(extent[0], extent[1], extent[2].decode(), extent[3].decode()) if extent else None,
        now_ms,
        outputs,
        GroupPosition(group[0].decode(), None if group[1] == b"" else int(group[1])) if group else None,
    )


def parse_marker(flat: Sequence[bytes]) -> DeskMarker | None:
    """Read a desk's hash from its reply, names and values in turn; None when there is none."""
    told = {name.decode(): value.decode() for name, value in zip(flat[::2], flat[1::2], strict=True)}
    if "id" not in told:
        return None
    return DeskMarker(
        told["id"],
        int(told.get("born_ms", 0)),
        int(told.get("account_partitions", 1)),
        int(told.get("symbol_partitions", 1)),
        frozenset(name[6:] for name in told if name.startswith("stage:")),
    )
