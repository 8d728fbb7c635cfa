"""The order book of one symbol: the engine's methods with the symbol said once."""

import copy
import inspect
import pickle
from typing import Any

import pytest

import fillstream
from fillstream import Level, Session, Side, Status


def test_a_book_of_one_symbol() -> None:
    book = fillstream.OrderBook("ES")
    book.add("BUY", 99, 5, 1)
    book.add("SELL", 102, 5, 2)
    assert (book.spread(), book.bids(), book.asks()) == (3, [Level(99, 5, 1)], [Level(102, 5, 1)])
    assert repr(book) == "<fillstream.OrderBook 'ES': bid 5 at 99, ask 5 at 102, 2 live orders>"
    assert book.replace(1, 102, 5).filled == 5
    assert (book.spread(), book.bids(), book.asks()) == (None, [], [])
    assert book.add("BUY", 98, 5, 3, tif="DAY", display=2).status is Status.WORKING
    assert book.cancel(3).status is Status.CANCELED
    assert (book.symbol, book.orders(), book.volume()) == ("ES", 0, 5)


def test_callbacks_and_the_venues_commands() -> None:
    heard: list[Any] = []
    book = fillstream.OrderBook(
        "ES", on_trade_confirmation=heard.append, on_order_update=heard.append, on_market_data_update=heard.append
    )
    book.set_session(Session.AUCTION, 50)
    book.add("BUY", 60, 5, "b")
    book.add("SELL", 40, 5, "s")
    assert book.indicative() == (50, 5) and book.session() is Session.AUCTION
    assert [trade.client_id for trade in book.set_session("CONTINUOUS").trades] == ["b", "s"]
    assert {type(each).__name__ for each in heard} == {"TradeReport", "OrderUpdate", "MarketData"}
    assert {each.symbol for each in heard} == {"ES"}
    book.quote(10, 1, 12, 2)
    assert book.get_market_data_snapshot() == heard[-1]
    assert book.cost("BUY", 9).cost == 24 and book.cumulative(Side.BUY, 0) == 1
    assert book.set_bands(9, 13).done and book.add("BUY", 8, 1, "x").status is Status.REJECTED
    book.clear_bands()
    book.add("BUY", 8, 1, "x", expiry_ms=5)
    assert [each.client_id for each in book.set_time(5).updates] == ["x"]
    book.add("BUY", 8, 1, "x")
    assert [each.client_id for each in book.mass_cancel(side="BUY").updates] == ["x"]


def test_every_method_of_the_engine_has_its_own_here() -> None:
    named_otherwise = {"submit_order": "add", "cancel_order": "cancel", "replace_order": "replace"}
    not_here = {"symbols", "depth", "on_trade_confirmation", "on_order_update", "on_market_data_update"}
    for name, method in inspect.getmembers(fillstream.Engine):
        if name.startswith("_") or name in not_here:
            continue
        mine = inspect.signature(getattr(fillstream.OrderBook, named_otherwise.get(name, name))).parameters
        theirs = dict(inspect.signature(method).parameters)
        theirs.pop("symbol", None)
        if name != "submit_order":
            assert {key: p.default for key, p in mine.items()} == {key: p.default for key, p in theirs.items()}, name


def test_an_unknown_term_and_an_unknown_method_are_refused() -> None:
    book = fillstream.OrderBook("X")
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        book.add("BUY", 1, 1, "z", nonsense=3)  # type: ignore[call-arg]
    assert not hasattr(book, "submit_order") and not hasattr(book, "process")
    for wrong in ("", None, 5):
        with pytest.raises((TypeError, ValueError), match="symbol is "):
            fillstream.OrderBook(wrong)  # type: ignore[arg-type]


def test_a_snapshot_is_of_this_symbol_alone() -> None:
    one, other, stranger = fillstream.OrderBook("A"), fillstream.OrderBook("A"), fillstream.OrderBook("B")
    one.add("BUY", 5, 5, "x")
    other.restore(one.snapshot())
    assert other.find("x").leaves == 5 and other.snapshot() == one.snapshot()
    with pytest.raises(ValueError, match="symbol is 'B', and the snapshot is of 'A'"):
        stranger.restore(one.snapshot())
    with pytest.raises(ValueError, match="no snapshot"):
        stranger.restore(b"junk")
    stranger.restore(fillstream.OrderBook("C").snapshot())
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            attempt(one)
