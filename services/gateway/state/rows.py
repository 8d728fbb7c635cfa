"""A row: what is known of one thing, as JSON has it.

Flows in: decoded messages. Flows out: rows, by the names that the streams have. Never makes a number of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Row = dict[str, Any]
"""Numbers are text, times milliseconds since 1970."""
Moved = tuple[str, str, Row]
"""The table that a message moved, what its row goes by there, and the row."""
HEAD: Final = frozenset(("type", "v", "seq", "time", "due_time"))
"""What a message says of itself, and nothing of what it is about."""


def row_of(message: Mapping[str, Any]) -> Row:
    """Return what a message says of its thing, and when it was told."""
    row = {name: value for name, value in message.items() if name not in HEAD}
    row["updated_time"] = message["time"]
    return row
