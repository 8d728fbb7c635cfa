"""What a routing policy is: a pure answer to "where does this go?", asked again whenever something is left.

Flows in: a `Request`, which is what an order has left with all its venues' markets. Flows out: `Leg`s: what goes where,
at which price. A policy never sends anything and never remembers what is outstanding: the runner (`parents.runner`)
makes children of legs, and asks again, with what is left, when a venue rejected one, left a part of it, or let it go.

    class MyParameters(RouteParameters):
        most_venues: int = Field(default=2, ge=1, description="so many at most")

    @policy("MY_OWN", MyParameters, example={"most_venues": 3})
    def split(request: Request) -> tuple[Leg, ...]:
        '''One line that the docs show.'''
        ...

Whatever a policy says, `legs_of` sees to it that the legs are no more than there is to route, and none goes beyond the
limit, to a venue that takes nothing now, or below a venue's smallest quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fillstream.libs.common.messages.base import exact_number
from fillstream.libs.common.messages.reference import MAX_MS
from fillstream.services.order_service.orders.routing.costs import FREE, Costs

Levels = tuple[tuple[int, int], ...]
"""(ticks, lots), the best first."""
Milliseconds = Annotated[int, Field(ge=1, le=MAX_MS), BeforeValidator(exact_number)]


class RouteParameters(BaseModel):
    """What every policy may be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reject_ms: Milliseconds = Field(
        default=5_000, description="a venue that rejected, or had less than it showed, is left out for so long"
    )
    rest_ms: Milliseconds | None = Field(
        default=None, description="what rests is called back after so long and routed anew; null: it stays"
    )


class VenueMarket(NamedTuple):
    """A venue as a policy sees it.

    Attributes:
        name: of the venue.
        bids, asks: levels, the best first, less what is our own there; the touch alone where no report came yet.
        costs: what it charges this account.
        open: its session is continuous, it is not halted, its breaker is closed, its mode is the account's.
        fresh: its quote is young enough to trade on.
        min_lots, max_lots: of one order there; None: no limit.
        at_ms: when its market was last told.
        rejected_ms: when it last rejected a part of this order; None: never.
        missed_ms: when it last left a part of this order's that its levels had promised; None: never.
        why: in a few words, why it is not open.
    """

    name: str
    bids: Levels = ()
    asks: Levels = ()
    costs: Costs = FREE
    open: bool = True
    fresh: bool = True
    min_lots: int = 1
    max_lots: int | None = None
    at_ms: int = 0
    rejected_ms: int | None = None
    missed_ms: int | None = None
    why: str = ""

    def against(self, buy: bool) -> Levels:
        """Return the levels that a buyer, or a seller, takes."""
        return self.asks if buy else self.bids

    def beside(self, buy: bool) -> Levels:
        """Return the levels that a buyer, or a seller, rests among."""
        return self.bids if buy else self.asks

    def most(self, lots: int) -> int:
        """Return how many of these lots one order there may have."""
        return lots if self.max_lots is None else min(lots, self.max_lots)


class Request(NamedTuple):
    """What is to be routed; times in log ms, prices in ticks, quantities in lots.

    Attributes:
        buy: the order's side.
        lots: what it has left and is not outstanding; at least 1.
        limit: the worst price it may trade at: its own, or the bound that its account's slippage sets; None: neither.
        now: the time of the entry.
        parameters: an instance of the policy's own model.
        venues: that may take part.
        preferences: names of venues, the most preferred first; those that it does not name come after, as equals.
        rests: what finds nobody may rest; else it is taken off (IOC, FOK, market).
        began_ms: when the order was first routed.
        memory: numbers that the policy keeps for itself; they are in the snapshot.
    """

    buy: bool
    lots: int
    limit: int | None
    now: int
    parameters: Any
    venues: tuple[VenueMarket, ...]
    preferences: tuple[str, ...] = ()
    rests: bool = False
    began_ms: int = 0
    memory: Mapping[str, int] | None = None

    def within(self, ticks: int) -> bool:
        """Say whether a price is no worse than the limit."""
        return self.limit is None or (ticks <= self.limit if self.buy else ticks >= self.limit)


class Leg(NamedTuple):
    """A part that goes to a venue.

    Attributes:
        venue: where.
        lots: how many.
        ticks: the worst price it may trade at; None: as far as the account's slippage allows, where there is no limit.
        rests: what finds nobody rests at that price; else it is taken off (IOC).
        post_only: it never takes.
        until_ms: what rests is called back then, and routed anew (log ms); None: it stays.
    """

    venue: str
    lots: int
    ticks: int | None
    rests: bool = False
    post_only: bool = False
    until_ms: int | None = None


Split = Callable[[Request], tuple[Leg, ...]]


class Policy(NamedTuple):
    """A policy as the registry has it.

    Attributes:
        name: what an order's `routing` says, in capitals.
        description: one sentence for people: the function's docstring, up to its first empty line.
        parameters: the model of what it may be told.
        example: parameters that make sense, for docs and tests.
        split: the function.
        needs_book: it looks beyond the touch: the markets of its venues are subscribed to while it works.
    """

    name: str
    description: str
    parameters: type[RouteParameters]
    example: Mapping[str, Any]
    split: Split
    needs_book: bool = False


