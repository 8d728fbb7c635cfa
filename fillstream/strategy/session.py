"""One run of a strategy: what happens, told to it in order.

Flows in: entries of `events` and `positions`, quotes, trades, bars and the time, by whoever runs it: a backtest, or a
reader of a live desk. Flows out: calls of the strategy, and by its desk what it wants. Never reads or waits itself.

What a strategy does not listen to is only made into values when it asks: orders nobody looks at cost next to nothing.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.journal import EVENTS, OrderFilled, PredictionReceived
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.values.versions import Document
from fillstream.strategy.desk import ENDED, Desk
from fillstream.strategy.market import Bar, BarMaker, Quote, Trade, interval_ms
from fillstream.strategy.strategy import Strategy, hears

_OF_SIGNALS = frozenset(
    {"OrderReceived", "OrderRejected", "SignalRefused", "OrderCancelRejected", "OrderReplaceRejected"}
)
"""Events that say by which signal they came and may be the first of an order."""
_MARKET = ("on_quote", "on_trade", "on_bar", "on_prediction")
_TOLD = frozenset({"PositionChanged", "PositionClosed", "PositionAdjusted", "ExitChanged", "TargetChanged"})


class StrategyFailed(Exception):
    """A strategy's own code raised something: says in which call, and when; the cause is what it raised."""

    def __init__(self, call: str, ms: int, cause: Exception) -> None:
        super().__init__(f"{call} at {ms}: {type(cause).__name__}: {cause}")
        self.call = call
        self.ms = ms


