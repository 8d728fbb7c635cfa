"""ICEBERG: one tip at a time. It is what an order with a display_quantity becomes where a venue has no icebergs."""

from __future__ import annotations

from math import floor

from pydantic import Field

from fillstream.libs.common.messages.base import Amount
from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, Slice, algorithm
from fillstream.services.order_service.orders.algos.scheduled import MILLION, lots_of
from fillstream.services.order_service.orders.algos.touching import missing, near


class IcebergParameters(Parameters):
    """What is shown; `randomize` varies each tip by up to that share, up and down."""

    display_quantity: Amount = Field(description="shown at a time (FIX 1138)")


@algorithm("ICEBERG", IcebergParameters, example={"display_quantity": "10", "randomize": "0.2"})
def plan(job: Job) -> Plan:
    """Rests at the order's limit, a tip at a time, and shows the next when the tip is gone.

    Without a limit each tip stands where the best price of its own side was when it came.
    """
    memory = job.memory
    if job.open > 0 and "tip" in memory and (job.limit is not None or "price" in memory):
        # What is left of the tip goes on: to fill it up with each trade would show how much there is behind it.
        return _at(job, min(job.open, memory["tip"], job.left))
    if memory.get("after") != job.done:  # asked again before the venue answered, it must not draw another
        memory["tip"], memory["after"] = _tip(job), job.done
        memory.pop("price", None)
    if job.limit is None and "price" not in memory:
        touch = near(job)
        if touch is None:
            return Plan(follows=True, text=missing(job))
        memory["price"] = touch
    return _at(job, min(memory["tip"], job.left))


def _at(job: Job, lots: int) -> Plan:
    price = job.memory["price"] if job.limit is None else job.limit
    return Plan((Slice(lots, price, rests=True),) if lots > 0 else ())


def _tip(job: Job) -> int:
    told: IcebergParameters = job.parameters
    tip = max(1, lots_of(job, told.display_quantity))
    if told.randomize is None:
        return tip
    share = floor(told.randomize * MILLION)
    return max(1, tip + tip * (job.draw(2 * share + 1, "tip") - share) // MILLION)
