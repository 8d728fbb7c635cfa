"""Which orders are routed, by which policy, over which venues: the section `routing` of the configuration.

Flows in: what the settings say, or a configuration entry of an inbox. Flows out: frozen models; a sentence for each
name in them that is none of the desk's. Never knows a policy: `order_service.orders.routing` has these, and judges
their names and parameters when a configuration is made for the desk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from fillstream.libs.common.messages.base import AnySide, Name
from fillstream.libs.common.messages.native_terms import Names
from fillstream.libs.common.messages.reference import MINUTES_A_DAY, VenueName
from fillstream.libs.common.messages.risk_terms import Positive
from fillstream.libs.common.messages.terms import QUANTITY, VALUE, ReferenceData, about
from fillstream.libs.common.values.money import canonical

MAX_RULES = 1_000
MAX_VENUES = 64
_MINUTES = 60

TimeText = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""HH:MM, UTC."""


def minutes_of(text: str) -> int:
    """Return the minutes after midnight of a `TimeText`."""
    hours, minutes = text.split(":")
    return int(hours) * _MINUTES + int(minutes)


def _listed(value: Any) -> Any:
    """Return a list of names, or text with commas between, in its order; null is none."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(name for name in value.split(",") if name)
    return value


def _plain(value: Any) -> Any:
    return canonical(value) if isinstance(value, Decimal) else value


def _named_alone(value: Any) -> Any:
    """`default: BEST_PRICE` is a route of which nothing else is said."""
    return {"policy": value} if isinstance(value, str) else value


VenueList = Annotated[tuple[VenueName, ...], BeforeValidator(_listed), Field(max_length=MAX_VENUES)]
Parameter = Annotated[str | int | bool | None, BeforeValidator(_plain)]


class RouteTerms(ReferenceData):
    """Where orders go: a policy, and the venues that take part."""

    policy: Annotated[
        Name | None, about("a routing policy; null: not routed, they go where account and instrument say")
    ]
    venues: Annotated[
        VenueList, about("venues that take part, the most preferred first; none named: all of the desk", rare=True)
    ] = ()
    exclude: Annotated[VenueList, about("venues that take no part", rare=True)] = ()
    parameters: Annotated[
        dict[Name, Parameter], about("of the policy; what is not said has the policy's default", rare=True)
    ] = {}  # noqa: RUF012 - pydantic gives each model its own

    @model_validator(mode="after")
    def _each_venue_once(self) -> Self:
        for name in ("venues", "exclude"):
            listed: tuple[str, ...] = getattr(self, name)
            again = next((each for each in listed if listed.count(each) > 1), None)
            if again is not None:
                raise ValueError(f"{name}: {again} is named twice")
        both = next((each for each in self.venues if each in self.exclude), None)
        if both is not None:
            raise ValueError(f"exclude: {both} is one of the venues that take part")
        return self


class RoutingRule(RouteTerms):
    """Orders that are alike, and where they go. What is not said is any."""

    accounts: Annotated[Names, about("accounts; none named: any", rare=True)] = ()
    symbols: Annotated[Names, about("instruments; none named: any", rare=True)] = ()
    strategies: Annotated[Names, about("strategies; none named: any, and orders without one", rare=True)] = ()
    side: Annotated[AnySide | None, about("BUY or SELL; null: both", rare=True)] = None
    min_quantity: Annotated[Positive | None, about("of the order, at least", unit=QUANTITY, rare=True)] = None
    max_quantity: Annotated[Positive | None, about("of the order, at most", unit=QUANTITY, rare=True)] = None
    min_notional: Annotated[Positive | None, about("its value, at least", unit=VALUE, rare=True)] = None
    max_notional: Annotated[Positive | None, about("its value, at most", unit=VALUE, rare=True)] = None
    from_time: Annotated[TimeText | None, about("of the day, HH:MM in UTC, when it comes; null: any", rare=True)] = None
    until_time: Annotated[
        TimeText | None, about("and before this; where that is earlier, it is over midnight", rare=True)
    ] = None

    @model_validator(mode="after")
    def _some_order_can_be_meant(self) -> Self:
        for unit in ("quantity", "notional"):
            least, most = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if least is not None and most is not None and least > most:
                raise ValueError(
                    f"min_{unit}: {canonical(least)} must be at most max_{unit}, {canonical(most)}: no order is meant"
                )
        if (self.from_time is None) != (self.until_time is None):
            raise ValueError("until_time: from_time and until_time come together")
        if self.from_time is not None and self.from_time == self.until_time:
            raise ValueError(f"until_time: {self.until_time} must be another than from_time: no order is meant")
        return self

    def at(self, minutes: int) -> bool:
        """Say whether it means orders that come so many minutes after midnight UTC."""
        if self.from_time is None or self.until_time is None:
            return True
        begins, ends = minutes_of(self.from_time), minutes_of(self.until_time)
        return (minutes - begins) % MINUTES_A_DAY < (ends - begins) % MINUTES_A_DAY


class RoutingTerms(ReferenceData):
    """All of the section. The first rule that means an order decides; where none does, the default."""

    rules: Annotated[
        tuple[RoutingRule, ...], about("the first that means an order decides", rare=True), Field(max_length=MAX_RULES)
    ] = ()
    default: Annotated[
        RouteTerms | None,
        BeforeValidator(_named_alone),
        about("of orders that no rule means; null: they are not routed", rare=True),
    ] = None

    def __bool__(self) -> bool:
        """Say whether any order is routed by configuration."""
        return bool(self.rules) or self.default is not None

    def routes(self) -> Iterator[tuple[str, RouteTerms]]:
        """Yield every route there is, with where it stands: `rules.0`."""
        for number, rule in enumerate(self.rules):
            yield f"rules.{number}", rule
        if self.default is not None:
            yield "default", self.default

    def values(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        said: dict[str, Any] = {"rules": [rule.values() for rule in self.rules]} if self.rules else {}
        return said if self.default is None else said | {"default": self.default.values()}


NOT_ROUTED = RoutingTerms()


def wrong_venues(routing: RoutingTerms, venues: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield where a venue is named that the desk does not have, and a sentence."""
    for where, route in routing.routes():
        for name in ("venues", "exclude"):
            for venue in getattr(route, name):
                if venue not in venues:
                    yield f"{where}.{name}", f"{venue} must be one of the venues {', '.join(venues)}"
        if route.policy is not None and not set(route.venues or venues) - set(route.exclude):
            yield f"{where}.exclude", "leaves no venue"
