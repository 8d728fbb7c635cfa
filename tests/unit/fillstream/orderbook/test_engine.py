"""The order books of people: by symbol's name, with results, and what the venue itself does."""

import copy
import pickle
import random
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import fillstream
from fillstream import (
    CommandResult,
    Indicative,
    Level,
    MarketData,
    OrderFlag,
    OrdType,
    Reason,
    ReportType,
    Session,
    Side,
    Status,
    Walk,
)


@pytest.fixture
def engine() -> fillstream.Engine:
    """Ten lots of "s" for sale at 100 and five of "b" wanted at 98, of X."""
    engine = fillstream.Engine()
    engine.submit_order("X", "SELL", 100, 10, "s")
    engine.submit_order("X", "BUY", 98, 5, "b")
    return engine


def test_cancel_by_either_name_and_a_client_id_is_free_again(engine: fillstream.Engine) -> None:
    with pytest.raises(ValueError, match="client_id is 's', and a live order has it; it must be new"):
        engine.submit_order("X", "BUY", 5, 1, "s")
    broker_id = engine.submit_order("X", "BUY", 5, 1, "a").broker_id
    assert engine.cancel_order(broker_id=broker_id).status is Status.CANCELED
    assert engine.cancel_order(engine.submit_order("X", "BUY", 5, 1, "a").client_id).reason is Reason.REQUESTED
    with pytest.raises(KeyError, match="client_id is 'a', and no live order has it"):
        engine.cancel_order("a")
    with pytest.raises(KeyError, match="broker_id is 77, and no live order has it"):
        engine.cancel_order(broker_id=77)
    with pytest.raises(ValueError, match="client_id is None, broker_id is None: give one of them"):
        engine.cancel_order()
    with pytest.raises(ValueError, match="client_id is 's', broker_id is 2: give one of them"):
        engine.cancel_order("s", broker_id=2)
    assert engine.orders() == 2


def test_a_client_id_is_a_text_or_an_int(engine: fillstream.Engine) -> None:
    engine.submit_order("X", "BUY", 1, 1, 1)
    for wrong in (True, 1.0, None, b"s", [], float("nan")):
        with pytest.raises(TypeError, match=r"client_id is .*, and must be a str or an int"):
            engine.submit_order("X", "BUY", 1, 1, wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"client_id is 1\.0"):
        engine.cancel_order(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="client_id is '', and must not be empty"):
        engine.submit_order("X", "BUY", 1, 1, "")
    assert engine.cancel_order(1).status is Status.CANCELED


@pytest.mark.parametrize("longest", [2**128 - 1, 1 - 2**128, "x" * 1000])
def test_a_client_id_is_no_longer_than_a_snapshot_can_hold(engine: fillstream.Engine, longest: str | int) -> None:
    longer = longest + "x" if isinstance(longest, str) else longest * 10**4400
    text = isinstance(longest, str)
    limit = "1001 characters, and may have 1000" if text else r"between -2\^128 \+ 1 and 2\^128 - 1"
    with pytest.raises(ValueError, match=f"client_id .*{limit}"):
        engine.submit_order("X", "BUY", 1, 1, longer)
    with pytest.raises(KeyError, match=r"client_id is .*, and no live order has it"):
        engine.cancel_order(longer)
    engine.submit_order("X", "BUY", 1, 1, longest)
    other = fillstream.Engine()
    other.restore(engine.snapshot())
    assert other.find(longest).leaves == 1


def test_a_plain_order_fares_alike_however_it_is_said() -> None:
    """What is said plainly, and heard by nobody, goes a shorter way."""
    short, long = fillstream.Engine(40), fillstream.Engine(40, on_order_update=lambda update: None)
    dice = random.Random(7)
    for step in range(3_000):
        side, price, qty, name = dice.choice(["BUY", "SELL"]), dice.randrange(95, 106), dice.randrange(1, 9), f"{step}"
        symbol = dice.choice("XYZ")
        if step % 50 == 49:
            session = dice.choice(["AUCTION", "CONTINUOUS", "HALTED", "CONTINUOUS"])
            assert short.set_session(symbol, session) == long.set_session(symbol, session)
            bands = dice.choice([(90, 110), (98, 102)])
            assert short.set_bands(symbol, *bands) == long.set_bands(symbol, *bands)
            short.set_time(step)
            long.set_time(step)
        if step % 3:
            one = short.submit_order(symbol, side, price, qty, name)
            assert one == long.submit_order(symbol, Side[side], price, qty, name, ord_type="LIMIT", tif="gtc")
        else:
            open_ones = sorted(order.client_id for each in "XYZ" for order in short.queue(each, side, 40))
            if open_ones:
                which = dice.choice(open_ones)
                assert short.cancel_order(which) == long.cancel_order(which)
        assert short.snapshot() == long.snapshot()
    short.validate()
    assert short.volume("X") > 0 and {*map(short.session, "XYZ")} != {Session.HALTED}


