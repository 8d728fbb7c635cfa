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
    ReportFlag,
    ReportType,
    Side,
)
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelReason, CancelRejectReason, RejectReason
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders import journal
from fillstream.services.order_service.orders.order import FINAL, Order, Refusal
from fillstream.services.order_service.orders.state import State

_ACCEPTED, _FILLED = int(ReportType.ACCEPTED), int(ReportType.FILLED)
_QUOTED, _PRINTED = int(ReportType.QUOTED), int(ReportType.PRINTED)
_MAKER, _TAKER = int(ReportFlag.MAKER), int(ReportFlag.TAKER)
_UNKNOWN_ORDER = int(Reason.UNKNOWN_ORDER)
_SIDE_NAME = {int(Side.BUY): "BUY", int(Side.SELL): "SELL"}

_REJECTED_BECAUSE = {
    int(Reason.CAPACITY): RejectReason.VENUE_CAPACITY.value,
    int(Reason.EXPIRED): RejectReason.VENUE_EXPIRED.value,
}
_REFUSED_BECAUSE = {
    _UNKNOWN_ORDER: CancelRejectReason.UNKNOWN_ORDER.value,
    int(Reason.CAPACITY): CancelRejectReason.VENUE_CAPACITY.value,
}
_CANCELED_BECAUSE = {
    int(Reason.REQUESTED): (CancelReason.REQUESTED.value, "canceled as requested"),
    int(Reason.IOC_REMAINDER): (CancelReason.IOC_REMAINDER.value, "time_in_force: what IOC found no one for"),
    int(Reason.FOK_KILLED): (CancelReason.FOK_KILLED.value, "time_in_force: FOK, and not all of it could trade"),
    int(Reason.NO_LIQUIDITY): (CancelReason.NO_LIQUIDITY.value, "order_type: what MARKET found no one for"),
    int(Reason.REPLACED_BELOW_FILLED): (
        CancelReason.REPLACED_BELOW_FILLED.value,
        "quantity: the amended total was filled already",
    ),
}


