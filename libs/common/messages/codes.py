"""The words of the vocabulary: codes, reasons with FIX's numbers for them, and what every message keeps to.

Flows in: nothing. Flows out: names. Never imports a library: whatever only shows or compares a code is not made to
load the models of every message.
"""

from __future__ import annotations

from enum import StrEnum

DEFAULT_ACCOUNT = "default"
MAX_SIGNAL_BYTES = 65_536
"""A signal's fields together may not be larger (bytes)."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,63}$"
"""Symbols, accounts, strategies, currencies."""


class Side(StrEnum):
    """FIX 54."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """FIX 40."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(StrEnum):
    """FIX 59."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrdStatus(StrEnum):
    """FIX 39, by name."""

    PENDING_NEW = "PendingNew"
    NEW = "New"
    PARTIALLY_FILLED = "PartiallyFilled"
    FILLED = "Filled"
    PENDING_CANCEL = "PendingCancel"
    PENDING_REPLACE = "PendingReplace"
    CANCELED = "Canceled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"


class RejectReason(StrEnum):
    """Why an order was refused (`OrderRejected.reason`); ORD_REJ_REASON has FIX 103's number for each."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_ACCOUNT = "unknown_account"
    OFF_TICK = "off_tick"
    OFF_LOT = "off_lot"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    PRICE_TOO_LARGE = "price_too_large"
    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_REQUIRED = "price_required"
    NO_QUOTE = "no_quote"
    STALE_QUOTE = "stale_quote"
    PRICE_COLLAR = "price_collar"
    MIN_ORDER_SIZE = "min_order_size"
    MAX_ORDER_VALUE = "max_order_value"
    MAX_DAILY_ORDERS = "max_daily_orders"
    VENUE_CAPACITY = "venue_capacity"
    VENUE_EXPIRED = "venue_expired"
    VENUE_OTHER = "venue_other"


ORD_REJ_REASON: dict[RejectReason, int] = {
    RejectReason.UNKNOWN_SYMBOL: 1,
    RejectReason.UNKNOWN_ACCOUNT: 15,
    RejectReason.OFF_TICK: 18,
    RejectReason.OFF_LOT: 13,
    RejectReason.QUANTITY_TOO_LARGE: 13,
    RejectReason.PRICE_TOO_LARGE: 3,
    RejectReason.PRICE_NOT_POSITIVE: 99,
    RejectReason.PRICE_REQUIRED: 99,
    RejectReason.NO_QUOTE: 99,
    RejectReason.STALE_QUOTE: 99,
    RejectReason.PRICE_COLLAR: 3,
    RejectReason.MIN_ORDER_SIZE: 13,
    RejectReason.MAX_ORDER_VALUE: 3,
    RejectReason.MAX_DAILY_ORDERS: 3,
    RejectReason.VENUE_CAPACITY: 0,
    RejectReason.VENUE_EXPIRED: 4,
    RejectReason.VENUE_OTHER: 99,
}
"""FIX 103 OrdRejReason."""


class CancelRejectReason(StrEnum):
    """Why a cancel or an amendment changed nothing; an amendment may also break one of RejectReason's rules."""

    TOO_LATE = "too_late"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_PENDING = "already_pending"
    BELOW_FILLED = "below_filled"
    MARKET_ORDER = "market_order"
    VENUE_CAPACITY = "venue_capacity"
    VENUE_OTHER = "venue_other"


CXL_REJ_REASON: dict[CancelRejectReason, int] = {
    CancelRejectReason.TOO_LATE: 0,
    CancelRejectReason.UNKNOWN_ORDER: 1,
    CancelRejectReason.ALREADY_PENDING: 3,
    CancelRejectReason.BELOW_FILLED: 99,
    CancelRejectReason.MARKET_ORDER: 2,
    CancelRejectReason.VENUE_CAPACITY: 2,
    CancelRejectReason.VENUE_OTHER: 99,
}
"""FIX 102 CxlRejReason."""


class CancelReason(StrEnum):
    """Why an order was taken off the book (`OrderCanceled.reason`)."""

    REQUESTED = "requested"
    IOC_REMAINDER = "ioc_remainder"
    FOK_KILLED = "fok_killed"
    NO_LIQUIDITY = "no_liquidity"
    REPLACED_BELOW_FILLED = "replaced_below_filled"
    VENUE_OTHER = "venue_other"
