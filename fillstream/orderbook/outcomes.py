"""What an order book tells people: small named tuples, made of the engine's reports and records.

Flows in: reports and records of `libs.common.engine.core`, and the names of the orders they are about. Flows
out: what the methods of `fillstream.Engine` return and its callbacks are called with. Prices are ticks, quantities
lots. Never decides anything.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from fillstream.libs.common.engine.core import Level, Resting
from fillstream.libs.common.engine.frames import OrderFlag, OrdType, Reason, Report, ReportFlag, ReportType, Side

UNLIMITED: Final = frozenset({OrdType.STOP, OrdType.TRAILING_STOP})
"""Types of live orders that have no limit price; a MARKET order never lives on."""
_ASLEEP: Final = frozenset({-1 << 63, (1 << 63) - 1})


class Status(Enum):
    """What an order is after a command: WORKING in the book, WAITING for its stop price, or done."""

    WORKING = "WORKING"
    WAITING = "WAITING"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"


class TradeReport(NamedTuple):
    """One side of one trade. `price` is the resting order's, `leaves` (lots) what this order has open after it."""

    match_id: int
    symbol: str
    side: Side
    price: int
    qty: int
    leaves: int
    client_id: str | int
    broker_id: int
    maker: bool


class OrderUpdate(NamedTuple):
    """What happened to an order, other than a trade: ACCEPTED, REPLACED, CANCELED, EXPIRED, TRIGGERED or REDUCED.

    `status`, `leaves` (lots open) and `reason` are as they were right after it.
    """

    client_id: str | int
    broker_id: int
    symbol: str
    exec_type: ReportType
    status: Status
    leaves: int
    reason: Reason


class OrderResult(NamedTuple):
    """What a command did to its own order, at its own moment.

    `filled` is what the command traded of it (lots), `trades` its side of these trades, `leaves` what is open after.
    `reason` says why it was rejected or cancelled. A rejected cancel or replacement left the order as it was.
    """

    client_id: str | int
    broker_id: int
    status: Status
    filled: int
    leaves: int
    reason: Reason
    trades: tuple[TradeReport, ...]


class CommandResult(NamedTuple):
    """What a command about no single order did: every named order's trades and updates, in order.

    `reason` is NONE when it was done; otherwise it says why it was refused, and nothing has changed.
    """

    reason: Reason
    trades: tuple[TradeReport, ...]
    updates: tuple[OrderUpdate, ...]

    @property
    def done(self) -> bool:
        """Whether it was done, and not refused."""
        return self.reason is Reason.NONE


class MarketData(NamedTuple):
    """A symbol at a moment: levels best first, the last trade (None before the first), lots traded in all."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_price: int | None
    last_qty: int | None
    volume: int


class Indicative(NamedTuple):
    """Where an auction would uncross now, and how many lots."""

    price: int
    qty: int


class OpenOrder(NamedTuple):
    """One live order. `house`: it is a side of a quote, and has no client id, broker id 0 and account 0.

    `price` is None for a stop without a limit; `stop_price` for all but waiting stops, and for a trailing stop before
    the first trade; `offset` for all but trailing stops; `expiry_ms` for an order that stays. `shown` (lots) is what
    the book shows of `leaves`, 0 while `waiting` for the stop price.
    """

    client_id: str | int | None
    broker_id: int
    account: int
    symbol: str
    side: Side
    ord_type: OrdType
    price: int | None
    stop_price: int | None
    offset: int | None
    leaves: int
    shown: int
    filled: int
    expiry_ms: int | None
    flags: OrderFlag
    waiting: bool
    house: bool


class Named(NamedTuple):
    """What a live order is called by its owner, and what its records do not say."""

    client_id: str | int
    account: int
    symbol: str
    ord_type: OrdType


_SIDES: Final = {int(side): side for side in Side}
_KINDS: Final = {int(kind): kind for kind in ReportType}
REASONS: Final = {int(reason): reason for reason in Reason}
"""By code: a call of an enumeration costs as much as all else of a small answer."""
_MAKER: Final = int(ReportFlag.MAKER)


def trade_report(report: Report, order: Named) -> TradeReport:
    """Return one side of a trade of a named order."""
    return TradeReport(
        report.match_id, order.symbol, _SIDES[report.side], report.price, report.qty, report.leaves,
        order.client_id, report.order_id, report.flags & _MAKER != 0,
    )  # fmt: skip


def order_update(report: Report, order: Named) -> OrderUpdate:
    """Return what else a report says of a named order."""
    kind, reason = _KINDS[report.type], REASONS[report.reason]
    return OrderUpdate(order.client_id, report.order_id, order.symbol, kind, status_of(report), report.leaves, reason)


def open_order(order: Resting, symbol: str, name: Named | None) -> OpenOrder:
    """Return a live order; without a name it is the house's."""
    ord_type = name.ord_type if name else OrdType.LIMIT
    return OpenOrder(
        client_id=name.client_id if name else None,
        broker_id=order.order_id,
        account=order.account,
        symbol=symbol,
        side=Side(order.side),
        ord_type=ord_type,
        price=None if ord_type in UNLIMITED else order.price,
        stop_price=order.stop if order.dormant and order.stop not in _ASLEEP else None,
        offset=order.price if ord_type is OrdType.TRAILING_STOP else None,
        leaves=order.leaves,
        shown=order.shown,
        filled=order.filled,
        expiry_ms=order.expiry_ms or None,
        flags=OrderFlag(order.flags),
        waiting=bool(order.dormant),
        house=bool(order.house),
    )


_DONE: Final = {
    int(ReportType.REJECTED): Status.REJECTED,
    int(ReportType.CANCEL_REJECTED): Status.REJECTED,
    int(ReportType.REPLACE_REJECTED): Status.REJECTED,
    int(ReportType.CANCELED): Status.CANCELED,
    int(ReportType.EXPIRED): Status.EXPIRED,
}
_FILLED: Final = int(ReportType.FILLED)
_DORMANT: Final = int(ReportFlag.DORMANT)


def status_of(report: Report) -> Status:
    """Return what the order of a report is after it."""
    done = _DONE.get(report.type)
    if done is not None:
        return done
    if report.type == _FILLED and not report.leaves:
        return Status.FILLED
    return Status.WAITING if report.flags & _DORMANT else Status.WORKING
