"""Circuit breakers of accounts, strategies and venues: open when too much goes wrong, or too much goes on.

Flows in: orders taken and refused, fills, what accounts have made, venues' errors, times. Flows out: BreakerChanged; to
a draft, the breakers that concern it. Never refuses an order itself: the rule in `rules.breaker` does.

Closed, a breaker counts over log time. Open, nothing passes until its cool-down is over; then it is half open, and one
order may try: once a venue has acknowledged it the breaker closes, and opens again where it was refused. Accounts and
venues without such a term have none, and pay one look at a flag.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import BreakerCause, BreakerScope, BreakerState, RejectReason
from fillstream.libs.common.messages.reference import AccountTerms, VenueTerms
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.compiled import (
    BREAKERS,
    MONEY_DECIMALS,
    OF_ACCOUNT,
    OF_STRATEGY,
    Quote,
)
from fillstream.services.order_service.orders.control.tripping import Breaker
from fillstream.services.order_service.orders.holding.holdings import Account
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import PENDING_NEW, REJECTED, Order
from fillstream.services.order_service.orders.rules import Draft
from fillstream.services.order_service.orders.state import BREAKER, LOSS, State

MOST_BREAKERS = 10_000
"""So many are kept, the oldest closed ones go first: strategies may be named after runs."""
LOOKS = 20
"""What an account has made is noted so often in a window."""
_ACCOUNT, _STRATEGY, _VENUE = (scope.value for scope in BreakerScope)
_CLOSED, _HALF_OPEN = BreakerState.CLOSED.value, BreakerState.HALF_OPEN.value
_NOT_COUNTED = frozenset((RejectReason.BREAKER_OPEN, RejectReason.TRADING_HALTED, RejectReason.TRADING_REDUCING))
"""The desk itself was told not to trade: no sign of anything that goes wrong."""


HARMLESS = frozenset(("repeated_trade",))
"""What a venue tells twice, as it may after a pause, is no error of it."""


def arrival_of(order: Order, quote: Quote) -> int | None:
    """Return what an order's fills as taker are measured against (ticks): the price it waits for, else the touch."""
    special = order.special
    if special is not None and (special.stop is not None or special.offset is not None):
        return special.stop
    if order.side == "BUY":
        return quote.ask if quote.ask_qty else None
    return quote.bid if quote.bid_qty else None


def open_breakers(breakers: Iterable[Breaker]) -> dict[str, int]:
    """Return how many are not closed, by their scope in small letters."""
    found = {scope.value.lower(): 0 for scope in BreakerScope}
    for breaker in breakers:
        found[breaker.scope.lower()] += breaker.state != BreakerState.CLOSED
    return found


def _counts_for_any(terms: AccountTerms | VenueTerms, scope: str) -> bool:
    """Whether terms have a limit that a breaker of this scope counts for."""
    if isinstance(terms, VenueTerms):
        return terms.has_breaker
    names = BREAKERS[OF_STRATEGY if scope == _STRATEGY else OF_ACCOUNT]
    return any(getattr(terms, name) is not None for name in names)


