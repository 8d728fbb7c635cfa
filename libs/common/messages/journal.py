"""`events.{a}`, the journal: every change of every order of an account partition, in one order.

Flows in: what the orders stage decided. Flows out: validated models. Never orders anything itself.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from fillstream.libs.common.messages.base import Id, Name, Number, OrderId, VenueId, by_type, of_version
from fillstream.libs.common.messages.codes import (
    Adjustment,
    BreakerCause,
    BreakerScope,
    BreakerState,
    OrderType,
    OrdStatus,
    Side,
    TimeInForce,
    TradingState,
    TriggerPrice,
)
from fillstream.libs.common.messages.event import Event
from fillstream.libs.common.messages.families import OrderListReported, OrderProgressed
from fillstream.libs.common.messages.order_event import OrderEvent
from fillstream.libs.common.messages.protection import PositionProtected, ProtectionCanceled
from fillstream.libs.common.messages.quoting import BandsChanged, QuoteStale, QuoteUpdated, SessionChanged
from fillstream.libs.common.messages.reconciliation import (
    HoldingsStated,
    MassStatusRequested,
    ReconciliationDifference,
    VenueReconciled,
)
from fillstream.libs.common.messages.reference import (
    AccountFields,
    AccountId,
    InstrumentFields,
    InstrumentId,
    VenueTerms,
)
from fillstream.libs.common.messages.rules import RuleDefined
from fillstream.libs.common.messages.signals import PredictedFields
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.libs.common.messages.targets import PositionTargeted, TargetCanceled, TargetSet
from fillstream.libs.common.messages.venue import at_sim
from fillstream.libs.common.values.versions import Upcasts


class OrderReceived(SpecialTerms, OrderEvent):
    """Validated, and sent to the venue unless an OrderSuspended follows (ExecType A)."""

    model_config = Event.model_config

    type: Literal["OrderReceived"] = "OrderReceived"
    signal_id: Id
    order_type: OrderType
    price: Number | None
    time_in_force: TimeInForce
    strategy: Name | None
    confidence: Number | None
    venue: Name  # where it goes, whether the client said so or not
    external: bool | None = Field(default=None, description="the venue had it, and no signal asked for it; else absent")
    emulated: bool | None = Field(default=None, description="the desk does what its venue has no word for; else absent")
    fee_estimate: Number | None = Field(
        default=None,
        description="of all of it as taker, in the instrument's currency; absent where fees are plain basis points",
    )


class OrderRejected(SpecialTerms, OrderEvent):
    """Refused by validation or by the venue (ExecType 8)."""

    model_config = Event.model_config

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
    """Acknowledged by the venue (ExecType 0); once more when a suspended, stopped or done order works again."""

    type: Literal["OrderAccepted"] = "OrderAccepted"
    price: Number | None = Field(default=None, description="the limit that a market-to-limit order got")


class OrderSuspended(OrderEvent):
    """Not eligible for trading until it is released (ExecType 9).

    The desk holds one until its time, its price or a person's yes has come, and says which; one that waits for its
    turn, since its account's rate_limit_orders went, says so in `text`. Of others the venue has said so there.
    """

    type: Literal["OrderSuspended"] = "OrderSuspended"
    approval_time: int | None = Field(default=None, description="of one that waits for a yes: until when, in ms")
    effective_time: int | None = Field(default=None, description="of one that waits for a time (FIX 168)")
    stop_price: Number | None = Field(default=None, description="of one that waits for a price (FIX 99)")
    trigger_price_type: TriggerPrice | None = Field(default=None, description="which price that is (FIX 1107)")
    emulated: bool | None = Field(default=None, description="true of one that waits for a price; else absent")
    text: str | None = Field(default=None, description="of one that waits for its turn, or that the venue suspended")


class OrderStopped(OrderEvent):
    """The venue guarantees a price; the trade is still to come (ExecType 7)."""

    type: Literal["OrderStopped"] = "OrderStopped"
    last_qty: Number | None = Field(description="what is guaranteed, null where the venue does not say (FIX 32)")
    last_px: Number | None = Field(description="the price, null likewise (FIX 31)")
    text: str


class OrderDoneForDay(OrderEvent):
    """The venue trades no more of it today (ExecType 3); one that is good till canceled comes back."""

    type: Literal["OrderDoneForDay"] = "OrderDoneForDay"
    text: str


class OrderCalculated(OrderEvent):
    """The venue has reckoned what a finished order costs (ExecType B). Fees are booked with trades, not by this."""

    type: Literal["OrderCalculated"] = "OrderCalculated"
    commission: Number | None = Field(default=None, description="of the whole order, as the venue says (FIX 12)")
    comm_currency: Name | None = Field(default=None, description="of the commission (FIX 479)")
    text: str


class OrderFilled(OrderEvent):
    """One trade (ExecType F). `fee` is in `currency`, positive when paid.

    A venue that reports its commission in the instrument's currency says the fee with it. One in another currency is
    told beside a fee of 0. What a simulated venue charges in another currency is told so, too, and its worth at the
    rate of the moment is in the fee; without a rate it is not, and `text` says so.
    """

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
    commission: Number | None = Field(default=None, description="as the venue says, positive when paid (FIX 12)")
    comm_currency: Name | None = Field(default=None, description="of the commission (FIX 479); see `fee`")
    fee_qty: Number | None = Field(
        default=None, description="how much less than last_qty is held: it paid the fee, or a part of it, at last_px"
    )
    text: str | None = Field(
        default=None,
        description="of a fill beyond the order's quantity: how far; of a fee without a rate; of an inferred one: why",
    )
    inferred: bool | None = Field(
        default=None, description="the venue's report of it never came, its report of what it has says so; else absent"
    )


class OrderUnanswered(OrderEvent):
    """The venue has not answered a request in time. The state stays until the venue says; nothing is sent again."""

    type: Literal["OrderUnanswered"] = "OrderUnanswered"
    signal_id: Id = Field(description="of the request")
    request: Literal["NewOrder", "CancelOrder", "ReplaceOrder"]
    text: str


class LeftOrderEvent(Event):
    """What is said of an order that may have left the memory: what nobody knows any more is null.

    Everything that ever was of it is in the journal's past, and so in analytics.
    """

    order_id: OrderId
    client_order_id: Id | None
    account: Name
    ord_status: OrdStatus | None
    quantity: Number | None
    cum_qty: Number | None = Field(description="after it")
    leaves_qty: Number | None
    avg_px: Number | None
    parent_id: OrderId | None = Field(default=None, description="as OrderFilled has it, and so the next six")
    group_id: Id | None = None
    position_id: Id | None = None
    list_id: Id | None = None
    venue_order_id: VenueId | None = None
    venue_time: int | None = Field(default=None, ge=0)
    venue_text: str | None = None


class TradeChange(LeftOrderEvent):
    """What a venue changed of a trade that it had told: all that books need, whether the order is still known or not.

    `fee` is in `currency`. The trade's fields are as the report says.
    """

    symbol: Name
    side: Side
    exec_id: Id = Field(description="its own: venue, and the venue's id of the change (FIX 17)")
    ref_exec_id: Id = Field(description="the exec_id of the OrderFilled that it changes (FIX 19)")
    venue: Name
    last_qty: Number
    last_px: Number
    fee: Number
    currency: Name
    strategy: Name | None
    text: str


class TradeBusted(TradeChange):
    """A trade was taken back (ExecType H): `last_qty`, `last_px` and `fee` are what it was."""

    type: Literal["TradeBusted"] = "TradeBusted"


class TradeCorrected(TradeChange):
    """A trade was changed (ExecType G): `last_qty`, `last_px` and `fee` are what it is now."""

    type: Literal["TradeCorrected"] = "TradeCorrected"
    old_qty: Number = Field(description="what it was until now; so are old_px and old_fee")
    old_px: Number
    old_fee: Number


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
    new_stop_price: Number | None = Field(default=None, description="absent where it stays or there is none")


class OrderReplaced(OrderEvent):
    """The venue took the amendment (ExecType 5)."""

    type: Literal["OrderReplaced"] = "OrderReplaced"
    price: Number | None
    stop_price: Number | None = Field(default=None, description="of one that waits for a price, or did")


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


class OrderTriggered(OrderEvent):
    """A dormant or suspended order came into the book: what it waited for has happened (ExecType L)."""

    type: Literal["OrderTriggered"] = "OrderTriggered"
    price: Number | None = Field(description="its limit from now on, null of a market order")
    stop_price: Number | None = Field(default=None, description="of one that trailed in the desk: that was hit")


class OrderRestated(OrderEvent):
    """The venue changed the order without being asked (ExecType D); `quantity` is the new total."""

    type: Literal["OrderRestated"] = "OrderRestated"
    price: Number | None
    reason: Name = Field(description="a stable code in snake case, one of RestatementReason")
    text: str


class OrderStatusReported(LeftOrderEvent):
    """The answer to a signal or order that came again: the first one's state, unchanged (ExecType I)."""

    type: Literal["OrderStatusReported"] = "OrderStatusReported"
    symbol: Name | None
    side: Side
    signal_id: Id
    text: str


