"""What a venue has: asked for in `commands.<VENUE>.{s}`, told in `orders.{a}`, both as JSON in `data`.

Flows in: entries of either. Flows out: validated models. Never decides whether a desk and a venue agree, nor what is
done where they do not.

    orders stage ── ReportMassStatus ──▶ venue          what is open, traded and held (FIX OrderMassStatusRequest, AF)
                 ◀── MassStatusReport, page 1 … n ──    an order, a trade, a position a row; the last page says so
                 ── AdoptOrder ──▶ venue                this order of the venue's goes by this number from now on

A page is exact when it is sent: what happened to its orders before stands before it in `orders.{a}`, what happens to
them later behind it. Nothing is said of what happens between two pages. A venue may report without being asked, as
when it is connected anew: under a `request_id` of its own.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from fillstream.libs.common.messages.base import (
    Amount,
    ExecId,
    Message,
    Name,
    OrderId,
    Price,
    VenueId,
)
from fillstream.libs.common.messages.codes import OrderType, OrdStatus, Side, TimeInForce
from fillstream.libs.common.messages.venue import Quantity

MOST_ROWS: Final = 500
"""A page has at most so many of each: orders, trades, positions."""
MOST_ACCOUNTS: Final = 10_000
"""A report, on all its pages, names at most so many accounts that it is about."""
MAX_PARTITIONS: Final = 65_533

RequestId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,64}$")]
Moment = Annotated[int, Field(ge=0, lt=1 << 63)]
Covered = Literal["orders", "fills", "positions"]


class ReportMassStatus(Message):
    """Say what is open, traded and held of an account partition in these books (FIX OrderMassStatusRequest, 35=AF).

    A simulated venue says what is open. It keeps no trades and no positions: these it reported, and a log loses none.
    """

    type: Literal["ReportMassStatus"] = "ReportMassStatus"
    request_id: RequestId = Field(description="of all pages in answer (FIX 584 MassStatusReqID)")
    partition: int = Field(ge=0, le=MAX_PARTITIONS, description="of the accounts: the answer goes to its inbox")
    account: Name | None = Field(default=None, description="null: all of the partition")
    account_id: int = Field(default=0, ge=0, lt=1 << 32, description="its number in records; 0: all")


class AdoptOrder(Message):
    """An order of the venue's that was not the desk's goes by this number of the desk's from now on."""

    type: Literal["AdoptOrder"] = "AdoptOrder"
    order_id: OrderId = Field(description="ours: reports of it say so from now on, and commands too")
    venue_order_id: VenueId
    account: Name
    symbol: Name


class Part(BaseModel):
    """A row of a page: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(Part):
    """What orders and trades of a page have in common."""

    order_id: OrderId | None = Field(default=None, description="ours; null of an order that is not (FIX 11)")
    venue_order_id: VenueId | None = Field(default=None, description="the venue's (FIX 37)")
    account: Name | None = None
    symbol: Name | None = None
    side: Side | None = None

    @model_validator(mode="after")
    def _names_an_order(self) -> Row:
        if self.order_id is None and self.venue_order_id is None:
            raise ValueError("order_id: a row names its order by order_id, by venue_order_id or by both")
        return self


class ReportedOrder(Row):
    """An order that is open at the venue (FIX ExecutionReport, ExecType I). What is not said is not compared."""

    account_id: int | None = Field(default=None, ge=0, lt=1 << 32, description="where the account has no name here")
    ord_status: OrdStatus | None = Field(default=None, description="FIX 39")
    order_type: OrderType | None = Field(default=None, description="FIX 40")
    time_in_force: TimeInForce | None = Field(default=None, description="FIX 59")
    quantity: Amount | None = Field(default=None, description="FIX 38")
    cum_qty: Quantity | None = Field(default=None, description="filled so far (FIX 14)")
    avg_px: Price | None = Field(default=None, description="of what is filled (FIX 6)")
    last_px: Price | None = Field(default=None, description="of the newest trade (FIX 31)")
    price: Price | None = Field(default=None, description="its limit (FIX 44)")
    text: str | None = Field(default=None, max_length=512, description="the venue's own words (FIX 58)")


class ReportedFill(Row):
    """A trade of an order (FIX TradeCaptureReport)."""

    exec_id: ExecId = Field(description="unique at the venue (FIX 17)")
    last_qty: Amount
    last_px: Price
    cum_qty: Quantity | None = Field(default=None, description="of the order, after it (FIX 14)")
    liquidity: Literal["MAKER", "TAKER"] | None = None
    commission: Price | None = Field(default=None, description="positive when paid (FIX 12)")
    comm_currency: Name | None = Field(default=None, description="of the commission (FIX 479)")
    venue_time: Moment | None = Field(default=None, description="ms since 1970, by the venue (FIX 60)")

    @model_validator(mode="after")
    def _commission_has_a_currency(self) -> ReportedFill:
        if (self.commission is None) != (self.comm_currency is None):
            raise ValueError("comm_currency: commission and its currency come together")
        return self


class ReportedPosition(Part):
    """What the venue holds for an account (FIX PositionReport)."""

    account: Name
    symbol: Name
    quantity: Price = Field(description="signed: long positive, short negative")


class MassStatusReport(Message):
    """A page of what a venue has.

    What a report `covers` it covers whole, over all its pages: an order that is not on any of them is not open, a
    position that is not is nothing. `fills` need not reach far back.
    """

    type: Literal["MassStatusReport"] = "MassStatusReport"
    venue: Name
    request_id: RequestId = Field(description="of the request, or the venue's own (FIX 584)")
    symbol_partition: int | None = Field(
        default=None, ge=0, le=MAX_PARTITIONS, description="whose books it is about; null: all"
    )
    page: int = Field(ge=1, lt=1 << 31)
    last_page: bool = Field(description="FIX 912 LastRptRequested")
    covers: tuple[Covered, ...] = Field(default=("orders",), min_length=1)
    accounts: tuple[Name, ...] | None = Field(
        default=None, max_length=MOST_ACCOUNTS, description="null: all of the partition"
    )
    as_of: Moment | None = Field(
        default=None, description="ms since 1970 when the venue looked, of a report that was not asked for (FIX 60)"
    )
    orders: tuple[ReportedOrder, ...] = Field(default=(), max_length=MOST_ROWS)
    fills: tuple[ReportedFill, ...] = Field(default=(), max_length=MOST_ROWS)
    positions: tuple[ReportedPosition, ...] = Field(default=(), max_length=MOST_ROWS)
