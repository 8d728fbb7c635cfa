"""What a client says of orders that make orders, and what it makes of the answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillstream.client import Outcome
from fillstream.families import FamilySignals, flat, signal_fields
from fillstream.libs.common.messages.signals import SIGNALS


class Published(FamilySignals):
    """A client that keeps what it would send, and has it judged."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        said = {name: flat(value, name) for name, value in more.items() if value is not None}
        SIGNALS[kind].model_validate({"type": kind, "account": account, **said})
        self.sent.append({"type": kind, "account": account, **said})
        return signal_id or "s"


@pytest.fixture
def desk() -> Published:
    return Published()


def test_one_target_is_a_field_of_its_own_and_several_are_a_list(desk: Published) -> None:
    desk.bracket("AAPL", "BUY", 10, price="185", stop_loss=Decimal("182.5"), take_profit="190")
    desk.bracket("AAPL", "BUY", 10, trailing_stop=2, take_profit=["190", "192:2", {"price": Decimal(195), "weight": 3}])
    one, several = desk.sent
    assert (one["take_profit"], one["stop_loss"]) == ("190", Decimal("182.5"))
    assert "take_profits" not in one
    assert "take_profit" not in several
    assert several["take_profits"] == '["190","192:2",{"price":"195","weight":3}]'


def test_a_list_says_of_each_order_what_is_said_and_no_more(desk: Published) -> None:
    orders = [{"symbol": "AAPL", "side": "BUY", "quantity": Decimal("1.5"), "price": None}] * 2
    desk.order_list(orders, contingency_type="NONE", all_of_them=True, list_id="l", account="demo")
    [sent] = desk.sent
    assert sent == {
        "type": "NewOrderList", "account": "demo", "list_id": "l", "contingency_type": "NONE", "all": True,
        "orders": '[{"symbol":"AAPL","side":"BUY","quantity":"1.5"},{"symbol":"AAPL","side":"BUY","quantity":"1.5"}]',
    }  # fmt: skip


def test_requests_name_their_order_one_way_or_the_other(desk: Published) -> None:
    desk.pause(42)
    desk.resume(client_order_id="mine", account="demo")
    desk.cancel_list("l")
    assert desk.sent == [
        {"type": "PauseOrder", "account": "default", "order_id": "42"},
        {"type": "ResumeOrder", "account": "demo", "orig_client_order_id": "mine"},
        {"type": "CancelOrderList", "account": "default", "list_id": "l"},
    ]


def test_a_float_is_refused_however_deep_it_is(desk: Published) -> None:
    with pytest.raises(ValueError, match=r"^algorithm_parameters\.profile\.1: 0\.5 is a float; write the decimal"):
        desk.algo("VWAP", "AAPL", "BUY", 10, parameters={"profile": [1, 0.5], "duration_ms": 1})
    with pytest.raises(ValueError, match=r"^orders\.0\.price: 1\.5 is a float"):
        desk.order_list([{"symbol": "AAPL", "side": "BUY", "quantity": 1, "price": 1.5}])
    assert desk.sent == []


def test_a_list_that_no_signal_takes_is_refused_with_both_sizes(desk: Published) -> None:
    order = {"symbol": "AAPL", "side": "BUY", "quantity": 1, "client_order_id": "x" * 128}
    with pytest.raises(ValueError, match=r"orders: are \d+ bytes as JSON, a list has at most \d+"):
        desk.order_list([order] * 500)
    assert desk.sent == []


def event(kind: str, **said: Any) -> dict[str, Any]:
    return {"type": kind, **said}


def test_what_a_child_does_is_told_and_is_not_what_became_of_its_parent() -> None:
    outcome = Outcome("s")
    outcome.add(event("OrderReceived", order_id="1", ord_status="PendingNew"))
    outcome.add(event("OrderProgressed", order_id="1", ord_status="New"))
    outcome.add(event("OrderCanceled", order_id="2", parent_id="1", ord_status="Canceled", reason="ioc_remainder"))
    assert (outcome.order_id, outcome.ord_status, outcome.reason, outcome.final) == ("1", "New", None, False)
    assert len(outcome.events) == 3


@pytest.mark.parametrize(
    ("status", "refused", "final"),
    [("EXECUTING", False, False), ("CANCELING", False, False), ("ALL_DONE", False, True), ("REJECT", True, True)],
)
def test_of_a_list_its_own_status_counts(status: str, refused: bool, final: bool) -> None:
    outcome = Outcome("s")
    outcome.add(event("OrderRejected", order_id="1", ord_status="Rejected", reason="price_collar"))
    outcome.add(event("OrderListReported", list_id="l", list_order_status=status, text="as told"))
    assert (outcome.list_id, outcome.refused, outcome.final, outcome.text) == ("l", refused, final, "as told")
    assert outcome.working is (status == "EXECUTING")


def test_of_a_refused_list_the_reason_is_that_of_the_order_in_the_way() -> None:
    outcome = Outcome("s")
    outcome.add(event("OrderRejected", order_id="1", reason="price_collar", text="price: is too far"))
    outcome.add(event("OrderRejected", order_id="2", reason="list_rejected", text="orders: number 1 was refused"))
    outcome.add(event("OrderListReported", list_id="l", list_order_status="REJECT", text="number 1 was refused"))
    assert (outcome.refused, outcome.reason, outcome.text) == (True, "price_collar", "number 1 was refused")


def test_of_a_list_that_goes_on_what_becomes_of_its_orders_is_no_reason() -> None:
    outcome = Outcome("s")
    outcome.add(event("OrderRejected", order_id="1", reason="price_collar", text="price: is too far"))
    outcome.add(event("OrderListReported", list_id="l", list_order_status="EXECUTING", text="1 of its 2 were taken"))
    outcome.add(event("OrderCanceled", order_id="2", reason="requested", text="canceled as requested"))
    assert (outcome.refused, outcome.reason, outcome.text) == (False, None, "1 of its 2 were taken")


@pytest.mark.parametrize("value", [2**70, "\ud800", {1: 2}])
def test_what_no_json_can_say_is_refused_by_the_name_of_its_field(desk: Published, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^algorithm_parameters: cannot be written as JSON: "):
        desk.algo("POV", "AAPL", "BUY", 10, parameters={"rate": value})
    assert desk.sent == []


def test_what_was_said_before_is_checked_by_its_ids_alone() -> None:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": Decimal("5"), "price": None}
    first = signal_fields("NewOrder", "default", "one", said)
    assert signal_fields("NewOrder", "demo", "two", said) == first | {"signal_id": "two", "account": "demo"}
    for account, signal_id, field in (
        ("de mo", "three", "account"),
        ("demo", "th ree", "signal_id"),
        ("demo\n", "x", "account"),
    ):
        with pytest.raises(ValueError, match=field):
            signal_fields("NewOrder", account, signal_id, said)
    with pytest.raises(ValueError, match="side"):
        signal_fields("ClosePosition", "default", "four", said)
