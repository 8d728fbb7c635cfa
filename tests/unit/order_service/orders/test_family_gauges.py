"""How many orders are worked, how many brackets and lists live: counted while they do, and no longer."""

from __future__ import annotations

from typing import Any

from tests.support.family_desk import FamilyDesk

ORDER: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "10", "price": "184.00", "time_in_force": "GTC"}


def counted(desk: FamilyDesk, name: str) -> dict[str, int]:
    return {key: count for key, count in desk.desk.stage.gauges()[name].items() if count}


def test_orders_that_are_worked_are_counted_by_how_they_stand_until_they_are_done() -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    for name in ("a", "b"):
        desk.signal(client_order_id=name, algorithm="ICEBERG", algorithm_parameters={"display_quantity": 2}, **ORDER)
    assert counted(desk, "worked_orders") == {"running": 2}
    desk.signal("PauseOrder", orig_client_order_id="a")
    assert counted(desk, "worked_orders") == {"running": 1, "paused": 1}
    desk.desk.restarted()
    assert counted(desk, "worked_orders") == {"running": 1, "paused": 1}
    for name in ("a", "b"):
        desk.signal("CancelOrder", orig_client_order_id=name)
    assert counted(desk, "worked_orders") == {}
    assert desk.desk.stage.gauges()["worked_orders"]["running"] == 0, "shown where there is none"


def test_a_bracket_lives_until_nothing_is_left_to_protect() -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.signal(client_order_id="entry", stop_loss="183", take_profit="190", **{**ORDER, "price": "185.00"})
    assert counted(desk, "live_brackets") == {"": 1}
    desk.quote(19_000, 19_010)
    assert desk.held() == 0
    assert counted(desk, "live_brackets") == {}


def test_lists_are_counted_by_what_their_orders_are_to_one_another() -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    stop = {"symbol": "AAPL", "side": "BUY", "quantity": "10", "order_type": "STOP", "stop_price": "186"}
    desk.signal("NewOrderList", list_id="one", contingency_type="ONE_CANCELS_OTHER", orders=[ORDER, stop])
    desk.signal("NewOrderList", list_id="basket", orders=[ORDER])
    assert counted(desk, "live_order_lists") == {"ONE_CANCELS_OTHER": 1, "NONE": 1}
    desk.signal("CancelOrderList", list_id="one")
    assert counted(desk, "live_order_lists") == {"NONE": 1}
