"""Where an order would go, at what price after fees, and what each venue alone would have been worth.

Flows in: terms and quotes of every venue, as analytics has them; a policy's name or the configuration's rules. Flows
out: a `RoutePreview`. Never sends anything; never judges the order by rules: `tools.preview` does. It asks the very
policies that the desk routes by.

Levels are those of a venue's newest depth where its top is the quote that the desk was told last; else the touch alone
is known, and that is said. Orders of the account's own that rest there are not taken out, since nobody here knows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fillstream.libs.common.ledger.fees import TRADED_UNIT
from fillstream.libs.common.messages.modes import contradicts
from fillstream.libs.common.messages.routing import RoutingTerms
from fillstream.libs.common.messages.terms import written
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.money import canonical, fixed, half_even, parse
from fillstream.services.order_service.orders.compiled import Reach
from fillstream.services.order_service.orders.compiled import Terms as Compiled
from fillstream.services.order_service.orders.routing.cheapest import Taken, taken
from fillstream.services.order_service.orders.routing.costs import costs_of
from fillstream.services.order_service.orders.routing.policy import Leg, Levels, Request, VenueMarket, legs_of, nowhere
from fillstream.services.order_service.orders.routing.routes import Route, asked_route, route_of, rules_for
from fillstream.tools.preview import MONEY_DECIMALS, Market, Terms

PRICE_DECIMALS = 8
Side = Sequence[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of all venues.

    Attributes:
        home: of whoever trades what, at the venue that the order would go to unrouted.
        at: the same at each venue of the desk.
        levels: bids and asks by venue.
        closed: venues to which nothing is routed, with why.
    """

    home: Terms
    at: Mapping[str, Terms]
    levels: Mapping[str, tuple[Side, Side]]
    closed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of a leg, or of all of it at one venue; money and prices as text, None where nothing is taken.

    Attributes:
        quantity: that goes there.
        taken: of it, what trades at once by what is shown.
        avg_px, fee: of that.
        net_px: that with the fee in it.
        price: the worst at which it may trade.
        rests: whether what finds nobody rests.
        post_only: whether it never takes.
    """

    venue: str
    quantity: str
    taken: str
    avg_px: str | None
    fee: str | None
    net_px: str | None
    price: str | None = None
    rests: bool = False
    post_only: bool = False


@dataclass(frozen=True, slots=True)
class RoutePreview:
    """Where an order would go.

    Attributes:
        policy: by which it is routed.
        decided_by: an order's own words, a rule, or nothing, where the preview asks.
        legs: that would be sent at once.
        together: all that these take.
        alone: what each single venue that would take it would be worth.
        best_alone: the best of those that show as much as the legs take; null: none does.
        saved: against that one, in `currency`; null without it.
        touch_only: venues of which no more than the touch is known.
        left_out: venues that take no part, with why.
        limit: the worst price at which it may trade; null: any that is shown.
        text: why there are no legs.
    """

    account: str
    symbol: str
    side: str
    currency: str
    policy: str
    decided_by: str
    legs: list[Expected]
    together: Expected
    alone: list[Expected]
    best_alone: str | None
    saved: str | None
    touch_only: list[str]
    left_out: dict[str, str]
    text: str | None = None
    limit: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return its fields by name."""
        return asdict(self)


@dataclass(slots=True)
class _Market:
    """The venues of a request, and what is to be said of them."""

    compiled: Compiled
    venues: list[VenueMarket] = field(default_factory=list)
    touch_only: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def preview_route(
    known: Known, order: Mapping[str, Any], routing: RoutingTerms, now_ms: int, policy: str | None = None,
    venues: tuple[str, ...] = (),
) -> RoutePreview:  # fmt: skip
    """Return where an order would go.

    Args:
        known: of the account, the instrument and the venues.
        order: side, quantity, price, strategy and time_in_force, as text; None where it does not say one.
        routing: the configuration's.
        now_ms: the time at which it would come.
        policy, venues: that the order names itself.

    Raises:
        ValueError: the order, the policy or a venue is none.
    """
    home = known.home
    compiled = Compiled(home.symbol, home.instrument, Topology(), home.venue, home.venues[home.venue])
    buy, lots, limit = _integers(compiled, order)
    bound = _bound(compiled, home, buy) if limit is None else limit
    worth = compiled.worth(bound if bound is not None else 0, lots)
    rules = rules_for(routing, home.venues, home.account, home.limits, compiled)
    route = route_of(rules, order.get("strategy"), buy, lots, worth, now_ms)
    decided_by = route.where if route is not None else "nothing: no rule means it"
    if policy is not None or venues or route is None:
        decided_by = "order" if policy is not None or venues else decided_by
        route = asked_route(home.venues, home.limits, policy, venues, route)
    market = _market(known, compiled, route, buy)
    rests = limit is not None and str(order.get("time_in_force") or "GTC").upper() not in ("IOC", "FOK")
    request = Request(
        buy=buy, lots=lots, limit=bound, now=now_ms, parameters=route.parameters, venues=tuple(market.venues),
        preferences=route.preferences, rests=rests, began_ms=now_ms,
    )  # fmt: skip
    legs = legs_of(route.policy, request)
    return _told(known, compiled, request, route, decided_by, legs, market)


