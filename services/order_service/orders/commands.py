"""The one writer of commands: what the orders stage sends to venues, as 64-byte records.

Flows in: an order, and what is asked for it. Flows out: records in the stream of the venue that has the order's book.
Never decides anything, and knows of a venue no more than its name.
"""

from __future__ import annotations

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.codes import OrderType, TimeInForce
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.order import Order

_SIDE_CODE = {side.name: int(side) for side in frames.Side}
_TIF_CODE = {tif.value: int(frames.Tif[tif.name]) for tif in TimeInForce}
_TYPE_CODE = {kind.value: int(frames.OrdType[kind.name]) for kind in OrderType} | {
    OrderType.MARKET.value: int(frames.OrdType.LIMIT)
}
"""A market order is a limit order at the price that bounds it."""


class Commands:
    """Writes the commands that one entry causes after another.

    Args:
        partition: of the accounts: whoever answers an order answers there.

    Attributes:
        out: where what follows goes.
    """

    __slots__ = ("_partition", "out")

    out: Outputs

    def __init__(self, partition: int) -> None:
        self._partition = partition

    def new(self, order: Order) -> None:
        """FS_NEW; a market order's price is as far as it may go."""
        terms = order.terms
        record = frames.new_order(
            order.order_id,
            order.account_id,
            terms.id,
            self._partition,
            side=_SIDE_CODE[order.side],
            ord_type=_TYPE_CODE[order.order_type],
            tif=_TIF_CODE[order.time_in_force],
            price=order.price,
            qty=order.quantity,
            expiry_ms=order.expiry_ms,
        )
        self.out.record(terms.commands, record)

    def cancel(self, order: Order) -> None:
        """FS_CANCEL."""
        terms = order.terms
        self.out.record(terms.commands, frames.cancel(order.order_id, order.account_id, terms.id, self._partition))

    def replace(self, order: Order) -> None:
        """FS_REPLACE, as the order's pending amendment has it."""
        amendment, terms = order.amendment, order.terms
        assert amendment is not None, "request_replace() comes first"
        record = frames.replace(
            order.order_id,
            order.account_id,
            terms.id,
            self._partition,
            price=amendment.price,
            qty=amendment.quantity,
        )
        self.out.record(terms.commands, record)
