"""SWEEP: all venues at once, through their levels up to the limit."""

from __future__ import annotations

from fractions import Fraction

from fillstream.services.order_service.orders.routing.cheapest import Taken, cheapest
from fillstream.services.order_service.orders.routing.policy import Leg, Request, RouteParameters, policy, takers
from fillstream.services.order_service.orders.routing.resting import with_rest


class SweepParameters(RouteParameters):
    """Those of every policy."""


@policy("SWEEP", SweepParameters, example={}, needs_book=True)
def split(request: Request) -> tuple[Leg, ...]:
    """Takes from all venues at once, each up to the limit, in the sizes that cost least by what is shown.

    Unlike BEST_PRICE a leg reaches up to the limit: what has gone from a level is taken from the next one there. What
    nobody shows stays at the best venue: it rests there, or goes along with its leg where the order may not rest.
    """
    found = cheapest(request)
    legs = tuple(
        Leg(name, each.lots, each.worst if request.limit is None else request.limit) for name, each in found.items()
    )
    left = request.lots - sum(leg.lots for leg in legs)
    if not left or request.rests or not legs:
        return with_rest(request, legs)
    # Nobody shows the rest. The venue that is cheapest for what it shows is asked for it: it may have more than that.
    markets = {each.name: each for each in takers(request)}
    best = min(legs, key=lambda leg: _mean(request.buy, found[leg.venue]))
    more = best._replace(lots=markets[best.venue].most(best.lots + left))
    return tuple(more if leg is best else leg for leg in legs)


def _mean(buy: bool, taken: Taken) -> Fraction:
    """Return what a lot costs in the mean, fees counted: the lower, the better, of a sale as well."""
    return ((taken.value if buy else -taken.value) + taken.fee) / taken.lots
