"""Where the slices of an order go that a routing policy routes.

Flows in: an order that is worked, what of a slice is missing. Flows out: slices with venues, as the policy's legs have
them. Never sends anything, and never says how much may be sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fillstream.libs.common.messages.packed import parameters_of
from fillstream.services.order_service.orders.algos.algorithm import Slice
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.parents.work import Work
from fillstream.services.order_service.orders.routing import POLICIES
from fillstream.services.order_service.orders.routing.policy import (
    Levels,
    Request,
    VenueMarket,
    again_ms,
    legs_of,
    nowhere,
)
from fillstream.services.order_service.orders.routing.venues import Own, venue_market

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State


class Part(NamedTuple):
    """A part of a slice that goes to a venue.

    Attributes:
        slice: with its venue.
        until_ms: what rests of it is called back then; 0: it stays.
    """

    slice: Slice
    until_ms: int = 0


class Routed(NamedTuple):
    """Where a slice goes.

    Attributes:
        parts: of it.
        again_ms: when the policy wants to be asked again at the latest; None: when something happened.
        why: nothing goes anywhere; empty where something does.
    """

    parts: list[Part]
    again_ms: int | None
    why: str


def parts_of(state: State, order: Order, work: Work, wanted: Slice, lots: int, ms: int) -> Routed:
    """Return where `lots` of a slice go that names no venue.

    Raises:
        ValueError: a policy of somebody's own is wrong; see `legs_of`.
    """
    assert work.routing is not None, "it is routed"
    policy = POLICIES[work.routing]
    limit = wanted.ticks if wanted.ticks is not None else order.price if order.priced else None
    venues = tuple(_market(state, order, work, venue, ms) for venue in work.venues)
    request = Request(
        order.side == "BUY", lots, limit, ms, policy.parameters.model_validate(parameters_of(work.route_parameters)),
        venues, work.preferences, wanted.rests and wanted.ticks is not None, work.start_ms, work.memory,
    )  # fmt: skip
    parts = []
    for leg in legs_of(policy, request):
        said = wanted._replace(lots=leg.lots, venue=leg.venue, rests=leg.rests)
        if leg.ticks is not None and (wanted.ticks is not None or leg.rests or order.priced):
            said = said._replace(ticks=leg.ticks)
        parts.append(Part(said._replace(post_only=leg.post_only or wanted.post_only), leg.until_ms or 0))
    return Routed(parts, again_ms(request), "" if parts else nowhere(request))


def _market(state: State, order: Order, work: Work, venue: str, ms: int) -> VenueMarket:
    symbol = order.terms.symbol
    own = Own(
        _resting(state, work, venue, "BUY"),
        _resting(state, work, venue, "SELL"),
        work.rejected.get(venue),
        work.missed.get(venue),
    )
    report = state.markets.of(venue, state.terms[venue][symbol].id)
    return venue_market(state, order.account, symbol, venue, ms, report, own)


def _resting(state: State, work: Work, venue: str, side: str) -> Levels:
    """Return what of the order itself rests at a venue."""
    children = (state.orders[each] for each in work.open)
    return tuple((o.price, o.leaves) for o in children if o.venue == venue and o.side == side and o.acknowledged)
