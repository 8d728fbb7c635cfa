"""Rules about what may be amended, and when."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import CancelRejectReason, OrderType
from fillstream.services.order_service.orders.life.order import WORKED, Order
from fillstream.services.order_service.orders.rules.permission import held_by, reduces
from fillstream.services.order_service.orders.rules.rule import ALL, PRICED, Draft, View, rule

_MARKET = OrderType.MARKET.value


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
    """A market order is not amended, but for one that is worked."""
    order = _amended(draft)
    if order.order_type != _MARKET or order.held == WORKED:
        return None
    return f"order_id: order {order.order_id} is a market order"


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


@rule(
    CancelRejectReason.NO_PRICE,
    order_types=ALL - PRICED - {_MARKET},
    example={"price": "180.00"},
)
def has_price(draft: Draft, view: View) -> str | None:
    """Only an order that has a price of the client's gets another."""
    if draft.price is None:
        return None
    return f"price: order {_amended(draft).order_id} is {draft.order_type}, which has none"


@rule(
    CancelRejectReason.NOT_WAITING,
    example={"stop_price": "195.00"},
)
def still_waits(draft: Draft, view: View) -> str | None:
    """Only an order that waits for a stop price gets another."""
    if draft.said is None:
        return None
    order = _amended(draft)
    if order.special is not None and order.special.stop is not None and not order.came:
        return None
    return f"stop_price: order {order.order_id} ({draft.order_type}) waits for none"


@rule(
    CancelRejectReason.ONLY_REDUCES,
    example={"quantity": "500"},
)
def goes_on_reducing(draft: Draft, view: View) -> str | None:
    """An amended reduce_only order can still do no more than close what is held."""
    order = _amended(draft)
    if order.special is None or not order.special.reduce_only or reduces(draft):
        return None
    held = draft.terms.lot.text(held_by(draft).quantity)
    return f"quantity: order {order.order_id} is reduce_only, and {draft.account} holds {held} less what works"


def _amended(draft: Draft) -> Order:
    assert draft.order is not None, "rules of amendments see an order"
    return draft.order


FIRST = (nothing_pending, not_market, has_price, still_waits)
LAST = (not_below_filled, goes_on_reducing)
