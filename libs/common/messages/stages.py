"""The map of the house: every stage and every reader, what it reads and writes, how it is run, and on which port.

Flows in: a topology. Flows out: who is held back by whom, who trims what and for whom, which processes there are. Never
imports a service, a library or a contract: whoever only wants to know a name is not made to load the models.

What trims, waits, shows, replays, audits, describes or starts a stage looks here, and compose, Kubernetes and
Prometheus are tested against it. To add a stage is an entry in `STAGES`; to read a public stream is one in `READERS`,
and no line in the code of the stage that writes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from fillstream.libs.common.messages.topology import KINDS, SIM, Kind, PartitionedBy, Topology


@dataclass(frozen=True, slots=True)
class Program:
    """What runs as a process of its own, or one for each partition.

    Attributes:
        name: of the process, the compose service, the pods, the metric label `stage` and `--stage`.
        command: what stands behind `python -m`.
        port: where it serves HTTP.
        text: what it does, in a sentence.
        reads: the kinds of streams it reads.
    """

    name: str
    command: tuple[str, ...]
    port: int
    text: str
    reads: tuple[str, ...]

    @property
    def module(self) -> str:
        """The package of its service."""
        return self.command[0]

    @property
    def partitioned_by(self) -> PartitionedBy | None:
        """Whose partitions it has, a process each; None when there is one process."""
        return None


@dataclass(frozen=True, slots=True)
class StageSpec(Program):
    """A stage: a fold over one inbox, the only stream it reads; one process for each stream of that kind.

    Attributes:
        writes: the kinds of streams that the fold sends to.
    """

    writes: tuple[str, ...]

    @property
    def inbox(self) -> Kind:
        """The kind of stream it reads."""
        (kind,) = self.reads
        return KINDS[kind]

    @property
    def partitioned_by(self) -> PartitionedBy | None:
        """Whose partitions it has, a process each; None when there is one process."""
        return self.inbox.partitioned_by

    @property
    def feeds(self) -> tuple[StageSpec, ...]:
        """The stages behind it that read what it writes: their lag holds it back.

        Only edges that lead on count. The engine's answers lead back to the orders stage, which waits for the engine
        already: two that wait for each other stop.
        """
        on_the_way = list(STAGES.values())
        behind = on_the_way[on_the_way.index(self) + 1 :]
        return tuple(each for each in behind if each.inbox.name in self.writes)


@dataclass(frozen=True, slots=True)
class ReaderSpec(Program):
    """A process that reads public streams behind the stages, and holds none of them back."""


@dataclass(frozen=True, slots=True)
class SourceSpec(Program):
    """A process that publishes what comes from outside, as any client does; a desk has it where it is configured.

    Attributes:
        writes: the kinds of streams that it appends to.
    """

    writes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DoorSpec(Program):
    """A process that people and programs come in by: it reads public streams, holds none back, and publishes for them.

    Attributes:
        writes: the kinds of streams that it appends to.
    """

    writes: tuple[str, ...]


STAGES: Final[dict[str, StageSpec]] = {
    each.name: each
    for each in (
        StageSpec(
            name="signals",
            command=("fillstream.services.order_service", "signals"),
            port=8004,
            text="Turns every signal into one instruction for the account partition that must act on it.",
            reads=("signals",),
            writes=("orders", "dead"),
        ),
        StageSpec(
            name="orders",
            command=("fillstream.services.order_service", "orders"),
            port=8005,
            text="Validates orders against limits, holds their state, routes them to the venue and keeps the journal.",
            reads=("orders",),
            writes=("events", "commands", "dead"),
        ),
        StageSpec(
            name="engine",
            command=("fillstream.services.matching_engine",),
            port=8006,
            text="A simulated venue: a price-time-priority book in C behind frames of 64-byte records.",
            reads=("commands",),
            writes=("orders", "market", "dead"),
        ),
        StageSpec(
            name="positions",
            command=("fillstream.services.position_service",),
            port=8007,
            text="Books fills: positions with exact P&L; does what protections, targets, rules and limits on risk say.",
            reads=("events",),
            writes=("positions", "orders", "dead"),
        ),
    )
}
"""The stages, in the order in which a signal meets them."""

READERS: Final[dict[str, ReaderSpec]] = {
    each.name: each
    for each in (
        ReaderSpec(
            name="analytics",
            command=("fillstream.services.analytics",),
            port=8008,
            text="Every event of every public stream in one DuckDB file, and SQL over it: POST /query, GET /orders, "
            "/orders/{order_id}, /fills, /positions.",
            reads=("signals", "dead", "events", "positions", "market"),
        ),
    )
}
"""Who else reads the public streams."""

SOURCES: Final[dict[str, SourceSpec]] = {
    each.name: each
    for each in (
        SourceSpec(
            name="api-monitor",
            command=("fillstream.services.api_monitor",),
            port=8009,
            text="Polls outside prediction APIs, and publishes what they say as predictions.",
            reads=(),
            writes=("signals",),
        ),
    )
}
"""Who else writes a public stream. None is there unless a desk is told of it; it goes by a client's user."""

