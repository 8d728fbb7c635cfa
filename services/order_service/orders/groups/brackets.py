"""Brackets: exits that are always as large as what their entry has filled and nothing has closed yet.

Flows in: entries that name a stop or targets, what becomes of them and of their exits, positions that changed. Flows
out: exits, their sizes and their ends. Never lets more of a position be sold than there is: targets rest at the venue,
together no more than is to be protected; the stop waits in the desk, and once its price has come the targets are taken
off before it goes, with what they leave.

    protects = filled by the entry - traded by the exits, at most what the position has for it

What is closed by hand comes out of the oldest brackets first. A stop that is hit ends the rest of its entry, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from fillstream.libs.common.messages.codes import BreakEven, CancelReason, OrderType, TimeInForce
from fillstream.libs.common.messages.packed import Target, targets_of
from fillstream.libs.common.messages.special_terms import SpecialTerms
from fillstream.services.order_service.orders.control.standing import HALTED
from fillstream.services.order_service.orders.groups.bracket_record import Bracket, Leg
from fillstream.services.order_service.orders.holding.hedged import Position, held_for, position_of
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, FOR_OTHERS, REJECTED, Order
from fillstream.services.order_service.orders.life.parts import Amendment, Links
from fillstream.services.order_service.orders.life.special import Special, units
from fillstream.services.order_service.orders.parents.children import Child, Children
from fillstream.services.order_service.orders.parents.families import open_lots
from fillstream.services.order_service.orders.state import BRACKET, State
from fillstream.services.order_service.orders.waiting.triggers import half_ticks

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.compiled import Terms
    from fillstream.services.order_service.orders.waiting.desk import Desk

AGAIN_MS = 1_000
"""An exit that was refused, or found nobody, is made again so long after it; twice as long each time."""
MOST_DOUBLED = 6
_LIMIT, _STOP, _TRAILING = OrderType.LIMIT.value, OrderType.STOP.value, OrderType.TRAILING_STOP.value
_GTC = TimeInForce.GTC.value


def targets_in(said: SpecialTerms, terms: Terms) -> list[Leg]:
    """Return the targets that an order names, the nearest first as it lists them; each is on its grid."""
    named: Iterable[Target] = ()
    if said.take_profits is not None:
        named = targets_of(said.take_profits)
    elif said.take_profit is not None:
        named = (Target(said.take_profit, Fraction(1)),)  # type: ignore[arg-type]
    weights = [Fraction(each.weight) for each in named]
    whole = lcm(*(weight.denominator for weight in weights)) if weights else 1
    legs = []
    for each, weight in zip(named, weights, strict=True):
        ticks = units(terms.price, each.price)
        assert ticks is not None, "rules see that it is on the tick"
        legs.append(Leg(ticks, int(weight * whole)))
    return legs


def names_bracket(said: SpecialTerms | None) -> bool:
    """Say whether an order wants exits."""
    return said is not None and (
        said.stop_loss is not None
        or said.take_profit is not None
        or said.take_profits is not None
        or said.trailing_stop is not None
    )


class Brackets:
    """The part of the fold that keeps brackets.

    Args:
        state: has them.
        journal: is told how they stand.
        children: makes exits, and takes them back.
        desk: holds stops, and sends them.
    """

    __slots__ = ("_children", "_desk", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, children: Children, desk: Desk) -> None:
        self._state = state
        self._journal = journal
        self._children = children
        self._desk = desk

    # -------------------------------------------------------------- beginning

    def take(self, order: Order, said: SpecialTerms) -> None:
        """Begin the bracket of an entry that is being taken; nothing was told of it yet."""
        state, price = self._state, order.terms.price
        state.count_working(order.account)
        bracket = Bracket(order.order_id, order.client_order_id)
        bracket.stop, bracket.trailing = units(price, said.stop_loss), units(price, said.trailing_stop)
        bracket.targets = targets_in(said, order.terms)
        if said.stop_trigger_price_type is not None:
            bracket.trigger = said.stop_trigger_price_type.value
        bracket.break_even = BreakEven.AFTER_TARGET.value if said.break_even is not None else ""
        bracket.told = (bracket.trailing or 0, bracket.stop, "EXECUTING")  # what is received says it
        links = order.links or Links(None, None, None)
        if links.list_id is None:
            order.links = links._replace(list_id=bracket.list_id)
        state.families.cover(bracket, order)

    # ---------------------------------------------------------------- looking

    def look(self, bracket: Bracket, answers: str | None = None) -> None:
        """Go on with a bracket after something happened to its entry, its exits or its position.

        Args:
            bracket: that is looked at.
            answers: the request (its signal_id) that changed it, which is told of.
        """
        order = self._state.orders.get(bracket.entry_id)
        if order is None or not (bracket.covers or self._opens_again(bracket, order)):
            return
        self._count(bracket)
        protect = self._protects(bracket, order)
        self._was_held_up(bracket)
        if bracket.hit:
            self._go_out(bracket, order, protect)
        else:
            self._resize(bracket, order, protect)
        self._reserve(bracket)
        self._tell(bracket, order, protect, answers)

    def _opens_again(self, bracket: Bracket, order: Order) -> bool:
        """Whether an entry has filled more than was known when its bracket ended: a trade may be told after that."""
        if order.cum - bracket.exited <= bracket.counted:
            return False
        bracket.covers = True
        self._state.families.cover(bracket, order)
        return True

    def _count(self, bracket: Bracket) -> None:
        """Count what exits have traded, and which are no more."""
        for order_id in bracket.exits:
            exit_order = self._state.orders[order_id]
            traded = exit_order.cum - bracket.seen.get(order_id, 0)
            bracket.seen[order_id] = exit_order.cum
            bracket.exited += traded
            if traded > 0 or (exit_order.acknowledged and exit_order.status not in FINAL):
                bracket.refused = 0  # its venue takes exits
            if order_id == bracket.stop_id:
                self._count_stop(bracket, exit_order)
                continue
            leg = next(each for each in bracket.targets if each.order_id == order_id)
            leg.filled += traded
            if exit_order.status in FINAL:
                self._ended(bracket, leg, exit_order)
        bracket.targets = [leg for leg in bracket.targets if leg.weight or leg.order_id is not None]
        bracket.seen = {order_id: bracket.seen[order_id] for order_id in bracket.exits}

    def _count_stop(self, bracket: Bracket, stop: Order) -> None:
        if stop.status not in FINAL:
            return
        if not bracket.hit and stop.cum == 0 and not stop.came:
            bracket.stop_dropped = bracket.stop_dropped or not bracket.stop_ours
        elif stop.cum < stop.quantity and not bracket.stop_ours:  # it was sent, and found nobody for all of it
            self._refused(bracket)
        bracket.stop_id, bracket.stop_ours, bracket.hit = None, False, False

    def _ended(self, bracket: Bracket, leg: Leg, target: Order) -> None:
        if target.status == REJECTED:
            self._refused(bracket)
        elif target.cum < target.quantity and not leg.ours:
            leg.dropped = True
        leg.order_id, leg.ours = None, False

    def _refused(self, bracket: Bracket) -> None:
        bracket.refused += 1
        bracket.again_ms = self._journal.ms + (AGAIN_MS << min(bracket.refused - 1, MOST_DOUBLED))
        self._state.timers.add(bracket.again_ms, bracket.entry_id, BRACKET)

    def _protects(self, bracket: Bracket, order: Order) -> int:
        """Return how many lots are to be protected: those of the entry that are open still, as far as they are held."""
        families, holding, position = self._state.families, order.holding, position_of(order)
        assert holding is not None, "it was taken"
        held = held_for(order).quantity
        lots = max(0, order.cum - bracket.exited)
        cover = families.covering[position]
        if lots != bracket.counted:
            bracket.counted = lots
            cover.count(bracket.entry_id, order.side == "BUY", lots)
        if not holding.account.known or cover.is_enough(held):
            return lots
        families.stirred[position] = None
        return cover.share(bracket.entry_id, held)

    def _resize(self, bracket: Bracket, order: Order, protect: int) -> None:
        """Have exits of what is to be protected."""
        if not protect and order.status in FINAL and not bracket.exits and not self._is_promised(bracket, order):
            return self._end(bracket, order)
        if bracket.break_even and any(leg.filled and self._is_filled(bracket, order, leg) for leg in bracket.targets):
            self._break_even(bracket, order)
        self._resize_stop(bracket, order, protect)
        if bracket.hit:  # its price had come already
            return self._go_out(bracket, order, protect)
        self._resize_targets(bracket, order, protect)
        if protect and not bracket.exits and not bracket.wants_stop and order.status in FINAL and not bracket.again_ms:
            self._end(bracket, order)
        return None

    def _is_promised(self, bracket: Bracket, order: Order) -> bool:
        """Whether it may have left what it protected to an order that closes: should that end, it protects anew."""
        cover = self._state.families.covering[position_of(order)]
        return cover.promised > 0 and bracket.counted > 0

    def _planned(self, bracket: Bracket, order: Order) -> list[int]:
        """Return how many lots each target is of: what the entry has filled, by their weights, to the lot."""
        lots, whole = order.cum - bracket.base, sum(leg.weight for leg in bracket.targets) or 1
        planned, before, weight = [], 0, 0
        for leg in bracket.targets:
            weight += leg.weight
            upto = max(0, lots) * weight // whole
            planned.append(upto - before)
            before = upto
        return planned

    def _is_filled(self, bracket: Bracket, order: Order, leg: Leg) -> bool:
        return leg.filled >= self._planned(bracket, order)[bracket.targets.index(leg)]

    def _resize_targets(self, bracket: Bracket, order: Order, protect: int) -> None:
        """Make targets as large as they are to be, the smaller ones first: all of them never have more than that.

        One that is to grow waits until another has got smaller: what the venue has counts until it says otherwise.
        """
        wanted = self._wanted(bracket, order, protect)
        for leg, lots in wanted:
            if leg.order_id is not None and lots < self._has(leg):
                self._resize_target(bracket, order, leg, lots)
        for leg, lots in wanted:
            room = protect - sum(self._has(each) for each in bracket.targets if each is not leg)
            self._resize_target(bracket, order, leg, min(lots, max(room, self._has(leg))))

    def _wanted(self, bracket: Bracket, order: Order, protect: int) -> list[tuple[Leg, int]]:
        """Return how many lots each target is to have open: no more than is protected, the first ones first."""
        found, room = [], protect
        for leg, planned in zip(bracket.targets, self._planned(bracket, order), strict=True):
            lots = 0 if leg.dropped else min(room, max(0, planned - leg.filled))
            room -= lots
            found.append((leg, lots))
        return found

    def _has(self, leg: Leg) -> int:
        """Return how many lots a target may trade by what the venue knows, or will: the most of both."""
        target = None if leg.order_id is None else self._state.orders[leg.order_id]
        if target is None or target.status in FINAL:
            return 0
        asked = 0 if target.amendment is None else target.amendment.quantity - target.cum
        return max(target.quantity - target.cum, asked)

    # ------------------------------------------------------------------ stops

    def _resize_stop(self, bracket: Bracket, order: Order, protect: int) -> None:
        if bracket.stop_id is None:
            if protect and bracket.wants_stop and self._may_make(bracket):
                self._make_stop(bracket, order, protect)
            return
        stop = self._state.orders[bracket.stop_id]
        if not protect:
            self._take_stop_back(bracket, stop, "nothing is left to protect")
        elif stop.quantity - stop.cum != protect and stop.is_held and stop.amendment is None:
            self._amend(stop, stop.cum + protect, stop.price, None)

    def _make_stop(self, bracket: Bracket, order: Order, protect: int) -> None:
        special = Special(
            stop=bracket.stop, trigger=bracket.trigger, offset=bracket.trailing, reduce_only=True, emulated=True,
            self_trade=None if order.special is None else order.special.self_trade,
        )  # fmt: skip
        kind = _STOP if bracket.trailing is None else _TRAILING
        counts_at = self._counts_at(bracket, order)
        child = Child(order.venue, order.side != "BUY", protect, kind, counts_at, _GTC, 0, special, bracket.list_id)
        made = self._make(bracket, order, child)
        if made is None:
            return
        bracket.stop_id = made.order_id
        bracket.seen[made.order_id] = 0
        self._children.send(made)

    def _counts_at(self, bracket: Bracket, order: Order) -> int:
        """Return the price (ticks) that a stop is reserved for; once it goes its bound is the market's."""
        if bracket.stop is not None:
            return bracket.stop
        quote = self._state.quotes[order.venue][order.terms.id]
        near = quote.bid if order.side == "BUY" else quote.ask
        return near or quote.last or order.price

    def hits(self, stop: Order) -> bool:
        """Take over a stop whose price has come: its targets go first. False of an order that is none."""
        assert stop.links is not None, "it is of a family"
        parent_id = stop.links.parent_id
        bracket = None if parent_id is None else self._state.families.brackets.get(int(parent_id))
        if bracket is None or stop.special is None or stop.order_type not in (_STOP, _TRAILING):
            return False
        stop.await_others()
        if self._may_go(stop):
            bracket.hit = True
            self._journal.queued(stop, "its price has come: its targets are taken off before it goes")
        else:
            self._journal.queued(stop, "its price has come while its account is HALTED: it goes once that is resumed")
            self._hold_up(bracket)
        return True

    def _hold_up(self, bracket: Bracket) -> None:
        """Look again at a bracket whose stop may not go; whoever is resumed is looked at at once."""
        bracket.again_ms = self._journal.ms + AGAIN_MS
        self._again(bracket, bracket.again_ms)

    def _may_go(self, stop: Order) -> bool:
        """Whether a stop may be sent: in a halt that keeps what protects, and without one."""
        assert stop.holding is not None, "it was taken"
        standing = stop.holding.account.standing
        return standing.state != HALTED or standing.keeps

    def _was_held_up(self, bracket: Bracket) -> None:
        """Let a stop go on whose price came during a halt, once it may."""
        stop = None if bracket.stop_id is None else self._state.orders[bracket.stop_id]
        if bracket.hit or stop is None or stop.held != FOR_OTHERS:
            return
        bracket.hit = self._may_go(stop)
        if bracket.hit:
            bracket.again_ms = 0
        else:
            self._hold_up(bracket)

    def _go_out(self, bracket: Bracket, order: Order, protect: int) -> None:
        """Take off targets and the rest of the entry; then send the stop, with what they left."""
        if order.status not in FINAL:
            self._children.take_back(order, "its stop is hit")
        for leg in bracket.targets:
            if leg.order_id is not None:
                leg.ours = True
                self._children.take_back(self._state.orders[leg.order_id], "its stop is hit")
        self._count(bracket)
        if bracket.stop_id is None or any(leg.order_id is not None for leg in bracket.targets):
            return
        stop = self._state.orders[bracket.stop_id]
        if stop.held != FOR_OTHERS:
            return  # it is out
        stop.out = 0
        protect = self._protects(bracket, order)
        if not protect:
            return self._take_stop_back(bracket, stop, "its targets left nothing")
        if stop.quantity != protect:
            self._amend(stop, protect, stop.price, None)
        self._desk.send(stop)
        return None

    def _break_even(self, bracket: Bracket, order: Order) -> None:
        """Move the stop to the mean fill price, where the market is on the right side of it."""
        stop = self.even_price(order)
        if not self.is_right(bracket, order, stop):  # a target may trade before any other price is told
            self._again(bracket, self._journal.ms + AGAIN_MS)
            return
        bracket.break_even = ""
        if self._is_better(bracket, order, stop):
            self.move_stop(bracket, order, stop, None)

    def _again(self, bracket: Bracket, ms: int) -> None:
        """Have a bracket looked at then at the latest."""
        due_ms = self._state.timers.due_ms(bracket.entry_id, BRACKET)
        if due_ms is None or due_ms > ms:
            self._state.timers.add(ms, bracket.entry_id, BRACKET)

    def even_price(self, order: Order) -> int:
        """Return the mean fill price (ticks) of an entry, rounded to the side on which nothing is lost."""
        mean = Fraction(order.notional, order.cum)
        return -(-mean.numerator // mean.denominator) if order.side == "BUY" else mean.numerator // mean.denominator

    def _is_better(self, bracket: Bracket, order: Order, stop: int) -> bool:
        if bracket.stop is None:
            return True
        return stop > bracket.stop if order.side == "BUY" else stop < bracket.stop

    def price_for(self, bracket: Bracket, order: Order) -> int | None:
        """Return the price (half ticks) that a bracket's stop waits for as it is now, None where there is none yet."""
        quote, mark = self._state.quotes[order.venue][order.terms.id], self._state.holdings.instruments
        return half_ticks(quote, bracket.trigger, order.side != "BUY", mark[order.terms.symbol].mark)

    def is_right(self, bracket: Bracket, order: Order, stop: int) -> bool:
        """Whether a stop would not be hit at once."""
        price = self.price_for(bracket, order)
        return price is None or (2 * stop < price if order.side == "BUY" else 2 * stop > price)

    def move_stop(self, bracket: Bracket, order: Order, stop: int | None, trailing: int | None) -> None:
        """Let a stop stand elsewhere from now on, or trail; one that was dropped is made again."""
        trailed = bracket.trailing is not None
        bracket.stop, bracket.trailing, bracket.stop_dropped = stop, trailing, False
        if bracket.stop_id is None or bracket.hit:
            return
        child = self._state.orders[bracket.stop_id]
        if child.amendment is not None or not child.is_held:
            return
        if trailed or trailing is not None:
            self._take_stop_back(bracket, child, "its bracket's stop moves")
        else:
            self._amend(child, child.quantity, child.price, stop)

    # ---------------------------------------------------------------- targets

    def _resize_target(self, bracket: Bracket, order: Order, leg: Leg, lots: int) -> None:
        if leg.order_id is None:
            if lots and self._may_make(bracket):
                self._make_target(bracket, order, leg, lots)
            return
        target = self._state.orders[leg.order_id]
        if leg.dropped and not leg.ours:
            return  # somebody else takes it off
        if not lots:
            leg.ours = True
            self._children.take_back(target, "nothing is left for it to close")
            self._count(bracket)
        elif (
            target.amendment is None
            and target.cancel_signal is None
            and (target.quantity - target.cum != lots or target.price != leg.ticks)
        ):
            self._amend(target, target.cum + lots, leg.ticks, None)

    def _make_target(self, bracket: Bracket, order: Order, leg: Leg, lots: int) -> None:
        self_trade = None if order.special is None else order.special.self_trade
        special = Special(reduce_only=True, self_trade=self_trade)
        child = Child(order.venue, order.side != "BUY", lots, _LIMIT, leg.ticks, _GTC, 0, special, bracket.list_id)
        made = self._make(bracket, order, child)
        if made is None:
            return
        leg.order_id = made.order_id
        bracket.seen[made.order_id] = 0
        self._reserve(bracket)
        self._children.send(made)

    def retarget(self, bracket: Bracket, order: Order, legs: list[Leg]) -> None:
        """Take other targets from now on: of what is open now, and of what the entry fills later."""
        before = [leg for leg in bracket.targets if leg.weight]
        if [leg.weight for leg in before] == [leg.weight for leg in legs]:
            for leg, new in zip(before, legs, strict=True):
                leg.ticks, leg.dropped = new.ticks, False
            return
        for leg in before:
            # What is being taken off stays behind the new ones, with no share, until its end is known.
            leg.weight, leg.dropped = 0, True
            if leg.order_id is not None:
                leg.ours = True
                self._children.take_back(self._state.orders[leg.order_id], "its bracket has other targets")
        self._count(bracket)
        bracket.base = bracket.exited
        bracket.targets = legs + [leg for leg in bracket.targets if not leg.weight]

    # ----------------------------------------------------------- what is shared

    def _may_make(self, bracket: Bracket) -> bool:
        return self._journal.ms >= bracket.again_ms

    def _make(self, bracket: Bracket, order: Order, child: Child) -> Order | None:
        made = self._children.make(order, bracket.made + 1, child)
        if isinstance(made, str):
            self._refused(bracket)
            return None
        bracket.made += 1
        bracket.again_ms = 0
        return made

    def _amend(self, order: Order, quantity: int, price: int, stop: int | None) -> None:
        order.request_replace(Amendment(order.family_signal, quantity, price, stop))
        self._journal.replace_requested(order)
        self._children.replace(order)

    def _take_stop_back(self, bracket: Bracket, stop: Order, text: str) -> None:
        bracket.stop_ours = True
        self._children.take_back(stop, text)
        self._count(bracket)

    def _reserve(self, bracket: Bracket) -> None:
        """Let the stop count for no more than its targets leave: never do both trade."""
        if bracket.stop_id is None:
            return
        stop = self._state.orders[bracket.stop_id]
        out = sum(open_lots(self._state.orders.get(each)) for each in bracket.exits[1:])
        if stop.out != out:
            stop.out = out
            assert stop.holding is not None, "it was taken"
            stop.holding.share_out(stop)

    def _end(self, bracket: Bracket, order: Order) -> None:
        bracket.covers = False
        self._state.families.uncover(bracket, order)
        self._state.timers.cancel(bracket.entry_id, BRACKET)

    def over(self, bracket: Bracket, order: Order) -> None:
        """End a bracket that has left all that it protected to an order that closed it, and tell so."""
        self._end(bracket, order)
        self._tell(bracket, order, 0, None)

    def _tell(self, bracket: Bracket, order: Order, protect: int, answers: str | None) -> None:
        """Tell how a bracket stands, where its stop moved, it ended or somebody asked."""
        status = "EXECUTING" if bracket.covers else "ALL_DONE"
        now = (bracket.trailing or 0, bracket.stop, status)
        if now == bracket.told and answers is None:
            return
        bracket.told = now
        text = "its exits are as large as what it has filled"
        if not bracket.covers:
            text = "its exits are off, and are not made again" if protect else "nothing is left to protect"
            protect = 0
        self.tell(bracket, order, protect, text, answers)

    def tell(self, bracket: Bracket, order: Order, protect: int, text: str, signal_id: str | None = None) -> None:
        """OrderListReported."""
        self._journal.bracket_reported(bracket, order, protect, text, signal_id)

    # ------------------------------------------------------------ from outside

    def looked(self, position: Position) -> None:
        """Look at the brackets of a position that changed, where it is not enough for all of them, or was not."""
        families = self._state.families
        cover = families.covering.get(position)
        if cover is None:
            return
        held = self._state.holdings.at(position).quantity
        enough = cover.is_enough(held)
        if enough and not cover.short:
            return
        cover.short = not enough
        for entry_id in cover:
            self.look(families.brackets[entry_id])
        families.stirred.pop(position, None)  # each look may have asked for it again

    def time_came(self, entry_id: int) -> int:
        """Try again what was refused."""
        bracket = self._state.families.brackets.get(entry_id)
        if bracket is None:
            return 1
        self.look(bracket)
        return 4

    def cancel(self, bracket: Bracket, text: str) -> None:
        """Take off a bracket's entry and its exits; what its position has is protected no more."""
        orders = self._state.orders
        bracket.stop_dropped, bracket.stop_ours, bracket.again_ms = True, bracket.stop_id is not None, 0
        for leg in bracket.targets:
            leg.dropped, leg.ours = True, leg.order_id is not None
        self._state.families.stirred[bracket.entry_id] = None  # it may have no order that works
        for order_id in (*bracket.exits, bracket.entry_id):
            if order_id in orders:
                self._children.take_back(orders[order_id], text, CancelReason.LIST)
