"""One valid message of any contract, its values told apart by a number."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

import orjson

from fillstream.libs.common.messages.base import Message

SHARES = ("confidence", "probability_up", "probability_down", "initial_margin")
"""Numbers that are 1 at most."""


def sample(model: type[Message], number: int = 1, **values: Any) -> dict[str, Any]:
    """Return a message of `model` as a stage writes it: every field present, decimals as text."""
    message = {
        name: _value(name, field.annotation, number, model.VERSION) for name, field in model.model_fields.items()
    }
    return {**message, **values}


def payload(message: dict[str, Any]) -> dict[str, bytes]:
    """Return the stream entry that carries a message."""
    return {"data": orjson.dumps(message)}


def _value(name: str, annotation: Any, number: int, version: int) -> Any:
    if name == "v":
        return version
    if name == "time":
        return 1_700_000_000_000 + number
    if name == "venue":
        return f"VENUE_{number}"
    if name == "simulated":
        return False  # one that an engine is may have less
    if name in ("initial_margin", "max_drawdown"):
        return "0.5"
    if name == "atr_interval_ms":
        return 1000 * number  # a second at least
    if name == "fee_tiers":
        return [f"{number}000:0.5:2"]
    if name == "order_types":
        return ["LIMIT", "MARKET"]
    if name == "times_in_force":
        return ["GTC", "IOC"]
    if name == "min_fee":
        return "0"  # at most max_fee
    if name == "take_profits":
        return f"{number}:1"
    if name == "algorithm_parameters":
        return f'{{"retry_ms":{number}}}'
    if name == "order_ids" and annotation is not str and get_origin(annotation) is list:
        return [str(number)]
    if annotation is bool:
        return True
    if name in ("order_id", "parent_id"):
        return str(number)
    if annotation is int:
        return number
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return next(iter(annotation)).value
    if name == "initial_margin":
        return f"0.{number}45"
    if get_origin(annotation) in (list, tuple):
        return [_value(name, get_args(annotation)[0], number, version)]
    if annotation is Decimal and name in SHARES:
        return f"0.{number}{len(name):02d}5"
    if annotation is Decimal:
        return f"{number}.{len(name):02d}5"
    if annotation is str:
        return f"{name}-{number}"
    return _value(name, next(each for each in get_args(annotation) if each is not type(None)), number, version)
