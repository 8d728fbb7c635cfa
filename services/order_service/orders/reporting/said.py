"""What a venue outside says in its reports, in the desk's units and words.

Flows in: a validated report, and the terms of its instrument. Flows out: lots, ticks, fees, sentences. Never decides
what a report means for an order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY
from fillstream.libs.common.ledger.fees import NOTHING
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.codes import CancelReason, RestatementReason
from fillstream.libs.common.messages.mass_status import ReportedFill
from fillstream.libs.common.messages.venue import VenueReport
from fillstream.libs.common.values.money import FEE_DECIMALS, Scale, canonical, units_of
from fillstream.services.order_service.orders.compiled import Terms

_RESTATED_BECAUSE = {
    each.fix: each
    for each in RestatementReason
    if each not in (RestatementReason.SELF_TRADE, RestatementReason.RECONCILED, RestatementReason.VENUE_OTHER)
}
_CANCELED_BECAUSE = {
    each.fix: each
    for each in (
        CancelReason.TRADING_HALT, CancelReason.SYSTEM_FAILURE, CancelReason.MARKET_OPTION, CancelReason.NOT_BEST,
    )
}  # fmt: skip


def restated_because(report: VenueReport) -> RestatementReason:
    """Return why a venue changed an order, by FIX's number for it."""
    return _RESTATED_BECAUSE.get(report.restatement_reason, RestatementReason.VENUE_OTHER)


def canceled_because(report: VenueReport) -> CancelReason:
    """Return why a venue took an order off that nobody asked it to, likewise."""
    return _CANCELED_BECAUSE.get(report.restatement_reason, CancelReason.VENUE_OTHER)


def beside(known_as: str | None, report: VenueReport) -> dict[str, Any]:
    """Return what the venue says beside what happened, as the events of orders have it; `known_as` is its own id."""
    said: dict[str, Any] = {}
    if known_as is not None:
        said["venue_order_id"] = known_as
    if report.venue_time is not None:
        said["venue_time"] = report.venue_time
    if report.text is not None:
        said["venue_text"] = report.text
    return said


def words(report: VenueReport) -> str:
    """Return the venue's words for a sentence; its number for a restatement where it has none."""
    if report.text:
        return f"it says {report.text!a}"
    if report.restatement_reason is not None:
        return f"it says ExecRestatementReason {report.restatement_reason}"
    return "it does not say why"


def fee_of(
    terms: Terms, report: VenueReport | ReportedFill, ticks: int, lots: int, maker: bool
) -> tuple[int, str | None]:
    """Return a trade's fee in 10**-FEE_DECIMALS of the instrument's currency, and as it was said if it was.

    It is the venue's commission, else what the desk's terms say of such a trade: of a fee schedule, by itself.

    A commission in another currency is told by itself, and the fee is 0.

    Raises:
        BadEntry: bad_value, more decimals than a fee has.
    """
    if report.commission is None:
        return own_fee(terms, ticks, lots, maker), None
    if report.comm_currency != terms.currency:
        return 0, "0"
    said = canonical(report.commission)
    fee = units_of(said, FEE_DECIMALS)
    if fee is None:
        decimals = len(said.partition(".")[2])
        raise BadEntry("bad_value", f"commission: {said} has {decimals} decimals, at most {FEE_DECIMALS}")
    return fee, said


def own_fee(terms: Terms, ticks: int, lots: int, maker: bool) -> int:
    """Return what a trade costs by the desk's own terms, in 10**-FEE_DECIMALS of the instrument's currency."""
    units = terms.worth(ticks, lots)
    if terms.fees is not None:
        return terms.fees.fill(NOTHING, units, lots, maker, 0).own
    return (terms.maker_fee if maker else terms.taker_fee).scaled(units)


def lots_of_report(name: str, terms: Terms, number: Decimal) -> int:
    """Return a report's quantity in lots.

    Raises:
        BadEntry: off_grid; bad_value, more than any venue has (FS_MAX_QTY).
    """
    return _units_of_report(name, terms.lot, number, MAX_QTY)


def ticks_of_report(name: str, terms: Terms, number: Decimal) -> int:
    """Return a report's price in ticks.

    Raises:
        BadEntry: off_grid; bad_value, further from 0 than any venue has prices (FS_MAX_PRICE).
    """
    return _units_of_report(name, terms.price, number, MAX_PRICE)


def trade_ticks_of_report(name: str, terms: Terms, number: Decimal) -> int:
    """Return the price of a report's trade in ticks.

    Raises:
        BadEntry: as `ticks_of_report`; bad_value, 0 and below of an inverse contract, which has no value there.
    """
    ticks = ticks_of_report(name, terms, number)
    if ticks <= 0 and terms.inverse is not None:
        text = f"{name}: {canonical(number)} must be above 0, {terms.symbol} is an inverse contract"
        raise BadEntry("bad_value", text)
    return ticks


def _units_of_report(name: str, grid: Scale, number: Decimal, most: int) -> int:
    units = grid.units(canonical(number))
    if units is None:
        raise BadEntry("off_grid", f"{name}: {canonical(number)} is not a multiple of {grid.step}")
    if abs(units) > most:
        raise BadEntry("bad_value", f"{name}: {canonical(number)} is beyond {grid.text(most)}, which is the most")
    return units


def lots_said(terms: Terms, number: Decimal) -> int | None:
    """Return a quantity in lots; None of what no order and no position of the instrument can have."""
    lots = terms.lot.units(canonical(number))
    return None if lots is None or abs(lots) > MAX_QTY else lots


def ticks_said(terms: Terms, number: Decimal) -> int | None:
    """Return a price in ticks; None of what no order of the instrument can have."""
    ticks = terms.price.units(canonical(number))
    return None if ticks is None or abs(ticks) > MAX_PRICE else ticks
