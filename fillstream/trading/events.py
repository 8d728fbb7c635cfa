"""The events of document 002: markets, positions, orders, predictions.

Flows in: what the desk told, or what a strategy says itself. Flows out: frozen events with exact numbers. Never says
less than the desk did: `message` has the whole contract.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.base import AnyMove, exact_number
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, OrderType, OrdStatus, Side

Exact = Annotated[Decimal, Field(allow_inf_nan=False), BeforeValidator(exact_number)]
"""A float is taken as the digits that it prints."""


class BaseEvent(BaseModel):
    """What every event says. Subclass it for events of your own: they stay in this process.

    Attributes:
        KIND: of the streams that the desk tells it in; None of one that it does not tell.
        event_id: the same whenever the desk's entry is read again; of an event of your own a random one.
        time_ms: when Redis took it in, milliseconds since 1970, UTC; None of an event of your own.
        missed: how many messages of its stream are missing before it: they were trimmed before they were read.
        poss_dup: whether a consumer of this name may have had it before it stopped (FIX 43 PossDupFlag).
        stream, entry_id: where it stands.
        message: what the desk told, None of an event of your own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    KIND: ClassVar[str | None] = None

    event_id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    time_ms: int | None = None
    poss_dup: bool = False
    missed: int = 0
    stream: str | None = None
    entry_id: str | None = None
    message: Any = Field(default=None, repr=False)


# ------------------------------------------------------------------------------------------------------- markets


class PriceEvent(BaseEvent):
    """A venue's market moved. `price` is the mid of bid and ask, else the side that there is, else the last trade."""

    KIND = "events"

    symbol: str
    price: Exact
    bid: Exact | None = None
    ask: Exact | None = None
    last: Exact | None = None
    venue: str | None = None


class VolumeEvent(BaseEvent):
    """Trades at a simulated venue. The stream of them is lossy: nothing that counts may depend on it."""

    KIND = "market"

    symbol: str
    volume: Exact
    price: Exact | None = Field(default=None, description="of the last of them")
    venue: str | None = None


# ----------------------------------------------------------------------------------------------------- positions


class PositionEvent(BaseEvent):
    """What the events of a position say: an account's in an instrument."""

    KIND = "positions"

    account: str = DEFAULT_ACCOUNT
    symbol: str
    position_id: str | None = None
    quantity: Exact = Field(description="held after it: long above 0, short below")
    entry_price: Exact | None = None
    realized_pnl: Exact | None = None
    unrealized_pnl: Exact | None = None


class PositionOpenEvent(PositionEvent):
    """A position was opened, by a fill of a flat account or by one that turned it."""


class PositionUpdateEvent(PositionEvent):
    """A position grew, shrank, was split or renamed, or is worth something else; `change` says which."""

    change: str
    price: Exact | None = Field(default=None, description="of the fill, or of the mark")


class PositionCloseEvent(PositionEvent):
    """A position ended. `reason` is why, where this process knows: `stop_loss`, `take_profit`, your own words."""

    reason: str
    exit_price: Exact | None = None
    net_pnl: Exact | None = None


# -------------------------------------------------------------------------------------------------------- orders


class OrderEvent(BaseEvent):
    """What the events of an order say."""

    KIND = "events"

    account: str = DEFAULT_ACCOUNT
    symbol: str
    order_id: str = Field(description="your name for it: its client_order_id")
    desk_order_id: str | None = None
    parent_id: str | None = None
    position_id: str | None = None
    side: Side
    quantity: Exact
    ord_status: OrdStatus


class OrderCreatedEvent(OrderEvent):
    """The desk has made and validated an order."""

    order_type: OrderType
    price: Exact | None = None
    strategy: str | None = None


class OrderSubmittedEvent(OrderEvent):
    """A venue has the order."""


class OrderFilledEvent(OrderEvent):
    """One trade of an order; the order is done where `leaves_quantity` is 0."""

    fill_quantity: Exact
    fill_price: Exact
    fee: Exact = Decimal(0)
    leaves_quantity: Exact
    average_price: Exact | None = None


class OrderRejectedEvent(OrderEvent):
    """The desk or a venue refused the order, and says why."""

    reason: str
    text: str


class OrderCanceledEvent(OrderEvent):
    """The order was taken off, or expired, with what it had not traded."""

    reason: str
    text: str
    filled_quantity: Exact


class OrderUpdateEvent(OrderEvent):
    """Anything else that happened to an order; `message` says what."""

    change: str


class SignalRefusedEvent(BaseEvent):
    """Nothing came of a signal: it was no order yet, or there was nothing to close."""

    KIND = "events"

    account: str = DEFAULT_ACCOUNT
    signal_id: str
    reason: str
    text: str


# --------------------------------------------------------------------------------------------------- predictions


class PredictionSignalEvent(BaseEvent):
    """A model's prediction: what the API monitor publishes, or whoever emits one."""

    KIND = "events"

    account: str = DEFAULT_ACCOUNT
    symbol: str
    signal: AnyMove = Field(description="what it says to do: BUY, SELL or SHORT")
    confidence: Exact | None = None
    price: Exact | None = None
    probability_up: Exact | None = None
    probability_down: Exact | None = None
    horizon_ms: int | None = None
    predictor: str | None = None
    predictor_version: str | None = None
    predicted_time: int | None = None
    strategy: str | None = None


# -------------------------------------------------------------------------------------------- of this process alone


class HandlerFailedEvent(BaseEvent):
    """A handler of yours raised; the log has the traceback. It will not see that event again."""

    handler: str
    event: BaseEvent
    error: str


class RuleExecutedEvent(BaseEvent):
    """A rule's condition was met, and its action done."""

    rule_id: str
    event: BaseEvent


class RuleDisabledEvent(BaseEvent):
    """A rule raised, and was disabled; the others go on."""

    rule_id: str
    event: BaseEvent
    error: str
