"""What a gateway writes down of who did what: entries of the stream `gateway.audit`.

Flows in: what was done. Flows out: entries, and what they say. Never has a body, a password, a session or a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import orjson

KEPT: Final = 100_000
"""Entries, about: what is older goes as others come."""
PAGE: Final = 1_000
MOST_LOOKED: Final = 20_000
"""Entries that a page is looked for in; one that has fewer than it may says where the next begins."""
Raw = tuple[bytes, Mapping[bytes, bytes]]
"""An entry as Redis has it: its id, its fields."""


class Action(StrEnum):
    """What is written down."""

    LOGIN = "login"
    LOGOUT = "logout"
    PASSWORD = "password"  # noqa: S105 - a word
    LOCKOUT = "lockout"
    WRITE = "write"


def entry_of(action: Action, outcome: str, time_ms: int, said: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the fields of an entry.

    Args:
        action: what was done.
        outcome: `done`, or the reason why not, in snake case.
        time_ms: when, milliseconds since 1970.
        said: `who` (a name), `caller` (its id: a key's, `user:NAME`), `address`, and of a write `method`, `path` (as
            the API has it, without any value) and `status`; None is left out.
    """
    more = {name: value for name, value in said.items() if value is not None}
    return {"data": orjson.dumps({"time": time_ms, "action": action, "outcome": outcome, **more})}


def told_of(raw: Raw) -> dict[str, Any]:
    """Return what an entry says, with its `id`; one that cannot be read says so in `outcome`."""
    entry_id, fields = raw
    try:
        said = orjson.loads(fields.get(b"data", b""))
    except orjson.JSONDecodeError:
        said = None
    known = said if isinstance(said, dict) else {"outcome": "unreadable"}
    return {**known, "id": entry_id.decode()}


class Search:
    """A page of entries, the newest first, out of pages as Redis gives them.

    Args:
        who, action: of which; None for all.
        cursor: of the page before; None for the first.
        limit: of entries.

    Attributes:
        found: entries so far.
        next: the cursor of the next page; None of the last.
        is_done: whether all is found.
    """

    def __init__(self, who: str | None, action: str | None, cursor: str | None, limit: int) -> None:
        self._wanted = {name: value for name, value in (("who", who), ("action", action)) if value is not None}
        self._limit = limit
        self._looked = 0
        self.found: list[dict[str, Any]] = []
        self.next = cursor
        self.is_done = False

    @property
    def command(self) -> tuple[str, ...]:
        """What XREVRANGE is asked behind the key's name."""
        return ("+" if self.next is None else f"({self.next}", "-", "COUNT", str(PAGE))

    def take(self, entries: Sequence[Raw]) -> None:
        """Take what that has found."""
        for raw in entries:
            if len(self.found) == self._limit or self._looked == MOST_LOOKED:
                self.is_done = True
                return
            self._looked += 1
            self.next = raw[0].decode()
            told = told_of(raw)
            if all(told.get(name) == value for name, value in self._wanted.items()):
                self.found.append(told)
        if len(entries) < PAGE:
            self.is_done, self.next = True, None
