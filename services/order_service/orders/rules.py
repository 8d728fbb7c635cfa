"""The rules an order must meet before it goes to a venue, and an amendment before it replaces anything.

Flows in: integers of ticks and lots, an instrument's terms, an account's limits, the last quote. Flows out: None, or a
Reject with a sentence that names the field, its value and the limit. Never changes anything, never looks at a clock.

Every comparison is between integers: `terms.Limits` has turned limits in money into the fewest and the most ticks times
lots that are inside them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY
from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.values.money import canonical, multiply
from fillstream.services.order_service.orders.compiled import Limits, Quote, Terms


class Reject(NamedTuple):
    """Why an order or an amendment is refused."""

    reason: RejectReason
    text: str


def unknown_account(account: str) -> Reject:
    """The desk has no such account."""
    return Reject(RejectReason.UNKNOWN_ACCOUNT, f"account: {account} is not an account of this desk")


def unknown_symbol(symbol: str) -> Reject:
    """The desk has no such instrument."""
    return Reject(RejectReason.UNKNOWN_SYMBOL, f"symbol: {symbol} is not an instrument of this desk")


def price_required() -> Reject:
    """Neither type nor price was given, and the desk's default type needs a price."""
    return Reject(RejectReason.PRICE_REQUIRED, "price: none given, and orders are LIMIT here by default")


def check_quantity(terms: Terms, lots: int | None, text: str) -> Reject | None:
    """A quantity is a multiple of the lot size and at most FS_MAX_QTY lots. `lots` is None when `text` is off lot."""
    if lots is None:
        return Reject(
            RejectReason.OFF_LOT, f"quantity: {text} is not a multiple of {terms.symbol}'s lot size {terms.lot.step}"
        )
    if lots > MAX_QTY:
        return Reject(
            RejectReason.QUANTITY_TOO_LARGE,
            f"quantity: {text} is more than {terms.lot.text(MAX_QTY)}, what a venue takes",
        )
    return None


def check_price(terms: Terms, ticks: int | None, text: str) -> Reject | None:
    """A price is positive, a multiple of the tick size and at most FS_MAX_PRICE ticks. None: `text` is off tick."""
    if ticks is None:
        return Reject(
            RejectReason.OFF_TICK, f"price: {text} is not a multiple of {terms.symbol}'s tick size {terms.price.step}"
        )
    if ticks <= 0:
        return Reject(RejectReason.PRICE_NOT_POSITIVE, f"price: {text} must be above 0")
    if ticks > MAX_PRICE:
        return Reject(
            RejectReason.PRICE_TOO_LARGE,
            f"price: {text} is more than {terms.price.text(MAX_PRICE)}, what a venue takes",
        )
    return None


def value_price(quote: Quote, buy: bool, ticks: int) -> int:
    """Return the price (ticks) that an order is valued at.

    A buyer pays its own price at most. A seller's own price is only the least it gets, so the bid counts when that is
    above: else a price below the bid, as a market order's always is, would hide a part of what is sold.
    """
    return ticks if buy or not quote.bid_qty else max(ticks, quote.bid)


def check_value(terms: Terms, limits: Limits, ticks: int, lots: int) -> Reject | None:
    """An order's value is between the account's min_order_size and max_order_value."""
    units = ticks * lots
    if limits.least <= units <= limits.most:
        return None
    value = canonical(multiply(Decimal(units), terms.value))
    if units < limits.least:
        return Reject(
            RejectReason.MIN_ORDER_SIZE,
            f"quantity: an order value of {value} {terms.currency} is below min_order_size "
            f"{canonical(limits.account.min_order_size)}",
        )
    return Reject(
        RejectReason.MAX_ORDER_VALUE,
        f"quantity: an order value of {value} {terms.currency} is above max_order_value "
        f"{canonical(limits.account.max_order_value)}",
    )


def check_collar(terms: Terms, limits: Limits, quote: Quote, buy: bool, ticks: int) -> Reject | None:
    """A price reaches at most max_slippage_bps through the touch. Without a quote on that side anything goes."""
    if buy:
        if not quote.ask_qty or ticks <= limits.highest_buy(quote.ask):
            return None
        beyond, bound, touch, at = "above", limits.highest_buy(quote.ask), "ask", quote.ask
    else:
        if not quote.bid_qty or ticks >= limits.lowest_sell(quote.bid):
            return None
        beyond, bound, touch, at = "below", limits.lowest_sell(quote.bid), "bid", quote.bid
    return Reject(
        RejectReason.PRICE_COLLAR,
        f"price: {terms.price.text(ticks)} is {beyond} {terms.price.text(bound)}: the {touch} is "
        f"{terms.price.text(at)} and max_slippage_bps {canonical(limits.account.max_slippage_bps)}",
    )


def protection_price(limits: Limits, quote: Quote, buy: bool) -> int | None:
    """Return how far (ticks, above 0) a market order may trade; None without a usable quote on the other side.

    Rounded to the less aggressive side, so a market order never pays more than a limit order might.
    """
    if buy:
        bound = limits.highest_buy(quote.ask) if quote.ask_qty else 0
        return min(bound, MAX_PRICE) if bound > 0 else None
    if not quote.bid_qty or quote.bid <= 0:
        return None
    return max(limits.lowest_sell(quote.bid), 1)


def no_quote(terms: Terms, buy: bool) -> Reject:
    """A market order has nothing that bounds its price."""
    side = "ask" if buy else "bid"
    return Reject(
        RejectReason.NO_QUOTE, f"order_type: MARKET needs a quote to bound its price, {terms.symbol} has no {side} yet"
    )


def check_fresh(terms: Terms, quote: Quote, age_ms: int, limit_ms: int) -> Reject | None:
    """What a price is judged by, and filled at, is at most max_quote_age_ms old; 0 is no limit."""
    if age_ms <= limit_ms or not limit_ms:
        return None
    return Reject(
        RejectReason.STALE_QUOTE,
        f"symbol: {terms.symbol}'s newest quote is {age_ms / 1000:.1f} s old, max_quote_age_ms is {limit_ms}: "
        "does its feed run?",
    )


def is_marketable(quote: Quote, buy: bool, ticks: int) -> bool:
    """Whether a price reaches the quote on the other side."""
    return bool(quote.ask_qty) and ticks >= quote.ask if buy else bool(quote.bid_qty) and ticks <= quote.bid


def check_daily_orders(limits: Limits, accepted: int) -> Reject | None:
    """An account has at most max_daily_orders orders accepted in one UTC day."""
    if accepted < limits.max_daily_orders:
        return None
    return Reject(
        RejectReason.MAX_DAILY_ORDERS,
        f"account: {accepted} orders were accepted today (UTC), max_daily_orders is {limits.max_daily_orders}",
    )
