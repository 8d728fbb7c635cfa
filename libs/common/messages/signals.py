"""`signals`: what clients ask for; and `orders.{a}`: the instructions that the signals stage makes of it.

Flows in: decoded fields. Flows out: validated models. Never judges what depends on state.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fillstream.libs.common.messages.base import (
    Amount,
    AnyContingency,
    AnyMove,
    AnyOrderType,
    AnySide,
    AnyTimeInForce,
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
    DEFAULT_ACCOUNT,
    NO_PLAIN_TIMES,
    PLAIN_TYPES,
    BreakEven,
    ContingencyType,
    OrderType,
)
from fillstream.libs.common.messages.packed import from_json
from fillstream.libs.common.messages.protection import ProtectedFields, check_protection
from fillstream.libs.common.messages.reference import MAX_MS
from fillstream.libs.common.messages.special_terms import (
    SIZES,
    ObjectText,
    SpecialTerms,
    TargetsText,
    check_amended,
    check_pair,
    check_special,
)
from fillstream.libs.common.messages.targets import MAX_WEIGHT, Targets, TargetTerms, check_targets
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.versions import Document, Upcasts

Asker = Annotated[
    Name | None,
    Field(
        default=None,
        description="who asked a gateway for it: the name of a person or of a key; no stage goes by it, nor tells it",
    ),
]
"""Of every contract here: for who reads `signals`. A stage does without it before it looks at anything else."""


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


Probability = Annotated[
    Decimal, Field(ge=0, le=1, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)
]


class NewOrder(SpecialTerms, PlainOrder):
    """A signal to trade.

    Without `signal_id` the stream entry's id serves; `client_order_id` defaults to the signal_id. Without
    `order_type` a price makes it LIMIT, else the desk's `order_params.default_order_type` counts; without
    `time_in_force` the desk's `order_params.time_in_force`. The size is `quantity`, or one of `notional`,
    `risk_amount`, `equity_percent` and `risk_percent`, rounded down to the lot.
    """

    model_config = Message.model_config

    quantity: Amount | None = None  # type: ignore[assignment]  # a plain order has one
    who: Asker

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


MAX_LISTED, MAX_CONTINGENT = 500, 10
"""So many orders a list may have, and one whose orders depend on each other."""


class ListedOrder(NewOrder):
    """One order of a NewOrderList: what NewOrder says, but whose it is."""

    model_config = Message.model_config

    type: Literal["NewOrder"] = "NewOrder"
    account: None = None  # type: ignore[assignment]
    signal_id: None = None
    who: None = None


class CancelOrder(Message):
    """Cancel one order, named by `order_id` or by `orig_client_order_id` (FIX 41) with its account."""

    type: Literal["CancelOrder"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    order_id: OrderId | None = None
    orig_client_order_id: Id | None = None

    @model_validator(mode="after")
    def _names_one_order(self) -> CancelOrder:
        if (self.order_id is None) == (self.orig_client_order_id is None):
            raise ValueError("order_id: name the order by exactly one of order_id and orig_client_order_id")
        return self


class ReplaceOrder(Message):
    """Amend an order: `quantity` is the new total, fills so far included (FIX); what is absent stays.

    `stop_price` is for orders that wait for one still. `stop_loss`, `take_profit`, `take_profits`, `trailing_stop` and
    `break_even` are of a bracket, which is named by its entry, filled or not. `algorithm_parameters` take the place of
    those that its algorithm had by the same names.
    """

    type: Literal["ReplaceOrder"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    order_id: OrderId | None = None
    orig_client_order_id: Id | None = None
    quantity: Amount | None = None
    price: Price | None = None
    stop_price: Price | None = None
    stop_loss: Price | None = None
    take_profit: Price | None = None
    take_profits: TargetsText | None = None
    trailing_stop: Amount | None = None
    break_even: BreakEven | None = None
    algorithm_parameters: ObjectText | None = None

    @model_validator(mode="after")
    def _names_one_order_and_a_change(self) -> ReplaceOrder:
        if (self.order_id is None) == (self.orig_client_order_id is None):
            raise ValueError("order_id: name the order by exactly one of order_id and orig_client_order_id")
        check_amended(self)
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
    who: Asker
    symbol: Name
    quantity: Amount | None = None
    order_type: PlainOrderType | None = None
    price: Price | None = None
    time_in_force: PlainTimeInForce | None = None
    strategy: Name | None = None
    position_id: Id | None = Field(
        default=None,
        description="which position, of an account that hedges and holds several; of others it is only told",
    )

    @model_validator(mode="after")
    def _price_fits_type(self) -> Self:
        if self.order_type is not None:
            check_pair(self.order_type.priced, self.price, "price", self.order_type)
        return self


class CancelAll(Message):
    """Cancel an account's orders that work: all, or those of a symbol, strategy, side (FIX OrderMassCancelRequest)."""

    type: Literal["CancelAll"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    symbol: Name | None = None
    strategy: Name | None = None
    side: AnySide | None = None


class NewOrderList(Message):
    """Several orders of one account that know each other (FIX NewOrderList, 35=E).

    `orders` are what NewOrder says of each, without `account`. ONE_CANCELS_OTHER: what trades first ends the others.
    ONE_UPDATES_OTHER: what trades makes the others smaller. ONE_TRIGGERS_OTHER: the first one sends the others once
    it is filled. NONE: a basket. With `all` every order is taken and reserved for, or none is; that does not promise
    that they trade. `list_id` defaults to the signal_id, an order's `client_order_id` to that, a dot and its number.
    """

    type: Literal["NewOrderList"]
    signal_id: Id | None = None
    list_id: Id | None = Field(default=None, description="of all of them (FIX 66 ListID)")
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    contingency_type: AnyContingency = Field(
        default=ContingencyType.NONE, description="what they are to one another (FIX 1385)"
    )
    all: Flag | None = Field(default=None, description="every one of them is taken, or none is")
    orders: Annotated[list[ListedOrder], Field(min_length=1, max_length=MAX_LISTED), BeforeValidator(from_json)]

    @model_validator(mode="after")
    def _fit(self) -> NewOrderList:
        if self.contingency_type is not ContingencyType.NONE and len(self.orders) < 2:
            raise ValueError(f"orders: {self.contingency_type} is of two orders at least, got {len(self.orders)}")
        if self.contingency_type is not ContingencyType.NONE and len(self.orders) > MAX_CONTINGENT:
            raise ValueError(f"orders: {self.contingency_type} is of {MAX_CONTINGENT} orders at most")
        return self


class CancelOrderList(Message):
    """Cancel all that works of a list, or of a bracket, which goes by its entry's client_order_id (FIX 35=K)."""

    type: Literal["CancelOrderList"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    list_id: Id


class NamedOrder(Message):
    """A request about one order, named by `order_id` or by `orig_client_order_id` (FIX 41) with its account."""

    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    order_id: OrderId | None = None
    orig_client_order_id: Id | None = None

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        if (self.order_id is None) == (self.orig_client_order_id is None):
            raise ValueError("order_id: name the order by exactly one of order_id and orig_client_order_id")
        return self


class PauseOrder(NamedOrder):
    """Let an order that is worked send nothing new until it is resumed; what works of it is canceled."""

    type: Literal["PauseOrder"]


class ResumeOrder(NamedOrder):
    """Let an order that was paused go on."""

    type: Literal["ResumeOrder"]


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
    who: Asker
    symbol: Name


class ProtectPosition(ProtectedFields, Message):
    """Close what an account holds of an instrument once a price or a time has come: stop loss, take profit and others.

    It protects the position that is open as it comes, is gone with it, and sells never more than is held. What a
    bracket protects is left to that.
    """

    model_config = Message.model_config

    type: Literal["ProtectPosition"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    symbol: Name
    position_id: Id | None = Field(
        default=None,
        description="which position, of an account that hedges; absent: the only one that it holds, or that of others",
    )

    @model_validator(mode="after")
    def _closes(self) -> Self:
        check_protection(self)
        return self


class CancelProtection(Message):
    """Take away what ProtectPosition said: of one `protection_id`, or of all of a position. Orders sent go on."""

    type: Literal["CancelProtection"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    symbol: Name
    protection_id: Id | None = Field(default=None, description="absent: all of the position")
    position_id: Id | None = Field(
        default=None, description="which position, of an account that hedges; absent: the only one that it holds"
    )


class SetTarget(TargetTerms, Message):
    """Hold so much of an instrument, or of several (document 000): the desk sends what is missing until it is held.

    What is missing is the target less what is held and what works; orders that work the other way are canceled first.
    Another target takes the place of the one before. `"type": "target"` is short for it.
    """

    model_config = Message.model_config

    type: Literal["SetTarget"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    symbol: Name | None = None
    target: Price | None = Field(default=None, description="signed quantity: long positive, short negative, 0 flat")
    weight: Annotated[Price, Field(ge=-MAX_WEIGHT, le=MAX_WEIGHT)] | None = Field(
        default=None, description="instead: signed share of the account's equity (1 is all of it), rounded to 0"
    )
    tolerance: Amount | None = Field(default=None, description="so far (quantity) from it is near enough")
    targets: Targets | None = Field(
        default=None, description="several: objects of symbol, target or weight, tolerance; sells go before buys"
    )
    close_others: Flag | None = Field(
        default=None, description="whatever else is held or works is to be 0: targets [] makes an account flat"
    )

    @model_validator(mode="after")
    def _names_positions(self) -> Self:
        check_targets(self)
        return self


class CancelTarget(Message):
    """Go for a target no more: of one symbol, or for all of an account; what its orders did stays."""

    type: Literal["CancelTarget"]
    signal_id: Id | None = None
    account: Name = DEFAULT_ACCOUNT
    who: Asker
    symbol: Name | None = None


Signal = (
    NewOrder
    | CancelOrder
    | ReplaceOrder
    | ClosePosition
    | CancelAll
    | Prediction
    | NewOrderList
    | CancelOrderList
    | PauseOrder
    | ResumeOrder
    | ProtectPosition
    | CancelProtection
    | SetTarget
    | CancelTarget
)

SIGNALS: dict[str, type[Message]] = {
    "NewOrder": NewOrder,
    "CancelOrder": CancelOrder,
    "ReplaceOrder": ReplaceOrder,
    "ClosePosition": ClosePosition,
    "CancelAll": CancelAll,
    "Prediction": Prediction,
    "NewOrderList": NewOrderList,
    "CancelOrderList": CancelOrderList,
    "PauseOrder": PauseOrder,
    "ResumeOrder": ResumeOrder,
    "ProtectPosition": ProtectPosition,
    "CancelProtection": CancelProtection,
    "SetTarget": SetTarget,
    "CancelTarget": CancelTarget,
}
"""By `type`."""


def instructed(model: type[Message]) -> list[str]:
    """Return the fields of a signal that its instruction has: all but who asked."""
    return [name for name in model.model_fields if name != "who"]


LINKS = ("parent_id", "group_id", "position_id")
"""What ties an order to others. An instruction has them in one key, `links`, which a plain order does without."""


class Links(BaseModel):
    """The families of an order: the one that made it and its list, which only a stage says; the client names others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parent_id: OrderId | None = Field(default=None, description="an order of the same account")
    group_id: Id | None = None
    position_id: Id | None = None
    list_id: Id | None = None


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


class ExitPosition(Message):
    """Close a position, or `quantity` of it, since its protection says so: the positions stage's instruction.

    A reduce-only market order comes of it, of what is held less what brackets protect and what closes it already.
    """

    type: Literal["ExitPosition"] = "ExitPosition"
    signal_id: Id
    client_order_id: Id
    account: Name
    symbol: Name
    quantity: Amount | None = Field(description="null: all of it")
    position_id: Id | None = Field(description="the position that is protected")
    strategy: Name | None
    signal_time: int


class ReportStatus(Message):
    """Tell the state of the order that an earlier, equal signal named; changes nothing.

    `request` is that signal's type, null where an older release did not say: where there is no such order, its answer
    is the one that a request of that kind gets.
    """

    UPCASTS: ClassVar[Upcasts] = {1: upcast_report_status_v1_v2}

    v: int = of_version(2)
    type: Literal["ReportStatus"] = "ReportStatus"
    request: (
        Literal[
            "NewOrder", "CancelOrder", "ReplaceOrder", "ClosePosition", "CancelAll", "Prediction", "NewOrderList",
            "CancelOrderList", "PauseOrder", "ResumeOrder", "ProtectPosition", "CancelProtection",
            "SetTarget", "CancelTarget",
        ]
        | None
    )  # fmt: skip
    signal_id: Id
    account: Name
    order_id: OrderId | None
    client_order_id: Id | None
    signal_time: int
