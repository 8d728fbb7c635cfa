"""What is asked of families: lists of orders, cancels of lists, pauses, and amendments of brackets and algorithms.

Flows in: typed instructions, and new orders that want exits or are to be worked. Flows out: one answer each, and what
follows from it. Never judges an order by itself: whoever takes orders does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from fillstream.libs.common.messages.codes import AUCTION_TIMES, BreakEven, CancelRejectReason, OrderType, TimeInForce
from fillstream.libs.common.messages.packed import names_of
from fillstream.libs.common.messages.special_terms import OF_BRACKET, SpecialTerms
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.compiled import DISPLAY
from fillstream.services.order_service.orders.groups.bracket_record import Bracket
from fillstream.services.order_service.orders.groups.brackets import Brackets, names_bracket, targets_in
from fillstream.services.order_service.orders.groups.contingent import Contingent
from fillstream.services.order_service.orders.instructions import CancelList, Pause, Replace, Resume
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.journal.of_families import half_tick_text
from fillstream.services.order_service.orders.life.order import FINAL, WORKED, Order
from fillstream.services.order_service.orders.life.special import units
from fillstream.services.order_service.orders.parents.runner import Runner
from fillstream.services.order_service.orders.parents.work import AT_ONCE, Work
from fillstream.services.order_service.orders.routing.routes import Route, asked_route, route_of
from fillstream.services.order_service.orders.rules import Draft
from fillstream.services.order_service.orders.rules.working import merged, parameters_in
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.orders.waiting.triggers import SPOKEN

ICEBERG = "ICEBERG"
"""What shows an order a part at a time where its venue cannot."""
IMMEDIATE = frozenset((OrderType.MARKET.value, OrderType.LIMIT.value))
NOT_ROUTED = AUCTION_TIMES | {TimeInForce.FOK.value}
"""What may be routed, and what may not: several venues cannot trade all or none together."""
Refused = tuple[CancelRejectReason, str]
"""Why an amendment changes nothing."""


class FamilyRequests:
    """The part of the fold that takes what is asked of families.

    Args:
        state: has them.
        journal: answers.
        runner, brackets, lists: do it.
    """

    __slots__ = ("_brackets", "_journal", "_lists", "_runner", "_state", "named")

    named: Callable[[Any], tuple[Any, str]]
    """Finds the order that a request names, and whose the answer is; set by who takes orders."""

    def __init__(self, state: State, journal: Journal, runner: Runner, brackets: Brackets, lists: Contingent) -> None:
        self._state = state
        self._journal = journal
        self._runner = runner
        self._brackets = brackets
        self._lists = lists

    # ------------------------------------------------------------- new orders

    def take(self, order: Order, said: SpecialTerms, draft: Draft) -> None:
        """Note what an order that is being taken is beside itself: an entry with exits, or one that is worked."""
        if names_bracket(said):
            self._brackets.take(order, said)
        route = self._route(order, said, draft)
        algorithm, parameters = said.algorithm, said.algorithm_parameters or "{}"
        if said.display_quantity is not None and DISPLAY in draft.terms.lacks and algorithm is None:
            assert order.special is not None, "it says more than a plain order"
            order.special = order.special._replace(display=None, emulated=True)
            algorithm, parameters = ICEBERG, f'{{"{DISPLAY}":"{canonical(said.display_quantity)}"}}'
        if algorithm is None and route is None:
            return
        work = Work(order.order_id, algorithm or AT_ONCE, parameters, None, ())
        if route is not None:
            work.routing, work.route_parameters = route.policy.name, route_parameters_of(route)
            work.venues, work.preferences = route.venues, route.preferences
        self._state.families.works[order.order_id] = work

    def _route(self, order: Order, said: SpecialTerms, draft: Draft) -> Route | None:
        """Return how an order is routed, None of one that goes to its own venue."""
        if order.order_type not in IMMEDIATE or order.time_in_force in NOT_ROUTED or said.all_or_none:
            return None
        if said.venue is not None:
            return None
        by_rule = None
        if draft.limits.routes:
            by_rule = route_of(draft.limits.routes, order.strategy, draft.buy, draft.lots, draft.worth, draft.ms)
        if said.routing is None and said.venues is None:
            return by_rule
        venues, account = self._state.config.venues, draft.limits.account
        return asked_route(venues, account, said.routing, names_of(said.venues), by_rule)

    def works_for(self, order: Order) -> str | None:
        """Return the id of the order that sizes and prices this one, its child; None of any other."""
        families, links = self._state.families, order.links
        if links is None or links.parent_id is None:
            return None
        bracket = families.brackets.get(int(links.parent_id))
        is_exit = bracket is not None and order.order_id in bracket.exits
        return links.parent_id if is_exit or order.order_id in families.children else None

    def begins(self, order: Order) -> bool:
        """Let an order be worked that nothing holds back; False of any other."""
        work = self._state.families.works.get(order.order_id)
        if work is None:
            return False
        self._runner.begin(order, work)
        return True

    # ------------------------------------------------------------- amendments

    def amends(self, wish: Replace, order: Order) -> bool:
        """Take an amendment of a bracket or of what an algorithm is told, or refuse it; False of any other."""
        said = wish.special
        if said is None:
            return False
        if any(getattr(said, name) is not None for name in OF_BRACKET):
            refused = self._amend_bracket(wish, order, said)
        elif said.algorithm_parameters is not None:
            refused = self._amend_work(wish, order, said.algorithm_parameters)
        else:
            return False
        if refused is not None:
            self._journal.replace_rejected(wish.signal_id, order.account, order, *refused)
        return True

    def _amend_bracket(self, wish: Replace, order: Order, said: SpecialTerms) -> Refused | None:
        bracket = self._state.families.brackets.get(order.order_id)
        if bracket is None or not bracket.covers:
            return CancelRejectReason.NO_BRACKET, f"order_id: order {order.order_id} has no bracket, or it is done"
        if wish.quantity is not None or wish.price is not None:
            return CancelRejectReason.NO_BRACKET, "quantity: amend an entry and its exits one after the other"
        if bracket.hit:
            return CancelRejectReason.TOO_LATE, f"stop_loss: the stop of order {order.order_id} is hit already"
        found = self._new_stop(bracket, order, said)
        if isinstance(found[0], CancelRejectReason):
            return found
        stop, trailing = found
        refused = self._new_targets(bracket, order, said, stop if isinstance(stop, int) else None)
        if refused is not None:
            return refused
        named = said.stop_loss, said.trailing_stop, said.break_even is BreakEven.NOW or None
        if any(each is not None for each in named):  # one that somebody canceled stays so unless it is named
            self._brackets.move_stop(bracket, order, stop, trailing)
        if said.break_even is BreakEven.AFTER_TARGET:
            bracket.break_even = BreakEven.AFTER_TARGET.value
        self._brackets.look(bracket, wish.signal_id)
        return None

    def _new_stop(self, bracket: Bracket, order: Order, said: SpecialTerms) -> tuple[int | None, int | None] | Refused:
        """Return where the stop is to stand and how far it stays behind; or why it may not."""
        price, name = order.terms.price, "stop_loss"
        stop, trailing = bracket.stop, bracket.trailing
        if said.trailing_stop is not None:
            trailing = units(price, said.trailing_stop)
            if trailing is None:
                return CancelRejectReason.WRONG_SIDE, self._off_tick("trailing_stop", order)
            return None, trailing
        if said.break_even is BreakEven.NOW:
            name = "break_even"
            if not order.cum:
                return CancelRejectReason.WRONG_SIDE, f"break_even: order {order.order_id} has filled nothing yet"
            stop, trailing = self._brackets.even_price(order), None
        elif said.stop_loss is not None:
            stop, trailing = units(price, said.stop_loss), None
            if stop is None:
                return CancelRejectReason.WRONG_SIDE, self._off_tick("stop_loss", order)
        else:
            return stop, trailing
        if not self._brackets.is_right(bracket, order, stop):
            side = "below" if order.side == "BUY" else "above"
            now = half_tick_text(order.terms, self._brackets.price_for(bracket, order) or 0)
            text = f"{name}: {price.text(stop)} must be {side} {SPOKEN[bracket.trigger]}, {now}"
            return CancelRejectReason.WRONG_SIDE, text
        return stop, trailing

    def _new_targets(self, bracket: Bracket, order: Order, said: SpecialTerms, stop: int | None) -> Refused | None:
        if said.take_profit is None and said.take_profits is None:
            return None
        price = order.terms.price
        named = [said.take_profit] if said.take_profits is None else []
        if any(each is not None and units(price, each) is None for each in named):
            return CancelRejectReason.WRONG_SIDE, self._off_tick("take_profit", order)
        legs = targets_in(said, order.terms)
        before = stop
        for leg in legs:
            if before is not None and (leg.ticks <= before if order.side == "BUY" else leg.ticks >= before):
                side = "above" if order.side == "BUY" else "below"
                text = f"take_profits: {price.text(leg.ticks)} must be {side} {price.text(before)}"
                return CancelRejectReason.WRONG_SIDE, text
            before = leg.ticks
        self._brackets.retarget(bracket, order, legs)
        return None

    def _off_tick(self, name: str, order: Order) -> str:
        return f"{name}: is not a multiple of {order.terms.symbol}'s tick size {order.terms.price.step}"

    def _amend_work(self, wish: Replace, order: Order, more: str) -> Refused | None:
        work = self._state.families.works.get(order.order_id)
        if work is None or order.status in FINAL or not work.is_alive:
            return CancelRejectReason.NOT_WORKED, f"algorithm_parameters: no algorithm works order {order.order_id}"
        if wish.quantity is not None or wish.price is not None:
            return CancelRejectReason.NOT_WORKED, "quantity: amend an order and what its algorithm is told in turn"
        parameters = merged(work.parameters, more)
        found = parameters_in(work.algo, parameters, order.terms, self._journal.ms)
        if isinstance(found, str):
            return CancelRejectReason.BAD_PARAMETERS, found
        self._runner.told(order, parameters, wish.signal_id)
        return None

    # ------------------------------------------------------- pauses, ends of lists

    def pause(self, wish: Pause | Resume) -> None:
        """Pause an order that is worked, or let it go on; or say why not."""
        order, account = self.named(wish)
        refused = self._journal.replace_rejected
        if not isinstance(order, Order):
            text = f"order_id: account {account} has no such order that works"
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, text)
        if order.status in FINAL:
            text = f"order_id: order {order.order_id} is {order.status} already"
            return refused(wish.signal_id, account, order, CancelRejectReason.TOO_LATE, text)
        if order.held != WORKED:
            text = f"order_id: no algorithm works order {order.order_id}"
            return refused(wish.signal_id, account, order, CancelRejectReason.NOT_WORKED, text)
        if self._runner.ends(order):
            text = f"order_id: the time of order {order.order_id} is over, what is left of it can only be canceled"
            return refused(wish.signal_id, account, order, CancelRejectReason.TOO_LATE, text)
        if isinstance(wish, Pause):
            self._runner.pause(order, wish.signal_id)
        else:
            self._runner.resume(order, wish.signal_id)
        return None

    def cancel_list(self, wish: CancelList) -> None:
        """Take off what works of a list, or of a bracket by its entry's client_order_id; or say why not."""
        state, text = self._state, "canceled with its list, as requested"
        found = state.families.lists.get((wish.account, wish.list_id))
        if found is not None:
            return self._lists.cancel(found, text, wish.signal_id)
        entry = state.find_client(wish.account, wish.list_id)
        bracket = state.families.brackets.get(entry.order_id) if isinstance(entry, Order) else None
        if bracket is None or not isinstance(entry, Order):
            text = f"list_id: account {wish.account} has no list of orders {wish.list_id}, or it was forgotten"
            return self._journal.cancel_rejected(
                wish.signal_id, wish.account, None, CancelRejectReason.UNKNOWN_LIST, text
            )
        self._brackets.cancel(bracket, text)
        return self._brackets.tell(bracket, entry, 0, text, wish.signal_id)


def route_parameters_of(route: Route) -> str:
    """Return what a route's policy was told, as canonical JSON."""
    said = route.parameters.model_dump(mode="json", exclude_defaults=True)
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
