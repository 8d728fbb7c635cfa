"""BEST_PRICE: what costs least after fees, over all venues' levels."""

from __future__ import annotations

from fillstream.services.order_service.orders.routing.cheapest import cheapest
from fillstream.services.order_service.orders.routing.policy import Leg, Request, RouteParameters, policy
from fillstream.services.order_service.orders.routing.resting import with_rest


class BestPriceParameters(RouteParameters):
    """Those of every policy."""


@policy("BEST_PRICE", BestPriceParameters, example={"reject_ms": 2_000}, needs_book=True)
def split(request: Request) -> tuple[Leg, ...]:
    """Takes what costs least after fees over all venues' levels, each venue no further than planned; the rest rests.

    A leg's price is the last level that it is to take: what has gone from there is not taken deeper in the same book,
    but routed anew. What is left once nothing within the limit is shown rests where a maker's net price is best.
    """
    legs = tuple(Leg(name, each.lots, each.worst) for name, each in cheapest(request).items())
    return with_rest(request, legs)
