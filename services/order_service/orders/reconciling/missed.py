"""Fills that a venue made and whose reports never came: booked by what the venue says it has, and booked once.

Flows in: an order, and what the venue has filled of it. Flows out: OrderFilled, marked `inferred`; and where the
venue's own report comes after all, TradeBusted for what it was thought to be. Never books at a venue
of the desk's own: its log loses no report.

A trade that the venue names by its exec id is booked under it; its own report, should it come, is known then. Of a mere
quantity nobody knows the trades. It is booked at the mean price that it must have had, exactly: in two fills a tick
apart where no one price says it. When a trade's own report comes later, it goes before: as much as it says is taken out
of what was inferred. Its `cum_qty` tells whether it is among that; of one that does not say so it is assumed, so that
nothing is ever booked twice. Too little is found by the next report of what the venue has.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from fillstream.libs.common.engine.frames import MAX_PRICE
from fillstream.libs.common.messages.mass_status import ReportedFill
from fillstream.libs.common.values.money import FEE_DECIMALS, canonical, fixed
from fillstream.services.order_service.orders.journal.journal import Journal, Leg
from fillstream.services.order_service.orders.life.order import TOLD, Order
from fillstream.services.order_service.orders.life.parts import Fill, Refusal
from fillstream.services.order_service.orders.reconciling.run import Behind, Run, position_of
from fillstream.services.order_service.orders.reporting.said import (
    fee_of,
    lots_of_report,
    own_fee,
    trade_ticks_of_report,
)

Priced = list[tuple[int, int]]
"""Ticks, and lots at that price."""
_INFERRED: Final = "inferred-"
"""So begins what a fill goes by that was inferred of a quantity."""


def knows(order: Order, exec_id: str) -> bool:
    """Say whether a trade was booked without its own report, which may come now."""
    return f"{TOLD}{exec_id}" in order.exec_ids


def heard(order: Order, exec_id: str) -> None:
    """Note that the report of such a trade came after all: another one is a repetition, as ever."""
    order.exec_ids = tuple(each for each in order.exec_ids if each != f"{TOLD}{exec_id}")


def book_told(run: Run, order: Order, fill: ReportedFill, journal: Journal) -> Refusal | None:
    """Book a trade by the exec id that a page says; return why not.

    Raises:
        BadEntry: off_grid, bad_value: its numbers are none of the instrument's.
    """
    terms = order.terms
    lots = lots_of_report("last_qty", terms, fill.last_qty)
    ticks = trade_ticks_of_report("last_px", terms, fill.last_px)
    maker, before = fill.liquidity == "MAKER", order.cum
    fee, said = fee_of(terms, fill, ticks, lots, maker)
    trade = Fill(fill.exec_id, ticks, lots, fee, fill.exec_id, maker)
    refusal = fill_instead(order, trade, fill.cum_qty, journal)
    if refusal is None:
        more = {"text": f"its report never came; report {run.request_id} of what {run.venue} has tells it"}
        if fill.commission is not None:
            more |= {"commission": canonical(fill.commission), "comm_currency": str(fill.comm_currency)}
        _told(order, trade, said, journal, more)
        _count(run, order, before)
    return refusal


def book_missing(run: Run, order: Order, behind: Behind, journal: Journal) -> Refusal | None:
    """Book what a venue has filled beyond what it told; return why not: nothing changed then."""
    cum, mean, last, _ = behind
    priced = _priced(order, cum, mean, last)
    if priced is None:
        return Refusal("no_price", f"avg_px: {run.venue} does not say what order {order.order_id} was filled at")
    refusal = _infer(copy(order), priced)
    if refusal is not None:
        return refusal
    before, lot = order.cum, order.terms.lot.text
    text = f"inferred: by report {run.request_id} {run.venue} has {lot(cum)} of order {order.order_id} filled"
    _infer(order, priced, journal, text)
    _count(run, order, before)
    return None


def _count(run: Run, order: Order, before: int) -> None:
    """Note what a comparison has booked of an order, which had `before` lots filled."""
    position, lots = position_of(order.account, order.terms.symbol), order.cum - before
    run.booked[position] = run.booked.get(position, 0) + (lots if order.side == "BUY" else -lots)


def _priced(order: Order, cum: int, mean: str | None, last: str | None) -> Priced | None:
    """Return what was filled unseen: what is left of all once what was seen is taken off."""
    lots, tick = cum - order.cum, Fraction(order.terms.price.step)
    if mean is None:
        ticks = order.terms.price.units(last) if last is not None else order.price if order.priced else None
        return None if ticks is None else [(ticks, lots)]
    return _split(order, round(Fraction(mean) / tick * cum) - order.notional, lots)


def _split(order: Order, notional: int, lots: int) -> Priced:
    """Return lots that cost so much (ticks times lots) together, at one price or at two that are a tick apart."""
    ticks, over = divmod(notional, lots)
    if over and order.priced and ticks == order.price and order.side == "BUY":
        over = 0  # a mean was rounded: nobody buys above the limit
    return [each for each in ((ticks + 1, over), (ticks, lots - over)) if each[1]]


def _infer(order: Order, priced: Priced, journal: Journal | None = None, text: str = "") -> Refusal | None:
    """Fill an order at these prices, and tell it where there is somebody to; return why not."""
    for ticks, lots in priced:
        if ticks <= 0 and not order.terms.negative_prices:
            px = order.terms.price.text(ticks)
            return Refusal("beyond_limit", f"price: a fill of order {order.order_id} at {px} must be above 0")
        if abs(ticks) > MAX_PRICE:
            px, most = order.terms.price.text(ticks), order.terms.price.text(MAX_PRICE)
            return Refusal("beyond_limit", f"price: a fill of order {order.order_id} at {px} is beyond {most}")
        exec_id = f"{_INFERRED}{order.order_id}-{len(order.exec_ids)}"
        fee = own_fee(order.terms, ticks, lots, maker=False)
        refusal = order.fill_once(ticks, lots, exec_id, fee)
        if refusal is not None:
            return refusal
        if journal is None:
            order.exec_ids = (*order.exec_ids, f"{TOLD}{exec_id}")
        else:
            _told(order, Fill(exec_id, ticks, lots, fee, exec_id, False), None, journal, {"text": text})
    return None


def _told(order: Order, trade: Fill, said: str | None, journal: Journal, more: Mapping[str, str]) -> None:
    """Tell a trade that the order has, and whose own report never came; `more` is what its event says beside."""
    order.exec_ids = (*order.exec_ids, f"{TOLD}{trade.exec_id}")
    before = journal.said
    journal.said = {**(before or {}), "inferred": True, **more}
    exec_id = f"{order.venue}-{trade.exec_id}"
    try:
        journal.filled(order, trade.ticks, trade.lots, exec_id, trade.maker, trade.fee, said)
    finally:
        journal.said = before


# ------------------------------------------------------------------------------------------- the report comes after all


def fill_instead(order: Order, trade: Fill, cum_qty: Decimal | None, journal: Journal) -> Refusal | None:
    """Apply a trade that its venue names, in place of what was inferred of it; return why not: nothing changed then.

    Args:
        order: whose it is.
        trade: as the venue says it.
        cum_qty: what is filled with it, None where the venue does not say.
        journal: told what gave way. The trade itself is the caller's to tell.

    Raises:
        BadEntry: off_grid, a cum_qty that is none of the instrument's.
    """
    inferred = _inferred_of(order)
    if not inferred or trade.exec_id in order.exec_ids:
        return _fill(order, trade)
    new = 0 if cum_qty is None else max(0, lots_of_report("cum_qty", order.terms, cum_qty) - order.cum)
    room = min(trade.lots - new, sum(fill.lots for fill in inferred))
    if room <= 0:
        return _fill(order, trade)
    left, refusal = _left(order, inferred, trade, room)
    if refusal is not None:
        return refusal
    for fill in inferred:
        journal.trade_changed(order, *_take_back(order, fill))
    _infer(order, left, journal, f"inferred: what is left of it, now that trade {trade.exec_id} is known")
    return _fill(order, trade)


def _left(order: Order, inferred: list[Fill], trade: Fill, room: int) -> tuple[Priced, Refusal | None]:
    """Return what of the inferred is left once `room` lots of it were a trade, and why the trade cannot be.

    All together cost what it did: so it is what is left of that. Where that is no price which the order may have had,
    prices stay as they were.
    """
    lots = sum(fill.lots for fill in inferred) - room
    notional = sum(fill.ticks * fill.lots for fill in inferred) - room * trade.ticks
    as_before: Priced = []
    for fill in inferred:
        gone = min(room, fill.lots)
        room -= gone
        if gone < fill.lots:
            as_before.append((fill.ticks, fill.lots - gone))
    for left in (_split(order, notional, lots), as_before) if lots else ([],):
        twin = copy(order)
        for fill in inferred:
            _take_back(twin, fill)
        if _infer(twin, left) is None:
            return left, _fill(twin, trade)
    raise AssertionError("the order had these fills at these prices")


def _fill(order: Order, trade: Fill) -> Refusal | None:
    return order.fill_once(trade.ticks, trade.lots, trade.exec_id, trade.fee, trade.maker)


def _inferred_of(order: Order) -> list[Fill]:
    """Return what stands of an order that was inferred of a quantity."""
    return [fill for fill in order.fills if fill.exec_id.startswith(_INFERRED) and knows(order, fill.exec_id)]


def _take_back(order: Order, fill: Fill) -> tuple[dict[str, Any], Leg]:
    """Take an inferred fill back; return what the journal tells of it."""
    terms, exec_id = order.terms, f"told-{order.order_id}-{len(order.exec_ids)}"
    refusal = order.bust(fill.last_id, exec_id)
    assert refusal is None, f"it stands: {refusal}"
    change = {
        "exec_id": f"{order.venue}-{exec_id}",
        "ref_exec_id": f"{order.venue}-{fill.exec_id}",
        "venue": order.venue,
        "last_qty": terms.lot.text(fill.lots),
        "last_px": terms.price.text(fill.ticks),
        "fee": fixed(fill.fee, FEE_DECIMALS),
        "currency": terms.currency,
        "strategy": order.strategy,
        "text": "what was inferred gives way to the venue's own report of it",
    }
    return change, (fill.ticks, fill.lots, fill.fee)
