"""All families of orders that a partition has, and which of them something happened to.

Flows in: parents, brackets, lists; ids of orders that events were told of. Flows out: look-ups; what has to be looked
at when the entry is done. Never decides anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fillstream.libs.common.messages.codes import ContingencyType, ListOrderStatus
from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.order_service.orders.groups.bracket_record import Bracket, dump_bracket, load_bracket
from fillstream.services.order_service.orders.groups.closer_record import Closer, dump_closer, load_closer
from fillstream.services.order_service.orders.groups.covering import Cover
from fillstream.services.order_service.orders.groups.list_record import ONE_OF_ALL, OrderList, dump_list, load_list
from fillstream.services.order_service.orders.groups.sharing import outs_of
from fillstream.services.order_service.orders.holding.hedged import Position, position_of
from fillstream.services.order_service.orders.life.order import FINAL
from fillstream.services.order_service.orders.parents.work import (
    FINISHING,
    PAUSED,
    RUNNING,
    STOPPING,
    Work,
    dump_work,
    load_work,
)

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.life.order import Order
    from fillstream.services.order_service.orders.life.parts import Links

STANDS: Final = (RUNNING, PAUSED, FINISHING, STOPPING)
"""How a work that is not done may stand."""
LISTS: Final = tuple(each.value for each in ContingencyType if each is not ContingencyType.BRACKET)
"""What lists may be; brackets are counted by themselves."""
_KEYS: Final = ("works", "brackets", "lists", "stirred", "short", "closers", "out")


class Families:
    """The families of a partition.

    Attributes:
        works: orders that are worked, by id.
        brackets: by their entries' ids.
        lists: by account and list_id.
        stirred: orders with a family that something happened to, and positions that a bracket covers and that changed,
            until their families were looked at: at the end of the entry, as nearly always.
        covering: what brackets cover of each position; it follows from them.
        fresh: those of `stirred` that their parents have not counted yet, some perhaps twice.
        closers: orders that close what brackets protect, and what exits are to leave to them.
        children: ids of orders that work for one of `works`; they follow from the orders.
    """

    __slots__ = ("brackets", "children", "closers", "covering", "fresh", "lists", "stirred", "works")

    def __init__(self) -> None:
        self.works: dict[int, Work] = {}
        self.brackets: dict[int, Bracket] = {}
        self.lists: dict[tuple[str, str], OrderList] = {}
        self.stirred: dict[int | Position, None] = {}
        self.fresh: list[int] = []
        self.covering: dict[Position, Cover] = {}
        self.children: set[int] = set()
        self.closers: list[Closer] = []

    def __bool__(self) -> bool:
        return bool(self.works or self.brackets or self.lists or self.stirred or self.closers)

    def stir(self, order_id: int) -> None:
        """Have an order looked at that something happened to, once the entry is done."""
        self.stirred[order_id] = None
        self.fresh.append(order_id)

    def cover(self, bracket: Bracket, order: Order) -> None:
        """Have a bracket cover its entry's position from now on."""
        self.brackets[bracket.entry_id] = bracket
        position = position_of(order)
        cover = self.covering.get(position)
        if cover is None:
            cover = self.covering[position] = Cover()
            cover.promised = sum(each.lots for each in self.closers if each.position == position)
            assert order.holding is not None, "it was taken"
            order.holding.covered += 1
        cover.count(bracket.entry_id, order.side == "BUY", bracket.counted)

    def uncover(self, bracket: Bracket, order: Order) -> None:
        """Have it cover nothing any more."""
        position = position_of(order)
        cover = self.covering.get(position)
        if cover is None:
            return
        cover.drop(bracket.entry_id)
        if not cover.brackets:
            del self.covering[position]
            assert order.holding is not None, "it was taken"
            order.holding.covered -= 1

    def give_up(self, order: Order) -> None:
        """Have a bracket make no exits again, if an order is one of its own: all of them are being canceled."""
        assert order.links is not None and order.links.parent_id is not None, "it is a child"
        bracket = self.brackets.get(int(order.links.parent_id))
        if bracket is not None and order.order_id in bracket.exits:
            bracket.drop()

    def give_all_up(self, orders: dict[int, Order], account: str) -> None:
        """Have no bracket of an account make exits again, those included that have none now and wait to."""
        for entry_id, bracket in self.brackets.items():
            if entry_id in orders and orders[entry_id].account == account:
                bracket.drop()
                bracket.again_ms = 0
                self.stirred[entry_id] = None

    def wake(self, orders: dict[int, Order], account: str | None) -> None:
        """Have those of an account, or all, looked at at once that wait since something was refused: they may pass."""
        for family in (self.works, self.brackets):
            for order_id, each in family.items():
                if each.again_ms and account in (None, orders[order_id].account):
                    each.again_ms = 0
                    self.stirred[order_id] = None

    def needs(self, order: Order) -> bool:
        """Say whether an order that is done has to stay: its exits protect what it has filled."""
        bracket = self.brackets.get(order.order_id)
        return bracket is not None and bracket.covers

    def left(self, order: Order) -> None:
        """An order leaves the state: its family is remembered no longer than its first order."""
        order_id = order.order_id
        work = self.works.pop(order_id, None)
        if work is not None:
            self.children.difference_update(work.seen)
        bracket = self.brackets.pop(order_id, None)
        if bracket is not None:
            self.uncover(bracket, order)
        links = order.links
        if links is None:
            return
        if order_id in self.children:
            self.children.discard(order_id)
            self._forget_child(order_id, links)
        if links.list_id is None:
            return
        found = self.lists.get((order.account, links.list_id))
        if found is not None and order_id in found.legs:  # children of a leg are of its list, too, and none of it
            found.gone.add(order_id)
            if len(found.gone) == len(found.legs):
                del self.lists[order.account, links.list_id]

    def gauges(self) -> dict[str, dict[str, int]]:
        """Return how many there are that are not done: of works by how they stand, of lists by what they are."""
        works, lists = dict.fromkeys(STANDS, 0), dict.fromkeys(LISTS, 0)
        for work in self.works.values():
            if work.state in works:
                works[work.state] += 1
        for found in self.lists.values():
            if found.status != ListOrderStatus.ALL_DONE:
                lists[found.contingency] += 1
        brackets = sum(bracket.covers for bracket in self.brackets.values())
        return {"worked_orders": works, "live_brackets": {"": brackets}, "live_order_lists": lists}

    def _forget_child(self, order_id: int, links: Links) -> None:
        """Remember nothing more of a child that works no more: its parent has counted it, and may make very many."""
        work = self.works.get(int(links.parent_id or 0))
        if work is not None:
            work.seen.pop(order_id, None)

    # --------------------------------------------------------------- snapshot

    def dump(self, orders: dict[int, Order]) -> Document:
        """Return them by the names of their fields; `out` is what others of an order's list have of it (lots)."""
        legs = sorted(each for found in self.lists.values() for each in found.legs if each in orders)
        return {
            "works": [dump_work(each) for _, each in sorted(self.works.items())],
            "brackets": [dump_bracket(each) for _, each in sorted(self.brackets.items())],
            "lists": [dump_list(each) for _, each in sorted(self.lists.items())],
            "stirred": [_dumped(each) if isinstance(each, tuple) else each for each in self.stirred],
            "closers": [dump_closer(each) for each in self.closers],
            "short": [_dumped(each) for each, cover in sorted(self.covering.items()) if cover.short],
            "out": [[each, orders[each].out] for each in legs if orders[each].out],
        }

    def load(self, record: Document, orders: dict[int, Order]) -> None:
        """Take what `dump` wrote; what follows from the orders is made from them.

        Raises:
            Unreadable: a name that this release does not know, or an algorithm that this process does not.
        """
        check_names("families", record, _KEYS, _KEYS)
        self.works = {each.order_id: each for each in map(load_work, record["works"])}
        self.lists = {(each.account, each.list_id): each for each in map(load_list, record["lists"])}
        self.closers = [load_closer(each) for each in record["closers"]]
        for bracket in map(load_bracket, record["brackets"]):
            self.brackets[bracket.entry_id] = bracket
            if bracket.covers:
                self.cover(bracket, orders[bracket.entry_id])
        for each in record["short"]:
            self.covering[_loaded(each)].short = True
        self.stirred = dict.fromkeys(_stirred(each) for each in record["stirred"])
        self.fresh = [each for each in self.stirred if isinstance(each, int)]
        for order in orders.values():
            if order.links is not None and order.links.parent_id is not None:
                self._found_child(order, int(order.links.parent_id), orders)
        for work in self.works.values():
            orders[work.order_id].out = sum(work.open.values())
        for found in self.lists.values():
            found.gone = {each for each in found.legs if each not in orders}
            if found.contingency in ONE_OF_ALL:
                for order, out in outs_of([orders[each] for each in found.legs if each in orders]):
                    order.out = out
        for bracket in self.brackets.values():
            if bracket.stop_id in orders:
                orders[bracket.stop_id].out = sum(open_lots(orders.get(e)) for e in bracket.exits[1:])
        for order_id, lots in record["out"]:
            orders[order_id].out = lots

    def _found_child(self, order: Order, parent_id: int, orders: dict[int, Order]) -> None:
        work, parent = self.works.get(parent_id), orders.get(parent_id)
        if work is not None and parent is not None and parent.side == order.side:  # an exit is on the other
            self.children.add(order.order_id)
            work.seen[order.order_id] = order.cum, order.notional
            if order.status not in FINAL:
                work.open[order.order_id] = order.quantity - order.cum
                work.count(order)


def open_lots(order: Order | None) -> int:
    """Return what an order may still trade; 0 of none."""
    return 0 if order is None or order.status in FINAL else order.quantity - order.cum


def _stirred(said: Any) -> int | Position:
    return said if isinstance(said, int) else _loaded(said)


def _dumped(position: Position) -> list[str]:
    return [each for each in position if each is not None]


def _loaded(said: list[str]) -> Position:
    account, symbol, *name = said
    return account, symbol, name[0] if name else None