class SignalRefused(Event):
    """Nothing came of a signal of an account: what was wrong with it, all of it at once (FIX BusinessMessageReject)."""

    type: Literal["SignalRefused"] = "SignalRefused"
    signal: str = Field(description="its type, as the client wrote it")
    signal_id: Id
    account: Name
    entry_id: str | None = Field(default=None, description="of the entry of `signals` that was refused as it came")
    reason: Name = Field(description="a stable code in snake case")
    text: str = Field(description="a sentence naming the fields, their values and limits")


class PredictionReceived(PredictedFields, Event):
    """A model's prediction, as it came. By itself it trades nothing: rules make orders of predictions."""

    model_config = Event.model_config

    type: Literal["PredictionReceived"] = "PredictionReceived"
    signal_id: Id
    account: Name
    symbol: Name
    signal_time: int = Field(ge=0, description="ms since 1970, when the signal came")


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
    """Limits of an account that decisions after this event use, overrides included."""

    model_config = Event.model_config

    type: Literal["AccountDefined"] = "AccountDefined"
    account: Name
    account_id: AccountId
    overridden: list[Name] | None = Field(
        default=None, description="limits that an operator's override gives, not the file; absent when there are none"
    )


class AliasDefined(Event):
    """An alias points to another account from here on: what comes by its name is that account's."""

    type: Literal["AliasDefined"] = "AliasDefined"
    alias: Name
    account: Name | None = Field(description="to which it points now, null of one that the file has lost")
    old_account: Name | None = Field(description="to which it pointed before, null of one that was not there")
    control_id: Id | None = Field(default=None, description="of the control that switched it; absent of the file's")


