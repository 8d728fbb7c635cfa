"""`dead`: entries that nobody could use, with the reason; whole, but for very large ones.

Flows in: what a stage could not use. Flows out: a validated model. What becomes of the entry itself: `bad_entry`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Message, Name


class DeadLetter(Message):
    """An entry that nobody could use. Its own fields follow in the same stream entry, each name after `raw:`.

    Of an entry of more than 512 KiB follow its first 4096 bytes, each name after `head:`, with `entry_bytes`,
    `entry_fields` and `entry_blake2b`, which tell its size and which one it was.
    """

    type: Literal["DeadLetter"] = "DeadLetter"
    time: int
    stage: Name
    stream: str
    entry_id: str
    reason: Name = Field(description="a stable code in snake case")
    text: str = Field(description="a sentence naming the field, the value and the limit")
