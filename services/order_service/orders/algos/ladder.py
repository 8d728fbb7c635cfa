"""LADDER: a grid of limit orders, to get a better mean price the further the market goes (DCA)."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from fillstream.libs.common.messages.base import Price, exact_number
from fillstream.services.order_service.orders.algos.algorithm import Count, Job, Parameters, Plan, Slice, algorithm
from fillstream.services.order_service.orders.algos.touching import missing, near, worse

Levels = Annotated[int, Field(ge=1, le=100), BeforeValidator(exact_number)]
Percent = Annotated[Decimal, Field(gt=0, lt=100, max_digits=8, allow_inf_nan=False), BeforeValidator(exact_number)]
Ratio = Annotated[Decimal, Field(gt=0, le=10, max_digits=6, allow_inf_nan=False), BeforeValidator(exact_number)]


class Sizes(StrEnum):
    """How a ladder's sizes go on from level to level."""

    EQUAL = "EQUAL"
    GEOMETRIC = "GEOMETRIC"
    """Each is `ratio` times the one before."""


class LadderParameters(Parameters):
    """The prices and the sizes of the levels."""

    levels: Levels = Field(default=5, description="so many")
    first_price: Price | None = Field(
        default=None,
        description="of the level nearest to the market; else the order's price, else the best of its own "
        "side when it began",
    )
    spacing_ticks: Count | None = Field(default=None, description="from a level to the next")
    spacing_percent: Percent | None = Field(
        default=None, description="instead of it: of each level's price, rounded to a tick away from the market"
    )
    sizes: Sizes = Field(default=Sizes.EQUAL, description="whether all are as large")
    ratio: Ratio = Field(default=Decimal(2), description="GEOMETRIC: how much larger each is than the one before")

    @model_validator(mode="after")
    def _spaced(self) -> LadderParameters:
        if (self.spacing_ticks is None) == (self.spacing_percent is None):
            raise ValueError("spacing_ticks: name spacing_ticks or spacing_percent, one of them")
        return self


@algorithm("LADDER", LadderParameters, example={"levels": 5, "spacing_percent": "0.5", "sizes": "GEOMETRIC"})
def plan(job: Job) -> Plan:
    """Rests at several prices at once, each further from the market, in sizes that are equal or grow."""
    first = _first(job)
    if first is None:
        return Plan(follows=True, text=missing(job))
    slices: list[Slice] = []
    done, text = job.done, None
    for price, lots in zip(prices(job, first), sizes(job), strict=True):
        # The nearest level is filled first, whoever's lots these were.
        gone = min(done, lots)
        done -= gone
        if first > 0 >= price:
            text = "levels at a price of 0 or below wait for an amendment"
        elif lots > gone:
            slices.append(Slice(lots - gone, price, rests=True))
    return Plan(tuple(slices), text=text)


def _first(job: Job) -> int | None:
    told: LadderParameters = job.parameters
    if told.first_price is not None:
        ticks = Fraction(told.first_price) / Fraction(job.price.step)
        return floor(ticks) if job.buy else ceil(ticks)
    if job.limit is not None:
        return job.limit
    if "first" not in job.memory:
        touch = near(job)
        if touch is None:
            return None
        job.memory["first"] = touch
    return job.memory["first"]


def prices(job: Job, first: int) -> list[int]:
    """Return the levels' prices (ticks), the nearest to the market first; each at least a tick from the one before."""
    told: LadderParameters = job.parameters
    found = [first]
    while len(found) < told.levels:
        price = found[-1]
        if told.spacing_ticks is not None:
            found.append(worse(job, price, told.spacing_ticks))
        else:
            assert told.spacing_percent is not None, "one of them is named"
            found.append(worse(job, price, max(1, ceil(abs(price) * Fraction(told.spacing_percent) / 100))))
    return found


def sizes(job: Job) -> list[int]:
    """Return the levels' lots: all of the order's, shared out without a rest."""
    told: LadderParameters = job.parameters
    ratio = Fraction(told.ratio) if told.sizes is Sizes.GEOMETRIC else Fraction(1)
    weights = list(accumulate([Fraction(1)] + [ratio] * (told.levels - 1), lambda one, by: one * by))
    whole = sum(weights)
    until = [floor(job.lots * each / whole) for each in accumulate(weights)]
    return [upper - lower for lower, upper in zip([0, *until], until, strict=False)]
