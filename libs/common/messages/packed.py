"""Fields of a flat signal that hold more than one value: objects and lists as one text, however they were written.

Flows in: what a client wrote, as JSON or as text. Flows out: one canonical text, equal for equal values; and what it
says, read again. Never decides whether a value makes sense for an instrument.

Streams and tables have such a value as text, so a column is a column; who decides with it reads it by `parameters_of`,
`targets_of` and `names_of`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

from fillstream.libs.common.values.money import canonical, parse
from fillstream.libs.common.values.naming import NAME, shorten
from fillstream.libs.common.values.versions import Document

MAX_PARAMETERS: Final = 4_096
"""Characters of such a text."""
MAX_TARGETS: Final = 20
MAX_NAMES: Final = 20
_NAME = re.compile(NAME)


class Target(NamedTuple):
    """One of several targets: its price, and its weight among them."""

    price: Decimal
    weight: Decimal


def from_json(value: Any) -> Any:
    """Return what a JSON text says; anything else as it is.

    Raises:
        ValueError: the text is no JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise ValueError(f"must be JSON, got {shorten(value)}") from None


def object_text(value: Any) -> Any:
    """Return an object of plain values as canonical JSON.

    Raises:
        ValueError: it is no object, or a value of it is neither a text, a number, a yes or no, nor a list of these;
            or no JSON can say it: half a character, a name that is no text, a whole number of more than 64 bits.
    """
    found = from_json(value)
    if not isinstance(found, dict):
        raise ValueError(f"must be a JSON object, got {shorten(found)}")
    for name, said in found.items():
        for each in said if isinstance(said, list) else [said]:
            if not isinstance(each, str | int | float | bool | Decimal):
                raise ValueError(f"{shorten(name)}: must be a text, a number, true, false or a list of these")
    plain = {name: _exact(said) for name, said in found.items()}
    try:
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:  # a TypeError, which whoever checks a signal does not expect
        raise ValueError(f"cannot be written as JSON: {error}") from None


def _exact(value: Any) -> Any:
    """Return a number with a fraction as text: no float is to be rounded on its way."""
    if isinstance(value, list):
        return [*map(_exact, value)]
    plain = str(value) if isinstance(value, Decimal) else value
    return repr(value) if isinstance(value, float) else plain


def parameters_of(text: str | None) -> Document:
    """Return the object that `object_text` wrote; an empty one of None."""
    found: Document = {} if text is None else orjson.loads(text)
    return found


def targets_text(value: Any) -> Any:
    """Return targets as PRICE:WEIGHT, PRICE:WEIGHT …; a weight that is not said is 1.

    Args:
        value: such a text, or a list of texts, prices or objects with price and weight; as JSON, too.

    Raises:
        ValueError: a sentence; of none, of too many, and of a price or a weight that is none.
    """
    if isinstance(value, str):
        value = from_json(value) if value.lstrip().startswith("[") else value.split(",")
    if not isinstance(value, list) or not 0 < len(value) <= MAX_TARGETS:
        raise ValueError(f"must be 1 to {MAX_TARGETS} targets, PRICE:WEIGHT each, got {shorten(value)}")
    return ",".join(f"{canonical(each.price)}:{canonical(each.weight)}" for each in map(_target, value))


def _target(value: Any) -> Target:
    if isinstance(value, dict):
        price, weight = value.get("price"), value.get("weight", "1")
        if value.keys() - {"price", "weight"} or price is None:
            raise ValueError(f"a target has price and weight, got {shorten(value)}")
    else:
        price, _, weight = str(value).partition(":")
        weight = weight or "1"
    found = Target(_number(price), _number(weight))
    if found.weight <= 0:
        raise ValueError(f"the weight of a target must be above 0, got {shorten(weight)}")
    return found


def _number(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise ValueError("a target's numbers must be numbers")
    return parse(str(value).strip())


def targets_of(text: str) -> list[Target]:
    """Return the targets that `targets_text` wrote."""
    return [Target(parse(price), parse(weight)) for price, _, weight in (e.partition(":") for e in text.split(","))]


def names_text(value: Any) -> Any:
    """Return names as NAME,NAME …, of such a text or a list.

    Raises:
        ValueError: a sentence; of none, of too many, of a name that is none, and of one that comes twice.
    """
    if isinstance(value, str):
        value = from_json(value) if value.lstrip().startswith("[") else value.split(",")
    if not isinstance(value, list) or not 0 < len(value) <= MAX_NAMES:
        raise ValueError(f"must be 1 to {MAX_NAMES} names, got {shorten(value)}")
    names = [str(each).strip() for each in value]
    odd = next((name for name in names if not _NAME.fullmatch(name)), None)
    if odd is not None:
        raise ValueError(f"{shorten(odd)} is no name")
    if len({*names}) != len(names):
        raise ValueError(f"names each once, got {shorten(','.join(names))}")
    return ",".join(names)


def names_of(text: str | None) -> tuple[str, ...]:
    """Return the names that `names_text` wrote; none of None."""
    return () if text is None else tuple(text.split(","))