DOORS: Final[dict[str, DoorSpec]] = {
    each.name: each
    for each in (
        DoorSpec(
            name="gateway",
            command=("fillstream.services.gateway",),
            port=8000,
            text="The front door: REST, WebSocket, and the clients people already have.",
            reads=("events", "positions", "market", "dead"),
            writes=("signals", "orders"),
        ),
    )
}
"""Who lets others in. A desk has it where what it needs is installed (the extra `gateway`)."""
DESK_PATH: Final = "/desk"
"""Below which the gateway serves the web desk."""

PROGRAMS: Final[tuple[StageSpec | ReaderSpec, ...]] = (*STAGES.values(), *READERS.values())


@dataclass(frozen=True, slots=True)
class Place:
    """One process of the house.

    Attributes:
        program: what runs there.
        inbox: the name of the stage's stream; None of a reader of many.
        partition: of that stream, 0 where it has none.
        venue: whose commands it executes, where there is such a stage for each venue.
    """

    program: StageSpec | ReaderSpec | DoorSpec
    inbox: str | None
    partition: int = 0
    venue: str | None = None


def places(topology: Topology) -> Iterator[Place]:
    """Yield every process of a desk, a program after the other, each program's partitions in order."""
    for spec in STAGES.values():
        for inbox in topology.names(spec.inbox.name):
            parts = inbox.split(".")[1:]
            partition = int(parts[-1]) if spec.partitioned_by else 0
            yield Place(spec, inbox, partition, parts[0] if spec.inbox.per_venue else None)
    for reader in READERS.values():
        yield Place(reader, None)


def doors() -> Iterator[Place]:
    """Yield the processes that let others in; a desk may have none of them."""
    for door in DOORS.values():
        yield Place(door, None)


def name_at(name: str, venue: str | None) -> str:
    """Return what a program is called that there is for each venue: `engine` at SIM, `engine-OTHER` at another."""
    return name if venue in (None, SIM) else f"{name}-{venue}"


def label_of(stage: str, inbox: str) -> str:
    """Return what a stage's process is called, partitions aside, by its inbox: the label `stage` of metrics."""
    kind, *parts = inbox.split(".")
    return name_at(stage, parts[0] if kind in KINDS and KINDS[kind].per_venue else None)


def process_name(place: Place) -> str:
    """Return what a process is called on one machine: `orders`, `orders-1`, `engine-OTHER` for another venue."""
    name = name_at(place.program.name, place.venue)
    return f"{name}-{place.partition}" if place.partition else name


def outputs(spec: StageSpec, partition: int, topology: Topology) -> list[str]:
    """Return the names of the streams that a stage's partition sends to.

    What is partitioned as the stage is goes to its own partition, everything else to any.
    """
    found = []
    for kind in spec.writes:
        own = KINDS[kind].partitioned_by == spec.partitioned_by and spec.partitioned_by is not None
        found += [name for name in topology.names(kind) if not own or name.endswith(f".{partition}")]
    return found


def downstream(spec: StageSpec, partition: int, topology: Topology) -> list[tuple[str, str]]:
    """Return the stages whose lag holds this one's partition back, each with the inbox that it feeds there."""
    stage_of = {each.inbox.name: each.name for each in spec.feeds}
    sent = outputs(spec, partition, topology)
    return [(stage_of[kind], name) for name in sent if (kind := name.split(".")[0]) in stage_of]


def trimmer_of(kind: str) -> StageSpec | None:
    """Return who trims the streams of a kind: the stage that reads them, else the first that writes them.

    None of a lossy one: it is cut by length as it is written.
    """
    if KINDS[kind].lossy:
        return None
    readers = [spec for spec in STAGES.values() if spec.inbox.name == kind]
    return next(iter([*readers, *(spec for spec in STAGES.values() if kind in spec.writes)]))


def trims(spec: StageSpec, inbox: str, topology: Topology, present: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the streams that a stage's process trims, by name, with the readers that must have left a mark there.

    Args:
        spec: the stage.
        inbox: the stream that the process reads.
        topology: the desk's.
        present: which readers this desk has.
    """
    held_by = {
        kind: tuple(each.name for each in READERS.values() if kind in each.reads and each.name in present)
        for kind in KINDS
    }
    found = {inbox: (spec.name, *held_by[spec.inbox.name])}
    partition = int(inbox.rpartition(".")[2]) if spec.partitioned_by else 0
    for name in outputs(spec, partition, topology):
        kind = name.split(".")[0]
        if trimmer_of(kind) is spec:
            found[name] = held_by[kind]
    return found
