"""Closes positions that brackets protect: their exits give way first, the oldest ones', as far as it takes.

Flows in: what is to be closed, what becomes of exits and of the orders that close. Flows out: a promise to a position,
by which its brackets get smaller; and, once what they had is off, the order that closes. So a target that trades while
it is taken off is no part of what is closed besides: never is more sold than is held.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fillstream.services.order_service.orders.groups.closer_record import Closer
from fillstream.services.order_service.orders.holding.hedged import Position
from fillstream.services.order_service.orders.instructions import Close
from fillstream.services.order_service.orders.life.order import FILLED, FINAL, Order
from fillstream.services.order_service.orders.parents.families import open_lots

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.groups.brackets import Brackets
    from fillstream.services.order_service.orders.state import State


class Closing:
    """The part of the fold that closes what brackets protect.

    Args:
        state: has it.
        brackets: end those that have left all to what is filled.

    Attributes:
        close: takes a ClosePosition, and returns the order that came of it, None where it was refused; set by whoever
            takes orders.
    """

    __slots__ = ("_brackets", "_state", "close")

    close: Callable[[Close], Order | None]

    def __init__(self, state: State, brackets: Brackets) -> None:
        self._state = state
        self._brackets = brackets

    def exits_of(self, position: Position) -> int:
        """Return how many lots a position's exits count with among what works, and have not been promised away."""
        families, orders = self._state.families, self._state.orders
        cover = families.covering.get(position)
        if cover is None:
            return 0
        exits = (orders[each] for entry in cover for each in families.brackets[entry].exits)
        return min(sum(order.open_lots for order in exits), self._unpromised(position))

    def free_of(self, position: Position) -> int:
        """Return how many lots of a position neither brackets protect nor anything else closes, or is to close."""
        state = self._state
        holding = state.holdings.at(position)
        held = abs(holding.quantity)
        works = holding.sells if holding.quantity > 0 else holding.buys
        cover = state.families.covering.get(position)
        if cover is None:
            return max(0, held - works)
        exits = (state.orders[each] for entry in cover for each in state.families.brackets[entry].exits)
        others = works - sum(order.open_lots for order in exits)
        left = max(0, held - cover.promised)
        return max(0, left - min(left, cover.total[holding.quantity > 0]) - others)

    def promise(self, wish: Close, position: Position, lots: int, wanted: int) -> None:
        """Have exits leave so many of the lots that are to be closed; the order goes once they have.

        All but what exits keep is promised: what no bracket protects is closed as well, and does not make up for it.
        """
        families = self._state.families
        kept = self.exits_of(position) - lots
        closer = Closer(*position[:2], self._unpromised(position) - kept, wanted, wish, name=position[2])
        families.closers.append(closer)
        families.covering[position].promised += closer.lots
        families.stirred[closer.position] = None

    def _unpromised(self, position: Position) -> int:
        """Return how many lots of a position no order that closes has been promised."""
        held = abs(self._state.holdings.at(position).quantity)
        return max(0, held - self._state.families.covering[position].promised)

    def waits(self, account: str, client_order_id: str) -> bool:
        """Whether an order of that name is to come already."""
        closers = self._state.families.closers
        return any(
            each.order_id is None and (each.account, each.wish.client_order_id) == (account, client_order_id)
            for each in closers
        )

    def waits_for(self, account: str, symbol: str) -> bool:
        """Whether an order is to close a position once exits have given way."""
        position = (account, symbol, None)
        return any(each.order_id is None and each.position == position for each in self._state.families.closers)

    def count(self) -> None:
        """Count what orders that close have traded, before their position is looked at; end promises that are kept."""
        families = self._state.families
        for closer in families.closers:
            if closer.order_id is not None:
                self._follow(closer)
        families.closers = [each for each in families.closers if each.lots > 0]

    def go_on(self) -> None:
        """Let go of what exits have given way to."""
        families = self._state.families
        for closer in [*families.closers]:
            if closer.order_id is None:
                self._begin(closer)
        families.closers = [each for each in families.closers if each.lots > 0]

    def _begin(self, closer: Closer) -> None:
        """Send what closes once what is to give way is off, or nothing more can."""
        state = self._state
        holding = state.holdings.at(closer.position)
        cover = state.families.covering.get(closer.position)
        if cover is not None and abs(holding.reducible) < closer.wanted and self._gives_way(closer.position):
            return
        order = self.close(closer.wish)
        if order is None:
            self._end(closer, closer.lots)
        else:
            closer.order_id = order.order_id

    def _gives_way(self, position: Position) -> bool:
        """Whether an exit at a venue is still to get smaller, or to go."""
        families, orders = self._state.families, self._state.orders
        cover = families.covering[position]
        exits = (orders[each] for entry in cover for each in families.brackets[entry].exits)
        return any(open_lots(each) and (each.cancel_signal is not None or each.amendment is not None) for each in exits)

    def _follow(self, closer: Closer) -> None:
        order = self._state.orders.get(closer.order_id or 0)
        traded = 0 if order is None else order.cum - closer.seen
        closer.seen += traded
        self._end(closer, min(closer.lots, traded))
        if order is None or order.status in FINAL:
            if order is not None and order.status == FILLED:
                self._give_up(closer)
            self._end(closer, closer.lots)

    def _give_up(self, closer: Closer) -> None:
        """What left all to an order that is filled is over: what that leaves of the position is others' to close."""
        families, orders = self._state.families, self._state.orders
        cover = families.covering.get(closer.position)
        if cover is None or cover.promised != closer.lots:  # another may be canceled, and is protected anew then
            return
        held = self._state.holdings.at(closer.position).quantity
        for entry_id in cover:
            bracket = families.brackets[entry_id]
            if not bracket.exits and orders[entry_id].status in FINAL and not cover.share(entry_id, held):
                self._brackets.over(bracket, orders[entry_id])

    def _end(self, closer: Closer, lots: int) -> None:
        """Take so many lots of a promise back: they have traded, or nobody wants them any more."""
        if not lots:
            return
        closer.lots -= lots
        families = self._state.families
        cover = families.covering.get(closer.position)
        if cover is not None:
            cover.promised = max(0, cover.promised - lots)
            families.stirred[closer.position] = None
