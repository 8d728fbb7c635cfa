"""The pleasant faces of the book: by name, with callbacks, as the founding documents call them, as arrays."""

import pytest

import fillstream
from fillstream.book import MarketData, Status, TradeReport
from libs.common.frames import OrdType, Reason, Side
from services.matching_engine.book import Level


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
    assert engine.get_market_data_snapshot("MSFT").bids == ()


def test_cancel_by_either_name_and_a_client_id_is_free_again() -> None:
    engine = fillstream.Engine()
    order = engine.submit_order("X", "BUY", 5, 1, "a")
    with pytest.raises(ValueError, match="'a', and a live order has it"):
        engine.submit_order("X", "BUY", 5, 1, "a")
    assert engine.cancel_order(broker_id=order.broker_id).status is Status.CANCELED
    assert engine.cancel_order(engine.submit_order("X", "BUY", 5, 1, "a").client_id).reason is Reason.REQUESTED
    with pytest.raises(KeyError):
        engine.cancel_order("a")
    with pytest.raises(ValueError, match="must be BUY or SELL"):
        engine.submit_order("X", "HOLD", 5, 1, "b")


def test_what_the_engine_refuses_comes_back_with_its_reason() -> None:
    engine = fillstream.Engine(max_orders=1)
    refused = engine.submit_order("X", "BUY", 5, 0, "a")
    assert (refused.status, refused.reason) == (Status.REJECTED, Reason.BAD_QTY)
    assert engine.submit_order("X", "BUY", None, 3, "a").reason is Reason.NO_LIQUIDITY
    waiting = engine.submit_order("X", "SELL", None, 3, "s", ord_type=OrdType.STOP, stop_price=4)
    assert waiting.status is Status.WAITING
    assert engine.submit_order("X", "BUY", 5, 1, "b").reason is Reason.CAPACITY


def test_a_book_of_one_symbol() -> None:
    book = fillstream.OrderBook("ES")
    book.add("BUY", 99, 5, 1)
    book.add("SELL", 102, 5, 2)
    assert (book.spread(), book.bids(), book.asks()) == (3, [Level(99, 5, 1)], [Level(102, 5, 1)])
    assert book.replace_order(1, 102, 5).filled == 5
    assert (book.spread(), book.bids(), book.asks()) == (None, [], [])


def test_an_order_expires_when_its_time_has_come() -> None:
    engine = fillstream.Engine()
    engine.submit_order("X", "BUY", 5, 1, "a", expiry_ms=50)
    engine.set_time(49)
    assert engine.orders() == 1
    engine.set_time(50)
    assert engine.orders() == 0
    assert engine.submit_order("X", "BUY", 5, 1, "a").status is Status.WORKING
