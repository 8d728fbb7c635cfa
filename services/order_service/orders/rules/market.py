"""Rules about the market: how far from it a price may be, and how old what is known of it.

Protection and valuation stand here too: how far a market order may go, and what an order is valued at.
"""

from __future__ import annotations

from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.libs.common.messages.codes import OrderType, RejectReason
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.compiled import Quote, Reach, Terms
from fillstream.services.order_service.orders.rules.rule import IMMEDIATE, Draft, View, rule

BOUNDED = (OrderType.MARKET.value, OrderType.MARKET_TO_LIMIT.value, OrderType.TRAILING_STOP.value)
"""Types that are nothing without a market: it bounds their price, or they follow it."""


@rule(
    RejectReason.NO_QUOTE,
    order_types=BOUNDED,
    example={"order_type": "MARKET", "symbol": "ES"},
)
def has_quote(draft: Draft, view: View) -> str | None:
    """A market order has a quote on the other side, which bounds its price."""
    if draft.bounded:
        return None
    side = "ask" if draft.buy else "bid"
    return f"order_type: {draft.order_type} needs a quote to bound its price, {draft.terms.symbol} has no {side} now"


@rule(
    RejectReason.PRICE_COLLAR,
    limit="accounts.NAME.max_slippage_bps",
    order_types=(OrderType.LIMIT.value,),  # a market order's price is the bound itself; the others wait for theirs
    example={"price": "999.00"},
)
def within_collar(draft: Draft, view: View) -> str | None:
    """A price reaches at most max_slippage_bps through the touch, or max_exit_slippage_bps where it is reduce-only."""
    if not draft.riskier or (draft.special is not None and draft.special.effective_ms > draft.ms):
        return None  # of an order for later the market is asked when it goes
    exits = only_closes(draft)
    quote, ticks, reach = draft.quote, draft.ticks, draft.limits.exits if exits else draft.limits
    if draft.buy:
        if not quote.ask_qty or ticks <= reach.highest_buy(quote.ask):
            return None
        beyond, bound, touch, at = "above", reach.highest_buy(quote.ask), "ask", quote.ask
    else:
        if not quote.bid_qty or ticks >= reach.lowest_sell(quote.bid):
            return None
        beyond, bound, touch, at = "below", reach.lowest_sell(quote.bid), "bid", quote.bid
    text, name = draft.terms.price.text, "max_exit_slippage_bps" if exits else "max_slippage_bps"
    return (
        f"price: {text(ticks)} is {beyond} {text(bound)}: the {touch} is {text(at)} and {name} "
        f"{canonical(getattr(draft.limits.account, name))}"
    )


@rule(
    RejectReason.STALE_QUOTE,
    limit="execution.max_quote_age_ms",
    when=lambda limits: limits.max_quote_age_ms > 0,
    order_types=IMMEDIATE,
    example={"price": "60000.1", "quantity": "0.1", "symbol": "BTCUSDT"},
)
def fresh_quote(draft: Draft, view: View) -> str | None:
    """The quote that an order reaches is at most max_quote_age_ms old: it is judged by it, and filled at it."""
    limit_ms = draft.limits.max_quote_age_ms
    if not draft.riskier:
        return None
    quote = draft.quote
    age_ms = draft.ms - quote.at_ms
    if age_ms <= limit_ms or not is_marketable(quote, draft.buy, draft.ticks):
        return None
    return (
        f"symbol: {draft.terms.symbol}'s newest quote is {age_ms / 1000:.1f} s old, max_quote_age_ms is {limit_ms}: "
        "does its feed run?"
    )


@rule(
    RejectReason.SELF_CROSS,
    limit="accounts.NAME.refuse_self_cross",
    when=lambda limits: limits.account.refuse_self_cross,
    order_types=IMMEDIATE,
    example={"account": "selfish", "price": "185.00"},
)
def not_against_itself(draft: Draft, view: View) -> str | None:
    """Where the account says so, no order reaches a price at which another of its own rests on the other side."""
    holding, buy, ticks = draft.limits.holding, draft.buy, draft.ticks
    if draft.order_type in BOUNDED and only_closes(draft):  # its bound is far out, where it hardly trades
        near = protection_price(draft.limits, draft.quote, buy)
        ticks = ticks if near is None else near
    ladder = holding.asks if buy else holding.bids
    if ladder is None or not ladder:
        return None
    best = ladder.best
    if best is None or not draft.riskier or (ticks < best if buy else ticks > best):
        return None
    side, text = ("sale", draft.terms.price.text) if buy else ("purchase", draft.terms.price.text)
    return f"price: {text(ticks)} reaches a {side} of account {draft.account} itself, which rests at {text(best)}"


def only_closes(draft: Draft) -> bool:
    """Say whether an order may do no more than close what is held: it has to get out, and reaches further."""
    special = draft.special if draft.order is None else draft.order.special
    return special is not None and bool(special.reduce_only)


def is_marketable(quote: Quote, buy: bool, ticks: int) -> bool:
    """Whether a price reaches the quote on the other side."""
    return bool(quote.ask_qty) and ticks >= quote.ask if buy else bool(quote.bid_qty) and ticks <= quote.bid


def protection_price(reach: Reach, quote: Quote, buy: bool) -> int | None:
    """Return how far (ticks) a market order may trade; None without a quote on the other side.

    Rounded to the less aggressive side, so a market order never pays more than a limit order might.
    """
    if buy:
        return reach.bound(quote.ask, buy) if quote.ask_qty else None
    return reach.bound(quote.bid, buy) if quote.bid_qty else None


def by_last(reach: Reach, quote: Quote, buy: bool) -> int | None:
    """Return the same from the last trade, None before the first: for what waits for its market, or has to get out."""
    return None if quote.last is None else reach.bound(quote.last, buy)


def value_price(quote: Quote, buy: bool, ticks: int) -> int:
    """Return the price (ticks, without its sign) that an order is valued at: the larger of what it may trade at.

    A buyer pays its own price at most. A seller's own price is only the least it gets, so the bid counts when that is
    above: else a price below the bid, as a market order's always is, would hide a part of what is sold. Below 0 it is
    the other way round: a buyer is paid, and the more the lower the ask is.
    """
    if buy:
        ask = quote.ask
        if ticks >= 0 <= ask:  # nearly always, as for a seller
            return ticks
        return max(abs(ticks), -ask) if quote.ask_qty and ask < ticks else abs(ticks)
    bid = quote.bid
    if ticks >= 0:
        return bid if bid > ticks and quote.bid_qty else ticks
    return max(-ticks, bid) if quote.bid_qty else -ticks


def worth_of(terms: Terms, quote: Quote, buy: bool, ticks: int, lots: int) -> int:
    """Return what an order of so many lots is valued at, in units of the terms' `value`: see `value_price`.

    A lot of an inverse contract is worth the more the lower its price is: a seller's own price is the least it gets,
    and a buyer pays what the market asks where that is below its own. An order without a price is worth what the
    market says; while nobody says anything, more than any limit.
    """
    if terms.inverse is None:
        return value_price(quote, buy, ticks) * lots
    side, size = (quote.ask, quote.ask_qty) if buy else (quote.bid, quote.bid_qty)
    market = side if size else quote.last or 0
    if abs(ticks) >= MAX_PRICE:
        ticks = market if market > 0 else 1
    elif buy and 0 < market < ticks:
        ticks = market
    return terms.worth(ticks, lots)


NEW = (has_quote, within_collar, fresh_quote, not_against_itself)
AMEND = (within_collar, fresh_quote, not_against_itself)