class ControlEvent(Event):
    """What every answer to a control says."""

    control_id: Id
    control: Name = Field(description="the control's type")
    who: Name
    reason: str = Field(description="in the operator's words")
    account: Name | None = Field(description="null for one that is about the whole desk")
    text: str = Field(description="what it did, or why it did nothing, in a sentence")


class ControlApplied(ControlEvent):
    """A control took effect. What it changed follows in events of its own."""

    type: Literal["ControlApplied"] = "ControlApplied"


class ControlRejected(ControlEvent):
    """A control changed nothing."""

    type: Literal["ControlRejected"] = "ControlRejected"
    refusal: Name = Field(description="a stable code in snake case, one of ControlRejectReason")


class ControlReported(ControlEvent):
    """The answer to a control that came again: what the first one did; nothing has changed."""

    type: Literal["ControlReported"] = "ControlReported"
    refusal: Name | None = Field(description="of the first one, null when it took effect")


class TradingStateChanged(Event):
    """What an account, or the whole desk, may do is another from here on. The stricter of the two counts."""

    type: Literal["TradingStateChanged"] = "TradingStateChanged"
    control_id: Id
    who: Name
    reason: str = Field(description="in the operator's words")
    account: Name | None = Field(description="null: the whole desk")
    old_state: TradingState
    new_state: TradingState
    keep_protective: bool = Field(description="of HALTED: protective orders stay, and go when their price comes")


