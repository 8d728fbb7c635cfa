"""Which brackets protect a position, and how much of it each.

Flows in: what each bracket has to protect, what is held. Flows out: a share each. The newest ones come first: what was
closed by hand was the oldest. Never scans while what is held is enough for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator


class Cover:
    """The brackets of one position.

    Attributes:
        brackets: their entries' ids, the oldest first, with whether the entry bought and how many lots each counts.
        total: lots that brackets of buyers, and of sellers, count altogether.
        promised: lots of what is held that exits leave to orders that close it.
        short: what is held was not enough for all of them when it was looked at last.
    """

    __slots__ = ("brackets", "promised", "short", "total")

    def __init__(self) -> None:
        self.brackets: dict[int, tuple[bool, int]] = {}
        self.total = {True: 0, False: 0}
        self.promised = 0
        self.short = False

    def count(self, entry_id: int, buy: bool, lots: int) -> None:
        """Let a bracket count so many lots from now on."""
        before = self.brackets.get(entry_id, (buy, 0))[1]
        self.brackets[entry_id] = buy, lots
        self.total[buy] += lots - before

    def drop(self, entry_id: int) -> None:
        """Let a bracket count no more."""
        buy, lots = self.brackets.pop(entry_id, (True, 0))
        self.total[buy] -= lots

    def is_enough(self, held: int) -> bool:
        """Whether a position (lots, below 0 of a short one) is enough for all of them."""
        return self._left(held) >= self.total[True] and self._left(-held) >= self.total[False]

    def _left(self, held: int) -> int:
        """Return what there is to protect of a position on one side."""
        return max(held - self.promised, 0)

    def share(self, entry_id: int, held: int) -> int:
        """Return how many lots one bracket protects of a position."""
        buy, lots = self.brackets[entry_id]
        room = self._left(held if buy else -held)
        if room >= self.total[buy]:
            return lots
        for each in reversed(self.brackets):
            its, counts = self.brackets[each]
            if its != buy:
                continue
            if each == entry_id:
                return min(counts, room)
            room = max(0, room - counts)
        return 0

    def __iter__(self) -> Iterator[int]:
        return iter([*self.brackets])
