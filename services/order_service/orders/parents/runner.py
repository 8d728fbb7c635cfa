"""Works orders: asks their algorithms what should be working, and makes that so.

Flows in: orders that are to be worked, what became of their children, times, markets that moved. Flows out: children,
and cancels of children; how parents stand. Whatever an algorithm says, children never have more open than their parent
has left; nothing is sent while a parent is paused, its market halted or its account may not; and a parent that ends
leaves no child working. Never chooses a price or a time itself: that is what algorithms are.
"""

from __future__ import annotations

from fillstream.libs.common.messages.codes import CancelReason, CancelRejectReason, TradingSession
from fillstream.services.order_service.orders.algos.algorithm import Completion, Plan, Slice
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.markets.market import Market
from fillstream.services.order_service.orders.parents.children import Children
from fillstream.services.order_service.orders.parents.job import Seen
from fillstream.services.order_service.orders.parents.sender import Sender, ticks_of
from fillstream.services.order_service.orders.parents.work import DONE, FINISHING, PAUSED, RUNNING, STOPPING, Work
from fillstream.services.order_service.orders.state import EXPIRY, FOLLOW, WORK, State

FOLLOW_AFTER_MS = 50
"""Who follows a market is asked so long after it moved first."""
FINISH_TRIES = 10
"""What is left at the end is tried so often, `retry_ms` apart."""
MASS_AGAIN_MS = 1_000
"""Children that a mass cancel has not taken off by then are canceled one by one."""
_REASONS = {reason.value: reason for reason in CancelReason}
_CONTINUOUS = TradingSession.CONTINUOUS.value


