"""What the desk tells, as events of document 002.

Flows in: items of the public streams. Flows out: events. Pure, but for what it remembers of why positions end: which
orders are a bracket's exits, and which ones a strategy sent to close.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from fillstream.client.following import Item
from fillstream.libs.common.messages.codes import OrderType
from fillstream.libs.common.messages.journal import (
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderReceived,
    OrderRejected,
    PredictionReceived,
    SignalRefused,
)
from fillstream.libs.common.messages.market import Trades
from fillstream.libs.common.messages.order_event import OrderEvent as OrderMessage
from fillstream.libs.common.messages.positions import (
    PositionAdjusted,
    PositionChanged,
    PositionClosed,
    PositionMarked,
)
from fillstream.libs.common.messages.quoting import QuoteUpdated
from fillstream.libs.common.messages.signals import PredictedFields
from fillstream.trading.events import (
    BaseEvent,
    OrderCanceledEvent,
    OrderCreatedEvent,
    OrderFilledEvent,
    OrderRejectedEvent,
    OrderSubmittedEvent,
    OrderUpdateEvent,
    PositionCloseEvent,
    PositionOpenEvent,
    PositionUpdateEvent,
    PredictionSignalEvent,
    PriceEvent,
    SignalRefusedEvent,
    VolumeEvent,
)

REMEMBERED = 100_000
"""Orders of which it is remembered why they close."""
EXITS: Final = {
    OrderType.STOP: "stop_loss",
    OrderType.STOP_LIMIT: "stop_loss",
    OrderType.TRAILING_STOP: "trailing_stop",
    OrderType.LIMIT: "take_profit",
    OrderType.MARKET: "stop_loss",  # the stop of a bracket, once its price has come
}


class Translator:
    """Makes events of what the desk told.

    Attributes:
        reasons: why an order closes what it closes, by the desk's order id.
    """

    def __init__(self) -> None:
        self.reasons: OrderedDict[str, str] = OrderedDict()
        self._sides: OrderedDict[str, str] = OrderedDict()  # of entries: what is on the other side is an exit of theirs
        self._of: dict[type[Any], Callable[[Any, dict[str, Any]], BaseEvent | None]] = {
            QuoteUpdated: _price,
            Trades: _volume,
            PredictionReceived: _prediction,
            PositionChanged: _changed,
            PositionMarked: _marked,
            PositionAdjusted: _adjusted,
            PositionClosed: self._closed,
            OrderReceived: self._created,
            OrderAccepted: lambda told, head: OrderSubmittedEvent(**head, **_order(told)),
            OrderFilled: _filled,
            OrderRejected: lambda told, head: OrderRejectedEvent(
                **head, **_order(told), reason=told.reason, text=told.text
            ),
            OrderCanceled: _ended,
            OrderExpired: _ended,
            SignalRefused: lambda told, head: SignalRefusedEvent(
                **head, account=told.account, signal_id=told.signal_id, reason=told.reason, text=told.text
            ),
        }

    def because(self, desk_order_id: str, reason: str) -> None:
        """Remember why an order closes what it closes."""
        self._remember(self.reasons, desk_order_id, reason)

    @staticmethod
    def _remember(where: OrderedDict[str, str], order_id: str, what: str) -> None:
        where[order_id] = what
        while len(where) > REMEMBERED:
            where.popitem(last=False)

    def event_of(self, item: Item[Any], poss_dup: bool = False) -> BaseEvent | None:
        """Return the event that an item is; None where document 002 has none for it."""
        told = item.message
        head = {
            "event_id": f"{item.stream}:{item.id}",
            "time_ms": item.time_ms,
            "poss_dup": poss_dup,
            "missed": item.missed,
            "stream": item.stream,
            "entry_id": item.id,
            "message": told,
        }
        make = self._of.get(type(told))
        if make is not None:
            return make(told, head)
        if isinstance(told, OrderMessage):
            return OrderUpdateEvent(**head, **_order(told), change=type(told).__name__)
        return None

    def _created(self, told: OrderReceived, head: dict[str, Any]) -> BaseEvent:
        if told.list_id is not None and told.parent_id is None:
            self._remember(self._sides, told.order_id, told.side)
        elif told.list_id is not None and self._sides.get(str(told.parent_id)) != told.side:
            self.because(told.order_id, EXITS.get(told.order_type, "exit"))
        terms = {"order_type": told.order_type, "price": told.price, "strategy": told.strategy}
        return OrderCreatedEvent(**head, **_order(told), **terms)

    def _closed(self, told: PositionClosed, head: dict[str, Any]) -> BaseEvent | None:
        if told.fills == 0:
            return None  # of one that never was
        net = None if told.gross_pnl is None or told.paid_fees is None else told.gross_pnl - told.paid_fees
        return PositionCloseEvent(
            **head,
            account=told.account,
            symbol=told.symbol,
            position_id=told.position_id,
            quantity=0,
            entry_price=told.entry_px,
            exit_price=told.exit_px,
            realized_pnl=told.gross_pnl,
            net_pnl=net,
            reason=self.reasons.get(told.order_id, told.reason),
        )


def _order(told: OrderMessage) -> dict[str, Any]:
    return {
        "account": told.account,
        "symbol": told.symbol,
        "order_id": told.client_order_id,
        "desk_order_id": told.order_id,
        "parent_id": told.parent_id,
        "position_id": told.position_id,
        "side": told.side,
        "quantity": told.quantity,
        "ord_status": told.ord_status,
    }


def _filled(told: OrderFilled, head: dict[str, Any]) -> BaseEvent:
    return OrderFilledEvent(
        **head,
        **_order(told),
        fill_quantity=told.last_qty,
        fill_price=told.last_px,
        fee=told.fee,
        leaves_quantity=told.leaves_qty,
        average_price=told.avg_px,
    )


def _ended(told: OrderCanceled | OrderExpired, head: dict[str, Any]) -> BaseEvent:
    why = (told.reason, told.text) if isinstance(told, OrderCanceled) else ("expired", "its time in force ended")
    return OrderCanceledEvent(**head, **_order(told), reason=why[0], text=why[1], filled_quantity=told.cum_qty)


def _price(told: QuoteUpdated, head: dict[str, Any]) -> BaseEvent | None:
    bid, ask = told.bid_px, told.ask_px
    mid = None if bid is None or ask is None else (bid + ask) / 2
    price = next((each for each in (mid, bid, ask, told.last_px) if each is not None), None)
    if price is None:
        return None  # the market is gone: there is no price to tell
    return PriceEvent(**head, symbol=told.symbol, price=price, bid=bid, ask=ask, last=told.last_px, venue=told.venue)


def _volume(told: Trades, head: dict[str, Any]) -> BaseEvent | None:
    if not told.trades:
        return None
    volume = sum(quantity for _, _, quantity, _ in told.trades)
    return VolumeEvent(**head, symbol=told.symbol, volume=volume, price=told.trades[-1][1], venue=told.venue)


def _prediction(told: PredictionReceived, head: dict[str, Any]) -> BaseEvent:
    said = {name: getattr(told, name) for name in PredictedFields.model_fields if name != "move"}
    return PredictionSignalEvent(**head, account=told.account, symbol=told.symbol, signal=told.move, **said)


def _position(told: PositionChanged | PositionMarked | PositionAdjusted) -> dict[str, Any]:
    return {
        "account": told.account,
        "symbol": told.symbol,
        "position_id": told.position_id,
        "quantity": told.position,
        "entry_price": told.avg_px,
        "realized_pnl": told.realized_pnl,
        "unrealized_pnl": told.unrealized_pnl,
    }


def _changed(told: PositionChanged, head: dict[str, Any]) -> BaseEvent:
    if told.change in ("opened", "flipped"):
        return PositionOpenEvent(**head, **_position(told))
    return PositionUpdateEvent(**head, **_position(told), change=told.change, price=told.last_px)


def _marked(told: PositionMarked, head: dict[str, Any]) -> BaseEvent:
    return PositionUpdateEvent(**head, **_position(told), change="marked", price=told.mark_px)


def _adjusted(told: PositionAdjusted, head: dict[str, Any]) -> BaseEvent:
    change = "split" if told.ratio else "symbol_changed"
    return PositionUpdateEvent(**head, **_position(told), change=change, price=None)
