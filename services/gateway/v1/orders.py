"""Orders: new ones, amendments, cancels, what became of them, and any other signal.

Flows in: requests. Flows out: signals to the desk; orders and fills as the journal has them. Never decides whether an
order may be: the orders stage does, and its answer is the route's.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request, Response

from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, OrdStatus
from fillstream.libs.common.messages.signals import SIGNALS, NewOrder, ReplaceOrder
from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.asking import MAX_WAIT_S, WAIT_S, Asking, outcome_as_json
from fillstream.services.gateway.http.access import Caller, caller_of
from fillstream.services.gateway.http.describing import (
    REFUSALS,
    body,
    list_of,
    named,
    schema_taken,
    takes,
    takes_one_of,
    thing,
)
from fillstream.services.gateway.http.exact import MAX_BATCH_BYTES, object_of
from fillstream.services.gateway.http.pages import DEFAULT_PAGE, MAX_PAGE, MOST_LOOKED, answer, page_of
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.orders import FINAL, Order
from fillstream.services.gateway.state.rows import Row
from fillstream.services.gateway.waiting import Expected

READ, WRITE, POSITIONS = "orders:read", "orders:write", "positions:read"
MAX_BATCH: Final = 1_000
CONFLICTS: Final = frozenset(("duplicate_signal", "duplicate_signal_id", "duplicate_client_order_id"))
UNKNOWN: Final = frozenset(("unknown_order", "no_bracket", "unknown_list"))
OF_PROBLEMS: Final = frozenset(("type", "title", "status", "reason", "detail", "field"))
EXAMPLE: Final = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "order_type": "LIMIT", "price": "190.25"}

OF_ROUTE: Final = ("type", "order_id", "orig_client_order_id", "account")
"""What a route about one order says itself."""
ORDER: Final = takes(NewOrder, EXAMPLE, given=("type",))
BATCH: Final = body(
    thing("Orders.", ("orders",), orders={**list_of(named("BatchedOrder", schema_taken(NewOrder, ("type",)))),
                                          "minItems": 1, "maxItems": MAX_BATCH}),
    {"orders": [EXAMPLE]},
)  # fmt: skip

router = APIRouter(tags=["orders"], responses=dict(REFUSALS))

Prefer = Annotated[
    str | None,
    Header(description="`respond-async`: answer as soon as the signal is in the log; `wait=N`: wait N seconds at most"),
]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="the signal's id: sent again it has the same answer")
]
Place = Annotated[
    str | None, Query(description="answer no earlier than this: `STREAM:ID`, several with commas, of an `as_of`")
]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="rows in a page")]


def asking_of(request: Request) -> Asking:
    """Return what asks the desk."""
    asking: Asking = request.app.state.asking
    return asking


def wait_of(prefer: str | None) -> float:
    """Return how long an outcome is waited for (seconds).

    Raises:
        Refusal: 400: `wait` is no number of seconds.
    """
    for part in (prefer or "").split(","):
        name, _, value = part.strip().partition("=")
        if name == "respond-async":
            return 0.0
        if name == "wait":
            if not (value.isascii() and value.isdecimal() and len(value) <= 2 and 0 < int(value) <= MAX_WAIT_S):
                raise Refusal(400, "bad_value", f"prefer: wait={shorten(value)} must be 1 to {MAX_WAIT_S:g} seconds")
            return float(value)
    return WAIT_S


def signal_of(caller: Caller, asking: Asking, said: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """Return a signal under an id of its own, for an account that the caller may use.

    Raises:
        Refusal: 400 of two ids that differ; 403.
    """
    own, key = said.get("signal_id"), key or None
    if key is not None and own not in (None, key):
        raise Refusal(400, "two_ids", f"signal_id: {shorten(own)} is another than the Idempotency-Key {shorten(key)}")
    account = said.get("account")
    account = DEFAULT_ACCOUNT if account is None else account  # null is what is not said, and the default counts
    if isinstance(account, str):
        caller.need_account(account)  # by the name that is sent: where an alias points is the desk's to know
    order_id = said.get("order_id")
    if isinstance(order_id, str) and caller.accounts:
        order = asking.desk.orders.by_id.get(order_id)
        if order is None or not caller.sees(order.row["account"]):
            raise Refusal(404, "unknown_order", f"order_id: {shorten(order_id)} is none that is known here")
    return {**said, "signal_id": key or own or str(uuid.uuid4())}


# ------------------------------------------------------------------------------------------------------------ answers


def status_of(reason: str | None) -> int:
    """Return the HTTP status of what the desk refused."""
    if reason in CONFLICTS:
        return 409
    return 404 if reason in UNKNOWN else 422


def told_of(asking: Asking, expected: Expected) -> tuple[int, dict[str, Any]]:
    """Return the status and the body that say what became of a signal."""
    outcome = expected.outcome
    body: dict[str, Any] = {"as_of": {} if expected.place is None else {expected.place[0]: expected.place[1]}}
    if not outcome.events:
        return 202, {**body, **outcome_as_json(outcome), "entry_id": expected.sent.entry_id}
    order = None if outcome.order_id is None else asking.desk.orders.by_id.get(outcome.order_id)
    was_refused = outcome.ord_status == OrdStatus.REJECTED and outcome.list_order_status is None
    if outcome.refused or was_refused:  # the second: what came before was, and this is that again
        row = order.row if order is not None and was_refused else {}
        reason, text = row.get("reason") or outcome.reason, row.get("text") or outcome.text
        status = status_of(reason)
        told = {**outcome_as_json(outcome), "refused": True, "reason": reason, "text": text}
        told["entry_id"] = expected.sent.entry_id  # who goes on to follow it knows its refusals by that
        refusal = Refusal(status, reason or "refused", text or "the desk refuses it")
        return status, {**told, **refusal.document(), **body}
    if order is not None and outcome.list_order_status is None:
        body["order"] = order.row
    else:
        body |= outcome_as_json(outcome)
    return (200 if expected.is_settled else 202), body


def respond(request: Request, expected: Expected, created: bool = False) -> Response:
    """Return the answer to a signal."""
    asking = asking_of(request)
    status, body = told_of(asking, expected)
    outcome = expected.outcome
    whose = "" if expected.sent.account == DEFAULT_ACCOUNT else f"?account={quote(expected.sent.account)}"
    headers = {"Location": f"/v1/signals/{quote(outcome.signal_id, safe='')}{whose}"}
    replayed = any(event["type"] == "OrderStatusReported" for event in outcome.events)
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    if status == 200 and created and not replayed:
        status = 201
        if outcome.order_id is not None:
            headers["Location"] = f"/v1/orders/{outcome.order_id}"
    if status >= 400:
        more = {name: value for name, value in body.items() if name not in OF_PROBLEMS}
        return Refusal(status, body["reason"], body["detail"], headers, **more).response()
    return answer(request, body, status, headers)


# ------------------------------------------------------------------------------------------------------------- orders


@router.post("/orders", status_code=201, openapi_extra=ORDER, summary="A new order")
async def new_order(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Send an order of any kind, and answer once it works, is done or is refused: 201, 422; 202 where nobody knows yet.

    Sent again under the same `Idempotency-Key` (or `signal_id`) it has the first one's answer, and never trades twice.
    """
    caller = caller_of(request)
    caller.need(WRITE)
    said = await object_of(request)
    signal = signal_of(caller, asking_of(request), {**said, "type": "NewOrder"}, key)
    return respond(request, await asking_of(request).submit(signal, wait_of(prefer)), created=True)


