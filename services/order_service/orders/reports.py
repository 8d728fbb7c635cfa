"""Reports of a venue: frames of 64-byte records, each applied to its order or its instrument's quote.

Flows in: frames. Flows out: events; and to `dead`, one by one, the records that nothing can be done with, while the
others of the same frame go through. Never refuses a report that keeps the quantity rules of `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Callable

from fillstream.libs.common.engine.frames import (
    PARTITION_ALL,
    RECORD_BYTES,
    REPORT,
    Reason,
    Report,
    ReportFlag,
    ReportType,
    Side,
)
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelReason, CancelRejectReason, RejectReason
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.journal import Journal
from fillstream.services.order_service.orders.order import FINAL, Order, Refusal
from fillstream.services.order_service.orders.state import State

_ACCEPTED, _FILLED = int(ReportType.ACCEPTED), int(ReportType.FILLED)
_QUOTED, _PRINTED = int(ReportType.QUOTED), int(ReportType.PRINTED)
_MAKER, _TAKER = int(ReportFlag.MAKER), int(ReportFlag.TAKER)
_UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
_SIDE_NAME = {int(Side.BUY): "BUY", int(Side.SELL): "SELL"}

_REJECTED_BECAUSE = {
    int(Reason.CAPACITY): RejectReason.VENUE_CAPACITY,
    int(Reason.EXPIRED): RejectReason.VENUE_EXPIRED,
}
_REFUSED_BECAUSE = {
    _UNKNOWN_ORDER: CancelRejectReason.UNKNOWN_ORDER,
    int(Reason.CAPACITY): CancelRejectReason.VENUE_CAPACITY,
}
_CANCELED_BECAUSE = {
    int(Reason.REQUESTED): (CancelReason.REQUESTED, "canceled as requested"),
    int(Reason.IOC_REMAINDER): (CancelReason.IOC_REMAINDER, "time_in_force: what IOC found no one for"),
    int(Reason.FOK_KILLED): (CancelReason.FOK_KILLED, "time_in_force: FOK, and not all of it could trade"),
    int(Reason.NO_LIQUIDITY): (CancelReason.NO_LIQUIDITY, "order_type: what MARKET found no one for"),
    int(Reason.REPLACED_BELOW_FILLED): (
        CancelReason.REPLACED_BELOW_FILLED,
        "quantity: the amended total was filled already",
    ),
}


class Reports:
    """The part of the fold that takes the reports of one venue.

    Args:
        state: changed by what the reports say.
        journal: told about it.
        partition: of the accounts; reports are for it or for all.
        latencies_ms: the log time from signal to fill of each fill is appended.
        venue: who reports.
    """

    __slots__ = ("_field", "_handlers", "_journal", "_latencies_ms", "_partitions", "_quotes", "_state", "_venue")

    def __init__(self, state: State, journal: Journal, partition: int, latencies_ms: list[int], venue: str) -> None:
        self._state = state
        self._venue = venue
        self._field = reports_field(venue)
        self._quotes = state.quotes[venue]
        self._journal = journal
        self._partitions = (partition, PARTITION_ALL)
        self._latencies_ms = latencies_ms
        self._handlers: dict[int, Callable[[Order, Report], Refusal | None]] = {
            int(ReportType.REJECTED): self._rejected,
            int(ReportType.CANCELED): self._canceled,
            int(ReportType.CANCEL_REJECTED): self._cancel_rejected,
            int(ReportType.REPLACED): self._replaced,
            int(ReportType.REPLACE_REJECTED): self._replace_rejected,
            int(ReportType.EXPIRED): self._expired,
        }

    def fold(self, frame: bytes, out: Outputs) -> None:
        """Apply every record of a frame, in order.

        Raises:
            BadEntry: bad_frame unless the frame is one or more whole records.
        """
        if not frame or len(frame) % RECORD_BYTES:
            raise BadEntry(
                "bad_frame", f"frame: must be one or more records of {RECORD_BYTES} bytes, got {len(frame)} bytes"
            )
        for index, record in enumerate(REPORT.iter_unpack(frame)):
            refusal = self._apply(record)
            if refusal is not None:
                start = index * RECORD_BYTES
                out.bad(refusal.reason, refusal.text, {self._field: frame[start : start + RECORD_BYTES]})

    def _apply(self, record: tuple[int, ...]) -> Refusal | None:
        order_id, price, qty, _, _, match_id, account, symbol, kind, side, reason, flags, partition, _ = record
        if partition not in self._partitions:
            return Refusal("wrong_partition", f"partition: {partition} must be one of {self._partitions}")
        if kind == _QUOTED:
            return self._quoted(Report._make(record))
        if kind == _PRINTED:
            return self._printed(symbol, price)
        order = self._state.orders.get(order_id)
        if type(order) is not Order:
            known = "left the state" if order is not None else "was never given out here, or is forgotten"
            because = f"; the venue says {_name(reason)}" if reason else ""
            return Refusal("unknown_order", f"order_id: order {order_id} {known}{because}")
        if order.venue != self._venue:
            return Refusal("wrong_venue", f"order_id: order {order_id} is at {order.venue}, not at {self._venue}")
        # An answer to a cancel or an amendment has no side.
        if symbol != order.terms.id or account != order.account_id or _SIDE_NAME.get(side, order.side) != order.side:
            return _mismatch(order, Report._make(record))
        if kind == _FILLED:  # these two without a Report: nearly all that comes is one of them
            return self._filled(order, price, qty, match_id, flags)
        if kind == _ACCEPTED:
            return self._accepted(order)
        handler = self._handlers.get(kind)
        if handler is None:
            return Refusal("bad_record", f"type: {kind} is no report type")
        return handler(order, Report._make(record))

    # ----------------------------------------------------------------- market

    def _quote(self, symbol: int) -> Quote | None:
        """Return the quote of the instrument of that number here."""
        return self._quotes.get(symbol)

    def _moved(self, symbol: int) -> None:
        self._state.moved[self._venue, self._state.symbols[symbol]] = None

    def _quoted(self, report: Report) -> Refusal | None:
        quote = self._quote(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        bid, bid_qty, ask, ask_qty = report.price, report.qty, report.leaves, report.aux
        if bid_qty < 0 or ask_qty < 0:
            return Refusal("bad_quantity", f"qty: a quote's quantities must be 0 or more, got {bid_qty} and {ask_qty}")
        quote.at_ms = self._journal.ms
        if quote.ask != ask or quote.bid != bid or quote.ask_qty != ask_qty or quote.bid_qty != bid_qty:
            quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = bid, bid_qty, ask, ask_qty
            self._moved(report.symbol)
        return None

    def _printed(self, symbol: int, price: int) -> Refusal | None:
        quote = self._quote(symbol)
        if quote is None:
            return _unknown_symbol(symbol)
        if quote.last != price:
            quote.last = price
            self._moved(symbol)
        return None

    # ----------------------------------------------------------------- orders

    def _filled(self, order: Order, price: int, lots: int, match_id: int, flags: int) -> Refusal | None:
        role = flags & (_MAKER | _TAKER)
        if role not in (_MAKER, _TAKER):
            return Refusal("bad_record", f"flags: {flags} must say either maker or taker")
        refusal = order.fill(price, lots, match_id)
        if refusal is None:
            journal = self._journal
            journal.filled(order, price, lots, match_id, role == _MAKER)
            self._latencies_ms.append(journal.ms - order.signal_time)
        return refusal

    def _accepted(self, order: Order) -> Refusal | None:
        refusal = order.accept()
        if refusal is None:
            self._journal.accepted(order)
        return refusal

    def _rejected(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.reject()
        if refusal is None:
            reason = _REJECTED_BECAUSE.get(report.reason, RejectReason.VENUE_OTHER)
            self._journal.rejected(order, reason, f"the venue refused the order: {_name(report.reason)}")
        return refusal

    def _canceled(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.cancel(report.reason)
        if refusal is None:
            other = CancelReason.VENUE_OTHER, f"canceled by the venue: {_name(report.reason)}"
            self._journal.canceled(order, *_CANCELED_BECAUSE.get(report.reason, other))
        return refusal

    def _expired(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.expire()
        if refusal is None:
            self._journal.expired(order)
        return refusal

    def _replaced(self, order: Order, report: Report) -> Refusal | None:
        refusal = order.replace(report.price, report.qty)
        if refusal is None:
            self._journal.replaced(order)
        return refusal

    def _cancel_rejected(self, order: Order, report: Report) -> Refusal | None:
        signal_id = order.cancel_signal
        refusal = order.refuse_cancel()
        if refusal is None:
            assert signal_id is not None, "a cancel was pending"
            self._journal.cancel_rejected(signal_id, order.account, order, *_why_refused(order, report.reason))
        return refusal

    def _replace_rejected(self, order: Order, report: Report) -> Refusal | None:
        amendment = order.amendment
        refusal = order.refuse_replace()
        if refusal is None:
            assert amendment is not None, "an amendment was pending"
            why = _why_refused(order, report.reason)
            self._journal.replace_rejected(amendment.signal_id, order.account, order, *why)
        return refusal


def _why_refused(order: Order, reason: int) -> tuple[CancelRejectReason, str]:
    """Return why a venue refused a request. It does not know an order that is done: that is too late, then."""
    if order.status in FINAL:
        text = f"order_id: order {order.order_id} was {order.status} before the request reached the venue"
        return CancelRejectReason.TOO_LATE, text
    code = _REFUSED_BECAUSE.get(reason, CancelRejectReason.VENUE_OTHER)
    return code, f"the venue refused the request: {_name(reason)}"


def _name(reason: int) -> str:
    """Return a reason's name for a sentence; a venue may send any number."""
    try:
        return Reason(reason).name.lower().replace("_", " ")
    except ValueError:
        return f"reason {reason}"


def _unknown_symbol(symbol: int) -> Refusal:
    return Refusal("unknown_symbol", f"symbol: {symbol} is no instrument of this desk")


def _mismatch(order: Order, report: Report) -> Refusal:
    return Refusal(
        "bad_record",
        f"order_id: order {order.order_id} is account {order.account_id}'s {order.side} of symbol {order.terms.id}, "
        f"the report says account {report.account}, {_SIDE_NAME.get(report.side, report.side)}, symbol {report.symbol}",
    )
