"""What stands in an inbox and is no message: the note of a release that takes over, and ticks, that make time pass.

Flows in: the names of an entry's fields. Flows out: whether it is such an entry. Never says that a note is genuine:
that is in the stage's checkpoint, and to the stage another one is an entry like any other.

Inboxes are public streams too (`signals`, `events`): who reads one passes over what is no message. No tick is the
desk's in `signals`, whose stage has nothing to do at a time.
"""

from __future__ import annotations

from collections.abc import Collection

NOTE = frozenset((b"release", b"after"))
"""The fields of a note, which claim.lua writes."""


TICK = frozenset((b"tick",))
"""The field of a tick, which the runtime appends; see `runtime.ticker`."""


def is_tick(names: Collection[bytes]) -> bool:
    """Say whether an entry does nothing but make time pass."""
    return len(names) == 1 and TICK.issuperset(names)


def is_aside(names: Collection[bytes]) -> bool:
    """Say whether an entry of the journal, or of what is behind it, is no message."""
    return is_note(names) or is_tick(names)


def is_note(names: Collection[bytes]) -> bool:
    """Say whether an entry with fields of these names is a release's note."""
    return len(names) == len(NOTE) and NOTE.issubset(names)  # else one of them twice would be one
