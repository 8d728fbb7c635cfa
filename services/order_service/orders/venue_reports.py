"""Reports of venues that have ids, commissions and words of their own: JSON, each applied to its order.

Flows in: validated reports. Flows out: events; and to `dead`, whole, what nothing can be done with. Never refuses a
report that keeps the quantity rules of `order`; never trusts one about an order that is at another venue.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelReason, CancelRejectReason, RejectReason, RestatementReason
from fillstream.libs.common.messages.venue import ExecType, VenueReport
from fillstream.libs.common.runtime.stage import Latencies
from fillstream.libs.common.values.money import FEE_DECIMALS, Scale, canonical, units_of
from fillstream.services.order_service.orders.journal import Journal
from fillstream.services.order_service.orders.order import FINAL, Order, Refusal
from fillstream.services.order_service.orders.state import State


class VenueReports:
    """The part of the fold that takes such reports.

    Args:
        state: changed by what the reports say.
        journal: told about it.
        latencies_ms: how long it took from signal to acknowledgement and to the first fill is appended.
    """

    __slots__ = ("_handlers", "_journal", "_latencies_ms", "_state")

    def __init__(self, state: State, journal: Journal, latencies_ms: Latencies) -> None:
        self._state = state
        self._journal = journal
        self._latencies_ms = latencies_ms
        self._handlers: dict[ExecType, Callable[[Order, VenueReport], Refusal | None]] = {
            ExecType.NEW: self._accepted,
            ExecType.REJECTED: self._rejected,
            ExecType.TRADE: self._traded,
            ExecType.CANCELED: self._canceled,
            ExecType.REPLACED: self._replaced,
            ExecType.EXPIRED: self._expired,
            ExecType.RESTATED: self._restated,
            ExecType.TRIGGERED: self._triggered,
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
            if report.exec_type is ExecType.TRADE:
                self._state.refuse_fill(bad.reason)
            raise

    def _apply(self, report: VenueReport) -> None:
        order = self._state.orders.get(int(report.order_id))
        if type(order) is not Order:
            known = "left the state" if order is not None else "was never given out here, or is forgotten"
            raise BadEntry("unknown_order", f"order_id: order {report.order_id} {known}; {_words(report)}")
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
        journal.said = _said(order, report)
        try:
            refusal = self._handlers[report.exec_type](order, report)
        finally:
            journal.said = None
        if refusal is not None:
            order.venue_order_id = known_as
            raise BadEntry(refusal.reason, refusal.text)

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
            self._journal.rejected(order, RejectReason.VENUE_OTHER, f"the venue refused the order: {_words(report)}")
        return refusal

    def _traded(self, order: Order, report: VenueReport) -> Refusal | None:
        assert report.last_qty is not None and report.last_px is not None and report.exec_id is not None, "validated"
        lots = _units("last_qty", order.terms.lot, report.last_qty)
        ticks = _units("last_px", order.terms.price, report.last_px)
        fee = _fee_of(order, report, abs(ticks * lots))
        refusal = order.fill_once(ticks, lots, report.exec_id)
        if refusal is None:
            if report.commission is not None:
                assert self._journal.said is not None, "take() has begun it"
                self._journal.said["commission"] = canonical(report.commission)
                self._journal.said["comm_currency"] = report.comm_currency
            self._journal.filled(
                order, ticks, lots, f"{report.venue}-{report.exec_id}", report.liquidity == "MAKER", *fee
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
            self._journal.canceled(order, CancelReason.VENUE_OTHER, f"canceled by the venue: {_words(report)}")
        return refusal

    def _replaced(self, order: Order, report: VenueReport) -> Refusal | None:
        assert report.quantity is not None, "validated"
        lots = _units("quantity", order.terms.lot, report.quantity)
        price = order.amendment.price if order.amendment is not None else order.price
        if report.price is not None:
            price = _units("price", order.terms.price, report.price)
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
        lots = _units("quantity", order.terms.lot, report.quantity)
        price = None if report.price is None else _units("price", order.terms.price, report.price)
        refusal = order.restate(lots, price)
        if refusal is None:
            self._journal.restated(order, RestatementReason.VENUE_OTHER, f"restated by the venue: {_words(report)}")
        return refusal

    def _triggered(self, order: Order, report: VenueReport) -> Refusal | None:
        price = None if report.price is None else _units("price", order.terms.price, report.price)
        refusal = order.trigger()
        if refusal is None:
            self._journal.triggered(order, price)
        return refusal

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


def _said(order: Order, report: VenueReport) -> dict[str, Any]:
    """Return what the venue says beside what happened, as the events of orders have it."""
    said: dict[str, Any] = {}
    if order.venue_order_id is not None:
        said["venue_order_id"] = order.venue_order_id
    if report.venue_time is not None:
        said["venue_time"] = report.venue_time
    if report.text is not None:
        said["venue_text"] = report.text
    return said


def _words(report: VenueReport) -> str:
    """Return the venue's words for a sentence; its number for a restatement where it has none."""
    if report.text:
        return f"it says {report.text!a}"
    if report.restatement_reason is not None:
        return f"it says ExecRestatementReason {report.restatement_reason}"
    return "it does not say why"


def _why_refused(order: Order, report: VenueReport) -> tuple[CancelRejectReason, str]:
    if order.status in FINAL:
        text = f"order_id: order {order.order_id} was {order.status} before the request reached the venue"
        return CancelRejectReason.TOO_LATE, text
    return CancelRejectReason.VENUE_OTHER, f"the venue refused the request: {_words(report)}"


def _fee_of(order: Order, report: VenueReport, units: int) -> tuple[int, str | None]:
    """Return a trade's fee in 10**-FEE_DECIMALS of the instrument's currency, and as it was said if it was.

    It is the venue's commission, else what the desk's terms say.

    A commission in another currency is told by itself, and the fee is 0.
    """
    terms = order.terms
    if report.commission is None:
        return (terms.maker_fee if report.liquidity == "MAKER" else terms.taker_fee).scaled(units), None
    if report.comm_currency != terms.currency:
        return 0, "0"
    said = canonical(report.commission)
    fee = units_of(said, FEE_DECIMALS)
    if fee is None:
        decimals = len(said.partition(".")[2])
        raise BadEntry("bad_value", f"commission: {said} has {decimals} decimals, at most {FEE_DECIMALS}")
    return fee, said


def _units(name: str, grid: Scale, number: Decimal) -> int:
    units = grid.units(canonical(number))
    if units is None:
        raise BadEntry("off_grid", f"{name}: {canonical(number)} is not a multiple of {grid.step}")
    return units
