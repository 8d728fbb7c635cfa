"""Which order is routed, by which policy, over which venues: the configuration's rules, compiled.

Flows in: a configuration; an account and an instrument; an order in integers. Flows out: a `Route`, or None of an order
that goes where it, its account and its instrument say. Compiled when limits are: an order of an account and an
instrument that no rule means pays for a look at an empty tuple (`Limits.routes`).

What is nearer to the order goes first: its own `routing`, `venues` and `venue`, then these rules, then its account's
venue, its instrument's, the desk's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from fillstream.libs.common.messages.modes import contradicts
from fillstream.libs.common.messages.reference import DAY_MS, MINUTES_A_DAY, AccountTerms, VenueTerms
from fillstream.libs.common.messages.routing import RouteTerms, RoutingRule, RoutingTerms
from fillstream.libs.common.messages.sentences import sentences
from fillstream.libs.common.values.money import at_least, at_most
from fillstream.services.order_service.orders.routing import POLICIES, Policy
from fillstream.services.order_service.orders.routing.policy import RouteParameters

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.compiled import Terms

_MINUTE_MS: Final = DAY_MS // MINUTES_A_DAY
UNSAID: Final = "BEST_PRICE"
"""The policy of an order that names venues and no policy, where no rule means it."""


class Route(NamedTuple):
    """How an order is routed.

    Attributes:
        policy, parameters: asked with every request.
        venues: that may take part, the most preferred first.
        preferences: those among them that were named: they are preferred in their order, and the others are equals.
        where: what decided it, for people: `routing.rules.0`, `routing.default`, `order`.
    """

    policy: Policy
    parameters: RouteParameters
    venues: tuple[str, ...]
    preferences: tuple[str, ...]
    where: str


class Rule(NamedTuple):
    """A rule as an order meets it: of its account and instrument it is already.

    Attributes:
        route: None: the order is not routed.
        buy: of which side; None: of both.
        strategies: of which; empty: of any.
        least_lots, most_lots, least_units, most_units: its size, in lots and in ticks times lots; None: any.
        terms: says at which time of day; None: at any.
    """

    route: Route | None
    buy: bool | None = None
    strategies: frozenset[str] = frozenset()
    least_lots: int | None = None
    most_lots: int | None = None
    least_units: int | None = None
    most_units: int | None = None
    terms: RoutingRule | None = None

    def means(self, strategy: str | None, buy: bool, lots: int, units: int, ms: int) -> bool:
        """Say whether it means an order; see `route_of`."""
        return (
            (self.buy is None or self.buy is buy)
            and (not self.strategies or strategy in self.strategies)
            and (self.least_lots is None or lots >= self.least_lots)
            and (self.most_lots is None or lots <= self.most_lots)
            and (self.least_units is None or units >= self.least_units)
            and (self.most_units is None or units <= self.most_units)
            and (self.terms is None or self.terms.at(ms % DAY_MS // _MINUTE_MS))
        )


def route_of(rules: Sequence[Rule], strategy: str | None, buy: bool, lots: int, units: int, ms: int) -> Route | None:
    """Return how an order is routed that names no venue itself; None of one that is not.

    Args:
        rules: `Limits.routes`.
        strategy: the order's.
        buy: its side.
        lots: its quantity.
        units: its value, in ticks times lots.
        ms: the time of its entry.
    """
    for rule in rules:
        if rule.means(strategy, buy, lots, units, ms):
            return rule.route
    return None


def rules_for(
    routing: RoutingTerms, venues: Mapping[str, VenueTerms], name: str, account: AccountTerms, terms: Terms
) -> tuple[Rule, ...]:
    """Return the rules that may mean an order of an account in an instrument, compiled; the default is the last one.

    A rule of whose venues none takes orders of the account's mode means none of them.

    Args:
        routing, venues: of the desk.
        name, account: whose orders.
        terms: the instrument's, at whatever venue.
    """
    found = []
    for number, rule in enumerate(routing.rules):
        if (rule.accounts and name not in rule.accounts) or (rule.symbols and terms.symbol not in rule.symbols):
            continue
        lot, value = terms.lot.step, terms.value
        route = _route(rule, venues, account, f"routing.rules.{number}")
        if route is None and rule.policy is not None:
            continue
        found.append(
            Rule(
                route,
                None if rule.side is None else rule.side.value == "BUY",
                frozenset(rule.strategies),
                None if rule.min_quantity is None else at_least(rule.min_quantity, lot),
                None if rule.max_quantity is None else at_most(rule.max_quantity, lot),
                None if rule.min_notional is None else at_least(rule.min_notional, value),
                None if rule.max_notional is None else at_most(rule.max_notional, value),
                None if rule.from_time is None else rule,
            )
        )
    if routing.default is not None:
        found.append(Rule(_route(routing.default, venues, account, "routing.default")))
    return tuple(found)


def asked_route(
    venues: Mapping[str, VenueTerms],
    account: AccountTerms,
    policy: str | None,
    named: tuple[str, ...] = (),
    by_rule: Route | None = None,
) -> Route:
    """Return how an order is routed that says so itself.

    Args:
        venues: of the desk.
        account: whose order it is.
        policy: that it names; None where it names venues alone.
        named: venues that it names: no others take part, in this order of preference.
        by_rule: what the rules say of it: the parameters count where its policy is the same, its venues where the order
            names none.

    Raises:
        ValueError: it names a policy or a venue that there is not, or no venue that its account may trade at.
    """
    if policy is None:
        policy = UNSAID if by_rule is None else by_rule.policy.name
    chosen = POLICIES.get(policy)
    if chosen is None:
        raise ValueError(f"routing: {policy} must be one of {', '.join(POLICIES)}")
    for venue in named:
        if venue not in venues:
            raise ValueError(f"venues: {venue} must be one of the venues {', '.join(venues)}")
    same = by_rule is not None and by_rule.policy is chosen
    parameters = by_rule.parameters if by_rule is not None and same else chosen.parameters()
    if not named and by_rule is not None:
        return Route(chosen, parameters, by_rule.venues, by_rule.preferences, "order")
    allowed = tuple(each for each in named or venues if not contradicts(account, venues[each]))
    if not allowed:
        raise ValueError(f"venues: {', '.join(named or venues)}: {account.mode} orders go to none of them")
    return Route(chosen, parameters, allowed, named, "order")


def _route(terms: RouteTerms, venues: Mapping[str, VenueTerms], account: AccountTerms, where: str) -> Route | None:
    if terms.policy is None:
        return None
    chosen = POLICIES[terms.policy]
    allowed = tuple(
        each for each in terms.venues or venues if each not in terms.exclude and not contradicts(account, venues[each])
    )
    if not allowed:  # none of them takes orders of its mode
        return None
    return Route(chosen, chosen.parameters.model_validate(terms.parameters), allowed, terms.venues, where)


def wrong_policies(routing: RoutingTerms) -> list[tuple[str, str]]:
    """Return where a policy is named that there is not, or told what it does not know, and a sentence."""
    found: list[tuple[str, str]] = []
    for where, route in routing.routes():
        if route.policy is None:
            continue
        chosen = POLICIES.get(route.policy)
        if chosen is None:
            found.append((f"{where}.policy", f"{route.policy} must be one of {', '.join(POLICIES)}"))
            continue
        said: dict[str, Any] = dict(route.parameters)
        try:
            chosen.parameters.model_validate(said)
        except ValidationError as error:
            found.append((f"{where}.parameters", sentences(error)))
    return found
