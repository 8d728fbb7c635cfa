"""CHASER: a limit order that goes where the market goes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from fillstream.libs.common.messages.base import exact_number
from fillstream.services.order_service.orders.algos.algorithm import Count, Job, Parameters, Plan, Slice, algorithm
from fillstream.services.order_service.orders.algos.touching import far, missing, near, near_lots, within, worse

Ticks = Annotated[int, Field(ge=-100_000, le=100_000), BeforeValidator(exact_number)]


class ChaserParameters(Parameters):
    """Where it stands, and when it is worth to move; the order's price bounds how far it follows."""

    offset_ticks: Ticks = Field(
        default=0,
        description="behind the best price of its own side; below 0 in front of it, short of the other side's",
    )
    minimum_move_ticks: Count = Field(default=1, description="it moves by so many ticks or not at all")


@algorithm("CHASER", ChaserParameters, example={"offset_ticks": 0, "minimum_move_ticks": 2})
def plan(job: Job) -> Plan:
    """Rests near the best price of its own side and follows it both ways, never beyond the order's limit."""
    told: ChaserParameters = job.parameters
    at, wanted = job.memory.get("at"), _wanted(job)
    if wanted is None and at is None:
        return Plan(follows=True, text=missing(job))
    if wanted is not None and (at is None or abs(wanted - at) >= told.minimum_move_ticks):
        at = wanted
    assert at is not None, "it stands somewhere once there was a market"
    at = job.memory["at"] = within(job, at)  # which may have been amended
    return Plan((Slice(job.left, at, rests=True),) if job.left > 0 else (), follows=True)


def _wanted(job: Job) -> int | None:
    """Return where it should stand; None where the touch says nothing of the market."""
    touch, other = near(job), far(job)
    if touch is None or _is_its_own(job):
        return None
    ticks = worse(job, touch, job.parameters.offset_ticks)
    if other is not None:
        short = worse(job, other, 1)
        ticks = min(ticks, short) if job.buy else max(ticks, short)
    return ticks


def _is_its_own(job: Job) -> bool:
    """Return whether nobody but the order itself stands at the touch: it must not follow its own price."""
    at, touch = job.memory.get("at"), job.quote.bid if job.buy else job.quote.ask
    return job.open > 0 and at == touch and near_lots(job) <= job.open