class Reports:
    """The part of the fold that takes reports.

    Args:
        state: changed by what the reports say.
        events: the stream that events go to.
        partition: of the accounts; reports are for it or for all.
        latencies_ms: the log time from signal to fill of each fill is appended.
    """

    __slots__ = ("_events", "_handlers", "_latencies_ms", "_partitions", "_state")

    def __init__(self, state: State, events: str, partition: int, latencies_ms: list[int]) -> None:
        self._state = state
        self._events = events
        self._partitions = (partition, PARTITION_ALL)
        self._latencies_ms = latencies_ms
        self._handlers: dict[int, Callable[[Order, int, int, int, int, Outputs], Refusal | None]] = {
            int(ReportType.ACCEPTED): self._accepted,
            int(ReportType.REJECTED): self._rejected,
            int(ReportType.CANCELED): self._canceled,
            int(ReportType.CANCEL_REJECTED): self._cancel_rejected,
            int(ReportType.REPLACED): self._replaced,
            int(ReportType.REPLACE_REJECTED): self._replace_rejected,
            int(ReportType.EXPIRED): self._expired,
        }

    def fold(self, frame: bytes, ms: int, out: Outputs) -> None:
        """Apply every record of a frame, in order.

        Raises:
            BadEntry: bad_frame unless the frame is one or more whole records.
        """
        if not frame or len(frame) % RECORD_BYTES:
            raise BadEntry(
                "bad_frame", f"frame: must be one or more records of {RECORD_BYTES} bytes, got {len(frame)} bytes"
            )
        for index, record in enumerate(REPORT.iter_unpack(frame)):
            refusal = self._apply(record, ms, out)
            if refusal is not None:
                start = index * RECORD_BYTES
                out.bad(refusal.reason, refusal.text, {b"frame": frame[start : start + RECORD_BYTES]})

    def _apply(self, record: tuple[int, ...], ms: int, out: Outputs) -> Refusal | None:
        order_id, price, qty, leaves, aux, match_id, account, symbol, kind, side, reason, flags, partition, _ = record
        if partition not in self._partitions:
            return Refusal("wrong_partition", f"partition: {partition} must be one of {self._partitions}")
        if kind == _QUOTED:
            return self._quoted(symbol, price, qty, leaves, aux, ms)
        if kind == _PRINTED:
            return self._printed(symbol, price)
        order = self._state.orders.get(order_id)
        if type(order) is not Order:
            known = "left the state" if order is not None else "was never given out here, or is forgotten"
            because = f"; the venue says {_name(reason)}" if reason else ""
            return Refusal("unknown_order", f"order_id: order {order_id} {known}{because}")
        # An answer to a cancel or an amendment has no side.
        if symbol != order.terms.id or account != order.account_id or _SIDE_NAME.get(side, order.side) != order.side:
            return _mismatch(order, symbol, account, side)
        if kind == _FILLED:
            return self._filled(order, price, qty, match_id, flags, ms, out)
        handler = self._handlers.get(kind)
        if handler is None:
            return Refusal("bad_record", f"type: {kind} is no report type")
        return handler(order, price, qty, reason, ms, out)

    def _seq(self) -> int:
        """Count one more event."""
        self._state.seq += 1
        return self._state.seq

    # ----------------------------------------------------------------- market

    def _quoted(self, symbol: int, bid: int, bid_qty: int, ask: int, ask_qty: int, ms: int) -> Refusal | None:
        state = self._state
        quote = state.quotes.get(symbol)
        if quote is None:
            return _unknown_symbol(symbol)
        if bid_qty < 0 or ask_qty < 0:
            return Refusal("bad_quantity", f"qty: a quote's quantities must be 0 or more, got {bid_qty} and {ask_qty}")
        quote.at_ms = ms
        if quote.ask != ask or quote.bid != bid or quote.ask_qty != ask_qty or quote.bid_qty != bid_qty:
            quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = bid, bid_qty, ask, ask_qty
            state.moved[state.symbols[symbol]] = None
        return None

    def _printed(self, symbol: int, price: int) -> Refusal | None:
        state = self._state
        quote = state.quotes.get(symbol)
        if quote is None:
            return _unknown_symbol(symbol)
        if quote.last != price:
            quote.last = price
            state.moved[state.symbols[symbol]] = None
        return None

    # ----------------------------------------------------------------- orders

    def _filled(
        self, order: Order, price: int, lots: int, match_id: int, flags: int, ms: int, out: Outputs
    ) -> Refusal | None:
        role = flags & (_MAKER | _TAKER)
        if role not in (_MAKER, _TAKER):
            return Refusal("bad_record", f"flags: {flags} must say either maker or taker")
        before = order.status
        refusal = order.fill(price, lots, match_id)
        if refusal is not None:
            return refusal
        self._state.changed(order, before, ms)
        self._state.fills["MAKER" if role == _MAKER else "TAKER"] += 1
        event = journal.filled(self._seq(), ms, order, price, lots, match_id, role == _MAKER)
        out.event(self._events, event)
        self._latencies_ms.append(ms - order.signal_time)
        return None

    def _accepted(self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs) -> Refusal | None:
        before = order.status
        if refusal := order.accept():
            return refusal
        self._state.changed(order, before, ms)
        out.event(self._events, journal.order_event("OrderAccepted", self._seq(), ms, order))
        return None

    def _rejected(self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs) -> Refusal | None:
        before = order.status
        if refusal := order.reject():
            return refusal
        state = self._state
        state.changed(order, before, ms)
        code = _REJECTED_BECAUSE.get(reason, RejectReason.VENUE_OTHER.value)
        state.rejects[code] = state.rejects.get(code, 0) + 1
        text = f"the venue refused the order: {_name(reason)}"
        out.event(self._events, journal.rejected(self._seq(), ms, order, code, text))
        return None

    def _canceled(self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs) -> Refusal | None:
        before = order.status
        if refusal := order.cancel(reason):
            return refusal
        self._state.changed(order, before, ms)
        code, text = _CANCELED_BECAUSE.get(reason) or (
            CancelReason.VENUE_OTHER.value,
            f"canceled by the venue: {_name(reason)}",
        )
        out.event(self._events, journal.canceled(self._seq(), ms, order, code, text))
        return None

    def _expired(self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs) -> Refusal | None:
        before = order.status
        if refusal := order.expire():
            return refusal
        self._state.changed(order, before, ms)
        out.event(self._events, journal.order_event("OrderExpired", self._seq(), ms, order))
        return None

    def _cancel_rejected(
        self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs
    ) -> Refusal | None:
        before, signal_id = order.status, order.cancel_signal
        if refusal := order.refuse_cancel():
            return refusal
        assert signal_id is not None, "a cancel was pending"
        self._request_refused("OrderCancelRejected", order, before, signal_id, reason, ms, out)
        return None

    def _replaced(self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs) -> Refusal | None:
        before = order.status
        if refusal := order.replace(price, lots):
            return refusal
        self._state.changed(order, before, ms)
        out.event(self._events, journal.replaced(self._seq(), ms, order))
        return None

    def _replace_rejected(
        self, order: Order, price: int, lots: int, reason: int, ms: int, out: Outputs
    ) -> Refusal | None:
        before, amendment = order.status, order.amendment
        if refusal := order.refuse_replace():
            return refusal
        assert amendment is not None, "an amendment was pending"
        self._request_refused("OrderReplaceRejected", order, before, amendment.signal_id, reason, ms, out)
        return None

    def _request_refused(
        self, kind: str, order: Order, before: str, signal_id: str, reason: int, ms: int, out: Outputs
    ) -> None:
        """Tell that a venue refused a request. It does not know an order that is done: that is too late, then."""
        state = self._state
        state.changed(order, before, ms)
        if order.status in FINAL:
            code = CancelRejectReason.TOO_LATE.value
            text = f"order_id: order {order.order_id} was {order.status} before the request reached the venue"
        else:
            code = _REFUSED_BECAUSE.get(reason, CancelRejectReason.VENUE_OTHER.value)
            text = f"the venue refused the request: {_name(reason)}"
        state.cancel_rejects[code] = state.cancel_rejects.get(code, 0) + 1
        event = journal.request_refused(kind, self._seq(), ms, signal_id, order.account, order, code, text)
        out.event(self._events, event)


def _name(reason: int) -> str:
    """Return a reason's name for a sentence; a venue may send any number."""
    try:
        return Reason(reason).name.lower().replace("_", " ")
    except ValueError:
        return f"reason {reason}"


def _unknown_symbol(symbol: int) -> Refusal:
    return Refusal("unknown_symbol", f"symbol: {symbol} is no instrument of this desk")


def _mismatch(order: Order, symbol: int, account: int, side: int) -> Refusal:
    return Refusal(
        "bad_record",
        f"order_id: order {order.order_id} is account {order.account_id}'s {order.side} of symbol {order.terms.id}, "
        f"the report says account {account}, {_SIDE_NAME.get(side, side)}, symbol {symbol}",
    )
