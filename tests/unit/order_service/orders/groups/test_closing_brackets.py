"""A position that brackets protect is closed by hand: exits give way first, and never more is sold than is held."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.libs.common.messages.simulation import SimulationConfig
from tests.support.family_desk import FamilyDesk


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    entry = {"symbol": "AAPL", "side": "BUY", "price": "185.00", "stop_loss": "184.00", "take_profit": "187.00"}
    desk.signal(client_order_id="e", quantity="60", **entry)
    desk.signal(client_order_id="f", quantity="40", **entry)
    return desk


def close(desk: FamilyDesk, **fields: Any) -> list[dict[str, Any]]:
    return desk.signal("ClosePosition", **{"client_order_id": "c", "symbol": "AAPL", **fields})


def test_all_of_it_is_closed_once_the_exits_are_off(desk: FamilyDesk) -> None:
    told = [(each["type"], each.get("client_order_id")) for each in close(desk)]
    assert told.index(("OrderCanceled", "e.2")) < told.index(("OrderReceived", "c"))
    assert (desk.held(), desk.working()) == (0, {})
    desk.after(10_000)
    assert desk.working() == {}
    desk.check()


def test_a_part_of_it_comes_out_of_the_oldest_bracket(desk: FamilyDesk) -> None:
    close(desk, quantity="30")
    assert desk.held() == 70
    working = {name: lots for name, (_, lots) in desk.working().items()}
    assert working == {"e.1": 30, "e.2": 30, "f.1": 40, "f.2": 40}
    desk.check()


def test_what_no_bracket_protects_is_closed_as_well(desk: FamilyDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="500")
    close(desk)
    assert (desk.held(), desk.working()) == (0, {})
    desk.check()


def test_more_than_no_bracket_protects_comes_out_of_the_oldest_one(desk: FamilyDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="500")
    close(desk, quantity="520")
    assert desk.held() == 80
    assert {name: lots for name, (_, lots) in desk.working().items()} == {"e.1": 40, "e.2": 40, "f.1": 40, "f.2": 40}
    desk.check()


def test_what_another_order_closes_already_is_left_to_it(desk: FamilyDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="500")
    desk.signal(symbol="AAPL", side="SELL", quantity="70", price="186.00", client_order_id="rests")
    close(desk)
    assert (desk.held(), desk.working()) == (70, {"rests": ("New", 70)})
    desk.check()


def test_exits_that_gave_way_to_a_limit_give_way_once(desk: FamilyDesk) -> None:
    desk.signal(symbol="AAPL", side="BUY", quantity="500")
    close(desk, quantity="550", order_type="LIMIT", price="186.00")
    assert desk.working()["c"] == ("New", 550)
    desk.desk.restarted()
    desk.signal("ClosePosition", client_order_id="d", symbol="AAPL")
    assert (desk.held(), desk.working()) == (550, {"c": ("New", 550)})
    desk.check()


def test_a_target_that_trades_while_it_gives_way_leaves_less_to_close(desk: FamilyDesk) -> None:
    sent = len(desk.desk.commands)
    wish = {"type": "ClosePosition", "symbol": "AAPL", "client_order_id": "c", "signal_id": "c", "account": "default"}
    assert desk.asked(wish) == []
    assert desk.state.find_client("default", "c") is None, "it comes once the exits have given way"
    desk.desk.restarted()
    desk.desk.fold(desk.traded(desk.order("e.2"), 60))
    desk.deliver(desk.desk.commands[sent:])
    assert (desk.held(), desk.working()) == (0, {})
    assert desk.order("c").cum == 40


def test_the_same_again_while_it_waits_is_refused(desk: FamilyDesk) -> None:
    wish = {"type": "ClosePosition", "symbol": "AAPL", "client_order_id": "c", "account": "default"}
    desk.asked({**wish, "signal_id": "c1"})
    [refused] = desk.asked({**wish, "signal_id": "c2"})
    assert (refused["type"], refused["reason"]) == ("SignalRefused", "duplicate_signal")


def test_a_limit_order_that_closes_leaves_the_exits_what_is_beside_it(desk: FamilyDesk) -> None:
    close(desk, quantity="50", price="186.00")
    working = {name: lots for name, (_, lots) in desk.working().items()}
    assert working == {"e.1": 10, "e.2": 10, "f.1": 40, "f.2": 40, "c": 50}
    desk.signal("CancelOrder", orig_client_order_id="c")
    working = {name: lots for name, (_, lots) in desk.working().items()}
    assert working == {"e.1": 60, "e.2": 60, "f.1": 40, "f.2": 40}, "what it was to close is protected anew"
    desk.desk.restarted()
    desk.check()


def protected(desk: FamilyDesk) -> dict[str, int]:
    return {name: lots for name, (_, lots) in desk.working().items()}


def test_what_is_promised_to_one_order_is_no_other_ones_to_close(desk: FamilyDesk) -> None:
    sent = len(desk.desk.commands)
    wish = {"type": "ClosePosition", "symbol": "AAPL", "account": "default"}
    desk.asked({**wish, "client_order_id": "c", "signal_id": "c"})
    [refused] = desk.asked({**wish, "client_order_id": "d", "signal_id": "d"})
    assert (refused["type"], refused["signal_id"]) == ("SignalRefused", "d")
    desk.desk.fold(desk.traded(desk.order("e.2"), 60))  # more is promised than is held
    [refused] = desk.asked({**wish, "client_order_id": "e9", "signal_id": "e9"})
    assert (refused["type"], refused["reason"]) == ("SignalRefused", "nothing_to_reduce")
    desk.deliver(desk.desk.commands[sent:])
    assert (desk.held(), desk.working()) == (0, {})


def test_an_order_that_closes_waits_for_its_own_exits_and_for_no_others(desk: FamilyDesk) -> None:
    elsewhere = desk.signal_unheard("ReplaceOrder", orig_client_order_id="f", take_profit="187.50")
    desk.deliver(desk.signal_unheard("ClosePosition", client_order_id="c", symbol="AAPL", quantity="30"))
    assert (desk.held(), desk.order("c").status) == (70, "Filled")
    desk.deliver(elsewhere)
    assert protected(desk) == {"e.1": 30, "e.2": 30, "f.1": 40, "f.2": 40}
    desk.check()


def test_what_is_protected_stays_so_where_the_order_that_closes_is_refused(desk: FamilyDesk) -> None:
    commands = desk.signal_unheard("ClosePosition", client_order_id="c", symbol="AAPL")
    desk.control("Halt", cancel=False)
    told = desk.deliver(commands)
    assert [each["client_order_id"] for each in told if each["type"] == "OrderRejected"] == ["c"]
    desk.control("Resume")
    desk.after(60_000)
    assert (desk.held(), protected(desk)) == (100, {"e.3": 60, "e.4": 60, "f.3": 40, "f.4": 40})
    desk.check()


def test_what_an_order_that_closes_has_traded_is_counted_once(desk: FamilyDesk) -> None:
    close(desk, quantity="50", price="186.00")
    desk.quote(18_600, 18_610, lots=10)
    assert (desk.held(), protected(desk)) == (90, {"e.1": 10, "e.2": 10, "f.1": 40, "f.2": 40, "c": 40})
    for lots in (5, 5):
        desk.desk.restarted()
        desk.quote(18_590, 18_610)
        desk.quote(18_600, 18_610, lots=lots)
    assert (desk.held(), protected(desk)) == (80, {"e.1": 10, "e.2": 10, "f.1": 40, "f.2": 40, "c": 30})
    desk.signal("CancelOrder", orig_client_order_id="c")
    assert protected(desk) == {"e.1": 40, "e.2": 40, "f.1": 40, "f.2": 40}
    desk.check()


def test_all_that_a_limit_was_to_close_is_protected_anew_where_it_is_canceled(desk: FamilyDesk) -> None:
    told = close(desk, price="186.00")
    assert protected(desk) == {"c": 100}
    assert "OrderListReported" not in {each["type"] for each in told}, "they are not over"
    desk.quote(18_600, 18_610, lots=70)
    desk.quote(18_590, 18_610)
    desk.desk.restarted()
    desk.signal("CancelOrder", orig_client_order_id="c")
    assert (desk.held(), protected(desk)) == (30, {"f.3": 30, "f.4": 30})
    close(desk, client_order_id="d")
    assert (desk.held(), desk.working(), desk.state.families.covering) == (0, {}, {})
    desk.check()


def test_a_bracket_with_nothing_left_is_over_though_others_lots_are_promised(desk: FamilyDesk) -> None:
    close(desk, quantity="40", price="187.50")
    told = desk.quote(18_700, 18_710)
    done = {each["list_id"] for each in told if each.get("list_order_status") == "ALL_DONE"}
    assert (done, desk.held(), protected(desk)) == ({"f"}, 40, {"c": 40})
    desk.quote(18_690, 18_710)
    desk.signal("CancelOrder", orig_client_order_id="c")
    assert protected(desk) == {"e.3": 40, "e.4": 40}


def test_of_two_orders_that_close_the_one_that_is_canceled_leaves_protection(desk: FamilyDesk) -> None:
    close(desk, quantity="60", price="187.50")
    close(desk, client_order_id="d")
    assert (desk.held(), protected(desk)) == (60, {"c": 60})
    desk.desk.restarted()
    desk.signal("CancelOrder", orig_client_order_id="c")
    stops = sum(lots for name, (status, lots) in desk.working().items() if status == "Suspended")
    assert (desk.held(), stops) == (60, 60)
    desk.check()


def test_a_bracket_whose_exit_waits_for_its_venue_outlasts_what_closes_another(desk: FamilyDesk) -> None:
    desk.signal(client_order_id="g", symbol="AAPL", side="BUY", quantity="20", price="184.50", take_profit="188.00")
    desk.simulate(SimulationConfig(reject_rate=Decimal(1), seed=1))
    desk.quote(18_440, 18_450)
    assert "g" not in protected(desk)
    assert desk.held() == 120
    desk.simulate(SimulationConfig())
    close(desk, quantity="30")
    assert (desk.held(), desk.order("c").status) == (90, "Filled")
    desk.after(60_000)
    assert protected(desk) == {"e.1": 30, "e.2": 30, "f.1": 40, "f.2": 40, "g.2": 20}
    desk.check()


def test_a_bracket_whose_entry_still_works_is_not_over_when_all_of_it_is_closed(desk: FamilyDesk) -> None:
    desk.signal(client_order_id="g", symbol="AAPL", side="BUY", quantity="20", price="184.50", stop_loss="183.00")
    desk.quote(18_440, 18_450, lots=5)
    assert (desk.held(), protected(desk)["g"]) == (105, 15)
    desk.quote(18_455, 18_460)
    told = close(desk)
    done = {each["list_id"] for each in told if each.get("list_order_status") == "ALL_DONE"}
    assert (done, desk.held(), protected(desk)) == ({"e", "f"}, 0, {"g": 15})
    desk.quote(18_430, 18_450)
    assert (desk.held(), protected(desk)) == (15, {"g.2": 15})
    desk.check()
