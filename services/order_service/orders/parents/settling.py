"""What families do after an entry: each one that something happened to is looked at once everything has been told.

Flows in: what events stirred. Flows out: what their runners, brackets and lists send. Never sends much more than an
entry may: what is left stands in the state, and a timer goes on with it at once. A desk without families never comes
here.
"""

from __future__ import annotations

from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.services.order_service.orders.groups.brackets import Brackets
from fillstream.services.order_service.orders.groups.closing import Closing
from fillstream.services.order_service.orders.groups.contingent import Contingent
from fillstream.services.order_service.orders.holding.hedged import Position
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import WORKED, Order
from fillstream.services.order_service.orders.parents.runner import Runner
from fillstream.services.order_service.orders.state import SETTLE, State

AT_ONCE = MOST_OUTPUTS // 4
"""So many families are looked at after one entry: most send an event and a command or two."""


class Settling:
    """The part of the fold that looks at families.

    Args:
        state: has them.
        journal: knows what time it is, and what was sent.
        runner, brackets, lists: look at theirs.
        closing: closes what brackets protect.
    """

    __slots__ = ("_brackets", "_closing", "_journal", "_lists", "_runner", "_state")

    def __init__(
        self, state: State, journal: Journal, runner: Runner, brackets: Brackets, lists: Contingent, closing: Closing
    ) -> None:
        self._state = state
        self._journal = journal
        self._runner = runner
        self._brackets = brackets
        self._lists = lists
        self._closing = closing

    def settle(self) -> int:
        """Look at every family that something happened to, AT_ONCE of them; return how many that were."""
        state = self._state
        stirred, seen = state.families.stirred, 0
        self._count()
        first = state.seq
        while stirred and seen < AT_ONCE and state.seq - first < MOST_OUTPUTS // 2:
            each = self._next()
            del stirred[each]
            seen += 1
            if isinstance(each, tuple):
                self._brackets.looked(each)
            elif (order := state.orders.get(each)) is not None:
                self._look(order)
            self._count()
            if state.families.closers and not stirred:
                self._closing.go_on()
        if stirred:
            state.timers.add(self._journal.ms, 0, SETTLE)
        return max(1, seen)

    def _count(self) -> None:
        """Count what children of orders that are worked did, all of it: then their parents are looked at, once each.

        Each is counted once for what was told of it, however many others wait to be looked at.
        """
        if self._state.families.closers:
            self._closing.count()
        families, orders = self._state.families, self._state.orders
        while families.fresh:  # whoever is counted may stir others
            fresh, families.fresh = families.fresh, []
            for each in fresh:
                order = orders.get(each) if each in families.children else None
                if order is not None and (parent_id := self._runner.child_changed(order)) is not None:
                    families.stirred[parent_id] = None

    def _next(self) -> int | Position:
        """Return what is looked at next: orders before positions, whose brackets count what their orders did."""
        stirred = self._state.families.stirred
        first = next(iter(stirred))
        if isinstance(first, int):
            return first
        return next((each for each in stirred if isinstance(each, int)), first)

    def _look(self, order: Order) -> None:
        families, order_id = self._state.families, order.order_id
        work = families.works.get(order_id)
        if work is not None and order.held == WORKED:
            self._runner.look(order, work)
        bracket = families.brackets.get(order_id)
        if bracket is not None:
            self._brackets.look(bracket)
        links = order.links
        if links is None:
            return
        if links.parent_id is not None and (of_parent := families.brackets.get(int(links.parent_id))) is not None:
            self._brackets.look(of_parent)
        if links.list_id is not None and (found := families.lists.get((order.account, links.list_id))) is not None:
            self._lists.look(found)
