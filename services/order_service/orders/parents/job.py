"""A parent order as its algorithm sees it: see `algos.algorithm.Job`.

Flows in: the order, its work, its market. Flows out: look-ups. Never changes anything but the algorithm's own memory.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from fillstream.libs.common.messages.codes import TimeInForce
from fillstream.libs.common.values.money import Scale
from fillstream.services.order_service.orders.algos.algorithm import Book
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.parents.work import Work

if TYPE_CHECKING:
    from fillstream.services.order_service.orders.state import State

DRAWN_BYTES = 8
_RESTING = frozenset((TimeInForce.GTC.value, TimeInForce.DAY.value, TimeInForce.GTD.value))


class Seen:
    """What an algorithm sees of its order; the attributes are those of `Job`."""

    __slots__ = (
        "_work", "arrival", "asked", "book", "buy", "done", "end_ms", "left", "limit", "lot", "lots", "memory",
        "notional", "now", "open", "own", "parameters", "price", "quote", "rests", "start_ms", "volume",
    )  # fmt: skip

    def __init__(self, order: Order, work: Work, state: State, now: int) -> None:
        terms = order.terms
        amendment = order.amendment
        self._work = work
        self.buy = order.side == "BUY"
        self.lots = order.quantity if amendment is None else min(order.quantity, amendment.quantity)
        self.done = order.cum
        self.open = order.out
        self.left = max(0, self.lots - order.cum)
        self.limit: int | None = order.price if order.priced else None
        self.rests = order.time_in_force in _RESTING
        self.now = now
        self.start_ms, self.end_ms = work.start_ms, work.end_ms or None
        self.parameters: Any = work.given
        self.price: Scale = terms.price
        self.lot: Scale = terms.lot
        self.quote: Quote = state.quotes[order.venue][terms.id]
        self.arrival = work.arrival
        self.book: Book | None = state.markets.of(order.venue, terms.id) if work.needs_book else None
        self.volume = self.notional = 0
        if self.book is not None and work.volume is not None:
            self.volume = self.book.volume - work.volume
            self.notional = self.book.notional - work.notional
        self.own = order.cum
        self.asked = work.asked
        self.memory = work.memory

    def draw(self, below: int, what: str = "") -> int:
        """Return a number from 0 to `below` - 1 that follows from the order's id, `what` and how often it drew."""
        work = self._work
        said = f"{work.algorithm} {work.order_id} {what} {work.draws}".encode()
        work.draws += 1
        return int.from_bytes(blake2b(said, digest_size=DRAWN_BYTES).digest()) % below
