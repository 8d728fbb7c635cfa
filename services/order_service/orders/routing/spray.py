"""SPRAY: a part to every venue at once."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from fillstream.services.order_service.orders.routing.policy import (
    Leg,
    Request,
    RouteParameters,
    VenueMarket,
    policy,
    resting_until,
    takers,
)


class By(StrEnum):
    """What decides how much goes to a venue."""

    SIZE = "SIZE"
    """What it shows within the limit; where nobody shows anything, what rests on the order's own side."""
    EQUAL = "EQUAL"


class SprayParameters(RouteParameters):
    """Those of every policy, and what decides shares."""

    by: By = Field(default=By.SIZE, description="shares in proportion to what venues show, or EQUAL ones")


@policy("SPRAY", SprayParameters, example={"by": "EQUAL"}, needs_book=True)
def split(request: Request) -> tuple[Leg, ...]:
    """Sends a part to every venue at once, in proportion to what each shows within the limit, or equal parts.

    The parts are whole lots and add up to all of it; lots that do not divide go to the largest remainders, the more
    preferred venue first. A venue whose part would be below its smallest quantity gets none.
    """
    venues = [each for each in takers(request) if each.fresh or request.rests]
    while venues:
        weights = _weights(request, venues)
        if not any(weights):
            return ()
        parts = shares(request.lots, weights)
        small = [(lots, -number) for number, (each, lots) in enumerate(zip(venues, parts, strict=True))
                 if lots < max(each.min_lots, 1)]  # fmt: skip
        if not small:
            rests = request.rests and request.limit is not None
            until_ms = resting_until(request) if rests else None
            return tuple(
                Leg(each.name, each.most(lots), request.limit, rests, until_ms=until_ms)
                for each, lots in zip(venues, parts, strict=True)
            )
        venues.pop(-min(small)[1])
    return ()


def shares(lots: int, weights: Sequence[int]) -> list[int]:
    """Return whole lots in proportion to weights, of which one is positive; what does not divide goes to the largest
    remainders, of equal ones to the first.
    """
    total = sum(weights)
    parts = [lots * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda n: -(lots * weights[n] % total))
    for number in order[: lots - sum(parts)]:
        parts[number] += 1
    return parts


def _weights(request: Request, venues: Sequence[VenueMarket]) -> list[int]:
    buy = request.buy
    if request.parameters.by is By.SIZE:
        shown = [
            sum(lots for ticks, lots in each.against(buy) if each.fresh and request.within(ticks)) for each in venues
        ]
        if any(shown):
            return shown
        if not request.rests:
            return shown
        queues = [sum(lots for _, lots in each.beside(buy)[:1]) for each in venues]
        if any(queues):
            return queues
    return [1] * len(venues)
