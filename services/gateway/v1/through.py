"""What stands behind the gateway, as it is: entries of the public streams, and what analytics answers.

Flows in: requests. Flows out: entries as Redis has them, for who follows a desk and cannot reach it; analytics' own
answers. Never shows an entry, or a row, of an account that a key is not for.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from fillstream.client.analytics import AnalyticsError
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.asking import Asking
from fillstream.services.gateway.http.access import Caller, caller_of
from fillstream.services.gateway.http.describing import REFUSALS
from fillstream.services.gateway.http.exact import MAX_BODY_BYTES, object_of
from fillstream.services.gateway.http.pages import JSON, MAX_PAGE, answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.stream.replay import Replay, is_place
from fillstream.services.gateway.stream.topics import ANYBODYS, TOPICS
from fillstream.services.gateway.v1.desk import QUESTION, SQL, behind_of, refusal_of
from fillstream.services.gateway.v1.orders import Limit, asking_of

MAX_WAIT_MS: Final = 5_000
MAX_LIMIT: Final = 19
"""Digits of a number of rows."""
TURN_S: Final = 0.25
"""A turn that came just before somebody began to wait is seen so much later at most."""
BLANK: Final[Mapping[bytes, bytes]] = {b"tick": b""}
"""What an entry of another's account looks like: whoever counts entries, or goes on behind one, goes on."""
ADMINS: Final = "dead"
"""The kind of stream that is of the whole desk, whose entries name no account."""
PAGES: Final[Mapping[str, str]] = {
    "orders": "orders:read",
    "fills": "orders:read",
    "positions": "positions:read",
    "position_states": "positions:read",
    "closed_positions": "positions:read",
    "targets": "positions:read",
    "exits": "positions:read",
    "account_values": "accounts:read",
    "exposures": "accounts:read",
    "risk_limits": "accounts:read",
}
"""Pages of analytics that are of accounts, and the scope that a key needs for each."""
HISTORY: Final = "orders/"
OF_PLACES: Final = "`STREAM:ID`, several with commas: entries behind these"
OF_ENTRIES: Final = "an entry's id, which is not among the entries; without it the end"
Page = Annotated[str, Path(description=f"{', '.join(PAGES)}, or orders/ID", examples=["orders"])]
Edge = Annotated[str | None, Query(description=OF_ENTRIES, examples=["1796000400000-0"])]

router = APIRouter(tags=["the desk"], responses=dict(REFUSALS))


# ------------------------------------------------------------------------------------------------------------ streams


@router.get("/topology", summary="How many partitions the desk has")
async def topology(request: Request) -> Response:
    """Return the desk's partition counts, venues and the prefix of its keys, and which streams can be read here."""
    asking = asking_of(request)
    body = {"as_of": asking.as_of(), "topology": asdict(asking.topology), "streams": asking.reading.names}
    return answer(request, body)


def _may_read(caller: Caller, asking: Asking, name: str) -> None:
    """See to it that a stream is one of this gateway's, and for this key.

    Raises:
        Refusal: 403, 404.
    """
    if name not in asking.reading.names:
        told = f"stream: {shorten(name)} must be one of {', '.join(asking.reading.names)}; others are read in Redis"
        raise Refusal(404, "unknown_stream", told)
    kind = name.partition(".")[0]
    for scope in _scopes(kind):
        caller.need(scope)
    if kind == ADMINS:
        caller.need_all_accounts()


def _scopes(kind: str) -> list[str]:
    """Return what a key needs for all of a stream: what each topic needs that is made of it."""
    return sorted({scope for each in TOPICS.values() if kind in each.kinds for scope in (each.scope, *each.also)})


def _entry(caller: Caller, name: str, raw: tuple[bytes, Mapping[bytes, bytes]]) -> dict[str, Any]:
    """Return an entry: its fields as text, or in base64 where one is none; a blank one of an account not to be seen."""
    entry_id, fields = raw
    if caller.accounts and not is_aside(fields) and not _is_for(caller, name, fields.get(b"data")):
        fields = BLANK
    found: dict[str, Any] = {"stream": name, "id": entry_id.decode()}
    try:
        found["fields"] = {key.decode(): value.decode() for key, value in fields.items()}
    except UnicodeDecodeError:
        found["base64"] = [[b64encode(key).decode(), b64encode(value).decode()] for key, value in fields.items()]
    return found


def _is_for(caller: Caller, name: str, data: bytes | None) -> bool:
    """Whether a message is of an account that a key is for, or of nobody's: a market, an instrument."""
    said = None if data is None else orjson.loads(data)
    if not isinstance(said, dict):
        return False
    account = said.get("account")
    if account is None:
        return name.partition(".")[0] == "market" or said.get("type") in ANYBODYS
    return account in caller.accounts


@router.get("/log/{stream}", summary="Entries of a stream")
async def entries(
    request: Request, stream: str, after: Edge = None, before: Edge = None, newest: bool = False, limit: Limit = 100
) -> Response:
    """Return entries of a public stream as they stand there, the oldest first, or with `newest=true` the newest."""
    caller, asking = caller_of(request), asking_of(request)
    _may_read(caller, asking, stream)
    for name, at in (("after", after), ("before", before)):
        if at is not None and not is_place(at):
            raise Refusal(400, "bad_value", f"{name}: {shorten(at)} must be an entry's id, as 1700000000000-0")
    low, high = "-" if after is None else f"({after}", "+" if before is None else f"({before}"
    ends = ("XREVRANGE", high, low) if newest else ("XRANGE", low, high)
    found = await _ask(request, ends[0], asking.topology.key(stream), *ends[1:], "COUNT", str(limit))
    rows = [_entry(caller, stream, each) for each in found]
    return answer(request, {"as_of": asking.as_of(stream.partition(".")[0]), "entries": rows})


