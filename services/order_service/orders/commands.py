"""The one writer of commands: what the orders stage sends to venues, as 64-byte records; what is no command, as JSON.

Flows in: an order, and what is asked for it. Flows out: records in the stream of the venue that has the order's book.
Never decides anything, and knows of a venue no more than its name.
"""

from __future__ import annotations

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.codes import OrderType
from fillstream.libs.common.messages.market_report import SubscribeMarket, UnsubscribeMarket
from fillstream.libs.common.messages.mass_status import AdoptOrder, ReportMassStatus
from fillstream.libs.common.messages.topology import stream_name
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.awaited import Awaited
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import BY_DESK, Special

_SIDE_CODE = {side.name: int(side) for side in frames.Side}
_LIMIT, _IOC, _NEW_STOP = int(frames.OrdType.LIMIT), int(frames.Tif.IOC), int(frames.ReplaceFlag.NEW_STOP)
_TYPE_CODE = {kind.value: int(frames.OrdType[kind.name]) for kind in OrderType if kind.value not in BY_DESK} | {
    kind: _LIMIT for kind in (OrderType.MARKET.value, *BY_DESK)
}
"""A market order is a limit order at the price that bounds it; for an if-touched one the desk waits."""


class Commands:
    """Writes the commands that one entry causes after another.

    Args:
        partition: of the accounts: whoever answers an order answers there.
        journal: knows what time it is.
        awaited: notes what is to be answered in time.

    Attributes:
        out: where what follows goes.
    """

    __slots__ = ("_awaited", "_journal", "_partition", "out")

    out: Outputs

    def __init__(self, partition: int, journal: Journal, awaited: Awaited) -> None:
        self._partition = partition
        self._journal = journal
        self._awaited = awaited

    def new(self, order: Order) -> None:
        """FS_NEW; a market order's price is as far as it may go."""
        if self._awaited.timeout_ms:
            self._awaited.add(self._journal.ms, order.order_id, None)
        if order.special is not None:
            return self._special(order, order.special)
        terms = order.terms
        record = frames.new_order(
            order.order_id,
            order.account_id,
            terms.id,
            self._partition,
            side=_SIDE_CODE[order.side],
            ord_type=_TYPE_CODE[order.order_type],
            tif=terms.tif_codes[order.time_in_force],
            price=order.price,
            qty=order.quantity,
            expiry_ms=order.expiry_ms,
        )
        self.out.record(terms.commands, record)

    def _special(self, order: Order, special: Special) -> None:
        """FS_NEW of an order that is not plain. One whose price has come is what it waited to be: limit or market."""
        terms = order.terms
        kind, tif = _TYPE_CODE[order.order_type], terms.tif_codes[order.time_in_force]
        came = special.needs_desk(order.order_type)
        if came:
            kind, tif = _LIMIT, tif if order.priced else _IOC
            special = special._replace(offset=None, in_bps=False)
        stop = 0 if came or special.stop is None else special.stop
        shown = special.display if special.display is not None else special.offset
        # Where the type has no limit, and none of the desk's, the engine wants none.
        record = frames.new_order(
            order.order_id,
            order.account_id,
            terms.id,
            self._partition,
            side=_SIDE_CODE[order.side],
            ord_type=kind,
            tif=tif,
            price=order.price if kind == _LIMIT or order.priced else 0,
            qty=order.quantity,
            expiry_ms=order.expiry_ms,
            stop_price=stop,
            display_or_offset=shown or 0,
            flags=special.flags,
            stp=special.stp,
        )
        self.out.record(terms.commands, record)

    def cancel(self, order: Order) -> None:
        """FS_CANCEL."""
        if self._awaited.timeout_ms:
            self._awaited.add(self._journal.ms, order.order_id, order.cancel_signal)
        terms = order.terms
        self.out.record(terms.commands, frames.cancel(order.order_id, order.account_id, terms.id, self._partition))

    def ask(self, venue: str, book: int, request_id: str, account: str | None, number: int) -> None:
        """ReportMassStatus to a book of a venue's; account and its number, None and 0 for all."""
        request = {
            "type": "ReportMassStatus", "v": ReportMassStatus.VERSION, "request_id": request_id,
            "partition": self._partition, "account": account, "account_id": number,
        }  # fmt: skip
        self.out.event(stream_name("commands", book, venue), request)

    def market(self, terms: Terms, subscribe: bool) -> None:
        """SubscribeMarket, or UnsubscribeMarket, to the venue of an instrument."""
        model = SubscribeMarket if subscribe else UnsubscribeMarket
        request = {
            "type": model.__name__, "v": model.VERSION, "partition": self._partition, "symbol": terms.symbol,
            "instrument_id": terms.id,
        }  # fmt: skip
        self.out.event(terms.commands, request)

    def adopt(self, order: Order) -> None:
        """AdoptOrder: what the venue calls it, and by what it goes from now on."""
        adoption = {
            "type": "AdoptOrder", "v": AdoptOrder.VERSION, "order_id": str(order.order_id),
            "venue_order_id": order.venue_order_id, "account": order.account, "symbol": order.terms.symbol,
        }  # fmt: skip
        self.out.event(order.terms.commands, adoption)

    def mass_cancel(self, stream: str, account: int, symbol: int, side: int) -> None:
        """FS_MASS_CANCEL to the books of a stream; numbers of account and instrument, 0 for all, and for both sides."""
        self.out.record(stream, frames.mass_cancel(account, symbol or None, side, partition=self._partition))

    def replace(self, order: Order) -> None:
        """FS_REPLACE, as the order's pending amendment has it."""
        amendment, terms = order.amendment, order.terms
        assert amendment is not None, "request_replace() comes first"
        if self._awaited.timeout_ms:
            self._awaited.add(self._journal.ms, order.order_id, amendment.signal_id)
        record = frames.replace(
            order.order_id,
            order.account_id,
            terms.id,
            self._partition,
            price=amendment.price,
            qty=amendment.quantity,
            flags=0 if amendment.stop is None else _NEW_STOP,
            stop_price=amendment.stop or 0,
        )
        self.out.record(terms.commands, record)
