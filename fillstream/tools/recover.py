"""What stopped the stages of a desk for a person, and the word of that person for a stage.

Flows in: what stages told when they stopped, and what Redis holds of each. Flows out: `Stopped`s; an acceptance, left
in Redis for the stage to act on. Never repairs anything itself: snapshots are on volumes that only the stage can reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import redis

from fillstream.libs.common.messages.stages import STAGES, Place, places, process_name
from fillstream.libs.common.messages.topology import KINDS, Topology
from fillstream.libs.common.runtime.acceptance import Acceptance, can_be_accepted
from fillstream.libs.common.runtime.continuity import Page, RecoveryError, Volume, judge
from fillstream.libs.common.runtime.look import look
from fillstream.libs.common.runtime.server_checks import refuse_overwritten


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stage that cannot go on by itself.

    Attributes:
        process: what it is called, as `orders` or `engine-SIM2`.
        stage: which stage of the map it is.
        page: of the runbook.
        text: the sentence with which it stopped, or would stop.
        entry: the entry that it stopped at, where there is one.
        waits: the word that was left for it already, if one was.
    """

    process: str
    stage: str
    page: Page
    text: str
    entry: str
    waits: Acceptance | None

    @property
    def can_be_accepted(self) -> bool:
        """Whether the stage could go on without what is lost; a reader's way on is in its sentence."""
        return self.stage in STAGES and can_be_accepted(self.page, self.stage)


def stopped(client: redis.Redis, topology: Topology) -> list[Stopped]:
    """Return the stages that stopped for a person, or would when they are started.

    Args:
        client: from `connect`.
        topology: the desk's.

    Raises:
        TopologyDiffers: the settings have other partition counts than the desk.
        ServerRefused: a key of the desk holds something else.
        redis.exceptions.RedisError: the server does not answer.
    """
    held = [place for place in places(topology) if place.inbox is not None]
    checkpoints = [topology.checkpoint(each.program.name, str(each.inbox)) for each in held]
    statuses = [_status(topology, each) for each in places(topology)]
    streams = [topology.key(name) for kind in KINDS for name in topology.names(kind)]
    refuse_overwritten(client, streams, [topology.desk, topology.recover, *checkpoints, *statuses])
    return list(_stopped(client, topology))


def _stopped(client: redis.Redis, topology: Topology) -> Iterator[Stopped]:
    raw: Any = client
    for place in places(topology):
        if place.inbox is None:
            reader = _told(raw, topology, place)
            if reader is not None:
                name = process_name(place)
                yield Stopped(name, place.program.name, reader.page, reader.text, reader.entry, None)
            continue
        found = _told(raw, topology, place) or _judged(client, topology, place)
        if found is not None:
            word = raw.hget(topology.recover, topology.checkpoint(place.program.name, place.inbox))
            waits = Acceptance.load(word) if word else None
            yield Stopped(process_name(place), place.program.name, found.page, found.text, found.entry, waits)


def _told(raw: Any, topology: Topology, place: Place) -> RecoveryError | None:
    """Return why a stage stopped, by its own last words: it alone knows its volume."""
    told = {name.decode(): value.decode() for name, value in raw.hgetall(_status(topology, place)).items()}
    if told.get("state") != "crashed" or not told.get("page"):
        return None
    return RecoveryError(Page(told["page"]), told["stopped_by"], told.get("stopped_at", ""))


def _judged(client: redis.Redis, topology: Topology, place: Place) -> RecoveryError | None:
    """Return why a stage that has not said so would stop, as far as Redis alone tells."""
    assert place.inbox is not None
    try:
        judge(look(client, topology, place.program.name, place.inbox), Volume())
    except RecoveryError as error:
        return error
    return None


def _status(topology: Topology, place: Place) -> str:
    return topology.status(place.program.name, place.inbox)


def accept(client: redis.Redis, topology: Topology, one: Stopped, who: str, reason: str) -> Acceptance:
    """Leave a person's word for a stage; it acts on it at its next start.

    Args:
        client: may write the key `recover`.
        topology: the desk's.
        one: what is accepted; `can_be_accepted`.
        who: accepts it.
        reason: in that person's words.
    """
    word = Acceptance(one.page, one.text, who, reason, str(uuid4()), one.entry)
    place = next(each for each in places(topology) if process_name(each) == one.process)
    assert place.inbox is not None
    key = topology.checkpoint(place.program.name, place.inbox)
    client.hset(topology.recover, key, word.dump())
    return word
