"""`signals`: what clients ask for; and `orders.{a}`: the instructions that the signals stage makes of it.

Flows in: decoded fields. Flows out: validated models. Never judges what depends on state.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fillstream.libs.common.messages.base import (
    Amount,
    AnyMove,
    AnyOrderType,
    AnySelfTrade,
    AnySide,
    AnyTimeInForce,
    AnyTrailingOffset,
    AnyTriggerPrice,
    Flag,
    Id,
    Message,
    Name,
    OrderId,
    PlainOrderType,
    PlainTimeInForce,
    Price,
    Time,
    exact_number,
    of_version,
)
from fillstream.libs.common.messages.codes import (
    AUCTION_TIMES,
    DEFAULT_ACCOUNT,
    NO_PLAIN_TIMES,
    PLAIN_TYPES,
    RESTING_TIMES,
    RESTING_TYPES,
    OrderType,
    TimeInForce,
)
from fillstream.libs.common.messages.reference import MAX_MS, VenueName
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.versions import Document, Upcasts


class PlainOrder(Message):
    """What most signals to trade say. `NewOrder` has all that one may say; this has the part that costs little."""

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
            BeforeValidator(exact_number),
        ]
        | None
    ) = None
    group_id: Id | None = Field(default=None, description="a family of orders that the client names")
    position_id: Id | None = Field(
        default=None, description="the position that it opens or closes, by the client's name"
    )

    @model_validator(mode="after")
    def _price_fits_type(self) -> Self:
        kind = self.order_type
        if kind is not None and kind.priced and self.price is None:
            raise ValueError(f"price: a {kind} order needs one")
        if kind is not None and not kind.priced and self.price is not None:
            raise ValueError(f"price: a {kind} order has none, got {self.price}")
        tif = self.time_in_force
        if tif in NO_PLAIN_TIMES or (kind is not None and kind not in PLAIN_TYPES):  # as texts: `value` takes longer
            check_special(kind or OrderType.MARKET, tif, self)  # it has none of what it needs
        return self


Percent = Annotated[
    Decimal, Field(gt=0, le=1000, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)
]
"""Of equity; above 100 with borrowed money."""


class SpecialTerms(BaseModel):
    """What an order may say beyond a plain one. Text and numbers as everywhere: exact, by FIX's names.

    Instructions have what is set of it in one key, `special`, which a plain order does without; the events
    OrderReceived and OrderRejected have it among their own fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    venue: VenueName | None = Field(default=None, description="where it is to go (FIX 100 ExDestination)")
    stop_price: Price | None = Field(
        default=None, description="the price that a stop or if-touched order waits for (FIX 99 StopPx)"
    )
    trigger_price_type: AnyTriggerPrice | None = Field(
        default=None, description="which price it waits for, the last trade's by default (FIX 1107 TriggerPriceType)"
    )
    trailing_offset: Amount | None = Field(
        default=None, description="how far a trailing stop stays behind (FIX 211 PegOffsetValue)"
    )
    trailing_offset_type: AnyTrailingOffset | None = Field(
        default=None, description="what that is counted in, PRICE by default (FIX 836 PegOffsetType)"
    )
    expire_time: Time | None = Field(
        default=None, description="when a GTD order ends, ms since 1970 or ISO 8601 (FIX 126 ExpireTime)"
    )
    display_quantity: Amount | None = Field(
        default=None, description="of an iceberg: how much of it is shown at a time (FIX 1138 DisplayQty)"
    )
    post_only: Flag | None = Field(default=None, description="rejected if it would trade as it comes (FIX 18=6)")
    all_or_none: Flag | None = Field(default=None, description="trades whole or not at all (FIX 18=G)")
    reduce_only: Flag | None = Field(default=None, description="never opens or turns a position (FIX 18=E)")
    self_trade_prevention: AnySelfTrade | None = Field(
        default=None, description="instead of a trade with an order of its own account (FIX 2964)"
    )
    notional: Amount | None = Field(
        default=None, description="size as money in the instrument's currency, at most (FIX 152 CashOrderQty)"
    )
    risk_amount: Amount | None = Field(
        default=None, description="size so that this much money is lost when stop_loss is hit, at most"
    )
    equity_percent: Percent | None = Field(
        default=None, description="size as a share of the account's equity, at most (FIX 516 OrderPercent)"
    )
    risk_percent: Percent | None = Field(
        default=None, description="size so that this share of the account's equity is lost when stop_loss is hit"
    )
    effective_time: Time | None = Field(
        default=None, description="not before this time, ms since 1970 or ISO 8601 (FIX 168 EffectiveTime)"
    )
    next_session: Flag | None = Field(
        default=None, description="not before the next session of its instrument begins, or goes on after a break"
    )
    effective_after_ms: Annotated[int, Field(ge=1, le=MAX_MS), BeforeValidator(exact_number)] | None = Field(
        default=None, description="not before so many milliseconds after the signal"
    )
    stop_loss: Price | None = Field(default=None, description="where the position is to be closed at a loss")
    take_profit: Price | None = Field(default=None, description="where the position is to be closed at a profit")
    trailing_stop: Amount | None = Field(
        default=None, description="how far (price) a stop is to stay behind the position's best price"
    )


