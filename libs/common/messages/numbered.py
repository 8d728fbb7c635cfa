"""Numbers that instruments and accounts have in records: each is unique among its kind.

Flows in: what has a number, by name. Flows out: who has another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class Numbered(Protocol):
    """What has a number of its own."""

    @property
    def id(self) -> int:
        """The number, unique among its kind."""


def with_anothers_id(items: Mapping[str, Numbered]) -> Iterator[tuple[str, str]]:
    """Yield each name whose number an earlier one has, and that one."""
    owners: dict[int, str] = {}
    for name, item in items.items():
        owner = owners.setdefault(item.id, name)
        if owner != name:
            yield name, owner