@router.get("/log", summary="Entries behind places, and those to come")
async def following(
    request: Request,
    after: Annotated[str, Query(description=OF_PLACES, examples=["events.0:0-0"])],
    wait_ms: Annotated[int, Query(ge=0, le=MAX_WAIT_MS, description="how long to wait where there is none yet")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE, description="entries of each stream")] = 100,
) -> Response:
    """Return entries of public streams behind the places that are named; wait for one where there is none."""
    caller, asking = caller_of(request), asking_of(request)
    at = _places(after)
    for name in at:
        _may_read(caller, asking, name)
    deadline = time.monotonic() + wait_ms / 1000
    rows: list[dict[str, Any]] = []
    while True:
        for name, place in at.items():
            upto = asking.desk.places[name]  # no further than the state, so that what is told here is in every answer
            if id_key(upto) > id_key(place):
                key = asking.topology.key(name)
                found = await _ask(request, "XRANGE", key, f"({place}", upto, "COUNT", str(limit))
                rows += [_entry(caller, name, each) for each in found]
        left = deadline - time.monotonic()
        if rows or left <= 0:
            return answer(request, {"as_of": asking.as_of(), "entries": rows})
        await asking.turn(min(left, TURN_S))


def _places(said: str) -> dict[str, str]:
    found = {}
    for part in said.split(","):
        name, _, at = part.strip().partition(":")
        if not is_place(at):
            raise Refusal(400, "bad_value", f"after: {shorten(part)} must be STREAM:ID, as events.0:1700000000000-0")
        found[name] = at
    return found


async def _ask(request: Request, *command: str) -> Any:
    replay: Replay = request.app.state.replay
    return await replay.ask(*command)


# ---------------------------------------------------------------------------------------------------------- analytics


@router.get("/analytics/{page:path}", summary="A page of analytics")
async def page(request: Request, page: Page) -> Response:
    """Return what a page of analytics has: `orders`, `fills`, `orders/{id}` …, with the filters that it has there."""
    caller = caller_of(request)
    scope = PAGES.get("orders" if page.startswith(HISTORY) else page)
    if scope is None:
        raise Refusal(404, "unknown_page", f"page: {shorten(page)} must be one of {', '.join(PAGES)}, or orders/ID")
    caller.need(scope)
    asked: dict[str, list[str]] = {name: request.query_params.getlist(name) for name in request.query_params}
    is_history = page.startswith(HISTORY)
    if is_history and not page.removeprefix(HISTORY).isalnum():
        raise Refusal(404, "unknown_order", f"order_id: {shorten(page.removeprefix(HISTORY))} is no order's")
    if caller.accounts and not is_history:
        for account in asked.get("account", ()):
            caller.need_account(account)
        asked.setdefault("account", sorted(caller.accounts))
    found = await _through(request, "GET", f"/{page}", params=asked)
    if is_history and caller.accounts and not all(map(caller.sees, _column(found, "account"))):
        told = f"order_id: {shorten(page.removeprefix(HISTORY))} is none that is known here"
        raise Refusal(404, "unknown_order", told)
    return found


@router.post("/analytics/query", openapi_extra=QUESTION, summary="A question to analytics, answered in its own form")
async def query(request: Request) -> Response:
    """Answer `{"sql": "SELECT …", "limit": 1000}` as analytics does: columns with types, rows as lists."""
    caller = caller_of(request)
    caller.need(SQL)
    caller.need_all_accounts()
    said = await object_of(request, MAX_BODY_BYTES)
    text, limit = said.get("sql"), said.get("limit")
    if not isinstance(text, str):
        raise Refusal(422, "bad_value", f"sql: {shorten(text)} must be a SELECT")
    asked: dict[str, Any] = {"sql": text}
    if limit is not None:  # analytics says what is wrong with it
        asked["limit"] = int(limit) if str(limit).isdecimal() and len(str(limit)) < MAX_LIMIT else shorten(limit)
    return await _through(request, "POST", "/query", json=asked)


async def _through(request: Request, method: str, path: str, **asked: Any) -> Response:
    """Return analytics' answer as it is; what it refuses as a problem, with its own status and sentence.

    Raises:
        Refusal: it refuses, or does not answer.
    """
    try:
        told = await behind_of(request).through(method, path, **asked)
    except AnalyticsError as error:
        raise refusal_of(error) from None
    if told.is_success:
        return Response(told.content, 200, media_type=JSON)
    try:
        body = told.json()
    except ValueError:
        said = f"analytics: answers {told.status_code} in words that are no JSON"
        raise Refusal(503, "analytics_away", said, {"Retry-After": "5"}) from None
    if told.status_code >= 500:
        raise Refusal(503, "analytics_away", str(body.get("error")), {"Retry-After": "5"})
    reason = "unknown" if told.status_code == 404 else "bad_query"
    raise Refusal(told.status_code, reason, str(body.get("error")), incomplete=body.get("incomplete"))


def _column(told: Response, name: str) -> list[Any]:
    body = orjson.loads(told.body)
    at = next((number for number, each in enumerate(body["columns"]) if each["name"] == name), None)
    return [] if at is None else [row[at] for row in body["rows"]]
