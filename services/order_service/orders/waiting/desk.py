"""Orders that the desk holds before a venue knows them: until a person's yes, a time, a price or their turn has come.

Flows in: new orders, a market that moved, timers. Flows out: events, and the command once an order goes to its venue.
Judges an order again only by the market: a bound where it has none, the collar of one that waited for a time or a turn.

What is held is Suspended (FIX 39=9): it counts and can be amended and canceled, both at once, since nobody else has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from fillstream.libs.common.messages.codes import (
    AUCTION_TIMES,
    CancelReason,
    OrderType,
    TimeInForce,
    TradingSession,
    TriggerPrice,
)
from fillstream.libs.common.messages.reference import AccountTerms
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.services.order_service.orders import rules
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.compiled import Limits
from fillstream.services.order_service.orders.control.breakers import arrival_of
from fillstream.services.order_service.orders.control.standing import ACTIVE, HALTED, Standing
from fillstream.services.order_service.orders.holding.hedged import held_for
from fillstream.services.order_service.orders.holding.holdings import Holding, waits_at
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import (
    FOR_APPROVAL,
    FOR_OTHERS,
    FOR_PRICE,
    FOR_RATE,
    FOR_TIME,
    WORKED,
    Order,
)
from fillstream.services.order_service.orders.life.special import widest
from fillstream.services.order_service.orders.life.timing import expiry_ms, rests
from fillstream.services.order_service.orders.parents.work import Work
from fillstream.services.order_service.orders.rules import Draft
from fillstream.services.order_service.orders.rules.market import protection_price, worth_of
from fillstream.services.order_service.orders.state import APPROVAL, EXPIRY, RATE, RELEASE, TOUCH, State
from fillstream.services.order_service.orders.waiting.triggers import MARKS, half_ticks, waits_for_rise

MOST_RELEASED = MOST_OUTPUTS // 4
"""At most so many orders go at one entry, an event and a command each; the others at the next, which comes at once."""
QUOTE_AGAIN_MS = 250
"""An order that waits for the first quote of a session looks for it so often."""
_DAY, _MARK = TimeInForce.DAY.value, TriggerPrice.MARK.value
_CONTINUOUS = TradingSession.CONTINUOUS.value
_STOPS = frozenset((OrderType.STOP.value, OrderType.STOP_LIMIT.value, OrderType.TRAILING_STOP.value))
_MARKET_TYPES = frozenset((OrderType.MARKET.value, OrderType.MARKET_TO_LIMIT.value))


def is_protective(order: Order) -> bool:
    """Say whether an order only closes what its account holds: reduce-only, or a stop on the other side."""
    return is_stop_loss(order) or (_is_against(order) and order.special is not None and order.special.reduce_only)


def is_stop_loss(order: Order) -> bool:
    """Say whether an order is a stop on the other side of what its account holds."""
    return order.order_type in _STOPS and _is_against(order)


def _is_against(order: Order) -> bool:
    held = held_for(order)
    return held.quantity > 0 if order.side == "SELL" else held.quantity < 0


class Works(Protocol):
    """What works orders: see `parents.runner`."""

    def begin(self, order: Order, work: Work) -> None:
        """Let an order be worked from now on."""
        ...

    def stop(self, order: Order, reason: CancelReason | None, why: str) -> None:
        """Let an order end once its children are off; without a reason it expires."""
        ...

    def replace(self, order: Order) -> None:
        """Let the pending amendment of an order take effect."""
        ...

    def moved(self, venue: str, instrument: int) -> None:
        """Note whom a market that moved concerns."""
        ...


class Desk:
    """The part of the fold that holds orders.

    Args:
        state: whose orders they are.
        journal, commands: where what becomes of them goes.

    Attributes:
        works: works orders; set by whoever makes it, since it goes through this.
        hits: takes over an order of a family whose price has come, and says so; likewise.
    """

    __slots__ = ("_commands", "_journal", "_state", "hits", "works")

    works: Works
    hits: Callable[[Order], bool]

    def __init__(self, state: State, journal: Journal, commands: Commands) -> None:
        self._state = state
        self._journal = journal
        self._commands = commands

    # --------------------------------------------------------------- approval

    def asks(self, order: Order, draft: Draft) -> bool:
        """Hold a new order that a person is to approve; False of any other."""
        limits = draft.limits
        if not limits.needs_approval(draft.worth, order.strategy):
            return False
        self._hold(order, FOR_APPROVAL, self._asked_until(order, limits))
        return True

    def asks_now(self, order: Order) -> bool:
        """Hold an order that waited for another of its list, and that a person is to approve; False of any other."""
        limits = self._limits(order)
        if not limits.approves:
            return False
        price = order.price if order.priced else waits_at(order.special, order.price)
        worth = worth_of(limits.terms, limits.quote, order.side == "BUY", price, order.quantity)
        if not limits.needs_approval(worth, order.strategy):
            return False
        order.held = FOR_APPROVAL
        self._journal.suspended(order, self._asked_until(order, limits))
        return True

    def _asked_until(self, order: Order, limits: Limits) -> int:
        """Return until when a person is asked; then a timer cancels the order."""
        until = self._journal.ms + limits.account.approval_timeout_ms
        self._state.timers.add(until, order.order_id, APPROVAL)
        return until

    def approve(self, order: Order) -> None:
        """Let an order go on that waited for a person's yes: it goes, or waits for its time or price from now on."""
        self._state.timers.cancel(order.order_id, APPROVAL)
        special = order.special
        if special is not None and special.effective_ms > self._journal.ms:
            order.held = FOR_TIME
            self._journal.suspended(order)
            self._state.timers.add(special.effective_ms, order.order_id, RELEASE)
        else:
            order.held = FOR_TIME
            self.time_came(order)

    # ---------------------------------------------------------------- holding

    def holds(self, order: Order) -> bool:
        """Hold a new order that is not to go to its venue at once; False of any other."""
        special = order.special
        assert special is not None, "a plain order goes at once"
        if special.effective_ms > self._journal.ms:
            self._hold(order, FOR_TIME)
            self._state.timers.add(special.effective_ms, order.order_id, RELEASE)
            return True
        if special.needs_desk(order.order_type):
            self._wait_for_price(order)
            return True
        return False

    def _hold(self, order: Order, what: str, approval_ms: int | None = None) -> None:
        order.hold(what)
        self._journal.suspended(order, approval_ms)
        if order.expiry_ms:
            self._state.timers.add(order.expiry_ms, order.order_id, EXPIRY)

    def _wait_for_price(self, order: Order, best: int | None = None) -> None:
        """Let an order wait for its price; one that trails may have seen a `best` one (ticks) before."""
        special, quote = order.special, self._state.quotes[order.venue][order.terms.id]
        assert special is not None, "it waits for a price"
        if special.trigger == _MARK:
            self._state.holdings.start_marking()
        price = half_ticks(quote, special.trigger, order.side == "BUY", self._mark(order.terms.symbol))
        comes = self._has_come(order, price)
        if not comes:
            self._state.triggers.arm(order, price, best)
        if order.held is None:
            self._hold(order, FOR_PRICE)
        else:
            order.held = FOR_PRICE
        if comes:
            self._release(order)

    def _has_come(self, order: Order, price: int | None) -> bool:
        """Whether the price (half ticks) that an order waits for is there already, in a market that trades.

        One that trails waits for a price that is worse than today's.
        """
        special, quote = order.special, self._state.quotes[order.venue][order.terms.id]
        if price is None or quote.session != _CONTINUOUS or special is None or special.stop is None:
            return False
        return price >= 2 * special.stop if waits_for_rise(order) else price <= 2 * special.stop

    def _mark(self, symbol: str) -> int | None:
        return self._state.holdings.instruments[symbol].mark

    # -------------------------------------------------------------- releasing

    def marked(self, instrument: int) -> int:
        """Let go of what an instrument's mark has reached, as the journal just told it; return how many that were."""
        return sum(self.moved(MARKS + venue, instrument) for venue in self._state.venues)

    def moved(self, market: str, instrument: int) -> int:
        """Let go of what a market that moved has reached; return how many orders that were.

        Args:
            market: a venue, or MARKS and a venue: of orders there that wait for the mark.
            instrument: its number.
        """
        state = self._state
        quote = state.quotes[market.removeprefix(MARKS)][instrument]
        if quote.session != _CONTINUOUS:
            return 0
        mark = self._mark(state.symbols[instrument])
        reached = state.triggers.reached(market, instrument, quote, MOST_RELEASED, mark)
        for order_id, stop in reached:
            order = state.orders[order_id]
            assert isinstance(order, Order), "an order that waits is in the state"
            self._release(order, stop)
        if len(reached) == MOST_RELEASED:
            state.timers.add(self._journal.ms, instrument, TOUCH + market)
        return len(reached)

    def time_came(self, order: Order) -> None:
        """An order's time has come: it goes, or waits for its price from now on."""
        if order.held != FOR_TIME or self._waits_longer(order):
            return
        if order.special is not None and order.special.needs_desk(order.order_type):
            self._wait_for_price(order)
            return
        terms = self._state.terms_of(order.account)
        if self._must_wait(order, terms):
            self._queue(order, terms)
        else:
            self._judged(order)

    def _waits_longer(self, order: Order) -> bool:
        """Whether an order waits on: for its time, which calendars may have looked at too early, or for a session.

        One that is to trade at once waits for the market's first quote as well: what was quoted before the close
        stands no more. Its time in force ends with that session.
        """
        ms, terms, special, timers = self._journal.ms, order.terms, order.special, self._state.timers
        if special is not None and special.effective_ms > ms:
            timers.add(special.effective_ms, order.order_id, RELEASE)
            return True
        if terms.calendar is None or (special is not None and special.needs_desk(order.order_type)):
            return False
        if order.expiry_ms and ms >= order.expiry_ms:
            return True  # too late, and its timer knows it
        if order.time_in_force in AUCTION_TIMES:
            return False
        goes = None if terms.hours is None else terms.hours.takes_from(ms, rests(order.order_type, order.time_in_force))
        if goes != ms:
            if goes is not None:  # else the next calendars know it
                timers.add(goes, order.order_id, RELEASE)
                self._journal.suspended(order, session_ms=goes)
                if order.time_in_force == _DAY:  # calendars may have moved the session
                    order.expiry_ms = expiry_ms(terms, order.order_type, _DAY, goes, False)
                    timers.add(order.expiry_ms, order.order_id, EXPIRY)
            return True
        quote = self._state.quotes[order.venue][terms.id]
        if order.order_type in _MARKET_TYPES and not (quote.ask_qty if order.side == "BUY" else quote.bid_qty):
            timers.add(ms + QUOTE_AGAIN_MS, order.order_id, RELEASE)
            return True
        return False

    def _broken_now(self, order: Order) -> str | None:
        """Return why the market does not let an order go now that was judged when it came; None where it does."""
        if order.time_in_force in AUCTION_TIMES:  # the auction makes its own price
            return None
        draft = Draft()
        draft.ms, draft.account, draft.symbol = self._journal.ms, order.account, order.terms.symbol
        draft.buy, draft.order_type, draft.time_in_force = order.side == "BUY", order.order_type, order.time_in_force
        draft.limits = limits = self._limits(order)
        draft.special = order.special
        draft.terms, draft.quote, draft.ticks, draft.lots = limits.terms, limits.quote, order.price, order.quantity
        broken = rules.RELEASED.first_broken(draft, self._state)
        return None if broken is None else broken.text

    def _limits(self, order: Order) -> Limits:
        state = self._state
        return state.limits_at(order.venue, order.account, state.terms_of(order.account), order.terms.symbol)

    # ------------------------------------------------------------------ turns

    def paces(self, order: Order) -> bool:
        """Hold a new order until it is its turn; False of one that goes now, which counts."""
        terms = self._state.terms_of(order.account)
        if self._must_wait(order, terms):
            self._queue(order, terms)
            return True
        self._state.pacing.went(order.account_id, terms, self._journal.ms)
        return False

    def _must_wait(self, order: Order, terms: AccountTerms) -> bool:
        """Whether an order has to wait for its turn. What only closes a position never does."""
        if order.order_id in self._state.families.works:
            return False  # its children wait
        if terms.rate_limit_orders is None or not self._state.pacing.must_wait(
            order.account_id, terms, self._journal.ms
        ):
            return False
        return not ((order.special is not None and order.special.reduce_only) or is_protective(order))

    def _queue(self, order: Order, terms: AccountTerms) -> None:
        state, number = self._state, order.account_id
        if order.held is None:
            order.hold(FOR_RATE)
        else:
            order.queue()
        pace = state.pacing.wait(number, order.order_id)
        before = len(pace.waiting) - 1
        text = (
            f"rate_limit_orders: at most {terms.rate_limit_orders} orders of {order.account} go to venues in "
            f"{terms.rate_limit_window_ms} ms; it waits for its turn, {before} before it"
        )
        self._journal.queued(order, text)
        if order.expiry_ms:
            state.timers.add(order.expiry_ms, order.order_id, EXPIRY)
        if not before:
            state.timers.add(max(self._journal.ms, pace.free_ms(terms)), number, RATE)

    def turns(self, number: int) -> int:
        """Let go of those of an account whose turn it is; return how many. A timer goes on with the others."""
        state, ms = self._state, self._journal.ms
        pace, gone = state.pacing.of.get(number), 0
        while pace is not None and pace.waiting:
            order = state.orders[next(iter(pace.waiting))]
            free_ms = pace.free_ms(state.terms_of(order.account))
            if free_ms > ms or gone == MOST_RELEASED:
                state.timers.add(max(free_ms, ms), number, RATE)
                break
            pace.waiting.popitem(last=False)
            self._turn_came(order)
            gone += 1
        return gone

    def terms_changed(self, account: str) -> None:
        """An account's rate may be another now: who waits is looked at again, at once."""
        state = self._state
        number = state.accounts[account].id
        pace = state.pacing.of.get(number)
        if pace is None:
            return
        if pace.waiting:
            state.timers.add(self._journal.ms, number, RATE)
        elif state.terms_of(account).rate_limit_orders is None:
            del state.pacing.of[number]

    def _turn_came(self, order: Order) -> None:
        if order.special is not None and order.special.needs_desk(order.order_type):
            return self.send(order)  # its price had come, and that is enough
        order.held = FOR_TIME  # its session may have ended meanwhile
        if not self._waits_longer(order):
            self._judged(order)
        return None

    def _judged(self, order: Order) -> None:
        broken = self._broken_now(order)
        if broken is None:
            self.send(order)
        else:
            self.cancel(order, CancelReason.NOT_RELEASED, broken)

    def _release(self, order: Order, stop: int | None = None) -> None:
        """Let an order go whose price has come, or wait for its turn; of one that trails, its `stop` (ticks)."""
        if stop is not None and order.special is not None:
            order.special = order.special._replace(stop=stop)
        if order.links is not None and order.links.in_family and self.hits(order):
            return
        self.go(order)

    def go(self, order: Order) -> None:
        """Let an order go that nothing holds back any more, or wait for its turn."""
        terms = self._state.terms_of(order.account)
        if self._must_wait(order, terms):
            self._queue(order, terms)
        else:
            self.send(order)

    def send(self, order: Order) -> None:
        """Let an order go now that nothing holds it back; where its account may not, it ends."""
        assert order.holding is not None, "it was taken"
        standing = order.holding.account.standing
        if standing.state != ACTIVE.state and not self._may_go(order, order.holding, standing):
            text = f"account: {order.account} is {standing.state}, or the whole desk, now that the order could go"
            self._forget_times(order)  # and nothing else: no order is armed whose price has come
            order.cancel_by(requested=True)
            return self._journal.canceled(order, CancelReason.TRADING_HALTED, text)
        work = self._state.families.works.get(order.order_id)
        if work is not None:
            return self.works.begin(order, work)
        if order.arrival is not None and order.held != FOR_PRICE:  # what it meets is the market of now
            order.arrival = arrival_of(order, self._state.quotes[order.venue][order.terms.id])
        order.release(self._bound(order))
        self._journal.triggered(order, order.price if order.priced else None)
        if order.expiry_ms and order.time_in_force not in order.terms.ended_here:
            self._state.timers.cancel(order.order_id, EXPIRY)
        self._state.pacing.went(order.account_id, self._state.terms_of(order.account), self._journal.ms)
        self._commands.new(order)
        return None

    def may_go(self, order: Order) -> bool:
        """Say whether an order might go to its venue now, as its account and the desk stand."""
        assert order.holding is not None, "it was taken"
        standing = order.holding.account.standing
        return standing.state == ACTIVE.state or self._may_go(order, order.holding, standing)

    def _may_go(self, order: Order, holding: Holding, standing: Standing) -> bool:
        """Whether an order may go to its venue though not all may: it only closes what is held."""
        if standing.state == HALTED:
            return standing.keeps and is_protective(order)
        own = held_for(order)
        held = -own.quantity if order.side == "BUY" else own.quantity
        if order.leaves > held:
            return False
        works = sum(
            each.leaves
            for each in self._state.orders_of(order.account)
            if each.holding is holding and each.side == order.side and not each.is_held and held_for(each) is own
        )
        return works + order.leaves <= held

    def _bound(self, order: Order) -> int:
        """Return the limit (ticks) of an order that goes now: its own, or what the account's slippage allows from here:
        that of an exit where it closes what is held.

        Without a market on the other side, from the price that it waited for: that it has come is known.
        """
        if order.priced:
            return order.price
        special, buy = order.special, order.side == "BUY"
        by_desk = special is not None and special.needs_desk(order.order_type)
        if not by_desk and order.order_type not in _MARKET_TYPES:
            return widest(buy)
        limits = self._limits(order)
        closes = is_protective(order) or (special is not None and special.reduce_only)
        reach = limits.exits if closes else limits
        bound = protection_price(reach, limits.quote, buy)
        if bound is not None:
            return bound
        if special is None or special.stop is None:
            return order.price
        return reach.bound(special.stop, buy)

    # ----------------------------------------------------- requests and times

    def cancel(self, order: Order, reason: CancelReason, text: str) -> None:
        """Take an order off that no venue has."""
        if order.held == WORKED:
            return self.works.stop(order, reason, text)
        self._let_go(order)
        order.cancel_by(requested=True)
        self._journal.canceled(order, reason, text)

    def expire(self, order: Order) -> None:
        """The time in force of an order ended that no venue has."""
        if order.held == WORKED:
            return self.works.stop(order, None, "its time in force ended")
        self._let_go(order)
        order.cancel_signal = None
        order.expire()
        self._journal.expired(order)

    def replace(self, order: Order) -> None:
        """Let the pending amendment of an order take effect that no venue has."""
        if order.held == WORKED:
            return self.works.replace(order)
        amendment = order.amendment
        assert amendment is not None, "request_replace() comes first"
        waits, best = order.held == FOR_PRICE, None
        if waits:
            best = self._state.triggers.disarm(order)
        order.replace(amendment.price, amendment.quantity)
        self._journal.replaced(order)
        if waits:
            self._wait_for_price(order, best)

    def wait_for_others(self, order: Order) -> None:
        """Hold a new order until another of its list is filled."""
        order.hold(FOR_OTHERS)
        self._journal.queued(order, "it goes once the first order of its list is filled")
        if order.expiry_ms:
            self._state.timers.add(order.expiry_ms, order.order_id, EXPIRY)

    def _let_go(self, order: Order) -> None:
        if order.held == FOR_PRICE:
            self._state.triggers.disarm(order)
        if order.held == FOR_RATE and self._state.pacing.leave(order.account_id, order.order_id):
            self._state.timers.cancel(order.account_id, RATE)
        self._forget_times(order)

    def _forget_times(self, order: Order) -> None:
        self._state.timers.cancel(order.order_id, RELEASE)
        self._state.timers.cancel(order.order_id, APPROVAL)
        self._state.timers.cancel(order.order_id, EXPIRY)
