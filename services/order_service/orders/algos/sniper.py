"""SNIPER: nothing is shown until its price is there."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

from pydantic import Field

from fillstream.libs.common.messages.base import Amount, Price
from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, Slice, algorithm
from fillstream.services.order_service.orders.algos.scheduled import lots_of
from fillstream.services.order_service.orders.algos.touching import far, reaches, within


class SniperParameters(Parameters):
    """The price, and what must stand there."""

    price: Price = Field(description="it takes at this price or better")
    minimum_quantity: Amount | None = Field(
        default=None, description="so much must be quoted there, or all that it has left"
    )


@algorithm("SNIPER", SniperParameters, example={"price": "184.50", "minimum_quantity": "100"})
def plan(job: Job) -> Plan:
    """Hides until the other side's best price reaches its own, then takes all that it can get there or better."""
    told: SniperParameters = job.parameters
    # A price between two ticks is rounded to the side on which it is still kept.
    ticks = Fraction(told.price) / Fraction(job.price.step)
    price = within(job, floor(ticks) if job.buy else ceil(ticks))
    touch = far(job)
    if touch is None or not reaches(job, touch, price) or job.left <= 0:
        return Plan(touch=price)
    least = 1 if told.minimum_quantity is None else lots_of(job, told.minimum_quantity)
    there = job.quote.ask_qty if job.buy else job.quote.bid_qty
    if there < min(least, job.left):
        return Plan(follows=True, text="too few are quoted there")
    return Plan((Slice(job.left, price),), again_ms=job.now + told.retry_ms, touch=price)