POLICIES: Final[dict[str, Policy]] = {}
"""By name, in the order in which their modules were loaded."""


def policy(
    name: str, parameters: type[RouteParameters], *, example: Mapping[str, Any], needs_book: bool = False
) -> Callable[[Split], Split]:
    """Register the function below as a policy.

    Raises:
        ValueError: its name is taken, its docstring is missing, or its example is none of its parameters.
    """

    def registered(split: Split) -> Split:
        if not split.__doc__:
            raise ValueError(f"policy {name}: its function must say in a docstring what it does")
        if name in POLICIES and POLICIES[name].split.__module__ != split.__module__:
            raise ValueError(f"policy {name}: is {POLICIES[name].split.__module__}'s already")
        said = " ".join(split.__doc__.partition("\n\n")[0].split())
        parameters.model_validate(example)
        POLICIES[name] = Policy(name, said, parameters, example, split, needs_book)
        return split

    return registered


def legs_of(chosen: Policy, request: Request) -> tuple[Leg, ...]:
    """Return what a policy says of a request, which is within all that it was told.

    Raises:
        ValueError: it is not: a policy of somebody's own is wrong.
    """
    legs = chosen.split(request)
    wrong = wrong_legs(request, legs)
    if wrong is not None:
        raise ValueError(f"policy {chosen.name}: {wrong}")
    return legs


def wrong_legs(request: Request, legs: tuple[Leg, ...]) -> str | None:
    """Return what must not be of legs, None of good ones."""
    usable = {venue.name: venue for venue in takers(request)}
    total = sum(leg.lots for leg in legs)
    if total > request.lots:
        return f"its legs are {total} lots, {request.lots} are left"
    if len({leg.venue for leg in legs}) != len(legs):
        return "two of its legs go to one venue"
    for leg in legs:
        venue = usable.get(leg.venue)
        if venue is None:
            return f"{leg.venue} takes nothing now"
        if leg.lots < venue.min_lots or leg.lots > venue.most(leg.lots):
            return f"{leg.venue} takes {venue.min_lots} to {venue.max_lots or 'any'} lots, not {leg.lots}"
        if leg.ticks is None and (request.limit is not None or leg.rests):
            return f"the leg to {leg.venue} has no price"
        if leg.ticks is not None and not request.within(leg.ticks):
            return f"the leg to {leg.venue} at {leg.ticks} ticks goes beyond the limit, {request.limit}"
    return None


def back_ms(request: Request, venue: VenueMarket) -> int | None:
    """Return when a venue is looked at again that rejected, or had less than it showed; None of one that is not out.

    One that had less is believed again as soon as its market was told anew.
    """
    wait_ms: int = request.parameters.reject_ms
    told: list[int] = []
    if venue.rejected_ms is not None:
        told.append(venue.rejected_ms + wait_ms)
    if venue.missed_ms is not None and venue.at_ms <= venue.missed_ms:
        told.append(venue.missed_ms + wait_ms)
    until_ms = max(told, default=request.now)
    return until_ms if until_ms > request.now else None


def rank(request: Request, venue: VenueMarket) -> int:
    """Return how far down the list of preferences a venue is; those that are not on it are equals."""
    names = request.preferences
    return names.index(venue.name) if venue.name in names else len(names)


def takers(request: Request) -> list[VenueMarket]:
    """Return the venues that would take an order now, the most preferred first."""
    open_now = [each for each in request.venues if each.open and back_ms(request, each) is None]
    return sorted(open_now, key=lambda each: rank(request, each))


def again_ms(request: Request) -> int | None:
    """Return when a venue that is left out comes back, at the earliest; None where none is."""
    waits = [until for each in request.venues if each.open and (until := back_ms(request, each)) is not None]
    return min(waits, default=None)


def nowhere(request: Request) -> str:
    """Say why no venue takes anything, for people: each venue with what is wrong with it."""
    said = []
    for each in request.venues:
        if not each.open:
            said.append(f"{each.name} {each.why or 'is closed'}")
        elif back_ms(request, each) is not None:
            rejected = each.rejected_ms is not None and each.rejected_ms + request.parameters.reject_ms > request.now
            said.append(f"{each.name} {'rejected it' if rejected else 'had less than it showed'}")
        elif not each.fresh:
            said.append(f"{each.name} has no fresh quote")
        elif not any(request.within(ticks) for ticks, _ in each.against(request.buy)[:1]):
            said.append(f"{each.name} has nothing within the limit")
    return "; ".join(said) or ("no venue fits its size" if request.venues else "it has no venue")


def resting_until(request: Request) -> int | None:
    """Return when what rests is called back, None where it stays."""
    wait_ms: int | None = request.parameters.rest_ms
    return None if wait_ms is None else request.now + wait_ms
