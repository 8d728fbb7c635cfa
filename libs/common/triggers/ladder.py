"""Prices that are waited for: who waits, and whom a price reaches.

Flows in: ids to arm and disarm, each with its price; a price that moved. Flows out: the ids that it reaches, nearest
price first, then the least id. Never scans: a look costs one comparison where nobody is reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from fillstream.libs.common.triggers.trailing import ANYWHERE, FEW, Window


class Ladder:
    """Who waits for one price to move one way."""

    __slots__ = ("_heap", "_waiting", "rising")

    def __init__(self, rising: bool) -> None:
        self.rising = rising
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._waiting

    def add(self, order_id: int, stop: int) -> None:
        """Arm an order; one that is armed is moved."""
        key = stop if self.rising else -stop
        self._waiting[order_id] = key
        heappush(self._heap, (key, order_id))

    def drop(self, order_id: int) -> None:
        """Disarm an order."""
        del self._waiting[order_id]
        heap, waiting = self._heap, self._waiting
        if len(heap) > FEW and len(heap) > 2 * len(waiting):
            heap[:] = [(key, each) for each, key in waiting.items()]
            heapify(heap)

    def is_reached(self, half: int) -> bool:
        """Whether a price (half ticks) may reach an order: False is certain, as what is first may be disarmed."""
        heap = self._heap
        return bool(heap) and 2 * heap[0][0] <= (half if self.rising else -half)

    def window(self) -> Window:
        """Return the prices (half ticks, both ends among them) that certainly reach nobody."""
        if not self._heap:
            return -ANYWHERE, ANYWHERE
        key = 2 * self._heap[0][0] - 1
        return (-ANYWHERE, key) if self.rising else (-key, ANYWHERE)

    def reached(self, half: int) -> Iterator[int]:
        """Disarm and yield the orders that a price (half ticks) reaches."""
        heap, waiting = self._heap, self._waiting
        least = half if self.rising else -half
        while heap and 2 * heap[0][0] <= least:
            key, order_id = heappop(heap)
            if waiting.get(order_id) == key:
                del waiting[order_id]
                yield order_id
