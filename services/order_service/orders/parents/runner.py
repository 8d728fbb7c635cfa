"""Works orders: asks their algorithms what should be working, and makes that so.

Flows in: orders that are to be worked, what became of their children, times, markets that moved. Flows out: children,
and cancels of children; how parents stand. Whatever an algorithm says, children never have more open than their parent
has left; nothing is sent while a parent is paused, its market halted or its account may not; and a parent that ends
leaves no child working. Never chooses a price or a time itself: that is what algorithms are.
"""

from __future__ import annotations

from decimal import Decimal

from fillstream.libs.common.messages.codes import (
    CancelReason,
    CancelRejectReason,
    OrderType,
    TimeInForce,
    TradingSession,
)
from fillstream.libs.common.values.money import Scale, at_least, at_most, canonical
from fillstream.services.order_service.orders.algos.algorithm import Completion, Plan, Slice
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, REJECTED, Order
from fillstream.services.order_service.orders.life.special import Special
from fillstream.services.order_service.orders.markets.market import Market
from fillstream.services.order_service.orders.parents.children import Child, Children, Closed
from fillstream.services.order_service.orders.parents.job import Seen
from fillstream.services.order_service.orders.parents.routed import Part, parts_of
from fillstream.services.order_service.orders.parents.work import (
    DONE,
    FINISHING,
    PAUSED,
    RUNNING,
    STOPPING,
    Work,
)
from fillstream.services.order_service.orders.state import EXPIRY, FOLLOW, WORK, State

MOST_CHILDREN = 50
"""At most so many children are made of one parent at a look; the others come at once after it."""
FOLLOW_AFTER_MS = 50
"""Who follows a market is asked so long after it moved first."""
MOST_REFUSED = 10
"""After so many slices in a row that were refused, an order is paused: a person is to look."""
MOST_DOUBLED = 6
FINISH_TRIES = 10
"""What is left at the end is tried so often, `retry_ms` apart."""
MASS_AGAIN_MS = 1_000
"""Children that a mass cancel has not taken off by then are canceled one by one."""
_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_IOC, _GTC = TimeInForce.IOC.value, TimeInForce.GTC.value
_RESTING = frozenset((TimeInForce.GTC.value, TimeInForce.DAY.value, TimeInForce.GTD.value))
_REASONS = {reason.value: reason for reason in CancelReason}
_CONTINUOUS = TradingSession.CONTINUOUS.value


