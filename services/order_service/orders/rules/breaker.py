"""Rules about circuit breakers."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import BreakerState, RejectReason
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule

_CLOSED = BreakerState.CLOSED.value


@rule(
    RejectReason.BREAKER_OPEN,
    limit="accounts.NAME.breaker_orders",
    when=lambda limits: limits.breaks != 0,
    example={"account": "tripped", "price": "185.00"},
)
def breaker_closed(draft: Draft, view: View) -> str | None:
    """No circuit breaker of the account, the strategy or the venue is open; reduce-only orders pass all the same."""
    if draft.special is not None and draft.special.reduce_only:
        return None
    for breaker in draft.breakers:
        if breaker.state == _CLOSED:
            continue
        whose = f"{breaker.scope.lower()} {breaker.name}"
        if breaker.state == BreakerState.OPEN:
            return f"account: the circuit breaker of {whose} is open; `fillstream breakers` tells why"
        if breaker.state == BreakerState.HALF_OPEN and breaker.probe:
            return f"account: the circuit breaker of {whose} is half open, and order {breaker.probe} tries already"
    return None


NEW = (breaker_closed,)
