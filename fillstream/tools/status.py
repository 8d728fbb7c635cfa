"""How every stage is doing, as Redis tells it: works when stages are down.

Flows in: status and checkpoint hashes, the streams' own counts. Flows out: `StageState`s. Never talks to a service.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

import redis

from fillstream.client.analytics import address_of
from fillstream.libs.common.messages.stages import Place, doors, name_at, places
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.heartbeat import IDLE_S, statuses_in
from fillstream.tools.holds import Hold, holds

SILENT_MS = round(2 * IDLE_S * 1000)
"""A live process tells about itself every `IDLE_S` at least; one that was silent for longer is down."""
NOT_THERE = ("never started", "stopped")
"""States of a door that a desk does without."""


@dataclass(frozen=True, slots=True)
class StageState:
    """One partition of a stage.

    Attributes:
        stage: its name, with the venue's where that is not SIM: `engine-SIM2`.
        progress: what a stage that is recovering does, and how far it is; None of others.
        state: live, recovering, paused, stopping, crashed; `down` when it has been silent; `never started`.
        lag: entries of its inbox that it has not committed.
        entries_per_s: throughput of its last second.
        snapshot_age_s: since its last snapshot; None without one.
        url: where people open its pages and metrics.
        at_ms: when it told this.
        note: what it says beside figures: where aliases point, which accounts are live.
        holds: who keeps the streams that it trims from being trimmed.
        output_hash: the running hash of all that it has sent, in hex: equal logs give equal ones. None without one.
    """

    stage: str
    partition: int
    state: str
    inbox: str | None
    lag: int | None
    entries: int | None
    entries_per_s: float | None
    snapshot_id: str | None
    snapshot_age_s: float | None
    restarts: int | None
    pid: int | None
    url: str | None
    last_error: str | None
    progress: str | None
    at_ms: int | None
    note: str | None = None
    holds: tuple[Hold, ...] = ()
    output_hash: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it consumes."""
        return self.state == "live"

    def as_dict(self) -> dict[str, Any]:
        """Return its fields by name."""
        return asdict(self)


def states(client: redis.Redis, topology: Topology, present: Collection[str] = ()) -> list[StageState]:
    """Return the state of every stage, and of each gateway where there are some.

    Args:
        client: a connection.
        topology: the desk's.
        present: readers that hold trimming though they have left no mark yet.

    Raises:
        redis.exceptions.RedisError: the server does not answer.
    """
    raw: Any = client
    seconds, microseconds = raw.time()  # the server's clock: this machine's may be another
    now_ms = seconds * 1000 + microseconds // 1000
    found = [
        replace(_state(raw, topology, place, now_ms), holds=tuple(holds(client, topology, place, present)))
        for place in places(topology)
    ]
    beside = [each for place in doors() for each in _instances(raw, topology, place, now_ms)]
    return [*found, *(each for each in beside if each.state not in NOT_THERE)]


def _instances(raw: Any, topology: Topology, place: Place, now_ms: int) -> list[StageState]:
    """Return the state of each of a door's processes, which share a hash; which is which is in their notes."""
    told = statuses_in(raw.hgetall(topology.status(place.program.name)))
    told = {name: said for name, said in told.items() if said.get("state") != "stopped"}
    own = told.get("")
    if own is not None and len(told) > 1 and now_ms - (_int(own, "at_ms") or 0) > SILENT_MS:
        del told[""]  # of a release before there were several, which others have come after
    return [
        replace(_as_told(raw, topology, place, now_ms, said), note=said.get("note") or name or None)
        for name, said in sorted(told.items())
    ]


def _state(raw: Any, topology: Topology, place: Place, now_ms: int) -> StageState:
    said = raw.hgetall(topology.status(place.program.name, place.inbox))
    told = {name.decode(): value.decode() for name, value in said.items()}
    return _as_told(raw, topology, place, now_ms, told)


def _as_told(raw: Any, topology: Topology, place: Place, now_ms: int, told: dict[str, str]) -> StageState:
    stage, inbox = place.program.name, place.inbox
    entries, lag = _int(told, "entries"), _int(told, "lag")
    digest: bytes | None = None
    if inbox is not None:
        # Not what the stage told last: it may have died since.
        found, lost, digest = raw.hmget(topology.checkpoint(stage, inbox), "entries", "lost", "digest")
        entries = int(found or 0)
        lag = _behind(raw, topology.key(inbox), entries + int(lost or 0))
    at_ms = _int(told, "at_ms")
    state = told.get("state", "never started")
    if at_ms is not None and now_ms - at_ms > SILENT_MS and state != "crashed":
        state = "down"
    age_s = _float(told, "snapshot_age_s")
    if age_s is not None and age_s >= 0 and at_ms is not None:
        age_s = round(age_s + max(0, now_ms - at_ms) / 1000, 1)
    return StageState(
        stage=name_at(stage, place.venue),
        partition=place.partition,
        state=state,
        inbox=None if inbox is None else topology.key(inbox),
        lag=lag,
        entries=entries,
        entries_per_s=_float(told, "entries_per_s") if state == "live" else None,
        snapshot_id=told.get("snapshot_id") or None,
        snapshot_age_s=None if age_s is None or age_s < 0 else age_s,
        restarts=_int(told, "restarts"),
        pid=_int(told, "pid"),
        url=address_of(told),
        last_error=told.get("last_error") or None,
        progress=told.get("progress") or None if state == "recovering" else None,
        at_ms=at_ms,
        note=told.get("note") or None,
        output_hash=digest.hex() if digest else None,
    )


def _behind(raw: Any, inbox: str, entries: int) -> int:
    """Return how many entries of its inbox a stage has not committed; 0 where there is no stream yet."""
    try:
        added = raw.xinfo_stream(inbox)["entries-added"]
    except redis.exceptions.ResponseError:
        return 0
    return max(0, int(added) - entries)


def _int(told: dict[str, str], name: str) -> int | None:
    return int(told[name]) if told.get(name) else None


def _float(told: dict[str, str], name: str) -> float | None:
    return float(told[name]) if told.get(name) else None


def ago(at_ms: int) -> str:
    """Return how long ago a moment of this machine's clock was, for people."""
    seconds = max(0, int(time.time() - at_ms / 1000))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