@router.post("/orders/batch", openapi_extra=BATCH, summary="Up to a thousand orders in one call")
async def new_orders(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Send `{"orders": [...]}`: each is taken or refused by itself, in their order, and has a status of its own.

    Under an `Idempotency-Key` the orders without a `signal_id` are KEY.0, KEY.1 …: the call may be sent again whole.
    """
    caller, asking = caller_of(request), asking_of(request)
    caller.need(WRITE)
    said = (await object_of(request, MAX_BATCH_BYTES)).get("orders")
    if not isinstance(said, list) or not 0 < len(said) <= MAX_BATCH:
        raise Refusal(422, "bad_value", f"orders: must be a list of 1 to {MAX_BATCH} orders")
    wait_s = wait_of(prefer)

    async def one(number: int, order: Any) -> dict[str, Any]:
        try:
            if not isinstance(order, dict):
                raise Refusal(422, "bad_value", f"orders: number {number} must be an object")
            named = order if not key else {**order, "signal_id": order.get("signal_id") or f"{key}.{number}"}
            signal = signal_of(caller, asking, {**named, "type": "NewOrder"}, None)
            status, body = told_of(asking, await asking.submit(signal, wait_s))
        except Refusal as refusal:
            status, body = refusal.status, refusal.document()
        return {**body, "status": status}

    answers = await asyncio.gather(*(one(number, order) for number, order in enumerate(said)))
    return answer(request, {"as_of": asking.as_of("events"), "orders": answers}, 200)


@router.get("/orders", summary="Orders, the newest first")
async def orders(
    request: Request,
    account: str | None = None,
    symbol: str | None = None,
    status: Annotated[str | None, Query(description="`open`, `closed`, or an `ord_status`: `Filled`")] = None,
    side: str | None = None,
    strategy: str | None = None,
    client_order_id: str | None = None,
    list_id: str | None = None,
    parent_id: str | None = None,
    group_id: str | None = None,
    since: Annotated[int | None, Query(ge=0, description="received at or after, ms since 1970")] = None,
    until: Annotated[int | None, Query(ge=0, description="received before, ms since 1970")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
    at_least: Place = None,
) -> Response:
    """List orders: those that work, and the newest of those that are done; `older` says where the rest is."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    asked = {
        "symbol": symbol, "strategy": strategy, "client_order_id": client_order_id, "list_id": list_id,
        "parent_id": parent_id, "group_id": group_id, "side": None if side is None else side.upper(),
        "account": None if account is None else asking.desk.terms.account_of(account),
    }  # fmt: skip
    wanted = [(name, value) for name, value in asked.items() if value is not None]

    def keep(row: Row) -> bool:
        return (
            caller.sees(row["account"])
            and _has_status(row, status)
            and all(row.get(name) == value for name, value in wanted)
            and (since is None or row["received_time"] >= since)
            and (until is None or row["received_time"] < until)
        )

    # Pages after the first look through all: what was open on the one before may be done.
    known = asking.desk.orders.working_first() if status == "open" and cursor is None else None
    rows = (order.row for order in known or asking.desk.orders.newest_first())
    found, following = page_of(rows, keep, "order_id", cursor, limit)
    return answer(request, {"as_of": asking.as_of("events"), "orders": found, "next": following, **_older(asking)})


