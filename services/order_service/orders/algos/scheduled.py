"""What follows from a schedule, for every algorithm that has one: which lots are due, and how they meet the market.

Flows in: a job, and a curve: which share of the whole is done by a time, from 0 at its start to 1 at its end. Flows
out: a plan. Never has a schedule of its own. Clips, limit, cap and the end are the runner's.

The job's time is cut into slices. What a slice's end has is due when it begins, so a passive one has the slice's time
to find somebody:

    AGGRESSIVE  what is due crosses at once: done is up to a slice ahead of the curve, and never behind a market that is
                there.
    PASSIVE     what is due rests at the best price of its own side, and follows it.
    NEUTRAL     as PASSIVE; once done is behind the curve by a clip (`largest_clip`, else the slice's own lots), what
                it is behind crosses, and what is not late yet goes on resting.

`randomize` lets each slice begin late by up to that share of its time (not the last), and ask for up to that share of
its own lots more or less (not the last). What is drawn is kept until the next slice: being asked again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import NamedTuple

from pydantic import Field

from fillstream.services.order_service.orders.algos.algorithm import Count, Job, Parameters, Plan, Slice, Urgency
from fillstream.services.order_service.orders.algos.touching import far, missing, missing_far, near

MILLION = 10**6
"""Shares that are drawn are in millionths."""
LOOKS = 4
"""So often in a slice a job that waits for somebody looks whether it is late, every `retry_ms` at most."""
LEAST_SLICE_MS = 50
"""No slice is shorter, however many were asked for: an order of a second in 100 000 would be asked for nothing else."""

Curve = Callable[[Job, int], Fraction]
"""Which share of a job is done by a time (log ms): 0 at its start, 1 at its end, never less than before."""


class ScheduledParameters(Parameters):
    """Those of every algorithm with a schedule."""

    slices: Count = Field(default=20, description="in so many slices of equal time, of 50 ms at least")


class Place(NamedTuple):
    """Where in its schedule a job stands.

    Attributes:
        number: of the slice, from 0.
        last: the number of the last one.
        begins, ends: of the slice, without what is drawn (log ms).
    """

    number: int
    last: int
    begins: int
    ends: int


def scheduled(job: Job, curve: Curve) -> Plan:
    """Return what should be working of a job that follows a curve."""
    place = place_of(job)
    late, more, before = _drawn(job, place)
    begins = place.begins + (place.ends - place.begins) * late // MILLION
    if job.now >= begins:
        due, coming = _due(job, curve, place, more), place.ends
    else:
        number = place.number - 1
        due = 0 if number < 0 else _due(job, curve, _slice(job, number, place.last), before)
        coming = begins
    planned = by(job, curve, job.now)
    own = by(job, curve, place.ends) - by(job, curve, place.begins)
    plan = met(job, due, planned, own)
    again = coming if coming > job.now else job.now + job.parameters.retry_ms  # its time is over
    if plan.slices or plan.text:
        look = max(job.parameters.retry_ms, (place.ends - place.begins) // LOOKS)
        again = min(again, job.now + look) if plan.again_ms is None else min(again, plan.again_ms)
    return plan._replace(again_ms=again)


def by(job: Job, curve: Curve, at_ms: int) -> int:
    """Return how many lots a curve has done by a time."""
    end = job.start_ms + span_of(job)
    return floor(job.lots * curve(job, min(max(at_ms, job.start_ms), end)))


def span_of(job: Job) -> int:
    """Return how long a job has (ms), at least one."""
    assert job.end_ms is not None, "an algorithm with a schedule needs an end"
    return max(1, job.end_ms - job.start_ms)


def slices_of(job: Job) -> int:
    """Return into how many slices a job's time is cut."""
    asked: int = job.parameters.slices
    return max(1, min(asked, span_of(job) // LEAST_SLICE_MS))


def place_of(job: Job) -> Place:
    """Return the slice that a job is in; before its start the first, after its end the last."""
    slices = slices_of(job)
    passed = (job.now - job.start_ms) * slices // span_of(job)
    return _slice(job, min(max(passed, 0), slices - 1), slices - 1)


def _slice(job: Job, number: int, last: int) -> Place:
    span, slices = span_of(job), last + 1
    # Up to whole ms: then `place_of` finds the slice in the very ms in which it begins.
    begins, ends = -(-number * span // slices), -(-(number + 1) * span // slices)
    return Place(number, last, job.start_ms + begins, job.start_ms + ends)


def _due(job: Job, curve: Curve, place: Place, more: int) -> int:
    """Return what should be done by the end of a slice, with what was drawn: `more`, in millionths of its own lots."""
    until = by(job, curve, place.ends)
    if place.number == place.last:
        return job.lots
    own = until - by(job, curve, place.begins)
    return min(max(until + own * more // MILLION, 0), job.lots)


def _drawn(job: Job, place: Place) -> tuple[int, int, int]:
    """Return how late a slice begins, how much more it asks for, and how much more the one before did (millionths)."""
    if job.parameters.randomize is None:
        return 0, 0, 0
    memory = job.memory
    if memory.get("slice") != place.number:
        share = floor(job.parameters.randomize * MILLION)
        follows = memory.get("slice") == place.number - 1
        memory["before"] = memory.get("more", 0) if follows else 0
        memory["late"] = job.draw(share + 1, "late")
        memory["more"] = job.draw(2 * share + 1, "more") - share
        memory["slice"] = place.number
    late = 0 if place.number == place.last else memory["late"]
    return late, memory["more"], memory["before"]


def met(job: Job, due: int, planned: int, own: int) -> Plan:
    """Return how what is due meets the market, by the job's urgency.

    Args:
        job: the job.
        due: lots that should be done or working now, all since its start.
        planned: lots that should be done by now.
        own: lots by which it may be behind before it crosses, where its parameters have no `largest_clip`.
    """
    lots = min(due - job.done, job.left)
    if lots <= 0:
        return Plan(planned=planned)
    urgency = job.parameters.urgency
    crosses = 0
    if urgency is Urgency.AGGRESSIVE:
        crosses = lots
    elif urgency is Urgency.NEUTRAL:
        behind = min(planned - job.done, lots)
        crosses = behind if behind >= max(1, _clip(job, own)) else 0
    rests, text = lots - crosses, None
    slices: list[Slice] = []
    if crosses:
        if far(job) is None:
            text = missing_far(job)
        else:
            slices.append(Slice(crosses))
    if rests:
        price = near(job)
        if price is None:
            text = text or missing(job)
        else:
            slices.append(Slice(rests, price, rests=True))
    # What crosses may find too few: it tries again. What rests waits for others, and follows the touch.
    again = job.now + job.parameters.retry_ms if crosses else None
    return Plan(tuple(slices), again_ms=again, follows=bool(rests or text), planned=planned, text=text)


def _clip(job: Job, own: int) -> int:
    largest = job.parameters.largest_clip
    return own if largest is None else lots_of(job, largest)


def lots_of(job: Job, amount: Decimal) -> int:
    """Return an amount of the parameters in whole lots, rounded down, one at least."""
    return max(1, floor(Fraction(amount) / Fraction(job.lot.step)))
