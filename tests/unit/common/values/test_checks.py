"""What people pass in, and what they are told about it."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum

import pytest

from fillstream.libs.common.values.checks import callback, integer, member, shown, text


class Side(Enum):
    BUY = 1
    SELL = 2
    SHORT = 3


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("x" * 80, "'" + "x" * 80 + "'"),
        ("x" * 81, "'" + "x" * 80 + "'..."),
        (2**256 - 1, str(2**256 - 1)),
        (2**256, "an integer of 257 bits"),
        (-(2**300), "an integer of 301 bits"),
        (None, "None"),
        (Decimal("1.50"), "Decimal('1.50')"),
        ("\U0001fae8", "'\\U0001fae8'"),
        (["\U0001fae8"], "['\\U0001fae8']"),
    ],
    ids=[
        "just fits",
        "too long",
        "a large integer",
        "one larger",
        "a negative one",
        "nothing",
        "a number's kind",
        "what Python 3.12 would print and 3.11 not",
        "the same in a list",
    ],
)
def test_a_value_is_quoted_short_whatever_it_is(value: object, quoted: str) -> None:
    assert shown(value) == quoted


@pytest.mark.parametrize("value", [1, 5])
def test_an_integer_may_be_either_limit(value: int) -> None:
    assert integer("qty", value, 1, 5) == value


@pytest.mark.parametrize("value", [0, 6])
def test_an_integer_beyond_a_limit_is_told_both(value: int) -> None:
    with pytest.raises(ValueError, match=rf"^qty is {value}, and must be between 1 and 5\.$"):
        integer("qty", value, 1, 5)


@pytest.mark.parametrize("value", [1.0, "1", None, True], ids=["float", "text", "nothing", "bool"])
def test_what_is_no_integer_is_refused_whatever_it_holds(value: object) -> None:
    with pytest.raises(TypeError, match=rf"^qty is {value!r}, and must be an integer\.$"):
        integer("qty", value, 1, 5)


def test_a_member_is_given_itself_or_by_its_name() -> None:
    assert [member("side", value, Side) for value in (Side.BUY, "BUY", "sell")] == [Side.BUY, Side.BUY, Side.SELL]
    for value in ("HOLD", 1, None):
        with pytest.raises(ValueError, match=rf"^side is {value!r}, and must be BUY, SELL or SHORT\.$"):
            member("side", value, Side)


def test_a_text_is_a_str_and_says_something() -> None:
    assert text("symbol", "JPM") == "JPM"
    with pytest.raises(TypeError, match=r"^symbol is b'JPM', and must be a str\.$"):
        text("symbol", b"JPM")
    with pytest.raises(ValueError, match=r"^symbol is '', and must not be empty\.$"):
        text("symbol", "")


def test_a_callback_can_be_called_or_is_none() -> None:
    assert callback("on_trade", print) is print
    assert callback("on_trade", None) is None
    wrong: object = "print"
    with pytest.raises(TypeError, match=re.escape("on_trade is 'print', and must be callable or None.")):
        callback("on_trade", wrong)  # type: ignore[type-var]
