"""Answers that a venue owes: to new orders, cancels and amendments, each within `execution_timeout_ms`.

Flows in: what was sent, and when. Flows out: what nobody answered in time. Never says how an order stands: it stays as
it is until the venue says, and nothing is sent again.

All wait the same time, so that what was sent first is due first: one queue, and one timer for its head. Once it is no
more short, each new one passes over two that were answered meanwhile, so that it is about as long as what is not.
Without a timeout there is nothing of all this, and a plain order pays for one look at a number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from fillstream.libs.common.values.versions import Document, check_names
from fillstream.services.order_service.orders.life.order import FINAL, Order

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State

UNANSWERED: Final = "unanswered"
"""What the one timer is for; its id is 0."""
NEW, CANCEL, REPLACE = "NewOrder", "CancelOrder", "ReplaceOrder"
FEW = 256
"""A queue of so many is left to the timer."""
_PASSED_OVER = 2


Request = tuple[int, int, str | None]
"""Something that was sent: when its answer is late (ms), the order's id, and the signal's id of a cancel or an
amendment, None of the order itself. Plain, as every order makes one."""


def request_waits(order: object, signal_id: str | None) -> str | None:
    """Return what an order still waits for the answer to: NEW, CANCEL or REPLACE; None when it was answered."""
    if not isinstance(order, Order):
        return None
    if signal_id is None:
        heard = order.acknowledged or order.cum or order.exec_ids or order.standing or order.status in FINAL
        return None if heard else NEW
    if order.cancel_signal == signal_id:
        return CANCEL
    return REPLACE if order.amendment is not None and order.amendment.signal_id == signal_id else None


class Awaited:
    """What was sent and is not known to be answered.

    Args:
        state: has the orders, and the timer for the first of what was sent.

    Attributes:
        timeout_ms: after which an answer is late; 0: never.
        sent: in the order in which it went.
        late: what was told as unanswered, and may be by now.
    """

    __slots__ = ("_state", "late", "sent", "timeout_ms")

    def __init__(self, state: State) -> None:
        self._state = state
        self.timeout_ms = 0
        self.sent: deque[Request] = deque()
        self.late: dict[tuple[int, str | None], None] = {}

    def configure(self, timeout_ms: int) -> None:
        """Wait so long from now on, for what was sent before, too."""
        longer = timeout_ms - self.timeout_ms
        if not longer:
            return
        self.timeout_ms = timeout_ms
        self.sent = deque((due_ms + longer, order, by) for due_ms, order, by in self.sent) if timeout_ms else deque()
        if self.sent:
            self._state.timers.add(self.sent[0][0], 0, UNANSWERED)
        else:
            self.late.clear()
            self._state.timers.cancel(0, UNANSWERED)

    def add(self, ms: int, order_id: int, signal_id: str | None) -> None:
        """Something is sent at `ms`. There is a timeout."""
        sent, orders = self.sent, self._state.orders
        due_ms = ms + self.timeout_ms
        if not sent:
            self._state.timers.add_once(due_ms, 0, UNANSWERED)
        elif len(sent) > FEW:
            for _ in range(_PASSED_OVER):
                _, first_id, of_signal = sent[0]
                first = orders.get(first_id)
                acknowledged = of_signal is None and type(first) is Order and first.acknowledged  # nearly always
                if not acknowledged and request_waits(first, of_signal) is not None:
                    break
                sent.popleft()
        sent.append((due_ms, order_id, signal_id))

    def due(self, ms: int, room: int) -> Iterator[tuple[Order, str, str | None]]:
        """Yield orders that were not answered by `ms`, at most so many, with what was sent; the timer goes on.

        Yields:
            the order, NEW, CANCEL or REPLACE, and the signal's id, None of the order itself.
        """
        self._forget_answered()
        sent = self.sent
        while sent and room:
            due_ms, order_id, signal_id = sent[0]
            order = self._state.orders.get(order_id)
            waits = request_waits(order, signal_id)
            if waits is not None and due_ms > ms:
                break
            sent.popleft()
            room -= 1
            if waits is not None:
                assert isinstance(order, Order), "nobody else waits"
                self.late[order_id, signal_id] = None
                yield order, waits, signal_id
        if sent:
            self._state.timers.add(max(ms, sent[0][0]), 0, UNANSWERED)

    def unanswered(self) -> dict[str, int]:
        """Return how many answers are late now, by what was sent."""
        counts = {NEW: 0, CANCEL: 0, REPLACE: 0}
        for order_id, signal_id in self.late:
            waits = request_waits(self._state.orders.get(order_id), signal_id)
            if waits is not None:
                counts[waits] += 1
        return counts

    def _forget_answered(self) -> None:
        orders = self._state.orders
        for key in [key for key in self.late if request_waits(orders.get(key[0]), key[1]) is None]:
            del self.late[key]

    # --------------------------------------------------------------- snapshot

    def dump(self) -> Document | None:
        """Return what is awaited, None where nothing is."""
        if not self.sent and not self.late:
            return None
        return {"sent": [*map(list, self.sent)], "late": [*map(list, self.late)]}

    def load(self, document: Document) -> None:
        """Put back what `dump` returned.

        Raises:
            Unreadable: a name that this release does not know.
        """
        check_names("awaited", document, ("sent", "late"), ("sent", "late"))
        self.sent = deque((due_ms, order_id, signal_id) for due_ms, order_id, signal_id in document["sent"])
        self.late = {(order_id, signal_id): None for order_id, signal_id in document["late"]}
