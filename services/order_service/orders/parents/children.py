"""Children: orders that orders make, how they go out and how they are taken back.

Flows in: whose child it is, and what it is to be. Flows out: an order with its events and its command; or why there is
none. Never decides that one is needed. Only the market, its session, breakers and halts judge a child: its parent has
passed all other rules, and what it may still do is reserved.
"""

from __future__ import annotations

from typing import NamedTuple

from fillstream.libs.common.messages.codes import CancelReason, OrderType, RejectReason, TimeInForce
from fillstream.libs.common.values.naming import MAX_ID
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.compiled import Limits
from fillstream.services.order_service.orders.control.breakers import Breakers
from fillstream.services.order_service.orders.control.standing import HALTED, REDUCING
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.life.parts import Links
from fillstream.services.order_service.orders.life.special import Special
from fillstream.services.order_service.orders.rules import Draft
from fillstream.services.order_service.orders.rules.market import protection_price, worth_of
from fillstream.services.order_service.orders.state import EXPIRY, State
from fillstream.services.order_service.orders.waiting.desk import Desk

_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_IOC = TimeInForce.IOC.value
_CLOSED = frozenset(
    (
        RejectReason.INSTRUMENT_HALTED, RejectReason.BREAKER_OPEN, RejectReason.OUTSIDE_SESSION,
        RejectReason.STALE_QUOTE, RejectReason.NO_QUOTE,
    )
)  # fmt: skip
"""What passes by itself, or as an operator says: none of these is a child's fault."""


class Child(NamedTuple):
    """What a child is to be.

    Attributes:
        venue: where.
        buy, lots: its side, and how much.
        order_type: by the contract's name.
        ticks: its limit; of a market order how far its parent lets it go, None for as far as the account does.
        time_in_force, expiry_ms: how long.
        special: what it has beyond a plain order, None of one.
        list_id: the list that it belongs to.
    """

    venue: str
    buy: bool
    lots: int
    order_type: str
    ticks: int | None
    time_in_force: str
    expiry_ms: int = 0
    special: Special | None = None
    list_id: str | None = None


class Closed(str):
    """Why no child goes now though nothing is wrong with it: its market or its account takes none, or nobody quotes."""

    __slots__ = ()


