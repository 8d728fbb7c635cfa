"""Lists of orders of which one cancels, updates or triggers the others.

Flows in: a list whose orders were taken, and what becomes of them. Flows out: cancels, sizes, and orders let go. No two
orders of which only one may trade are ever at venues together: the first that may rest does, the others wait in the
desk for their price, and once that has come what rests is taken off before they go.

    ONE_CANCELS_OTHER   what trades first, if only a part, ends the others
    ONE_UPDATES_OTHER   what trades makes the others smaller by as much
    ONE_TRIGGERS_OTHER  the first order is sent; the others go once it is filled, in proportion where it ended before

An order that ends without a trade (it was refused, canceled, or its time was over) leaves the others of the first two
kinds as they are; of the third kind it ends them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fillstream.libs.common.messages.codes import CancelReason, ContingencyType, ListOrderStatus, OrderType
from fillstream.services.order_service.orders.groups.list_record import CANCELS, ONE_OF_ALL, TRIGGERS, OrderList
from fillstream.services.order_service.orders.groups.sharing import share
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FILLED, FINAL, FOR_OTHERS, FOR_TIME, Order
from fillstream.services.order_service.orders.life.parts import Amendment
from fillstream.services.order_service.orders.life.special import Special
from fillstream.services.order_service.orders.parents.children import Children
from fillstream.services.order_service.orders.parents.families import open_lots
from fillstream.services.order_service.orders.state import State

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.waiting.desk import Desk

_LIMIT, _NONE = OrderType.LIMIT.value, ContingencyType.NONE.value
_EXECUTING, _ALL_DONE = ListOrderStatus.EXECUTING.value, ListOrderStatus.ALL_DONE.value


def first_to_rest(types: list[str]) -> int | None:
    """Return which order of a list of which only one may trade rests at its venue: the first LIMIT order."""
    return next((number for number, kind in enumerate(types) if kind == _LIMIT), None)


def prepared(order: Order, contingency: str, number: int, rests: int | None) -> None:
    """Make of an order that was just made what it is in its list; nothing was told of it yet."""
    if contingency in ONE_OF_ALL and number != rests:
        special = order.special or Special()
        stop = order.price if order.order_type == _LIMIT else special.stop
        order.special = special._replace(stop=stop, emulated=True)


class Contingent:
    """The part of the fold that keeps lists.

    Args:
        state: has them.
        journal: is told how they stand.
        children: takes orders back.
        desk: holds orders, and sends them.
    """

    __slots__ = ("_children", "_desk", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, children: Children, desk: Desk) -> None:
        self._state = state
        self._journal = journal
        self._children = children
        self._desk = desk

    def look(self, found: OrderList) -> None:
        """Go on with a list after something happened to an order of it."""
        if found.status == _ALL_DONE:
            return
        if found.contingency == _NONE and not self._is_done(found):  # of a long basket, for each order that changed
            return
        orders = [self._state.orders[each] for each in found.legs if each in self._state.orders]
        traded = self._count(found, orders)
        if found.contingency == TRIGGERS:
            self._trigger(found, orders)
        elif found.contingency in ONE_OF_ALL:
            if found.status == _EXECUTING:
                if traded:
                    self._others(found, orders, traded)
                self._go_out(found, orders)
            share(orders)
        if self._is_done(found):
            found.status = _ALL_DONE
            self._journal.list_reported(found, "all of its orders are done")

    def _is_done(self, found: OrderList) -> bool:
        """Whether no order of a list works any more; it looks no further than to the first that does."""
        orders = self._state.orders
        return all(each not in orders or orders[each].status in FINAL for each in found.legs)

    def _count(self, found: OrderList, orders: list[Order]) -> dict[int, int]:
        """Return what orders traded since the last look (lots, by id), and count it."""
        traded: dict[int, int] = {}
        for order in orders:
            lots = order.cum - found.seen.get(order.order_id, 0)
            if lots > 0:
                traded[order.order_id] = lots
                found.seen[order.order_id] = order.cum  # what a venue takes back makes nothing larger
        return traded

    # ------------------------------------------------- one cancels, one updates

    def _others(self, found: OrderList, orders: list[Order], traded: dict[int, int]) -> None:
        """End the others of what traded, or make them smaller."""
        for order in orders:
            lots = sum(traded.values()) - traded.get(order.order_id, 0)
            if not lots or order.status in FINAL:
                continue
            left = order.quantity - lots
            if found.contingency == CANCELS or left <= order.cum:
                self._take_back(order, "another order of its list traded")
            else:
                self._shrink(order, left)

    def _shrink(self, order: Order, quantity: int) -> None:
        if order.amendment is not None or order.cancel_signal is not None:
            # What is pending was asked for before this trade: with less left than it says, only an end is sure.
            self._take_back(order, "another order of its list traded while an amendment was pending")
            return
        order.request_replace(Amendment(order.family_signal, quantity, order.price, None))
        self._journal.replace_requested(order)
        self._children.replace(order)

    def hits(self, order: Order) -> bool:
        """Take over an order whose price has come: others of its list go first. False of one that none has to."""
        links = order.links
        found = None if links is None else self._state.families.lists.get((order.account, links.list_id or ""))
        if found is None or found.contingency not in ONE_OF_ALL or order.order_id not in found.legs:
            return False
        if not self._desk.may_go(order):  # it ends, and what rests of its list stays
            return False
        if found.hit is not None:  # another was hit before, and goes; this one waits for what it leaves
            order.await_others()
            self._journal.queued(order, "its price has come, and that of another order of its list before")
            return True
        if not any(open_lots(self._state.orders.get(each)) for each in found.legs if each != order.order_id):
            return False
        order.await_others()
        found.hit = order.order_id
        self._journal.queued(order, "its price has come: what rests of its list is taken off before it goes")
        return True

    def _go_out(self, found: OrderList, orders: list[Order]) -> None:
        """Take off what is at a venue; then let the order go whose price has come."""
        if found.hit is None:
            return
        hit = self._state.orders.get(found.hit)
        if hit is None or hit.status in FINAL:  # another that was hit meanwhile goes now, with what is left
            waits = (each for each in orders if each.held == FOR_OTHERS and each.status not in FINAL)
            hit = next(waits, None)
            found.hit = None if hit is None else hit.order_id
        if hit is None:
            return
        if hit.held != FOR_OTHERS:
            return
        away = [each for each in orders if each is not hit and open_lots(each) and not each.is_held]
        for order in away:
            self._take_back(order, "another order of its list is hit")
        if any(open_lots(each) for each in away):
            return
        if found.contingency == CANCELS:
            for order in orders:
                if order is not hit:
                    self._take_back(order, "another order of its list is hit")
        hit.out = 0
        self._desk.go(hit)

    # ------------------------------------------------------------ one triggers

    def _trigger(self, found: OrderList, orders: list[Order]) -> None:
        first = self._state.orders.get(found.legs[0])
        if first is None or first.status not in FINAL:
            return
        for order in orders:
            if order is first or order.held != FOR_OTHERS or order.status in FINAL:
                continue
            lots = order.quantity if first.status == FILLED else order.quantity * first.cum // first.quantity
            if not lots:
                self._take_back(order, f"the first order of its list is {first.status}")
                continue
            if lots != order.quantity:
                self._shrink(order, lots)
            if not self._desk.asks_now(order):
                order.held = FOR_TIME
                self._desk.time_came(order)

    def _take_back(self, order: Order, text: str) -> None:
        self._children.take_back(order, text, CancelReason.LIST)

    # ------------------------------------------------------------ from outside

    def cancel(self, found: OrderList, text: str, signal_id: str) -> None:
        """Take off all orders of a list that work."""
        if found.status == _EXECUTING:
            found.status = ListOrderStatus.CANCELING.value
        self._journal.list_reported(found, text, signal_id)
        for order_id in found.legs:
            order = self._state.orders.get(order_id)
            if order is not None:
                self._take_back(order, text)
