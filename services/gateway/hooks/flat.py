"""Alerts in flat text: `buy AAPL 100`, `sell AAPL 100 @ 190.25`, `close AAPL`, `target AAPL -50`; a line, a signal.

Flows in: text. Flows out: what each line says; a `Refusal` for the first line that says nothing. Never sends half.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.hooks.words import Read, number, refused
from fillstream.services.gateway.http.problems import Refusal

MAX_LINES: Final = 20
"""Signals in one post."""
FORMS: Final = "buy SYMBOL QUANTITY [@ PRICE], sell SYMBOL QUANTITY [@ PRICE], close SYMBOL or target SYMBOL POSITION"

_AT: Final = re.compile(r"\s@\s*")
"""A price; within a word it may be of a symbol's name."""
_ID: Final = "id="


def read(text: str) -> list[Read]:
    """Return what each line says; empty lines say nothing.

    Raises:
        Refusal: one says something else, there is none, or there are too many.
    """
    lines = [line.strip() for line in text.split("\n")]
    said = [(at, line) for at, line in enumerate(lines, 1) if line]
    if not said:
        raise refused(f"alert: is empty; must be {FORMS}")
    if len(said) > MAX_LINES:
        raise refused(f"alert: {len(said)} lines, and one post has at most {MAX_LINES}")
    found = []
    for at, line in said:
        label = f"line {at}: " if len(said) > 1 else ""
        try:
            found.append(_line(line, label))
        except Refusal as refusal:
            raise refused(f"{label}{refusal.detail}") from None
    return found


def _line(line: str, label: str) -> Read:
    words = _AT.sub(" @", line).split()
    ids = [word.removeprefix(_ID) for word in words if word.startswith(_ID)]
    words = [word for word in words if not word.startswith(_ID)]
    if len(ids) > 1 or "" in ids:
        raise refused(f"id: {shorten(line)} must name one, as id=7")
    match [word.lower() for word in words[:1]], words[1:]:
        case [("buy" | "sell") as side], [symbol, *more] if len(more) <= 2:
            fields = _order(side, symbol, more)
        case ["close"], [symbol]:
            fields = {"type": "ClosePosition", "symbol": symbol}
        case ["target"], [symbol, position]:
            held = number("target", position)
            fields = {"type": "SetTarget", "symbol": symbol, "target": held if held else Decimal(0)}
        case _:
            raise refused(f"alert: {shorten(line)} must be {FORMS}")
    identity = (ids[0], words[0].lower(), *words[1:]) if ids else None
    return Read(fields, identity, label=label)


def _order(side: str, symbol: str, more: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": "NewOrder", "symbol": symbol, "side": side.upper()}
    for word in more:
        name = "price" if word.startswith("@") else "quantity"
        if name in fields or "price" in fields:
            raise refused(f"{name}: {shorten(word)} is one too many; must be {side} SYMBOL QUANTITY [@ PRICE]")
        fields[name] = number(name, word.removeprefix("@"))
    return fields | ({"order_type": "LIMIT"} if "price" in fields else {})
