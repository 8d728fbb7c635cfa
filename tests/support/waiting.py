"""What the desk holds for a time, a price or a turn, order by order: who waits in vain, and whom nobody remembers."""

from __future__ import annotations

from collections import Counter

from fillstream.services.order_service.orders.life.order import (
    FINAL,
    FOR_APPROVAL,
    FOR_PRICE,
    FOR_RATE,
    FOR_TIME,
    Order,
)
from fillstream.services.order_service.orders.state import State


def check_waiting(state: State, now_ms: int, seen: Counter[str]) -> None:
    """Compare what waits with what a look at every order finds, one by one."""
    waiting = 0
    queued = {order_id for pace in state.pacing.of.values() for order_id in pace.waiting}
    for order in state.orders.values():
        if not isinstance(order, Order) or not order.is_held or order.status in FINAL:
            continue
        assert order.status in ("Suspended", "PendingCancel", "PendingReplace"), order
        assert not order.cum and not order.acknowledged, "no venue has it"
        assert not order.expiry_ms or order.expiry_ms > now_ms
        if order.held == FOR_RATE:
            queued.remove(order.order_id)
            rate_ms = state.timers.due_ms(order.account_id, "rate")
            assert rate_ms is not None and rate_ms > now_ms, "it is nobody's turn"
            seen["waits for its turn"] += 1
            continue
        if order.held == FOR_APPROVAL:
            continue
        special = order.special
        if order.held == FOR_TIME:
            timed = special is not None and special.effective_ms > now_ms
            assert timed or order.terms.calendar is not None, "it waits for its time, or for a session"
            continue
        assert special is not None
        assert order.held == FOR_PRICE
        waiting += 1
        stop = state.triggers.stop_of(order)
        assert special.stop is None if special.offset is not None else special.stop == stop
        seen["trails"] += special.offset is not None
        quote = state.quotes[order.venue][order.terms.id]
        bid, ask = (quote.bid if quote.bid_qty else None), (quote.ask if quote.ask_qty else None)
        mark = state.holdings.instruments[order.terms.symbol].mark
        prices = {
            "LAST": quote.last,
            "BID_ASK": ask if order.side == "BUY" else bid,
            "MARK": mark and mark / 2,
            "MID": None if bid is None or ask is None else (bid + ask) / 2,
        }
        price = prices[special.trigger]
        if price is None or quote.session != "CONTINUOUS":
            continue
        buys_low = order.order_type.endswith("IF_TOUCHED")
        falls = (order.side == "BUY") == buys_low
        assert stop is not None, "a price has come, and it is followed or waited for"
        assert price > stop if falls else price < stop, (order, prices)
        if special.offset is not None and not special.in_bps:
            assert price - stop <= special.offset + 1 / 2 if falls else stop - price <= special.offset + 1 / 2
    assert not queued, "who waits for a turn is an order that works"
    assert len(state.triggers) == waiting
    seen["waits for a price"] += waiting
