"""What pydantic refuses, in words that stay the same whatever pydantic's are."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fillstream.libs.common.messages.journal import journal_event
from fillstream.libs.common.messages.sentences import MOST_CAUSES, sentences
from fillstream.libs.common.values.naming import shorten


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    whole: Annotated[int, Field(gt=0, lt=10)] = 1
    number: Annotated[Decimal, Field(ge=0, le=5, max_digits=3, allow_inf_nan=False)] = Decimal(1)
    code: Literal["A", "B"] = "A"
    on: bool = True
    name: Annotated[str, Field(pattern="^[a-z]$")] = "a"
    many: tuple[int, ...] = ()


class Outer(BaseModel):
    parts: dict[Annotated[str, Field(pattern="^[a-z]+$")], Inner]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"whole": 0}, "parts.x.whole: 0 must be above 0"),
        ({"whole": 10}, "parts.x.whole: 10 must be below 10"),
        ({"whole": "x"}, "parts.x.whole: 'x' must be a whole number"),
        ({"whole": 1.5}, "parts.x.whole: 1.5 must be a whole number"),
        ({"whole": "9" * 5000}, f"parts.x.whole: {shorten('9' * 5000)} must be a whole number"),
        ({"whole": [[[]]]}, "parts.x.whole: a list must be a whole number"),
        ({"number": -1}, "parts.x.number: -1 must be at least 0"),
        ({"number": 6}, "parts.x.number: 6 must be at most 5"),
        ({"number": "1.234"}, "parts.x.number: '1.234' has too many digits, at most 3"),
        ({"number": "inf"}, "parts.x.number: 'inf' must be a finite number"),
        ({"number": "x"}, "parts.x.number: 'x' must be a decimal number"),
        ({"number": {}}, "parts.x.number: an object must be a decimal number"),
        ({"code": "C"}, "parts.x.code: 'C' must be A or B"),
        ({"on": "perhaps"}, "parts.x.on: 'perhaps' must be true or false"),
        ({"name": "\U0001fae8"}, "parts.x.name: '\\U0001fae8' must match ^[a-z]$"),
        ({"name": 1}, "parts.x.name: 1 must be a string"),
        ({"many": 1}, "parts.x.many: 1 must be a list"),
        ({"odd": 1}, "parts.x.odd: is no field here"),
        ({"\U0001fae8": 1}, "parts.x.'\\U0001fae8': is no field here"),
        ({"whole": 0, "number": 6}, "parts.x.whole: 0 must be above 0; parts.x.number: 6 must be at most 5"),
    ],
)
def test_a_sentence_names_the_field_the_value_and_the_rule(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Outer(parts={"x": fields})
    assert sentences(refused.value) == text


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("{}", "type is missing"),
        ('{"type": "Other"}', "type 'Other' must be one of OrderReceived, "),
        ("{", "must be one JSON document"),
        ('{"type": "OrderAccepted"}', "OrderAccepted.seq: is missing; OrderAccepted.time: is missing"),
    ],
)
def test_a_message_that_is_none_is_said_to_be(document: str, text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        journal_event.validate_json(document)
    assert sentences(refused.value).startswith(text)


@pytest.mark.parametrize(
    ("values", "text"), [([], "a list must have at least 1 in it"), ([1, 2, 3], "a list must have at most 2 in it")]
)
def test_a_list_has_a_length(values: list[int], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Annotated[list[int], Field(min_length=1, max_length=2)]).validate_python(values)
    assert sentences(refused.value) == text


def test_there_is_an_end_to_what_is_told() -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(list[int]).validate_python(["x"] * (MOST_CAUSES + 5))
    told = sentences(refused.value)
    assert told.count("must be a whole number") == MOST_CAUSES
    assert told.endswith("; and 5 more")
    assert sentences(refused.value, 1) == "0: 'x' must be a whole number; and 14 more"
