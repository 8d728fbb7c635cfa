"""What an execution algorithm is: a pure answer to "what should be working now?", asked again and again.

Flows in: a `Job`, which is a parent order as it stands now, with its market and its own words. Flows out: a `Plan`: the
children that should be working, and when to be asked again. An algorithm never sends or cancels anything and never
counts what it may still do: the runner (`parents.runner`) compares a plan with what works, cancels what is too much,
sends what is missing, and never lets children have more than their parent has left. It alone knows pauses, halts, the
parent's limit and clips, the cap on participation, rejects, and what becomes of the rest at the end.

    class MyParameters(Parameters):
        every_ms: Milliseconds = Field(default=1_000, description="between two slices")

    @algorithm("MY_OWN", MyParameters, example={"every_ms": 500})
    def plan(job: Job) -> Plan:
        '''One line that `fillstream algos list` shows.'''
        return Plan((Slice(job.left),), again_ms=job.now + job.parameters.every_ms)

An algorithm that is not one of ours is a module that `execution.algorithms` names; it is loaded as ours are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fillstream.libs.common.messages.base import Amount, Price, Time, exact_number
from fillstream.libs.common.messages.reference import MAX_MS
from fillstream.libs.common.values.money import Scale
from fillstream.services.order_service.orders.compiled import Quote

Milliseconds = Annotated[int, Field(ge=1, le=MAX_MS), BeforeValidator(exact_number)]
Count = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(exact_number)]
Share = Annotated[Decimal, Field(gt=0, le=1, max_digits=38, allow_inf_nan=False), BeforeValidator(exact_number)]
"""A share, above 0 and at most 1."""


class Urgency(StrEnum):
    """How an algorithm's slices meet the market."""

    PASSIVE = "PASSIVE"
    """They rest at the best price of their own side."""
    NEUTRAL = "NEUTRAL"
    """They rest there, and cross once they are behind the schedule by more than a clip."""
    AGGRESSIVE = "AGGRESSIVE"
    """They take what is there."""


class Completion(StrEnum):
    """What becomes of what is left when an algorithm's time is over."""

    CANCEL = "CANCEL"
    MARKET = "MARKET"
    """It is sent as a market order, bounded by the parent's limit and the account's slippage."""


