"""The prices at which one account's orders of one side rest in one instrument: whether a new one would meet them.

Flows in: orders that come and go. Flows out: the best price. Never knows whose they are.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

_SLACK = 64


class Ladder:
    """The prices (ticks) at which orders of one side rest, and the best of them.

    Args:
        sign: 1 where the lowest is the best, as of sellers; -1 of buyers.
    """

    __slots__ = ("_counts", "_heap", "_sign")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._counts: dict[int, int] = {}
        self._heap: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, price: int) -> None:
        """An order rests at a price."""
        counts, key = self._counts, self._sign * price
        count = counts.get(key, 0)
        counts[key] = count + 1
        if not count:
            heappush(self._heap, key)
            if len(self._heap) > 2 * len(counts) + _SLACK:
                self._heap = [*counts]
                heapify(self._heap)

    def remove(self, price: int) -> None:
        """One of the orders at a price rests there no more."""
        key = self._sign * price
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]

    @property
    def best(self) -> int | None:
        """The price that trades first, None where nothing rests."""
        heap, counts = self._heap, self._counts
        while heap and heap[0] not in counts:
            heappop(heap)
        return self._sign * heap[0] if heap else None