class Runner:
    """The part of the fold that works orders.

    Args:
        state: has them.
        journal: is told how they stand.
        children: makes them, and takes them back.
    """

    __slots__ = ("_children", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, children: Children) -> None:
        self._state = state
        self._journal = journal
        self._children = children

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
            self._take_back(order_id, "its parent ends")
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

    def _take_back(self, order_id: int, text: str) -> None:
        child = self._state.orders[order_id]
        self._children.take_back(child, text)
        self.child_changed(child)  # the desk takes off at once what it holds

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
            self._take_back(order_id, "its parent is paused")

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
            self._take_back(order_id, "its parent gets smaller")
        if order.cum + order.out <= max(amendment.quantity, order.cum):
            order.replace(amendment.price, amendment.quantity)
            self._journal.replaced(order)

    def _too_many(self, lots: int, work: Work) -> list[int]:
        """Return the children to take off so that so many lots are open no more: those that wait, then the newest."""
        orders = self._state.orders
        going = sum(left for order_id, left in work.open.items() if orders[order_id].cancel_signal is not None)
        found: list[int] = []
        for child in sorted((orders[each] for each in work.open), key=lambda o: (not o.is_held, -o.order_id)):
            if going >= lots:
                break
            if child.cancel_signal is None:
                found.append(child.order_id)
                going += work.open[child.order_id]
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
        if work.state == FINISHING and not 0 < work.end_ms <= self._journal.ms:  # it has time again
            work.state = RUNNING
        self._tell(order, work, signal_id)
        self.ask(order, work)

    # --------------------------------------------------------------- children

    def child_changed(self, child: Order) -> int | None:
        """Count what became of a child; return its parent's id if anything did."""
        assert child.links is not None and child.links.parent_id is not None, "it is a child"
        parent_id = int(child.links.parent_id)
        work, order = self._state.families.works[parent_id], self._state.orders[parent_id]
        order_id = child.order_id
        work.count(child)
        lots, notional = work.seen.get(order_id, (0, 0))
        was, now = work.open.get(order_id, 0), 0 if child.status in FINAL else child.quantity - child.cum
        if (child.cum, child.notional) == (lots, notional) and was == now:
            return None
        traded = child.cum - lots
        work.seen[order_id] = child.cum, child.notional
        order.children_traded(traded, child.notional - notional)
        order.out += now - was
        if now:
            work.open[order_id] = now
        else:
            work.open.pop(order_id, None)
        if order.holding is not None and order.holding.kept:
            order.holding.share_out(order)
        self._learn(work, child, traded, was > 0 and not now)
        return parent_id

    def _learn(self, work: Work, child: Order, traded: int, ended: bool) -> None:
        """Note when not to send before: after a slice was refused, or found nobody."""
        ms, retry_ms = self._journal.ms, work.given.retry_ms
        if traded > 0 or (ended and child.status != REJECTED):
            work.refused = 0
        if ended:
            work.asked_for.pop(child.order_id, None)
            work.until.pop(child.order_id, None)
        if child.status == REJECTED and ended:
            work.rejected[child.venue] = ms
            self._refused(work, f"{child.venue} refused its slice {child.order_id}")
            if work.routing is not None:  # another venue may take it, at once
                work.again_ms = 0
        elif ended and child.leaves == 0 and child.cum < child.quantity and child.time_in_force == _IOC:
            work.missed[child.venue] = ms
            if work.routing is None:
                work.again_ms = ms + retry_ms

    def _refused(self, work: Work, text: str) -> None:
        work.refused += 1
        work.text = text
        work.again_ms = self._journal.ms + (work.given.retry_ms << min(work.refused - 1, MOST_DOUBLED))
        if work.refused >= MOST_REFUSED and work.state == RUNNING:
            work.state = PAUSED
            work.text = f"paused, since {MOST_REFUSED} slices in a row were refused: {text}"

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
        more = self._make_so(order, work, seen, self._bounded(seen, plan))
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
        would, quote = _ticks(seen.price, seen.parameters.would_price, seen.buy), seen.quote
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

    # --------------------------------------------------------- making it so

    def _make_so(self, order: Order, work: Work, seen: Seen, slices: list[Slice]) -> bool:
        """Cancel what works and is not wanted, send what is wanted; return whether more is than an entry may send."""
        missing = self._compare(order, work, slices)
        if self._journal.ms < work.again_ms or not missing:
            return False
        room, before = self._room(work, seen, order), work.made
        for each in missing:
            lots = min(each.lots, room)
            if lots <= 0 or self._is_too_small(work, seen, lots):
                continue
            parts = [Part(each._replace(lots=lots))]
            if each.venue is None and work.routing is not None:
                parts = self._route(order, work, each, lots)
            for part in parts:
                gone = self._send_part(order, work, seen, each, part, before + MOST_CHILDREN)
                room -= gone
                if self._journal.ms < work.again_ms:
                    return False
                if gone < part.slice.lots:
                    return True
        return False

    def _route(self, order: Order, work: Work, wanted: Slice, lots: int) -> list[Part]:
        """Return where a slice goes; where nothing goes anywhere, it is tried again."""
        ms = self._journal.ms
        routed = parts_of(self._state, order, work, wanted, lots, ms)
        if not routed.parts:
            retry_ms = ms + work.given.retry_ms
            work.text = f"routing: {routed.why}"
            work.again_ms = retry_ms if routed.again_ms is None else max(retry_ms, routed.again_ms)
        return routed.parts

    def _is_too_small(self, work: Work, seen: Seen, lots: int) -> bool:
        return lots < (_lots(seen.lot, work.given.smallest_clip) or 1) and lots < seen.left

    def _send_part(self, order: Order, work: Work, seen: Seen, wanted: Slice, part: Part, most: int) -> int:
        """Send a part of a slice, in clips, while fewer than `most` were made; return how many lots went."""
        largest, left, gone = _lots(seen.lot, work.given.largest_clip), part.slice.lots, 0
        while left > 0 and work.made < most:
            clip = left if largest is None else min(left, largest)
            made = self._send(order, work, part.slice, clip)
            if made is None:
                break
            if wanted.venue is None and work.routing is not None:
                work.asked_for[made] = wanted.ticks
                if part.until_ms:
                    work.until[made] = part.until_ms
            work.count(self._state.orders[made])
            gone, left = gone + clip, left - clip
        return gone

    def _room(self, work: Work, seen: Seen, order: Order) -> int:
        """Return how many lots may be sent now: what is neither traded nor open, within the cap on participation."""
        room = seen.lots - order.cum - order.out
        cap = work.given.max_participation
        if cap is not None:
            over, under = cap.as_integer_ratio()
            room = min(room, seen.volume * over // under - order.cum - order.out)
            if room <= 0 and work.text is None:
                work.text = f"max_participation: {canonical(cap)} of what the market traded is done, or works"
        return max(0, room)

    def _compare(self, order: Order, work: Work, slices: list[Slice]) -> list[Slice]:
        """Take back children that nobody wants; return what is missing."""
        ms = self._journal.ms
        for order_id in [each for each, until in work.until.items() if until <= ms]:
            self._take_back(order_id, "its time to rest is over")
        missing, unwanted = work.outstanding.against(slices, None if work.routing is not None else order.venue)
        for order_id in unwanted:
            self._take_back(order_id, "its parent's algorithm wants it no more")
        return missing

    def _send(self, order: Order, work: Work, each: Slice, lots: int) -> int | None:
        """Send a child; return its id, None where a rule refused it."""
        rests = each.rests and each.ticks is not None
        special = self._special(order, each)
        ticks = each.ticks
        if ticks is None and order.priced:
            ticks = order.price
        tif = _IOC if not rests else order.time_in_force if order.time_in_force in _RESTING else _GTC
        child = Child(
            each.venue or order.venue, order.side == "BUY", lots, _MARKET if each.ticks is None else _LIMIT, ticks,
            tif, order.expiry_ms if rests else 0, special, None if order.links is None else order.links.list_id,
        )  # fmt: skip
        order.out += lots  # it passes from the parent to the child
        made = self._children.make(order, work.made + 1, child)
        if isinstance(made, str):
            order.out -= lots
            if isinstance(made, Closed):
                work.text, work.again_ms = made, self._journal.ms + work.given.retry_ms
            else:
                self._refused(work, made)
            return None
        work.made += 1
        work.seen[made.order_id], work.open[made.order_id] = (0, 0), lots
        self._state.families.children.add(made.order_id)
        if order.holding is not None and order.holding.kept:
            order.holding.share_out(order)
        self._children.send(made)
        return made.order_id

    def _special(self, order: Order, each: Slice) -> Special | None:
        of_parent = order.special
        self_trade = None if of_parent is None else of_parent.self_trade
        reduce_only = of_parent is not None and of_parent.reduce_only
        said = Special(post_only=each.post_only, display=each.display, self_trade=self_trade, reduce_only=reduce_only)
        return None if said == _PLAIN else said

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
        would = _ticks(order.terms.price, work.given.would_price, buy)
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


_PLAIN = Special()


def _lots(grid: Scale, amount: Decimal | None) -> int | None:
    """Return an amount of the parameters in lots, rounded down; None of none."""
    return None if amount is None else at_most(amount, grid.step)


def _ticks(grid: Scale, price: Decimal | None, buy: bool) -> int | None:
    """Return a price of the parameters in ticks, rounded to the less aggressive side; None of none."""
    if price is None:
        return None
    return at_most(price, grid.step) if buy else at_least(price, grid.step)
