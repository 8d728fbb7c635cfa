"""What the children of one order have at venues: how much where, at which price.

Flows in: children, whenever something became of one. Flows out: sums, and the children behind a sum where one has too
much. Counted as they change, so that a report of one child costs the same however many others there are. It follows
from the orders, and is in no snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from fillstream.libs.common.messages.codes import TimeInForce
from fillstream.services.order_service.orders.algos.algorithm import Slice
from fillstream.services.order_service.orders.life.order import FINAL, Order

_IOC = TimeInForce.IOC.value


class Place(NamedTuple):
    """What children have in common that do the same.

    Attributes:
        venue: where; None of those that a policy routed: wherever that is.
        ticks: the price at which they rest; None of those that take at once. Of those that a policy routed it is the
            price of the slice that they are of.
        post_only: they never take.
    """

    venue: str | None
    ticks: int | None
    post_only: bool = False


class Outstanding:
    """The children of one order that work, but those that rest and are being canceled."""

    __slots__ = ("_at", "_lots", "_of")

    def __init__(self) -> None:
        self._of: dict[int, tuple[Place, int]] = {}
        self._at: dict[Place, dict[int, None]] = {}
        self._lots: dict[Place, int] = {}

    def count(self, child: Order, routed: bool, asked: int | None) -> None:
        """Count a child as it is now; `asked` is the price of the slice that one is of which a policy routed."""
        order_id = child.order_id
        now = self._now(child, routed, asked)
        before = self._of.get(order_id)
        if now == before:
            return
        if before is not None:
            place, lots = before
            self._lots[place] -= lots
            if now is None or now[0] != place:
                del self._at[place][order_id]
                if not self._at[place]:
                    del self._at[place], self._lots[place]
        if now is None:
            del self._of[order_id]
            return
        place, lots = self._of[order_id] = now
        self._lots[place] = self._lots.get(place, 0) + lots
        self._at.setdefault(place, {})[order_id] = None

    def _now(self, child: Order, routed: bool, asked: int | None) -> tuple[Place, int] | None:
        if child.status in FINAL:
            return None
        if child.time_in_force == _IOC:
            return Place(None if routed else child.venue, None), child.leaves
        if child.cancel_signal is not None:
            return None
        if routed:
            return Place(None, asked), child.leaves
        return Place(child.venue, child.price, child.special is not None and child.special.post_only), child.leaves

    def against(self, slices: Iterable[Slice], home: str | None) -> tuple[list[Slice], list[int]]:
        """Compare with what should work: return what is missing, with venues, and the children that nobody wants.

        Args:
            slices: all that should work.
            home: where those go that name no venue; None where a policy says so.
        """
        at_once: dict[Place, int] = {}
        left: dict[Place, list[int]] = {}
        missing: list[Slice] = []
        for each in slices:
            venue, have = each.venue or home, 0
            if not each.rests or each.ticks is None or venue is None:
                place = Place(venue, None)
                there = at_once.get(place, self._lots.get(place, 0))
                have = min(there, each.lots)
                at_once[place] = there - have
            if each.rests and each.ticks is not None:
                place = Place(venue, each.ticks, each.post_only and venue is not None)
                have += self._keep(left, place, each.lots - have)
            if each.lots > have:
                missing.append(each._replace(lots=each.lots - have, venue=venue))
        resting = [place for place in self._at if place.ticks is not None]
        unwanted = [left[place] if place in left else [*self._at[place]] for place in resting]
        return missing, sorted(chain.from_iterable(unwanted))

    def _keep(self, left: dict[Place, list[int]], place: Place, lots: int) -> int:
        """Keep of the children that rest there as many as are wanted, the oldest first; return what they have."""
        if place not in left and (have := self._lots.get(place, 0)) <= lots:
            left[place] = []
            return have
        have, gone = 0, []
        for order_id in left[place] if place in left else sorted(self._at[place]):
            _, leaves = self._of[order_id]
            if have + leaves <= lots:
                have += leaves
            else:
                gone.append(order_id)
        left[place] = gone
        return have

    def ids(self) -> list[int]:
        """Return the ids of all of them, the oldest first."""
        return sorted(self._of)
