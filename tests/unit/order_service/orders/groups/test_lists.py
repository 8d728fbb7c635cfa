"""Lists of orders: all of them or none, and of those that depend on each other only what may trade does."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.retiring import sweep
from tests.support.family_desk import FamilyDesk

BUY: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "60", "time_in_force": "GTC"}
HOUR_MS = 3_600_000


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


def send(desk: FamilyDesk, contingency: str, *orders: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Send a list; its orders are called a, b, c … where they have no name."""
    named = [{"client_order_id": name, **order} for name, order in zip("abcdefgh", orders, strict=False)]
    fields = {"list_id": "l", "contingency_type": contingency, "all": True, **more}
    return desk.signal("NewOrderList", orders=named, **fields)


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(each["type"], each.get("client_order_id")) for each in events]


# ------------------------------------------------------------------------------------------------------- remembering


def test_a_list_is_known_until_its_last_order_has_left_though_children_of_one_have(desk: FamilyDesk) -> None:
    worked = BUY | {"price": "185.00", "algorithm": "ICEBERG", "algorithm_parameters": {"display_quantity": "5"}}
    send(desk, "NONE", worked, BUY | {"price": "180.00"})
    desk.desk.ms += 2 * HOUR_MS
    sweep(desk.state, desk.desk.ms)
    assert desk.working() == {"b": ("New", 60)}
    assert isinstance(desk.state.find_client("default", "a.1"), Remembered)
    desk.signal("CancelOrderList", list_id="l")
    assert desk.working() == {}