Probability = Annotated[
    Decimal, Field(ge=0, le=1, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)
]

SPECIAL: tuple[str, ...] = tuple(SpecialTerms.model_fields)
SIZES = ("notional", "risk_amount", "equity_percent", "risk_percent")
"""What a size may be given as instead of a quantity."""


def check_special(kind: OrderType, tif: TimeInForce | None, order: Any) -> None:
    """Check what an order's type and its other words say of one another; no state is needed for it.

    Args:
        kind: of the order.
        tif: None where the desk's default counts, which is one that may rest.
        order: with the fields of `SpecialTerms`, or with none of them.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    of = partial(getattr, order)
    _check_pair(kind.stopped, of("stop_price", None), "stop_price", kind)
    trails = kind is OrderType.TRAILING_STOP
    _check_pair(trails, of("trailing_offset", None), "trailing_offset", kind)
    rests = tif is None or tif.value in RESTING_TIMES
    if (tif is TimeInForce.GTD) != (of("expire_time", None) is not None):
        raise ValueError("expire_time: comes with time_in_force GTD, and a GTD order needs one")
    if not rests and (kind.stopped or trails):
        raise ValueError(f"time_in_force: a {kind} order waits, it may not be {tif}")
    if tif is not None and tif.value in AUCTION_TIMES and kind not in PLAIN_TYPES:
        raise ValueError(f"time_in_force: {tif} is for {' and '.join(sorted(PLAIN_TYPES))} orders, this is {kind}")
    if of("trailing_offset_type", None) and not trails:
        raise ValueError(f"trailing_offset_type: a {kind} order has no offset")
    if of("trigger_price_type", None) and not (kind.stopped or trails):
        raise ValueError(f"trigger_price_type: a {kind} order waits for no price that it is for")
    for name in ("post_only", "all_or_none", "display_quantity"):
        kinds = [each for each in RESTING_TYPES if name == "display_quantity" or each != OrderType.STOP_LIMIT]
        if of(name, None) and (kind.value not in kinds or not rests):
            this = f"{kind} {tif}" if tif else kind
            raise ValueError(f"{name}: is for orders that may rest, {', '.join(kinds)}; this is {this}")
    if of("all_or_none", None) and of("display_quantity", None):
        raise ValueError("display_quantity: an all_or_none order has none")
    if of("effective_time", None) and of("effective_after_ms", None):
        raise ValueError("effective_after_ms: name effective_time or effective_after_ms, not both")
    if of("next_session", None):
        for name in ("effective_time", "effective_after_ms"):
            if of(name, None):
                raise ValueError(f"next_session: name next_session or {name}, not both")
        if tif is not None and tif.value in AUCTION_TIMES:
            raise ValueError(f"next_session: an order {tif} waits for its auction")


def _check_pair(needed: bool, value: object, name: str, kind: OrderType) -> None:
    if needed and value is None:
        raise ValueError(f"{name}: a {kind} order needs one")
    if not needed and value is not None:
        raise ValueError(f"{name}: a {kind} order has none, got {value}")


class NewOrder(SpecialTerms, PlainOrder):
    """A signal to trade.

    Without `signal_id` the stream entry's id serves; `client_order_id` defaults to the signal_id. Without
    `order_type` a price makes it LIMIT, else the desk's `order_params.default_order_type` counts; without
    `time_in_force` the desk's `order_params.time_in_force`. The size is `quantity`, or one of `notional`,
    `risk_amount`, `equity_percent` and `risk_percent`, rounded down to the lot.
    """

    model_config = Message.model_config

    quantity: Amount | None = None  # type: ignore[assignment]  # a plain order has one

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        said = [name for name in ("quantity", *SIZES) if getattr(self, name) is not None]
        if len(said) != 1:
            names = ", ".join(("quantity", *SIZES))
            raise ValueError(f"quantity: give exactly one of {names}; got {', '.join(said) or 'none'}")
        for name in ("risk_amount", "risk_percent"):
            if getattr(self, name) is not None and self.stop_loss is None:
                raise ValueError(f"{name}: needs a stop_loss, the size follows from its distance")
        kind = OrderType.LIMIT if self.price is not None else OrderType.MARKET
        check_special(self.order_type or kind, self.time_in_force, self)
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
    """Amend an order: `quantity` is the new total, fills so far included (FIX); what is absent stays.

    `stop_price` is for orders that wait for one still.
    """

    type: Literal["ReplaceOrder"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    order_id: OrderId | None = None
    orig_client_order_id: Id | None = None
    quantity: Amount | None = None
    price: Price | None = None
    stop_price: Price | None = None

    @model_validator(mode="after")
    def _names_one_order_and_a_change(self) -> ReplaceOrder:
        if (self.order_id is None) == (self.orig_client_order_id is None):
            raise ValueError("order_id: name the order by exactly one of order_id and orig_client_order_id")
        if self.quantity is None and self.price is None and self.stop_price is None:
            raise ValueError("quantity: an amendment changes quantity, price, stop_price or several of them")
        return self


class ClosePosition(Message):
    """Close what an account holds of an instrument, or `quantity` of it (FIX 77 PositionEffect C).

    A reduce-only order comes of it, on the side and of the size that what is held, less what closes it already, asks
    for: a market order, or a limit order where there is a price.
    """

    type: Literal["ClosePosition"]
    signal_id: Id | None = None
    client_order_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    symbol: Name
    quantity: Amount | None = None
    order_type: PlainOrderType | None = None
    price: Price | None = None
    time_in_force: PlainTimeInForce | None = None
    strategy: Name | None = None

    @model_validator(mode="after")
    def _price_fits_type(self) -> Self:
        if self.order_type is not None:
            _check_pair(self.order_type.priced, self.price, "price", self.order_type)
        return self


class CancelAll(Message):
    """Cancel an account's orders that work: all, or those of a symbol, strategy, side (FIX OrderMassCancelRequest)."""

    type: Literal["CancelAll"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    symbol: Name | None = None
    strategy: Name | None = None
    side: AnySide | None = None


class PredictedFields(BaseModel):
    """What a prediction says beside whose it is and of what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    move: AnyMove = Field(description="what it says to do; document 002 calls it signal")
    confidence: Probability | None = None
    price: Price | None = Field(default=None, description="of the instrument when the prediction was made")
    probability_up: Probability | None = Field(default=None, description="that the price rises")
    probability_down: Probability | None = Field(default=None, description="that it falls")
    horizon_ms: Annotated[int, Field(ge=1, le=MAX_MS), BeforeValidator(exact_number)] | None = Field(
        default=None, description="how far ahead it looks (milliseconds)"
    )
    predictor: Name | None = Field(default=None, description="which model made it")
    predictor_version: Name | None = None
    predicted_time: Time | None = Field(default=None, description="when it was made, ms since 1970 or ISO 8601")
    strategy: Name | None = None


class Prediction(PredictedFields, Message):
    """A model's prediction (document 002's PredictionSignalEvent). It is journaled, and trades nothing by itself."""

    model_config = Message.model_config

    type: Literal["Prediction"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    symbol: Name


Signal = NewOrder | CancelOrder | ReplaceOrder | ClosePosition | CancelAll | Prediction

SIGNALS: dict[str, type[Message]] = {
    "NewOrder": NewOrder,
    "CancelOrder": CancelOrder,
    "ReplaceOrder": ReplaceOrder,
    "ClosePosition": ClosePosition,
    "CancelAll": CancelAll,
    "Prediction": Prediction,
}
"""By `type`."""


LINKS = ("parent_id", "group_id", "position_id")
"""What ties an order to others. An instruction has them in one key, `links`, which a plain order does without."""


class Links(BaseModel):
    """The families of an order: the one that made it, which only a stage says, and those that the client names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parent_id: OrderId | None = Field(default=None, description="an order of the same account")
    group_id: Id | None = None
    position_id: Id | None = None


