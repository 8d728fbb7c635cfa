"""Where a stage stands, as Redis holds it: one hash beside its inbox.

Flows in: the hash's names and values. Flows out: a `Checkpoint`. Never talks to Redis: `log` reads it, the scripts of
claim and commit write it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fillstream.libs.common.runtime.release import BEGINNING, Note
from fillstream.libs.common.runtime.stage import EMPTY_DIGEST


@dataclass(slots=True)
class Checkpoint:
    """Where a stage stands, as Redis holds it.

    Attributes:
        epoch: counts claims; a commit with an older one is refused.
        id: the last entry committed.
        digest: the running hash of all outputs up to there; empty where it was lost, and the checkpoint made again.
        entries: how many entries were committed in all.
        suspect: an entry that once ended the process; empty when none.
        poisoned: entries that were quarantined, with the reason.
        notes: which releases decided, see `release`.
        desk: id of the desk that it is of; empty when an older release left it.
        lost: entries of the inbox that nobody read and whose loss somebody accepted; `entries` and these are as many
            as were ever appended up to `id`.
        gaps: ids after which the next entry that was there followed a loss that somebody accepted.
        sent: how many entries each stream that the stage writes has had, when it last looked, by key.
    """

    epoch: int = 0
    id: str = "0-0"
    digest: bytes = EMPTY_DIGEST
    entries: int = 0
    suspect: str = ""
    poisoned: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    desk: str = ""
    lost: int = 0
    gaps: set[str] = field(default_factory=set)
    sent: dict[str, int] = field(default_factory=dict)


def parse_checkpoint(flat: Sequence[bytes]) -> Checkpoint:
    """Read a checkpoint hash from its reply: names and values in turn."""
    found = Checkpoint()
    if flat and b"digest" not in flat[::2] and b"id" in flat[::2]:
        found.digest = b""
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        match name:
            case b"epoch":
                found.epoch = int(value)
            case b"id":
                found.id = value.decode()
            case b"digest":
                found.digest = value
            case b"entries":
                found.entries = int(value)
            case b"desk":
                found.desk = value.decode()
            case b"lost":
                found.lost = int(value)
            case b"suspect":
                found.suspect = value.decode()
            case _ if name.startswith(b"gap:"):
                found.gaps.add(name[4:].decode())
            case _ if name.startswith(b"sent:"):
                found.sent[name[5:].decode()] = int(value)
            case _ if name.startswith(b"poisoned:"):
                found.poisoned[name[9:].decode()] = value.decode()
            case _ if name.startswith(b"release:"):
                release, _, after = value.decode().partition(" ")
                found.notes[name[8:].decode()] = Note(release, after or BEGINNING)
    return found
