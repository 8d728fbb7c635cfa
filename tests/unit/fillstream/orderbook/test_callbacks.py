"""Callbacks: who hears of what, in which order, and what becomes of one that raises or gives commands."""

from typing import Any

import pytest

import fillstream
from fillstream import Level, MarketData, OrderResult, OrderUpdate, Reason, ReportType, Side, Status, TradeReport


class Ears:
    """An engine, and all that it tells, in one list."""

    def __init__(self, max_orders: int = 100) -> None:
        self.heard: list[Any] = []
        self.engine = fillstream.Engine(
            max_orders,
            on_trade_confirmation=self.heard.append,
            on_order_update=self.heard.append,
            on_market_data_update=self.heard.append,
        )

    def words(self) -> list[tuple[Any, ...]]:
        """What was heard since the last time: trades, updates and market data, in few words."""
        told: list[tuple[Any, ...]] = []
        for each in self.heard:
            if isinstance(each, TradeReport):
                told.append((each.client_id, each.qty, each.leaves))
            elif isinstance(each, OrderUpdate):
                told.append((each.client_id, each.exec_type.name))
            else:
                told.append((each.symbol, len(each.bids), len(each.asks)))
        self.heard.clear()
        return told


def test_a_trade_is_confirmed_to_both_sides_and_the_market_is_told() -> None:
    trades: list[TradeReport] = []
    market: list[MarketData] = []
    engine = fillstream.Engine(on_trade_confirmation=trades.append, on_market_data_update=market.append)
    first = engine.submit_order("AAPL", "BUY", 100, 10, "mine")
    taker = engine.submit_order("AAPL", Side.SELL, 99, 4, "yours")
    assert (first.status, taker.status, taker.filled, taker.leaves) == (Status.WORKING, Status.FILLED, 4, 0)
    assert [(t.client_id, t.price, t.qty, t.leaves, t.maker) for t in trades] == [
        ("mine", 100, 4, 6, True),
        ("yours", 100, 4, 0, False),
    ]
    assert market[-1] == MarketData("AAPL", (Level(100, 6, 1),), (), 100, 4, 4)
    assert engine.get_market_data_snapshot("AAPL") == market[-1]


def test_every_change_of_an_order_is_told_in_order() -> None:
    ears = Ears()
    ears.engine.submit_order("X", "SELL", 100, 2, "s")
    ears.engine.submit_order("X", "BUY", None, 3, "stop", stop_price=100)
    ears.engine.submit_order("X", "BUY", 90, 3, "due", expiry_ms=5)
    ears.engine.replace_order("due", 91)
    assert ears.words() == [
        *(("s", "ACCEPTED"), ("X", 0, 1)),
        *(("stop", "ACCEPTED"), ("X", 0, 1)),
        *(("due", "ACCEPTED"), ("X", 1, 1), ("due", "REPLACED"), ("X", 1, 1)),
    ]
    ears.engine.submit_order("X", "BUY", 100, 1, "t")
    assert ears.words() == [
        *(("t", "ACCEPTED"), ("s", 1, 1), ("t", 1, 0), ("stop", "TRIGGERED")),
        *(("s", 1, 0), ("stop", 1, 2), ("stop", "CANCELED"), ("X", 1, 0)),
    ]
    ears.engine.set_time(5)
    assert ears.words() == [("due", "EXPIRED"), ("X", 0, 0)]
    assert ears.engine.orders() == 0


def test_every_symbol_that_a_command_changed_is_told() -> None:
    ears = Ears()
    for symbol in ("A", "B", "C"):
        ears.engine.submit_order(symbol, "BUY", 1, 1, symbol, expiry_ms=9 if symbol == "B" else None)
    ears.words()
    ears.engine.set_time(10)
    assert ears.words() == [("B", "EXPIRED"), ("B", 0, 0)]
    ears.engine.mass_cancel()
    assert ears.words() == [("A", "CANCELED"), ("C", "CANCELED"), ("A", 0, 0), ("C", 0, 0)]
    ears.engine.quote("Q", 1, 1, 2, 2)
    ears.engine.print_trade("P", "BUY", 1, 1)
    ears.engine.set_session("S", "HALTED")
    assert ears.words() == [("Q", 1, 1), ("P", 0, 0), ("S", 0, 0)]


def test_what_was_refused_is_told_to_nobody() -> None:
    ears = Ears(max_orders=1)
    ears.engine.submit_order("A", "BUY", 1, 1, "a")
    ears.words()
    assert ears.engine.submit_order("A", "BUY", 1, 1, "b").reason is Reason.CAPACITY
    assert ears.engine.mass_cancel(7).done
    assert ears.words() == []


