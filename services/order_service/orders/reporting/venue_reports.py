"""Reports of venues that have ids, commissions and words of their own: JSON, each applied to its order.

Flows in: validated reports. Flows out: events; and to `dead`, whole, what nothing can be done with. Never refuses a
report that keeps the quantity rules of `order`; never trusts one about an order that is at another venue.
"""

from __future__ import annotations

from collections.abc import Callable

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelReason, CancelRejectReason, RejectReason, RestatementReason
from fillstream.libs.common.messages.venue import ExecType, VenueReport
from fillstream.libs.common.runtime.stage import Latencies
from fillstream.libs.common.values.money import canonical
from fillstream.services.order_service.orders.control.breakers import Breakers
from fillstream.services.order_service.orders.journal.journal import Journal
from fillstream.services.order_service.orders.life.order import DONE_FOR_DAY, FINAL, STOPPED, SUSPENDED, Order
from fillstream.services.order_service.orders.life.parts import Fill, Refusal
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.reconciling.missed import fill_instead, heard, knows
from fillstream.services.order_service.orders.reporting.said import (
    beside,
    canceled_because,
    fee_of,
    lots_of_report,
    restated_because,
    ticks_of_report,
    trade_ticks_of_report,
    words,
)
from fillstream.services.order_service.orders.reporting.trade_changes import CHANGES, TradeChanges
from fillstream.services.order_service.orders.state import State


