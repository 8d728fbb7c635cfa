"""What smart routing is worth: the same orders on the same books, at each venue alone and by each policy.

In memory, seeded. All venues follow one price; each has its own spread, sizes and fees, and what it shows is a report
old: some of it is gone when an order comes. What an order leaves is sent again on the next books. Costs are against the
mid at which an order came, fees included. Nothing rests, so that POST_THEN_TAKE has no figure: whether a resting order
is filled would be this market's own invention.

Beside it: CPU microseconds of one split of an order over five levels a venue.
"""

from __future__ import annotations

import random
import time
from fractions import Fraction
from typing import Any, NamedTuple

from fillstream.services.order_service.orders.routing import POLICIES
from fillstream.services.order_service.orders.routing.costs import Costs
from fillstream.services.order_service.orders.routing.policy import Levels, Request, VenueMarket, legs_of

SEEDS = (1, 2, 3, 4, 5)
REACH = 40
"""An order goes no further than so many ticks from the mid: some 20 basis points, as its account's slippage has it."""
LEVELS = 5
START = 18_500
"""Ticks: a price of 185.00 in cents."""
STEP_MS = 100
"""As often as a market is reported."""
MOST_STEPS = 50
BPS = 10_000
SHARE_GONE = 0.3
"""So often a level has lost a part of what it showed."""


class Kind(NamedTuple):
    """How a venue is: its spread beyond the mid (ticks, at most), lots a level (at most), and fees."""

    spread: int
    size: int
    costs: Costs


def _bps(taker: int | str, **more: Any) -> Costs:
    return Costs(taker=Fraction(taker) / BPS, **more)


MARKETS: dict[str, dict[str, Kind]] = {
    "two venues alike": {"A": Kind(3, 400, _bps(1)), "B": Kind(3, 400, _bps(1))},
    "two venues, one dear": {"A": Kind(4, 400, _bps("0.5")), "B": Kind(2, 400, _bps("1.5"))},
    "three venues": {
        "A": Kind(4, 600, _bps("0.5")),
        "B": Kind(2, 200, _bps("1.2")),
        "C": Kind(3, 300, Costs(per_lot=Fraction(1, 2), least=Fraction(100))),
    },
}
ROUTED = ("BEST_PRICE", "SWEEP", "SPRAY")


class Moment(NamedTuple):
    """All venues at one time: what they show, and what they have."""

    mid: int
    shown: dict[str, tuple[Levels, Levels]]
    has: dict[str, tuple[Levels, Levels]]


def moments(kinds: dict[str, Kind], count: int, draw: random.Random) -> list[Moment]:
    """Return a market of so many reports."""
    found, mid = [], START
    for _ in range(count):
        mid += draw.choice((-2, -1, -1, 0, 0, 0, 1, 1, 2))
        shown = {name: (_side(mid, -1, kind, draw), _side(mid, 1, kind, draw)) for name, kind in kinds.items()}
        has = {name: (_worn(bids, draw), _worn(asks, draw)) for name, (bids, asks) in shown.items()}
        found.append(Moment(mid, shown, has))
    return found


def _side(mid: int, away: int, kind: Kind, draw: random.Random) -> Levels:
    ticks, levels = mid + away * draw.randint(1, kind.spread), []
    for _ in range(LEVELS):
        levels.append((ticks, draw.randint(kind.size // 4, kind.size)))
        ticks += away * draw.randint(1, 2)
    return tuple(levels)


def _worn(levels: Levels, draw: random.Random) -> Levels:
    return tuple((ticks, draw.randint(0, lots) if draw.random() < SHARE_GONE else lots) for ticks, lots in levels)


class Wish(NamedTuple):
    """An order of the flow: when, side, lots."""

    at: int
    buy: bool
    lots: int


def cost_of(wish: Wish, market: list[Moment], kinds: dict[str, Kind], policy: str, only: str | None) -> Fraction:
    """Return what an order cost against the mid that it met, in ticks times lots."""
    chosen = POLICIES[policy]
    left, arrival, cost = wish.lots, market[wish.at].mid, Fraction(0)
    for step in range(wish.at, wish.at + MOST_STEPS):
        now = market[step]
        venues = tuple(
            VenueMarket(name, *now.shown[name], kind.costs)
            for name, kind in kinds.items()
            if only in (None, name)
        )  # fmt: skip
        limit = now.mid + (REACH if wish.buy else -REACH)
        request = Request(wish.buy, left, limit, step * STEP_MS, chosen.parameters(), venues)
        for leg in legs_of(chosen, request):
            took, units, value = 0, 0, 0
            for ticks, lots in now.has[leg.venue][wish.buy]:
                beyond = leg.ticks is not None and (ticks > leg.ticks if wish.buy else ticks < leg.ticks)
                some = 0 if beyond else min(lots, leg.lots - took)
                took, units, value = took + some, units + ticks * some, value + (ticks - arrival) * some
            cost += (value if wish.buy else -value) + kinds[leg.venue].costs.fee(units, took)
            left -= took
        if not left:
            return cost
    raise RuntimeError(f"an order of {wish.lots} lots is not done after {MOST_STEPS} reports")


def measured(kinds: dict[str, Kind], orders: int, seed: int) -> dict[str, float]:
    """Return the mean cost (basis points) of a flow, at each venue alone and by each policy."""
    draw = random.Random(seed)
    market = moments(kinds, orders + MOST_STEPS, draw)
    flow = [Wish(at, draw.random() < 0.5, draw.randint(20, 1_500)) for at in range(orders)]
    whole = sum(market[wish.at].mid * wish.lots for wish in flow)

    def mean(policy: str, only: str | None = None) -> float:
        return float(sum(cost_of(wish, market, kinds, policy, only) for wish in flow) / whole * BPS)

    return {name: mean("BEST_PRICE", name) for name in kinds} | {policy: mean(policy) for policy in ROUTED}


def compared(kinds: dict[str, Kind], orders: int) -> dict[str, Any]:
    """Return means over all seeds, and what each policy saves against the best venue alone: the least, the most."""
    found = [measured(kinds, orders, seed) for seed in SEEDS]
    mean = {name: round(sum(each[name] for each in found) / len(found), 3) for name in found[0]}
    saved = {
        policy: sorted(round(min(each[name] for name in kinds) - each[policy], 3) for each in found)
        for policy in ROUTED
    }
    return {
        "alone_bps": {name: mean[name] for name in kinds},
        "routed_bps": {policy: mean[policy] for policy in ROUTED},
        "saved_bps": {policy: {"least": all_[0], "most": all_[-1]} for policy, all_ in saved.items()},
    }


def split_us(kinds: dict[str, Kind], count: int) -> float:
    """Return the CPU microseconds of one split by BEST_PRICE."""
    draw = random.Random(SEEDS[0])
    chosen = POLICIES["BEST_PRICE"]
    requests = [
        Request(
            True, draw.randint(20, 1_500), None, 0, chosen.parameters(),
            tuple(VenueMarket(name, *each.shown[name], kind.costs) for name, kind in kinds.items()),
        )
        for each in moments(kinds, count, draw)
    ]  # fmt: skip
    began = time.process_time()
    for request in requests:
        legs_of(chosen, request)
    return round((time.process_time() - began) / count * 1e6, 1)


def run(quick: bool) -> dict[str, Any]:
    orders = 100 if quick else 2_000
    return {
        "seeds": list(SEEDS),
        "orders": orders,
        "markets": {
            name: compared(kinds, orders) | {"split_cpu_us": split_us(kinds, orders)} for name, kinds in MARKETS.items()
        },
    }
