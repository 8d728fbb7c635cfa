"""The classes of an event-driven strategy: an event bus, positions, orders and rules, over a desk's own streams.

Flows in: the public streams, and what a strategy wants. Flows out: signals, as any client's. Never keeps a book of its
own: what is held, and what became of an order, is what the desk has told.

    async with EventBus(consumer="momentum") as event_bus:
        engine = RuleEngine(event_bus)
        engine.register_rule(Rule("entry", "Enter on a strong buy", condition, action))
        await engine.start()
        await event_bus.run()
"""

from __future__ import annotations

from fillstream.trading.actions import (
    Action,
    AdjustPositionAction,
    BracketAction,
    CallAction,
    CancelAction,
    ClosePositionAction,
    CreatePositionAction,
    LogAction,
    OrderAction,
    ScaleInAction,
    SequenceAction,
)
from fillstream.trading.bus import ConsumerTaken, EventBus
from fillstream.trading.conditions import (
    And,
    Condition,
    EventCondition,
    MarketCondition,
    Not,
    Or,
    PositionCondition,
    TimeCondition,
)
from fillstream.trading.context import Context
from fillstream.trading.events import (
    BaseEvent,
    HandlerFailedEvent,
    OrderCanceledEvent,
    OrderCreatedEvent,
    OrderEvent,
    OrderFilledEvent,
    OrderRejectedEvent,
    OrderSubmittedEvent,
    OrderUpdateEvent,
    PositionCloseEvent,
    PositionEvent,
    PositionOpenEvent,
    PositionUpdateEvent,
    PredictionSignalEvent,
    PriceEvent,
    RuleDisabledEvent,
    RuleExecutedEvent,
    SignalRefusedEvent,
    VolumeEvent,
)
from fillstream.trading.groups import GroupType, OrderGroup
from fillstream.trading.manager import OrderManager
from fillstream.trading.order import Order, OrderStatus, OrderType
from fillstream.trading.position import Position, PositionStatus, StockPosition
from fillstream.trading.rules import Rule, RuleEngine, RuleState, Unmatched
from fillstream.trading.tracker import PositionTracker

__all__ = [
    "Action",
    "AdjustPositionAction",
    "And",
    "BaseEvent",
    "BracketAction",
    "CallAction",
    "CancelAction",
    "ClosePositionAction",
    "Condition",
    "ConsumerTaken",
    "Context",
    "CreatePositionAction",
    "EventBus",
    "EventCondition",
    "GroupType",
    "HandlerFailedEvent",
    "LogAction",
    "MarketCondition",
    "Not",
    "Or",
    "Order",
    "OrderAction",
    "OrderCanceledEvent",
    "OrderCreatedEvent",
    "OrderEvent",
    "OrderFilledEvent",
    "OrderGroup",
    "OrderManager",
    "OrderRejectedEvent",
    "OrderStatus",
    "OrderSubmittedEvent",
    "OrderType",
    "OrderUpdateEvent",
    "Position",
    "PositionCloseEvent",
    "PositionCondition",
    "PositionEvent",
    "PositionOpenEvent",
    "PositionStatus",
    "PositionTracker",
    "PositionUpdateEvent",
    "PredictionSignalEvent",
    "PriceEvent",
    "Rule",
    "RuleDisabledEvent",
    "RuleEngine",
    "RuleExecutedEvent",
    "RuleState",
    "ScaleInAction",
    "SequenceAction",
    "SignalRefusedEvent",
    "StockPosition",
    "TimeCondition",
    "Unmatched",
    "VolumeEvent",
]