def test_what_the_book_forbids_comes_back_with_its_reason() -> None:
    engine = fillstream.Engine(max_orders=1)
    assert engine.submit_order("X", "BUY", None, 3, "a").reason is Reason.NO_LIQUIDITY
    assert engine.submit_order("X", "SELL", None, 3, "s", stop_price=4).status is Status.WAITING
    refused = engine.submit_order("X", "BUY", 5, 1, "b")
    assert refused == ("b", 3, Status.REJECTED, 0, 0, Reason.CAPACITY, ())
    engine.set_time(50)
    late = engine.submit_order("X", "BUY", 5, 1, "b", expiry_ms=50)
    assert (late.status, late.reason) == (Status.REJECTED, Reason.EXPIRED)
    engine.validate()


def test_a_result_is_of_the_commands_own_order(engine: fillstream.Engine) -> None:
    taker = engine.submit_order("X", "BUY", 100, 12, "t")
    assert (taker.status, taker.filled, taker.leaves) == (Status.WORKING, 10, 2)
    assert [(trade.client_id, trade.maker, trade.qty) for trade in taker.trades] == [("t", False, 10)]
    assert engine.cancel_order("t")[2:] == (Status.CANCELED, 0, 0, Reason.REQUESTED, ())


def test_replace_changes_what_is_given_and_nothing_else(engine: fillstream.Engine) -> None:
    engine.submit_order("X", "BUY", 100, 4, "t")
    assert engine.replace_order("s", qty=7).leaves == 3
    assert engine.replace_order("s", qty=7, open_qty=True).leaves == 7
    assert engine.replace_order("s", 101).leaves == 7
    assert (engine.find("s").price, engine.find("s").filled) == (101, 4)
    assert engine.replace_order("s", 98, 6).filled == 2
    assert engine.submit_order("X", "SELL", None, 3, "k").status is Status.FILLED
    broker_id = engine.submit_order("X", "SELL", 0, 1, "zero").broker_id
    assert engine.replace_order(broker_id=broker_id, price=-5).status is Status.WORKING
    assert engine.find("zero").price == -5
    below = engine.replace_order("zero", qty=1, price=-5)
    assert below.leaves == 1
    with pytest.raises(ValueError, match="price, qty and stop_price are None"):
        engine.replace_order("zero")
    with pytest.raises(KeyError, match="no live order has it"):
        engine.replace_order("t", 1, 1)
    engine.validate()


def test_a_total_below_what_is_filled_cancels(engine: fillstream.Engine) -> None:
    engine.submit_order("X", "BUY", 100, 4, "t")
    result = engine.replace_order("s", 100, 4)
    assert (result.status, result.reason) == (Status.CANCELED, Reason.REPLACED_BELOW_FILLED)


def test_a_refused_replacement_leaves_the_order_and_says_what_is_open(engine: fillstream.Engine) -> None:
    engine.set_bands("X", 90, 110)
    refused = engine.replace_order("b", 120, 5)
    assert (refused.status, refused.reason, refused.leaves) == (Status.REJECTED, Reason.OUTSIDE_BANDS, 5)
    assert engine.find("b").price == 98
    engine.clear_bands("X")
    assert engine.replace_order("b", 97).status is Status.WORKING