class Runner:
    """The part of the fold that works orders.

    Args:
        state: has them.
        journal: is told how they stand.
        children: makes them, and takes them back.
    """

    __slots__ = ("_journal", "_sender", "_state", "child_changed")

    def __init__(self, state: State, journal: Journal, children: Children) -> None:
        self._state = state
        self._journal = journal
        self._sender = Sender(state, journal, children)
        self.child_changed = self._sender.child_changed

    # ------------------------------------------------------ beginning, ending

    def begin(self, order: Order, work: Work) -> None:
        """Let an order be worked from now on; it was taken, and nothing holds it back."""
        state, ms = self._state, self._journal.ms
        given = work.given
        work.start_ms = ms
        work.end_ms = given.end_time or (ms + given.duration_ms if given.duration_ms else 0)
        quote = state.quotes[order.venue][order.terms.id]
        if quote.bid_qty and quote.ask_qty:
            work.arrival = quote.bid + quote.ask
        order.work()
        if order.expiry_ms:
            state.timers.add(order.expiry_ms, order.order_id, EXPIRY)
        self._journal.accepted(order)
        self.ask(order, work)

    def _venues(self, order: Order, work: Work) -> list[str]:
        return [*dict.fromkeys((order.venue, *work.venues))]

    def stop(self, order: Order, reason: CancelReason | None, why: str) -> None:
        """Let an order end once its children are off; without a reason it expires."""
        work = self._state.families.works[order.order_id]
        if work.state in (STOPPING, DONE):
            return
        work.state, work.reason, work.why = STOPPING, "" if reason is None else reason.value, why
        state = self._state
        state.timers.cancel(order.order_id, WORK)
        self._watch_no_more(order, work)
        if reason is CancelReason.MASS_CANCEL:  # its children are canceled with all others
            state.timers.add(self._journal.ms + MASS_AGAIN_MS, order.order_id, WORK)
            if work.open:
                return
        self._stopping(order, work)

    def _stopping(self, order: Order, work: Work) -> None:
        """Take children off; once none is left the order ends."""
        for order_id in work.outstanding.ids():
            self._sender.take_back(order_id, "its parent ends")
        if work.open:
            return self._tell(order, work)
        work.state = DONE
        self._forget(order, work)
        self._too_late(order)
        if order.status in FINAL:
            return self._tell(order, work)
        if not work.reason:
            order.expire()
            order.cancel_signal = None
            self._journal.expired(order)
        else:
            order.cancel_by(requested=True)
            self._journal.canceled(order, _REASONS[work.reason], work.why)
        return None

    def _forget(self, order: Order, work: Work) -> None:
        state, order_id = self._state, order.order_id
        state.timers.cancel(order_id, WORK)
        state.timers.cancel(order_id, EXPIRY)
        self._watch_no_more(order, work)
        state.markets.unwatch(order_id)

    def _watch_no_more(self, order: Order, work: Work) -> None:
        work.follows, work.touch = False, None
        self._state.watching.forget(order.order_id)

    # -------------------------------------------------------------- requests

    def ends(self, order: Order) -> bool:
        """Whether an order's time is over: only what is left of it is traded, or taken off."""
        return self._state.families.works[order.order_id].state in (FINISHING, STOPPING)

    def pause(self, order: Order, signal_id: str) -> None:
        """Take children off, and send nothing new until it is resumed."""
        work = self._state.families.works[order.order_id]
        if work.state == RUNNING:
            work.state = PAUSED
            self._rest(order, work)
        self._tell(order, work, signal_id)

    def _rest(self, order: Order, work: Work) -> None:
        self._state.timers.cancel(order.order_id, WORK)
        if work.end_ms:
            self._state.timers.add(max(work.end_ms, self._journal.ms), order.order_id, WORK)
        self._watch_no_more(order, work)
        for order_id in work.outstanding.ids():
            self._sender.take_back(order_id, "its parent is paused")

    def resume(self, order: Order, signal_id: str) -> None:
        """Go on."""
        work = self._state.families.works[order.order_id]
        if work.state == PAUSED:
            work.state, work.refused, work.again_ms, work.text = RUNNING, 0, 0, None
        self._tell(order, work, signal_id)
        self.ask(order, work)

    def replace(self, order: Order) -> None:
        """Let the pending amendment of an order that is worked take effect, as soon as its children fit it."""
        work = self._state.families.works[order.order_id]
        self._amend(order, work)
        self.ask(order, work)

    def _amend(self, order: Order, work: Work) -> None:
        amendment = order.amendment
        assert amendment is not None, "request_replace() comes first"
        for order_id in self._too_many(order.cum + order.out - amendment.quantity, work):
            self._sender.take_back(order_id, "its parent gets smaller")
        if order.cum + order.out <= max(amendment.quantity, order.cum):
            order.replace(amendment.price, amendment.quantity)
            self._journal.replaced(order)

    def _too_many(self, lots: int, work: Work) -> list[int]:
        """Return the children to take off so that so many lots are open no more: the newest first.

        So those that wait in the desk for their turn are the first to go.
        """
        orders = self._state.orders
        going = sum(left for order_id, left in work.open.items() if orders[order_id].cancel_signal is not None)
        found: list[int] = []
        for order_id in sorted(work.open, reverse=True):
            if going >= lots:
                break
            if orders[order_id].cancel_signal is None:
                found.append(order_id)
                going += work.open[order_id]
        return found

    def _too_late(self, order: Order) -> None:
        """Answer an amendment that waited until children were off, of an order that is done instead."""
        amendment = order.amendment
        if amendment is None:
            return
        order.refuse_replace()
        text = f"order_id: order {order.order_id} ended before its children had made room for the amendment"
        self._journal.replace_rejected(amendment.signal_id, order.account, order, CancelRejectReason.TOO_LATE, text)

    def told(self, order: Order, parameters: str, signal_id: str) -> None:
        """Tell the algorithm of an order something else from now on; it is valid."""
        work = self._state.families.works[order.order_id]
        work.tell(parameters)
        given = work.given
        work.end_ms = given.end_time or (work.start_ms + given.duration_ms if given.duration_ms else 0)
        if work.state == FINISHING and work.end_ms > self._journal.ms:  # it has time again
            work.state = RUNNING
        self._tell(order, work, signal_id)
        self.ask(order, work)

    def look(self, order: Order, work: Work) -> None:
        """Go on with an order that something happened to."""
        if work.state == STOPPING:
            return self._stopping(order, work)
        if order.status in FINAL:
            if work.state != DONE:
                work.state = DONE
                self._forget(order, work)
            self._too_late(order)
            return self._tell(order, work)
        if work.state == DONE:  # a bust opened it again
            work.state = RUNNING
            if order.expiry_ms:
                self._state.timers.add(order.expiry_ms, order.order_id, EXPIRY)
        if order.amendment is not None:
            self._amend(order, work)
        return self.ask(order, work)

    # ------------------------------------------------------------------- plans

    def ask(self, order: Order, work: Work) -> None:
        """Ask what should be working, and make it so."""
        ms = self._journal.ms
        if not work.is_alive or order.status in FINAL:
            return
        if work.end_ms and ms >= work.end_ms and work.state != FINISHING and not self._finish(order, work):
            return
        if work.state == PAUSED:
            self._rest(order, work)
            return self._tell(order, work)
        if work.needs_book:
            self._look_beyond(order, work)
        seen = Seen(order, work, self._state, ms)
        closed = self._closed(order, work, seen)
        if closed is not None:
            plan = Plan(again_ms=ms + work.given.retry_ms, follows=True, planned=work.planned, text=closed)
        else:
            plan = self._finishing(work, seen) if work.state == FINISHING else work.algo.plan(seen)
        work.asked += 1
        if plan.done:
            return self.stop(order, CancelReason.WORK_ENDED, plan.text or f"{work.algorithm} wants no more")
        work.planned = plan.planned
        refused_text = work.text if ms < work.again_ms else None
        work.text = plan.text or refused_text
        more = self._sender.make_so(order, work, seen, self._bounded(seen, plan))
        if not seen.rests and not work.open:
            return self.stop(order, CancelReason.IOC_REMAINDER, "time_in_force: what IOC found no one for")
        self._ask_again(order, work, plan, more)
        return self._tell(order, work)

    def _closed(self, order: Order, work: Work, seen: Seen) -> str | None:
        """Return why nothing of an order is to be at its venue now; of one that is routed, its policy looks at each."""
        if work.routing is not None:
            return None
        if seen.quote.session != _CONTINUOUS:
            return f"its market is {seen.quote.session}"
        age_ms, limit_ms = seen.now - seen.quote.at_ms, self._state.config.max_quote_age_ms
        if limit_ms and seen.quote.at_ms and age_ms > limit_ms:
            return f"its market was quoted {age_ms} ms ago, max_quote_age_ms is {limit_ms}"
        return None

    def _look_beyond(self, order: Order, work: Work) -> None:
        """Have its markets reported, and count what they trade from the first report on."""
        markets = self._state.markets
        for venue in self._venues(order, work):
            markets.watch(order.order_id, venue, order.terms.symbol)
        market = markets.of(order.venue, order.terms.id)
        if market is not None and work.volume is None:
            work.volume, work.notional = market.volume, market.notional

    def _finish(self, order: Order, work: Work) -> bool:
        """The time of an order is over: return whether what is left of it is still to be traded."""
        if work.given.completion is Completion.MARKET and work.state == RUNNING:
            work.state = FINISHING
            return True
        self.stop(order, CancelReason.WORK_ENDED, f"end_time: {work.algorithm} had its time")
        return False

    def _finishing(self, work: Work, seen: Seen) -> Plan:
        if seen.now > work.end_ms + FINISH_TRIES * work.given.retry_ms:
            return Plan(done=True, text=f"completion: what was left found nobody in {FINISH_TRIES} tries")
        return Plan((Slice(seen.left),), again_ms=seen.now + work.given.retry_ms, planned=seen.lots)

    def _bounded(self, seen: Seen, plan: Plan) -> list[Slice]:
        """Return slices within the parent's limit and what it has left; what would trade at would_price goes first.

        Of one that may not rest none does.
        """
        would, quote = ticks_of(seen.price, seen.parameters.would_price, seen.buy), seen.quote
        left, slices = seen.left, []
        if would is not None and (
            (quote.ask_qty and quote.ask <= would) if seen.buy else (quote.bid_qty and quote.bid >= would)
        ):
            return [Slice(left, would)]
        for each in plan.slices:
            lots = min(each.lots, left)
            if lots <= 0:
                continue
            left -= lots
            ticks = each.ticks
            if ticks is not None and seen.limit is not None:
                ticks = (min if seen.buy else max)(ticks, seen.limit)
            slices.append(each._replace(lots=lots, ticks=ticks, rests=each.rests and seen.rests))
        return slices

    # ------------------------------------------------------------ again, told

    def _ask_again(self, order: Order, work: Work, plan: Plan, more: bool) -> None:
        state, ms, order_id = self._state, self._journal.ms, order.order_id
        times = [work.end_ms] if work.end_ms and work.state == RUNNING else []
        if more:  # than one entry may send
            times.append(ms)
        times += [until for until in work.until.values() if until > ms]
        if plan.again_ms is not None:
            times.append(max(plan.again_ms, ms + 1))
        if work.again_ms > ms:
            times.append(work.again_ms)
        if times and work.is_alive:
            state.timers.add(max(min(times), ms), order_id, WORK)
        else:
            state.timers.cancel(order_id, WORK)
        buy = order.side == "BUY"
        would = ticks_of(order.terms.price, work.given.would_price, buy)
        touches = [each for each in (plan.touch, would) if each is not None]
        work.follows, work.touch = plan.follows, (max if buy else min)(touches) if touches else None
        if work.state == PAUSED:
            return self._rest(order, work)
        self._watch(order, work)
        return None

    def _watch(self, order: Order, work: Work) -> None:
        """Have its market watched; a price that is reached already is waited for anew once it has left."""
        quote, buy, touch = self._state.quotes[order.venue][order.terms.id], order.side == "BUY", work.touch
        if touch is not None and (
            (quote.ask_qty and quote.ask <= touch) if buy else (quote.bid_qty and quote.bid >= touch)
        ):
            work.touch, work.follows = None, True
        self._state.watching.watch(order, work.follows, work.touch)

    def _tell(self, order: Order, work: Work, signal_id: str | None = None) -> None:
        """Tell how an order stands, where that is other than what was told last, or somebody asked."""
        now = (order.cum, work.planned, work.text, work.state)
        if now == work.told and signal_id is None:
            return
        work.told = now
        self._journal.progressed(order, work, signal_id)

    # ---------------------------------------------------------- times, markets

    def time_came(self, order_id: int) -> int:
        """Go on with an order whose time has come; return how much that may have sent."""
        work, order = self._state.families.works[order_id], self._state.orders[order_id]
        before = work.made
        self.look(order, work)
        return 1 + 2 * (work.made - before)

    def moved(self, venue: str, instrument: int) -> None:
        """Note whom a market that moved concerns: those whose price it reached at once, its followers soon."""
        state = self._state
        for order_id in state.watching.reached((venue, instrument), state.quotes[venue][instrument]):
            work = state.families.works[order_id]
            work.follows, work.touch = False, None
            state.families.stirred[order_id] = None
        if state.watching.followers((venue, instrument)):
            state.timers.add_once(self._journal.ms + FOLLOW_AFTER_MS, instrument, FOLLOW + venue)

    def follow(self, venue: str, instrument: int) -> int:
        """Ask those that follow a market; they are looked at when the entry is done."""
        for order_id in self._state.watching.followers((venue, instrument)):
            self._state.families.stirred[order_id] = None
        return 1

    def reported(self, market: Market) -> None:
        """A report of a market came: whoever needs it is asked when the entry is done."""
        state = self._state
        for order_id in state.markets.needed_by(market.venue, state.terms[market.venue][market.symbol].id):
            state.families.stirred[order_id] = None
