"""Events of orders that know each other; a part of the journal.

Flows in: what the orders stage decided. Flows out: validated models. Never orders anything itself.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Id, Name, Number, OrderId
from fillstream.libs.common.messages.codes import ContingencyType, ListOrderStatus
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.order_event import OrderEvent


class OrderProgressed(OrderEvent):
    """How an order stands that is worked: what its children have traded is what it is filled to.

    It books nothing: its children's fills have been told, each by its own OrderFilled.
    """

    type: Literal["OrderProgressed"] = "OrderProgressed"
    signal_id: Id | None = Field(default=None, description="of the request that this answers; else absent")
    algorithm: Name
    planned_qty: Number | None = Field(description="what its schedule has done by now, null of one without a schedule")
    working_qty: Number = Field(description="what its children have open")
    children: int = Field(ge=0, description="how many it has made so far")
    paused: bool
    arrival_px: Number | None = Field(description="mid when it began, null where there was none")
    interval_vwap_px: Number | None = Field(
        default=None,
        description="of all that its home market traded since its first report; absent of one that looks at no volume",
    )
    text: str | None = Field(description="why nothing works that might; null where there is no reason")


class OrderListReported(Event):
    """How a list of orders stands, told when it changes (FIX ListStatus, 35=N); a bracket is a list as well."""

    type: Literal["OrderListReported"] = "OrderListReported"
    list_id: Id
    account: Name
    contingency_type: ContingencyType
    list_order_status: ListOrderStatus
    signal_id: Id | None = Field(default=None, description="of the request that this answers; else absent")
    order_ids: list[OrderId] = Field(description="that belong to it by now, the first ones first")
    stop_loss: Number | None = Field(default=None, description="of a bracket: where its stop stands; else absent")
    trailing_stop: Number | None = Field(default=None, description="of a bracket: how far its stop stays behind")
    take_profits: str | None = Field(default=None, description="of a bracket: its targets, PRICE:WEIGHT each")
    protected_qty: Number | None = Field(default=None, description="of a bracket: what its exits cover now")
    text: str
