"""What a strategy is told, and what its desk makes of what it says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.strategy.desk import Desk
from fillstream.strategy.market import Bar, Quote, Trade
from fillstream.strategy.session import Session, StrategyFailed
from fillstream.strategy.strategy import Strategy

ORDER = {
    "v": 1, "seq": 1, "time": 5, "order_id": "7", "client_order_id": "s.e.0", "account": "default", "symbol": "AAPL",
    "side": "BUY", "ord_status": "PendingNew", "quantity": "10", "cum_qty": "0", "leaves_qty": "10", "avg_px": None,
}  # fmt: skip
RECEIVED = ORDER | {
    "type": "OrderReceived", "signal_id": "s.e.0", "order_type": "MARKET", "price": None, "time_in_force": "IOC",
    "strategy": "s", "confidence": None, "venue": "SIM",
}  # fmt: skip
FILLED = ORDER | {
    "type": "OrderFilled", "v": 2, "ord_status": "PartiallyFilled", "cum_qty": "4", "leaves_qty": "6", "avg_px": "9.5",
    "exec_id": "SIM-0-1-B", "venue": "SIM", "last_qty": "4", "last_px": "9.5", "liquidity": "TAKER", "fee": "0.1",
    "currency": "USD", "strategy": "s",
}  # fmt: skip
POSITION = {
    "type": "PositionChanged", "v": 1, "seq": 1, "time": 5, "account": "default", "symbol": "AAPL", "currency": "USD",
    "position": "4", "avg_px": "9.5", "realized_pnl": "0", "fees": "0.1", "cash": "-38.1", "mark_px": "9.6",
    "unrealized_pnl": "0.4", "change": "opened", "order_id": "7", "exec_id": "SIM-0-1-B", "last_qty": "4",
    "last_px": "9.5",
}  # fmt: skip


class Listener(Strategy):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_start(self, desk: Desk) -> None:
        self.told.append("start")

    def on_quote(self, desk: Desk, quote: Quote) -> None:
        self.told.append(quote)

    def on_trade(self, desk: Desk, trade: Trade) -> None:
        self.told.append(trade)

    def on_bar(self, desk: Desk, bar: Bar) -> None:
        self.told.append(bar)

    def on_fill(self, desk: Desk, fill: Any) -> None:
        self.told.append(("fill", fill.last_qty))

    def on_order(self, desk: Desk, event: Any) -> None:
        self.told.append(event.type)

    def on_position(self, desk: Desk, event: Any) -> None:
        self.told.append((event.type, event.account))

    def on_timer(self, desk: Desk, name: str) -> None:
        self.told.append((name, desk.now_ms))

    def on_stop(self, desk: Desk) -> None:
        self.told.append("stop")


def running(strategy: Strategy) -> tuple[Session, Desk, list[dict[str, str]]]:
    sent: list[dict[str, str]] = []
    desk = Desk("s", "default", {})
    desk.send = sent.append
    return Session(strategy, desk), desk, sent


def a_quote(ms: int, price: int) -> Quote:
    return Quote(ms, "AAPL", Decimal(price), Decimal(1), Decimal(price), Decimal(1))


def test_a_signals_id_follows_from_what_it_was_sent_for() -> None:
    _, desk, sent = running(Listener())
    desk.caused_by("m5-0", 5)
    assert desk.signal("AAPL", "BUY", 1) == "s.m5-0.0"
    assert desk.close_position("AAPL") == "s.m5-0.1"
    desk.caused_by("m6-0", 6)
    assert desk.cancel(client_order_id="s.m5-0.0") == "s.m6-0.0"
    desk.caused_by("m5-0", 5)
    assert desk.signal("AAPL", "BUY", 1) == "s.m5-0.0", "told the same again, it says the same"
    assert sent[0] == sent[3] == {
        "type": "NewOrder", "signal_id": "s.m5-0.0", "account": "default", "symbol": "AAPL", "side": "BUY",
        "quantity": "1", "strategy": "s",
    }  # fmt: skip
    assert "strategy" not in sent[2]


def test_an_account_and_labels_of_ones_own_stay() -> None:
    desk = Desk("s", "demo", {})
    sent: list[dict[str, str]] = []
    desk.send = sent.append
    desk.signal("AAPL", "BUY", 1, strategy="other", signal_id="mine")
    desk.signal("AAPL", "BUY", 1, account="third")
    assert [(each["account"], each["strategy"]) for each in sent] == [("demo", "other"), ("third", "s")]
    assert desk.is_own("mine") and desk.is_own("s.x.0") and not desk.is_own("sx.0") and not desk.is_own(None)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda desk: desk.signal("AAPL", "BUY", 0.5), "quantity: 0.5 is a float"),
        (lambda desk: desk.signal("AAPL", "HOLD", 1), "side"),
        (lambda desk: desk.signal("AAPL", "BUY"), "give exactly one of quantity"),
        (lambda desk: desk.timer("x"), "one of after_ms and at_ms must be given"),
        (lambda desk: desk.timer("x", after_ms=0), "must come after 0, which is now, got 0"),
        (lambda desk: desk.timer("x", after_ms=1, at_ms=1), "one of after_ms and at_ms"),
    ],
)
def test_what_no_desk_would_take_is_refused(call: Any, words: str) -> None:
    _, desk, sent = running(Listener())
    with pytest.raises(ValueError, match=words):
        call(desk)
    assert sent == []


def test_a_desk_that_nobody_runs_sends_nothing() -> None:
    with pytest.raises(ValueError, match="the strategy is not running"):
        Desk("s", "default", {}).signal("AAPL", "BUY", 1)


def test_orders_are_its_own_and_what_these_made() -> None:
    listener = Listener()
    session, desk, _ = running(listener)
    foreign = RECEIVED | {"order_id": "8", "signal_id": "else", "client_order_id": "else", "strategy": "other"}
    child = ORDER | {"type": "OrderAccepted", "order_id": "9", "client_order_id": "c", "parent_id": "7", "side": "SELL"}
    for event in (RECEIVED, foreign, FILLED, child):
        session.event("e0-5-0", 5, event)
    assert listener.told == ["OrderReceived", ("fill", Decimal(4)), "OrderAccepted"]
    assert [each.order_id for each in desk.orders()] == ["7", "9"]
    held = desk.order("s.e.0")
    assert held is not None and held == desk.order("7")
    assert (held.cum_qty, held.leaves_qty, held.avg_px) == (Decimal(4), Decimal(6), Decimal("9.5"))
    session.event("e0-6-0", 6, FILLED | {"ord_status": "Filled", "cum_qty": "10", "leaves_qty": "0"})
    assert [each.order_id for each in desk.orders()] == ["9"] and desk.order("7") is None


def test_orders_of_its_targets_and_predictions_for_its_account_are_told() -> None:
    class Predicted(Listener):
        def on_prediction(self, desk: Desk, prediction: Any) -> None:
            self.told.append((prediction.move, prediction.confidence))

    listener = Predicted()
    session, desk, sent = running(listener)
    desk.set_target("AAPL", 10)
    assert sent[0]["strategy"] == "s"
    of_target = RECEIVED | {"signal_id": "target-1", "client_order_id": "target-1"}
    session.event("e0-5-0", 5, of_target | {"account": "demo", "order_id": "8"})
    session.event("e0-5-1", 5, of_target)
    prediction = {
        "type": "PredictionReceived", "v": 1, "seq": 1, "time": 5, "signal_id": "else", "account": "default",
        "symbol": "AAPL", "signal_time": 5, "move": "BUY", "confidence": "0.9",
    }  # fmt: skip
    session.event("e0-5-2", 5, prediction)
    session.event("e0-5-3", 5, prediction | {"account": "demo"})
    assert listener.told == ["OrderReceived", ("BUY", Decimal("0.9"))]
    assert [each.order_id for each in desk.orders()] == ["7"]


def test_a_refusal_of_its_signal_is_told() -> None:
    listener = Listener()
    session, desk, _ = running(listener)
    refused = {
        "type": "SignalRefused", "v": 1, "seq": 1, "time": 5, "signal": "NewOrder", "signal_id": "s.e.1",
        "account": "default", "reason": "bad", "text": "quantity: no",
    }  # fmt: skip
    session.event("e0-5-0", 5, refused)
    session.event("e0-5-1", 5, refused | {"signal_id": "else"})
    assert listener.told == ["SignalRefused"] and desk.orders() == ()


def test_positions_are_its_accounts() -> None:
    listener = Listener()
    session, desk, _ = running(listener)
    marked = {name: value for name, value in POSITION.items() if name not in ("change", "order_id", "exec_id")}
    marked = {name: value for name, value in marked.items() if not name.startswith("last_")}
    assert desk.position("AAPL").quantity == 0
    session.position("p0-5-0", 5, POSITION)
    session.position("p0-5-1", 5, POSITION | {"account": "demo", "position": "9"})
    session.position("p0-5-2", 5, marked | {"type": "PositionMarked", "mark_px": "9.7"})
    assert listener.told == [("PositionChanged", "default")]
    assert (desk.position("AAPL").quantity, desk.position("AAPL").mark_px) == (Decimal(4), Decimal("9.7"))
    assert [*desk.positions()] == ["AAPL"]


def test_who_does_not_listen_knows_when_it_asks() -> None:
    class Deaf(Strategy):
        pass

    session, desk, _ = running(Deaf())
    assert not session.hears_orders and not session.hears_positions
    session.event("e0-5-0", 5, RECEIVED)
    session.event("e0-5-1", 5, FILLED)
    session.position("p0-5-0", 5, POSITION)
    assert desk.position("AAPL").quantity == 4
    assert [each.cum_qty for each in desk.orders()] == [Decimal(4)]


def test_timers_and_bars_come_in_their_time_and_once() -> None:
    class Barred(Listener):
        bars = "1s"

    listener = Barred()
    session, desk, _ = running(listener)
    session.start(1_000)
    desk.timer("noon", at_ms=1_500)
    desk.timer("noon", after_ms=500)
    assert session.due_ms == 1_500
    session.quote("m1200-0", 1_200, "AAPL", lambda: a_quote(1_200, 5))
    session.pass_time(1_499)
    session.pass_time(1_500)
    assert session.due_ms == 2_000
    session.quote("m1900-0", 1_900, "AAPL", lambda: a_quote(1_900, 7))
    session.pass_time(2_000)
    assert listener.told == [
        "start", a_quote(1_200, 5), ("noon", 1_500), a_quote(1_900, 7),
        Bar(1_000, 2_000, "AAPL", Decimal(5), Decimal(7), Decimal(5), Decimal(7), Decimal(0)),
    ]  # fmt: skip
    assert session.due_ms is None


def test_bars_of_trades_have_their_volume() -> None:
    class Barred(Listener):
        bars, bars_of = "1s", "trade"

    listener = Barred()
    session, _, _ = running(listener)
    for ms, price in ((100, 5), (200, 6)):
        trade = Trade(ms, "AAPL", Decimal(price), Decimal(3), "BUY")
        session.trade(f"m{ms}-0", ms, "AAPL", lambda one=trade: one)  # type: ignore[misc]
    session.quote("m300-0", 300, "AAPL", lambda: a_quote(300, 9))
    session.pass_time(1_000)
    bar = listener.told[-1]
    assert (bar.open, bar.close, bar.high, bar.volume) == (Decimal(5), Decimal(6), Decimal(6), Decimal(6))


def test_after_its_end_it_is_told_nothing() -> None:
    listener = Listener()
    session, desk, _ = running(listener)
    desk.timer("noon", after_ms=5)
    session.stop(1_000)
    session.quote("m1200-0", 1_200, "AAPL", lambda: a_quote(1_200, 5))
    session.pass_time(5_000)
    assert listener.told == ["stop"] and session.due_ms is None and not session.hears_orders


def test_its_own_mistake_is_told_with_the_call_and_the_time() -> None:
    class Broken(Strategy):
        def on_quote(self, desk: Desk, quote: Quote) -> None:
            raise ZeroDivisionError("by nothing")

    session, _, _ = running(Broken())
    with pytest.raises(StrategyFailed, match="on_quote at 9: ZeroDivisionError: by nothing") as told:
        session.quote("m9-0", 9, "AAPL", lambda: a_quote(9, 5))
    assert isinstance(told.value.__cause__, ZeroDivisionError)
