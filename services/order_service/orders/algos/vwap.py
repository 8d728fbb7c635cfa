"""VWAP: more lots where the market usually trades more."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from math import lcm
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from fillstream.libs.common.messages.base import Price, exact_number
from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.services.order_service.orders.algos.algorithm import Job, Milliseconds, Plan, algorithm
from fillstream.services.order_service.orders.algos.scheduled import ScheduledParameters, scheduled, span_of
from fillstream.services.order_service.orders.algos.twap import even

MOST_BUCKETS = 1_440
"""A profile's: a day in minutes."""
OfDay = Annotated[int, Field(ge=0, lt=DAY_MS), BeforeValidator(exact_number)]
Weight = Annotated[Price, Field(ge=0)]


class VwapParameters(ScheduledParameters):
    """A volume profile, and how it lies in time."""

    profile: tuple[Weight, ...] = Field(
        min_length=1,
        max_length=MOST_BUCKETS,
        description="what the market trades in each stretch of time, as shares of any sum",
    )
    profile_bucket_ms: Milliseconds | None = Field(
        default=None,
        description="how long each is: the profile is a day's and comes again; else it is the order's own time",
    )
    profile_begins_ms: OfDay = Field(default=0, description="when the first begins, after midnight UTC")

    @model_validator(mode="after")
    def _trades(self) -> VwapParameters:
        if not any(self.profile):
            raise ValueError("profile: one of its shares must be above 0")
        if self.profile_begins_ms and self.profile_bucket_ms is None:
            raise ValueError("profile_begins_ms: needs profile_bucket_ms")
        return self

    @cached_property
    def sums(self) -> tuple[int, ...]:
        """Return the profile's sums from its beginning, from 0 on, as integers of one unit."""
        shares = [Fraction(each) for each in self.profile]
        unit = lcm(*(share.denominator for share in shares))
        return (0, *accumulate(int(share * unit) for share in shares))


def usual(job: Job, at_ms: int) -> Fraction:
    """Return the share of its time's usual volume that has traded by `at_ms`; of no volume at all the share of time."""
    told: VwapParameters = job.parameters
    if told.profile_bucket_ms is None:
        return _sum(told.sums, (at_ms - job.start_ms) * len(told.profile), span_of(job)) / told.sums[-1]
    begins, end = told.profile_begins_ms, job.start_ms + span_of(job)
    from_, until, now = (_sum(told.sums, at - begins, told.profile_bucket_ms) for at in (job.start_ms, end, at_ms))
    return (now - from_) / (until - from_) if until > from_ else even(job, at_ms)


def _sum(sums: tuple[int, ...], passed: int, bucket: int) -> Fraction:
    """Return what trades in the first `passed` of a profile that is repeated for ever, in stretches of `bucket`."""
    number, rest = divmod(passed, bucket)
    rounds, place = divmod(number, len(sums) - 1)
    return rounds * sums[-1] + sums[place] + Fraction(rest * (sums[place + 1] - sums[place]), bucket)


@algorithm(
    "VWAP",
    VwapParameters,
    example={"duration_ms": 3_600_000, "profile": ["5", "3", "2", "2", "3", "6"], "slices": 60},
    needs_end=True,
)
def plan(job: Job) -> Plan:
    """Works the order along a volume profile, so that it trades near the volume-weighted average price."""
    return scheduled(job, usual)
