"""What a mass cancel is about, and what it found.

Flows in: accounts, instruments, strategies, sides. Flows out: named tuples. Never does anything.
"""

from __future__ import annotations

from typing import NamedTuple


class Meant(NamedTuple):
    """Which orders are to be canceled; None: of all."""

    account: str | None
    symbol: str | None = None
    strategy: str | None = None
    side: str | None = None


class Done(NamedTuple):
    """What a mass cancel found: orders at venues, in the desk and kept; and the positions that are bare after it."""

    working: int
    held: int
    kept: int
    bare: list[str]
    bare_positions: int
