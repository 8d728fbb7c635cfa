"""`commands.<VENUE>.{s}` and the reports in answer: what the orders stage and a venue say to each other.

Flows in: entries of either. Flows out: validated models. Never decides what a report means for an order.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from fillstream.libs.common.messages.base import (
    Amount,
    ExecId,
    Id,
    Message,
    Name,
    OrderId,
    Price,
    VenueId,
    exact_number,
)
from fillstream.libs.common.messages.codes import Side
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.values.money import MAX_DIGITS
from fillstream.libs.common.values.versions import Document

Quantity = Annotated[Decimal, Field(ge=0, max_digits=MAX_DIGITS, allow_inf_nan=False), BeforeValidator(exact_number)]
"""A quantity that may be nothing."""


class ExecType(StrEnum):
    """What a report says of an order: FIX 150's names; and the answers of OrderCancelReject (35=9), which has none.

    PendingNew, PendingCancel, PendingReplace and OrderStatus are not among them: they change nothing that a desk does
    not know by itself, and an adapter keeps them to itself.
    """

    NEW = "New"
    REJECTED = "Rejected"
    TRADE = "Trade"
    CANCELED = "Canceled"
    REPLACED = "Replaced"
    EXPIRED = "Expired"
    RESTATED = "Restated"
    TRIGGERED = "Triggered"
    STOPPED = "Stopped"
    SUSPENDED = "Suspended"
    DONE_FOR_DAY = "DoneForDay"
    CALCULATED = "Calculated"
    TRADE_CANCEL = "TradeCancel"
    TRADE_CORRECT = "TradeCorrect"
    CANCEL_REJECTED = "CancelRejected"
    REPLACE_REJECTED = "ReplaceRejected"


class VenueReport(Message):
    """A report of a venue that has ids, commissions and words of its own; the book's come as frames.

    It stands as JSON in `data` of an entry of `orders.{a}`, and is applied once: a trade, a bust (TradeCancel) and a
    correction (TradeCorrect) by its `exec_id`. A bust or correction names the trade in `ref_exec_id`; with `account`,
    `symbol`, `side`, `last_qty` and `last_px` a bust can be booked when the order has long been forgotten, and with
    `ref_last_qty` and `ref_last_px` as well a correction.
    """

    type: Literal["VenueReport"]
    venue: Name
    exec_type: ExecType
    order_id: OrderId = Field(description="ours, which the venue has as the client's (FIX 11)")
    venue_order_id: VenueId | None = Field(default=None, description="the venue's (FIX 37)")
    exec_id: ExecId | None = Field(default=None, description="unique at the venue (FIX 17); a trade has one")
    ref_exec_id: ExecId | None = Field(default=None, description="of the report that this one is about (FIX 19)")
    account: Name | None = Field(default=None, description="whose order it is (FIX 1)")
    symbol: Name | None = Field(default=None, description="of the order (FIX 55)")
    side: Side | None = Field(default=None, description="of the order (FIX 54)")
    position_id: Id | None = Field(
        default=None,
        description="of a bust or correction, of an order that the desk has forgotten, of an account that hedges",
    )
    last_qty: Amount | None = Field(default=None, description="of a trade, or guaranteed of a stopped order (FIX 32)")
    last_px: Price | None = Field(default=None, description="of a trade, or guaranteed of a stopped order (FIX 31)")
    ref_last_qty: Amount | None = Field(
        default=None,
        description="of a TradeCorrect: what the trade was; needed once its order left the desk",
    )
    ref_last_px: Price | None = Field(default=None, description="likewise")
    quantity: Amount | None = Field(default=None, description="the total of a replaced or restated order (FIX 38)")
    price: Price | None = Field(default=None, description="of a replaced, restated or triggered order (FIX 44)")
    cum_qty: Quantity | None = Field(default=None, description="filled in all, as the venue has it (FIX 14)")
    leaves_qty: Quantity | None = Field(default=None, description="open, as the venue has it (FIX 151)")
    liquidity: Literal["MAKER", "TAKER"] | None = Field(default=None, description="of a trade (FIX 851)")
    commission: Price | None = Field(default=None, description="of a trade, positive when paid (FIX 12)")
    comm_currency: Name | None = Field(default=None, description="of the commission (FIX 479)")
    restatement_reason: int | None = Field(default=None, ge=0, le=999, description="FIX 378")
    text: str | None = Field(default=None, max_length=512, description="the venue's own words (FIX 58)")
    venue_time: int | None = Field(default=None, ge=0, lt=1 << 63, description="ms since 1970, by the venue (FIX 60)")

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> VenueReport:
        for name in _NEEDED.get(self.exec_type, ()):
            if getattr(self, name) is None:
                raise ValueError(f"{name}: a {self.exec_type} report needs one")
        if (self.commission is None) != (self.comm_currency is None):
            raise ValueError("comm_currency: commission and its currency come together")
        return self


_NEEDED = {
    ExecType.TRADE: ("exec_id", "last_qty", "last_px"),
    ExecType.REPLACED: ("quantity",),
    ExecType.RESTATED: ("quantity",),
    ExecType.TRADE_CANCEL: ("exec_id", "ref_exec_id"),
    ExecType.TRADE_CORRECT: ("exec_id", "ref_exec_id", "last_qty", "last_px"),
}

FRAME: Final = b"frame"
"""The field of an entry that holds commands. In an inbox of orders it is how reports of SIM came until 0.2.0."""
_REPORTS: Final = FRAME + b"."


def reports_field(venue: str) -> bytes:
    """Return the field of an entry that holds a venue's reports: `frame.SIM`. It says who reports."""
    return _REPORTS + venue.encode()


def reporting_venue(field: bytes) -> str | None:
    """Return the venue whose reports an entry's field holds; None of any other field."""
    if field == FRAME:
        return SIM
    return field.removeprefix(_REPORTS).decode(errors="replace") if field.startswith(_REPORTS) else None


def at_sim(document: Document) -> Document:
    """Say where a message is from: 0.1.0 had one venue, and did not name it."""
    return {**document, "venue": SIM}


class Frame(BaseModel):
    """Commands for a venue: 64-byte records (native/include/fillstream.h), no JSON."""

    frame: bytes


class ReportFrame(BaseModel):
    """What a venue answers, likewise: the field is `frame.` and the venue's name."""

    frame: bytes = Field(alias=reports_field(SIM).decode())
