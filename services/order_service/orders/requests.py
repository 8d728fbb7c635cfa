"""What is asked of the orders stage: new orders, cancels, amendments, and how an order stands.

Flows in: typed instructions. Flows out: one event each, and the command that the venue gets. Never judges by itself:
what must hold is a list in `rules`, and what may happen to an order next stands in `order`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import (
    AUCTION_TIMES,
    EMULATED_TYPES,
    PRICELESS,
    CancelReason,
    CancelRejectReason,
    OrderType,
    RejectReason,
    TimeInForce,
)
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.values.money import multiply, plain
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.answering import (
    number_in,
    size_text,
    ticks_in,
    too_late_text,
    unknown_text,
    used_text,
)
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.compiled import MONEY_DECIMALS, MONEY_UNIT
from fillstream.services.order_service.orders.config import day_end
from fillstream.services.order_service.orders.control.breakers import Breakers
from fillstream.services.order_service.orders.decode import client_name
from fillstream.services.order_service.orders.groups.closing import Closing
from fillstream.services.order_service.orders.groups.lists import Lists, Taker
from fillstream.services.order_service.orders.holding.charging import estimate
from fillstream.services.order_service.orders.holding.closing import lots_in
from fillstream.services.order_service.orders.holding.hedged import name_its_own
from fillstream.services.order_service.orders.holding.valuation import equity_of
from fillstream.services.order_service.orders.instructions import (
    Cancel,
    CancelList,
    Close,
    Exit,
    New,
    NewList,
    Pause,
    Prediction,
    Refused,
    Replace,
    Resume,
    Status,
)
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, FOR_PRICE, WORKED, Order
from fillstream.services.order_service.orders.life.parts import Amendment
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.life.special import (
    Special,
    compiled,
    entry_price,
    lots_for,
    trailed,
    units,
    widest,
)
from fillstream.services.order_service.orders.life.timing import effective_ms, expiry_ms
from fillstream.services.order_service.orders.parents.requests import FamilyRequests
from fillstream.services.order_service.orders.positioning import positioning
from fillstream.services.order_service.orders.rules import Draft, Reject
from fillstream.services.order_service.orders.rules.market import by_last, protection_price, value_price, worth_of
from fillstream.services.order_service.orders.state import EXPIRY, State
from fillstream.services.order_service.orders.waiting.desk import Desk

_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_MARKET_TO_LIMIT = OrderType.MARKET_TO_LIMIT.value
_IOC, _FOK, _DAY = TimeInForce.IOC.value, TimeInForce.FOK.value, TimeInForce.DAY.value

_OF_MARKET = AUCTION_TIMES | {_FOK}
"""Times in force that a market order may have; with any other it is IOC."""
_NOTHING_SPECIAL = SpecialTerms()

_NO_ORDER_NAMED = frozenset(
    ("ClosePosition", "CancelAll", "Prediction", "NewOrderList", "CancelOrderList", "ProtectPosition",
     "CancelProtection", "SetTarget", "CancelTarget")
)  # fmt: skip
"""Signals that name no order, of which one may have come."""
_ONE = {each.value: each.value for each in (*OrderType, *TimeInForce)}
"""The one text of a code that all orders share."""


class Requests:
    """The part of the fold that takes instructions.

    Args:
        state: changed by what is taken.
        journal, commands: where the answer and what the venue must do go.
        breakers: are looked at, and count.
        desk: holds what is not to go to a venue yet.
        families: takes what orders are beside themselves.
        closing: closes what brackets protect.
        topology: says whose partition an account is.
        partition: of the accounts.
    """

    __slots__ = (
        "_breakers",
        "_commands",
        "_desk",
        "_families",
        "_journal",
        "_of_positions",
        "_partition",
        "_state",
        "_topology",
    )  # fmt: skip

    def __init__(
        self,
        state: State,
        journal: Journal,
        commands: Commands,
        desk: Desk,
        breakers: Breakers,
        families: FamilyRequests,
        closing: Closing,
        topology: Topology,
        partition: int,
    ) -> None:
        self._families = families
        self._of_positions = positioning(
            state, journal, closing, self._new, self._cancel, self._find_limits, self._full
        )
        families.named = self._named
        self._breakers = breakers
        self._desk = desk
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
        return {
            New: self._new,
            Cancel: self._cancel,
            Replace: self._replace,
            **self._of_positions,
            Prediction: self._journal.prediction_received,
            Refused: self._refused,
            Status: self._status,
            Pause: self._families.pause,
            Resume: self._families.pause,
            NewList: self._new_list,
            CancelList: self._families.cancel_list,
        }

    # -------------------------------------------------------------- new orders

    def _new(self, wish: New) -> None:
        state = self._state
        known = state.clients.get(wish.account)
        if state.remembered.count or (known is not None and wish.client_order_id in known):
            first = state.find_client(wish.account, wish.client_order_id)
            if first is not None:
                return self._repeat(wish, first)
        if state.counter - state.forgotten >= state.capacity:  # `has_room`, without a call
            return self._full("NewOrder", wish)
        # What follows is `_judged`, `_taken`, `_tell` and `_go`, without their calls: it is done for every order.
        draft = self._draft(wish)
        if draft.symbol_known and draft.limits.breaks:
            self._breakers.look(draft, wish.strategy)
        broken = draft.broken or rules.NEW.first_broken(draft, state)
        if broken is not None:
            return self._refuse(wish, draft, broken)
        limits, order = draft.limits, self._made(wish, draft)
        if wish.special is not None or limits.routes:
            self._families.take(order, wish.special or _NOTHING_SPECIAL, draft)
        state.add(order)
        self._journal.received(order, wish.special, None if draft.terms.fees is None else self._fee(draft, order))
        if draft.breakers:
            self._breakers.took(order, draft)
        if order.special is not None or limits.approves or limits.routes or limits.paces:
            return self._go(draft, order)
        self._commands.new(order)
        if order.expiry_ms and order.time_in_force in order.terms.ended_here:
            state.timers.add(order.expiry_ms, order.order_id, EXPIRY)
        return None

    def _judged(self, wish: New) -> Draft:
        """Return the order that is asked for; `broken` says why it is refused."""
        draft = self._draft(wish)
        if draft.symbol_known and draft.limits.breaks:
            self._breakers.look(draft, wish.strategy)
        draft.broken = draft.broken or rules.NEW.first_broken(draft, self._state)
        return draft

    def _taken(self, wish: New, draft: Draft) -> Order:
        """Return the order of a draft, with what it is beside itself noted; the state has it not yet."""
        order = self._made(wish, draft)
        if wish.special is not None or draft.limits.routes:
            self._families.take(order, wish.special or _NOTHING_SPECIAL, draft)
        return order

    def _tell(self, wish: New, draft: Draft, order: Order) -> None:
        """Tell that an order was received."""
        self._journal.received(order, wish.special, None if draft.terms.fees is None else self._fee(draft, order))
        if draft.breakers:
            self._breakers.took(order, draft)

    def _go(self, draft: Draft, order: Order) -> None:
        """Let an order that was taken go: to a person, into the desk, to its children, or to its venue."""
        if draft.limits.approves and self._desk.asks(order, draft):
            return
        if order.special is not None and (self._desk.holds(order) or self._families.begins(order)):
            return
        if draft.limits.routes and self._families.begins(order):
            return
        if draft.limits.paces and self._desk.paces(order):
            return
        self._commands.new(order)
        if order.expiry_ms and order.time_in_force in order.terms.ended_here:
            self._state.timers.add(order.expiry_ms, order.order_id, EXPIRY)

    def _known(self, wish: New) -> bool:
        """Whether a client_order_id was used before; then that is answered."""
        first = self._state.find_client(wish.account, wish.client_order_id)
        if first is not None:
            self._repeat(wish, first)
        return first is not None

    def _new_list(self, wish: NewList) -> None:
        if self._state.counter + len(wish.orders) - self._state.forgotten > self._state.capacity:
            return self._full("NewOrderList", wish)
        taker = Taker(self._judged, self._taken, self._tell, self._go, self._refuse, self._known)
        return Lists(self._state, self._journal, self._desk, taker).take(wish)

    def _fee(self, draft: Draft, order: Order) -> str:
        """Return what an order costs that trades whole, at the price it is valued at, as taker if it may take."""
        state, terms = self._state, draft.terms
        assert terms.fees is not None, "the caller looked"
        tier = state.traded.tier(terms.fees, order.account, terms, draft.ms)
        maker = order.special is not None and bool(order.special.post_only)
        age_ms = state.config.max_quote_age_ms
        return estimate(terms, state.holdings, tier, draft.worth, draft.lots, maker, draft.ms, age_ms)

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
        draft.time_in_force = _IOC if kind == _MARKET and tif not in _OF_MARKET else tif
        draft.said = wish.special
        if wish.strategy is not None:
            draft.strategy = wish.strategy
        if wish.links is not None:
            draft.position_id = wish.links.position_id
        if not self._find_limits(draft):
            return draft
        if wish.special is not None or tif in AUCTION_TIMES:
            return self._special_draft(draft, wish, wish.special or _NOTHING_SPECIAL)
        terms, quote = draft.terms, draft.quote
        assert wish.quantity is not None, "decode() refuses a plain order without one"
        draft.lots = lots_in(terms.lot, wish.quantity)
        if kind in PRICELESS:
            bound = protection_price(draft.limits, quote, draft.buy)
            if bound is None:
                draft.bounded = False
            else:
                draft.ticks = bound
        elif wish.price is not None:
            draft.on_tick, draft.ticks = ticks_in(terms.price, wish.price)
        draft.worth = value_price(quote, draft.buy, draft.ticks) * draft.lots
        if terms.inverse is not None:
            draft.worth = worth_of(terms, quote, draft.buy, draft.ticks, draft.lots)
        if draft.limits.self_trade is not None:
            draft.special = Special(self_trade=draft.limits.self_trade)
        return draft

    def _special_draft(self, draft: Draft, wish: New, said: SpecialTerms) -> Draft:
        """Return the draft of an order that is not plain; what its own rules refuse is `broken`."""
        if said.venue is not None and said.venue != draft.terms.venue and said.venue in self._state.venues:
            limits = self._state.limits_at(said.venue, draft.account, draft.limits.account, draft.symbol)
            draft.limits, draft.terms, draft.quote = limits, limits.terms, limits.quote
        draft.said = said
        terms, quote, kind = draft.terms, draft.quote, draft.order_type
        if said.algorithm is not None or said.routing is not None or said.venues is not None:
            # Its slices trade at once, and it works until it is done.
            draft.time_in_force = wish.time_in_force or self._state.config.default_time_in_force.value
        ticks = None
        if wish.price is not None:
            draft.on_tick, ticks = ticks_in(terms.price, wish.price)
            ticks = ticks if draft.on_tick else None
        stop = units(terms.price, said.stop_price)
        draft.entry = entry_price(kind, ticks, stop, quote, draft.buy)
        draft.sized = self._sized(draft, said)
        draft.broken = rules.SPECIAL.first_broken(draft, self._state)
        if draft.broken is not None:
            return draft
        if not draft.on_tick and wish.quantity is None:  # there is no size then that other rules could judge
            draft.broken = rules.ON_TICK.first_broken(draft, self._state)
            return draft
        special = compiled(said, terms, wish.signal_time, draft.limits.self_trade)
        if kind in terms.lacks and kind in EMULATED_TYPES:
            special = special._replace(emulated=True)
        if terms.hours is not None:
            tif, given = draft.time_in_force, special.effective_ms
            special = special._replace(effective_ms=effective_ms(terms.hours, said, kind, tif, draft.ms, given))
        draft.special = special
        if wish.quantity is not None:
            draft.lots = lots_in(terms.lot, wish.quantity)
        else:
            assert draft.entry is not None and draft.sized is not None, "rules see to it"
            draft.lots = lots_for(draft.sized, terms, draft.entry)
            draft.quantity = terms.lot.text(draft.lots)
        valued = ticks
        if kind in (_MARKET, _MARKET_TO_LIMIT):
            reach = draft.limits.exits if special.reduce_only else draft.limits
            bound, valued = (protection_price(each, quote, draft.buy) for each in (reach, draft.limits))
            if bound is None and (terms.calendar is not None or special.reduce_only):  # nobody quotes: it is closed
                bound = by_last(reach, quote, draft.buy)
                valued = by_last(draft.limits, quote, draft.buy)
            draft.bounded, draft.ticks = bound is not None, bound or 0
        elif ticks is not None:
            draft.ticks = ticks
        elif kind in PRICELESS:
            draft.ticks, valued = widest(draft.buy), draft.entry
            draft.bounded = valued is not None
            if special.offset is not None and valued is not None:
                valued = trailed(valued, special, draft.buy)
        draft.worth = worth_of(terms, quote, draft.buy, valued or 0, draft.lots)
        if special.reduce_only:
            self._state.count_working(draft.limits.name)
        draft.broken = rules.SHOWN.first_broken(draft, self._state)
        return draft

    def _sized(self, draft: Draft, said: SpecialTerms) -> SpecialTerms | None:
        """Return what was said, a share of equity as the money it is now, rounded down; None where nobody knows it."""
        draft.lots = 0
        if said.equity_percent is None and said.risk_percent is None:
            return said
        self._state.holdings.start_marking()
        equity = equity_of(draft, self._state.holdings)
        if equity is None:
            return None
        percent = said.equity_percent if said.risk_percent is None else said.risk_percent
        assert percent is not None, "one of both is there"
        units = max(0, floor(equity * Fraction(percent) * 10**MONEY_DECIMALS / 100))
        name = "notional" if said.risk_percent is None else "risk_amount"
        return said.model_copy(update={name: multiply(Decimal(units), MONEY_UNIT)})

    def _find_limits(self, draft: Draft) -> bool:
        """Put into the draft what the account may do in the instrument; False unless both are configured here."""
        state = self._state
        limits = state.limits(draft.account, draft.symbol)
        if limits is not None:
            if draft.order is not None and draft.order.venue != limits.terms.venue:
                limits = state.limits_at(draft.order.venue, draft.account, limits.account, draft.symbol)
            draft.limits, draft.terms, draft.quote = limits, limits.terms, limits.quote
            return True
        draft.account_known = self._find_account(draft.account)
        draft.symbol_known = False
        return False

    def _find_account(self, account: str) -> bool:
        """Say whether an account is configured here; one that is another partition's raises BadEntry."""
        if self._state.knows(account):
            return True
        owner = self._topology.account_partition(account)
        if owner != self._partition:
            raise BadEntry("wrong_partition", f"account: {account} is of partition {owner}, this is {self._partition}")
        return False

    def _made(self, wish: New, draft: Draft) -> Order:
        """Return the order of a draft that no rule refuses."""
        client_order_id, strategy = wish.client_order_id, wish.strategy
        order = Order(
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
            0 if draft.time_in_force != _DAY else self._day_end(draft),
            wish.links,
            draft.terms.venue,
        )
        order.holding = draft.limits.holding
        if order.holding.hedged is not None:
            name_its_own(order)
        if draft.special is not None:
            order.special = draft.special
            order.expiry_ms = self._special_expiry(draft, draft.special)
        return order

    def _day_end(self, draft: Draft) -> int:
        """Return when the day of an order ends: that of its instrument's session."""
        if draft.terms.calendar is None:
            return day_end(draft.ms)
        return expiry_ms(draft.terms, draft.order_type, _DAY, draft.ms, False)

    def _special_expiry(self, draft: Draft, special: Special) -> int:
        """Return when the time in force of an order ends that is not plain."""
        if draft.said is not None and draft.said.expire_time:
            return draft.said.expire_time
        goes = max(draft.ms, special.effective_ms) if draft.terms.calendar is not None else draft.ms
        return expiry_ms(draft.terms, draft.order_type, draft.time_in_force, goes, goes > draft.ms)

    def _refuse(self, wish: New, draft: Draft, broken: Reject) -> None:
        state = self._state
        quantity = number_in("quantity", draft.quantity or "0")  # 0 of a size in money that was never counted
        if wish.quantity is not None and quantity <= 0:
            raise BadEntry("bad_value", f"quantity: {wish.quantity} must be above 0")
        price = None if wish.price is None else plain(number_in("price", wish.price))
        order_id = state.refuse(wish.account, wish.client_order_id, wish.symbol, wish.side, draft.ms)
        assert isinstance(broken.reason, RejectReason), "rules of new orders refuse orders"
        self._journal.refused(
            order_id, wish, plain(quantity), draft.order_type, draft.time_in_force, price, broken.reason, broken.text
        )
        if draft.breakers:
            self._breakers.refused(draft.breakers, broken.reason)

    def _repeat(self, wish: New, first: Order | Remembered) -> None:
        """Answer a client_order_id that was used before; what it asks for now is not looked at."""
        asked = f"{wish.side} {size_text(wish)} {wish.symbol}"
        text = f"{used_text(wish.client_order_id, first)}; this signal ({asked}) changed nothing"
        self._journal.status_reported(first, wish.account, wish.signal_id, text)

    def _full(self, signal: str, wish: New | Close | Exit | NewList) -> None:
        """Refuse an order that could not be remembered for as long as it has to be: a second one would be taken."""
        hours = self._state.config.idempotency_ms // 3_600_000
        taken = wish.list_id if isinstance(wish, NewList) else wish.client_order_id
        text = (
            f"client_order_id: {self._state.capacity} orders came to this partition in {hours} hours, the most that "
            f"can be remembered; {taken} is taken when the oldest has gone"
        )
        self._journal.signal_refused(signal, wish.signal_id, wish.account, RejectReason.TOO_MANY_IDS, text)

    def _refused(self, wish: Refused) -> None:
        """Tell an account of a signal that the signals stage could make no instruction of."""
        self._find_account(wish.account)
        self._journal.signal_refused(wish.request, wish.signal_id, wish.account, wish.reason, wish.text, wish.entry_id)

    # --------------------------------------------- cancels, amendments, status

    def _cancel(self, wish: Cancel) -> None:
        order, account = self._named(wish)
        refused = self._journal.cancel_rejected
        if order is None:
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, unknown_text(wish))
        if isinstance(order, Remembered) or order.status in FINAL:
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.TOO_LATE, too_late_text(order))
        if order.cancel_signal is not None:
            text = f"order_id: a cancel of order {order.order_id} is pending already"
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.ALREADY_PENDING, text)
        order.request_cancel(wish.signal_id)
        self._journal.cancel_requested(order, wish.signal_id)
        if order.is_held:
            text = "canceled as requested" + ("" if order.held == WORKED else ", before it went to a venue")
            return self._desk.cancel(order, CancelReason.REQUESTED, text)
        self._commands.cancel(order)
        return None

    def _replace(self, wish: Replace) -> None:
        order, account = self._named(wish)
        refused = self._journal.replace_rejected
        if order is None:
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, unknown_text(wish))
        if isinstance(order, Order) and self._families.amends(wish, order):
            return None
        if isinstance(order, Remembered) or order.status in FINAL:
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.TOO_LATE, too_late_text(order))
        parent_id = self._families.works_for(order)
        if parent_id is not None:  # as large as it was amended it could trade more than its parent has left
            text = f"order_id: order {order.order_id} works for order {parent_id}, which says how: amend that one"
            return refused(wish.signal_id, wish.account, order, CancelRejectReason.OF_PARENT, text)
        draft = self._amended(wish, order)
        broken = rules.AMEND.first_broken(draft, self._state)
        if broken is None and draft.said is not None:
            broken = rules.STOP.first_broken(draft, self._state)
        if broken is not None:
            return refused(wish.signal_id, wish.account, order, broken.reason, broken.text)
        stop = None if draft.said is None else units(order.terms.price, draft.said.stop_price)
        price = draft.ticks if order.priced else order.price
        order.request_replace(Amendment(wish.signal_id, draft.lots, price, stop))
        self._journal.replace_requested(order)
        if order.is_held:
            return self._desk.replace(order)
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
        draft.price, draft.said, draft.strategy = wish.price, wish.special, order.strategy
        draft.position_id = None if order.links is None else order.links.position_id
        if wish.price is None:
            draft.ticks = order.price if order.priced else self._waits_at(order)
        else:
            draft.on_tick, draft.ticks = ticks_in(terms.price, wish.price)
        if wish.quantity is None:
            draft.lots, draft.quantity = order.quantity, terms.lot.text(order.quantity)
        else:
            draft.lots, draft.quantity = lots_in(terms.lot, wish.quantity), wish.quantity
        draft.riskier = (
            (wish.price is not None and draft.ticks != order.price)
            or draft.lots > order.quantity
            or wish.special is not None
        )
        if self._find_limits(draft):
            quote = draft.quote
            draft.worth = terms.worth(draft.ticks, draft.lots)
            if draft.riskier:
                draft.worth = worth_of(terms, quote, draft.buy, draft.ticks, draft.lots)
        draft.terms = terms
        return draft

    def _waits_at(self, order: Order) -> int:
        """Return the price (ticks) that an order without a limit is valued at: the one it waits for, or it got."""
        special = order.special
        if special is None or (order.came and not order.is_held):
            return order.price
        if special.offset is None:
            return order.price if special.stop is None else special.stop
        stop = self._state.triggers.stop_of(order) if order.held == FOR_PRICE else special.stop
        if stop is not None:
            return stop
        quote, buy = self._state.quotes[order.venue][order.terms.id], order.side == "BUY"
        seen = entry_price(order.order_type, None, None, quote, buy)
        return 0 if seen is None else trailed(seen, special, buy)

    def _status(self, wish: Status) -> None:
        order, account = self._named(wish)
        if order is None and wish.request in _NO_ORDER_NAMED:
            text = f"signal_id: {wish.signal_id} came before, and no order came of it"
            return self._journal.signal_refused(
                wish.request, wish.signal_id, account, RejectReason.DUPLICATE_SIGNAL, text
            )
        if order is None:
            amends = wish.request == "ReplaceOrder"
            refused = self._journal.replace_rejected if amends else self._journal.cancel_rejected
            return refused(wish.signal_id, account, None, CancelRejectReason.UNKNOWN_ORDER, unknown_text(wish))
        text = f"signal_id: {wish.signal_id} came before; this is the state of the order it named"
        return self._journal.status_reported(order, account, wish.signal_id, text)

    def _named(self, wish: Cancel | Replace | Status | Pause | Resume) -> tuple[Order | Remembered | None, str]:
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
        return (order if order.account == wish.account else None), order.account or wish.account
