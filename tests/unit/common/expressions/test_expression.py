"""Expressions: what they come to, exactly, and what is refused as they are read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.expressions.expression import Expression, Kind, Wrong

SCHEMA = {
    "event": {"confidence": Kind.NUMBER, "move": Kind.TEXT, "flag": Kind.FLAG},
    "position": {"quantity": Kind.NUMBER},
}
VALUES: dict[str, dict[str, Any]] = {
    "event": {"confidence": Decimal("0.3"), "move": "BUY", "flag": None},
    "position": {"quantity": Decimal(-7)},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("event.confidence == 0.1 + 0.2", True),
        ('event.move == "BUY" and position.quantity < 0', True),
        ('event.move in ["SELL", "SHORT"]', False),
        ("event.flag", None),
        ("event.flag or event.confidence > 0", None),
        ("event.confidence > 0 or event.flag", True),
        ("10 / 4", Decimal("2.5")),
        ("1 / 3", Decimal("0.3333333333333333333333333333333333")),
        ('position.quantity > 0 ? "SELL" : "BUY"', "BUY"),
        ("-position.quantity * 2", Decimal(14)),
        ('event.move == "it has $now and ** in it"', False),
    ],
)
def test_what_it_comes_to(text: str, value: object) -> None:
    assert Expression(text, SCHEMA).evaluate(VALUES) == value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("event.confidence >", "is no expression"),
        ("event.nope == 1", "nope is no field"),
        ("price > 1", "price is none of event, position"),
        ("event.move > 5", "data type mismatch"),
        ("$now", "functions are not taken here"),
        ('event.move =~ "(a+)+"', "regular expressions are not taken here"),
        ("2 ** 100000000", "powers are not taken here"),
        ("1 << 100000000", "shifts are not taken here"),
        ("[x for x in [1, 2]]", "loops are not taken here"),
        ("1" * 2001, "has 2001 characters"),
    ],
)
def test_what_is_refused_as_it_is_read(text: str, sentence: str) -> None:
    with pytest.raises(Wrong) as wrong:
        Expression(text, SCHEMA)
    assert sentence in str(wrong.value)


def test_what_cannot_be_evaluated_says_so() -> None:
    expression = Expression("1 / (position.quantity + 7) > 0", SCHEMA)
    with pytest.raises(Wrong):
        expression.evaluate(VALUES)


def test_it_knows_its_kind_and_the_names_that_it_uses() -> None:
    expression = Expression('event.move == "position.quantity"', SCHEMA)
    assert (expression.kind, expression.names) == (Kind.FLAG, {"event"})
    assert Expression("position.quantity + 1", SCHEMA).kind is Kind.NUMBER


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("inf", "has inf: numbers without end are not taken here"),
        ("position.quantity < nan", "has nan: numbers that are none are not taken here"),
        ("[x for\tx in [1, 2]]", "has for: loops are not taken here"),
        ("[x for\nx in [1, 2]]", "has for: loops are not taken here"),
        ("9e999999 + 9e999999", "no number comes of it"),
        ("1" + "+1" * 600, "has 600 operators and lists, at most 150 are taken"),
        ("not " * 400 + "event.flag", "has 400 operators and lists"),
    ],
)
def test_what_no_fold_could_go_on_with_is_refused_as_it_is_read(text: str, sentence: str) -> None:
    with pytest.raises(Wrong) as wrong:
        Expression(text, SCHEMA)
    assert sentence in str(wrong.value)


@pytest.mark.parametrize("text", ["not " * 150 + "event.confidence > 0", "0" + " + event.confidence" * 105])
def test_what_is_nested_as_deep_as_it_may_be_is_evaluated(text: str) -> None:
    found = Expression(text, SCHEMA).evaluate(VALUES)
    assert found in (True, Decimal("31.5"))


def test_a_number_beyond_all_measure_is_none() -> None:
    assert Expression("position.quantity * 1e98", SCHEMA).evaluate(VALUES) == Decimal("-7e98")
    with pytest.raises(Wrong, match="comes to a number of 5001 digits"):
        Expression("position.quantity * 1e5000", SCHEMA).evaluate(VALUES)


def test_a_name_is_known_however_its_field_is_asked_for() -> None:
    assert Expression("position&.quantity < 0", SCHEMA).names == {"position"}
    assert Expression('event.move == "BUY"', SCHEMA).names == {"event"}
