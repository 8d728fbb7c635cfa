"""Checks of what people pass in: each names the field, shows the value, and says what it must be.

Flows in: a field's name and whatever was given for it. Flows out: the value as the code behind wants it, or an
exception. Never rounds and never guesses: an amount that is nearly an integer is somebody's mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import cache
from operator import index
from typing import Any, TypeVar

from fillstream.libs.common.values.naming import cut, shorten

_E = TypeVar("_E", bound=Enum)
_C = TypeVar("_C", bound=Callable[..., Any])


def shown(value: object) -> str:
    """Return a value as an error quotes it: as `shorten`, but Python's own way for what is neither text nor int.

    Who passed a Decimal where an integer is wanted is not helped by seeing digits.
    """
    return shorten(value) if isinstance(value, str | int) else cut(ascii(value))


def integer(field: str, value: object, low: int, high: int) -> int:
    """Return an int between `low` and `high`, of anything that is an integer (numpy's too).

    Raises TypeError for what is none: floats, decimals and fractions whatever they hold, text, None, and bool, which
    is one to Python and a mistake here. Raises ValueError out of range.
    """
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{field} is {shown(value)}, and must be an integer.")
    if not low <= number <= high:
        raise ValueError(f"{field} is {shown(number)}, and must be between {low} and {high}.")
    return number


def member(field: str, value: object, kind: type[_E]) -> _E:
    """Return a member of an enumeration, given itself or its name in upper or lower case. Raises ValueError."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        named = _named(kind)
        found: _E | None = named.get(value) or named.get(value.upper())
        if found is not None:
            return found
    *others, last = kind.__members__
    raise ValueError(f"{field} is {shown(value)}, and must be {', '.join(others)} or {last}.")


@cache
def _named(kind: type[_E]) -> dict[str, _E]:
    """Return an enumeration's members by name: a look into the enumeration itself costs ten times as much."""
    return dict(kind.__members__)


def text(field: str, value: object) -> str:
    """Return a text that is not empty. Raises TypeError for anything but str, ValueError for an empty one."""
    if not isinstance(value, str):
        raise TypeError(f"{field} is {shown(value)}, and must be a str.")
    if not value:
        raise ValueError(f"{field} is '', and must not be empty.")
    return str(value)


def of_form(field: str, value: object, form: re.Pattern[str]) -> None:
    """Raise ValueError for what is no text of that form, as a whole."""
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError(f"{field}: {shorten(value)} must match {form.pattern}")


def callback(field: str, value: _C | None) -> _C | None:
    """Return what can be called, or None. Raises TypeError."""
    if value is not None and not callable(value):
        raise TypeError(f"{field} is {shown(value)}, and must be callable or None.")
    return value
