"""What the orders stage does at a time, before it takes the entry that brought the time.

Flows in: timers of the state that are due. Flows out: events, each with its `due_time`, and commands. Never looks at a
clock, and never sends much more than `MOST_OUTPUTS` at an entry: the next one, which comes at once, goes on.

    quotes  tells the quotes that moved, QUOTES_EVERY_MS after the first of them did
    stale   tells the quotes that are too old
    expiry  an order's time in force ended, at a venue that does not see to it: cancel it there
    day     an account's day begins: what it made before counts no more against its daily loss limit
    release an order's time has come: it goes to its venue, or waits for its price from now on
    unanswered  a venue has not answered in time: this is told, and nothing else is done
    touch   a market reached more held orders than one entry lets go
    rate    it is the turn of orders that waited for their account's rate_limit_orders
    approval nobody approved or refused an order in time: it is canceled
    breaker an open circuit breaker lets one order try, or that one's time is over
    loss    what an account has made is noted, for its circuit breaker
    reconcile  a venue is asked for what it has
    reported   a comparison with a venue had more to do than one entry may, or its report broke off
    state holdings  what accounts hold is stated, for others to compare
    mass    a mass cancel had more to send than one entry may
    work    an order that is worked wants to be asked
    follow  the market moved that orders follow which are worked
    bracket an exit is tried again that was refused
    settle  more families had to be looked at than one entry may
    sweep   lets go of more of what is past its retention than the tick before could
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from fillstream.libs.common.messages.codes import CancelReason
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS, Outputs
from fillstream.libs.common.runtime.timers import Timer
from fillstream.libs.common.values.moments import text_of
from fillstream.services.order_service.orders.commands import Commands
from fillstream.services.order_service.orders.control.breakers import Breakers
from fillstream.services.order_service.orders.control.mass_cancels import MassCancels
from fillstream.services.order_service.orders.groups.brackets import Brackets
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.journal.telling import Stamped
from fillstream.services.order_service.orders.life.awaited import UNANSWERED
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.markets import quotes
from fillstream.services.order_service.orders.parents.runner import Runner
from fillstream.services.order_service.orders.parents.settling import Settling
from fillstream.services.order_service.orders.reconciling.reconciler import Reconciler
from fillstream.services.order_service.orders.reconciling.run import RECONCILE, REPORTED, STATE_HOLDINGS
from fillstream.services.order_service.orders.reconciling.stating import Stating
from fillstream.services.order_service.orders.retiring import sweep
from fillstream.services.order_service.orders.state import (
    APPROVAL,
    BRACKET,
    BREAKER,
    DAY,
    EXPIRY,
    FOLLOW,
    LOSS,
    MASS,
    QUOTES,
    RATE,
    RELEASE,
    SETTLE,
    STALE,
    SWEEP,
    TOUCH,
    WORK,
    State,
)
from fillstream.services.order_service.orders.waiting.desk import Desk

EXPIRY_AGAIN_MS = 10_000
"""An order whose time is over and that the venue has not taken off is looked at again after so long."""


class Due:
    """The part of the fold that fires timers.

    Args:
        state: whose timers they are.
        journal, commands: where what they cause goes.
        desk: has the orders that are held.
        mass_cancels: goes on with what one entry could not send.
        breakers: open and close.
        reconciler, stating: compare, and state what is held.
        families: what works orders, keeps brackets, and looks at families once an entry is done.
    """

    __slots__ = (
        "_breakers", "_commands", "_desk", "_handlers", "_journal", "_mass_cancels", "_reconciler", "_runner",
        "_settling", "_state", "_stating",
    )  # fmt: skip

    def __init__(
        self,
        state: State,
        journal: Journal,
        commands: Commands,
        desk: Desk,
        mass_cancels: MassCancels,
        breakers: Breakers,
        reconciler: Reconciler,
        stating: Stating,
        families: tuple[Runner, Brackets, Settling],
    ) -> None:
        self._runner, brackets, self._settling = families
        runner, settling = self._runner, self._settling
        self._breakers = breakers
        self._reconciler = reconciler
        self._stating = stating
        self._mass_cancels = mass_cancels
        self._desk = desk
        self._state = state
        self._journal = journal
        self._commands = commands
        self._handlers: dict[str, Callable[[Timer, int], int]] = {
            QUOTES: self._quotes,
            STALE: lambda timer, room: quotes.look(state, journal, room),
            EXPIRY: self._expiry,
            RELEASE: self._release,
            APPROVAL: self._approval,
            RATE: self._rate,
            MASS: self._mass,
            BREAKER: self._breaker,
            LOSS: self._loss,
            SWEEP: self._sweep,
            DAY: self._day,
            UNANSWERED: self._unanswered,
            REPORTED: self._reported,
            STATE_HOLDINGS: self._state_holdings,
            WORK: lambda timer, room: runner.time_came(timer.id),
            BRACKET: lambda timer, room: brackets.time_came(timer.id),
            SETTLE: lambda timer, room: settling.settle(),
        }

    def fire(self, ms: int, out: Outputs) -> None:
        """Do what is due at `ms` or before, in (due, id) order, and seal it: the entry itself may yet be a bad one."""
        timers, journal = self._state.timers, self._journal
        journal.ms = ms
        self._commands.out = out
        room = MOST_OUTPUTS
        while room > 0 and (timer := timers.pop(ms)) is not None:
            journal.out = Stamped(out, timer.due_ms)
            room -= self._handlers.get(timer.what, self._of_venue)(timer, room)
        if self._state.families.stirred:
            journal.out = out
            self._settling.settle()
        out.seal()

    # Each returns how much it sent, 1 at least.

    def _quotes(self, timer: Timer, room: int) -> int:
        state = self._state
        told, released = [*islice(state.moved, room)], 0
        for venue, symbol in told:
            released += quotes.tell(state, self._journal, self._desk, venue, symbol)
        if state.moved:
            state.timers.add(timer.due_ms, timer.id, QUOTES)
        quotes.look_later(state, self._journal.ms)
        return max(1, len(told) + 2 * released)

    def _expiry(self, timer: Timer, room: int) -> int:
        """Cancel an order. Until it is done it is looked at again: the venue may refuse, or its client's own cancel."""
        order = self._state.orders[timer.id]
        assert isinstance(order, Order), "a timer goes with its order"
        working = order.status not in FINAL
        if not working and order.amendment is None:  # which could open it once more
            return 1
        if order.is_held:
            self._desk.expire(order)
            return 1
        passed = (self._journal.ms - timer.due_ms) // EXPIRY_AGAIN_MS
        self._state.timers.add(timer.due_ms + (passed + 1) * EXPIRY_AGAIN_MS, timer.id, EXPIRY)
        if not working or order.cancel_signal is not None:
            return 1
        order.request_cancel(order.expiry_signal)
        self._journal.cancel_requested(order, order.expiry_signal)
        self._commands.cancel(order)
        return 2

    def _day(self, timer: Timer, room: int) -> int:
        self._state.begin_day(timer.id, self._journal.ms)
        return 1

    def _release(self, timer: Timer, room: int) -> int:
        order = self._state.orders[timer.id]
        assert isinstance(order, Order), "a timer goes with its order"
        self._desk.time_came(order)
        return 2

    def _reported(self, timer: Timer, room: int) -> int:
        return self._reconciler.go_on(timer.id, room)

    def _state_holdings(self, timer: Timer, room: int) -> int:
        return self._stating.time_came()

    def _of_venue(self, timer: Timer, room: int) -> int:
        """Do what a venue's timer is for, which has the venue's name."""
        if timer.what.startswith(FOLLOW):
            return self._runner.follow(timer.what.removeprefix(FOLLOW), timer.id)
        if timer.what.startswith(RECONCILE):
            return self._reconciler.time_came(timer.what.removeprefix(RECONCILE))
        assert timer.what.startswith(TOUCH), f"nobody does {timer.what}"
        return max(1, 2 * self._desk.moved(timer.what.removeprefix(TOUCH), timer.id))

    def _unanswered(self, timer: Timer, room: int) -> int:
        told = 0
        for order, request, signal_id in self._state.awaited.due(self._journal.ms, room):
            told += 1
            self._journal.unanswered(order, request, signal_id, self._state.awaited.timeout_ms)
            self._breakers.unanswered(order)
        return max(1, told)

    def _approval(self, timer: Timer, room: int) -> int:
        order = self._state.orders[timer.id]
        assert isinstance(order, Order), "a timer goes with its order"
        text = f"approval_timeout_ms: nobody approved or refused order {timer.id} by {text_of(timer.due_ms)}"
        self._desk.cancel(order, CancelReason.APPROVAL_TIMEOUT, text)
        return 1

    def _rate(self, timer: Timer, room: int) -> int:
        return max(1, 2 * self._desk.turns(timer.id))

    def _breaker(self, timer: Timer, room: int) -> int:
        self._breakers.cooled_down(timer.id)
        return 1

    def _loss(self, timer: Timer, room: int) -> int:
        self._breakers.mark(timer.id)
        return 1

    def _mass(self, timer: Timer, room: int) -> int:
        return self._mass_cancels.go_on(room)

    def _sweep(self, timer: Timer, room: int) -> int:
        sweep(self._state, self._journal.ms)
        return 1
