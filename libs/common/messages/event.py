"""What every entry of the journal says.

Flows in: what the orders stage decided. Flows out: the head of validated models; `journal` has them.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from fillstream.libs.common.messages.base import Message, Name


class Event(Message):
    """Every entry of the journal: `seq` counts the partition's events from 1 without a gap."""

    # Stages write events and never validate one: who does, first builds what it takes. A quarter of a stage's start.
    model_config = ConfigDict(defer_build=True)

    seq: int = Field(ge=1)
    time: int = Field(ge=0, description="milliseconds since 1970, UTC, of the log entry that caused it")
    due_time: int | None = Field(
        default=None,
        ge=0,
        description="of what a time caused and not the entry: when that was due, at `time` or before",
    )
    alias: Name | None = Field(
        default=None, description="by which the signal or the control that caused it named its account; absent of most"
    )
