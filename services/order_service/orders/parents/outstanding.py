"""What the children of one order have at venues: how much where, at which price.

Flows in: children, whenever something became of one. Flows out: sums, and the children behind a sum where one has too
much. Counted as they change, so that a report of one child costs the same however many others there are. It follows
from the orders, and is in no snapshot.
"""

from __future__ import annotations

from typing import NamedTuple

from fillstream.libs.common.messages.codes import TimeInForce
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

    def lots(self, place: Place) -> int:
        """Return how many lots are there."""
        return self._lots.get(place, 0)

    def at(self, place: Place) -> list[int]:
        """Return the ids of the children there, the oldest first."""
        return sorted(self._at.get(place, ()))

    def resting(self) -> list[Place]:
        """Return where any rest, those that take at once left out."""
        return [place for place in self._at if place.ticks is not None]

    def ids(self) -> list[int]:
        """Return the ids of all of them, the oldest first."""
        return sorted(self._of)
