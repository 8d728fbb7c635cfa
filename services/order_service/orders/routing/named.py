"""NAMED: all of it to one venue."""

from __future__ import annotations

from pydantic import Field

from fillstream.libs.common.messages.reference import VenueName
from fillstream.services.order_service.orders.routing.policy import (
    Leg,
    Request,
    RouteParameters,
    policy,
    resting_until,
    takers,
)


class NamedParameters(RouteParameters):
    """Those of every policy, and which venue."""

    venue: VenueName | None = Field(
        default=None, description="this one or none; null: the first of the preferences that takes orders"
    )


@policy("NAMED", NamedParameters, example={"venue": "SIM"})
def split(request: Request) -> tuple[Leg, ...]:
    """Sends all of it to one venue: the one that is named, or the first of the preferences that takes orders."""
    wanted = request.parameters.venue
    for venue in takers(request):
        lots = venue.most(request.lots)
        if wanted in (None, venue.name) and lots >= venue.min_lots:
            rests = request.rests and request.limit is not None
            return (Leg(venue.name, lots, request.limit, rests, until_ms=resting_until(request) if rests else None),)
    return ()
