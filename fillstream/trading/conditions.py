"""What rules wait for: events, what is held, the time, markets; and, or, not.

Flows in: an event with its context. Flows out: yes or no, and why not in a few words. Never does anything.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fillstream.trading.context import Context
from fillstream.trading.events import BaseEvent
from fillstream.trading.exact import exact

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Condition:
    """Something that is true of an event in its context, or not. `a & b`, `a | b` and `~a` combine conditions."""

    def why_not(self, context: Context) -> str | None:
        """Return why it is not met, in a few words; None when it is."""
        raise NotImplementedError

    def is_met(self, context: Context) -> bool:
        """Say whether it is met."""
        return self.why_not(context) is None

    def event_types(self) -> set[type[BaseEvent]]:
        """Return the types of events that it is about; none of one that is about all."""
        return set()

    def __and__(self, other: Condition) -> And:
        return And(self, other)

    def __or__(self, other: Condition) -> Or:
        return Or(self, other)

    def __invert__(self) -> Not:
        return Not(self)


class EventCondition(Condition):
    """An event of a type, with fields that are so.

    Args:
        event_type: of the event, or a class that it is one of.
        field_conditions: for each field a value that it must have, a comparison like `(">", 0.8)`, a set or list of
            values of which it must have one, or a predicate of its value. A field that is None meets none but None
            itself.

    Raises:
        ValueError: the type has no such field, or a comparison is none.
        TypeError: `event_type` is no type of events.
    """

    def __init__(self, event_type: type[BaseEvent], field_conditions: Mapping[str, Any] | None = None) -> None:
        if not (isinstance(event_type, type) and issubclass(event_type, BaseEvent)):
            raise TypeError(f"event_type: {event_type!r} must be a class of events, like PredictionSignalEvent")
        self.event_type = event_type
        self.field_conditions = dict(field_conditions or {})
        for name, wanted in self.field_conditions.items():
            if name not in event_type.model_fields:
                known = ", ".join(event_type.model_fields)
                raise ValueError(f"field_conditions: {event_type.__name__} has no field {name}, but {known}")
            if isinstance(wanted, tuple):
                check_comparison(wanted, f"field_conditions.{name}")

    def event_types(self) -> set[type[BaseEvent]]:
        """Return its type."""
        return {self.event_type}

    def why_not(self, context: Context) -> str | None:
        """Name the first field that is not so."""
        event = context.event
        if not isinstance(event, self.event_type):
            return f"the event is no {self.event_type.__name__}"
        for name, wanted in self.field_conditions.items():
            value = getattr(event, name)
            if not meets(value, wanted):
                return f"{name} is {value}, wanted {shown(wanted)}"
        return None


class And(Condition):
    """All of several conditions."""

    def __init__(self, *conditions: Condition) -> None:
        self.conditions = _several(conditions)

    def why_not(self, context: Context) -> str | None:
        """Say what the first one says that is not met."""
        return next((why for each in self.conditions if (why := each.why_not(context)) is not None), None)

    def event_types(self) -> set[type[BaseEvent]]:
        """Return those of all of them."""
        return {kind for each in self.conditions for kind in each.event_types()}


class Or(And):
    """One of several conditions at least."""

    def why_not(self, context: Context) -> str | None:
        """Say what all of them say."""
        whys = []
        for each in self.conditions:
            why = each.why_not(context)
            if why is None:
                return None
            whys.append(why)
        return "; ".join(whys)


class Not(Condition):
    """The contrary of a condition."""

    def __init__(self, condition: Condition) -> None:
        [self.condition] = _several((condition,))

    def why_not(self, context: Context) -> str | None:
        """Say that it is met."""
        return "the contrary is so" if self.condition.is_met(context) else None

    def event_types(self) -> set[type[BaseEvent]]:
        """Return those of the condition."""
        return self.condition.event_types()


class PositionCondition(Condition):
    """What an account holds of an instrument: everything, whoever traded it.

    Args:
        symbol: of which; by default the event's. A function of the context may say it.
        quantity: what must be held: a value, a comparison like `(">", 0)`, or a predicate; short is below 0.
        account: whose; by default the tracker's. Of another it is known what was told since the tracker was started.
    """

    def __init__(self, quantity: Any, symbol: Any = None, account: str | None = None) -> None:
        if isinstance(quantity, tuple):
            check_comparison(quantity, "quantity")
        self.symbol, self.quantity, self.account = symbol, quantity, account

    @classmethod
    def flat(cls, symbol: Any = None) -> PositionCondition:
        """Nothing is held."""
        return cls(Decimal(0), symbol)

    @classmethod
    def long(cls, symbol: Any = None) -> PositionCondition:
        """More than nothing is held."""
        return cls((">", 0), symbol)

    @classmethod
    def short(cls, symbol: Any = None) -> PositionCondition:
        """Less than nothing is held."""
        return cls(("<", 0), symbol)

    def why_not(self, context: Context) -> str | None:
        """Say what is held."""
        symbol = context.value(self.symbol) if self.symbol is not None else context.symbol
        if symbol is None:
            return "the event is about no instrument"
        held = context.held(symbol, self.account)
        return None if meets(held, self.quantity) else f"{held} {symbol} are held, wanted {shown(self.quantity)}"


class TimeCondition(Condition):
    """When the event was: its own time, so that a replay decides the same.

    Args:
        after, before: times of day, "09:30"; over midnight where `after` is the later one.
        zone: in which they are, "America/New_York"; UTC by default.
        days: on which of them: "mon" to "sun".

    Raises:
        ValueError: one of them is no such thing.
    """

    def __init__(
        self, after: str | None = None, before: str | None = None, zone: str = "UTC", days: Sequence[str] = DAYS
    ) -> None:
        self.after, self.before = _time(after, "after"), _time(before, "before")
        try:
            self.zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"zone: {zone!r} is no time zone, like America/New_York") from None
        self.days = {day.lower()[:3] for day in days}
        if unknown := self.days - set(DAYS):
            raise ValueError(f"days: {', '.join(sorted(unknown))} must be some of {', '.join(DAYS)}")

    def why_not(self, context: Context) -> str | None:
        """Say what time it was."""
        moment = datetime.fromtimestamp(context.time_ms / 1000, UTC).astimezone(self.zone)
        day, at = DAYS[moment.weekday()], moment.time()
        if day not in self.days:
            return f"it was {day}"
        since = self.after is None or at >= self.after
        until = self.before is None or at < self.before
        over_midnight = self.after is not None and self.before is not None and self.after > self.before
        if (since or until) if over_midnight else (since and until):
            return None
        return f"it was {at:%H:%M} in {self.zone.key}"


class MarketCondition(Condition):
    """What a market is like, as the desk told last.

    Args:
        symbol: of which; by default the event's. A function of the context may say it.
        price, bid, ask, last: what each must be: a comparison like `("<", 190)`, a value, or a predicate.
        spread: likewise, ask less bid; where one is missing, the condition is not met.

    Raises:
        ValueError: a comparison is none.
    """

    def __init__(self, symbol: Any = None, **wanted: Any) -> None:
        self.symbol = symbol
        names = ("price", "bid", "ask", "last", "spread")
        for name, value in wanted.items():
            if name not in names:
                raise ValueError(f"{name}: a market has {', '.join(names)}")
            if isinstance(value, tuple):
                check_comparison(value, name)
        self.wanted = wanted

    def why_not(self, context: Context) -> str | None:
        """Say what the market is like."""
        symbol = context.value(self.symbol) if self.symbol is not None else context.symbol
        market = None if symbol is None else context.tracker.prices.get(symbol)
        if market is None:
            return f"the desk has told no market of {symbol} yet"
        for name, wanted in self.wanted.items():
            if name == "spread":
                value = None if market.bid is None or market.ask is None else market.ask - market.bid
            else:
                value = getattr(market, name)
            if not meets(value, wanted):
                return f"the {name} of {symbol} is {value}, wanted {shown(wanted)}"
        return None


def meets(value: Any, wanted: Any) -> bool:
    """Say whether a value is what is wanted: a value, a comparison, one of several values, a predicate."""
    if callable(wanted) and not isinstance(wanted, type):
        return value is not None and bool(wanted(value))
    if isinstance(wanted, tuple):
        compare, bound = wanted
        return value is not None and COMPARISONS[compare](value, _alike(value, bound))
    if isinstance(wanted, Collection) and not isinstance(wanted, str):
        return any(meets(value, each) for each in wanted)
    return bool(value == _alike(value, wanted))


def _alike(value: Any, bound: Any) -> Any:
    """Return a bound as the value is counted: a float beside a Decimal as the digits that it prints."""
    return exact(bound, "value") if isinstance(value, Decimal) and isinstance(bound, float) else bound


def check_comparison(wanted: tuple[Any, ...], name: str) -> None:
    """Refuse what is no comparison.

    Raises:
        ValueError: it is none.
    """
    if len(wanted) != 2 or wanted[0] not in COMPARISONS:
        raise ValueError(
            f"{name}: {wanted!r} must be a comparison and a value, like ('>', 0.8): {' '.join(COMPARISONS)}"
        )


def shown(wanted: Any) -> str:
    """Return what is wanted, in a few words."""
    if isinstance(wanted, tuple):
        return f"{wanted[0]} {wanted[1]}"
    if callable(wanted):
        return "what a predicate asks for"
    return str(wanted)


def _several(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    if not conditions:
        raise ValueError("conditions: give one at least")
    for each in conditions:
        if not isinstance(each, Condition):
            raise TypeError(f"conditions: {each!r} must be a condition")
    return tuple(conditions)


def _time(text: str | None, name: str) -> time | None:
    if text is None:
        return None
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} must be a time of day, like 09:30") from None
