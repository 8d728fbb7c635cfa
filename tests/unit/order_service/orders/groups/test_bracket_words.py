"""What a bracket was told to do, and what it says of itself."""

from __future__ import annotations

from typing import Any

from tests.support.family_desk import FamilyDesk

ENTRY: dict[str, Any] = {
    "symbol": "AAPL", "side": "BUY", "quantity": "90", "price": "540.00", "time_in_force": "GTC", "stop_loss": "535.00",
    "take_profits": "545.00:1,550.00:2", "client_order_id": "e",
}  # fmt: skip


def test_a_stop_breaks_even_once_the_last_trade_is_beyond_it_though_the_target_filled_before() -> None:
    desk = FamilyDesk()
    desk.quote(53_999, 54_000)
    desk.print(54_000)
    desk.signal(break_even="AFTER_TARGET", **ENTRY)
    desk.quote(54_500, 54_502)  # the target trades with the house; nothing was printed meanwhile
    desk.print(54_501)
    desk.after(1_000)
    [bracket] = desk.state.families.brackets.values()
    assert bracket.stop == 54_000


def test_a_bracket_that_was_canceled_says_that_its_position_is_not_protected() -> None:
    desk = FamilyDesk()
    desk.quote(53_999, 54_000)
    desk.signal(**ENTRY)
    told = desk.signal("CancelOrderList", list_id="e")
    last = [each for each in told if each["type"] == "OrderListReported"][-1]
    assert desk.held() == 90
    assert last["list_order_status"] == "ALL_DONE"
    assert last["protected_qty"] == "0"
    assert last["text"] != "nothing is left to protect"
