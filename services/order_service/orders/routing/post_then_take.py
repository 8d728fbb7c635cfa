"""POST_THEN_TAKE: it rests for a while, as a maker; then it takes."""

from __future__ import annotations

from pydantic import Field

from fillstream.services.order_service.orders.routing.best_price import split as take
from fillstream.services.order_service.orders.routing.policy import (
    Leg,
    Milliseconds,
    Request,
    RouteParameters,
    VenueMarket,
    policy,
    takers,
)
from fillstream.services.order_service.orders.routing.resting import best_to_rest


class PostThenTakeParameters(RouteParameters):
    """Those of every policy, and how long it rests."""

    post_ms: Milliseconds = Field(default=5_000, description="it rests so long before it takes")


@policy("POST_THEN_TAKE", PostThenTakeParameters, example={"post_ms": 2_000}, needs_book=True)
def split(request: Request) -> tuple[Leg, ...]:
    """Rests, post-only, at the best price of its own side where a maker's net price is best; after post_ms it takes.

    It takes as BEST_PRICE does. It takes at once where no venue has room for it to rest, and of an order that may not.
    """
    until_ms = request.began_ms + request.parameters.post_ms
    if request.now >= until_ms or not request.rests:
        return take(request)
    ticks = _touch(request)
    if ticks is None:
        return take(request)
    room = [
        each for each in takers(request) if _rests_at(request, each, ticks) and each.most(request.lots) >= each.min_lots
    ]
    venue = best_to_rest(request, ticks, room)
    if venue is None:
        return take(request)
    return (Leg(venue.name, venue.most(request.lots), ticks, rests=True, post_only=True, until_ms=until_ms),)


def _touch(request: Request) -> int | None:
    """Return the best price of its own side over all venues, or the limit where that is worse; None without either."""
    sides = [each.beside(request.buy) for each in takers(request) if each.fresh]
    best = [levels[0][0] for levels in sides if levels]
    if request.limit is not None:
        best = [min(each, request.limit) if request.buy else max(each, request.limit) for each in best]
        best = best or [request.limit]
    return (max(best) if request.buy else min(best)) if best else None


def _rests_at(request: Request, venue: VenueMarket, ticks: int) -> bool:
    """Say whether an order at a price would rest at a venue, and take nothing there."""
    other = venue.against(request.buy)[:1]
    return all(ticks < at if request.buy else ticks > at for at, _ in other)
