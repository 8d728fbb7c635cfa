"""An order that is routed over venues which fall short: they reject, or show more than they have.

What the runner does with legs, in few words: it makes an order of each, hears what the venue says, and asks the policy
again with what is left and is not outstanding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fillstream.services.order_service.orders.routing.policy import Leg, Policy, Request, VenueMarket, again_ms, legs_of

Draw = Callable[[int], int]
"""Returns a number from 0 to one below what it is given."""


@dataclass
class Venue:
    """A venue as it is: what it has may be less than what it showed last."""

    market: VenueMarket
    has: list[list[int]]
    resting: list[tuple[Leg, int]] = field(default_factory=list)

    @property
    def outstanding(self) -> int:
        return sum(lots for _, lots in self.resting)


class Routed:
    """One order and its venues.

    Attributes:
        filled: (venue, ticks, lots) of each fill.
        legs: (time, leg) of each leg that was sent.
        rejects, misses: (time, venue).
    """

    def __init__(self, policy: Policy, request: Request, draw: Draw) -> None:
        self.policy, self.request, self.draw = policy, request, draw
        self.now = request.now
        self.filled: list[tuple[str, int, int]] = []
        self.legs: list[tuple[int, Leg]] = []
        self.rejects: list[tuple[int, str]] = []
        self.misses: list[tuple[int, str]] = []
        self.venues = {each.name: self._as_it_is(each) for each in request.venues}

    def _as_it_is(self, market: VenueMarket) -> Venue:
        """Return a venue of which some lots are gone since it was told."""
        levels = market.against(self.request.buy)
        return Venue(market, [[ticks, max(0, lots - self.draw(3))] for ticks, lots in levels])

    @property
    def left(self) -> int:
        return self.request.lots - sum(lots for _, _, lots in self.filled)

    @property
    def outstanding(self) -> int:
        return sum(each.outstanding for each in self.venues.values())

    def asked(self) -> Request:
        markets = tuple(each.market for each in self.venues.values())
        return self.request._replace(lots=self.left - self.outstanding, now=self.now, venues=markets)

    def run(self, rounds: int = 30) -> None:
        """Let time pass, with all that venues do meanwhile, until nothing is left or nobody has anything."""
        for _ in range(rounds):
            self.check()
            if not self.left:
                return
            if self.left > self.outstanding:
                request = self.asked()
                for leg in legs_of(self.policy, request):
                    self._send(leg)
                waits = again_ms(self.asked()) if self.left > self.outstanding else None
            else:
                waits = None
            self.check()
            self.now = self.now + 1 + self.draw(3_000) if waits is None else waits
            self._pass_time()

    def _send(self, leg: Leg) -> None:
        venue = self.venues[leg.venue]
        self.legs.append((self.now, leg))
        assert self.outstanding + leg.lots <= self.left, "more is outstanding than the order has left"
        if self.draw(5) == 0:
            venue.market = venue.market._replace(rejected_ms=self.now)
            self.rejects.append((self.now, leg.venue))
            return
        venue.resting.append((leg, leg.lots))  # it is outstanding until the venue answers
        self.check()
        venue.resting.pop()
        left = leg.lots if leg.post_only else leg.lots - self._take(leg, venue)
        if leg.rests and left:
            venue.resting.append((leg, left))
        elif left:
            venue.market = venue.market._replace(missed_ms=self.now)
            self.misses.append((self.now, leg.venue))

    def _take(self, leg: Leg, venue: Venue) -> int:
        took = 0
        for level in venue.has:
            reaches = leg.ticks is None or (level[0] <= leg.ticks if self.request.buy else level[0] >= leg.ticks)
            some = min(level[1], leg.lots - took) if reaches else 0
            if some:
                self.filled.append((leg.venue, level[0], some))
                level[1], took = level[1] - some, took + some
        return took

    def _pass_time(self) -> None:
        """Fill a part of what rests, call back what is due, and tell venues' markets anew, some of them."""
        for venue in self.venues.values():
            still = []
            for leg, lots in venue.resting:
                some = self.draw(lots + 1)
                if some:
                    assert leg.ticks is not None
                    self.filled.append((leg.venue, leg.ticks, some))
                if lots > some and (leg.until_ms is None or leg.until_ms > self.now):
                    still.append((leg, lots - some))
            venue.resting = still
            if self.draw(3) == 0:
                levels = tuple((ticks, lots) for ticks, lots in venue.has if lots)
                side = {"asks" if self.request.buy else "bids": levels, "at_ms": self.now}
                venue.market = venue.market._replace(**side)  # type: ignore[arg-type]

    def check(self) -> None:
        """Raise AssertionError where more is outstanding, or filled, than the order has."""
        assert 0 <= self.outstanding <= self.left
