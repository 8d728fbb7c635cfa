"""POV: a share of what the market trades."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from pydantic import Field

from fillstream.services.order_service.orders.algos.algorithm import (
    Job,
    Milliseconds,
    Parameters,
    Plan,
    Share,
    algorithm,
)
from fillstream.services.order_service.orders.algos.scheduled import met

CLIPS = 50
"""A NEUTRAL one without `largest_clip` crosses once it is behind by this part of the order."""


class PovParameters(Parameters):
    """The share, and how often it is counted."""

    participation: Share = Field(description="its own share of all that trades, its own trades among it")
    every_ms: Milliseconds = Field(default=1_000, description="between two looks at the market's volume")


def allowed(job: Job) -> int:
    """Return how many lots it may have done by what others traded since it began.

    Own lots are in the market's volume: to be p of all is to be p / (1 - p) of the others'.
    """
    share = Fraction(job.parameters.participation)
    if share == 1:
        return job.lots
    return min(floor(max(0, job.volume - job.own) * share / (1 - share)), job.lots)


@algorithm("POV", PovParameters, example={"participation": "0.1", "end_time": "2027-01-04T21:00:00Z"}, needs_book=True)
def plan(job: Job) -> Plan:
    """Trades a share of what the market trades, never more than that by what the market has told so far."""
    due = allowed(job)
    made = met(job, due, due, max(1, job.lots // CLIPS))
    every: int = job.parameters.every_ms
    return made._replace(again_ms=job.now + (every if made.again_ms is None else min(every, made.again_ms - job.now)))
