"""Rules about how much an account does."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.services.order_service.orders.holding.holdings import duplicate_key
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


def _holds(draft: Draft, view: View) -> str | None:
    """Say None where all rules below hold."""
    limits, ms = draft.limits, draft.ms
    terms, held = limits.account, limits.holding.account
    sent = held.sent
    if sent and len(sent) == terms.max_orders_per_window and sent[0] > ms - terms.order_window_ms:
        return "look"
    if terms.duplicate_window_ms:
        key = duplicate_key(draft.symbol, draft.buy, draft.order_type, draft.lots, draft.ticks, draft.special)
        last_ms = held.last_like(key)
        if last_ms is not None and last_ms > ms - terms.duplicate_window_ms:
            return "look"
    return None if draft.order or view.accepted_on(draft.account, ms) < limits.max_daily_orders else "look"


@rule(
    RejectReason.MAX_DAILY_ORDERS,
    limit="accounts.NAME.max_daily_orders",
    screen=_holds,
    example={"account": "idle", "price": "185.00"},
)
def max_daily_orders(draft: Draft, view: View) -> str | None:
    """An account has at most max_daily_orders orders accepted in one day, of UTC unless its own begins elsewhere."""
    accepted, limit = view.accepted_on(draft.account, draft.ms), draft.limits.max_daily_orders
    if accepted < limit:
        return None
    day = "of its own day" if draft.limits.account.day_begins_minutes else "UTC"
    return f"account: {accepted} orders were accepted today ({day}), max_daily_orders is {limit}"


@rule(
    RejectReason.MAX_ORDERS_PER_WINDOW,
    limit="accounts.NAME.max_orders_per_window",
    when=lambda limits: limits.account.max_orders_per_window is not None,
    screen=_holds,
    example={"account": "slow", "price": "185.00"},
)
def max_orders_per_window(draft: Draft, view: View) -> str | None:
    """At most max_orders_per_window orders and amendments of an account are taken in order_window_ms."""
    account, sent = draft.limits.account, draft.limits.holding.account.sent
    most, window_ms = account.max_orders_per_window, account.order_window_ms
    if len(sent) != most or sent[0] <= draft.ms - window_ms:
        return None
    return f"account: {most} orders and amendments were taken in {window_ms} ms, max_orders_per_window is {most}"


@rule(
    RejectReason.DUPLICATE_ORDER,
    limit="accounts.NAME.duplicate_window_ms",
    when=lambda limits: limits.account.duplicate_window_ms > 0,
    screen=_holds,
    example={"account": "twice", "price": "185.00"},
)
def not_a_duplicate(draft: Draft, view: View) -> str | None:
    """No order of the same account, symbol, side, quantity and price was taken within duplicate_window_ms."""
    limits = draft.limits
    key = duplicate_key(draft.symbol, draft.buy, draft.order_type, draft.lots, draft.ticks, draft.special)
    last_ms = limits.holding.account.last_like(key)
    window_ms = limits.account.duplicate_window_ms
    if last_ms is None or last_ms <= draft.ms - window_ms:
        return None
    return (
        f"account: {draft.account} sent the same order {draft.ms - last_ms} ms ago, its duplicate_window_ms is "
        f"{window_ms}"
    )


AMEND = (max_orders_per_window,)
NEW = (max_daily_orders, max_orders_per_window, not_a_duplicate)
