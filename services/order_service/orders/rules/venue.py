"""Rules about what venues have. What one lacks the desk emulates where it can: stops, icebergs, DAY and GTD."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import EMULATED_TIMES, EMULATED_TYPES, RESTING_TIMES, OrderType, RejectReason
from fillstream.services.order_service.orders.compiled import DISPLAY, Limits
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule

_LIMIT = OrderType.LIMIT.value


def _lacks(limits: Limits) -> bool:
    """Say that the venue lacks something."""
    return bool(limits.terms.lacks)


@rule(
    RejectReason.VENUE_UNKNOWN,
    limit="execution.venues",
    when=_lacks,
    example={"account": "plain", "order_type": "MARKET_TO_LIMIT", "price": None},
)
def venue_has(draft: Draft, view: View) -> str | None:
    """The venue has the order's type, time in force and display, or the desk can emulate them."""
    terms, kind, tif = draft.terms, draft.order_type, draft.time_in_force
    if kind in terms.lacks and kind not in EMULATED_TYPES:
        return f"order_type: {terms.venue} has no {kind} orders, and the desk cannot emulate them"
    if tif in terms.lacks and tif not in EMULATED_TIMES:
        return f"time_in_force: {terms.venue} has no {tif}, and the desk cannot emulate it"
    shown = draft.special is not None and draft.special.display is not None
    if shown and DISPLAY in terms.lacks and not shows_for_venue(draft):
        return f"display_quantity: {terms.venue} shows every order whole, and the desk cannot emulate it of a {kind}"
    return None


def shows_for_venue(draft: Draft) -> bool:
    """Say whether the desk shows an order a part at a time for a venue that has no icebergs: ICEBERG works it then."""
    rests = draft.order_type == _LIMIT and draft.time_in_force in RESTING_TIMES
    return rests and draft.said is not None and not draft.said.post_only


NEW = (venue_has,)
