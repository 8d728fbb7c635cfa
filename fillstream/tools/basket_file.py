"""A file of orders as a basket: CSV with the names of fields in its first line, or a JSON list of objects.

Flows in: a file's text. Flows out: what each order says, as a NewOrderList takes it; or a sentence for each order that
would be refused for what it is. Never sends anything.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from pydantic import ValidationError

from fillstream.libs.common.messages.sentences import sentence
from fillstream.libs.common.messages.signals import MAX_LISTED, ListedOrder


def orders_in(text: str, is_csv: bool) -> list[dict[str, Any]]:
    """Return the orders of a file; an empty cell says nothing.

    Raises:
        ValueError: sentences, a line each, that begin with where it stands: `line 3: quantity: …`, `order 2: …`.
    """
    rows = _of_csv(text) if is_csv else _of_json(text)
    if not rows:
        raise ValueError("no order is in it")
    if len(rows) > MAX_LISTED:
        raise ValueError(f"{len(rows)} orders are in it, a list has at most {MAX_LISTED}")
    wrong = [f"{where}: {text}" for where, row in rows for text in _wrong(row)]
    if wrong:
        raise ValueError("\n".join(wrong))
    return [row for _, row in rows]


def _of_csv(text: str) -> list[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    rows: list[tuple[str, dict[str, Any]]] = []
    for row in reader:
        where = f"line {reader.line_num}"
        if None in row or None in row.values():
            raise ValueError(f"{where}: has not as many cells as the first line, which names {reader.fieldnames}")
        said = {name.strip(): value.strip() for name, value in row.items() if value.strip()}
        if said:
            rows.append((where, said))
    return rows


def _of_json(text: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        said = json.loads(text, parse_float=str)  # the digits as they stand there
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
        raise ValueError("it must be a JSON list of objects, an order each")
    return [(f"order {number}", each) for number, each in enumerate(said, start=1)]


def _wrong(row: dict[str, Any]) -> list[str]:
    try:
        ListedOrder.model_validate(row)
    except ValidationError as error:
        return [sentence(each) for each in error.errors(include_url=False)]
    return []
