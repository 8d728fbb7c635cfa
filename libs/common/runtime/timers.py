"""What a fold has to do at a time: a heap of timers, part of the stage's state.

Flows in: a millisecond of the log, and what is due then. Flows out: what is due by a millisecond, in (due, id) order.
Never looks at a clock, never calls anybody: the fold asks for what is due before it takes an entry, and does it.

A timer goes by its `id` (an order's, 0 for the stage's own) and `what` is to be done: of the two together there is one
at a time. Cancelling leaves it in the heap until it comes up, or until more than half of the heap is cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from fillstream.libs.common.values.versions import Document, check_names

FEW = 64
"""A heap of so many is not worth cleaning."""


class Timer(NamedTuple):
    """Something to do once the log reaches `due_ms`. Sorts by when, then by id."""

    due_ms: int
    id: int
    what: str


class Timers:
    """The timers of one stage.

    Attributes:
        soonest: when the first one is due (log milliseconds), None without one. A plain attribute, since every entry
            looks at it.
    """

    __slots__ = ("_due", "_heap", "soonest")

    def __init__(self, timers: Iterable[Timer] = ()) -> None:
        self._heap = [*timers]
        heapify(self._heap)
        self._due = {(timer.id, timer.what): timer.due_ms for timer in self._heap}
        self.soonest: int | None = None
        self._settle()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, due_ms: int, id: int, what: str) -> None:
        """Arm a timer; one of the same id for the same is moved there."""
        if self._due.get((id, what)) == due_ms:
            return
        self._due[id, what] = due_ms
        heappush(self._heap, Timer(due_ms, id, what))
        self._settle()

    def add_once(self, due_ms: int, id: int, what: str) -> None:
        """Arm a timer, unless there is one of the same id for the same."""
        if (id, what) not in self._due:
            self.add(due_ms, id, what)

    def cancel(self, id: int, what: str) -> None:
        """Let go of a timer; nothing happens when there is none."""
        if self._due.pop((id, what), None) is not None:
            self._settle()

    def due_ms(self, id: int, what: str) -> int | None:
        """Return when a timer is due, None where there is none."""
        return self._due.get((id, what))

    def pop(self, ms: int) -> Timer | None:
        """Take out the first timer that is due at `ms` or before, None when none is."""
        if self.soonest is None or self.soonest > ms:
            return None
        timer = heappop(self._heap)
        del self._due[timer.id, timer.what]
        self._settle()
        return timer

    def _settle(self) -> None:
        """Have the heap begin with a timer that counts, and hold few that do not."""
        heap, due = self._heap, self._due
        if len(heap) > FEW and len(heap) > 2 * len(due):
            heap[:] = [Timer(due_ms, id, what) for (id, what), due_ms in due.items()]
            heapify(heap)
        while heap and due.get((heap[0].id, heap[0].what)) != heap[0].due_ms:
            heappop(heap)
        self.soonest = heap[0].due_ms if heap else None

    # --------------------------------------------------------------- snapshot

    def dump(self) -> list[Document]:
        """Return the timers by the names of their fields, in the order in which they fire."""
        return [timer._asdict() for timer in sorted(Timer(due_ms, *key) for key, due_ms in self._due.items())]

    @classmethod
    def load(cls, records: list[Document]) -> Timers:
        """Return what `dump` wrote.

        Raises:
            Unreadable: a timer has other fields.
        """
        for record in records:
            check_names("timer", record, Timer._fields, Timer._fields)
        return cls([Timer(**record) for record in records])