def test_a_new_stop_price_is_for_who_waits_for_one(engine: fillstream.Engine) -> None:
    engine.submit_order("X", "BUY", None, 5, "stop", stop_price=105)
    engine.submit_order("X", "SELL", 1, 5, "limited", stop_price=2)
    engine.submit_order("X", "SELL", None, 5, "trail", offset=3)
    assert engine.replace_order("stop", stop_price=-7).status is Status.WAITING
    assert engine.find("stop").stop_price == -7
    assert engine.replace_order("limited", 0, 6, stop_price=0).leaves == 6
    assert (engine.find("limited").price, engine.find("limited").stop_price) == (0, 0)
    for name, field in (("stop", "price"), ("trail", "price"), ("trail", "stop_price"), ("s", "stop_price")):
        with pytest.raises(ValueError, match=f"^{field} is 9, and order '{name}' of type .* takes none"):
            engine.replace_order(name, **{field: 9})  # type: ignore[arg-type]
    assert engine.find("trail")[5:9] == (OrdType.TRAILING_STOP, None, None, 3)


def test_mass_cancel_of_an_account_a_symbol_and_a_side(engine: fillstream.Engine) -> None:
    engine.submit_order("Y", "BUY", 98, 5, "y", account=2)
    engine.submit_order("X", "SELL", None, 5, "w", stop_price=3, account=2)
    assert engine.mass_cancel(symbol="Z") == CommandResult(Reason.NONE, (), ())
    assert [each.client_id for each in engine.mass_cancel(2, "X").updates] == ["w"]
    assert [each.client_id for each in engine.mass_cancel(side="sell").updates] == ["s"]
    gone = engine.mass_cancel()
    assert {(each.client_id, each.status, each.reason) for each in gone.updates} == {
        ("b", Status.CANCELED, Reason.MASS_CANCEL),
        ("y", Status.CANCELED, Reason.MASS_CANCEL),
    }
    assert gone.done and engine.orders() == 0
    assert engine.submit_order("X", "BUY", 1, 1, "b").status is Status.WORKING


