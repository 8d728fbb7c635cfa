"""`commands.<VENUE>.{s}` and the reports in answer: what the orders stage and a venue say to each other.

Flows in: entries of either. Flows out: validated models. Never decides what a report means for an order.
"""

from __future__ import annotations

from pydantic import BaseModel


class Frame(BaseModel):
    """An entry between the orders stage and the engine: 64-byte records (native/include/fillstream.h), no JSON."""

    frame: bytes
