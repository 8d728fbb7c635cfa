"""The pleasant faces of the book: by name, with callbacks, as the founding documents call them, as arrays."""

import pytest

import fillstream
from fillstream.book import MarketData, Status, TradeReport
from libs.common import frames
from libs.common.frames import OrdType, Reason, Side
from services.matching_engine.book import Engine, Level


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


def test_plain_calls_are_answered_in_full_whatever_the_buffer() -> None:
    engine = Engine(output_reports=3)
    for order_id in range(1, 6):
        assert engine.submit(order_id, 1, 0, Side.SELL, 100, 1) == 1
    count = engine.submit(9, 2, 0, Side.BUY, 100, 5)
    assert len(engine.answers(count)) == (1 + 2 * 5) * 64
    assert engine.cancel(1, 1) == 1


def test_arrays_are_frames() -> None:
    pytest.importorskip("numpy", reason="numpy is the optional extra `research`")
    from fillstream import research

    commands = research.commands(3)
    commands["order_id"], commands["price"], commands["qty"] = [1, 2, 3], 100, 5
    commands["account"], commands["type"], commands["ord_type"], commands["tif"] = 1, 1, 2, 1
    commands["side"] = [1, 1, 2]
    reports = research.process(Engine(), commands)
    assert reports["type"].tolist() == [1, 1, 1, 3, 3]
    assert reports["match_id"].tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="1-dimensional of commands"):
        research.process(Engine(), reports)


@pytest.mark.parametrize("records", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reports_written_into_the_callers_memory_are_those_of_process(
    records: int, kind: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    sells = b"".join(
        frames.new_order(i, 1, 0, 0, side=Side.SELL, ord_type=OrdType.LIMIT, tif=1, price=100, qty=1, expiry_ms=7 + i)
        for i in range(1, 6)
    )
    buy = frames.new_order(9, 2, 0, 0, side=Side.BUY, ord_type=OrdType.LIMIT, tif=1, price=100, qty=3)
    one, other, out = Engine(), Engine(), bytearray(records * 64)
    for frame, now_ms in ((sells, 5), (buy, 8), (b"", 20)):
        answers, rest = b"", kind(frame)
        while True:
            begun, written = other.process_into(rest, now_ms, out)
            answers += out[: written * 64]
            if written < records:
                break
            rest = rest[begun * 64 :]
        assert answers == one.process(kind(frame), now_ms)
    assert other.snapshot() == one.snapshot()
    with pytest.raises(ValueError, match="out holds 0 records"):
        other.process_into(b"", 20, bytearray())
    with pytest.raises(ValueError, match="now_ms is -1"):
        other.process_into(b"", -1, out)


def test_arrays_of_many_fills_are_answered_in_full() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is the optional extra `research`")
    from fillstream import research

    commands = research.commands(501)
    commands["order_id"], commands["price"], commands["qty"] = numpy.arange(1, 502), 100, 1
    commands["account"], commands["type"], commands["ord_type"], commands["tif"] = 1, 1, 2, 1
    commands["side"] = Side.SELL
    engine = Engine()
    assert len(research.process(engine, commands[:500])) == 500
    commands["side"], commands["qty"] = Side.BUY, 500
    before = engine.snapshot()
    for out in (None, numpy.empty(7, research.report_dtype()), numpy.empty(2000, research.report_dtype())):
        engine.restore(before)
        reports = research.process(engine, commands[500:], out=out)
        assert reports["type"].tolist() == [1] + [3] * 1000
        assert reports["leaves"][-2:].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"out is 1-dimensional .* must be 1-dimensional of reports"):
        research.process(engine, commands, out=commands)


def test_an_order_expires_when_its_time_has_come() -> None:
    engine = fillstream.Engine()
    engine.submit_order("X", "BUY", 5, 1, "a", expiry_ms=50)
    engine.set_time(49)
    assert engine.orders() == 1
    engine.set_time(50)
    assert engine.orders() == 0
    assert engine.submit_order("X", "BUY", 5, 1, "a").status is Status.WORKING
