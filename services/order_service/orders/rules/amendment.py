"""Rules about what may be amended, and when."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import CancelRejectReason
from fillstream.services.order_service.orders.order import Order
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


@rule(
    CancelRejectReason.ALREADY_PENDING,
    example={"quantity": "90"},
)
def nothing_pending(draft: Draft, view: View) -> str | None:
    """No cancel and no amendment of the order is under way already."""
    order = _amended(draft)
    if order.cancel_signal is None and order.amendment is None:
        return None
    what = "a cancel" if order.cancel_signal is not None else "an amendment"
    return f"order_id: {what} of order {order.order_id} is pending already"


@rule(
    CancelRejectReason.MARKET_ORDER,
    example={"quantity": "90"},
)
def not_market(draft: Draft, view: View) -> str | None:
    """A market order is not amended."""
    order = _amended(draft)
    return None if order.priced else f"order_id: order {order.order_id} is a market order"


@rule(
    CancelRejectReason.BELOW_FILLED,
    example={"quantity": "30"},
)
def not_below_filled(draft: Draft, view: View) -> str | None:
    """A new total is not below what is filled already."""
    order = _amended(draft)
    if draft.lots >= order.cum:
        return None
    filled = draft.terms.lot.text(order.cum)
    return f"quantity: {draft.quantity} is below the {filled} of order {order.order_id} filled already"


def _amended(draft: Draft) -> Order:
    assert draft.order is not None, "rules of amendments see an order"
    return draft.order


FIRST = (nothing_pending, not_market)
LAST = (not_below_filled,)