class Session:
    """A strategy and its desk.

    Args:
        strategy: is told what happens.
        desk: that it speaks to.

    Attributes:
        hears_orders, hears_positions: whether it is told of these, besides asking for them.
    """

    def __init__(self, strategy: Strategy, desk: Desk) -> None:
        self.desk = desk
        self._strategy = strategy
        self._hears_market = {name: hears(strategy, name) for name in _MARKET}
        self.hears_orders = hears(strategy, "on_fill", "on_order")
        self.hears_positions = hears(strategy, "on_position")
        every = strategy.bars
        self._bars = (
            BarMaker(interval_ms(every, "bars")) if every is not None and self._hears_market["on_bar"] else None
        )
        self._of_mids = strategy.bars_of == "mid"
        self._own: set[str] = set()

    def _call(self, name: str, *told: Any) -> None:
        try:
            getattr(self._strategy, name)(self.desk, *told)
        except Exception as error:
            raise StrategyFailed(name, self.desk.now_ms, error) from error

    # ------------------------------------------------------------------------------------------- begin and end

    def start(self, ms: int, cause: str = "start") -> None:
        """Tell the strategy that it begins."""
        self.desk.caused_by(cause, ms)
        self._call("on_start")

    def stop(self, ms: int) -> None:
        """Tell the strategy that it ends; nothing is told after that, and what the desk tells is only kept."""
        self.desk.caused_by(f"stop{ms}", ms)
        self._call("on_stop")
        self.desk.say_no_more()
        self._bars = None
        self._hears_market = dict.fromkeys(self._hears_market, False)
        self.hears_orders = self.hears_positions = False

    # ------------------------------------------------------------------------------------------------- markets

    def quote(self, cause: str, ms: int, symbol: str, make: Callable[[], Quote]) -> None:
        """Tell of a quote; it is made only if somebody looks at it."""
        self.desk.quotes[symbol] = make
        if self._bars is not None and self._of_mids:
            quote = make()
            self.desk.quotes[symbol] = quote
            if quote.mid is not None:
                self._bars.add(ms, symbol, quote.mid, Decimal(0))
        if self._hears_market["on_quote"]:
            told = self.desk.quote(symbol)
            assert told is not None, "it was just put there"
            self.desk.caused_by(cause, ms)
            self._call("on_quote", told)

    def trade(self, cause: str, ms: int, symbol: str, make: Callable[[], Trade]) -> None:
        """Tell of a trade on the market; likewise."""
        of_trades = self._bars is not None and not self._of_mids
        if not of_trades and not self._hears_market["on_trade"]:
            return
        trade = make()
        if self._bars is not None and of_trades:
            self._bars.add(ms, symbol, trade.price, trade.quantity)
        if self._hears_market["on_trade"]:
            self.desk.caused_by(cause, ms)
            self._call("on_trade", trade)

    def bar(self, bar: Bar, ms: int) -> None:
        """Tell of a bar of the data's own; of a strategy with bars of another length nothing."""
        if self._bars is None:
            self._tell_bar(bar, ms)

    def _tell_bar(self, bar: Bar, ms: int) -> None:
        if self._hears_market["on_bar"]:
            self.desk.caused_by(f"b{bar.end_ms}-{bar.symbol}", ms)
            self._call("on_bar", bar)

    # ---------------------------------------------------------------------------------------------------- time

    @property
    def due_ms(self) -> int | None:
        """When a timer comes or a bar ends, None for never."""
        due = self.desk.timers[0][0] if self.desk.timers else None
        ends = None if self._bars is None else self._bars.due_ms
        return due if ends is None else ends if due is None else min(due, ends)

    def pass_time(self, ms: int) -> None:
        """Tell of the bars that have ended and the timers that have come by a millisecond, bars first."""
        if self._bars is not None:
            for bar in self._bars.ended(ms):
                self._tell_bar(bar, ms)
        for at, name in self.desk.timers_due(ms):
            self.desk.caused_by(f"t{at}-{zlib.crc32(name.encode()):08x}", ms)
            self._call("on_timer", name)

    # -------------------------------------------------------------------------------------- orders and positions

    def event(self, cause: str, ms: int, event: Document | Message) -> None:
        """Tell of a journal's event, of this version or a model, if it is about the strategy's own orders."""
        document = event.model_dump(mode="json") if isinstance(event, Message) else event
        if document["type"] == "PredictionReceived":
            self._predicted(cause, ms, event, document)
            return
        if not self._take_event(document) or not self.hears_orders:
            return
        model = event if isinstance(event, Message) else EVENTS[document["type"]].model_validate(document)
        self.desk.caused_by(cause, ms)
        call = "on_fill" if isinstance(model, OrderFilled) else "on_order"
        self._call(call, model)

    def _predicted(self, cause: str, ms: int, event: Document | Message, document: Document) -> None:
        if document["account"] != self.desk.account or not self._hears_market["on_prediction"]:
            return
        model: Any = event if isinstance(event, Message) else PredictionReceived.model_validate(event)
        self.desk.caused_by(cause, ms)
        self._call("on_prediction", model)

    def position(self, cause: str, ms: int, event: Document | Message) -> None:
        """Tell of a position's event, likewise, if it is of the strategy's account."""
        document = event.model_dump(mode="json") if isinstance(event, Message) else event
        if not self._take_position(document) or document["type"] not in _TOLD or not self.hears_positions:
            return
        self.desk.caused_by(cause, ms)
        model: Any = event if isinstance(event, Message) else POSITION_MESSAGES[document["type"]].model_validate(event)
        self._call("on_position", model)

    def _take_event(self, document: dict[str, Any]) -> bool:
        """Take over what an event says; return whether it is about an order of the strategy's."""
        desk, order_id = self.desk, document.get("order_id")
        if document["type"] in _OF_SIGNALS and desk.is_own(document.get("signal_id")):
            if order_id is None:
                return True
            self._own.add(order_id)
        elif document.get("strategy") == desk.name and document.get("account") == desk.account and order_id is not None:
            self._own.add(order_id)  # by a target of its own, say
        elif document.get("parent_id") in self._own:
            self._own.add(order_id)  # type: ignore[arg-type]
        elif order_id not in self._own:
            return False
        if "leaves_qty" not in document or document.get("quantity") is None:
            return True
        if document["ord_status"] in ENDED:
            desk.working.pop(order_id, None)  # type: ignore[arg-type]
            return True
        held = desk.working.get(order_id)  # type: ignore[arg-type]
        if held is not None and document.get("client_order_id") is None:
            document = {**held, **{name: value for name, value in document.items() if value is not None}}
        desk.working[order_id] = document  # type: ignore[index]
        return True

    def _take_position(self, document: dict[str, Any]) -> bool:
        """Take over what a position's event says; return whether it is of the strategy's account."""
        if document.get("account") != self.desk.account:
            return False
        if "realized_pnl" in document:
            self.desk.take_position(document)
        return True
