"""Events of the journal as plain dicts with exactly the keys of the contracts' models.

Flows in: an order (or what is remembered of one) after the event, and what the event adds. Flows out: dicts ready for
JSON, numbers as text. Never changes an order, never decides anything.

Plain dicts because a pydantic model costs more than ten times as much; tests validate every one against the contracts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from fillstream.libs.common.messages.base import VERSION
from fillstream.services.order_service.orders.compiled import Quote, Terms
from fillstream.services.order_service.orders.order import FINAL, Order

Event = dict[str, Any]


class Remembered(NamedTuple):
    """What stays of an order that left the state, or that validation refused: enough to tell its status."""

    order_id: int
    client_order_id: str
    account: str
    symbol: str
    side: str
    status: str
    quantity: str
    cum_qty: str
    avg_px: str | None
    received_ms: int

    @classmethod
    def load(cls, data: bytes) -> Remembered:
        """Return what `orjson.dumps` wrote of one."""
        return cls._make(orjson.loads(data))

    @classmethod
    def of(cls, order: Order) -> Remembered:
        """Return what stays of a finished order."""
        terms = order.terms
        return cls(
            order.order_id,
            order.client_order_id,
            order.account,
            terms.symbol,
            order.side,
            order.status,
            terms.lot.text(order.quantity),
            terms.lot.text(order.cum),
            terms.price.mean(order.notional, order.cum) if order.cum else None,
            order.received_ms,
        )


def order_event(kind: str, seq: int, ms: int, order: Order) -> Event:
    """Return what every event of an order says."""
    terms = order.terms
    lot = terms.lot
    cum = order.cum
    quantity = lot.text(order.quantity)
    if not cum:
        filled, leaves = lot.zero, lot.zero if order.status in FINAL else quantity
    elif cum == order.quantity:
        filled, leaves = quantity, lot.zero
    else:
        filled, leaves = lot.text(cum), lot.text(order.leaves)
    return {
        "type": kind,
        "v": VERSION,
        "seq": seq,
        "time": ms,
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "account": order.account,
        "symbol": terms.symbol,
        "side": order.side,
        "ord_status": order.status,
        "quantity": quantity,
        "cum_qty": filled,
        "leaves_qty": leaves,
        "avg_px": terms.price.mean(order.notional, cum) if cum else None,
    }


def received(seq: int, ms: int, order: Order, venue: str) -> Event:
    """OrderReceived."""
    event = order_event("OrderReceived", seq, ms, order)
    _add_wishes(event, order)
    event["venue"] = venue
    return event


def refused(seq: int, ms: int, remembered: Remembered, instruction: Event, reason: str, text: str) -> Event:
    """OrderRejected by validation. `instruction` has its order_type and time_in_force filled in."""
    event = _remembered_event("OrderRejected", seq, ms, remembered)
    for name in ("signal_id", "order_type", "price", "time_in_force", "strategy", "confidence"):
        event[name] = instruction[name]
    event["reason"] = reason
    event["text"] = text
    return event


def rejected(seq: int, ms: int, order: Order, reason: str, text: str) -> Event:
    """OrderRejected by the venue."""
    event = order_event("OrderRejected", seq, ms, order)
    _add_wishes(event, order)
    event["reason"] = reason
    event["text"] = text
    return event


def filled(seq: int, ms: int, order: Order, price: int, lots: int, match_id: int, maker: bool) -> Event:
    """OrderFilled, with the fee in the instrument's currency: of the value's size, a negative price is no rebate."""
    terms = order.terms
    event = order_event("OrderFilled", seq, ms, order)
    event["exec_id"] = f"{terms.exec_prefix}{match_id}-{order.side[0]}"
    event["last_qty"] = terms.lot.text(lots)
    event["last_px"] = terms.price.text(price)
    event["liquidity"] = "MAKER" if maker else "TAKER"
    event["fee"] = (terms.maker_fee if maker else terms.taker_fee).text(abs(price * lots))
    event["currency"] = terms.currency
    event["strategy"] = order.strategy
    return event


def cancel_requested(seq: int, ms: int, order: Order, signal_id: str) -> Event:
    """OrderCancelRequested."""
    event = order_event("OrderCancelRequested", seq, ms, order)
    event["signal_id"] = signal_id
    return event


def canceled(seq: int, ms: int, order: Order, reason: str, text: str) -> Event:
    """OrderCanceled."""
    event = order_event("OrderCanceled", seq, ms, order)
    event["reason"] = reason
    event["text"] = text
    return event


def replace_requested(seq: int, ms: int, order: Order) -> Event:
    """OrderReplaceRequested, of the order's pending amendment."""
    assert order.amendment is not None, "request_replace() comes first"
    event = order_event("OrderReplaceRequested", seq, ms, order)
    event["signal_id"] = order.amendment.signal_id
    event["new_quantity"] = order.terms.lot.text(order.amendment.quantity)
    event["new_price"] = order.terms.price.text(order.amendment.price)
    return event


def replaced(seq: int, ms: int, order: Order) -> Event:
    """OrderReplaced."""
    event = order_event("OrderReplaced", seq, ms, order)
    event["price"] = order.terms.price.text(order.price)
    return event


def request_refused(
    kind: str, seq: int, ms: int, signal_id: str, account: str, order: Order | Remembered | None, reason: str, text: str
) -> Event:
    """OrderCancelRejected or OrderReplaceRejected; without an order its fields are null."""
    return {
        "type": kind,
        "v": VERSION,
        "seq": seq,
        "time": ms,
        "signal_id": signal_id,
        "account": account,
        "order_id": str(order.order_id) if order else None,
        "client_order_id": order.client_order_id if order else None,
        "ord_status": order.status if order else None,
        "reason": reason,
        "text": text,
    }


def status_reported(seq: int, ms: int, order: Order | Remembered, signal_id: str, text: str) -> Event:
    """OrderStatusReported."""
    if isinstance(order, Order):
        event = order_event("OrderStatusReported", seq, ms, order)
    else:
        event = _remembered_event("OrderStatusReported", seq, ms, order)
    event["signal_id"] = signal_id
    event["text"] = text
    return event


def quote_updated(seq: int, ms: int, terms: Terms, quote: Quote) -> Event:
    """QuoteUpdated."""
    price, lot = terms.price, terms.lot
    return {
        "type": "QuoteUpdated",
        "v": VERSION,
        "seq": seq,
        "time": ms,
        "symbol": terms.symbol,
        "bid_px": price.text(quote.bid) if quote.bid_qty else None,
        "bid_qty": lot.text(quote.bid_qty),
        "ask_px": price.text(quote.ask) if quote.ask_qty else None,
        "ask_qty": lot.text(quote.ask_qty),
        "last_px": None if quote.last is None else price.text(quote.last),
    }


def _add_wishes(event: Event, order: Order) -> None:
    """Add what the client asked for. A market order's price is null: its bound is the desk's, not the client's."""
    event["signal_id"] = order.signal_id
    event["order_type"] = order.order_type
    event["price"] = order.terms.price.text(order.price) if order.order_type == "LIMIT" else None
    event["time_in_force"] = order.time_in_force
    event["strategy"] = order.strategy
    event["confidence"] = order.confidence


def _remembered_event(kind: str, seq: int, ms: int, order: Remembered) -> Event:
    return {
        "type": kind,
        "v": VERSION,
        "seq": seq,
        "time": ms,
        "order_id": str(order.order_id),
        "client_order_id": order.client_order_id,
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side,
        "ord_status": order.status,
        "quantity": order.quantity,
        "cum_qty": order.cum_qty,
        "leaves_qty": "0",
        "avg_px": order.avg_px,
    }
