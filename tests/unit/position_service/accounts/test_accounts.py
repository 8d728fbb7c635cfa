"""Accounts: what they are worth at the marks, in their own currency; and limits on what they risk."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import AccountType, RiskAction
from fillstream.libs.common.runtime.stage import Entry
from fillstream.services.position_service.stage import PositionStage
from tests.support.orders import CONFIG
from tests.support.positions_desk import T0, PositionsDesk
from tests.support.terms import account, but, instrument
from tests.support.whole_desk import WholeDesk

DAY_MS = 86_400_000


def desk_of(**terms: Any) -> WholeDesk:
    default = account(1, D(1_000_000), 10_000, D(0), D(100), **terms)
    instruments = dict(CONFIG.instruments) | {
        "EURUSD": instrument(9, D("0.0001"), D(1_000), base_currency="EUR"),
        "SAP": instrument(8, D("0.01"), D(1), currency="EUR"),
    }
    desk = WholeDesk(but(CONFIG, accounts={"default": default}, instruments=instruments))
    desk.quote(9_999, 10_001)
    return desk


def adjust(desk: WholeDesk, amount: str, kind: str = "DEPOSIT") -> None:
    control = {
        "v": 1, "who": "me", "reason": "a test", "account": "default", "type": "AdjustAccount",
        "control_id": f"c{len(desk.events)}", "adjustment": kind, "amount": amount,
    }  # fmt: skip
    desk.sim.fold({b"control": orjson.dumps(control)})
    desk.wait(1_001)


def resume(desk: WholeDesk) -> None:
    control = {"v": 1, "type": "Resume", "control_id": "r", "who": "me", "reason": "seen", "account": "default"}
    desk.sim.fold({b"control": orjson.dumps(control)})


def buy(desk: WholeDesk, quantity: str, symbol: str = "AAPL", side: str = "BUY") -> None:
    desk.signal(symbol=symbol, side=side, quantity=quantity)
    desk.wait(1_001)


def last(desk: WholeDesk, *names: str) -> list[Any]:
    marked = desk.of("AccountMarked")[-1]
    return [marked[name] for name in names]


def risk(desk: WholeDesk) -> list[tuple[str, bool, str, str]]:
    return [(each["limit"], each["broken"], each["measured"], each["allowed"]) for each in desk.of("RiskChanged")]


def test_nobody_is_told_of_an_account_that_never_had_money_and_has_no_limits() -> None:
    desk = desk_of()
    buy(desk, "10")
    assert desk.of("AccountMarked") == []


def test_cash_equity_exposure_and_the_day_add_up() -> None:
    desk = desk_of()
    adjust(desk, "10000")
    assert last(desk, "deposits", "cash_balance", "equity", "gross_exposure", "open_positions") == [
        "10000", "10000", "10000", "0", 0,
    ]  # fmt: skip
    buy(desk, "50")  # at 100.01, taker fee 0.5 bps
    fee = D("0.250025")
    [cash, equity, unrealized, day] = last(desk, "cash_balance", "equity", "unrealized_pnl", "day_pnl")
    assert D(cash) == 10_000 - 50 * D("100.01") - fee
    assert (D(equity), D(unrealized), D(day)) == (10_000 - D("0.5") - fee, D("-0.5"), D("-0.5") - fee)
    assert last(desk, "long_exposure", "short_exposure", "net_exposure", "leverage_ratio", "buying_power") == [
        "5000", "0", "5000", "0.500038", None,
    ]  # fmt: skip
    desk.quote(10_999, 11_001)
    desk.wait(2_000)
    assert D(last(desk, "equity")[0]) == 10_500 - D("0.5") - fee
    adjust(desk, "1000", "WITHDRAWAL")
    assert last(desk, "deposits") == ["9000"]
    desk.again()


def test_a_short_and_a_long_in_two_currencies_are_one_account() -> None:
    unrated = desk_of()
    adjust(unrated, "10000")
    unrated.quote(4_999, 5_001, symbol=8)
    buy(unrated, "20", "SAP", "SELL")
    assert last(unrated, "equity", "missing_rate", "leverage_ratio") == [None, "EUR", None]
    desk = desk_of(account_type=AccountType.MARGIN, initial_margin=D("0.25"))
    adjust(desk, "10000")
    desk.quote(10_999, 11_001, symbol=9)
    desk.quote(4_999, 5_001, symbol=8)
    buy(desk, "20", "SAP", "SELL")
    assert last(desk, "missing_rate", "short_exposure", "gross_exposure", "net_exposure") == [
        None, "1100", "1100", "-1100",
    ]  # fmt: skip
    buy(desk, "10")
    assert last(desk, "gross_exposure", "net_exposure", "margin_used") == ["2100", "-100", "525"]
    [equity, power] = map(D, last(desk, "equity", "buying_power"))
    assert power == equity * 4 - 2_100


def test_it_is_told_once_a_second_at_most_and_again_after_a_restart() -> None:
    desk = desk_of()
    adjust(desk, "10000")
    before = len(desk.of("AccountMarked"))
    for _ in range(5):
        desk.signal(symbol="AAPL", side="BUY", quantity="1")
    desk.again()
    desk.wait(1_000)
    assert len(desk.of("AccountMarked")) - before <= 2
    assert last(desk, "open_positions") == [1]


@pytest.mark.parametrize(
    ("terms", "limit", "quantity"),
    [({"max_leverage": D(2)}, "max_leverage", "30"), ({"max_concentration": D("0.5")}, "max_concentration", "30")],
)
def test_a_limit_by_equity_is_told_once_and_again_when_it_holds(
    terms: dict[str, Any], limit: str, quantity: str
) -> None:
    desk = desk_of(**terms)
    adjust(desk, "1000")
    buy(desk, quantity)
    [(name, broken, measured, allowed)] = risk(desk)
    assert (name, broken) == (limit, True)
    assert D(measured) > D(allowed)
    assert desk.positions.gauges()["broken_risk_limits"] == {"": 1}
    buy(desk, quantity, side="SELL")
    assert [each[1] for each in risk(desk)] == [True, False]
    assert desk.sent == [], "ALERT does nothing else"


@pytest.mark.parametrize(("action", "state"), [(RiskAction.REDUCE, "REDUCING"), (RiskAction.HALT, "HALTED")])
def test_a_drawdown_stops_the_account_until_an_operator_resumes_it(action: RiskAction, state: str) -> None:
    desk = desk_of(max_drawdown=D("0.05"), risk_action=action)
    adjust(desk, "5000")
    buy(desk, "50")
    desk.quote(9_599, 9_601)
    desk.wait(2_000)
    assert risk(desk) == []
    desk.again()
    desk.quote(9_399, 9_401)
    desk.wait(2_000)
    [(name, _, measured, allowed)] = risk(desk)
    assert (name, allowed, D(measured) > D("0.05")) == ("max_drawdown", "0.05", True)
    changed = [each for each in desk.events if each["type"] == "TradingStateChanged"]
    assert [(each["new_state"], each["who"], each["account"]) for each in changed] == [(state, "positions", "default")]
    [refused] = [each for each in desk.signal(symbol="AAPL", side="BUY", quantity="1")]
    assert refused["reason"] in ("trading_halted", "trading_reducing")
    desk.again()
    resume(desk)
    desk.quote(9_398, 9_402)
    desk.wait(2_000)
    assert [each[:2] for each in risk(desk)] == [("max_drawdown", True), ("max_drawdown", False)]
    assert last(desk, "drawdown_ratio") == ["0"], "it is measured from the equity at which trading went on"
    assert desk.positions.gauges()["broken_risk_limits"] == {"": 0}


def test_a_limit_that_is_broken_still_as_an_operator_resumes_is_told_and_stops_the_account_again() -> None:
    desk = desk_of(max_leverage=D(2), risk_action=RiskAction.HALT)
    adjust(desk, "1000")
    buy(desk, "30")
    resume(desk)
    desk.wait(2_000)
    assert [each[:2] for each in risk(desk)] == [("max_leverage", True)] * 2
    changed = [each["new_state"] for each in desk.events if each["type"] == "TradingStateChanged"]
    assert changed == ["HALTED", "ACTIVE", "HALTED"]


def test_a_drawdown_of_what_has_no_equity_left_is_broken_no_more_once_an_operator_resumed() -> None:
    desk = desk_of(max_drawdown=D("0.05"), risk_action=RiskAction.REDUCE)
    adjust(desk, "100")
    buy(desk, "50")
    desk.quote(9_499, 9_501)
    desk.wait(2_000)
    assert risk(desk)[-1][:2] == ("max_drawdown", True)
    resume(desk)
    desk.wait(2_000)
    over = desk.of("RiskChanged")[-1]
    assert (over["broken"], over["measured"]) == (False, None)
    assert over["text"] == "max_drawdown: of default nothing is known since it was resumed"
    assert desk.positions.gauges()["broken_risk_limits"] == {"": 0}


def test_what_has_no_mark_risks_nobody_knows_how_much() -> None:
    desk = PositionsDesk()
    terms = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, max_value_at_risk="2", **terms)
    desk.define()
    desk.fill("BUY", "30", "100.00")
    [marked] = desk.fold(Entry(f"{T0 + 2_000}-9", T0 + 2_000, {b"tick": b"1"}))
    assert (marked["open_positions"], marked["value_at_risk"], marked["sessions"]) == (1, None, 0)


def test_a_limit_that_an_account_without_money_broke_is_told_to_be_none_any_more() -> None:
    desk = PositionsDesk()
    terms = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, max_leverage="2", **terms)
    desk.define()
    desk.fill("BUY", "30", "100.00")
    desk.quote("100.00", "100.02")
    told = desk.fold(Entry(f"{T0 + 2_000}-9", T0 + 2_000, {b"tick": b"1"}))
    assert [each["broken"] for each in told if each["type"] == "RiskChanged"] == [True]
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, **terms)
    told = desk.fold(Entry(f"{T0 + 4_000}-9", T0 + 4_000, {b"tick": b"1"}))
    assert [each["broken"] for each in told if each["type"] == "RiskChanged"] == [False]


def test_a_limit_that_is_taken_away_is_broken_no_more() -> None:
    desk = PositionsDesk()
    terms = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, max_leverage="2", **terms)
    desk.define()
    desk.put(
        "AccountAdjusted", account="alpha", symbol=None, adjustment="DEPOSIT", amount="1000", currency="USD",
        control_id="c", who="me", reason="money", cash="1000",
    )  # fmt: skip
    desk.fill("BUY", "30", "100.00")
    desk.quote("100.00", "100.02")
    desk.fold(Entry(f"{T0 + 2_000}-9", T0 + 2_000, {b"tick": b"1"}))
    desk.put("AccountDefined", account="alpha", account_id=1, venue=None, **terms)
    told = desk.fold(Entry(f"{T0 + 4_000}-9", T0 + 4_000, {b"tick": b"1"}))
    [over] = [each for each in told if each["type"] == "RiskChanged"]
    assert (over["limit"], over["broken"], over["allowed"]) == ("max_leverage", False, None)
    assert over["text"] == "max_leverage: alpha has no such limit any more"


def test_value_at_risk_is_of_what_marks_did_in_former_sessions() -> None:
    desk = desk_of(max_value_at_risk=D(100))
    adjust(desk, "100000")
    buy(desk, "50")
    for number in range(24):
        desk.wait(DAY_MS)
        price = 10_000 if number % 2 else 9_500
        desk.quote(price - 1, price + 1)
        desk.wait(1_001)
        desk.again()
    [value, shortfall, sessions] = last(desk, "value_at_risk", "expected_shortfall", "sessions")
    assert value == shortfall
    assert sessions >= 20
    worth = D(last(desk, "gross_exposure")[0])
    assert D(value) == worth * D("0.05"), "the worst of them lost 5 %"
    assert ("max_value_at_risk", True) in [each[:2] for each in risk(desk)]
    buy(desk, "50", side="SELL")
    assert last(desk, "value_at_risk") == ["0"]
    assert risk(desk)[-1][:3] == ("max_value_at_risk", False, "0")
    buy(desk, "50")
    assert risk(desk)[-1][:2] == ("max_value_at_risk", True), "what is opened is counted at once"


def test_money_of_an_account_whose_terms_an_older_release_read_waits_until_they_come_again() -> None:
    desk = PositionsDesk()
    desk.define()

    def pay(amount: str) -> None:
        desk.put(
            "AccountAdjusted", account="alpha", symbol=None, adjustment="DEPOSIT", amount=amount, currency="USD",
            control_id="c", who="me", reason="money", cash=amount,
        )  # fmt: skip

    def told(ms: int) -> list[Any]:
        data = desk.stage.snapshot()
        desk.stage = PositionStage(1)
        desk.stage.restore(data)
        assert desk.stage.snapshot() == data
        messages = desk.fold(Entry(f"{T0 + ms}-9", T0 + ms, {b"tick": b"1"}))
        return [(each["account"], each["equity"]) for each in messages]

    def define(number: int) -> None:
        terms = {"max_order_value": "1000000", "max_daily_orders": 1, "min_order_size": "0", "max_slippage_bps": "0"}
        desk.put("AccountDefined", account="alpha", account_id=number, venue=None, **terms)

    pay("5")
    assert told(2_000) == []
    define(7)
    assert told(4_000) == [("alpha", "5")]
    pay("6.25")
    define(8)
    assert told(6_000) == [("alpha", "6.25")]


def test_positions_whose_market_quotes_no_more_are_counted() -> None:
    desk = WholeDesk(but(CONFIG, max_quote_age_ms=5_000))
    desk.quote(9_999, 10_001)
    adjust(desk, "100000")
    buy(desk, "10")
    assert "stale_positions" not in desk.of("AccountMarked")[-1]
    desk.wait(10_000)
    assert last(desk, "stale_positions", "open_positions") == [1, 1]
    desk.quote(9_999, 10_001)
    desk.wait(1_001)
    assert "stale_positions" not in desk.of("AccountMarked")[-1]
