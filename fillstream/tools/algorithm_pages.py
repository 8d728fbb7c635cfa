"""Execution algorithms as people and programs read them: what each does, what it may be told, an example.

Flows in: the registry. Flows out: plain values. Never asks anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError

from fillstream.libs.common.messages.sentences import sentence
from fillstream.services.order_service.orders.algos import ALGORITHMS, Algorithm
from fillstream.services.order_service.orders.algos.algorithm import Parameters

_KINDS = {int: "whole number", Decimal: "number", bool: "true or false", str: "text"}
COMMON = tuple(Parameters.model_fields)
"""What every algorithm may be told."""


def pages() -> list[dict[str, Any]]:
    """Return what is known of every algorithm that is loaded here, by name."""
    return [page(ALGORITHMS[name]) for name in sorted(ALGORITHMS)]


def page(said: Algorithm) -> dict[str, Any]:
    """Return all that is known of an algorithm; its own parameters before those that all have."""
    names = [name for name in said.parameters.model_fields if name not in COMMON]
    return {
        "name": said.name,
        "description": said.description,
        "needs_end": said.needs_end,
        "needs_book": said.needs_book,
        "parameters": [_parameter(said, name) for name in (*names, *COMMON)],
        "example": dict(said.example),
    }


def _parameter(said: Algorithm, name: str) -> dict[str, Any]:
    field = said.parameters.model_fields[name]
    default = None if field.is_required() else field.default
    return {
        "name": name,
        "type": "time" if name.endswith("_time") else kind_of(field.annotation),
        "required": field.is_required(),
        "default": str(default) if isinstance(default, Decimal | StrEnum) else default,
        "description": field.description,
        "of_all": name in COMMON,
    }


def kind_of(annotation: Any) -> str:
    """Return a field's type in words: whole number, number, text, the values of a choice, a list of these."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(kind_of(each) for each in inner if each is not type(None)))
    if origin in (list, tuple):
        return f"list of {kind_of(next(each for each in inner if each is not Ellipsis))}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(annotation)
    return _KINDS.get(annotation, "object")


def problems(name: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return what an algorithm would not take, a sentence each; of one that is not known here, nothing is."""
    algorithm = ALGORITHMS.get(name.upper())
    if algorithm is None:
        return []
    try:
        given = algorithm.parameters.model_validate(dict(parameters))
    except ValidationError as error:
        return [f"{algorithm.name}: {sentence(each)}" for each in error.errors(include_url=False)]
    if algorithm.needs_end and given.end_time is None and given.duration_ms is None:
        return [f"{algorithm.name}: end_time: it needs an end, or a duration_ms"]
    return []


def as_words(value: Any) -> str:
    """Return a value as `-p NAME=VALUE` takes it."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
