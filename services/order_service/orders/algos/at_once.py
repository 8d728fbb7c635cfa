"""AT_ONCE: everything at once, in clips: what an order is that is only split or routed."""

from __future__ import annotations

from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, Slice, algorithm


class AtOnceParameters(Parameters):
    """Those of every algorithm."""


@algorithm("AT_ONCE", AtOnceParameters, example={"largest_clip": "5"})
def plan(job: Job) -> Plan:
    """Sends all that is left at once, at the order's limit, in slices of largest_clip where it has one."""
    if job.limit is None:
        return Plan((Slice(job.left),), again_ms=job.now + job.parameters.retry_ms, planned=job.lots)
    return Plan((Slice(job.left, job.limit, rests=job.rests),), planned=job.lots)
