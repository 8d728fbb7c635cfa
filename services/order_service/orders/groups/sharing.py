"""What orders count for of which only one may trade.

Flows in: the orders of a list of which one cancels or updates the other. Flows out: the lots of each that another one
counts already. Never changes an order. Of one position's purchases the largest order counts, and of its sales: whatever
trades, no more is bought or sold. What is of another position, or on the other side, counts by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.services.order_service.orders.holding.hedged import Position, position_of
from fillstream.services.order_service.orders.holding.holdings import waits_at
from fillstream.services.order_service.orders.life.order import FINAL, Order


def outs_of(orders: Sequence[Order]) -> Iterator[tuple[Order, int]]:
    """Yield each order with the lots of it that another one counts (`Order.out`)."""
    largest: dict[tuple[Position, str], Order] = {}
    for order in orders:
        position = position_of(order), order.side
        found = largest.get(position)
        if found is None or _size(order) > _size(found):
            largest[position] = order
    for order in orders:
        yield order, 0 if largest[position_of(order), order.side] is order else _open(order)


def share(orders: Sequence[Order]) -> None:
    """Have each count for what no other one counts."""
    for order, out in outs_of(orders):
        if order.out != out:
            order.out = out
            if order.holding is not None and order.holding.kept:
                order.holding.share_out(order)


def _size(order: Order) -> tuple[int, int]:
    """Return how large an order is: by its lots, then by what it costs where it has a price."""
    price = order.price if -MAX_PRICE < order.price < MAX_PRICE else waits_at(order.special, order.price)
    return _open(order), abs(price) if -MAX_PRICE < price < MAX_PRICE else 0


def _open(order: Order) -> int:
    return 0 if order.status in FINAL else order.quantity - order.cum
