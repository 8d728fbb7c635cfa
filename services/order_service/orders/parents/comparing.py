"""What of an order's children is wanted, and what of its wishes is missing.

Flows in: slices that are wanted, children that work. Flows out: what is to be sent, and which children are to be taken
off. Never changes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fillstream.libs.common.messages.codes import TimeInForce
from fillstream.libs.common.values.moments import LAST_MS
from fillstream.services.order_service.orders.algos.algorithm import Slice
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.parents.work import Work

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State

Key = tuple[str | None, int | None, bool]
"""What children that rest have in common: venue and price, and whether they never take. Of those that a policy routed,
the price of the slice that they are of, whatever the venue."""
_IOC = TimeInForce.IOC.value


def compared(state: State, order: Order, work: Work, slices: list[Slice], ms: int) -> tuple[list[Slice], list[int]]:
    """Return the slices, or parts of them, that nothing works for; and the children that nobody wants any more."""
    resting, at_once = _working(state, work, ms)
    missing: list[Slice] = []
    for each in slices:
        venue = each.venue if each.venue is not None or work.routing is not None else order.venue
        have = 0
        if not each.rests or each.ticks is None or venue is None:
            have = min(at_once.get(venue, 0), each.lots)
            at_once[venue] = at_once.get(venue, 0) - have
        if venue is None or (each.rests and each.ticks is not None):  # a policy lets rest what is to trade at once
            key = (venue, each.ticks, each.post_only and venue is not None)
            have += _kept(resting, key, each.lots - have)
        if each.lots > have:
            missing.append(each._replace(lots=each.lots - have, venue=venue))
    return missing, [child.order_id for children in resting.values() for child in children]


def _working(state: State, work: Work, ms: int) -> tuple[dict[Key, list[Order]], dict[str | None, int]]:
    """Return children that rest and are not being taken off, by what they have in common; and lots of the others."""
    resting: dict[Key, list[Order]] = {}
    at_once: dict[str | None, int] = {}
    for order_id in work.open:
        child = state.orders[order_id]
        routed = order_id in work.asked_for
        if child.time_in_force == _IOC:
            venue = None if routed else child.venue
            at_once[venue] = at_once.get(venue, 0) + child.leaves
        elif child.cancel_signal is None:
            post_only = child.special is not None and child.special.post_only
            key: Key = (None, work.asked_for[order_id], False) if routed else (child.venue, child.price, post_only)
            if work.until.get(order_id, LAST_MS) <= ms:
                key = (None, None, True)  # nobody wants it there any more
            resting.setdefault(key, []).append(child)
    return resting, at_once


def _kept(resting: dict[Key, list[Order]], key: Key, lots: int) -> int:
    """Keep of the children that rest there as many as are wanted, the oldest first; return what they have."""
    have = 0
    gone: list[Order] = []
    for child in resting.pop(key, ()):
        if have + child.leaves <= lots:
            have += child.leaves
        else:
            gone.append(child)
    if gone:
        resting[key] = gone
    return have
