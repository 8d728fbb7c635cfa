"""Busts and corrections: what a venue changes of trades that it told, however long ago.

Flows in: validated reports, TradeCancel and TradeCorrect. Flows out: TradeBusted and TradeCorrected, with all that
books need, and what accounts hold put right. Never changes a trade that nobody can name; never changes one twice.

An order in the state knows its trades, and a bust needs no more than their id. Of an order that left it the report has
to carry what the trade was; it does not work again, so that a Filled one is Canceled then.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.venue import ExecType, VenueReport
from fillstream.libs.common.values.money import FEE_DECIMALS, canonical, fixed
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.journal.journal import Journal, of_left
from fillstream.services.order_service.orders.journal.telling import Event
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.life.parts import Fill, Refusal
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.reporting.said import (
    fee_of,
    lots_of_report,
    own_fee,
    trade_ticks_of_report,
    words,
)
from fillstream.services.order_service.orders.state import EXPIRY, FORGOTTEN, State

CHANGES = frozenset((ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT))
_WHOSE = ("account", "symbol", "side")
_TRADE = ("last_qty", "last_px")
_CORRECTED = (*_TRADE, "ref_last_qty", "ref_last_px")


class TradeChanges:
    """The part of the fold that takes such reports.

    Args:
        state: changed by what they say.
        journal: told about it.
    """

    __slots__ = ("_journal", "_state")

    def __init__(self, state: State, journal: Journal) -> None:
        self._state = state
        self._journal = journal

    # ------------------------------------------------------ of an order in the state

    def busted(self, order: Order, report: VenueReport) -> Refusal | None:
        """Take a trade back."""
        assert report.ref_exec_id is not None and report.exec_id is not None, "validated"
        fill = order.traded(report.ref_exec_id)
        if fill is not None:
            _check(report, _whose(order), order.terms, fill)
        refusal = order.bust(report.ref_exec_id, report.exec_id)
        if refusal is None:
            assert fill is not None, "it was busted"
            change = self._change(report, order.terms, fill, order.strategy)
            self._watch_expiry(order)
            self._journal.trade_changed(order, change, (fill.ticks, fill.lots, fill.fee))
        return refusal

    def corrected(self, order: Order, report: VenueReport) -> Refusal | None:
        """Put a trade right."""
        assert report.ref_exec_id is not None and report.exec_id is not None, "validated"
        assert report.last_qty is not None and report.last_px is not None, "validated"
        terms, fill = order.terms, order.traded(report.ref_exec_id)
        if fill is not None:
            _check(report, _whose(order), terms, None)
        lots = lots_of_report("last_qty", terms, report.last_qty)
        ticks = trade_ticks_of_report("last_px", terms, report.last_px)
        maker = fill is not None and fill.maker if report.liquidity is None else report.liquidity == "MAKER"
        fee, said = fee_of(terms, report, ticks, lots, maker)
        refusal = order.correct(report.ref_exec_id, report.exec_id, ticks, lots, fee)
        if refusal is None:
            assert fill is not None, "it was corrected"
            now = Fill(fill.exec_id, ticks, lots, fee, report.exec_id, maker)
            change = self._change(report, terms, now, order.strategy)
            if said is not None:
                change["fee"] = said
            change["old_qty"], change["old_px"] = terms.lot.text(fill.lots), terms.price.text(fill.ticks)
            change["old_fee"] = fixed(fill.fee, FEE_DECIMALS)
            self._watch_expiry(order)
            legs = (fill.ticks, fill.lots, fill.fee), (ticks, -lots, -fee)
            self._journal.trade_changed(order, change, *legs)
        return refusal

    def _watch_expiry(self, order: Order) -> None:
        """See to it that an order which works again ends in its time, at a venue that leaves that to the desk."""
        if order.expiry_ms and order.status not in FINAL and order.time_in_force in order.terms.ended_here:
            self._state.timers.add_once(order.expiry_ms, order.order_id, EXPIRY)

    # --------------------------------------------------------- of one that left it

    def late(self, report: VenueReport, record: Remembered | None) -> None:
        """Take a trade back, or put it right, of an order that left the state, or was forgotten altogether (None).

        Raises:
            BadEntry: unknown_order, unknown_venue, wrong_venue, unknown_account, unknown_symbol, missing_value,
                bad_value, off_grid, repeated_trade: nothing has changed then.
        """
        state, order_id = self._state, int(report.order_id)
        if record is None and (left := state.left(order_id)) != FORGOTTEN:
            raise BadEntry("unknown_order", f"order_id: order {order_id} {left}; {words(report)}")
        self._check_venue(report)
        corrects = report.exec_type is ExecType.TRADE_CORRECT
        self._check_said(report, record, _CORRECTED if corrects else _TRADE)
        if record is not None:
            _check(report, {"account": record.account, "symbol": record.symbol, "side": record.side}, None, None)
        terms = self._terms(report, record)
        now, said = _trade(terms, report, report.last_qty, report.last_px, report)
        was = _trade(terms, report, report.ref_last_qty, report.ref_last_px, None)[0] if corrects else now
        assert report.ref_exec_id is not None and report.exec_id is not None, "validated"
        # A correction may be corrected, and taken back by its own id: that it came is told apart from what is no more.
        told = f"{report.exec_id} corrected" if corrects else report.exec_id
        for each in (told, report.ref_exec_id):
            if f"{report.venue} {each}" in state.busted:
                raise BadEntry("repeated_trade", f"exec_id: order {order_id} has the change {each} already")
        if record is None:
            whose = of_left(report.order_id, report.account, report.symbol, report.side and report.side.value)
        else:
            whose = of_left(report.order_id, record.account, record.symbol, record.side)
            fewer = not corrects or now.lots < was.lots
            whose["ord_status"] = state.take_fill_off(order_id) if fewer else record.status
        account = state.holdings.accounts.get(whose["account"])
        if account is not None and account.hedges:
            whose["position_id"] = state.position_ids.get(state.number_of(order_id)) or report.position_id
        state.took_back(report.venue, *((told,) if corrects else (told, report.ref_exec_id)))
        change = self._change(report, terms, now, None)
        if said is not None:
            change["fee"] = said
        if corrects:
            change["old_qty"], change["old_px"] = terms.lot.text(was.lots), terms.price.text(was.ticks)
            change["old_fee"] = fixed(was.fee, FEE_DECIMALS)
            legs = (was.ticks, was.lots, was.fee), (now.ticks, -now.lots, -now.fee)
            return self._journal.trade_changed(whose, change, *legs)
        return self._journal.trade_changed(whose, change, (now.ticks, now.lots, now.fee))

    def _check_said(self, report: VenueReport, record: Remembered | None, trade: tuple[str, ...]) -> None:
        """Refuse a report that leaves out what nobody here knows any more."""
        needed = trade if record is not None else (*_WHOSE, *trade)
        missing = [name for name in needed if getattr(report, name) is None]
        if missing:
            left = self._state.left(int(report.order_id))
            text = f"{missing[0]}: order {report.order_id} {left}, a {report.exec_type} of it must say"
            raise BadEntry("missing_value", f"{text} {', '.join(needed)}, and does not say {', '.join(missing)}")

    def _check_venue(self, report: VenueReport) -> None:
        terms = self._state.venues.get(report.venue)
        if terms is None:
            known = ", ".join(self._state.venues)
            raise BadEntry("unknown_venue", f"venue: {report.venue} must be a venue of this desk, one of {known}")
        if terms.simulated:
            text = f"venue: {report.venue} is an engine of this desk, which reports by frames and never like this"
            raise BadEntry("wrong_venue", text)

    def _terms(self, report: VenueReport, record: Remembered | None) -> Terms:
        account = report.account if record is None else record.account
        if account not in self._state.accounts:
            raise BadEntry("unknown_account", f"account: {account} is no account of this partition")
        symbol = report.symbol if record is None else record.symbol
        terms = self._state.terms[report.venue].get(symbol or "")
        if terms is None:
            raise BadEntry("unknown_symbol", f"symbol: {symbol} is no instrument of this desk")
        return terms

    def _change(self, report: VenueReport, terms: Terms, fill: Fill, strategy: str | None) -> Event:
        venue = report.venue
        done = "taken back" if report.exec_type is ExecType.TRADE_CANCEL else "corrected"
        return {
            "exec_id": f"{venue}-{report.exec_id}",
            "ref_exec_id": f"{venue}-{fill.exec_id}",
            "venue": venue,
            "last_qty": terms.lot.text(fill.lots),
            "last_px": terms.price.text(fill.ticks),
            "fee": fixed(fill.fee, FEE_DECIMALS),
            "currency": terms.currency,
            "strategy": strategy,
            "text": f"{done} by the venue: {words(report)}",
        }


def _trade(
    terms: Terms, report: VenueReport, qty: Decimal | None, px: Decimal | None, charged: VenueReport | None
) -> tuple[Fill, str | None]:
    """Return a trade of so many at such a price, and its fee as it was said if it was; without `charged` by the terms.

    Raises:
        BadEntry: off_grid, bad_value.
    """
    assert qty is not None and px is not None and report.ref_exec_id is not None, "just looked"
    lots, ticks = lots_of_report("last_qty", terms, qty), trade_ticks_of_report("last_px", terms, px)
    maker, exec_id = report.liquidity == "MAKER", report.exec_id or ""
    if charged is None:
        fee, said = own_fee(terms, ticks, lots, maker), None
    else:
        fee, said = fee_of(terms, charged, ticks, lots, maker)
    return Fill(report.ref_exec_id, ticks, lots, fee, exec_id, maker), said


def _whose(order: Order) -> dict[str, str | None]:
    return {"account": order.account, "symbol": order.terms.symbol, "side": order.side}


def _check(report: VenueReport, whose: dict[str, str | None], terms: Terms | None, fill: Fill | None) -> None:
    """Refuse a report that says something else than what is known: it may name the wrong trade."""
    known: dict[str, Any] = dict(whose)
    if fill is not None and terms is not None:
        known |= {"last_qty": terms.lot.text(fill.lots), "last_px": terms.price.text(fill.ticks)}
    for name, value in known.items():
        said = getattr(report, name)
        if said is not None and (said != value if name in _WHOSE else Fraction(said) != Fraction(value)):
            written = said if name in _WHOSE else canonical(said)
            what = f"as trade {report.ref_exec_id} of order {report.order_id} has it"
            raise BadEntry("bad_value", f"{name}: {written} must be {value}, {what}")
