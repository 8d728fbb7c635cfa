"""Takes lists of orders: all of them or none where that was asked for, or where they depend on each other.

Flows in: a NewOrderList. Flows out: its orders, each taken or refused as if it had come by itself. Every order meets
the rules with what the ones before it reserve; where one is refused and all were to be taken, the reservations of the
others are taken back before anything was told. Never promises that what is taken trades.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import ContingencyType, ListOrderStatus, OrderType, RejectReason
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.answering import number_in
from fillstream.services.order_service.orders.groups.contingent import first_to_rest, prepared
from fillstream.services.order_service.orders.groups.list_record import ONE_OF_ALL, TRIGGERS, UPDATES, OrderList
from fillstream.services.order_service.orders.groups.sharing import share
from fillstream.services.order_service.orders.holding.holdings import Account
from fillstream.services.order_service.orders.instructions import New, NewList
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.life.parts import Links
from fillstream.services.order_service.orders.rules import Draft, Reject
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.desk import Desk

_WAITS = frozenset(
    (
        OrderType.LIMIT.value, OrderType.STOP.value, OrderType.STOP_LIMIT.value, OrderType.TRAILING_STOP.value,
        OrderType.MARKET_IF_TOUCHED.value, OrderType.LIMIT_IF_TOUCHED.value,
    )
)  # fmt: skip
"""Types of which one may wait while another rests."""
_WORKED = ("algorithm", "routing", "venues")
"""What makes an order one that is worked."""
_NONE = ContingencyType.NONE.value


class Taker(NamedTuple):
    """How orders are taken one by one: see `requests`.

    Attributes:
        draft: returns an order that is asked for, judged; `broken` says why it is refused.
        made: returns the order of a draft, with its families noted; the state has it not yet.
        told: tells that an order which the state has was received.
        goes: lets it go, wait or be asked about.
        refuse: tells that an order was refused.
        known: says whether a client_order_id was used before, and answers that.
    """

    draft: Callable[[New], Draft]
    made: Callable[[New, Draft], Order]
    told: Callable[[New, Draft, Order], None]
    goes: Callable[[Draft, Order], None]
    refuse: Callable[[New, Draft, Reject], None]
    known: Callable[[New], bool]


class _Before(NamedTuple):
    """What an account was like before a list: what orders that are taken change of it, but for themselves."""

    daily: tuple[int, int] | None
    sent: deque[int]
    recent: dict[tuple[Any, ...], int]
    older: dict[tuple[Any, ...], int]
    turns_ms: int


class Lists:
    """The part of the fold that takes lists.

    Args:
        state: has them.
        journal: answers.
        desk: holds what waits for another order.
        taker: takes an order.
    """

    __slots__ = ("_desk", "_journal", "_state", "_taker")

    def __init__(self, state: State, journal: Journal, desk: Desk, taker: Taker) -> None:
        self._state = state
        self._journal = journal
        self._desk = desk
        self._taker = taker

    def take(self, wish: NewList) -> None:
        """Take a list, or say why not.

        Raises:
            BadEntry: bad_value for a number that is none; nothing has changed then.
        """
        for each in wish.orders:  # before any of them counts
            if each.quantity is not None and number_in("quantity", each.quantity) <= 0:
                raise BadEntry("bad_value", f"quantity: {each.quantity} must be above 0")
            if each.price is not None:
                number_in("price", each.price)
        if (wish.account, wish.list_id) in self._state.families.lists:
            text = f"list_id: {wish.list_id} was used before; this list changed nothing"
            return self._refuse_all(wish, RejectReason.DUPLICATE_SIGNAL, text)
        ids = {each.client_order_id for each in wish.orders}
        if len(ids) != len(wish.orders):
            text = "orders: each has a client_order_id of its own"
            return self._refuse_all(wish, RejectReason.LIST_UNFIT, text)
        if any(self._taker.known(each) for each in wish.orders):
            return None
        orders = tuple(each._replace(links=_linked(each.links, wish.list_id)) for each in wish.orders)
        wish = wish._replace(orders=orders)
        if wish.contingency_type == _NONE and not wish.all:
            return self._take_each(wish)
        return self._take_all(wish)

    def _refuse_all(self, wish: NewList, reason: RejectReason, text: str) -> None:
        self._journal.signal_refused("NewOrderList", wish.signal_id, wish.account, reason, text)

    def _take_each(self, wish: NewList) -> None:
        """Take those that no rule refuses."""
        found = OrderList(wish.list_id, wish.account, wish.contingency_type)
        for each in wish.orders:
            draft = self._taker.draft(each)
            if draft.broken is not None:
                self._taker.refuse(each, draft, draft.broken)
                continue
            order = self._taker.made(each, draft)
            self._state.add(order)
            self._taker.told(each, draft, order)
            self._taker.goes(draft, order)
            found.legs.append(order.order_id)
        if found.legs:
            self._state.families.lists[wish.account, wish.list_id] = found
        self._tell(wish, found, f"{len(found.legs)} of its {len(wish.orders)} orders were taken")

    def _take_all(self, wish: NewList) -> None:
        """Take all of them, or none."""
        before = self._before(wish.account)
        rests: int | None = None
        taken: list[tuple[New, Draft, Order]] = []
        refused: tuple[int, Reject] | None = None
        drafts: list[Draft] = []
        kinds: list[str] = []
        for number, each in enumerate(wish.orders):
            self._make_room(wish, each, taken)
            draft = self._taker.draft(each)
            drafts.append(draft)
            kinds.append(draft.order_type)
            rests = first_to_rest(kinds)
            broken = draft.broken or self._unfit(wish, drafts)
            if broken is not None:
                refused = number, broken
                break
            order = self._taker.made(each, draft)
            if wish.contingency_type in ONE_OF_ALL:  # its own venue alone may have one of which others wait
                self._state.families.works.pop(order.order_id, None)
            prepared(order, wish.contingency_type, number, rests)
            taken.append((each, draft, order))
            self._reserve(wish, [order for _, _, order in taken])
        if refused is not None:
            self._undo(wish.account, before, [order for _, _, order in taken])
            return self._refused(wish, drafts, *refused)
        found = OrderList(wish.list_id, wish.account, wish.contingency_type, [o.order_id for _, _, o in taken])
        self._state.families.lists[wish.account, wish.list_id] = found
        for each, draft, order in taken:
            self._taker.told(each, draft, order)
        self._tell(wish, found, f"all of its {len(taken)} orders were taken")
        for _, draft, order in taken:
            if wish.contingency_type == TRIGGERS and order.order_id != found.legs[0]:
                self._desk.wait_for_others(order)
            elif order.status not in FINAL:
                self._taker.goes(draft, order)
        return None

    def _unfit(self, wish: NewList, drafts: list[Draft]) -> Reject | None:
        """Return why the last of these does not fit the others in a list of which one cancels or updates the other."""
        if wish.contingency_type not in ONE_OF_ALL:
            return None
        draft, number = drafts[-1], len(drafts)
        if draft.order_type not in _WAITS:
            text = f"orders: number {number} is {draft.order_type}, and cannot wait while another one rests"
            return Reject(RejectReason.LIST_UNFIT, text)
        worked = next(
            (name for name in _WORKED if draft.said is not None and getattr(draft.said, name) is not None), ""
        )
        if worked:
            text = f"orders: number {number} has {worked}, and its children could trade while another one is let go"
            return Reject(RejectReason.LIST_UNFIT, text)
        if wish.contingency_type == UPDATES and draft.symbol != drafts[0].symbol:
            text = f"orders: number {number} is of {draft.symbol}, and updates others of {drafts[0].symbol}"
            return Reject(RejectReason.LIST_UNFIT, text)
        return None

    # ------------------------------------------------------------ reservations

    def _reserve(self, wish: NewList, orders: list[Order]) -> None:
        """Have the state count the last of these, of which nothing was told yet; where one trades, the largest."""
        order = orders[-1]
        self._state.add(order)
        if order.holding is not None and order.holding.kept:
            order.holding.share_out(order)
        if wish.contingency_type in ONE_OF_ALL:
            share(orders)

    def _make_room(self, wish: NewList, each: New, taken: list[tuple[New, Draft, Order]]) -> None:
        """Have orders count for less of which only one trades, while another is judged: by as much as that one has."""
        terms = self._state.terms[SIM].get(each.symbol)
        if wish.contingency_type not in ONE_OF_ALL or each.quantity is None or terms is None:
            return
        lots = terms.lot.units(each.quantity) or 0
        for _, _, order in taken:
            if (order.terms.symbol, order.side) == (each.symbol, each.side):
                order.out = max(order.out, min(lots, order.quantity))
                if order.holding is not None and order.holding.kept:
                    order.holding.share_out(order)

    def _before(self, account: str) -> _Before:
        held: Account = self._state.holdings.account(account)
        daily = self._state.daily.get(account)
        return _Before(daily, held.sent.copy(), dict(held.recent), dict(held.older), held.turns_ms)

    def _undo(self, account: str, before: _Before, orders: list[Order]) -> None:
        """Take orders back of which nothing was told."""
        state, held = self._state, self._state.holdings.account(account)
        for order in reversed(orders):
            state.take_back(order)
        if before.daily is None:
            state.daily.pop(account, None)
        else:
            state.daily[account] = before.daily
        held.sent, held.recent, held.older, held.turns_ms = before.sent, before.recent, before.older, before.turns_ms

    def _refused(self, wish: NewList, drafts: list[Draft], number: int, broken: Reject) -> None:
        """Tell of each order that it was refused: one for what it is, the others because of it."""
        assert isinstance(broken.reason, RejectReason), "rules of new orders refuse orders"
        text = f"orders: number {number + 1} was refused ({broken.reason.value}), and all were to be taken or none"
        for each in wish.orders[len(drafts) :]:
            drafts.append(self._taker.draft(each))
        for at, (each, draft) in enumerate(zip(wish.orders, drafts, strict=True)):
            self._taker.refuse(each, draft, broken if at == number else Reject(RejectReason.LIST_REJECTED, text))
        self._tell(wish, OrderList(wish.list_id, wish.account, wish.contingency_type), text)

    def _tell(self, wish: NewList, found: OrderList, text: str) -> None:
        if not found.legs:
            found.status = ListOrderStatus.REJECT.value
        self._journal.list_reported(found, text, wish.signal_id)


def _linked(links: Links | None, list_id: str) -> Links:
    return Links(None, None, None, list_id) if links is None else links._replace(list_id=list_id)