class MassCancelRequested(Event):
    """Many orders are being canceled; none has an event of its own for the request. OrdersMassCanceled is the answer.

    Orders that the desk holds are canceled at once. By strategy, and around what is kept, orders are canceled one by
    one: those have their OrderCancelRequested.
    """

    type: Literal["MassCancelRequested"] = "MassCancelRequested"
    control_id: Id | None = Field(default=None, description="of the control that asked for it")
    signal_id: Id | None = Field(default=None, description="of the signal that asked for it")
    account: Name | None = Field(description="null: of all accounts")
    symbol: Name | None = Field(description="null: of all instruments")
    strategy: Name | None = Field(description="null: of all strategies")
    side: Side | None = Field(description="null: of both sides")
    working_orders: int = Field(ge=0, description="at venues, to be canceled there")
    held_orders: int = Field(ge=0, description="in the desk, canceled by it")
    kept_orders: int = Field(ge=0, description="protective ones that stay")
    bare_positions: int = Field(
        default=0, ge=0, description="of a halt: open positions that no protective order covers whole any more"
    )
    bare: list[str] | None = Field(
        default=None, description="the first of them: account, symbol and what is uncovered; absent without any"
    )


class BreakerChanged(Event):
    """A circuit breaker opened, lets one order try, or closed."""

    type: Literal["BreakerChanged"] = "BreakerChanged"
    scope: BreakerScope
    account: Name | None = Field(description="null of a venue's")
    name: Name = Field(description="the account's, the strategy's or the venue's")
    old_state: BreakerState
    new_state: BreakerState
    cause: BreakerCause
    text: str


class AccountAdjusted(Event):
    """An account has more or less cash, or a split or a new symbol changed what it holds, without a trade."""

    type: Literal["AccountAdjusted"] = "AccountAdjusted"
    control_id: Id
    who: Name
    reason: str = Field(description="in the operator's words")
    account: Name
    adjustment: Adjustment
    amount: Number = Field(description="what it has more, below 0 what it has less")
    currency: Name = Field(description="the account's")
    symbol: Name | None = Field(description="the instrument that paid, was paid for, is split or renamed")
    cash: Number = Field(description="all that was put in so far, less what was taken out")
    ratio: str | None = Field(default=None, description="of a split: NEW:OLD; absent of cash")
    new_symbol: Name | None = Field(default=None, description="of a change of symbol: what is held is called so now")
    old_position: Number | None = Field(default=None, description="of both: what was held before it")
    positions: int | None = Field(
        default=None, ge=1, description="of an account that hedges: how many there are, of which these are the sums"
    )
    position: Number | None = Field(default=None, description="and what is held now, at the same total cost")


class OrdersMassCanceled(Event):
    """A venue has done with a mass cancel (FIX OrderMassCancelReport); each order was reported before."""

    type: Literal["OrdersMassCanceled"] = "OrdersMassCanceled"
    venue: Name
    account: Name | None = Field(description="null: of all accounts")
    symbol: Name | None = Field(description="null: of all instruments")
    side: Side | None = Field(description="null: of both sides")
    total_affected_orders: int = Field(ge=0, description="FIX 533")


JournalEvent = Annotated[
    OrderReceived
    | OrderRejected
    | OrderAccepted
    | OrderSuspended
    | OrderFilled
    | OrderStopped
    | OrderDoneForDay
    | OrderCalculated
    | OrderUnanswered
    | TradeBusted
    | TradeCorrected
    | OrderCancelRequested
    | OrderCanceled
    | OrderCancelRejected
    | OrderReplaceRequested
    | OrderReplaced
    | OrderReplaceRejected
    | OrderExpired
    | OrderTriggered
    | OrderRestated
    | OrderStatusReported
    | OrderProgressed
    | OrderListReported
    | OrdersMassCanceled
    | SignalRefused
    | PredictionReceived
    | PositionProtected
    | ProtectionCanceled
    | TargetSet
    | TargetCanceled
    | PositionTargeted
    | RuleDefined
    | SessionChanged
    | BandsChanged
    | VenueDefined
    | InstrumentDefined
    | AccountDefined
    | AliasDefined
    | ControlApplied
    | ControlRejected
    | ControlReported
    | TradingStateChanged
    | MassCancelRequested
    | AccountAdjusted
    | BreakerChanged
    | MassStatusRequested
    | ReconciliationDifference
    | VenueReconciled
    | HoldingsStated
    | QuoteStale
    | QuoteUpdated,
    Field(discriminator="type"),
]

journal_event: TypeAdapter[Any] = TypeAdapter(JournalEvent, config=ConfigDict(defer_build=True))

EVENTS = by_type(JournalEvent)
"""By `type`."""
