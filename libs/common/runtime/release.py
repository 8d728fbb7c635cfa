"""Which release decides: the one that runs, and those that decided what is in the log.

Flows in: the notes that claims of a stage's partition left. Flows out: who decided which entries. Never reads a log.

A release that takes a partition over from another appends a note to the inbox, in the same call that takes the fence:

    {release: "0.2.0", after: "1700000000000-3"}

What counts is `after`, the last entry that was committed then: entries that waited at that moment have smaller ids than
the note, and the new release decides them. The note itself changes no state and sends nothing.

Bytes are equal within a release, not between two: nobody folds again silently what another release decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import NamedTuple

from fillstream.libs.common.messages.topology import id_key

UNNOTED = "0.1.0"
"""The release that left no notes."""
BEGINNING = "0-0"


class Note(NamedTuple):
    """Which release decides the entries after an id."""

    release: str
    after: str


class Range(NamedTuple):
    """Entries that one release decided: those after `after` up to `upto`."""

    release: str
    after: str
    upto: str


Notes = Mapping[str, Note]
"""By the id of the note's own entry; that of a partition's first release is `BEGINNING`, where there is no entry."""


@lru_cache(maxsize=1)
def running() -> str:
    """Return the release that runs: the version of the installed package."""
    return version("fillstream")


def order_of(release: str) -> tuple[int, ...]:
    """Return what sorts releases: their leading numbers."""
    numbers = []
    for part in release.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


def ranges(notes: Notes, upto: str) -> list[Range]:
    """Return who decided the entries up to an id, in order; neighbours by the same release are one range."""
    began = {BEGINNING: UNNOTED}
    for entry_id in sorted(notes, key=id_key):
        release, after = notes[entry_id]
        began[after] = release  # a release that took over and decided nothing leaves nothing to tell
    found: list[Range] = []
    for after in sorted(began, key=id_key):
        if id_key(after) >= id_key(upto):
            break
        if found and found[-1].release == began[after]:
            continue
        if found:
            found[-1] = found[-1]._replace(upto=after)
        found.append(Range(began[after], after, upto))
    return found


def own_since(notes: Notes, upto: str, release: str) -> str:
    """Return the id after which `release` decided all up to `upto`; `upto` itself when another decided the last."""
    found = ranges(notes, upto)
    return found[-1].after if found and found[-1].release == release else upto
