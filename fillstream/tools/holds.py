"""Who keeps a desk's streams from being trimmed, and whose claim has lapsed.

Flows in: the marks and groups beside the streams, and what stages wrote down of claims. Flows out: `Hold`s. Never
changes anything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Literal

import redis

from fillstream.libs.common.messages.stages import READERS, STAGES, Place, StageSpec, trims
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.trim import look

SHOWN_S = 3600.0
"""A reader is told to people when it holds so much log time more than is kept anyway."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One reader's claim on one stream.

    Attributes:
        stream: its key.
        reader: its name.
        kind: a stage; another process of the house; or a consumer group or a mark of somebody else's.
        held_s: the log time that it has yet to let go (seconds).
        lapsed: why its claim counts no more; None of one that counts.
    """

    stream: str
    reader: str
    kind: Literal["stage", "reader", "group"]
    held_s: float
    lapsed: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return its fields by name."""
        return asdict(self)

    def is_long(self, retention_s: int) -> bool:
        """Whether people should know: more is kept for it than would be anyway, or it has lost its claim."""
        return self.lapsed is not None or self.held_s > retention_s + SHOWN_S

    @property
    def text(self) -> str:
        """It in a sentence."""
        if self.lapsed is not None:
            return (
                f"{self.stream}: {self.kind} {self.reader} was away too long and is waited for no more: {self.lapsed}"
            )
        return f"{self.stream}: {self.kind} {self.reader} holds {self.held_s / 3600:.1f} h, which cannot be trimmed"

    @property
    def way_on(self) -> str:
        """What to do about it."""
        if self.kind == "group":
            gone = f"redis-cli XGROUP DESTROY {self.stream} {self.reader}, or HDEL {self.stream}.low {self.reader}"
            return f"let it read on, or, when it is gone for good, {gone}"
        if self.kind == "reader" and self.lapsed is not None:
            return "start it: docs/analytics.md, After an absence, says how it catches up"
        return "start it again: it goes on where it stopped"


def holds(client: redis.Redis, topology: Topology, place: Place, present: Collection[str]) -> list[Hold]:
    """Return the claims on the streams that a stage's process trims, those that count first.

    Args:
        client: a connection.
        topology: the desk's.
        place: the process.
        present: which readers this desk has.
    """
    if not isinstance(place.program, StageSpec) or place.inbox is None:
        return []
    found = []
    for name, readers in trims(place.program, place.inbox, topology, present).items():
        kept = look(client, topology.key(name), readers)
        if kept is not None:
            held = [(reader, held_ms / 1000, None) for reader, held_ms in kept.held_ms.items()]
            told = [*held, *((reader, 0.0, lapse.why) for reader, lapse in kept.lapsed.items())]
            found += [Hold(kept.stream, reader, _kind(reader), s, why) for reader, s, why in told]
    return found


def _kind(reader: str) -> Literal["stage", "reader", "group"]:
    return "stage" if reader in STAGES else "reader" if reader in READERS else "group"
