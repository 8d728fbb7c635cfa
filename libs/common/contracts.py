"""The one vocabulary: every message of the public streams, and the instructions between stages.

Flows in: decoded fields. Flows out: validated models, and through them AsyncAPI pages and analytics' tables.
Never does I/O, never converts to floats: prices and quantities are Decimal here and strings in JSON.

Names are FIX 4.4's in snake case where FIX has one (`cum_qty` 14, `leaves_qty` 151, `avg_px` 6, `last_px` 31,
`last_qty` 32, `time_in_force` 59, `ord_status` 39, `exec_id` 17); `quantity` is OrderQty (38), `order_type` OrdType
(40). Commands are imperative, events past tense. `time` is the millisecond part of the id of the log entry that
caused the message, UTC since 1970.

The hot path writes events as plain dicts with these very keys; tests and the simulation validate every one.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from fillstream.libs.common.codes import (
    DEFAULT_ACCOUNT,
    MAX_DIGITS,
    NAME,
    OrderType,
    OrdStatus,
    Side,
    TimeInForce,
)

VERSION = 1


def _upper(value: Any) -> Any:
    """Letters outside ASCII stay as they are: some, like the long s, become ASCII ones."""
    return value.upper() if isinstance(value, str) and value.isascii() else value


def _exact_number(value: Any) -> Any:
    """Refuse what is a number to Python alone; a JSON float becomes the decimal that was written, not its neighbour."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not a boolean")
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError("must be a decimal number in the digits 0 to 9, without separators")
    return repr(value) if isinstance(value, float) else value


