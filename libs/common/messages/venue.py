"""`commands.<VENUE>.{s}` and the reports in answer: what the orders stage and a venue say to each other.

Flows in: entries of either. Flows out: validated models. Never decides what a report means for an order.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from fillstream.libs.common.messages.topology import SIM

_EXPIRE_ORDERS: Final = frozenset((SIM,))


def expires_orders(venue: str) -> bool:
    """Say whether a venue takes an order off by itself at the expiry it was given; else the desk cancels it then."""
    return venue in _EXPIRE_ORDERS


class Frame(BaseModel):
    """An entry between the orders stage and the engine: 64-byte records (native/include/fillstream.h), no JSON."""

    frame: bytes
