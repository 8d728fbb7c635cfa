"""`/v2/orders`: new ones, amended ones, canceled ones, lists of them.

Flows in: requests of Alpaca's clients. Flows out: signals to the desk; orders as Alpaca says them. Never decides about
an order, and never sends one twice: its id is made before it is sent, and is what the client is told.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from fillstream.libs.common.values.naming import shorten
from fillstream.services.gateway.alpaca import asked
from fillstream.services.gateway.alpaca.errors import FORBIDDEN
from fillstream.services.gateway.alpaca.orders import waiting_order
from fillstream.services.gateway.alpaca.room import Found, Room, now_ms, room_of
from fillstream.services.gateway.alpaca.words import asset_class, is_uuid, milliseconds_of
from fillstream.services.gateway.asking import WAIT_S
from fillstream.services.gateway.http.access import caller_of
from fillstream.services.gateway.http.exact import object_of
from fillstream.services.gateway.http.pages import answer
from fillstream.services.gateway.http.problems import Refusal
from fillstream.services.gateway.state.orders import FINAL, Order
from fillstream.services.gateway.waiting import Expected

READ, WRITE = "orders:read", "orders:write"
MOST: Final = 500
"""Orders in an answer; Alpaca's own limit."""
GROUPS: Final = ("bracket", "oco", "oto")

router = APIRouter(tags=["alpaca: orders"])

Nested = Annotated[str, Query(description="`true`: exits and others of a group below the order that they belong to")]


def is_true(said: str) -> bool:
    """Whether a query says yes: alpaca-py says `True`."""
    return said.lower() in ("true", "1")


def refusal_of(expected: Expected) -> Refusal:
    """Return why the desk refuses something, as a refusal."""
    outcome = expected.outcome
    reason = outcome.reason or "refused"
    told = outcome.text or "the desk refuses it"
    orders = [event for event in outcome.events if event.get("reason") not in (None, "list_rejected")]
    if outcome.list_order_status is not None and orders:
        reason, told = orders[0]["reason"], orders[0].get("text") or told  # of the order that was in the way
    status = 404 if reason in ("unknown_order", "unknown_list") else 403 if reason in FORBIDDEN else 422
    return Refusal(status, reason, told)


async def sent(room: Room, signal: dict[str, Any], account: str) -> tuple[int, dict[str, Any]]:
    """Send what becomes an order, and return the status and the order.

    Raises:
        Refusal: the desk refuses it, or nobody knows whether the server has it.
    """
    signal_id = str(uuid.uuid4())
    signal = asked.named(signal, signal_id, account)
    expected = await room.asking.submit(signal, WAIT_S)
    outcome, order_uuid = expected.outcome, room.uuid(account, signal_id)
    if outcome.refused:
        raise refusal_of(expected)
    found = room.index.find(order_uuid)
    if found is not None:
        return 200, room.order(found, nested=True)
    if any(event["type"] == "OrderStatusReported" for event in outcome.events):
        raise Refusal(422, "duplicate_client_order_id", "client_order_id must be unique")
    first = signal["orders"][0] if signal["type"] == "NewOrderList" else signal
    order = waiting_order(signal, order_uuid, now_ms(), room.instrument(first["symbol"]))
    room.await_order(account, order)
    return 200, order


@router.post("/orders", summary="A new order")
async def place(request: Request) -> Response:
    """Send an order, a bracket, an OCO or an OTO; answer once the desk has, or after some seconds as `accepted`."""
    caller, room = caller_of(request), room_of(request)
    caller.need(WRITE)
    signal = asked.new_order(await object_of(request), room.symbol)
    status, order = await sent(room, signal, room.account(caller))
    return answer(request, order, status)


# ------------------------------------------------------------------------------------------------------------ reading


