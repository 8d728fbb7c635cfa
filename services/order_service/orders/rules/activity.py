"""Rules about how much an account does."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


@rule(
    RejectReason.MAX_DAILY_ORDERS,
    limit="accounts.NAME.max_daily_orders",
    example={"account": "idle", "price": "185.00"},
)
def max_daily_orders(draft: Draft, view: View) -> str | None:
    """An account has at most max_daily_orders orders accepted in one UTC day."""
    accepted, limit = view.accepted_on(draft.account, draft.ms), draft.limits.max_daily_orders
    if accepted < limit:
        return None
    return f"account: {accepted} orders were accepted today (UTC), max_daily_orders is {limit}"


NEW = (max_daily_orders,)
