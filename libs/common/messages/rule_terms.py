"""Rules of the desk: when something happens and a condition holds, something is done. One definition of their terms.

Flows in: what is written in the section `rules`, checked as it is read: events that there are, fields that they have,
expressions whose kinds fit, actions with what they need. Flows out: validated terms. Never evaluates anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from fillstream.libs.common.expressions.expression import Expression, Kind, Schema, Wrong
from fillstream.libs.common.messages.base import Name
from fillstream.libs.common.messages.codes import Side
from fillstream.libs.common.messages.native_terms import Names
from fillstream.libs.common.messages.terms import WRITTEN, ReferenceData, about
from fillstream.libs.common.values.naming import shorten

MAX_RULES = 1_000
"""Of a desk."""
MAX_ACTIONS = 20
MAX_DAY = 100_000
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

SCHEMA: Final[dict[str, dict[str, Kind]]] = {
    "position": {
        "quantity": Kind.NUMBER, "avg_px": Kind.NUMBER, "mark_px": Kind.NUMBER, "realized_pnl": Kind.NUMBER,
        "unrealized_pnl": Kind.NUMBER, "day_pnl": Kind.NUMBER, "age_ms": Kind.NUMBER, "is_open": Kind.FLAG,
    },
    "market": {"mark_px": Kind.NUMBER, "tick_size": Kind.NUMBER, "lot_size": Kind.NUMBER},
    "account": {
        "equity": Kind.NUMBER, "day_pnl": Kind.NUMBER, "gross_exposure": Kind.NUMBER, "net_exposure": Kind.NUMBER,
        "open_positions": Kind.NUMBER,
    },
    "time": {"hour": Kind.NUMBER, "minute": Kind.NUMBER, "weekday": Kind.NUMBER},
}  # fmt: skip
"""What expressions may ask about beside `event`: the position and the market of the event's symbol, its account, and
the time of the log, UTC, Monday being 1."""


def _texts(value: Any) -> Any:
    """Return actions with what they are told as text: a number is an expression, too, and nothing is nothing."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(
        {name: _told(told) for name, told in each.items()} if isinstance(each, dict) else each for each in value
    )


def _told(told: Any) -> Any:
    if told is None:
        return {}
    if not isinstance(told, dict):
        return told
    return {key: str(said) if isinstance(said, int | float | Decimal) else said for key, said in told.items()}


class Parameter(NamedTuple):
    """One of an action's: its kind, whether the action needs it, and which bare words it may be; none named: any."""

    kind: Kind
    needed: bool = False
    words: tuple[str, ...] = ()


_SIDES = tuple(Side)
_SIDE = Parameter(Kind.TEXT, True, _SIDES)
_SIZE = Parameter(Kind.NUMBER, True)
_MAYBE = Parameter(Kind.NUMBER)
ACTIONS: Final[dict[str, dict[str, Parameter]]] = {
    "create_position": {
        "side": _SIDE, "quantity": _SIZE, "stop_loss_pct": _MAYBE, "take_profit_pct": _MAYBE, "trailing_stop": _MAYBE,
    },
    "order": {"side": _SIDE, "quantity": _SIZE, "price": _MAYBE},
    "bracket": {"side": _SIDE, "quantity": _SIZE, "price": _MAYBE, "stop_loss": _MAYBE, "take_profit": _MAYBE},
    "close": {"quantity": _MAYBE},
    "adjust": {"target": _SIZE},
    "scale_in": {"quantity": _SIZE},
    "protect": {
        "stop_loss": _MAYBE, "stop_loss_percent": _MAYBE, "take_profit": _MAYBE, "take_profit_percent": _MAYBE,
        "trailing_stop": _MAYBE, "trailing_stop_percent": _MAYBE, "trailing_stop_atr": _MAYBE,
        "time_limit_ms": _MAYBE, "before_session_end_ms": _MAYBE,
    },
    "cancel": {"side": Parameter(Kind.TEXT, False, _SIDES)},
    "log": {"text": Parameter(Kind.TEXT, True)},
}  # fmt: skip
"""What a rule may do, in the order in which its actions stand, and what each is told: expressions, or a bare word."""


class RuleTerms(ReferenceData):
    """One rule (document 002's)."""

    rule_id: Annotated[Name, about("unique; a part of the ids of what it sends, and their strategy")]
    name: Annotated[str, about("for people", rare=True, max_length=200)] = ""
    event: Annotated[Name, about("the journal's event that it is looked at for: PredictionReceived, OrderFilled …")]
    when: Annotated[str, about("an expression that must be true: of event, position, market, account and time")]
    actions: Annotated[
        tuple[dict[str, dict[str, str]], ...],
        BeforeValidator(_texts),
        about("what it does, one after the other: an action's name with what it is told"),
        Field(min_length=1, max_length=MAX_ACTIONS),
    ]
    priority: Annotated[
        int, about("the highest goes first, else by rule_id", rare=True, ge=-1000, le=1000), WRITTEN
    ] = 0
    cooldown_seconds: Annotated[
        int, about("it does nothing for so long after it did something", unit="s", rare=True, ge=0, le=86_400 * 366),
        WRITTEN,
    ] = 0  # fmt: skip
    max_executions_per_day: Annotated[
        int, about("so often in a UTC day, at most", rare=True, ge=1, le=MAX_DAY), WRITTEN
    ] = 100
    enabled: Annotated[bool, about("whether it is looked at", rare=True)] = True
    accounts: Annotated[
        Names, about("only of events of these; of events that are of no account: whose position is meant", rare=True)
    ] = ()
    symbols: Annotated[Names, about("only of events of these; none named: any", rare=True)] = ()

    @model_validator(mode="after")
    def _can_be_evaluated(self) -> Self:
        compiled(self)
        return self


