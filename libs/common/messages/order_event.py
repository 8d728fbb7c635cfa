"""What every event of an order says.

Flows in: what the orders stage decided. Flows out: a validated head that the journal's events go on from.
"""

from __future__ import annotations

from pydantic import Field

from fillstream.libs.common.messages.base import Id, Name, Number, OrderId, VenueId
from fillstream.libs.common.messages.codes import OrdStatus, Side
from fillstream.libs.common.messages.event import Event


class OrderEvent(Event):
    """What every event of an order says: who, what, and its quantities after the event."""

    order_id: OrderId
    client_order_id: Id
    account: Name
    symbol: Name
    side: Side
    ord_status: OrdStatus
    quantity: Number
    cum_qty: Number
    leaves_qty: Number
    avg_px: Number | None = Field(description="mean fill price, null before the first fill; at most 12 decimals")
    parent_id: OrderId | None = Field(default=None, description="the order that made it; absent of most")
    group_id: Id | None = Field(default=None, description="a family that the client named; absent of most")
    position_id: Id | None = Field(default=None, description="the position, by the client's name; absent of most")
    list_id: Id | None = Field(default=None, description="the list that it is one of (FIX 66); absent of most")
    venue_order_id: VenueId | None = Field(default=None, description="the venue's own id for the order (FIX 37)")
    venue_time: int | None = Field(default=None, ge=0, description="milliseconds since 1970, by the venue (FIX 60)")
    venue_text: str | None = Field(default=None, description="the venue's own words (FIX 58)")