def _told(
    known: Known, compiled: Compiled, request: Request, route: Route, decided_by: str, legs: tuple[Leg, ...],
    market: _Market,
) -> RoutePreview:  # fmt: skip
    at, buy = {each.name: each for each in request.venues}, request.buy
    found = [(leg, _taken(at[leg.venue], request, leg.lots, leg.ticks, leg.post_only)) for leg in legs]
    whole = _sum([each for _, each in found if each is not None])
    alone = {each.name: _taken(each, request, request.lots, request.limit) for each in request.venues if each.open}
    same = {
        name: one for name, one in alone.items() if one is not None and whole is not None and one.lots >= whole.lots
    }
    best: str | None = None
    saved: str | None = None
    if whole is not None and same:
        alike = {name: _taken(at[name], request, whole.lots, request.limit) for name in same}
        costs = {name: _cost(buy, one) for name, one in alike.items() if one is not None}
        best = min(costs, key=lambda name: costs[name])
        saved = _money_at(compiled, costs[best] - _cost(buy, whole), whole)
    return RoutePreview(
        account=known.home.account,
        symbol=known.home.symbol,
        side="BUY" if buy else "SELL",
        currency=compiled.currency,
        policy=route.policy.name,
        decided_by=decided_by,
        legs=[_expected(compiled, buy, leg, one) for leg, one in found],
        together=_expected(compiled, buy, Leg("together", sum(leg.lots for leg in legs), None), whole),
        alone=[_expected(compiled, buy, Leg(name, request.lots, None), one) for name, one in alone.items()],
        best_alone=best,
        saved=saved,
        touch_only=market.touch_only,
        left_out=market.left_out,
        text=None if legs else nowhere(request),
        limit=None if request.limit is None else compiled.price.text(request.limit),
    )


def _integers(compiled: Compiled, order: Mapping[str, Any]) -> tuple[bool, int, int | None]:
    side = str(order.get("side")).upper()
    if side not in ("BUY", "SELL"):
        raise ValueError(f"side: {order.get('side')} must be BUY or SELL")
    quantity, price = order.get("quantity"), order.get("price")
    lots = compiled.lot.units(canonical(_parsed("quantity", quantity)))
    if lots is None or lots < 1:
        raise ValueError(f"quantity: {quantity} must be a positive multiple of lot_size {compiled.lot.text(1)}")
    if price is None:
        return side == "BUY", lots, None
    ticks = compiled.price.units(canonical(_parsed("price", price)))
    if ticks is None:
        raise ValueError(f"price: {price} must be a multiple of tick_size {compiled.price.text(1)}")
    return side == "BUY", lots, ticks


def _parsed(name: str, text: Any) -> Decimal:
    try:
        return parse(str(text))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _bound(compiled: Compiled, home: Terms, buy: bool) -> int | None:
    """Return how far a market order may go, by the quote of its home venue; None without one."""
    touch = home.market.ask_px if buy else home.market.bid_px
    ticks = None if touch is None else compiled.price.units(touch)
    reach = Reach(home.limits.max_slippage_bps, compiled.negative_prices)
    return None if ticks is None else reach.bound(ticks, buy)


def _market(known: Known, compiled: Compiled, route: Route, buy: bool) -> _Market:
    """Return the markets of a route's venues, and of those that are left out why they are."""
    found = _Market(compiled)
    for name, terms in known.at.items():
        if name not in route.venues:
            mode = contradicts(known.home.limits, terms.venues[name])
            found.left_out[name] = "takes no orders of the account's mode" if mode else "is none of the route's venues"
            continue
        here = Compiled(terms.symbol, terms.instrument, Topology(), name, terms.venues[name])
        tier = 0 if here.fees is None else here.fees.tier(_traded(here, terms.traded))
        bids, asks, deep = _levels(compiled, terms.market, known.levels.get(name, ((), ())))
        costs = costs_of(here, tier, None, next((ticks for ticks, _ in (asks or bids)), 0))
        if costs is None:
            found.left_out[name] = (
                f"charges in {here.fees.currency if here.fees else ''}, of which no rate is known here"
            )
            continue
        if not deep:
            found.touch_only.append(name)
        why = known.closed.get(name, "")
        if why:
            found.left_out[name] = why
        found.venues.append(
            VenueMarket(
                name, bids, asks, costs, open=not why, fresh=bool(asks if buy else bids), why=why,
                min_lots=here.min_lots or 1, max_lots=here.max_lots,
            )
        )  # fmt: skip
    return found