class Compiled(NamedTuple):
    """A rule's expressions: its condition, and what each action is told."""

    when: Expression
    actions: tuple[tuple[str, dict[str, Expression | str]], ...]


def compiled(terms: RuleTerms) -> Compiled:
    """Return the expressions of a rule.

    Raises:
        ValueError: a sentence that begins with the field.
    """
    fields = fields_of(terms.event)
    if fields is None:
        raise ValueError(f"event: {terms.event} is none of the journal's events (docs/reference.md)")
    schema: Schema = {"event": fields, **SCHEMA}
    try:
        when = Expression(terms.when, schema)
    except Wrong as wrong:
        raise ValueError(f"when: {wrong}") from None
    if when.kind not in (Kind.FLAG, None):
        raise ValueError(f"when: {shorten(terms.when)} is {when.kind}, it must be true or false")
    actions = []
    for number, said in enumerate(terms.actions):
        if len(said) != 1:
            raise ValueError(f"actions.{number}: must be one action with what it is told, got {len(said)}")
        [(name, told)] = said.items()
        actions.append((name, _parameters(f"actions.{number}", name, told, schema)))
        if name != "log" and "account" not in fields and not terms.accounts:
            raise ValueError(f"accounts: {terms.event} is of no account; name those for which {name} is done")
        if name != "log" and "symbol" not in fields:
            raise ValueError(f"event: {terms.event} is of no instrument that {name} could be done with; it may log")
    return Compiled(when, tuple(actions))


def _parameters(where: str, name: str, told: Mapping[str, str], schema: Schema) -> dict[str, Expression | str]:
    takes = ACTIONS.get(name)
    if takes is None:
        raise ValueError(f"{where}: {shorten(name)} must be one of {', '.join(ACTIONS)}")
    for key in told:
        if key not in takes:
            raise ValueError(f"{where}.{name}.{key}: must be one of {', '.join(takes)}")
    found: dict[str, Expression | str] = {}
    for key, parameter in takes.items():
        text = told.get(key)
        if text is None:
            if parameter.needed:
                raise ValueError(f"{where}.{name}.{key}: is missing")
            continue
        if parameter.kind is Kind.TEXT and _WORD.fullmatch(text):
            if parameter.words and text.upper() not in parameter.words:
                known = " or ".join(parameter.words)
                raise ValueError(f"{where}.{name}.{key}: {shorten(text)} must be {known}, or an expression")
            found[key] = text
            continue
        try:
            made = Expression(text, schema)
        except Wrong as wrong:
            raise ValueError(f"{where}.{name}.{key}: {wrong}") from None
        if made.kind not in (parameter.kind, None):
            raise ValueError(f"{where}.{name}.{key}: {shorten(text)} is {made.kind}, it must be {parameter.kind}")
        found[key] = made
    return found


@cache
def fields_of(event: str) -> dict[str, Kind] | None:
    """Return the fields of an event that expressions may ask about; None of what is no event."""
    from fillstream.libs.common.messages.journal import EVENTS  # noqa: PLC0415 - the journal has rules among its events

    model = EVENTS.get(event)
    if model is None:
        return None
    kinds = {name: _kind(field.annotation) for name, field in model.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _kind(annotation: Any) -> Kind | None:
    if isinstance(annotation, type):
        if issubclass(annotation, bool):
            return Kind.FLAG
        if issubclass(annotation, Decimal | int):
            return Kind.NUMBER
        return Kind.TEXT if issubclass(annotation, str | Enum) else None
    if isinstance(annotation, str):  # a value of a Literal
        return Kind.TEXT
    found = {kind for each in get_args(annotation) if (kind := _kind(each)) is not None}
    return found.pop() if len(found) == 1 else None


def check_unique(rules: tuple[RuleTerms, ...]) -> None:
    """Check that no two rules have one name, and that there are not too many.

    Raises:
        ValueError: a sentence that begins with where it stands.
    """
    if len(rules) > MAX_RULES:
        raise ValueError(f"{len(rules)} rules are more than {MAX_RULES}")
    seen: dict[str, int] = {}
    for number, rule in enumerate(rules):
        if rule.rule_id in seen:
            raise ValueError(f"{number}.rule_id: {rule.rule_id} is that of rules.{seen[rule.rule_id]}, too")
        seen[rule.rule_id] = number