class Parameters(BaseModel):
    """What every algorithm may be told. Times are in ms since 1970 or ISO 8601; amounts in the instrument's units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    end_time: Time | None = Field(default=None, description="when it is to be done (FIX 126 ExpireTime)")
    duration_ms: Milliseconds | None = Field(default=None, description="instead of it: so long after its start")
    urgency: Urgency = Field(default=Urgency.NEUTRAL, description="how slices meet the market")
    max_participation: Share | None = Field(
        default=None, description="of what the market trades while it works, never more than this (FIX 849)"
    )
    smallest_clip: Amount | None = Field(default=None, description="no slice is smaller, but for the last")
    largest_clip: Amount | None = Field(default=None, description="no slice is larger")
    would_price: Price | None = Field(default=None, description="at this price or better all that is left is taken")
    randomize: Share | None = Field(
        default=None, description="times and sizes vary by up to this share, drawn by the order's own number"
    )
    completion: Completion = Field(default=Completion.CANCEL, description="what becomes of the rest at the end")
    retry_ms: Milliseconds = Field(default=250, description="so long after a slice that found nobody, or was refused")

    @model_validator(mode="after")
    def _fit(self) -> Parameters:
        if self.end_time is not None and self.duration_ms is not None:
            raise ValueError("duration_ms: name end_time or duration_ms, not both")
        if self.smallest_clip is not None and self.largest_clip is not None and self.smallest_clip > self.largest_clip:
            raise ValueError(f"smallest_clip: {self.smallest_clip} must be at most largest_clip {self.largest_clip}")
        return self


class Book(Protocol):
    """A market beyond its top, as `MarketReport` has it: levels are (ticks, lots), the best first."""

    @property
    def bids(self) -> tuple[tuple[int, int], ...]:
        """What buyers want."""
        ...

    @property
    def asks(self) -> tuple[tuple[int, int], ...]:
        """What sellers want."""
        ...

    @property
    def volume(self) -> int:
        """Lots traded there so far; only differences say anything."""
        ...

    @property
    def notional(self) -> int:
        """Ticks times lots of them."""
        ...


class Slice(NamedTuple):
    """A child that should be working.

    Attributes:
        lots: how many.
        ticks: its limit. None: it takes what is there, as far as its account's slippage and the parent's limit allow.
        rests: it stays in the book; else what finds nobody at once is canceled (IOC).
        venue: where. None: where the parent's routing sends it.
        post_only: it never takes.
        display: lots of it that are shown, where the venue has icebergs.
    """

    lots: int
    ticks: int | None = None
    rests: bool = False
    venue: str | None = None
    post_only: bool = False
    display: int | None = None


class Plan(NamedTuple):
    """What an algorithm wants now.

    Attributes:
        slices: all that should be working; what works and is not among them is canceled.
        again_ms: when it wants to be asked next at the latest (log ms); None: when something happened.
        follows: it is asked whenever the touch of its market moved, at most every `market_every_ms`.
        touch: it is asked when the other side's best price reaches this (ticks): at or below it of a buyer.
        planned: lots that its schedule has done by now, to be shown and compared; None of one without a schedule.
        text: why nothing works that might, in a few words; None where there is no reason.
        done: it wants no more; what is left of the parent is canceled.
    """

    slices: tuple[Slice, ...] = ()
    again_ms: int | None = None
    follows: bool = False
    touch: int | None = None
    planned: int | None = None
    text: str | None = None
    done: bool = False


class Job(Protocol):
    """A parent order as an algorithm sees it; times in log ms, prices in ticks, quantities in lots.

    Attributes:
        buy: its side.
        lots: its whole quantity; `done` of it is filled, `open` works at venues, `left` is lots less done.
        limit: its limit price, None without one.
        rests: it may rest; else (IOC) what finds nobody ends it.
        now: the time of the entry.
        start_ms, end_ms: of its time, which may have been moved by an amendment; end_ms is None without an end.
        parameters: an instance of the algorithm's own model.
        price, lot: the instrument's grids, for parameters that are amounts and prices (`job.lot.units(canonical(x))`).
        quote: the touch of its home venue.
        arrival: the mid when it began (half ticks), None where there was none.
        book: beyond the touch, None before the first report; only where the algorithm `needs_book`.
        volume, notional: what the market traded since it began, without what it traded itself being taken out.
        own: lots of `done` in that volume.
        asked: whether this is the first time it is asked (0), else how often before.
        memory: numbers that the algorithm keeps for itself; they are in the snapshot.
    """

    buy: bool
    lots: int
    done: int
    open: int
    left: int
    limit: int | None
    rests: bool
    now: int
    start_ms: int
    end_ms: int | None
    parameters: Any
    price: Scale
    lot: Scale
    quote: Quote
    arrival: int | None
    book: Book | None
    volume: int
    notional: int
    own: int
    asked: int
    memory: dict[str, int]

    def draw(self, below: int, what: str = "") -> int:
        """Return a number from 0 to `below` - 1 that follows from the order's id, `what` and how often it drew."""
        ...


Ask = Callable[[Job], Plan]


class Algorithm(NamedTuple):
    """An algorithm as the registry has it.

    Attributes:
        name: what an order's `algorithm` says, in capitals.
        description: one sentence for people: the function's docstring, up to its first empty line.
        parameters: the model of what it may be told.
        example: parameters that make sense, for docs and tests.
        plan: the function.
        needs_book: it looks beyond the touch, or at volume: its market is subscribed to while it works.
        needs_end: it has no sense without an end.
    """

    name: str
    description: str
    parameters: type[Parameters]
    example: Mapping[str, Any]
    plan: Ask
    needs_book: bool = False
    needs_end: bool = False


ALGORITHMS: Final[dict[str, Algorithm]] = {}
"""By name, in the order in which their modules were loaded."""


def algorithm(
    name: str,
    parameters: type[Parameters],
    *,
    example: Mapping[str, Any],
    needs_book: bool = False,
    needs_end: bool = False,
) -> Callable[[Ask], Ask]:
    """Register the function below as an algorithm.

    Raises:
        ValueError: its name is taken, or its docstring is missing.
    """

    def registered(plan: Ask) -> Ask:
        if not plan.__doc__:
            raise ValueError(f"algorithm {name}: its function must say in a docstring what it does")
        if name in ALGORITHMS and ALGORITHMS[name].plan.__module__ != plan.__module__:
            raise ValueError(f"algorithm {name}: is {ALGORITHMS[name].plan.__module__}'s already")
        said = " ".join(plan.__doc__.partition("\n\n")[0].split())
        parameters.model_validate(example)
        ALGORITHMS[name] = Algorithm(name, said, parameters, example, plan, needs_book, needs_end)
        return plan

    return registered