def _traded(here: Compiled, traded: Mapping[int, Decimal]) -> int:
    assert here.fees is not None, "the caller looked"
    days = [value for day, value in traded.items() if day <= here.fees.window_days]
    return int(sum((Fraction(each) for each in days), Fraction(0)) * TRADED_UNIT)


def _levels(compiled: Compiled, market: Market, depth: tuple[Side, Side]) -> tuple[Levels, Levels, bool]:
    """Return bids, asks, and whether these are more than the touch: a depth is believed whose top is the touch."""
    bids, asks = _touch(compiled, market.bid_px, market.bid_qty), _touch(compiled, market.ask_px, market.ask_qty)
    deep_bids, deep_asks = (_units(compiled, side) for side in depth)
    if (deep_bids or deep_asks) and deep_bids[:1] == bids and deep_asks[:1] == asks:
        return deep_bids, deep_asks, True
    return bids, asks, False


def _touch(compiled: Compiled, price: str | None, quantity: str | None) -> Levels:
    return () if price is None or quantity is None else _units(compiled, [(Decimal(price), Decimal(quantity))])


def _units(compiled: Compiled, side: Side) -> Levels:
    levels = [(compiled.price.units(canonical(px)), compiled.lot.units(canonical(qty))) for px, qty in side]
    return tuple((ticks, lots) for ticks, lots in levels if ticks is not None and lots)


def _taken(venue: VenueMarket, request: Request, lots: int, ticks: int | None, post_only: bool = False) -> Taken | None:
    """Return what is taken of so many lots at a venue, no further than to a price; None of nothing."""
    reached = request._replace(limit=ticks if ticks is not None else request.limit)
    levels = tuple(each for each in venue.against(request.buy) if reached.within(each[0]))
    some = 0 if post_only else min(lots, sum(size for _, size in levels))
    return taken(request.buy, venue, levels, some) if some else None


def _sum(parts: Sequence[Taken]) -> Taken | None:
    if not parts:
        return None
    lots, units, value = (
        sum(each.lots for each in parts),
        sum(each.units for each in parts),
        sum(e.value for e in parts),
    )
    return Taken(lots, units, value, parts[-1].worst, sum((each.fee for each in parts), Fraction(0)))


def _cost(buy: bool, found: Taken) -> Fraction:
    """Return what it costs, in ticks times lots; of a sale, less what it brings."""
    return (found.value if buy else -found.value) + found.fee


def _expected(compiled: Compiled, buy: bool, leg: Leg, found: Taken | None) -> Expected:
    price, lot = compiled.price, compiled.lot
    worst = None if leg.ticks is None else price.text(leg.ticks)
    if found is None:
        return Expected(leg.venue, lot.text(leg.lots), lot.text(0), None, None, None, worst, leg.rests, leg.post_only)
    net = found.value + (found.fee if buy else -found.fee)
    step = Fraction(price.step)
    return Expected(
        leg.venue, lot.text(leg.lots), lot.text(found.lots), _price(Fraction(found.value, found.lots) * step),
        _money_at(compiled, found.fee, found), _price(net / found.lots * step), worst, leg.rests, leg.post_only,
    )  # fmt: skip


def _money_at(compiled: Compiled, amount: Fraction, found: Taken) -> str:
    """Return an amount of ticks times lots as money: of an inverse contract as a share of what was taken."""
    if compiled.inverse is None:
        return _money(amount * Fraction(compiled.value))
    worth = compiled.worth(round(Fraction(found.units, found.lots)), found.lots)
    return _money(amount / found.units * worth * Fraction(compiled.value))


def _price(value: Fraction) -> str:
    return str(written(Decimal(fixed(half_even(*(value * 10**PRICE_DECIMALS).as_integer_ratio()), PRICE_DECIMALS))))


def _money(value: Fraction) -> str:
    return str(written(Decimal(fixed(half_even(*(value * 10**MONEY_DECIMALS).as_integer_ratio()), MONEY_DECIMALS))))