class VenueReports:
    """The part of the fold that takes such reports.

    Args:
        state: changed by what the reports say.
        journal: told about it.
        latencies_ms: how long it took from signal to acknowledgement and to the first fill is appended.
        breakers: count what nobody can use.
    """

    __slots__ = ("_breakers", "_changes", "_handlers", "_journal", "_latencies_ms", "_state")

    def __init__(self, state: State, journal: Journal, latencies_ms: Latencies, breakers: Breakers) -> None:
        self._breakers = breakers
        self._state = state
        self._journal = journal
        self._latencies_ms = latencies_ms
        self._changes = TradeChanges(state, journal)
        self._handlers: dict[ExecType, Callable[[Order, VenueReport], Refusal | None]] = {
            ExecType.NEW: self._accepted,
            ExecType.REJECTED: self._rejected,
            ExecType.TRADE: self._traded,
            ExecType.CANCELED: self._canceled,
            ExecType.REPLACED: self._replaced,
            ExecType.EXPIRED: self._expired,
            ExecType.RESTATED: self._restated,
            ExecType.TRIGGERED: self._triggered,
            ExecType.STOPPED: self._stopped,
            ExecType.SUSPENDED: self._suspended,
            ExecType.DONE_FOR_DAY: self._done_for_day,
            ExecType.CALCULATED: self._calculated,
            ExecType.TRADE_CANCEL: self._changes.busted,
            ExecType.TRADE_CORRECT: self._changes.corrected,
            ExecType.CANCEL_REJECTED: self._cancel_rejected,
            ExecType.REPLACE_REJECTED: self._replace_rejected,
        }

    def take(self, report: VenueReport) -> None:
        """Apply a report.

        Raises:
            BadEntry: unknown_order, wrong_venue, off_grid, or why `order` refuses it; nothing has changed then.
        """
        try:
            self._apply(report)
        except BadEntry as bad:
            if report.exec_type is ExecType.TRADE or report.exec_type in CHANGES:
                self._state.refuse_fill(bad.reason)
            if not self._breakers.unusable(report.venue, bad):
                raise

    def _late(self, report: VenueReport, record: Remembered | None) -> None:
        self._journal.said = beside(report.venue_order_id, report)
        try:
            self._changes.late(report, record)
        finally:
            self._journal.said = None

    def _apply(self, report: VenueReport) -> None:
        order = self._state.orders.get(int(report.order_id))
        if type(order) is not Order:
            if report.exec_type in CHANGES:
                return self._late(report, self._state.remembers(int(report.order_id)))
            known = self._state.left(int(report.order_id))
            raise BadEntry("unknown_order", f"order_id: order {report.order_id} {known}; {words(report)}")
        if report.venue != order.venue:
            text = f"venue: order {report.order_id} is at {order.venue}, the report is of {report.venue}"
            raise BadEntry("wrong_venue", text)
        if order.is_held:
            raise BadEntry("unexpected_report", f"order_id: order {report.order_id} waits in the desk, no venue has it")
        if self._state.venues[order.venue].simulated:
            text = f"venue: {report.venue} is an engine of this desk, which reports by frames and never like this"
            raise BadEntry("wrong_venue", text)
        journal, known_as = self._journal, order.venue_order_id
        if report.venue_order_id is not None:
            order.venue_order_id = report.venue_order_id
        journal.said = beside(order.venue_order_id, report)
        try:
            refusal = self._handlers[report.exec_type](order, report)
        finally:
            journal.said = None
        if refusal is not None:
            order.venue_order_id = known_as
            raise BadEntry(refusal.reason, refusal.text)
        return None

    # ------------------------------------------------------------ what it does

    def _accepted(self, order: Order, report: VenueReport) -> Refusal | None:
        refusal = order.accept()
        if refusal is None:
            self._journal.accepted(order)
            self._latencies_ms.acknowledged.append(self._journal.ms - order.signal_time)
        return refusal

    def _rejected(self, order: Order, report: VenueReport) -> Refusal | None:
        refusal = order.reject()
        if refusal is None:
            self._journal.rejected(order, RejectReason.VENUE_OTHER, f"the venue refused the order: {words(report)}")
        return refusal

    def _traded(self, order: Order, report: VenueReport) -> Refusal | None:
        assert report.last_qty is not None and report.last_px is not None and report.exec_id is not None, "validated"
        lots = lots_of_report("last_qty", order.terms, report.last_qty)
        ticks = trade_ticks_of_report("last_px", order.terms, report.last_px)
        fee, said = fee_of(order.terms, report, ticks, lots, report.liquidity == "MAKER")
        if knows(order, report.exec_id):
            heard(order, report.exec_id)  # a report of what the venue has was quicker, and it is booked
            return None
        trade = Fill(report.exec_id, ticks, lots, fee, report.exec_id, report.liquidity == "MAKER")
        refusal = fill_instead(order, trade, report.cum_qty, self._journal)
        if refusal is None:
            if report.commission is not None:
                self._say_commission(report)
            self._journal.filled(
                order, ticks, lots, f"{report.venue}-{report.exec_id}", report.liquidity == "MAKER", fee, said
            )
            if report.liquidity != "MAKER" and order.cum == lots and order.loosest is None:
                self._latencies_ms.first_filled.append(self._journal.ms - order.signal_time)
        return refusal

    def _canceled(self, order: Order, report: VenueReport) -> Refusal | None:
        if order.cancel_signal == order.expiry_signal:  # the desk's own, as the venue does not see to it
            refusal = order.cancel_at_expiry()
            if refusal is None:
                self._journal.expired(order)
            return refusal
        asked = order.cancel_signal is not None
        refusal = order.cancel_by(asked)
        if refusal is None and asked:
            self._journal.canceled(order, CancelReason.REQUESTED, "canceled as requested")
        elif refusal is None:
            self._journal.canceled(order, canceled_because(report), f"canceled by the venue: {words(report)}")
        return refusal

    def _replaced(self, order: Order, report: VenueReport) -> Refusal | None:
        assert report.quantity is not None, "validated"
        lots = lots_of_report("quantity", order.terms, report.quantity)
        price = order.amendment.price if order.amendment is not None else order.price
        if report.price is not None:
            price = ticks_of_report("price", order.terms, report.price)
        refusal = order.replace(price, lots)
        if refusal is None:
            self._journal.replaced(order)
        return refusal

    def _expired(self, order: Order, report: VenueReport) -> Refusal | None:
        refusal = order.expire()
        if refusal is None:
            self._journal.expired(order)
        return refusal

    def _restated(self, order: Order, report: VenueReport) -> Refusal | None:
        assert report.quantity is not None, "validated"
        lots = lots_of_report("quantity", order.terms, report.quantity)
        price = None if report.price is None else ticks_of_report("price", order.terms, report.price)
        reason = restated_because(report)
        refusal = order.restate(lots, price, reason is RestatementReason.GT_RENEWAL)
        if refusal is None:
            self._journal.restated(order, reason, f"restated by the venue: {words(report)}")
        return refusal

    def _triggered(self, order: Order, report: VenueReport) -> Refusal | None:
        price = None if report.price is None else ticks_of_report("price", order.terms, report.price)
        refusal = order.trigger()
        if refusal is None:
            self._journal.triggered(order, price)
        return refusal

    def _stopped(self, order: Order, report: VenueReport) -> Refusal | None:
        terms = order.terms
        lots = None if report.last_qty is None else lots_of_report("last_qty", terms, report.last_qty)
        price = None if report.last_px is None else ticks_of_report("last_px", terms, report.last_px)
        refusal = order.stand(STOPPED)
        if refusal is None:
            self._journal.stopped(order, f"stopped by the venue: {words(report)}", lots, price)
        return refusal

    def _suspended(self, order: Order, report: VenueReport) -> Refusal | None:
        refusal = order.stand(SUSPENDED)
        if refusal is None:
            self._journal.suspended_by_venue(order, f"suspended by the venue: {words(report)}")
        return refusal

    def _done_for_day(self, order: Order, report: VenueReport) -> Refusal | None:
        refusal = order.stand(DONE_FOR_DAY)
        if refusal is None:
            self._journal.done_for_day(order, f"done for the day by the venue: {words(report)}")
        return refusal

    def _calculated(self, order: Order, report: VenueReport) -> Refusal | None:
        refusal = order.calculate()
        if refusal is None:
            if report.commission is not None:
                self._say_commission(report)
            self._journal.calculated(order, f"calculated by the venue: {words(report)}")
        return refusal

    def _say_commission(self, report: VenueReport) -> None:
        assert self._journal.said is not None and report.commission is not None, "take() has begun it"
        self._journal.said["commission"] = canonical(report.commission)
        self._journal.said["comm_currency"] = report.comm_currency

    def _cancel_rejected(self, order: Order, report: VenueReport) -> Refusal | None:
        signal_id = order.cancel_signal
        refusal = order.refuse_cancel()
        if refusal is None:
            assert signal_id is not None, "a cancel was pending"
            self._journal.cancel_rejected(signal_id, order.account, order, *_why_refused(order, report))
        return refusal

    def _replace_rejected(self, order: Order, report: VenueReport) -> Refusal | None:
        amendment = order.amendment
        refusal = order.refuse_replace()
        if refusal is None:
            assert amendment is not None, "an amendment was pending"
            self._journal.replace_rejected(amendment.signal_id, order.account, order, *_why_refused(order, report))
        return refusal


def _why_refused(order: Order, report: VenueReport) -> tuple[CancelRejectReason, str]:
    if order.status in FINAL:
        text = f"order_id: order {order.order_id} was {order.status} before the request reached the venue"
        return CancelRejectReason.TOO_LATE, text
    return CancelRejectReason.VENUE_OTHER, f"the venue refused the request: {words(report)}"