@router.get("/orders", summary="Orders")
async def orders(
    request: Request,
    status: str = "open",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    after: str | None = None,
    until: str | None = None,
    direction: str = "desc",
    nested: Nested = "false",
    symbols: str | None = None,
    side: str | None = None,
    asset_class_: Annotated[str | None, Query(alias="asset_class")] = None,
    before_order_id: str | None = None,
    after_order_id: str | None = None,
) -> Response:
    """List orders: those that are open, unless `status` says `closed` or `all`; the newest first."""
    caller, room = caller_of(request), room_of(request)
    caller.need(READ)
    account, roll_up = room.account(caller), is_true(nested)
    _check(("status", status, ("open", "closed", "all")), ("direction", direction, ("asc", "desc")))
    times = [_time(name, said) for name, said in (("after", after), ("until", until))]
    ends = [_end(room, account, each) for each in (after_order_id, before_order_id)]
    wanted = {room.symbol(each.strip()) for each in (symbols or "").split(",") if each.strip()}

    def keep(order: Order) -> bool:
        row = order.row
        at, number = row["received_time"], int(row["order_id"])
        return (
            row["account"] == account
            and room.index.is_current(row["order_id"])
            and (status == "all" or (row["ord_status"] in FINAL) == (status == "closed"))
            and (not wanted or row["symbol"] in wanted)
            and side in (None, row["side"].lower())
            and (asset_class_ is None or asset_class(room.instrument(row["symbol"])) in asset_class_.split(","))
            and (times[0] is None or at > times[0])
            and (times[1] is None or at < times[1])
            and (ends[0] is None or number > ends[0])
            and (ends[1] is None or number < ends[1])
            and not (roll_up and room.is_leg(row))
        )

    known = room.desk.orders
    source = known.working_first() if status == "open" else known.newest_first()
    every = list(source)[::-1] if direction == "asc" else source
    found: list[dict[str, Any]] = []
    for order in every:
        if keep(order):
            found.append(room.order(order, nested=roll_up))
            if len(found) == limit:
                break
    return answer(request, found)


def _check(*said: tuple[str, str, tuple[str, ...]]) -> None:
    for name, value, words in said:
        if value not in words:
            raise asked.bad(name, f"{shorten(value)} must be one of {', '.join(words)}")


def _time(name: str, said: str | None) -> int | None:
    if said is None:
        return None
    found = milliseconds_of(said)
    if found is None:
        raise asked.bad(name, f"{shorten(said)} must be a time as RFC 3339 has it, 2026-11-30T14:30:00Z")
    return found


def _end(room: Room, account: str, order_uuid: str | None) -> int | None:
    return None if order_uuid is None else int(_found(room, account, order_uuid).row["order_id"])


def _found(room: Room, account: str, order_uuid: str) -> Found:
    """Return what an id means.

    Raises:
        Refusal: 404; 422 of what is no id.
    """
    if not is_uuid(order_uuid):
        raise asked.bad("order_id", f"{shorten(order_uuid)} must be a UUID")
    found = room.find(order_uuid.lower(), account)
    if found is None:
        raise Refusal(404, "unknown_order", f"order_id: {order_uuid} is none that is known here")
    return found


@router.get("/orders:by_client_order_id", summary="One order, by the client's name for it")
async def by_client(request: Request, client_order_id: str, nested: Nested = "false") -> Response:
    """Return the newest order of an account that has this name."""
    caller, room = caller_of(request), room_of(request)
    caller.need(READ)
    order = room.desk.orders.of_client(room.account(caller), client_order_id)
    if order is None:
        told = f"client_order_id: {shorten(client_order_id)} is none that is known here"
        raise Refusal(404, "unknown_order", told)
    return answer(request, room.order(order, nested=is_true(nested)))


@router.get("/orders/{order_uuid}", summary="One order")
async def order(request: Request, order_uuid: str, nested: Nested = "false") -> Response:
    """Return an order as it stands."""
    caller, room = caller_of(request), room_of(request)
    caller.need(READ)
    account = room.account(caller)
    try:
        found = _found(room, account, order_uuid)
    except Refusal:
        if (waits := room.awaited(order_uuid.lower(), account)) is None:
            raise
        return answer(request, waits)
    return answer(request, room.said(found, nested=is_true(nested)))


