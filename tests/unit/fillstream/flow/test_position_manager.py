"""FlowManager's position manager over a whole desk in process: its names, and what they do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import pytest

from fillstream.flow import OrderBookEngine, PositionManager, Snapshot, TradeReport
from tests.support.backtests import settings_with


class Heard(PositionManager):
    """Keeps what it is told."""

    def __init__(self, order_book: OrderBookEngine) -> None:
        self.trades: list[TradeReport] = []
        self.markets: list[Snapshot] = []
        super().__init__(order_book)

    def OnTradeConfirmation(self, report: TradeReport) -> None:
        super().OnTradeConfirmation(report)
        self.trades.append(report)

    def OnMarketDataUpdate(self, snapshot: Snapshot) -> None:
        self.markets.append(snapshot)

    def told(self) -> list[tuple[str, str, int, str]]:
        return [(each.client_id, each.side, int(each.qty), each.status) for each in self.trades]


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """A market of AAPL at 99.99 and 100.01, 1000 a side, on a desk without slippage; orders take 100 ms."""
    book = OrderBookEngine(settings_with(monkeypatch, simulation__slippage="0"))
    found = Heard(book)
    book.quote("AAPL", "99.99", "100.01", 1000)
    yield found


def test_a_target_is_held_and_a_second_one_takes_its_place(manager: Heard) -> None:
    manager.set_target("AAPL", 80)
    assert manager.log_position() == '{"AAPL": {"Target": 80, "Position": 0, "Total Traded": 0}}'
    manager.order_book.pass_time(4_000)
    assert manager.log_position() == '{"AAPL": {"Target": 80, "Position": 80, "Total Traded": 80}}'
    manager.set_target("AAPL", -20)
    manager.order_book.pass_time(4_000)
    assert manager.log_position() == '{"AAPL": {"Target": -20, "Position": -20, "Total Traded": 180}}'
    assert [(each.side, each.qty, each.price) for each in manager.trades] == [
        ("BUY", 80, Decimal("100.01")), ("SELL", 80, Decimal("99.99")), ("SELL", 20, Decimal("99.99")),
    ]  # fmt: skip


def test_what_works_counts_and_the_same_target_again_sends_nothing(manager: Heard) -> None:
    book = manager.order_book
    book.SubmitOrder("AAPL", "BUY", "99.50", 30, "resting")
    book.pass_time(500)
    manager.set_target("AAPL", 80)
    manager.set_target("AAPL", 80)
    book.pass_time(4_000)
    assert book.held["AAPL"] == 50  # the other 30 work
    book.quote("AAPL", "99.40", "99.45", 1000)
    book.pass_time(4_000)
    assert manager.log_position() == '{"AAPL": {"Target": 80, "Position": 80, "Total Traded": 80}}'
    assert [(qty, status) for _, _, qty, status in manager.told()] == [(50, "Filled"), (30, "Filled")]


def test_orders_that_work_the_other_way_are_canceled_before_the_delta_is_sent(manager: Heard) -> None:
    book = manager.order_book
    manager.set_target("AAPL", 100)
    book.pass_time(1_000)
    book.SubmitOrder("AAPL", "BUY", "99.00", 40, "opposing")
    book.pass_time(500)
    manager.set_target("AAPL", 70)
    book.pass_time(4_000)
    told = manager.told()[1:]
    assert told[0] == ("opposing", "BUY", 0, "Canceled")
    assert [each[1:3] for each in told[1:]] == [("SELL", 30)]
    assert book.held["AAPL"] == 70


def test_a_target_that_is_replaced_while_its_order_is_on_its_way_ends_at_the_new_one(manager: Heard) -> None:
    manager.set_target("AAPL", 200)
    manager.order_book.pass_time(50)
    manager.set_target("AAPL", 80)
    manager.order_book.pass_time(4_000)
    assert manager.log_position() == '{"AAPL": {"Target": 80, "Position": 80, "Total Traded": 320}}'


@pytest.mark.parametrize("partitions", ["1", "3"])
def test_whatever_partitions_a_desk_has_its_targets_are_held(partitions: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT_PARTITIONS", "SYMBOL_PARTITIONS"):
        monkeypatch.setenv(f"FILLSTREAM_MESSAGING__{name}", partitions)
    book = OrderBookEngine(settings_with(monkeypatch), account="demo")
    manager = Heard(book)
    for symbol in ("AAPL", "MSFT", "SPY"):
        book.quote(symbol, "99.99", "100.01", 1000)
        manager.set_target(symbol, -7)
    assert book.wait_for_targets(60_000)
    assert book.held == {"AAPL": -7, "MSFT": -7, "SPY": -7}


def test_a_target_larger_than_the_market_takes_it_as_it_comes_back(manager: Heard) -> None:
    manager.set_target("AAPL", 2_500)
    manager.order_book.pass_time(500)
    assert manager.order_book.held["AAPL"] == 1_000
    assert manager.order_book.wait_for_targets(60_000)
    assert [int(each.qty) for each in manager.trades if each.qty] == [1_000, 1_000, 500]
    assert manager.order_book.targets["AAPL"]["target_status"] == "REACHED"


def test_an_order_is_canceled_by_either_of_its_names_and_what_is_gone_by_none(manager: Heard) -> None:
    book = manager.order_book
    for name in ("one", "two"):
        assert book.SubmitOrder("AAPL", "SELL", "101", 5, name) == name
    book.pass_time(200)
    assert book.CancelOrder("one")
    assert book.CancelOrder("2")  # the desk's second order
    assert not book.CancelOrder("nobody")
    book.pass_time(200)
    assert manager.told() == [("one", "SELL", 0, "Canceled"), ("two", "SELL", 0, "Canceled")]
    assert not book.CancelOrder("one")
    assert [each.broker_id for each in manager.trades] == ["1", "2"]


def test_what_is_refused_is_told_with_why(manager: Heard) -> None:
    book = manager.order_book
    name = book.SubmitOrder("AAPL", "BUY", "90.001", 5)
    assert manager.told() == [(name, "BUY", 0, "Rejected")]
    assert manager.trades[0].text == "price: 90.001 is not a multiple of AAPL's tick size 0.01"
    book.SubmitOrder("AAPL", "BUY", "90", 5, "mine")
    book.SubmitOrder("AAPL", "BUY", "91", 6, "mine")  # the name is taken
    assert manager.told()[1:] == [("mine", "BUY", 0, "Rejected")]
    assert manager.trades[1].broker_id == ""
    assert "mine" in manager.trades[1].text


def test_values_that_no_desk_takes_are_refused_and_change_nothing(manager: Heard) -> None:
    manager.set_target("AAPL", 80)
    for symbol, target, sentence in (
        ("TSLA", 5, "symbol: TSLA is not configured"),
        ("AAPL", "0.5", "target: 0.5 must be a whole multiple of lot_size 1 of AAPL"),
        ("AAPL", "many", "target: 'many' must be a decimal number"),
        ("AAPL", Decimal("NaN"), "must be a decimal number"),
        ("MSFT", 10**30, "target: "),
    ):
        with pytest.raises(ValueError, match=sentence):
            manager.set_target(symbol, target)
    assert manager.log_position() == '{"AAPL": {"Target": 80, "Position": 0, "Total Traded": 0}}'
    with pytest.raises(ValueError, match="ms: -1 must not be below 0"):
        manager.order_book.pass_time(-1)
    with pytest.raises(ValueError, match="ask_px: 99 must be above bid_px 100"):
        manager.order_book.quote("AAPL", 100, 99, 10)
    with pytest.raises(ValueError, match=r"account: 'nobody' must be one of accounts\.yaml: default"):
        OrderBookEngine(account="nobody")


def test_markets_are_told_as_they_change_and_as_they_stand(manager: Heard) -> None:
    book = manager.order_book
    book.quote("AAPL", "100", "100.02", 10, 0)
    before = book.GetMarketDataSnapshot()
    assert manager.markets[-1] == before
    assert [len(manager.markets), before.time_ms] == [2, book.now_ms]
    quote = before.quotes["AAPL"]
    assert (quote.bid_px, quote.bid_qty, quote.ask_px, quote.ask_qty) == (100, 10, None, 0)
    book.quote("MSFT", "300", "300.02", 10)
    assert [*before.quotes] == ["AAPL"]


def test_a_listener_may_answer_but_not_let_time_pass(manager: Heard) -> None:
    book = manager.order_book

    class Answers(Heard):
        def OnTradeConfirmation(self, report: TradeReport) -> None:
            super().OnTradeConfirmation(report)
            if report.client_id == "entry":
                self.order_book.SubmitOrder("AAPL", "SELL", "101", report.qty, "exit")
            elif report.client_id == "wrong":
                self.order_book.pass_time(1)

    answers = Answers(book)
    book.SubmitOrder("AAPL", "BUY", None, 5, "entry")
    book.pass_time(1_000)
    assert book.CancelOrder("exit")
    book.SubmitOrder("AAPL", "BUY", None, 5, "wrong")
    with pytest.raises(ValueError, match="a listener cannot let time pass"):
        book.pass_time(1_000)
    assert ("entry", "BUY", 5, "Filled") in answers.told()


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_asked_for_ends_at_the_last_target_and_a_second_run_is_equal(seed: int) -> None:
    def run() -> tuple[str, str, list[tuple[str, str, int, str]]]:
        dice, book = random.Random(seed), OrderBookEngine()
        manager = Heard(book)
        for symbol in ("AAPL", "MSFT"):
            book.quote(symbol, "99.99", "100.01", 150)
        for step in range(40):
            symbol = dice.choice(("AAPL", "MSFT"))
            match dice.randrange(4):
                case 0:
                    manager.set_target(symbol, dice.randint(-500, 500))
                case 1:
                    side, price = dice.choice((("BUY", "99.90"), ("SELL", "100.10"), ("BUY", None)))
                    book.SubmitOrder(symbol, side, price, dice.randint(1, 90), f"own-{step}")
                case 2:
                    book.CancelOrder(f"own-{dice.randint(0, step)}")
                case _:
                    book.pass_time(dice.randint(0, 1_500))
        book.cancel_all()
        book.pass_time(60_000)
        for symbol in ("AAPL", "MSFT"):
            manager.set_target(symbol, 123)
        assert book.wait_for_targets(60_000)
        state = manager.get_current_state()
        assert [row["Position"] for row in state.values()] == [123, 123]
        for symbol, row in state.items():
            bought = sum(
                each.qty if each.side == "BUY" else -each.qty for each in manager.trades if each.symbol == symbol
            )
            assert bought == row["Position"]
        return book.hash, manager.log_position(), manager.told()

    assert run() == run()
