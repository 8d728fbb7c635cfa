"""FlowManager's own names: its position manager, its order book and its event log, over a desk in process or live.

book = OrderBookEngine()
book.quote("AAPL", "99.99", "100.01", 1000)
manager = PositionManager(book)
manager.set_target("AAPL", 80)
book.pass_time(4000)
print(manager.log_position())   # {"AAPL": {"Target": 80, "Position": 80, "Total Traded": 80}}
"""

from __future__ import annotations

from fillstream.flow.event_log import EventLogError, LogPosition, Target, Wait, read_events
from fillstream.flow.live import LiveOrderBook
from fillstream.flow.order_book import OrderBookEngine
from fillstream.flow.position_manager import PositionManager
from fillstream.flow.replay import Replayed, replay
from fillstream.flow.terms import Listener, Snapshot, TradeReport

__all__ = [
    "EventLogError",
    "Listener",
    "LiveOrderBook",
    "LogPosition",
    "OrderBookEngine",
    "PositionManager",
    "Replayed",
    "Snapshot",
    "Target",
    "TradeReport",
    "Wait",
    "read_events",
    "replay",
]
