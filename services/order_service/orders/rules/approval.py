"""Rules about what a person must approve."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import CancelRejectReason
from fillstream.services.order_service.orders.life.order import FOR_APPROVAL
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


@rule(
    CancelRejectReason.NEEDS_APPROVAL,
    limit="accounts.NAME.approval_above",
    when=lambda limits: limits.approves,
    example={"quantity": "101"},
)
def needs_no_approval(draft: Draft, view: View) -> str | None:
    """What needs an approval is approved as it comes: nothing that works is amended past that."""
    order, limits = draft.order, draft.limits
    if (
        order is None
        or order.held == FOR_APPROVAL
        or not draft.riskier
        or not limits.needs_approval(draft.worth, draft.strategy)
    ):
        return None
    return f"quantity: order {order.order_id} as amended would need an approval; cancel it, and send a new one"


AMEND = (needs_no_approval,)
