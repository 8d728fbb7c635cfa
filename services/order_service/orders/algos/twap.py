"""TWAP: the same number of lots in every stretch of time."""

from __future__ import annotations

from fractions import Fraction

from fillstream.services.order_service.orders.algos.algorithm import Job, Plan, algorithm
from fillstream.services.order_service.orders.algos.scheduled import ScheduledParameters, scheduled, span_of


class TwapParameters(ScheduledParameters):
    """Those of every algorithm with a schedule."""


def even(job: Job, at_ms: int) -> Fraction:
    """Return the share of its time that has passed."""
    return Fraction(at_ms - job.start_ms, span_of(job))


@algorithm("TWAP", TwapParameters, example={"duration_ms": 600_000, "slices": 20, "randomize": "0.2"}, needs_end=True)
def plan(job: Job) -> Plan:
    """Works the order evenly over its time, so that it trades near the time-weighted average price."""
    return scheduled(job, even)
