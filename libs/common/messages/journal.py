"""`events.{a}`, the journal: every change of every order of an account partition, in one order.

Flows in: what the orders stage decided. Flows out: validated models. Never orders anything itself.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter

from fillstream.libs.common.messages.base import Id, Message, Name, Number, OrderId, by_type, of_version
from fillstream.libs.common.messages.codes import OrderType, OrdStatus, Side, TimeInForce
from fillstream.libs.common.messages.reference import (
    AccountFields,
    AccountId,
    InstrumentFields,
    InstrumentId,
    VenueTerms,
)
from fillstream.libs.common.messages.venue import at_sim
from fillstream.libs.common.values.versions import Upcasts


class Event(Message):
    """Every entry of the journal: `seq` counts the partition's events from 1 without a gap."""

    seq: int = Field(ge=1)
    time: int = Field(ge=0, description="milliseconds since 1970, UTC, of the log entry that caused it")


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


class OrderReceived(OrderEvent):
    """Validated and sent to the venue (ExecType A)."""

    type: Literal["OrderReceived"] = "OrderReceived"
    signal_id: Id
    order_type: OrderType
    price: Number | None
    time_in_force: TimeInForce
    strategy: Name | None
    confidence: Number | None
    venue: Name


class OrderRejected(OrderEvent):
    """Refused by validation or by the venue (ExecType 8)."""

    type: Literal["OrderRejected"] = "OrderRejected"
    signal_id: Id
    order_type: OrderType
    price: Number | None
    time_in_force: TimeInForce
    strategy: Name | None
    confidence: Number | None
    reason: Name = Field(description="a stable code in snake case, one of RejectReason")
    text: str = Field(description="a sentence naming the field, the value and the limit")


class OrderAccepted(OrderEvent):
    """Acknowledged by the venue (ExecType 0)."""

    type: Literal["OrderAccepted"] = "OrderAccepted"


class OrderFilled(OrderEvent):
    """One trade (ExecType F). `fee` is in `currency`, positive when paid."""

    UPCASTS: ClassVar[Upcasts] = {1: at_sim}
    v: int = of_version(2)
    type: Literal["OrderFilled"] = "OrderFilled"
    exec_id: Id = Field(description="unique per fill: venue, symbol partition, trade number and side")
    venue: Name
    last_qty: Number
    last_px: Number
    liquidity: Literal["MAKER", "TAKER"]
    fee: Number
    currency: Name
    strategy: Name | None


class OrderCancelRequested(OrderEvent):
    """A cancel is on its way to the venue (ExecType 6)."""

    type: Literal["OrderCancelRequested"] = "OrderCancelRequested"
    signal_id: Id


class OrderCanceled(OrderEvent):
    """Taken off the book (ExecType 4), by request or by its own terms."""

    type: Literal["OrderCanceled"] = "OrderCanceled"
    reason: Name
    text: str


class OrderCancelRejected(Event):
    """A cancel that changed nothing (FIX CancelReject); the order's own fields are null when it is unknown."""

    type: Literal["OrderCancelRejected"] = "OrderCancelRejected"
    signal_id: Id
    account: Name
    order_id: OrderId | None
    client_order_id: Id | None
    ord_status: OrdStatus | None
    reason: Name
    text: str


class OrderReplaceRequested(OrderEvent):
    """An amendment is on its way to the venue (ExecType E); the old parameters still stand."""

    type: Literal["OrderReplaceRequested"] = "OrderReplaceRequested"
    signal_id: Id
    new_quantity: Number
    new_price: Number | None


class OrderReplaced(OrderEvent):
    """The venue took the amendment (ExecType 5)."""

    type: Literal["OrderReplaced"] = "OrderReplaced"
    price: Number | None


class OrderReplaceRejected(Event):
    """An amendment that changed nothing; the order's own fields are null when it is unknown."""

    type: Literal["OrderReplaceRejected"] = "OrderReplaceRejected"
    signal_id: Id
    account: Name
    order_id: OrderId | None
    client_order_id: Id | None
    ord_status: OrdStatus | None
    reason: Name
    text: str


class OrderExpired(OrderEvent):
    """Its time in force ended (ExecType C)."""

    type: Literal["OrderExpired"] = "OrderExpired"


class OrderStatusReported(OrderEvent):
    """The answer to a signal or order that came again: the first one's state, unchanged (ExecType I)."""

    type: Literal["OrderStatusReported"] = "OrderStatusReported"
    signal_id: Id
    text: str


class VenueDefined(VenueTerms, Event):
    """Terms of a venue that decisions after this event use. SIM has the defaults until it is defined."""

    model_config = Event.model_config

    type: Literal["VenueDefined"] = "VenueDefined"
    venue: Name


class InstrumentDefined(InstrumentFields, Event):
    """Terms of an instrument that decisions after this event use; `venue` is the one whose quotes mark it."""

    model_config = Event.model_config

    type: Literal["InstrumentDefined"] = "InstrumentDefined"
    symbol: Name
    instrument_id: InstrumentId


class AccountDefined(AccountFields, Event):
    """Limits of an account that decisions after this event use."""

    model_config = Event.model_config

    type: Literal["AccountDefined"] = "AccountDefined"
    account: Name
    account_id: AccountId


class QuoteUpdated(Event):
    """A venue's market as this partition last saw it, at most once a tick for each symbol that changed there."""

    UPCASTS: ClassVar[Upcasts] = {1: at_sim}
    v: int = of_version(2)
    type: Literal["QuoteUpdated"] = "QuoteUpdated"
    symbol: Name
    venue: Name
    bid_px: Number | None
    bid_qty: Number
    ask_px: Number | None
    ask_qty: Number
    last_px: Number | None


JournalEvent = Annotated[
    OrderReceived
    | OrderRejected
    | OrderAccepted
    | OrderFilled
    | OrderCancelRequested
    | OrderCanceled
    | OrderCancelRejected
    | OrderReplaceRequested
    | OrderReplaced
    | OrderReplaceRejected
    | OrderExpired
    | OrderStatusReported
    | VenueDefined
    | InstrumentDefined
    | AccountDefined
    | QuoteUpdated,
    Field(discriminator="type"),
]

journal_event: TypeAdapter[Any] = TypeAdapter(JournalEvent)

EVENTS = by_type(JournalEvent)
"""By `type`."""
