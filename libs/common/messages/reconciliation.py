"""Events about whether the desk, its venues and its own parts agree; a part of the journal.

Flows in: what the orders stage found. Flows out: validated models. Never compares anything itself.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fillstream.libs.common.messages.base import Id, Name, OrderId, VenueId
from fillstream.libs.common.messages.codes import DifferenceKind, Resolution
from fillstream.libs.common.messages.event import Event


class MassStatusRequested(Event):
    """A venue is asked for what it has (FIX OrderMassStatusRequest). VenueReconciled is the answer."""

    type: Literal["MassStatusRequested"] = "MassStatusRequested"
    request_id: Id
    control_id: Id | None = Field(default=None, description="of the control that asked for it; absent of a timer's")
    venue: Name
    symbol_partition: int = Field(ge=0, description="whose books are asked for")
    account: Name | None = Field(description="null: all accounts")


class ReconciliationDifference(Event):
    """The desk and a venue do not agree in one thing, and what was done about it."""

    type: Literal["ReconciliationDifference"] = "ReconciliationDifference"
    request_id: Id
    venue: Name
    difference: DifferenceKind
    resolution: Resolution
    account: Name | None
    symbol: Name | None
    order_id: OrderId | None = Field(description="null of a position, and of an order that is not the desk's")
    venue_order_id: VenueId | None = None
    desk_has: str | None = Field(description="a number, a status or a position; null: nothing")
    venue_has: str | None = Field(description="likewise")
    text: str


class VenueReconciled(Event):
    """A venue's report of what it has was compared with the desk, whole, or as far as it came."""

    type: Literal["VenueReconciled"] = "VenueReconciled"
    request_id: Id
    control_id: Id | None = Field(default=None, description="of the control that asked for it; absent of others")
    venue: Name
    symbol_partition: int | None = Field(ge=0, description="whose books; null: all")
    complete: bool = Field(description="false: the report broke off or never came, and nothing was concluded from that")
    orders: int = Field(ge=0, description="that the venue has open")
    fills: int = Field(ge=0, description="that it told with them")
    positions: int = Field(ge=0, description="that were compared")
    in_motion: int = Field(ge=0, description="not compared: they changed since the venue was asked, or are too young")
    differences: int = Field(ge=0, description="in all; each of the first has its ReconciliationDifference")
    unresolved: int = Field(ge=0, description="of these, what is left for a person")
    text: str


class HoldingsStated(Event):
    """What an account holds at this very place of the journal, by the orders stage: for others to compare."""

    type: Literal["HoldingsStated"] = "HoldingsStated"
    account: Name
    positions: int = Field(ge=0, description="that it ever had, flat ones included")
    digest: str = Field(description="of all of them, however many: see libs/common/ledger/digest.py")
    held: list[str] = Field(
        description="of each, in the order of symbols: symbol, position, cash and fees, with blanks between, and of an "
        "account that hedges NAME:QUANTITY of each that is open (of more than 20 a digest); at most 1000"
    )
