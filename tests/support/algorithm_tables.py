"""What docs/algorithms.md has from the registry: each algorithm, its fields and its example."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import BaseModel

from fillstream.services.order_service.orders.algos import ALGORITHMS, Algorithm
from fillstream.services.order_service.orders.algos.algorithm import Parameters


def common() -> str:
    """Return the fields that every algorithm takes."""
    return "\n".join(_fields(Parameters, ()))


def algorithms() -> str:
    """Return a section for each algorithm of ours."""
    ours = [each for each in ALGORITHMS.values() if "order_service" in each.plan.__module__]
    return "\n".join(line for each in ours for line in _section(each)).rstrip()


def _section(said: Algorithm) -> Iterator[str]:
    needs = [
        *(["an end"] if said.needs_end else []),
        *(["the market beyond the touch (`MarketReport`)"] if said.needs_book else []),
    ]
    yield from (f"### `{said.name}`", "", said.description + (f" Needs {' and '.join(needs)}." if needs else ""), "")
    own = list(_fields(said.parameters, tuple(Parameters.model_fields)))
    yield from (*own, "") if len(own) > 2 else ()
    yield from (f"`{json.dumps(said.example)}`", "")


def _fields(model: type[BaseModel], without: tuple[str, ...]) -> Iterator[str]:
    yield from ("| field | default | |", "|---|---|---|")
    for name, field in model.model_fields.items():
        if name not in without:
            default = "needed" if field.is_required() else "" if field.default is None else f"`{field.default}`"
            yield f"| `{name}` | {default} | {field.description} |"