class Breakers:
    """The part of the fold that opens and closes breakers.

    Args:
        state: has the breakers.
        journal: where their changes go.
    """

    __slots__ = ("_journal", "_state")

    def __init__(self, state: State, journal: Journal) -> None:
        self._state = state
        self._journal = journal

    # ----------------------------------------------------------------- orders

    def look(self, draft: Draft, strategy: str | None) -> None:
        """Put the breakers that concern a new order into its draft, as they stand now."""
        limits = draft.limits
        whose, terms = limits.breaks, limits.account
        if whose == OF_ACCOUNT:  # as most that have any
            draft.breakers = (self._now(_ACCOUNT, draft.account, draft.account, terms),)
            return
        found = []
        if whose & OF_ACCOUNT:
            found.append(self._now(_ACCOUNT, draft.account, draft.account, terms))
        if strategy is not None and whose & OF_STRATEGY:
            found.append(self._now(_STRATEGY, draft.account, strategy, terms))
        if draft.terms.breaks:
            venue = draft.terms.venue
            found.append(self._now(_VENUE, "", venue, self._state.venues[venue]))
        draft.breakers = tuple(found)

    def took(self, order: Order, draft: Draft) -> None:
        """Count an order that was taken; where a breaker is half open, it is the one that tries."""
        ms = self._journal.ms
        for breaker in draft.breakers:
            if breaker.most_slippage is not None and order.arrival is None:
                order.arrival = arrival_of(order, draft.quote)
            if breaker.state == _HALF_OPEN:
                if not breaker.probe:
                    breaker.probe = order.order_id
                    self._state.timers.add(ms + breaker.cooldown_ms, breaker.number, BREAKER)
                continue
            most = breaker.most_orders
            if most is not None and breaker.state == _CLOSED:
                self._count(breaker, breaker.orders, most, BreakerCause.ORDERS, "orders were taken")

    def refused(self, breakers: tuple[Breaker, ...], reason: object) -> None:
        """Count an order that the desk's rules refused; a venue has nothing to do with it."""
        if reason not in _NOT_COUNTED:
            for breaker in breakers:
                if breaker.scope != _VENUE:
                    self._reject(breaker)

    def rejected(self, order: Order) -> None:
        """Count an order that its venue refused."""
        for breaker in self._of_order(order):
            if breaker.probe == order.order_id:
                self._open(breaker, BreakerCause.PROBE_REJECTED, f"order {order.order_id}, which tried, was refused")
            else:
                self._reject(breaker)

    def filled(self, order: Order, price: int) -> None:
        """Count how far beyond what the order met it traded as taker; `price` in ticks."""
        arrival = order.arrival
        if not arrival:  # of a price of 0 nothing is so many basis points
            return
        for breaker in self._of_order(order):
            breaker.go_by(self._terms(breaker))
            most = breaker.most_slippage
            if most is None or breaker.state != _CLOSED:
                continue
            if breaker.slip(self._journal.ms, price, arrival, order.side == "BUY"):
                text = (
                    f"breaker_slippage_bps, {canonical(most)}, was passed: {len(breaker.slips)} fills within "
                    f"{breaker.window_ms} ms were {breaker.mean_slippage} bps beyond what their orders met"
                )
                self._open(breaker, BreakerCause.SLIPPAGE, text)

    def unanswered(self, order: Order) -> None:
        """Count a request that the venue has not answered in time."""
        for breaker in self._of_order(order):
            if breaker.probe == order.order_id and breaker.scope == _VENUE:
                text = f"order {order.order_id}, which tried, was not answered"
                self._open(breaker, BreakerCause.ERRORS, text)
                return
        self.erred(order.venue)

    def erred(self, venue: str) -> None:
        """Count an error of a venue: what it has not answered, or has said and nobody can use."""
        terms = self._state.venues[venue]
        most = terms.breaker_errors
        if most is None:
            return
        breaker = self._now(_VENUE, "", venue, terms)
        if breaker.state == _CLOSED:
            self._count(breaker, breaker.errors, most, BreakerCause.ERRORS, f"errors of {venue} came")

    def unusable(self, venue: str, bad: BadEntry) -> bool:
        """Count a whole entry of a venue that nobody can use, and bury it; False, where no breaker counts it."""
        terms, out = self._state.venues.get(venue), self._journal.out
        if terms is None or terms.breaker_errors is None or bad.reason in HARMLESS:
            return False
        assert isinstance(out, Outputs), "timers bring no reports"
        out.bad(bad.reason, bad.text)
        self.erred(venue)
        return True

    def _of_order(self, order: Order) -> Iterator[Breaker]:
        """Yield the breakers that there are of an order's account, venue and strategy."""
        breakers = self._state.breakers
        keys = [(_ACCOUNT, order.account, order.account), (_VENUE, "", order.venue)]
        if order.strategy is not None:
            keys.append((_STRATEGY, order.account, order.strategy))
        return (breaker for key in keys if (breaker := breakers.get(key)) is not None)

    def _reject(self, breaker: Breaker) -> None:
        breaker.go_by(self._terms(breaker))
        most = breaker.most_rejects
        if breaker.state == _CLOSED and most is not None:
            self._count(breaker, breaker.rejects, most, BreakerCause.REJECTS, "orders were refused")

    def _count(self, breaker: Breaker, times: deque[int], most: int, cause: BreakerCause, what: str) -> None:
        """Note that it happened now; the `most`-th time within the window opens the breaker."""
        ms, window_ms = self._journal.ms, breaker.window_ms
        times.append(ms)
        horizon = ms - window_ms
        while times and (times[0] <= horizon or len(times) > most):
            times.popleft()
        if len(times) >= most:
            self._open(breaker, cause, f"{most} {what} within {window_ms} ms")

    # ------------------------------------------------------------------- loss

    def mark(self, number: int) -> None:
        """Note what an account has made so far, and open its breaker if it has lost too much within the window."""
        state, ms = self._state, self._journal.ms
        name = state.account_named(number)
        assert name is not None, "an account's number is its own for good"
        terms = state.effective(name)
        assert terms.breaker_loss is not None, "the timer goes with the term"
        breaker = self._of(_ACCOUNT, name, name)
        made = self._made(state.holdings.account(name), terms)
        if made is not None:
            worths = breaker.worths
            while worths and worths[0][0] <= ms - terms.breaker_window_ms:
                worths.popleft()
            worths.append((ms, made))
            lost = max(worth for _, worth in worths) - made
            if breaker.state == BreakerState.CLOSED and lost >= Fraction(terms.breaker_loss) * 10**MONEY_DECIMALS:
                text = f"breaker_loss, {canonical(terms.breaker_loss)}, was lost within {terms.breaker_window_ms} ms"
                self._open(breaker, BreakerCause.LOSS, text)
        state.timers.add(ms + max(1, terms.breaker_window_ms // LOOKS), number, LOSS)

    def _made(self, account: Account, terms: AccountTerms) -> int | None:
        """Return all that an account has made, in its currency; None while a rate is missing."""
        holdings, age_ms = self._state.holdings, self._state.config.max_quote_age_ms
        made = 0
        for holding in account.holdings.values():
            if not (holding.quantity or holding.cash or holding.fees):
                continue
            currency = holding.instrument.currency
            if currency == terms.currency:
                made += holding.pnl
                continue
            rate = holdings.rate(currency, terms.currency, self._journal.ms, age_ms)
            if rate is None:
                return None
            made += holding.pnl * rate[0] // rate[1]
        return made

    # ----------------------------------------------------------------- states

    def cooled_down(self, number: int) -> None:
        """The time of an open breaker is over, or that of the order that tries."""
        breaker = next((each for each in self._state.breakers.values() if each.number == number), None)
        assert breaker is not None, "a timer goes with its breaker"
        if breaker.state == BreakerState.OPEN:
            self._change(breaker, BreakerState.HALF_OPEN, BreakerCause.COOLED_DOWN, "one order may try")
            return
        self._settle(breaker)
        if breaker.probe:
            self._state.timers.add(self._journal.ms + self._cooldown(breaker), number, BREAKER)

    def lift(self) -> None:
        """Close the breakers that nothing counts for any more: no order would look at them, nor ever close them."""
        for breaker in self._state.breakers.values():
            if breaker.state != BreakerState.CLOSED and not _counts_for_any(self._terms(breaker), breaker.scope):
                text = "the limits that it counted for are off"
                self._change(breaker, BreakerState.CLOSED, BreakerCause.LIFTED, text)

    def _settle(self, breaker: Breaker) -> None:
        """Close a breaker whose order that tries was acknowledged, or filled, or is done without a refusal."""
        if not breaker.probe:
            return
        order = self._state.orders.get(breaker.probe)
        if isinstance(order, Order) and (order.status == PENDING_NEW or order.is_held or order.status == REJECTED):
            return
        text = f"order {breaker.probe}, which tried, was taken by its venue"
        self._change(breaker, BreakerState.CLOSED, BreakerCause.PROBE_PASSED, text)

    def _open(self, breaker: Breaker, cause: BreakerCause, text: str) -> None:
        cooldown_ms = self._cooldown(breaker)
        self._change(breaker, BreakerState.OPEN, cause, f"{text}; one may try in {cooldown_ms} ms")
        self._state.timers.add(self._journal.ms + cooldown_ms, breaker.number, BREAKER)

    def _change(self, breaker: Breaker, new: BreakerState, cause: BreakerCause, text: str) -> None:
        old, breaker.state, breaker.probe = breaker.state, new.value, 0
        breaker.forget()
        if new is BreakerState.CLOSED:
            self._state.timers.cancel(breaker.number, BREAKER)
        self._journal.told(
            "BreakerChanged",
            scope=breaker.scope,
            account=breaker.account or None,
            name=breaker.name,
            old_state=old,
            new_state=new.value,
            cause=cause.value,
            text=text,
        )

    # ------------------------------------------------------------ which, terms

    def _now(self, scope: str, account: str, name: str, terms: AccountTerms | VenueTerms) -> Breaker:
        """Return a breaker as it stands now, by the terms that count now."""
        breaker = self._state.breakers.get((scope, account, name)) or self._of(scope, account, name)
        if breaker.terms is not terms:
            breaker.go_by(terms)
        if breaker.probe:
            self._settle(breaker)
        return breaker

    def _of(self, scope: str, account: str, name: str) -> Breaker:
        breakers, key = self._state.breakers, (scope, account, name)
        breaker = breakers.get(key)
        if breaker is None:
            if len(breakers) >= MOST_BREAKERS:
                closed = (key for key, each in breakers.items() if each.state == BreakerState.CLOSED)
                gone = breakers.pop(next(closed, next(iter(breakers))))
                self._state.timers.cancel(gone.number, BREAKER)  # where all are open, one goes whose time is to come
            self._state.breaker_count += 1
            breaker = breakers[key] = Breaker(self._state.breaker_count, scope, account, name)
        return breaker

    def _terms(self, breaker: Breaker) -> AccountTerms | VenueTerms:
        state = self._state
        if breaker.scope == _VENUE:
            return state.venues[breaker.name]
        return state.effective(breaker.account) if state.knows(breaker.account) else state.accounts[breaker.account]

    def _cooldown(self, breaker: Breaker) -> int:
        return self._terms(breaker).breaker_cooldown_ms
