"""The note that a release leaves in an inbox when it takes over from another: no message, and nobody's business.

Flows in: the names of an entry's fields. Flows out: whether it is such a note. Never says that a note is genuine: that
is in the stage's checkpoint, and to the stage another one is an entry like any other.

Inboxes are public streams too (`signals`, `events`): who reads one passes over its notes.
"""

from __future__ import annotations

from collections.abc import Collection

NOTE = frozenset((b"release", b"after"))
"""The fields of a note, which claim.lua writes."""


def is_note(names: Collection[bytes]) -> bool:
    """Say whether an entry with fields of these names is a release's note."""
    return len(names) == len(NOTE) and NOTE.issuperset(names)
