"""Rules about what an order is worth: price times quantity times multiplier, in the instrument's currency."""

from __future__ import annotations

from decimal import Decimal

from fillstream.libs.common.ledger.inverse import VALUE_DECIMALS
from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.values.money import canonical, multiply, ratio
from fillstream.services.order_service.orders.compiled import MONEY_DECIMALS
from fillstream.services.order_service.orders.rules.market import only_closes
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


@rule(
    RejectReason.MIN_ORDER_SIZE,
    limit="accounts.NAME.min_order_size",
    example={"quantity": "1", "price": "0.01"},
)
def min_order_size(draft: Draft, view: View) -> str | None:
    """An order's value is at least the account's min_order_size."""
    limits = draft.limits
    if draft.worth >= limits.bounds["min_order_size"]:
        return None
    least = canonical(limits.account.min_order_size)
    return f"quantity: an order value of {_value(draft)} is below min_order_size {least}"


@rule(
    RejectReason.MAX_ORDER_VALUE,
    limit="accounts.NAME.max_order_value",
    example={"quantity": "100000", "price": "185.00"},
)
def max_order_value(draft: Draft, view: View) -> str | None:
    """An order's value is at most the account's max_order_value, but of one that may do no more than reduce."""
    limits = draft.limits
    if draft.worth <= limits.bounds["max_order_value"] or only_closes(draft):
        return None
    most = canonical(limits.account.max_order_value)
    return f"quantity: an order value of {_value(draft)} is above max_order_value {most}"


def _value(draft: Draft) -> str:
    terms = draft.terms
    if terms.inverse is not None:  # of which every digit there is would be shown
        return f"{ratio(draft.worth, 10**VALUE_DECIMALS, MONEY_DECIMALS)} {terms.currency}"
    return f"{canonical(multiply(Decimal(draft.worth), terms.value))} {terms.currency}"


NEW = AMEND = (min_order_size, max_order_value)