Name = Annotated[str, StringConstraints(pattern=NAME)]
Id = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
Amount = Annotated[Decimal, Field(gt=0, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(_exact_number)]
Price = Annotated[Decimal, Field(max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(_exact_number)]
Number = Annotated[Decimal, Field(allow_inf_nan=False)]
AnySide = Annotated[Side, BeforeValidator(_upper)]
AnyOrderType = Annotated[OrderType, BeforeValidator(_upper)]
AnyTimeInForce = Annotated[TimeInForce, BeforeValidator(_upper)]
OrderId = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]


class Message(BaseModel):
    """What every message is: frozen, versioned, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: int = Field(default=VERSION, ge=VERSION, le=VERSION)


# ------------------------------------------------------------------------------------------- signals (commands)


class NewOrder(Message):
    """A signal to trade.

    Without `signal_id` the stream entry's id serves; `client_order_id` defaults to the signal_id. Without
    `order_type` a price makes it LIMIT, else the desk's `order_params.default_order_type` counts; without
    `time_in_force` the desk's `order_params.time_in_force`.
    """

    type: Literal["NewOrder"] = "NewOrder"
    signal_id: Id | None = None
    client_order_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    symbol: Name
    side: AnySide
    quantity: Amount
    order_type: AnyOrderType | None = None
    price: Price | None = None
    time_in_force: AnyTimeInForce | None = None
    strategy: Name | None = None
    confidence: (
        Annotated[
            Decimal,
            Field(ge=0, le=1, max_digits=MAX_DIGITS, allow_inf_nan=False),
            BeforeValidator(_exact_number),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _price_fits_type(self) -> NewOrder:
        if self.order_type is OrderType.LIMIT and self.price is None:
            raise ValueError("price: a LIMIT order needs one")
        if self.order_type is OrderType.MARKET and self.price is not None:
            raise ValueError(f"price: a MARKET order has none, got {self.price}")
        return self


class CancelOrder(Message):
    """Cancel one order, named by `order_id` or by `orig_client_order_id` (FIX 41) with its account."""

    type: Literal["CancelOrder"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    order_id: OrderId | None = None
    orig_client_order_id: Id | None = None

    @model_validator(mode="after")
    def _names_one_order(self) -> CancelOrder:
        if (self.order_id is None) == (self.orig_client_order_id is None):
            raise ValueError("order_id: name the order by exactly one of order_id and orig_client_order_id")
        return self


class ReplaceOrder(Message):
    """Amend an order: `quantity` is the new total, fills so far included (FIX); what is absent stays."""

    type: Literal["ReplaceOrder"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    order_id: OrderId | None = None
    orig_client_order_id: Id | None = None
    quantity: Amount | None = None
    price: Price | None = None

    @model_validator(mode="after")
    def _names_one_order_and_a_change(self) -> ReplaceOrder:
        if (self.order_id is None) == (self.orig_client_order_id is None):
            raise ValueError("order_id: name the order by exactly one of order_id and orig_client_order_id")
        if self.quantity is None and self.price is None:
            raise ValueError("quantity: an amendment changes quantity, price or both")
        return self


Signal = NewOrder | CancelOrder | ReplaceOrder


# ------------------------------------------------------------- instructions (signals stage to orders.{a}, internal)
#
# NewOrder, CancelOrder and ReplaceOrder go on with every field present (null where absent), decimals as strings,
# `signal_id` and `client_order_id` filled in, and `signal_time` (ms) added. A signal that came before, with the same
# content, becomes a ReportStatus instead.


class ReportStatus(Message):
    """Tell the state of the order that an earlier, equal signal named; changes nothing."""

    type: Literal["ReportStatus"] = "ReportStatus"
    signal_id: Id
    account: Name
    order_id: OrderId | None
    client_order_id: Id | None
    signal_time: int


# --------------------------------------------------------------------------------------- events.{a} (the journal)


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

    type: Literal["OrderFilled"] = "OrderFilled"
    exec_id: Id = Field(description="unique per fill: symbol partition, trade number and side")
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


class InstrumentDefined(Event):
    """Terms of an instrument that decisions after this event use."""

    type: Literal["InstrumentDefined"] = "InstrumentDefined"
    symbol: Name
    instrument_id: int
    tick_size: Number
    lot_size: Number
    multiplier: Number
    currency: Name
    maker_fee_bps: Number
    taker_fee_bps: Number


class AccountDefined(Event):
    """Limits of an account that decisions after this event use."""

    type: Literal["AccountDefined"] = "AccountDefined"
    account: Name
    account_id: int
    max_order_value: Number
    max_daily_orders: int
    min_order_size: Number
    max_slippage_bps: Number


class QuoteUpdated(Event):
    """The market as this partition last saw it, at most once a tick for each symbol that changed."""

    type: Literal["QuoteUpdated"] = "QuoteUpdated"
    symbol: Name
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
    | InstrumentDefined
    | AccountDefined
    | QuoteUpdated,
    Field(discriminator="type"),
]


# ------------------------------------------------------------------------------------------------- positions.{a}


class PositionEvent(Message):
    """A position after a change. Money is in `currency`; `seq` counts this stream's events from 1 without a gap."""

    seq: int = Field(ge=1)
    time: int = Field(ge=0)
    account: Name
    symbol: Name
    currency: Name
    position: Number = Field(description="signed quantity: long positive, short negative")
    avg_px: Number | None = Field(description="weighted-average entry, null when flat; at most 12 decimals")
    realized_pnl: Number = Field(description="gross of fees")
    fees: Number
    cash: Number = Field(description="all cash that fills moved, fees taken off")
    mark_px: Number | None
    unrealized_pnl: Number | None = Field(description="at mark_px; null without a mark")


class PositionChanged(PositionEvent):
    """A fill changed the position."""

    type: Literal["PositionChanged"] = "PositionChanged"
    change: Literal["opened", "increased", "reduced", "closed", "flipped"]
    order_id: OrderId
    exec_id: Id
    last_qty: Number = Field(description="signed: bought positive")
    last_px: Number


class PositionMarked(PositionEvent):
    """The market moved an open position's mark."""

    type: Literal["PositionMarked"] = "PositionMarked"


# ------------------------------------------------------------------------------------------ market.{s} and dead


class Trades(Message):
    """Trades of one symbol in the order they happened; one message per command frame and symbol. Lossy."""

    type: Literal["Trades"] = "Trades"
    time: int
    symbol: Name
    trades: list[tuple[int, Number, Number, Side]] = Field(
        description="trade number, price, quantity, aggressor's side"
    )


class Depth(Message):
    """The book's best levels, best first, at most ten times a second of log time per symbol. Lossy."""

    type: Literal["Depth"] = "Depth"
    time: int
    symbol: Name
    bids: list[tuple[Number, Number]] = Field(description="price, quantity")
    asks: list[tuple[Number, Number]] = Field(description="price, quantity")


class DeadLetter(Message):
    """An entry that nobody could use. Its own fields follow in the same stream entry, each name after `raw:`."""

    type: Literal["DeadLetter"] = "DeadLetter"
    time: int
    stage: Name
    stream: str
    entry_id: str
    reason: Name = Field(description="a stable code in snake case")
    text: str = Field(description="a sentence naming the field, the value and the limit")


PositionMessage = Annotated[PositionChanged | PositionMarked, Field(discriminator="type")]
MarketMessage = Annotated[Trades | Depth, Field(discriminator="type")]

journal_event: TypeAdapter[Any] = TypeAdapter(JournalEvent)
position_message: TypeAdapter[Any] = TypeAdapter(PositionMessage)
market_message: TypeAdapter[Any] = TypeAdapter(MarketMessage)


class Frame(BaseModel):
    """An entry between the orders stage and the engine: 64-byte records (native/include/fillstream.h), no JSON."""

    frame: bytes