def test_a_callback_that_raises_keeps_nobody_else_from_hearing() -> None:
    heard: list[str] = []

    def angry(trade: TradeReport) -> None:
        heard.append(str(trade.client_id))
        raise RuntimeError(f"no {trade.client_id}")

    def market(_: MarketData) -> None:
        heard.append("market")
        raise ZeroDivisionError

    engine = fillstream.Engine(on_trade_confirmation=angry)
    engine.submit_order("J", "SELL", 10, 5, "m1")
    engine.submit_order("J", "SELL", 10, 5, "m2")
    engine.on_market_data_update = market
    with pytest.raises(RuntimeError, match="no m1") as raised:
        engine.submit_order("J", "BUY", 10, 12, "t")
    assert heard == ["m1", "t", "m2", "t", "market"]
    notes = raised.value.__notes__
    assert [note for note in notes if "no m2" in note] and [note for note in notes if "ZeroDivisionError" in note]
    assert "The command has been executed; its result is OrderResult(client_id='t'" in notes[-1]
    assert (engine.orders(), engine.find("t").leaves) == (1, 2)
    engine.on_trade_confirmation = engine.on_market_data_update = None
    assert engine.submit_order("J", "SELL", 10, 2, "m1").status is Status.FILLED
    engine.validate()


def test_what_a_callback_orders_is_told_behind_what_it_hears() -> None:
    log: list[object] = []
    inner: list[OrderResult] = []

    def on_trade(trade: TradeReport) -> None:
        log.append((trade.client_id, trade.match_id, trade.leaves))
        if trade.client_id == "m1":
            inner.append(engine.submit_order("J", "SELL", 9, 1, "hedge"))
            log.append("m1 heard")

    engine = fillstream.Engine(
        on_trade_confirmation=on_trade, on_market_data_update=lambda market: log.append(market.volume)
    )
    engine.submit_order("J", "SELL", 10, 5, "m1")
    engine.submit_order("J", "SELL", 10, 5, "m2")
    log.clear()
    outer = engine.submit_order("J", "BUY", 10, 12, "t")
    assert (outer.status, outer.filled, outer.leaves) == (Status.WORKING, 10, 2)
    assert inner[0].status is Status.FILLED
    assert log == [
        *(("m1", 1, 0), "m1 heard", ("t", 1, 7), ("m2", 2, 0), ("t", 2, 2), 10),
        *(("t", 3, 1), ("hedge", 3, 0), 11),
    ]
    assert engine.find("t").leaves == 1


def test_a_callback_may_cancel_the_order_it_hears_of() -> None:
    canceled: list[OrderResult] = []

    def on_trade(trade: TradeReport) -> None:
        if trade.client_id == "t":
            canceled.append(engine.cancel_order("t"))

    engine = fillstream.Engine(on_trade_confirmation=on_trade)
    engine.submit_order("J", "SELL", 10, 5, "m1")
    assert engine.submit_order("J", "BUY", 10, 12, "t").leaves == 7
    assert [result.status for result in canceled] == [Status.CANCELED]
    assert engine.orders() == 0


def test_ctrl_c_in_a_callback_goes_through_and_the_rest_is_told_next_time() -> None:
    heard: list[object] = []

    def on_update(update: OrderUpdate) -> None:
        heard.append(update.client_id)
        if update.client_id == "a":
            raise KeyboardInterrupt

    engine = fillstream.Engine(on_order_update=on_update, on_market_data_update=lambda market: heard.append("market"))
    with pytest.raises(KeyboardInterrupt):
        engine.submit_order("J", "SELL", 10, 5, "a")
    assert heard == ["a"]
    engine.submit_order("J", "SELL", 10, 5, "b")
    assert heard == ["a", "market", "b", "market"]


def test_self_trade_prevention_is_told() -> None:
    ears = Ears()
    ears.engine.submit_order("X", "SELL", 10, 5, "s")
    ears.words()
    result = ears.engine.submit_order("X", "BUY", 10, 3, "b", stp="decrement")
    assert (result.status, result.reason) == (Status.CANCELED, Reason.SELF_TRADE)
    told = {(each.client_id, each.exec_type, each.leaves) for each in ears.heard if isinstance(each, OrderUpdate)}
    assert told == {("b", ReportType.ACCEPTED, 3), ("b", ReportType.CANCELED, 0), ("s", ReportType.REDUCED, 2)}
