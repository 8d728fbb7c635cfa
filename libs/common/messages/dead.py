"""`dead`: entries that nobody could use, whole, with the reason.

Flows in: what a stage could not use. Flows out: a validated model. Never loses a field of the entry: `bad_entry`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Message, Name


class DeadLetter(Message):
    """An entry that nobody could use. Its own fields follow in the same stream entry, each name after `raw:`."""

    type: Literal["DeadLetter"] = "DeadLetter"
    time: int
    stage: Name
    stream: str
    entry_id: str
    reason: Name = Field(description="a stable code in snake case")
    text: str = Field(description="a sentence naming the field, the value and the limit")