class Children:
    """The part of the fold that makes children and takes them back.

    Args:
        state: has them.
        journal, commands, desk: what they go through.
        breakers: are looked at, and count.
    """

    __slots__ = ("_breakers", "_commands", "_desk", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, commands: Commands, desk: Desk, breakers: Breakers) -> None:
        self._state = state
        self._journal = journal
        self._commands = commands
        self._desk = desk
        self._breakers = breakers

    # ----------------------------------------------------------------- making

    def make(self, parent: Order, number: int, child: Child) -> Order | str:
        """Send a parent's child; or return why none goes now, in a sentence, with nothing changed.

        Args:
            parent: the order that makes it.
            number: of the child among its parent's, from 1.
            child: what it is to be.
        """
        state = self._state
        if not state.has_room():
            return "client_order_id: no more orders can be remembered"
        draft = self._draft(parent, child)
        if isinstance(draft, str):
            return draft
        refused = self._halted(draft.limits, child) or self._judged(draft, parent)
        if refused is not None:
            return refused
        order = self._made(parent, number, child, draft)
        state.add(order, counts=False)
        self._journal.received(order, None)
        if draft.breakers:
            self._breakers.took(order, draft)
        return order

    def send(self, order: Order) -> None:
        """Let a child that was made go to its venue, or wait for its turn."""
        if order.special is not None and self._desk.holds(order):
            return
        if self._state.terms_of(order.account).rate_limit_orders is not None and self._desk.paces(order):
            return
        self._commands.new(order)
        if order.expiry_ms and order.time_in_force in order.terms.ended_here:
            self._state.timers.add(order.expiry_ms, order.order_id, EXPIRY)

    def _draft(self, parent: Order, child: Child) -> Draft | str:
        state, draft = self._state, Draft()
        account, symbol = parent.account, parent.terms.symbol
        limits = state.limits(account, symbol)  # which are compiled once
        if limits is None or limits.terms.venue != child.venue:
            limits = state.limits_at(child.venue, account, state.terms_of(account), symbol)
        draft.ms, draft.account, draft.symbol = self._journal.ms, account, symbol
        draft.buy, draft.order_type, draft.time_in_force = child.buy, child.order_type, child.time_in_force
        draft.limits, draft.terms, draft.quote = limits, limits.terms, limits.quote
        draft.lots, draft.special, draft.strategy = child.lots, child.special, parent.strategy
        draft.quantity, draft.price = limits.terms.lot.text(child.lots), None
        ticks = child.ticks
        if child.order_type == _MARKET:
            reach = limits.exits if child.special is not None and child.special.reduce_only else limits
            bound = protection_price(reach, limits.quote, child.buy)
            if bound is None:
                side = "ask" if child.buy else "bid"
                return Closed(f"order_type: MARKET needs a quote to bound its price, {draft.symbol} has no {side} now")
            ticks = bound if ticks is None else (min if child.buy else max)(ticks, bound)
        assert ticks is not None, "a limit order has a limit"
        draft.ticks = ticks
        draft.worth = worth_of(limits.terms, limits.quote, child.buy, ticks, child.lots)
        return draft

    def _halted(self, limits: Limits, child: Child) -> str | None:
        standing = limits.holding.account.standing
        closes = child.special is not None and child.special.reduce_only
        if standing.state == HALTED and not (closes and standing.keeps):
            return Closed(f"account: {limits.name} is HALTED, or the whole desk")
        if standing.state == REDUCING and not closes:
            return Closed(f"account: {limits.name} is REDUCING, or the whole desk")
        return None

    def _judged(self, draft: Draft, parent: Order) -> str | None:
        """Return what a rule about the market, its session or a breaker says against a child."""
        if draft.limits.breaks:
            self._breakers.look(draft, parent.strategy)
        broken = rules.CHILD.first_broken(draft, self._state)
        if broken is None:
            return None
        return Closed(broken.text) if broken.reason in _CLOSED else broken.text

    def _made(self, parent: Order, number: int, child: Child, draft: Draft) -> Order:
        client_order_id = self._name(parent, number)
        order = Order(
            self._state.next_order_id, parent.signal_id, client_order_id, parent.account, parent.account_id,
            draft.terms, parent.strategy, parent.confidence, "BUY" if child.buy else "SELL", child.order_type,
            child.time_in_force, child.lots, draft.ticks, draft.ms, draft.ms, child.expiry_ms,
            self._links(parent, child), child.venue,
        )  # fmt: skip
        order.holding = draft.limits.holding
        order.special = child.special
        return order

    def _links(self, parent: Order, child: Child) -> Links:
        of_parent = parent.links
        group, position = (None, None) if of_parent is None else (of_parent.group_id, of_parent.position_id)
        return Links(str(parent.order_id), group, position, child.list_id)

    def _name(self, parent: Order, number: int) -> str:
        """Return a client_order_id that nobody has: the parent's with a number behind it."""
        known = self._state.find_client
        for base in (parent.client_order_id, str(parent.order_id)):
            name = f"{base}.{number}"
            if len(name) <= MAX_ID and known(parent.account, name) is None:
                return name
        again = number
        while known(parent.account, name := f"{parent.order_id}.{number}.{again}") is not None:
            again += 1
        return name

    def replace(self, order: Order) -> None:
        """Let an amendment that was asked for take effect, or go to the venue."""
        if order.is_held:
            self._desk.replace(order)
        else:
            self._commands.replace(order)

    # ------------------------------------------------------------ taking back

    def take_back(self, order: Order, text: str, reason: CancelReason = CancelReason.PARENT) -> bool:
        """Cancel an order of a family, at once where the desk has it; False where a cancel is pending already."""
        if order.status in FINAL or order.cancel_signal is not None:
            return False
        if order.is_held:
            self._desk.cancel(order, reason, text)
            return True
        order.request_cancel(order.family_signal)
        self._journal.cancel_requested(order, order.family_signal)
        self._commands.cancel(order)
        return True