def _has_status(row: Row, status: str | None) -> bool:
    match status:
        case None | "all":
            return True
        case "open":
            return row["ord_status"] not in FINAL
        case "closed":
            return row["ord_status"] in FINAL
    return bool(row["ord_status"] == status)


def _older(asking: Asking) -> dict[str, Any]:
    """Say that there is more than is known here, where it is so."""
    forgotten, gaps = asking.desk.orders.forgotten, asking.desk.gaps
    return {"older": "analytics", "incomplete": gaps} if forgotten or gaps else {}


def order_of(request: Request, order_id: str) -> Order:
    """Return an order that the caller may see, by its id, or as `client:ACCOUNT:ID`.

    Raises:
        Refusal: 404.
    """
    asking = asking_of(request)
    found = asking.desk.orders.by_id.get(order_id)
    if found is None and order_id.startswith("client:"):
        account, _, name = order_id.removeprefix("client:").partition(":")
        found = asking.desk.orders.of_client(asking.desk.terms.account_of(account), name)
    if found is None or not caller_of(request).sees(found.row["account"]):
        raise Refusal(404, "unknown_order", f"order_id: {shorten(order_id)} is none that is known here")
    return found


@router.get("/orders/{order_id}", summary="One order")
async def order(request: Request, order_id: str, at_least: Place = None) -> Response:
    """Return an order as it stands, by its id, or by the client's name for it: `client:default:my-7`."""
    caller_of(request).need(READ)
    asking = asking_of(request)
    await asking.at_least(at_least)
    try:
        found = order_of(request, order_id)
    except Refusal:
        older = await request.app.state.behind.older_order(order_id)
        if older is None or not caller_of(request).sees(older["account"]):
            raise
        return answer(request, {"source": "analytics", "order": older})
    return answer(request, {"as_of": asking.as_of("events"), "order": found.row})


