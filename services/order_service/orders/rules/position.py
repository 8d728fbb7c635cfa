"""Rules about how much an account may hold of one instrument, and how many orders may work."""

from __future__ import annotations

from fillstream.libs.common.messages.codes import RejectReason
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.holding import hedged
from fillstream.services.order_service.orders.holding.holdings import needs_positions
from fillstream.services.order_service.orders.holding.valuation import added
from fillstream.services.order_service.orders.rules.permission import reduces
from fillstream.services.order_service.orders.rules.rule import Draft, View, rule


def _holds(draft: Draft, view: View) -> str | None:
    """Say None where all rules below hold."""
    limits = draft.limits
    account, lots, bounds = limits.holding.account, draft.lots, limits.bounds
    if draft.order is not None or not account.known:
        return "look"
    if "max_position" in bounds and _at_most(draft, lots) > bounds["max_position"]:
        return "look"
    most = limits.account.max_open_orders
    return None if most is None or account.open_orders < most else "look"


def _at_most(draft: Draft, more: int) -> int:
    """Return what the order's side may come to with so many lots more; of an account that hedges, all its longs."""
    holding = draft.limits.holding
    if holding.hedged is not None:
        return hedged.at_most(holding.hedged, draft.position_id, draft.buy, more)
    return holding.quantity + holding.buys + more if draft.buy else holding.sells + more - holding.quantity


@rule(
    RejectReason.POSITION_UNKNOWN,
    when=lambda limits: needs_positions(limits.account),
    screen=_holds,
    example={"account": "unknown", "price": "185.00"},
)
def position_known(draft: Draft, view: View) -> str | None:
    """A limit that needs the account's positions finds them: kept since its first fill, or reconciled."""
    if draft.limits.holding.account.known or not added(draft):
        return None
    return (
        f"account: what {draft.account} holds is not known since this desk was upgraded, and it has limits that need "
        "it; reconcile it, or reset them"
    )


@rule(
    RejectReason.MAX_POSITION,
    limit="accounts.NAME.max_position",
    when=lambda limits: limits.account.max_position is not None,
    screen=_holds,
    example={"account": "small", "price": "185.00", "quantity": "11"},
)
def max_position(draft: Draft, view: View) -> str | None:
    """What is held of an instrument, with all working orders of one side, stays within max_position, long or short."""
    limits, more = draft.limits, added(draft)
    after = _at_most(draft, more)
    if after <= limits.bounds["max_position"] or not more or (limits.holding.hedged is not None and reduces(draft)):
        return None
    most, lot = limits.account.max_position, draft.terms.lot
    assert most is not None, "the rule is about those that have one"
    way = "long" if draft.buy else "short"
    return (
        f"quantity: {draft.quantity} could make the position {lot.text(after)} {way}, with all orders that work; "
        f"max_position is {canonical(most)}"
    )


@rule(
    RejectReason.MAX_OPEN_ORDERS,
    limit="accounts.NAME.max_open_orders",
    when=lambda limits: limits.account.max_open_orders is not None,
    screen=_holds,
    example={"account": "one", "price": "185.00"},
)
def max_open_orders(draft: Draft, view: View) -> str | None:
    """At most max_open_orders orders of an account work at a time."""
    limits = draft.limits
    most, open_orders = limits.account.max_open_orders, limits.holding.account.open_orders
    assert most is not None, "the rule is about those that have one"
    if open_orders < most:
        return None
    return f"account: {open_orders} orders of {draft.account} work, max_open_orders is {most}"


AMEND = (position_known, max_position)
NEW = (*AMEND, max_open_orders)
