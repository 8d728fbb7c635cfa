"""Commands on their way to the book: released by due time, and those of one time in the order in which they came.

Flows in: 64-byte records, whose they are and when they are due. Flows out: the same records, in (due, arrival) order.
Never looks at a clock; never lets an account's command pass an earlier one of the same account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import NamedTuple

from fillstream.libs.common.values.versions import Document, check_names


class Waiting(NamedTuple):
    """One command on its way. Sorts by when it is due, then by when it came."""

    due_ms: int
    number: int
    account: int
    record: bytes


class CommandQueue:
    """The commands that have not reached the book.

    Attributes:
        soonest: when the first one is due (log milliseconds), None without one.
    """

    __slots__ = ("_heap", "_last", "_number", "soonest")

    def __init__(self) -> None:
        self._heap: list[Waiting] = []
        self._number = 0
        # To an account with commands on their way: its last one. The house is account 0 and has no order to keep.
        self._last: dict[int, Waiting] = {}
        self.soonest: int | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due_ms: int, account: int, record: bytes) -> None:
        """Put a command on its way. It is due at `due_ms`, or with the account's last one if that comes later."""
        last = self._last.get(account)
        if last is not None and last.due_ms > due_ms:
            due_ms = last.due_ms
        self._number += 1
        waiting = Waiting(due_ms, self._number, account, record)
        if account:
            self._last[account] = waiting
        heappush(self._heap, waiting)
        self.soonest = self._heap[0].due_ms

    def pop(self, ms: int) -> Waiting | None:
        """Take out the first command that is due at `ms` or before, None when none is."""
        if self.soonest is None or self.soonest > ms:
            return None
        waiting = heappop(self._heap)
        if self._last.get(waiting.account) is waiting:
            del self._last[waiting.account]
        self.soonest = self._heap[0].due_ms if self._heap else None
        return waiting

    @property
    def latest(self) -> int | None:
        """When the last one is due, None when none is on its way. Looks at all of them."""
        return max((each.due_ms for each in self._heap), default=None)

    def take_out(self, is_meant: Callable[[Waiting], bool]) -> list[Waiting]:
        """Take out all that are meant, and return them in the order in which they came."""
        meant: list[Waiting] = []
        rest: list[Waiting] = []
        for each in self._heap:
            (meant if is_meant(each) else rest).append(each)
        if meant:
            self._place(rest)
        return sorted(meant, key=lambda each: each.number)

    def _place(self, waiting: Iterable[Waiting]) -> None:
        self._heap = sorted(waiting)  # which is a heap
        self._last = {each.account: each for each in self._heap if each.account}
        self.soonest = self._heap[0].due_ms if self._heap else None

    # --------------------------------------------------------------- snapshot

    def dump(self) -> list[Document]:
        """Return the commands by the names of their fields, in the order in which they came: that is their number."""
        return [
            {"due_ms": each.due_ms, "account": each.account, "record": each.record.hex()}
            for each in sorted(self._heap, key=lambda each: each.number)
        ]

    @classmethod
    def load(cls, documents: list[Document]) -> CommandQueue:
        """Return what `dump` wrote.

        Raises:
            Unreadable: a command has other fields.
        """
        queue, names = cls(), ("due_ms", "account", "record")
        for number, each in enumerate(documents, start=1):
            check_names("command", each, names, names)
            queue._heap.append(Waiting(each["due_ms"], number, each["account"], bytes.fromhex(each["record"])))
        queue._number = len(documents)
        queue._place(queue._heap)
        return queue
