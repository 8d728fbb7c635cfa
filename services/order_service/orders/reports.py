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
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.journal import Journal
from fillstream.services.order_service.orders.order import FINAL, Order, Refusal
from fillstream.services.order_service.orders.state import State

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
    """The part of the fold that takes reports.

    Args:
        state: changed by what the reports say.
        journal: told about it.
        partition: of the accounts; reports are for it or for all.
        latencies_ms: the log time from signal to fill of each fill is appended.
    """

    __slots__ = ("_handlers", "_journal", "_latencies_ms", "_partitions", "_state")

    def __init__(self, state: State, journal: Journal, partition: int, latencies_ms: list[int]) -> None:
        self._state = state
        self._journal = journal
        self._partitions = (partition, PARTITION_ALL)
        self._latencies_ms = latencies_ms
        self._handlers: dict[int, Callable[[Order, Report], Refusal | None]] = {
            int(ReportType.ACCEPTED): self._accepted,
            int(ReportType.REJECTED): self._rejected,
            int(ReportType.FILLED): self._filled,
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
        for index, record in enumerate(map(Report._make, REPORT.iter_unpack(frame))):
            refusal = self._apply(record)
            if refusal is not None:
                start = index * RECORD_BYTES
                out.bad(refusal.reason, refusal.text, {b"frame": frame[start : start + RECORD_BYTES]})

    def _apply(self, report: Report) -> Refusal | None:
        if report.partition not in self._partitions:
            return Refusal("wrong_partition", f"partition: {report.partition} must be one of {self._partitions}")
        kind = report.type
        if kind == _QUOTED:
            return self._quoted(report)
        if kind == _PRINTED:
            return self._printed(report)
        order = self._state.orders.get(report.order_id)
        if type(order) is not Order:
            known = "left the state" if order is not None else "was never given out here, or is forgotten"
            because = f"; the venue says {_name(report.reason)}" if report.reason else ""
            return Refusal("unknown_order", f"order_id: order {report.order_id} {known}{because}")
        # An answer to a cancel or an amendment has no side.
        if (
            report.symbol != order.terms.id
            or report.account != order.account_id
            or _SIDE_NAME.get(report.side, order.side) != order.side
        ):
            return _mismatch(order, report)
        handler = self._handlers.get(kind)
        if handler is None:
            return Refusal("bad_record", f"type: {kind} is no report type")
        return handler(order, report)

    # ----------------------------------------------------------------- market

    def _quoted(self, report: Report) -> Refusal | None:
        state = self._state
        quote = state.quotes.get(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        bid, bid_qty, ask, ask_qty = report.price, report.qty, report.leaves, report.aux
        if bid_qty < 0 or ask_qty < 0:
            return Refusal("bad_quantity", f"qty: a quote's quantities must be 0 or more, got {bid_qty} and {ask_qty}")
        quote.at_ms = self._journal.ms
        if quote.ask != ask or quote.bid != bid or quote.ask_qty != ask_qty or quote.bid_qty != bid_qty:
            quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = bid, bid_qty, ask, ask_qty
            state.moved[state.symbols[report.symbol]] = None
        return None

    def _printed(self, report: Report) -> Refusal | None:
        state = self._state
        quote = state.quotes.get(report.symbol)
        if quote is None:
            return _unknown_symbol(report.symbol)
        if quote.last != report.price:
            quote.last = report.price
            state.moved[state.symbols[report.symbol]] = None
        return None

    # ----------------------------------------------------------------- orders

    def _filled(self, order: Order, report: Report) -> Refusal | None:
        role = report.flags & (_MAKER | _TAKER)
        if role not in (_MAKER, _TAKER):
            return Refusal("bad_record", f"flags: {report.flags} must say either maker or taker")
        refusal = order.fill(report.price, report.qty, report.match_id)
        if refusal is None:
            journal = self._journal
            journal.filled(order, report.price, report.qty, report.match_id, role == _MAKER)
            self._latencies_ms.append(journal.ms - order.signal_time)
        return refusal

    def _accepted(self, order: Order, report: Report) -> Refusal | None:
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
