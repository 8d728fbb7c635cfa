"""BETTER_THAN_VWAP: trades only while the market is better than it was on average.

Flows in: a job, which is the order as it stands. Flows out: a plan. Nothing else: no order is sent here, none can be
lost, and none can be too many. `execution.algorithms: [examples.own_algorithm.better_than_vwap]` loads it.
"""

from __future__ import annotations

from pydantic import Field

from fillstream.libs.common.messages.base import Amount
from fillstream.services.order_service.orders.algos.algorithm import (
    Job,
    Milliseconds,
    Parameters,
    Plan,
    Slice,
    algorithm,
)
from fillstream.services.order_service.orders.algos.scheduled import lots_of
from fillstream.services.order_service.orders.algos.touching import far


class BetterThanVwapParameters(Parameters):
    """How much at a time, and how often; the fields that every algorithm has come with `Parameters`."""

    clip: Amount = Field(description="taken at a time")
    pause_ms: Milliseconds = Field(default=2_000, description="from a trade to the next")


@algorithm("BETTER_THAN_VWAP", BetterThanVwapParameters, example={"clip": "100"}, needs_book=True)
def plan(job: Job) -> Plan:
    """Takes a clip whenever the touch is better than the market's mean price since the order began."""
    memory, pause = job.memory, job.parameters.pause_ms
    if memory.get("done", 0) != job.done:  # it traded: a plan is asked for at once, and has to say that it waits
        memory["done"], memory["next"] = job.done, job.now + pause
    if job.now < memory.get("next", 0):
        return Plan(again_ms=memory["next"])
    touch = far(job)
    if touch is None or not job.volume:
        return Plan(follows=True, text="there is no market to compare with")
    gain = job.notional - touch * job.volume  # in whole ticks times lots: nothing is rounded
    if (gain if job.buy else -gain) <= 0:
        return Plan(follows=True, text="the market is no better than its mean")
    return Plan((Slice(min(lots_of(job, job.parameters.clip), job.left), touch),), again_ms=job.now + pause)
