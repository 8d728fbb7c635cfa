"""Targets: what is sent until a position is as it was asked for, with the orders stage and a market behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.targets import TargetStatus
from tests.support.exits_desk import ExitsDesk
from tests.support.orders import CONFIG
from tests.support.terms import but, instrument
from tests.support.whole_desk import WholeDesk


@pytest.fixture
def desk() -> WholeDesk:
    desk = WholeDesk()
    desk.quote(18_499, 18_501)
    return desk


def aim(desk: WholeDesk, target: str | None = None, **said: Any) -> list[dict[str, Any]]:
    one = {} if "targets" in said else {"symbol": "AAPL", "target": target}
    return desk.signal(**({"type": "target"} | one | said))


def statuses(desk: WholeDesk, symbol: str = "AAPL") -> list[str]:
    return [each["target_status"] for each in desk.of("TargetChanged") if each["symbol"] == symbol]


def last(desk: WholeDesk) -> dict[str, Any]:
    return desk.of("TargetChanged")[-1]


def test_what_is_missing_is_sent_and_what_it_cost_is_told(desk: WholeDesk) -> None:
    aim(desk, "30")
    assert desk.held() == 30
    assert statuses(desk) == ["WORKING", "REACHED"]
    names = ("target_qty", "held_qty", "start_qty", "attempt", "traded_qty", "traded_px", "arrival_px", "shortfall")
    assert [last(desk)[name] for name in names] == ["30", "30", "0", 1, "30", "185.01", "185.00", "0.577515"]
    aim(desk, "-20")
    assert desk.held() == -20
    assert last(desk)["target_status"] == TargetStatus.REACHED
    assert last(desk)["attempt"] == 2, "what closes goes first, and then what opens"
    assert desk.positions.gauges()["targets_open"] == {"": 0}


def test_the_same_target_twice_does_nothing(desk: WholeDesk) -> None:
    aim(desk, "30")
    sent = len(desk.sent)
    aim(desk, "30")
    assert len(desk.sent) == sent
    assert last(desk)["target_status"] == TargetStatus.REACHED
    assert last(desk)["attempt"] == 0


def test_what_works_already_counts_and_what_works_the_other_way_goes_first(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="40", price="180.00")
    aim(desk, "40")
    assert desk.held() == 0
    assert last(desk)["target_status"] == TargetStatus.WAITING
    assert last(desk)["text"] == "what works makes it so"
    aim(desk, "-5")
    assert statuses(desk)[-1] == "WAITING"
    assert desk.held() == 0, "nothing is sent before the fate of the purchase is known"
    desk.wait(1_000)
    assert desk.held() == -5
    assert last(desk)["target_status"] == TargetStatus.REACHED
    assert [each["type"] for each in desk.events].count("OrderCanceled") == 1


def test_an_order_that_works_and_fills_later_reaches_it(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="40", price="184.00")
    aim(desk, "40")
    desk.again()
    desk.quote(18_390, 18_395)
    assert desk.held() == 40
    assert last(desk)["target_status"] == TargetStatus.REACHED


def test_a_new_target_takes_the_place_of_the_old_one(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="40", price="180.00")
    aim(desk, "40", signal_id="first")
    aim(desk, "60", signal_id="second")
    replaced = next(each for each in desk.of("TargetChanged") if each["target_status"] == "REPLACED")
    assert (replaced["signal_id"], replaced["text"]) == ("first", "by signal second")
    assert desk.held() == 20, "60 less the 40 that work"


def test_a_thin_market_takes_several_orders(desk: WholeDesk) -> None:
    desk.quote(18_499, 18_501, qty=10)
    aim(desk, "25")
    assert desk.held() == 10
    for _ in range(2):
        desk.again()
        desk.quote(18_499, 18_501, qty=10)
        desk.wait(60_000)
    assert desk.held() == 25
    assert last(desk)["target_status"] == TargetStatus.REACHED


def test_a_target_that_no_limit_allows_is_given_up_and_says_why(desk: WholeDesk) -> None:
    aim(desk, "1000000")
    desk.wait(120_000)
    assert statuses(desk) == ["WORKING", "RETRYING"] * 4 + ["WORKING", "FAILED"]
    assert last(desk)["text"].startswith("quantity: ")
    assert desk.positions.gauges()["targets_failing"] == {"": 0}


def test_a_halt_makes_it_wait_as_long_as_it_lasts(desk: WholeDesk) -> None:
    control: dict[str, Any] = {"v": 1, "who": "me", "reason": "a test", "account": "default"}
    desk.sim.fold({b"control": orjson.dumps(control | {"type": "Halt", "control_id": "h"})})
    aim(desk, "10")
    desk.wait(600_000)
    assert statuses(desk)[-1] == "RETRYING"
    assert desk.positions.gauges()["targets_failing"] == {"": 1}
    desk.again()
    desk.sim.fold({b"control": orjson.dumps(control | {"type": "Resume", "control_id": "r"})})
    desk.quote(18_499, 18_502)
    desk.wait(61_000)
    assert desk.held() == 10
    assert desk.positions.gauges()["targets_failing"] == {"": 0}


def test_what_is_near_enough_or_not_worth_a_trade_is_left_alone(desk: WholeDesk) -> None:
    aim(desk, "30")
    sent = len(desk.sent)
    aim(desk, "33", tolerance="3")
    aim(desk, "31", min_value="185.01")
    assert last(desk)["text"] == "1 more is worth less than min_value"
    assert len(desk.sent) == sent
    aim(desk, "31", min_value="185.00")
    aim(desk, "35", tolerance="3")
    assert desk.held() == 35


def test_a_portfolio_sells_before_it_buys(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, "30")
    aim(desk, targets=[{"symbol": "ES", "target": "10"}, {"symbol": "AAPL", "target": "5"}])
    assert (desk.held(), desk.held("ES")) == (5, 10)
    assert statuses(desk, "ES") == ["WAITING", "WORKING", "REACHED"]
    received = [each["symbol"] for each in desk.events if each["type"] == "OrderReceived"]
    assert received == ["AAPL", "AAPL", "ES"]


def test_a_sale_that_fails_lets_the_purchases_go(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, targets=[{"symbol": "ES", "target": "10"}, {"symbol": "AAPL", "target": "-1000000"}])
    assert desk.held("ES") == 10


def test_purchases_wait_no_more_for_a_sale_whose_target_was_replaced(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, "30")
    desk.signal(symbol="AAPL", side="BUY", quantity="5", price="180.00")  # the sale has to wait for it to go
    aim(desk, targets=[{"symbol": "ES", "target": "10"}, {"symbol": "AAPL", "target": "5"}])
    assert statuses(desk, "ES") == ["WAITING"]
    aim(desk, "28")
    desk.wait(1_000)
    assert (desk.held(), desk.held("ES")) == (28, 10)


def test_a_portfolio_in_the_place_of_another_sends_nothing_of_that_one(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, "30")
    desk.signal(symbol="AAPL", side="BUY", quantity="5", price="180.00")
    aim(desk, targets=[{"symbol": "ES", "target": "10"}, {"symbol": "AAPL", "target": "5"}])
    aim(desk, targets=[{"symbol": "AAPL", "target": "30"}, {"symbol": "ES", "target": "3"}])
    desk.wait(1_000)
    assert desk.held("ES") == 3
    assert [each["quantity"] for each in desk.events if each["type"] == "OrderReceived" and each["symbol"] == "ES"] == [
        "3"
    ]


def test_weights_are_of_the_equity_and_round_towards_nothing(desk: WholeDesk) -> None:
    [refused] = aim(desk, None, weight="0.1")
    assert refused["text"] == "weight: 0.1 of an equity of 0 or less, of default, is nothing"
    equity = 100_000
    desk.sim.fold(
        {
            b"control": orjson.dumps(
                {
                    "v": 1, "who": "me", "reason": "a test", "account": "default", "type": "AdjustAccount",
                    "control_id": "d", "adjustment": "DEPOSIT", "amount": str(equity),
                }
            )
        }
    )  # fmt: skip
    aim(desk, None, weight="0.1")
    assert desk.held() == 54, "10 000 at a mark of 185.00"
    aim(desk, None, weight="-0.05")
    assert desk.held() == -27


def test_flat_is_a_portfolio_of_nothing_and_everything_that_works_goes(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, "30")
    desk.signal(symbol="ES", side="SELL", quantity="7")
    desk.signal(symbol="ES", side="SELL", quantity="7", price="6000.00")
    aim(desk, targets=[], close_others=True)
    desk.wait(30_000)
    assert (desk.held(), desk.held("ES")) == (0, 0)
    assert all(order.status in ("Filled", "Canceled") for order in desk.sim.desk.stage._state.orders_of("default"))


def test_flat_ends_targets_that_wait_for_a_market(desk: WholeDesk) -> None:
    aim(desk, "5", symbol="ES")
    assert last(desk)["target_status"] == "RETRYING", "nobody quotes it"
    [answer] = aim(desk, targets=[], close_others=True)
    assert (answer["type"], answer.get("symbol"), last(desk)["target_status"]) == ("TargetCanceled", None, "CANCELED")
    aim(desk, "5", symbol="ES")
    aim(desk, targets=[{"symbol": "AAPL", "target": "3"}], close_others=True)
    assert statuses(desk, "ES")[-1] == "CANCELED"
    desk.quote(20, 21, symbol=3)
    desk.wait(60_000)
    assert (desk.held(), desk.held("ES")) == (3, 0)


def test_what_could_not_work_the_others_is_refused_at_once(desk: WholeDesk) -> None:
    aim(desk, "30")
    [refused] = aim(desk, targets=[], close_others=True, algorithm="TWAP", algorithm_parameters={"slices": 2})
    assert (refused["type"], refused["reason"], desk.held()) == ("SignalRefused", "bad_parameters", 30)


def test_exits_of_a_bracket_are_no_part_of_what_works(desk: WholeDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="30", stop_loss="180.00", take_profit="190.00")
    aim(desk, "30")
    assert desk.held() == 30
    assert last(desk)["target_status"] == TargetStatus.REACHED
    aim(desk, "10")
    desk.wait(1_000)
    assert desk.held() == 10


def test_what_protects_a_position_has_the_last_word(desk: WholeDesk) -> None:
    aim(desk, "30")
    desk.signal(type="ProtectPosition", symbol="AAPL", stop_loss="180.00")
    desk.signal(symbol="AAPL", side="BUY", quantity="20", price="170.00")
    aim(desk, "50")
    assert last(desk)["target_status"] == TargetStatus.WAITING
    desk.quote(17_999, 18_001)
    assert statuses(desk)[-1] == "CANCELED"
    desk.wait(60_000)
    assert desk.held() == 0


def test_an_order_that_the_journal_has_not_told_of_yet_is_asked_to_go_as_well() -> None:
    desk = ExitsDesk()
    desk.define()
    desk.fill("BUY", "10", "100.00")
    desk.protect(stop_loss="95.00")
    asked = {"signal_id": "t", "account": "alpha", "symbol": "AAPL", "target_qty": "50", "leg": 1, "legs": 1}
    desk.put("TargetSet", **asked, signal_time=0)
    desk.quote("94.00", "94.00")
    assert [type(each).__name__ for each in desk.instructions] == ["Reach", "Cancel", "Exit"]
    assert desk.instructions[1].orig_client_order_id == desk.instructions[0].client_order_id == "target-1-1-1"


def test_what_a_stop_sells_is_not_bought_again_by_a_target(desk: WholeDesk) -> None:
    aim(desk, "30")
    desk.signal(type="ProtectPosition", symbol="AAPL", stop_loss="180.00")
    aim(desk, "60", algorithm="TWAP", algorithm_parameters={"duration_ms": 600_000, "slices": 10})
    desk.wait(1_000)
    desk.quote(17_999, 18_001)
    desk.wait(900_000)
    assert desk.held() == 0


def test_a_cancel_ends_it_and_its_order(desk: WholeDesk) -> None:
    aim(desk, "30", algorithm="TWAP", algorithm_parameters={"duration_ms": 600_000, "slices": 10})
    desk.wait(60_000)
    held = desk.held()
    assert 0 < held < 30
    desk.again()
    desk.signal(type="CancelTarget", symbol="AAPL")
    assert last(desk)["target_status"] == TargetStatus.CANCELED
    desk.wait(600_000)
    assert desk.held() == held


def test_who_takes_its_order_off_takes_the_target_off(desk: WholeDesk) -> None:
    aim(desk, "30", algorithm="TWAP", algorithm_parameters={"duration_ms": 600_000, "slices": 10})
    desk.wait(60_000)
    desk.signal(type="CancelOrder", orig_client_order_id="target-0-1-1")
    assert last(desk)["target_status"] == TargetStatus.FAILED
    assert desk.positions.gauges()["targets_open"] == {"": 0}


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"symbol": "NOPE", "target": "1"}, "symbol: NOPE"),
        ({"target": "1.5"}, "target: 1.5 is not a multiple of AAPL's lot size 1"),
        ({"target": "1", "tolerance": "0.5"}, "tolerance: 0.5 is not a multiple of AAPL's lot size 1"),
        ({"target": "1", "account": "nobody"}, "account: nobody"),
        ({"target": "-1000000000000000000"}, "target: -1000000000000000000 is more than"),
    ],
)
def test_what_makes_no_sense_is_refused_whole(desk: WholeDesk, said: dict[str, Any], text: str) -> None:
    [event] = desk.signal(**({"type": "target", "symbol": "AAPL"} | said))
    assert (event["type"], event["signal"]) == ("SignalRefused", "SetTarget")
    assert event["text"].startswith(text)
    assert desk.of("TargetChanged") == []


def test_a_target_of_fractions_of_a_unit_is_reached_like_any_other(desk: WholeDesk) -> None:
    desk.quote(20_000, 20_001, symbol=2, qty=1_000_000)
    aim(desk, symbol="BTCUSDT", target="1.5")
    assert desk.held("BTCUSDT") == 150_000
    assert statuses(desk, "BTCUSDT") == ["WORKING", "REACHED"]
    assert desk.positions.gauges()["targets_open"] == {"": 0}


def test_purchases_wait_no_longer_for_a_sale_that_another_target_took_the_place_of(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, "30")
    slowly = {"algorithm": "TWAP", "algorithm_parameters": {"duration_ms": 600_000, "slices": 10}}
    aim(desk, targets=[{"symbol": "ES", "target": "10"}, {"symbol": "AAPL", "target": "5"}], **slowly)
    desk.wait(1_000)
    assert statuses(desk, "ES") == ["WAITING"]
    desk.again()
    aim(desk, "30")
    assert statuses(desk, "ES") == ["WAITING", "WORKING"]


def test_a_portfolio_that_takes_the_place_of_another_sends_nothing_for_that(desk: WholeDesk) -> None:
    desk.quote(20, 21, symbol=3)
    aim(desk, "30")
    slowly = {"algorithm": "TWAP", "algorithm_parameters": {"duration_ms": 600_000, "slices": 10}}
    aim(desk, targets=[{"symbol": "AAPL", "target": "5"}, {"symbol": "ES", "target": "10"}], **slowly)
    aim(desk, targets=[{"symbol": "AAPL", "target": "30"}, {"symbol": "ES", "target": "0"}])
    assert statuses(desk, "ES") == ["WAITING", "REPLACED", "REACHED"]


def coins(lot_size: str, money: str) -> WholeDesk:
    """Return a desk with a coin of very little worth, and an account with money."""
    coin = instrument(9, Decimal("0.00000001"), Decimal(lot_size))
    desk = WholeDesk(but(CONFIG, instruments=dict(CONFIG.instruments) | {"COIN": coin}))
    desk.quote(1, 1, symbol=9)
    control = {
        "v": 1, "who": "me", "reason": "a test", "account": "default", "type": "AdjustAccount", "control_id": "d",
        "adjustment": "DEPOSIT", "amount": money,
    }  # fmt: skip
    desk.sim.fold({b"control": orjson.dumps(control)})
    return desk


def test_a_weight_of_more_than_any_quantity_is_refused() -> None:
    desk = coins("0.00000001", "1000000")
    desk.quote(2, 4, symbol=9)
    [refused] = aim(desk, symbol="COIN", weight="1000")
    assert (refused["type"], refused["reason"]) == ("SignalRefused", "size_unknown")
    assert refused["text"].startswith("weight: 1000 of the equity of default is a quantity of COIN that must be")
    assert desk.of("TargetChanged") == []


@pytest.mark.parametrize(
    ("said", "reason", "text"),
    [
        ({"algorithm": "NOPE"}, "unknown_algorithm", "algorithm: NOPE must be one of"),
        ({"algorithm": "TWAP"}, "bad_parameters", "algorithm_parameters: TWAP: end_time: it needs an end"),
        ({"algorithm": "TWAP", "algorithm_parameters": {"slices": -1, "duration_ms": 1_000}}, "bad_parameters", "alg"),
    ],
)
def test_an_algorithm_that_could_not_work_it_is_refused_at_once(
    desk: WholeDesk, said: dict[str, Any], reason: str, text: str
) -> None:
    [refused] = aim(desk, "30", **said)
    assert (refused["type"], refused["signal"], refused["reason"]) == ("SignalRefused", "SetTarget", reason)
    assert refused["text"].startswith(text)
    assert desk.of("TargetChanged") == []
