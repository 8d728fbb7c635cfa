"""Which order a row of a page names.

Flows in: the state, rows. Flows out: an order, or what is remembered of one. Never looks at every order for every row:
a page has hundreds of rows, and a desk may have a hundred thousand orders.
"""

from __future__ import annotations

from fillstream.libs.common.messages.mass_status import Row
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.state import State


class Named:
    """The orders of one venue by what it calls them, for as long as one page is compared.

    Args:
        state: that has them.
        venue: whose ids they are.
    """

    __slots__ = ("_by_venue_id", "_state", "_venue")

    def __init__(self, state: State, venue: str) -> None:
        self._state = state
        self._venue = venue
        self._by_venue_id: dict[str, Order] | None = None

    def find(self, row: Row) -> Order | Remembered | None:
        """Return the order that a row names: by our number, else by the venue's."""
        if row.order_id is not None:
            return self._state.find(int(row.order_id))
        if self._by_venue_id is None:
            self._by_venue_id = {}
            for order in self._state.live():
                self.add(order)
        return self._by_venue_id.get(row.venue_order_id or "")

    def add(self, order: Order) -> None:
        """Know an order by the venue's id, unless an older one has it."""
        if self._by_venue_id is not None and order.venue == self._venue and order.venue_order_id is not None:
            self._by_venue_id.setdefault(order.venue_order_id, order)
