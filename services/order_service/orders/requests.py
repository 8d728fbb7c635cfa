"""What is asked of the orders stage: new orders, cancels, amendments, and how an order stands.

Flows in: typed instructions. Flows out: one event each, and the command that the venue gets. Never judges by itself:
what must hold is a list in `rules`, and what may happen to an order next stands in `order`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import PRICELESS, CancelRejectReason, OrderType, RejectReason, TimeInForce
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.money import Scale, parse, plain
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.config import day_end
from fillstream.services.order_service.orders.decode import Cancel, New, Replace, Status, client_name
from fillstream.services.order_service.orders.journal import Journal
from fillstream.services.order_service.orders.order import FINAL, REJECTED, Amendment, Order, Remembered
from fillstream.services.order_service.orders.rules import Draft, Reject
from fillstream.services.order_service.orders.rules.market import protection_price, value_price
from fillstream.services.order_service.orders.state import EXPIRY, State

_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_IOC, _FOK, _DAY = TimeInForce.IOC.value, TimeInForce.FOK.value, TimeInForce.DAY.value

_ONE = {each.value: each.value for each in (*OrderType, *TimeInForce)}
"""The one text of a code that all orders share."""


class Requests:
    """The part of the fold that takes instructions.

    Args:
        state: changed by what is taken.
        journal, commands: where the answer and what the venue must do go.
        topology: says whose partition an account is.
        partition: of the accounts.
    """

    __slots__ = ("_commands", "_journal", "_partition", "_state", "_topology")

    def __init__(self, state: State, journal: Journal, commands: Commands, topology: Topology, partition: int) -> None:
        self._state = state
        self._journal = journal
        self._commands = commands
        self._topology = topology
        self._partition = partition

    @property
    def handlers(self) -> dict[type, Callable[[Any], None]]:
        """What takes each kind of instruction: it does what is asked for, or says why not.

        Each raises BadEntry: bad_value for a number that is none; wrong_partition for another partition's account.
        """
        return {New: self._new, Cancel: self._cancel, Replace: self._replace, Status: self._status}

    # -------------------------------------------------------------- new orders

    def _new(self, wish: New) -> None:
        state = self._state
        ids = state.clients.get(wish.account)
        if ids is not None and (order_id := ids.get(wish.client_order_id)) is not None:
            return self._repeat(wish, order_id)
        draft = self._draft(wish)
        broken = rules.NEW.first_broken(draft, state)
        if broken is not None:
            return self._refuse(wish, draft, broken)
        order = self._made(wish, draft)
        state.add(order)
        self._journal.received(order)
        self._commands.new(order)
        if order.expiry_ms and not state.venues[order.venue].expires:
            state.timers.add(order.expiry_ms, order.order_id, EXPIRY)
        return None

    def _draft(self, wish: New) -> Draft:
        """Return the order that is asked for, in integers, with its type and time in force; nothing is judged yet.

        A market order is routed as a limit order at the price its account's max_slippage_bps allows, which never
        rests: market with protection, as exchanges call it.
        """
        draft, config = Draft(), self._state.config
        draft.ms = self._journal.ms
        draft.account, draft.symbol, draft.buy = wish.account, wish.symbol, wish.side == "BUY"
        draft.quantity, draft.price = wish.quantity, wish.price
        # `_value_`, as `value` is a function of Python's, and this is done for every order.
        kind = wish.order_type or (_LIMIT if wish.price is not None else config.default_order_type._value_)
        tif = wish.time_in_force or config.default_time_in_force._value_
        draft.order_type = kind
        draft.time_in_force = _IOC if kind == _MARKET and tif != _FOK else tif
        if not self._find_limits(draft):
            return draft
        terms, quote = draft.terms, draft.quote
        draft.lots = _lots(terms.lot, wish.quantity)
        if kind in PRICELESS:
            bound = protection_price(draft.limits, quote, draft.buy)
            if bound is None:
                draft.bounded = False
            else:
                draft.ticks = bound
        elif wish.price is not None:
            draft.on_tick, draft.ticks = _ticks(terms.price, wish.price)
        draft.worth = value_price(quote, draft.buy, draft.ticks) * draft.lots
        return draft

    def _find_limits(self, draft: Draft) -> bool:
        """Put into the draft what the account may do in the instrument; False unless both are configured here."""
        state = self._state
        limits = state.limits(draft.account, draft.symbol)
        if limits is not None:
            if draft.order is not None and draft.order.venue != limits.terms.venue:
                limits = state.limits_at(draft.order.venue, draft.account, limits.account, draft.symbol)
            draft.limits, draft.terms, draft.quote = limits, limits.terms, limits.quote
            return True
        draft.account_known = state.knows(draft.account)
        draft.symbol_known = False
        if not draft.account_known:
            owner = self._topology.account_partition(draft.account)
            if owner != self._partition:
                text = f"account: {draft.account} is of partition {owner}, this is {self._partition}"
                raise BadEntry("wrong_partition", text)
        return False

    def _made(self, wish: New, draft: Draft) -> Order:
        """Return the order of a draft that no rule refuses."""
        client_order_id, strategy = wish.client_order_id, wish.strategy
        return Order(
            self._state.next_order_id,
            client_order_id if wish.signal_id == client_order_id else wish.signal_id,
            client_order_id,
            draft.limits.name,
            draft.limits.account_id,
            draft.terms,
            None if strategy is None else self._state.shared(strategy),
            wish.confidence,
            "BUY" if draft.buy else "SELL",
            _ONE[draft.order_type],
            _ONE[draft.time_in_force],
            draft.lots,
            draft.ticks,
            wish.signal_time,
            draft.ms,
            day_end(draft.ms) if draft.time_in_force == _DAY else 0,
            wish.links,
            draft.terms.venue,
        )

    def _refuse(self, wish: New, draft: Draft, broken: Reject) -> None:
        state = self._state
        quantity = _number("quantity", wish.quantity)
        if quantity <= 0:
            raise BadEntry("bad_value", f"quantity: {wish.quantity} must be above 0")
        price = None if wish.price is None else plain(_number("price", wish.price))
        refused = Remembered(
            state.next_order_id,
            wish.client_order_id,
            wish.account,
            wish.symbol,
            wish.side,
            REJECTED,
            plain(quantity),
            "0",
            None,
            draft.ms,
            wish.links,
        )
        state.remember(refused)
        assert isinstance(broken.reason, RejectReason), "rules of new orders refuse orders"
        self._journal.refused(refused, wish, draft.order_type, draft.time_in_force, price, broken.reason, broken.text)

    def _repeat(self, wish: New, order_id: int) -> None:
        """Answer a client_order_id that was used before; what it asks for now is not looked at."""
        first = self._state.find(order_id)
        assert first is not None, "client ids lead to records"
        symbol, quantity = _symbol_and_quantity(first)
        text = (
            f"client_order_id: {wish.client_order_id} was used before, for {first.side} {quantity} {symbol}; "
            f"this signal ({wish.side} {_number('quantity', wish.quantity)} {wish.symbol}) changed nothing"
        )
        self._journal.status_reported(first, wish.signal_id, text)

    # --------------------------------------------- cancels, amendments, status

    def _cancel(self, wish: Cancel) -> None:
        order, account = self._named(wish)
        refused = self._journal.cancel_rejected
        if order is None:
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, _unknown(wish))
        if isinstance(order, Remembered) or order.status in FINAL:
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.TOO_LATE, _too_late(order))
        if order.cancel_signal is not None:
            text = f"order_id: a cancel of order {order.order_id} is pending already"
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.ALREADY_PENDING, text)
        order.request_cancel(wish.signal_id)
        self._journal.cancel_requested(order, wish.signal_id)
        self._commands.cancel(order)
        return None

    def _replace(self, wish: Replace) -> None:
        order, account = self._named(wish)
        refused = self._journal.replace_rejected
        if order is None:
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, _unknown(wish))
        if isinstance(order, Remembered) or order.status in FINAL:
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.TOO_LATE, _too_late(order))
        draft = self._amended(wish, order)
        broken = rules.AMEND.first_broken(draft, self._state)
        if broken is not None:
            return refused(wish.signal_id, wish.account, order, broken.reason, broken.text)
        order.request_replace(Amendment(wish.signal_id, draft.lots, draft.ticks))
        self._journal.replace_requested(order)
        self._commands.replace(order)
        return None

    def _amended(self, wish: Replace, order: Order) -> Draft:
        """Return the order that an amendment would make; nothing is judged yet.

        Less quantity at the same price only takes risk away, so the quote, which may have moved since, does not hold
        it back: neither through the collar nor through the value of a sale.
        """
        draft, terms = Draft(), order.terms
        draft.ms, draft.order = self._journal.ms, order
        draft.account, draft.symbol, draft.buy = order.account, terms.symbol, order.side == "BUY"
        draft.order_type, draft.time_in_force = order.order_type, order.time_in_force
        draft.price = wish.price
        if wish.price is None:
            draft.ticks = order.price
        else:
            draft.on_tick, draft.ticks = _ticks(terms.price, wish.price)
        if wish.quantity is None:
            draft.lots, draft.quantity = order.quantity, terms.lot.text(order.quantity)
        else:
            draft.lots, draft.quantity = _lots(terms.lot, wish.quantity), wish.quantity
        draft.riskier = draft.ticks != order.price or draft.lots > order.quantity
        if self._find_limits(draft):
            quote = draft.quote
            draft.worth = draft.lots * (
                value_price(quote, draft.buy, draft.ticks) if draft.riskier else abs(draft.ticks)
            )
        draft.terms = terms
        return draft

    def _status(self, wish: Status) -> None:
        order, account = self._named(wish)
        if order is None:
            amends = wish.request == "ReplaceOrder"
            refused = self._journal.replace_rejected if amends else self._journal.cancel_rejected
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, _unknown(wish))
        text = f"signal_id: {wish.signal_id} came before; this is the state of the order it named"
        return self._journal.status_reported(order, wish.signal_id, text)

    def _named(self, wish: Cancel | Replace | Status) -> tuple[Order | Remembered | None, str]:
        """Return the account's order that a request names, and whose the answer is; another account's is as unknown.

        A request by order_id comes to the order's partition, which may be another than its account's. An account is in
        one partition's journal alone, so the answer is of the account that has the order.
        """
        state = self._state
        if wish.order_id is None:
            _, client = client_name(wish)
            assert client is not None, "decode() refuses a request that names nothing"
            return state.find_client(wish.account, client), wish.account
        order = state.find(int(wish.order_id))
        if order is None:
            return None, wish.account
        return (order if order.account == wish.account else None), order.account


def _ticks(scale: Scale, text: str) -> tuple[bool, int]:
    """Return whether a price is on the tick, and its ticks."""
    try:
        ticks = scale.units(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"price: {error}") from None
    return (False, 0) if ticks is None else (True, ticks)


def _lots(scale: Scale, text: str) -> int:
    """Return a quantity's lots, 0 when it is not on the lot."""
    try:
        lots = scale.units(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"quantity: {error}") from None
    if lots is not None and lots <= 0:
        raise BadEntry("bad_value", f"quantity: {text} must be above 0")
    return lots or 0


def _number(name: str, text: str) -> Decimal:
    try:
        return parse(text)
    except ValueError as error:
        raise BadEntry("bad_value", f"{name}: {error}") from None


def _symbol_and_quantity(order: Order | Remembered) -> tuple[str, str]:
    if isinstance(order, Remembered):
        return order.symbol, order.quantity
    return order.terms.symbol, order.terms.lot.text(order.quantity)


def _too_late(order: Order | Remembered) -> str:
    return f"order_id: order {order.order_id} is {order.status} already"


def _unknown(wish: Cancel | Replace | Status) -> str:
    if wish.order_id is not None:
        return f"order_id: account {wish.account} has no order {wish.order_id}, or it was forgotten"
    name, client = client_name(wish)
    return f"{name}: account {wish.account} has no order {client}, or it was forgotten"
