"""How orders leave the state: finished ones become 40 bytes, and those are forgotten when their day is over.

Flows in: the state, and the time. Flows out: the state with less in it. Never lets go of what works, or of what a
venue's answer still has to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fillstream.libs.common.messages.topology import order_id_of
from fillstream.services.order_service.orders.holding.hedged import name_of
from fillstream.services.order_service.orders.life.order import FINAL, Order, is_exec_id
from fillstream.services.order_service.orders.life.remembered import Row
from fillstream.services.order_service.orders.state import EXPIRY, SWEEP

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State

SWEEP_AT_ONCE = 1_000
"""At most so many records leave the state at one entry; the others soon after."""


def sweep(state: State, ms: int) -> None:
    """Let go of what is past its retention, `SWEEP_AT_ONCE` records at most; a timer goes on with the others."""
    horizon = ms - state.config.retention_ms
    awaited: list[int] = []
    room = SWEEP_AT_ONCE
    finished = state.finished
    while room and finished and finished[0][0] <= horizon:
        finished_ms, order_ids = finished[0]
        order_ids.sort(reverse=True)
        while room and order_ids:
            order_id = order_ids.pop()
            order = state.orders.get(order_id)
            if order is None or order.status not in FINAL or order.finished_ms != finished_ms:
                continue  # it reopened; a restored state never knew, so this takes no room
            room -= 1
            awaits = order.cancel_signal is not None or order.amendment is not None
            if not awaits and (order.links is None or not state.families.needs(order)):
                _retire(state, order)
            else:  # the venue's answer is still on its way, and has to find the order; or its family needs it
                order.finished_ms = ms
                awaited.append(order_id)
        if not order_ids:
            finished.popleft()
    for order_id in awaited:
        state.finishes(order_id, ms)
    room = _forget(state, ms - state.config.idempotency_ms, room)
    if not room:
        state.timers.add(ms + 1, 0, SWEEP)


def _retire(state: State, order: Order) -> None:
    if order.expiry_ms:
        state.timers.cancel(order.order_id, EXPIRY)
    if len(order.exec_ids) != len(order.fills):
        stand = {fill.exec_id for fill in order.fills}
        state.took_back(order.venue, *(each for each in order.exec_ids if each not in stand and is_exec_id(each)))
    account, client_order_id = order.account, order.client_order_id
    if order.links is not None or order.held is not None:
        state.families.left(order)
    del state.orders[order.order_id]
    of_account = state.clients[account]
    del of_account[client_order_id]
    if not of_account:
        del state.clients[account]
    number = state.number_of(order.order_id)
    if number > state.forgotten:
        row = Row(order.status, order.side, order.received_ms, order.terms.id, order.account_id)
        state.remembered.put(number, account, client_order_id, row)
        if order.holding is not None and order.holding.hedged is not None and name_of(order) != str(order.order_id):
            state.position_ids[number] = name_of(order)


def _forget(state: State, horizon: int, room: int) -> int:
    """Pass over the oldest order ids received up to `horizon`; an order still in the state goes when it retires.

    Returns what is left of the `room`, the ids to pass over at most.
    """
    before = state.forgotten
    while room and state.forgotten < state.counter:
        number = state.forgotten + 1
        record = state.orders.get(order_id_of(state.partition, number)) or state.remembered.at(number)
        assert record is not None, "what is not forgotten has a record"
        if record.received_ms > horizon:
            break
        state.forgotten = number
        room -= 1
    if state.forgotten > before:
        state.remembered.drop(state.forgotten + 1)
        if state.position_ids:
            for number in range(before + 1, state.forgotten + 1):
                state.position_ids.pop(number, None)
    return room