# NewOrder, CancelOrder and ReplaceOrder go on with every field present (null where absent), decimals as strings,
# `signal_id` and `client_order_id` filled in, and `signal_time` (ms) added; but for
# `links`, see above. A signal that came before, with the same content, becomes a ReportStatus instead.


def upcast_report_status_v1_v2(document: Document) -> Document:
    """Until 0.2.0 it did not say what had been asked for."""
    return {**document, "request": None}


class RefuseSignal(Message):
    """Tell an account of a signal that no instruction could be made of."""

    type: Literal["RefuseSignal"] = "RefuseSignal"
    request: str = Field(max_length=64, description="the signal's type")
    signal_id: Id
    account: Name
    entry_id: str = Field(description="of the signal's entry")
    reason: Name
    text: str
    signal_time: int


class ReportStatus(Message):
    """Tell the state of the order that an earlier, equal signal named; changes nothing.

    `request` is that signal's type, null where an older release did not say: where there is no such order, its answer
    is the one that a request of that kind gets.
    """

    UPCASTS: ClassVar[Upcasts] = {1: upcast_report_status_v1_v2}

    v: int = of_version(2)
    type: Literal["ReportStatus"] = "ReportStatus"
    request: Literal["NewOrder", "CancelOrder", "ReplaceOrder", "ClosePosition", "CancelAll", "Prediction"] | None
    signal_id: Id
    account: Name
    order_id: OrderId | None
    client_order_id: Id | None
    signal_time: int