# -------------------------------------------------------------------------------------------------- amending, canceling


@router.patch("/orders/{order_uuid}", summary="Amend an order")
async def amend(request: Request, order_uuid: str) -> Response:
    """Change an order's size or prices; of a bracket's exit, by an amendment of the bracket. It keeps its id."""
    caller, room = caller_of(request), room_of(request)
    caller.need(WRITE)
    account = room.account(caller)
    found = _found(room, account, order_uuid)
    _check_open(found)
    row = found.row if found.entry is None else found.entry.row
    signal = asked.amendment(await object_of(request), row, found.role)
    expected = await room.asking.submit({**signal, "signal_id": str(uuid.uuid4()), "account": account}, WAIT_S)
    if expected.outcome.refused:
        raise refusal_of(expected)
    return answer(request, room.said(_found(room, account, order_uuid), nested=True))


@router.delete("/orders/{order_uuid}", summary="Cancel an order")
async def cancel(request: Request, order_uuid: str) -> Response:
    """Cancel an order; of an OCO, or an exit of a bracket, all of its group, as Alpaca does. 204 without a body."""
    caller, room = caller_of(request), room_of(request)
    caller.need(WRITE)
    account = room.account(caller)
    found = _found(room, account, order_uuid)
    _check_open(found)
    row, said = found.row, {"account": account, "signal_id": str(uuid.uuid4())}
    is_group = room.kind(row) == "oco" or found.entry is not None
    if is_group and row.get("list_id") is not None:
        said |= {"type": "CancelOrderList", "list_id": row["list_id"]}
    else:
        said |= {"type": "CancelOrder", "order_id": row["order_id"]}
    expected = await room.asking.submit(said, WAIT_S)
    if expected.outcome.refused:
        raise refusal_of(expected)
    return Response(None, 204)


def _check_open(found: Found) -> None:
    """Refuse what has ended, and an exit that is no order yet.

    Raises:
        Refusal: 422.
    """
    if found.order is not None and found.order.row["ord_status"] in FINAL:
        status = found.order.row["ord_status"].lower()
        raise Refusal(422, "too_late", f'order_id: the order is "{status}" already')
    if found.order is None and found.row["ord_status"] in FINAL and not float(found.row["cum_qty"]):
        raise Refusal(422, "too_late", 'order_id: the order is "canceled" already, with its entry')


@router.delete("/orders", summary="Cancel all orders")
async def cancel_all(request: Request) -> Response:
    """Cancel what works for the account; 207 with each order that this asks for."""
    caller, room = caller_of(request), room_of(request)
    caller.need(WRITE)
    account = room.account(caller)
    found = [
        {"id": room.index.uuid(each.row["order_id"]), "status": 200}
        for each in room.desk.orders.newest_first()
        if each.row["account"] == account and each.row["ord_status"] not in FINAL
    ]
    await cancel_everything(room, account)
    return answer(request, found, 207)


async def cancel_everything(room: Room, account: str) -> list[Order]:
    """Cancel what works for an account; return the orders that did as this began.

    Raises:
        Refusal: the desk refuses it, or nobody knows whether the server has it.
    """
    works = [each for each in room.desk.orders.working.values() if each.row["account"] == account]
    said = {"type": "CancelAll", "account": account, "signal_id": str(uuid.uuid4())}
    expected = await room.asking.submit(said, WAIT_S)
    if expected.outcome.refused:
        raise refusal_of(expected)
    return works


async def ended(room: Room, orders: Sequence[Order]) -> None:
    """Wait until none of some orders works any more, for as long as an answer is waited for at most.

    That a cancel was taken says nothing of when the venue lets go; until then it counts as closing what is held.
    """
    deadline = time.monotonic() + WAIT_S
    while any(not each.is_final for each in orders) and (left := deadline - time.monotonic()) > 0:
        await room.asking.turn(left)
