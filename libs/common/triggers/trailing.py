"""Trailing stops: how the best price since each came is kept, and which stop is next.

Flows in: orders to arm and disarm; a price that moved. Flows out: the orders whose stops it reaches, nearest stop
first, of equal offsets the oldest, each with its stop. Never scans: a price that concerns nobody costs two comparisons,
however many orders wait.

Orders that have seen the same best price are one group, whatever their offsets: a new best price is one number for all
of them. Prices are mirrored for buyers, so that here every stop stays below a price that is best when it is highest:

    groups, the best price falling        80 ─ 50 ─ 42 ─ 37        the market is at 35 or so: never above the last
    a price of 45 comes                   80 ─ 50 ─ 45             37 and 42 have a new best price, the same one now
    the market falls                      80 ─ 50 ─ 45             nothing has a new best price; stops may be reached

So groups are a stack. A new best price pops those below it and merges them, the small ones into the largest: an order
moves as often as its group at least doubles. In a group the smallest offset has the highest stop: a heap of offsets,
which no price changes. Over the groups there is a heap of their highest stops. An order that is disarmed stays in its
heap until it would come first, or until most of a heap is such.

A stop stands on whole ticks, never nearer to the best price than its offset: of a mid between two ticks, on the far
side. Of basis points it is as far off as the book's own (fillstream.h): of the price without its sign, rounded down, a
tick at least. Offsets in ticks and in basis points do not compare, so each has stacks of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

FEW = 64
"""A heap of so many is not worth cleaning."""
Window = tuple[int, int]
"""A lowest and a highest price (half ticks)."""
ANYWHERE = 1 << 66
"""No price is so far from 0."""
NOWHERE: Window = (1, 0)
_WHOLE = 10_000
"""Basis points in the whole."""


def stop_of(best: int, offset: int, in_bps: bool) -> int:
    """Return the stop (mirrored ticks) of an order that has seen this best price."""
    return best - (max(1, abs(best) * offset // _WHOLE) if in_bps else offset)


class Group:
    """Orders that have seen the same best price.

    Attributes:
        best: that price (mirrored ticks).
        serial: groups of one side and unit are numbered, so that no two of them are ever compared.
        heap: offsets and ids, the nearest stop first; those of orders that left among them.
        count: orders that are there.
    """

    __slots__ = ("best", "count", "heap", "serial")

    def __init__(self, best: int, serial: int) -> None:
        self.best = best
        self.serial = serial
        self.count = 0
        self.heap: list[tuple[int, int]] = []


class Trailing:
    """Orders that trail one price on one side.

    Args:
        buy: they are a buyer's: their stops are above the market and follow it down.
        in_bps: their offsets are basis points; else ticks.
    """

    __slots__ = ("_asleep", "_groups", "_keys", "_made", "_next", "_sign", "_where", "in_bps")

    def __init__(self, buy: bool, in_bps: bool) -> None:
        self._sign = -1 if buy else 1
        self.in_bps = in_bps
        self._groups: list[Group] = []  # the best price falling: the last one is next to see another
        self._keys: list[int] = []  # their best prices with the sign turned, which rise
        self._made = 0
        self._next: list[tuple[int, int, int, Group]] = []  # stop (sign turned) and id of who is first in a group
        self._where: dict[int, tuple[Group | None, int]] = {}
        self._asleep: dict[int, int] = {}  # no price has come since these did

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._where

    # ------------------------------------------------------------ coming, going

    def add(self, order_id: int, offset: int, best: int | None) -> None:
        """Arm an order.

        Args:
            order_id: one that is not armed.
            offset: ticks or basis points.
            best: the best price (ticks) it has seen, None where there was none; see `best_now`.
        """
        assert order_id not in self._where, "it is disarmed first"
        if best is None:
            self._asleep[order_id] = offset
            self._where[order_id] = None, offset
            return
        group = self._group(best * self._sign)
        self._put(group, order_id, offset)
        if group.heap[0] == (offset, order_id):
            self._announce(group)

    def drop(self, order_id: int) -> None:
        """Disarm an order."""
        group, _ = self._where.pop(order_id)
        if group is None:
            del self._asleep[order_id]
            return
        group.count -= 1
        if not group.count:
            self._forget(group)
        elif len(group.heap) > FEW and len(group.heap) > 2 * group.count:
            group.heap[:] = {
                each for each in group.heap if self._is_in(group, each)
            }  # one that came again is there twice
            heapify(group.heap)

    def best_now(self, half: int | None) -> int | None:
        """Return the best price (ticks) of an order that comes at a price (half ticks); None without one."""
        return None if half is None else self._sign * (self._sign * half // 2)

    def best_of(self, order_id: int) -> int | None:
        """Return the best price (ticks) that an armed order has seen, None of one that has seen none."""
        group, _ = self._where[order_id]
        return None if group is None else self._sign * group.best

    def stop_of(self, order_id: int) -> int | None:
        """Return where an armed order's stop stands (ticks), None of one that has seen no price."""
        group, offset = self._where[order_id]
        return None if group is None else self._sign * stop_of(group.best, offset, self.in_bps)

    def seen(self) -> Iterator[tuple[int, int]]:
        """Yield the armed orders that have seen a price, with the best one (ticks), in no order."""
        for order_id, (group, _) in self._where.items():
            if group is not None:
                yield order_id, self._sign * group.best

    # ------------------------------------------------------------------ prices

    def follow(self, half: int) -> bool:
        """Let the orders see a price (half ticks); return whether it may reach a stop: False is certain."""
        mirrored = half * self._sign
        groups = self._groups
        if self._asleep or (groups and groups[-1].best < mirrored // 2):
            self._rise(mirrored // 2)
        return bool(self._next) and mirrored <= -2 * self._next[0][0]

    def window(self) -> Window:
        """Return the prices (half ticks, both ends among them) at which nothing is reached and nothing follows."""
        if self._asleep:
            return NOWHERE
        low = 1 - 2 * self._next[0][0] if self._next else -ANYWHERE
        high = 2 * self._groups[-1].best + 1 if self._groups else ANYWHERE
        return (low, high) if self._sign > 0 else (-high, -low)

    def reached(self, half: int) -> Iterator[tuple[int, int]]:
        """Disarm and yield the orders whose stop a price (half ticks) reaches, each with its stop (ticks)."""
        mirrored, heap = half * self._sign, self._next
        while heap and mirrored <= -2 * heap[0][0]:
            key, order_id, _, group = heap[0]
            if not group.count:
                self._renew(group)
                continue
            self._tidy(group)
            if self._first(group)[:2] != (key, order_id):  # what was first then has left, or is no more
                self._renew(group)
                continue
            del self._where[order_id]
            group.count -= 1
            self._renew(group)
            yield order_id, self._sign * -key

    def _rise(self, best: int) -> None:
        """Make one group of all that have seen no better price than this."""
        groups, keys = self._groups, self._keys
        below: list[Group] = []
        while groups and groups[-1].best <= best:
            below.append(groups.pop())
            keys.pop()
        largest = max(below, key=lambda each: len(each.heap), default=None) or self._new(best)
        largest.best = best
        for group in below:
            if group is not largest:
                self._move(group.heap, group, largest)
                group.heap, group.count = [], 0
        for order_id, offset in self._asleep.items():
            self._put(largest, order_id, offset)
        self._asleep.clear()
        groups.append(largest)
        keys.append(-best)
        self._tidy(largest)
        self._announce(largest)

    def _move(self, orders: Iterable[tuple[int, int]], group: Group, to: Group) -> None:
        for each in orders:
            if self._is_in(group, each):
                offset, order_id = each
                self._put(to, order_id, offset)

    def _put(self, group: Group, order_id: int, offset: int) -> None:
        heappush(group.heap, (offset, order_id))
        group.count += 1
        self._where[order_id] = group, offset

    # ------------------------------------------------------------------ groups

    def _is_in(self, group: Group, each: tuple[int, int]) -> bool:
        """Whether an entry of a group's heap is of an order that is armed so."""
        offset, order_id = each
        found = self._where.get(order_id)
        return found is not None and found[0] is group and found[1] == offset

    def _new(self, best: int) -> Group:
        self._made += 1
        return Group(best, self._made)

    def _group(self, best: int) -> Group:
        """Return the group of a best price, which is nearly always the lowest there is."""
        at = bisect_left(self._keys, -best)
        if at < len(self._keys) and self._keys[at] == -best:
            return self._groups[at]
        group = self._new(best)
        self._groups.insert(at, group)
        self._keys.insert(at, -best)
        return group

    def _forget(self, group: Group) -> None:
        """Take a group away that nobody is in; what the heap of stops has of it goes when it comes first."""
        at = bisect_left(self._keys, -group.best)
        del self._groups[at], self._keys[at]
        group.heap = []

    def _announce(self, group: Group) -> None:
        """Put the first of a group among the stops; entries of before are found wrong when they come first."""
        heappush(self._next, self._first(group))
        if len(self._next) > FEW and len(self._next) > 2 * len(self._groups):
            self._next.clear()
            for each in self._groups:
                self._tidy(each)
                self._next.append(self._first(each))
            heapify(self._next)

    def _first(self, group: Group) -> tuple[int, int, int, Group]:
        offset, order_id = group.heap[0]
        return -stop_of(group.best, offset, self.in_bps), order_id, group.serial, group

    def _tidy(self, group: Group) -> None:
        """Let an armed order be first in the heap of a group that has one."""
        while not self._is_in(group, group.heap[0]):
            heappop(group.heap)

    def _renew(self, group: Group) -> None:
        """Put what is first in a group now in the place of the first entry of all, which is the group's and wrong."""
        heappop(self._next)
        if group.heap and group.count:
            self._tidy(group)
            self._announce(group)
        elif group.heap:
            self._forget(group)
