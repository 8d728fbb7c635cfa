"""A stage with its place in the house: whom it feeds, and who else reads the streams that it trims.

Flows in: a fold, and the map. Flows out: keys to look at. Never talks to Redis.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fillstream.libs.common.messages import stages
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Stage


@dataclass(frozen=True, slots=True)
class Downstream:
    """A stage that this one feeds; its lag holds this one back.

    Attributes:
        stream: key of what it reads.
        checkpoint: key of where it stands.
    """

    stream: str
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Role:
    """A stage with its place in the house.

    Attributes:
        stage: the fold.
        downstream: whose lag holds it back.
        trims: stream key to the readers that must have left a low-water mark there.
    """

    stage: Stage
    downstream: Sequence[Downstream]
    trims: Mapping[str, Sequence[str]]


def role_of(stage: Stage, topology: Topology, present: Collection[str]) -> Role:
    """Return the place that the map gives to a stage.

    Args:
        stage: the fold; its name is one of the map's.
        topology: the desk's.
        present: which readers that hold trimming this desk has.
    """
    spec = stages.STAGES[stage.name]
    return Role(
        stage,
        [
            Downstream(topology.key(inbox), topology.checkpoint(name, inbox))
            for name, inbox in stages.downstream(spec, stage.partition, topology)
        ],
        {topology.key(name): readers for name, readers in stages.trims(spec, stage.inbox, topology, present).items()},
    )
