"""Makes what is wanted of an order that is worked so: sends what is missing, takes back what is too much.

Flows in: slices, which are all that should be working; what becomes of children. Flows out: children, and cancels of
them; what their parent has traded. Never sends more than a parent has left, and never says what should be working.
"""

from __future__ import annotations

from decimal import Decimal

from fillstream.libs.common.messages.codes import OrderType, TimeInForce
from fillstream.libs.common.values.money import Scale, at_least, at_most, canonical
from fillstream.services.order_service.orders.algos.algorithm import Slice
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import FINAL, REJECTED, Order
from fillstream.services.order_service.orders.life.special import Special
from fillstream.services.order_service.orders.parents.children import Child, Children, Closed
from fillstream.services.order_service.orders.parents.job import Seen
from fillstream.services.order_service.orders.parents.routed import Part, parts_of
from fillstream.services.order_service.orders.parents.work import PAUSED, RUNNING, Work
from fillstream.services.order_service.orders.state import State

MOST_CHILDREN = 50
"""At most so many children are made of one parent at a look; the others come at once after it."""
MOST_REFUSED = 10
"""After so many slices in a row that were refused, an order is paused: a person is to look."""
MOST_DOUBLED = 6
MOST_TURNS = 10
"""An algorithm that so often at one millisecond wants no more what works waits: else it would do so for ever."""
_LIMIT, _MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
_IOC, _GTC = TimeInForce.IOC.value, TimeInForce.GTC.value
_RESTING = frozenset((TimeInForce.GTC.value, TimeInForce.DAY.value, TimeInForce.GTD.value))


class Sender:
    """The part of the fold that sends slices.

    Args:
        state: has the orders.
        journal: knows what time it is.
        children: makes them, and takes them back.
    """

    __slots__ = ("_children", "_journal", "_state")

    def __init__(self, state: State, journal: Journal, children: Children) -> None:
        self._state = state
        self._journal = journal
        self._children = children

    def take_back(self, order_id: int, text: str) -> None:
        """Take a child off, and count what became of it."""
        child = self._state.orders[order_id]
        self._children.take_back(child, text)
        self.child_changed(child)  # the desk takes off at once what it holds

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

    # --------------------------------------------------------- making it so

    def make_so(self, order: Order, work: Work, seen: Seen, slices: list[Slice]) -> bool:
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
            self.take_back(order_id, "its time to rest is over")
        missing, unwanted = work.outstanding.against(slices, None if work.routing is not None else order.venue)
        for order_id in unwanted:
            self.take_back(order_id, "its parent's algorithm wants it no more")
        if unwanted:
            self._turned(work)
        return missing

    def _turned(self, work: Work) -> None:
        """Note that an algorithm wants no more what it wanted; who does so again and again in no time is to wait."""
        ms = self._journal.ms
        work.turns = work.turns + 1 if ms == work.turned_ms else 1
        work.turned_ms = ms
        if work.turns > MOST_TURNS:
            work.again_ms = ms + work.given.retry_ms
            work.text = f"{work.algorithm} changed its mind {MOST_TURNS} times at the same moment: it waits"

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


_PLAIN = Special()


def _lots(grid: Scale, amount: Decimal | None) -> int | None:
    """Return an amount of the parameters in lots, rounded down; None of none."""
    return None if amount is None else at_most(amount, grid.step)


def ticks_of(grid: Scale, price: Decimal | None, buy: bool) -> int | None:
    """Return a price of the parameters in ticks, rounded to the less aggressive side; None of none."""
    if price is None:
        return None
    return at_most(price, grid.step) if buy else at_least(price, grid.step)
