"""What comes of a reconciliation that was asked for, read from the journals and the positions streams.

Flows in: events as they are committed. Flows out: what venues, orders and positions agree in, and what they do not.
Never asks for one: a control does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import redis

from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import Topology

QUIET_S = 0.2
"""When all that was asked for is there, and nothing more came for so long, it is done: accounts follow in parts."""
BLOCK_S = 0.5


@dataclass(slots=True)
class Findings:
    """What was found so far.

    Attributes:
        requested: of venues, by request_id; `reconciled` what came of them.
        differences: between the desk and venues.
        stated: accounts whose holdings were stated, by journal and the number there; `compared` what came of that.
    """

    requested: dict[str, dict[str, Any]] = field(default_factory=dict)
    reconciled: dict[str, dict[str, Any]] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    stated: dict[tuple[int, int], str] = field(default_factory=dict)
    compared: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """What has not been heard of yet, each in words."""
        venues = [
            f"{event['venue']} has not told what it has (book {event['symbol_partition']})"
            for request_id, event in self.requested.items()
            if request_id not in self.reconciled
        ]
        accounts = [name for place, name in self.stated.items() if place not in self.compared]
        return venues + [f"the positions stage has not compared account {name}" for name in accounts]

    @property
    def agrees(self) -> bool:
        """Whether nothing is left for a person to look at, as far as it is known."""
        whole = all(event["complete"] and not event["unresolved"] for event in self.reconciled.values())
        return whole and not any(message["differences"] for message in self.compared.values())

    def event(self, partition: int, event: dict[str, Any], control_id: str) -> None:
        """Take the next event of a partition's journal, from the control's answer on."""
        match event["type"]:
            case "MassStatusRequested" if event.get("control_id") == control_id:
                self.requested[event["request_id"]] = event
            case "VenueReconciled" if event["request_id"] in self.requested:
                self.reconciled[event["request_id"]] = event
            case "ReconciliationDifference" if event["request_id"] in self.requested:
                self.differences.append(event)
            case "HoldingsStated":
                self.stated[partition, event["seq"]] = event["account"]

    def position(self, partition: int, message: dict[str, Any]) -> None:
        """Take the next message of a partition's positions."""
        if message["type"] == "PositionsReconciled":
            self.compared[partition, message["event_seq"]] = message


class Listener:
    """Hears what comes of a reconciliation.

    Args:
        raw: a connection that returns bytes.
        topology: names the streams.
    """

    def __init__(self, raw: redis.Redis, topology: Topology) -> None:
        self._raw = raw
        partitions = range(topology.account_partitions)
        self._events = {topology.events(each): each for each in partitions}
        self._positions = {topology.positions(each): each for each in partitions}
        self._at: dict[str, str] = {}

    def begin(self) -> None:
        """Listen from now on; called before the control is sent."""
        for stream in (*self._events, *self._positions):
            entries: Any = self._raw.xrevrange(stream, count=1)
            self._at[stream] = entries[0][0].decode() if entries else "0-0"

    def hear(self, control_id: str, timeout_s: float) -> Findings:
        """Return what was found once all of it is there, or what is there after so many seconds."""
        found, answered = Findings(), set[int]()
        deadline, quiet = time.monotonic() + timeout_s, 0.0
        while (left := deadline - time.monotonic()) > 0:
            done = len(answered) > 0 and not found.missing
            if done and quiet >= QUIET_S:
                break
            block_s = min(left, QUIET_S if done else BLOCK_S)
            reply: Any = self._raw.xread(cast(Any, self._at), count=1000, block=max(1, int(block_s * 1000)))
            quiet = 0.0 if reply else quiet + block_s
            for name, entries in reply or []:
                stream = name.decode()
                self._at[stream] = entries[-1][0].decode()
                for _, fields in entries:
                    self._take(found, answered, stream, fields, control_id)
        return found

    def _take(
        self, found: Findings, answered: set[int], stream: str, fields: Mapping[bytes, bytes], control_id: str
    ) -> None:
        if is_aside(fields):
            return
        message = orjson.loads(fields[b"data"])
        if (partition := self._positions.get(stream)) is not None:
            found.position(partition, message)
            return
        partition = self._events[stream]
        if message["type"] == "ControlApplied" and message["control_id"] == control_id:
            answered.add(partition)
        elif partition in answered:
            found.event(partition, message, control_id)