@router.get("/orders/{order_id}/events", summary="All that happened to an order")
async def order_events(request: Request, order_id: str) -> Response:
    """Return every event of an order, the oldest first, as the journal has them."""
    caller_of(request).need(READ)
    asking, found = asking_of(request), order_of(request, order_id)
    as_of = asking.as_of("events")
    events, missing = await request.app.state.history.of(found)
    body: dict[str, Any] = {"as_of": as_of, "events": events}
    if missing:
        body["incomplete"] = [f"{missing} events of it were trimmed from the journal; analytics has them"]
    return answer(request, body)


@router.patch(
    "/orders/{order_id}",
    openapi_extra=takes(ReplaceOrder, {"price": "190.30"}, given=OF_ROUTE),
    summary="Amend an order",
)
async def amend(request: Request, order_id: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Change quantity, price, stop, or a bracket's exits; what is absent stays. Answers once the venue has said so."""
    return await _about(request, order_id, "ReplaceOrder", await object_of(request), prefer, key)


@router.delete("/orders/{order_id}", summary="Cancel an order")
async def cancel(request: Request, order_id: str, prefer: Prefer = None, key: Key = None) -> Response:
    """Cancel an order, and answer once it is done: 200 with the order; 422 `too_late` where it is done already."""
    return await _about(request, order_id, "CancelOrder", {}, prefer, key)


async def _about(
    request: Request, order_id: str, kind: str, said: dict[str, Any], prefer: str | None, key: str | None
) -> Response:
    caller, asking = caller_of(request), asking_of(request)
    caller.need(WRITE)
    found = asking.desk.orders.by_id.get(order_id)
    if found is None and order_id.startswith("client:"):
        found = order_of(request, order_id)
    if found is not None and caller.sees(found.row["account"]):
        said = {**said, "order_id": found.row["order_id"], "account": found.row["account"]}
    elif caller.accounts:
        raise Refusal(404, "unknown_order", f"order_id: {shorten(order_id)} is none that is known here")
    else:
        said = {**said, "order_id": order_id}  # the desk may know an order that is older than what is known here
    signal = signal_of(caller, asking, {**said, "type": kind}, key)
    return respond(request, await asking.submit(signal, wait_of(prefer)))


@router.delete("/orders", summary="Cancel all orders")
async def cancel_all(
    request: Request,
    account: str = DEFAULT_ACCOUNT,
    symbol: str | None = None,
    strategy: str | None = None,
    side: str | None = None,
    prefer: Prefer = None,
    key: Key = None,
) -> Response:
    """Cancel what works for an account, all of it or of a symbol, a strategy, a side."""
    caller = caller_of(request)
    caller.need(WRITE)
    said = {"type": "CancelAll", "account": account, "symbol": symbol, "strategy": strategy, "side": side}
    signal = signal_of(caller, asking_of(request), said, key)
    return respond(request, await asking_of(request).submit(signal, wait_of(prefer)))


# ------------------------------------------------------------------------------------------------- fills and signals


@router.get("/fills", summary="Trades, the newest first")
async def fills(
    request: Request,
    account: str | None = None,
    symbol: str | None = None,
    order_id: str | None = None,
    strategy: str | None = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_PAGE,
    at_least: Place = None,
) -> Response:
    """List trades: of one that a venue took back `busted_time` says when; of a corrected one, what it is now."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    await asking.at_least(at_least)
    whose = None if account is None else asking.desk.terms.account_of(account)
    asked = {"account": whose, "symbol": symbol, "order_id": order_id, "strategy": strategy}
    keep = keeps(caller, asked)
    found, following = page_of(reversed(asking.desk.orders.fills.values()), keep, "exec_id", cursor, limit)
    return answer(request, {"as_of": asking.as_of("events"), "fills": found, "next": following, **_older(asking)})


def keeps(caller: Caller, asked: Mapping[str, str | None]) -> Callable[[Row], bool]:
    """Return what says of a row whether it is asked for, and the caller may see it."""
    wanted = [(name, value) for name, value in asked.items() if value is not None]
    return lambda row: caller.sees(row.get("account")) and all(row.get(name) == value for name, value in wanted)


@router.get("/lists", summary="Lists of orders, and brackets")
async def lists(request: Request, account: str | None = None, limit: Limit = DEFAULT_PAGE) -> Response:
    """List orders that know each other, as they stand: OCO, OTO, OUO, baskets, brackets; the newest first."""
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    keep = keeps(caller, {"account": None if account is None else asking.desk.terms.account_of(account)})
    known = asking.desk.orders.lists
    found = list(islice((row for row in islice(reversed(known.values()), MOST_LOOKED) if keep(row)), limit))
    body: dict[str, Any] = {"as_of": asking.as_of("events"), "lists": found}
    if len(found) < limit and len(known) > MOST_LOOKED:
        body["incomplete"] = [f"lists before the newest {MOST_LOOKED} are not looked through; analytics has them"]
    return answer(request, body)


@router.post(
    "/signals",
    status_code=201,
    openapi_extra=takes_one_of(SIGNALS.values(), {"type": "NewOrder", **EXAMPLE}),
    summary="Any signal",
)
async def new_signal(request: Request, prefer: Prefer = None, key: Key = None) -> Response:
    """Send any signal by its `type`: lists of orders, targets, protections, pauses of algorithms, predictions."""
    caller = caller_of(request)
    caller.need(WRITE)
    said = await object_of(request)
    kind = "SetTarget" if said.get("type") == "target" else said.get("type")
    if not isinstance(kind, str) or kind not in SIGNALS:
        raise Refusal(422, "unknown_type", f"type: {shorten(kind)} must be one of {', '.join(SIGNALS)}")
    signal = signal_of(caller, asking_of(request), {**said, "type": kind}, key)
    return respond(request, await asking_of(request).submit(signal, wait_of(prefer)), created=True)


@router.get("/signals/{signal_id}", summary="What became of a signal")
async def signal_outcome(request: Request, signal_id: str, account: str = DEFAULT_ACCOUNT) -> Response:
    """Return the order that a signal became, or how its targets stand; 404 of one that became neither, or is not known.

    The targets are there for a key that may see positions.
    """
    caller, asking = caller_of(request), asking_of(request)
    caller.need(READ)
    whose = asking.desk.terms.account_of(account)
    caller.need_account(whose)
    order_id = asking.desk.orders.of_signal.get((whose, signal_id))
    if order_id is None:
        targets = [
            row
            for row in asking.desk.positions.targets.values()
            if row["signal_id"] == signal_id and row["account"] == whose
        ]
        if targets:
            caller.need(POSITIONS)
            return answer(request, {"as_of": asking.as_of("positions"), "targets": targets})
        told = f"signal_id: {shorten(signal_id)} of {shorten(whose)} became no order that is known here; send it again"
        raise Refusal(404, "unknown_signal", told)
    return answer(request, {"as_of": asking.as_of("events"), "order": asking.desk.orders.by_id[order_id].row})
