"""Configurations that nobody should write into an inbox, and what is said about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from fillstream.services.order_service.orders.config import DeskConfig
from tests.support.orders import CONFIG

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**64 - 1, 1e308, 0.1, "", " ", "x" * 10_000, "9" * 5_000, "1_0", "1e99", "NaN", "-Infinity",
    "\U0001fae8", "\u0663", "\u017f", "\x00", "\ud7ff\n", [], {}, {"\U0001fae8": 1},
)  # fmt: skip
"""Among them letters that one Python prints and another escapes, and digits that are digits to Python alone."""


def _entries() -> Iterator[bytes]:
    for value in VALUES:
        for key in DeskConfig.model_fields:
            yield orjson.dumps(orjson.loads(CONFIG.to_json()) | {key: value})
        for kind in ("instruments", "accounts"):
            name, item = next(iter(orjson.loads(CONFIG.to_json())[kind].items()))
            for field in (*item, "\U0001fae8"):
                yield orjson.dumps(orjson.loads(CONFIG.to_json()) | {kind: {name: item | {field: value}}})
            if isinstance(value, str):
                yield orjson.dumps(orjson.loads(CONFIG.to_json()) | {kind: {value: item}})


def refusals() -> list[str]:
    """Return what is said about each hostile entry, in order; nothing about those that are none."""
    said = []
    for entry in _entries():
        try:
            DeskConfig.from_json(entry)
        except ValueError as error:
            said.append(str(error))
    return said
