"""Lists in pages, answers as JSON, and whether they changed.

Flows in: rows. Flows out: answers with `as_of`, a cursor for the next page, an ETag. Never leaves out a row silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.rows import Row

MAX_PAGE: Final = 1_000
DEFAULT_PAGE: Final = 100
MOST_LOOKED: Final = 20_000
"""Rows that a page is looked for in: some 20 ms, in which nobody else is served."""
JSON: Final = "application/json"


def answer(request: Request, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON; 304 to a GET that has it already."""
    raw = orjson.dumps(body)
    if request.method != "GET":
        return Response(raw, status, dict(headers or {}), JSON)
    tag = f'"{blake2b(_without_place(body, raw), digest_size=12).hexdigest()}"'
    told = {"ETag": tag, "Cache-Control": "no-cache", **(headers or {})}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, told)
    return Response(raw, status, told, JSON)


def _without_place(body: Any, raw: bytes) -> bytes:
    """Return what an ETag is made of: the same rows are the same, however far the streams are."""
    if isinstance(body, dict) and "as_of" in body:
        return orjson.dumps({name: value for name, value in body.items() if name != "as_of"})
    return raw


def page_of(
    rows: Iterable[Row], keep: Callable[[Row], bool], key: str, cursor: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """Return the rows of a page, and what to ask the next one by: None of the last. See `page_of_items`.

    Args:
        rows: all of them, in order.
        keep: whether a row is asked for.
        key: the column that a cursor names.
        cursor: of the page before; None for the first.
        limit: of rows.

    Raises:
        Refusal: 410: the cursor's row is not there any more.
    """
    return page_of_items(((row[key], row) for row in rows), keep, cursor, limit)


def page_of_table(
    items: Iterable[tuple[str, Row]], keep: Callable[[Row], bool], cursor: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """Return a page of a table whose rows have a key and no column with a name of their own; see `page_of_items`.

    A cursor is what the key hashes to: the key has an account's name, and may be of a row that the caller may not see.
    """
    return page_of_items(((_named(key), row) for key, row in items), keep, cursor, limit)


def _named(key: str) -> str:
    return blake2b(key.encode(), digest_size=9).hexdigest()


def page_of_items(
    items: Iterable[tuple[str, Row]], keep: Callable[[Row], bool], cursor: str | None, limit: int
) -> tuple[list[Row], str | None]:
    """Return the rows of a page, and what to ask the next one by: None of the last.

    Where few of the rows are asked for the page may have fewer than its limit, none as well, and yet a next one.

    Args:
        items: all of them, in order, each behind what a cursor calls it.
        keep: whether a row is asked for.
        cursor: of the page before; None for the first.
        limit: of rows.

    Raises:
        Refusal: 410: the cursor's row is not there any more.
    """
    found: list[Row] = []
    begun, looked, last, following = cursor is None, 0, cursor, None
    for name, row in items:
        if not begun:
            begun = name == cursor
            continue
        looked += 1
        if looked > MOST_LOOKED:
            return found, last
        last = name
        if keep(row):
            if len(found) == limit:
                return found, following
            found.append(row)
            following = name
    if not begun:
        raise Refusal(410, "cursor_gone", f"cursor: {shorten(cursor)} is not known any more; begin anew without it")
    return found, None
