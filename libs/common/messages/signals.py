"""`signals`: what clients ask for; and `orders.{a}`: the instructions that the signals stage makes of it.

Flows in: decoded fields. Flows out: validated models. Never judges what depends on state.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fillstream.libs.common.messages.base import (
    Amount,
    AnyOrderType,
    AnySide,
    AnyTimeInForce,
    Id,
    Message,
    Name,
    OrderId,
    Price,
    exact_number,
    of_version,
)
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.versions import Document, Upcasts


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
            BeforeValidator(exact_number),
        ]
        | None
    ) = None
    group_id: Id | None = Field(default=None, description="a family of orders that the client names")
    position_id: Id | None = Field(
        default=None, description="the position that it opens or closes, by the client's name"
    )

    @model_validator(mode="after")
    def _price_fits_type(self) -> NewOrder:
        kind = self.order_type
        if kind is not None and kind.priced and self.price is None:
            raise ValueError(f"price: a {kind} order needs one")
        if kind is not None and not kind.priced and self.price is not None:
            raise ValueError(f"price: a {kind} order has none, got {self.price}")
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

SIGNALS: dict[str, type[Message]] = {
    "NewOrder": NewOrder,
    "CancelOrder": CancelOrder,
    "ReplaceOrder": ReplaceOrder,
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


class ReportStatus(Message):
    """Tell the state of the order that an earlier, equal signal named; changes nothing.

    `request` is that signal's type, null where an older release did not say: where there is no such order, its answer
    is the one that a request of that kind gets.
    """

    UPCASTS: ClassVar[Upcasts] = {1: upcast_report_status_v1_v2}

    v: int = of_version(2)
    type: Literal["ReportStatus"] = "ReportStatus"
    request: Literal["NewOrder", "CancelOrder", "ReplaceOrder"] | None
    signal_id: Id
    account: Name
    order_id: OrderId | None
    client_order_id: Id | None
    signal_time: int