def test_a_quote_is_the_houses_and_trades_with_clients(engine: fillstream.Engine) -> None:
    quoted = engine.quote("X", 99, 5, 101, 5)
    assert quoted == CommandResult(Reason.NONE, (), ())
    assert engine.best("X") == (Level(99, 5, 1), Level(100, 10, 1))
    hit = engine.quote("X", 100, 3)
    assert [(trade.client_id, trade.qty, trade.leaves, trade.maker) for trade in hit.trades] == [("s", 3, 7, True)]
    assert engine.submit_order("X", "BUY", None, 1, "m").trades[0].price == 100
    engine.quote("X", ask=99, ask_qty=2)
    house = engine.queue("X", "SELL")[0]
    assert (house.house, house.client_id, house.price, house.leaves) == (True, None, 99, 2)
    engine.quote("X")
    assert [order.client_id for order in engine.queue("X", Side.SELL)] == ["s"]
    for wrong, sentence in (
        ((None, 1, 5, 1), "bid is None, and bid_qty 1: a side has both"),
        ((5, 0, 6, 1), "bid_qty is 0, and must be between 1 and"),
        ((5, 1, 2**62, 1), "ask is 4611686018427387904, and must be between"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            engine.quote("X", *wrong)
    assert engine.quote("X", 99, 3, 99, 4) == CommandResult(Reason.NONE, (), ()), "locked: it stands on both sides"
    assert engine.best("X") == (Level(99, 3, 1), Level(99, 4, 1))
    assert engine.submit_order("X", "SELL", None, 1, "hit").trades[0].price == 99
    assert engine.submit_order("X", "BUY", None, 1, "lift").trades[0].price == 99
    assert engine.quote("X", 99, 3, 98, 4) == CommandResult(Reason.CROSSED, (), ())
    assert [level and level.price for level in engine.best("X")] == [98, 100], "what the market has left trades no more"
    engine.set_session("X", "HALTED")
    assert engine.quote("X", 5, 1) == CommandResult(Reason.SESSION, (), ())


def test_a_print_fills_clients_and_frees_their_names(engine: fillstream.Engine) -> None:
    printed = engine.print_trade("X", "BUY", 100, 25)
    assert [(trade.client_id, trade.qty, trade.leaves) for trade in printed.trades] == [("s", 10, 0)]
    assert (engine.volume("X"), engine.orders()) == (25, 1)
    assert engine.submit_order("X", "SELL", 100, 1, "s").status is Status.WORKING


def test_an_auction_uncrosses_at_its_reference() -> None:
    engine = fillstream.Engine()
    assert engine.set_session("X", Session.AUCTION, 107).done
    with pytest.raises(ValueError, match="reference is 0, and the session HALTED takes none"):
        engine.set_session("X", "HALTED", 0)
    assert engine.set_session("X", "HALTED").done and engine.set_session("X", Session.AUCTION, 107).done
    assert engine.session("X") is Session.AUCTION
    engine.submit_order("X", "BUY", 110, 5, "b")
    engine.submit_order("X", "SELL", 100, 3, "s")
    engine.submit_order("X", "SELL", 104, 2, "s2")
    assert engine.indicative("X") == Indicative(107, 5)
    assert engine.print_trade("X", "BUY", 5, 5).reason is Reason.SESSION
    crossed = engine.set_session("X", "continuous")
    assert {trade.price for trade in crossed.trades} == {107}
    assert [(trade.client_id, trade.leaves) for trade in crossed.trades] == [("b", 2), ("s", 0), ("b", 0), ("s2", 0)]
    assert (engine.orders(), engine.indicative("X"), engine.session("X")) == (0, None, Session.CONTINUOUS)


def test_time_lets_orders_expire_and_never_goes_back(engine: fillstream.Engine) -> None:
    engine.submit_order("X", "BUY", 97, 1, "gtd", tif="GTD", expiry_ms=50)
    engine.submit_order("X", "BUY", 96, 1, "day", tif=fillstream.Tif.DAY)
    assert engine.set_time(49) == CommandResult(Reason.NONE, (), ())
    (gone,) = engine.set_time(50).updates
    assert (gone.client_id, gone.exec_type, gone.status) == ("gtd", ReportType.EXPIRED, Status.EXPIRED)
    assert engine.set_time(10).done
    assert engine.submit_order("X", "BUY", 96, 1, "gtd", expiry_ms=20).reason is Reason.EXPIRED
    assert engine.set_time(2**64 - 1).done
    assert engine.find("day").expiry_ms is None
    for wrong in (-5, 2**64, 1.5, "x", None):
        with pytest.raises((TypeError, ValueError), match="now_ms is "):
            engine.set_time(wrong)  # type: ignore[arg-type]
    assert engine.submit_order("X", "BUY", 96, 1, "next").status is Status.WORKING


def test_questions_are_asked_by_name(engine: fillstream.Engine) -> None:
    engine.submit_order("X", "SELL", 102, 4, "far", display=2)
    engine.submit_order("X", "BUY", None, 4, "m")
    assert engine.get_market_data_snapshot("X") == MarketData(
        "X", (Level(98, 5, 1),), (Level(100, 6, 1), Level(102, 2, 1)), 100, 4, 4
    )
    assert engine.depth("X", "SELL", 1) == [Level(100, 6, 1)]
    last = engine.last("X")
    assert last is not None and (last.price, last.qty, last.volume, last.trades) == (100, 4, 4, 1)
    assert (engine.volume("X"), engine.vwap("X")) == (4, Fraction(100))
    assert engine.cost("X", Side.BUY, 8) == Walk(8, 102, 6 * 100 + 2 * 102)
    assert engine.cumulative("X", "SELL", 102) == 8
    assert [(order.client_id, order.shown, order.leaves) for order in engine.queue("X", "SELL")] == [
        ("s", 6, 6),
        ("far", 2, 4),
    ]
    assert engine.find("far").flags == OrderFlag.ICEBERG
    assert engine.find(broker_id=1).client_id == "s"
    assert engine.symbols() == ("X",)


def test_a_symbol_never_seen_has_an_empty_book() -> None:
    engine = fillstream.Engine()
    assert engine.get_market_data_snapshot("Q") == MarketData("Q", (), (), None, None, 0)
    assert (engine.best("Q"), engine.depth("Q", "BUY"), engine.queue("Q", "BUY")) == ((None, None), [], [])
    assert (engine.last("Q"), engine.volume("Q"), engine.vwap("Q")) == (None, 0, None)
    assert (engine.cost("Q", "BUY", 1), engine.cumulative("Q", "BUY", 1)) == (Walk(0, 0, 0), 0)
    assert (engine.session("Q"), engine.indicative("Q"), engine.symbols()) == (Session.CONTINUOUS, None, ())


Call = Callable[[fillstream.Engine, Any], object]
WRONG: dict[str, tuple[Call, tuple[Any, ...]]] = {
    "symbol": (lambda engine, value: engine.best(value), (None, 5, "", b"X")),
    "side": (lambda engine, value: engine.depth("X", value), (1, "B", None)),
    "levels": (lambda engine, value: engine.depth("X", "BUY", value), (-1, 1.5, 2**40)),
    "orders": (lambda engine, value: engine.queue("X", "BUY", value), (-1, "1")),
    "qty": (lambda engine, value: engine.cost("X", "BUY", value), (-1, 0, 1.5, None)),
    "price": (lambda engine, value: engine.cumulative("X", "BUY", value), (2**62, None, 1.0)),
    "broker_id": (lambda engine, value: engine.find(broker_id=value), (-1, "x", 2**64)),
    "session": (lambda engine, value: engine.set_session("X", value), (1, "open", None)),
    "reference": (lambda engine, value: engine.set_session("X", "AUCTION", value), (1.5, 2**63)),
    "low": (lambda engine, value: engine.set_bands("X", value, 9), (None, 2**63, 10)),
    "high": (lambda engine, value: engine.set_bands("X", 1, value), (None, 2**63)),
    "max_orders": (lambda _, value: fillstream.Engine(value), (0, -1, 2**31, None, "x", True)),
    "depth": (lambda _, value: fillstream.Engine(depth=value), (0, -1, 2**40, None, 1.5)),
    "account": (lambda engine, value: engine.mass_cancel(value), (0, -1, 2**32, "x")),
    "on_trade_confirmation": (lambda engine, value: setattr(engine, "on_trade_confirmation", value), (5, "f")),
    "on_order_update": (lambda _, value: fillstream.Engine(on_order_update=value), (5, "f")),
    "on_market_data_update": (lambda _, value: fillstream.Engine(on_market_data_update=value), (5, "f")),
}


@pytest.mark.parametrize("field", WRONG)
def test_what_is_wrong_is_named_and_changes_nothing(engine: fillstream.Engine, field: str) -> None:
    call, values = WRONG[field]
    before = engine.snapshot()
    for value in values:
        with pytest.raises((TypeError, ValueError), match=f"^{field} is .*, and must "):
            call(engine, value)
    assert engine.snapshot() == before


def test_what_is_refused_takes_no_symbols_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillstream.orderbook.registry.MAX_SYMBOL", 1)
    engine = fillstream.Engine(max_orders=1)
    engine.submit_order("A", "BUY", 1, 1, "x")
    for n in range(5):
        assert engine.submit_order(f"S{n}", "BUY", 1, 1, "y").reason is Reason.CAPACITY
        with pytest.raises(TypeError):
            engine.submit_order(f"S{n}", "BUY", 1.5, 1, "y")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="bid is"):
            engine.quote(f"S{n}", None, 1, 1, 1)
    assert engine.cancel_order("x").status is Status.CANCELED
    assert engine.submit_order("REAL", "BUY", 1, 1, "y").status is Status.WORKING
    assert engine.symbols() == ("A", "REAL")
    with pytest.raises(ValueError, match="symbol is 'C', and an engine holds 2 symbols at most"):
        engine.submit_order("C", "BUY", 1, 1, "z")
    engine.validate()


def test_threads_may_share_an_engine() -> None:
    told: list[int] = []
    engine = fillstream.Engine(on_trade_confirmation=lambda trade: told.append(trade.match_id))
    errors: list[BaseException] = []
    interval = sys.getswitchinterval()

    def work(side: str) -> None:
        try:
            for n in range(3000):
                engine.submit_order("J", side, 100 + n % 5, 1, f"{side}{n}")
                engine.get_market_data_snapshot("J")
                if n % 3 == 0:
                    engine.mass_cancel(side=side)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(side,)) for side in ("BUY", "SELL")]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not errors
    engine.validate()
    assert told == sorted(told)


def test_it_says_what_it_is_and_is_not_copied(engine: fillstream.Engine) -> None:
    assert repr(engine) == "<fillstream.Engine: 2 live orders of at most 1048576, 1 symbols>"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"cannot be copied or pickled: snapshot\(\)"):
            attempt(engine)


def test_everything_public_says_what_it_does() -> None:
    for kind in (fillstream.Engine, fillstream.OrderBook, fillstream.OrderManagement):
        public = [name for name in dir(kind) if not name.startswith("_")]
        assert public and not [name for name in public if not getattr(kind, name).__doc__]
