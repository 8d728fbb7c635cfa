"""Orders that wait for a person's yes: held, amended down, let go, refused, or canceled in time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import CommandType
from tests.support.orders import CONFIG, OrdersDesk, control, new_order
from tests.support.terms import but

D = Decimal


def desk_of(**terms: Any) -> OrdersDesk:
    config = but(CONFIG, accounts={**CONFIG.accounts, "default": but(CONFIG.accounts["default"], **terms)})
    desk = OrdersDesk(config)
    desk.quote(18490, 18500)
    return desk


@pytest.fixture
def desk() -> OrdersDesk:
    return desk_of(requires_approval=True)


def said(desk: OrdersDesk, kind: str, order_id: str = "1", **fields: Any) -> list[dict[str, Any]]:
    document = control(kind, order_id=order_id, **fields)
    del document["account"]
    return desk.fold({b"control": orjson.dumps(document)})


def waits(desk: OrdersDesk, **fields: Any) -> dict[str, Any]:
    received, suspended = desk.fold({b"data": orjson.dumps(new_order(**fields))})
    assert (received["type"], suspended["type"], suspended["ord_status"]) == (
        "OrderReceived", "OrderSuspended", "Suspended",
    )  # fmt: skip
    assert suspended["approval_time"] == desk.ms + 300_000
    assert desk.commands == []
    return suspended


@pytest.mark.parametrize("fields", [{"price": "185.00"}, {}, {"price": "185.00", "time_in_force": "IOC"}])
def test_an_order_waits_and_goes_as_it_is_once_it_is_approved(desk: OrdersDesk, fields: dict[str, str]) -> None:
    waits(desk, **fields)
    assert desk.restarted() is None
    applied, triggered = said(desk, "Approve")
    assert (applied["type"], applied["text"]) == ("ControlApplied", "order 1 of account default was approved")
    assert (triggered["type"], triggered["ord_status"]) == ("OrderTriggered", "New")
    [command] = desk.commands
    assert (command.type, command.qty, command.price) == (CommandType.NEW, 100, 18500 if "price" in fields else 18685)
    assert desk.accept()["ord_status"] == "New"
    assert {timer["what"] for timer in desk.stage._state.timers.dump()} <= {"quotes"}


def test_a_market_orders_bound_is_of_the_market_when_it_goes(desk: OrdersDesk) -> None:
    waits(desk)
    desk.quote(18990, 19000)
    desk.tick()
    said(desk, "Approve")
    assert desk.commands[0].price == 19190


def test_an_approval_may_make_the_order_smaller_and_its_price_less_aggressive(desk: OrdersDesk) -> None:
    waits(desk, price="185.00")
    applied, replaced, triggered = said(desk, "Approve", quantity="40", price="184.50")
    assert applied["text"].endswith("was approved, amended to 40 at 184.50")
    assert (replaced["type"], replaced["quantity"], replaced["price"]) == ("OrderReplaced", "40", "184.50")
    assert triggered["leaves_qty"] == "40"
    assert (desk.commands[0].qty, desk.commands[0].price) == (40, 18450)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quantity": "101"}, "quantity: 101 must be lots of 1, at most 100"),
        ({"quantity": "0.5"}, "quantity: 0.5 must be lots of 1, at most 100"),
        ({"price": "185.01"}, "price: 185.01 must be ticks of 0.01, at most 185.00"),
        ({"price": "184.995"}, "price: 184.995 must be ticks of 0.01, at most 185.00"),
    ],
)
def test_an_approval_asks_for_no_more_than_was_asked_for(
    desk: OrdersDesk, fields: dict[str, str], sentence: str
) -> None:
    waits(desk, price="185.00")
    [refused] = said(desk, "Approve", **fields)
    assert (refused["type"], refused["refusal"], refused["text"]) == ("ControlRejected", "not_smaller", sentence)
    assert kinds(said(desk, "Approve", control_id="c2")) == ["ControlApplied", "OrderTriggered"]


def test_a_sells_price_may_only_rise_and_a_market_order_has_none(desk: OrdersDesk) -> None:
    waits(desk, side="SELL", price="185.00")
    [refused] = said(desk, "Approve", price="184.99")
    assert refused["text"] == "price: 184.99 must be ticks of 0.01, at least 185.00"
    said(desk, "Approve", control_id="c2", price="186.00")
    assert desk.commands[0].price == 18600
    desk.fold({b"data": orjson.dumps(new_order(signal_id="m"))})
    [refused] = said(desk, "Approve", order_id="2", control_id="c3", price="184.99")
    assert refused["text"] == "price: a MARKET order has none"


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_an_order_is_refused_by_name_and_the_same_control_again_changes_nothing(desk: OrdersDesk) -> None:
    waits(desk, price="185.00")
    applied, canceled = said(desk, "Refuse")
    assert applied["text"] == "order 1 of account default was refused"
    assert (canceled["type"], canceled["reason"]) == ("OrderCanceled", "not_approved")
    assert canceled["text"] == "refused by desk.head: earnings tonight"
    assert kinds(said(desk, "Refuse")) == ["ControlReported"]
    [late] = said(desk, "Approve", control_id="c2")
    assert (late["refusal"], late["text"]) == ("not_waiting", "order_id: no order 1 waits here for an approval")
    assert desk.commands == []


def test_an_order_that_nobody_looks_at_is_canceled_in_time(desk: OrdersDesk) -> None:
    waits(desk, price="185.00")
    desk.ms += 299_999
    desk.fold({b"tick": b"1"})
    assert desk.events[-1]["type"] != "OrderCanceled"
    desk.ms += 1
    [canceled] = desk.fold({b"tick": b"1"})
    assert (canceled["reason"], canceled["due_time"]) == ("approval_timeout", desk.ms)
    assert canceled["text"] == "approval_timeout_ms: nobody approved or refused order 1 by 2023-12-09T12:05:00Z"
    assert said(desk, "Approve")[0]["refusal"] == "not_waiting"


def test_only_orders_above_a_value_wait_where_that_is_the_term() -> None:
    desk = desk_of(approval_above=D(1850))
    assert desk.new(price="185.00", quantity="10", signal_id="a")["type"] == "OrderReceived"
    assert len(desk.commands) == 1
    assert kinds(desk.fold({b"data": orjson.dumps(new_order(price="185.00", quantity="11", signal_id="b"))})) == [
        "OrderReceived", "OrderSuspended",
    ]  # fmt: skip
    refused = desk.replace(order_id="1", quantity="11")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "needs_approval")
    assert desk.replace(order_id="1", quantity="9")["type"] == "OrderReplaceRequested"


def test_its_client_may_cancel_or_amend_it_while_it_waits(desk: OrdersDesk) -> None:
    waits(desk, price="185.00")
    document = {
        "type": "ReplaceOrder", "v": 1, "signal_id": "r", "account": "default", "order_id": "1",
        "orig_client_order_id": None, "quantity": "200", "price": None, "signal_time": 1,
    }  # fmt: skip
    assert kinds(desk.fold({b"data": orjson.dumps(document)})) == ["OrderReplaceRequested", "OrderReplaced"]
    assert desk.commands == [], "and it waits on"
    cancel = {**document, "type": "CancelOrder", "signal_id": "c"}
    del cancel["quantity"], cancel["price"]
    assert kinds(desk.fold({b"data": orjson.dumps(cancel)})) == ["OrderCancelRequested", "OrderCanceled"]


def test_an_approved_order_waits_for_its_price_and_its_time_as_others_do(desk: OrdersDesk) -> None:
    touched = {"order_type": "MARKET_IF_TOUCHED", "special": {"stop_price": "180.00", "trigger_price_type": "MID"}}
    waits(desk, **touched)
    assert kinds(said(desk, "Approve")) == ["ControlApplied"]
    assert desk.stage._state.triggers
    later = {"price": "185.00", "signal_id": "t", "special": {"effective_after_ms": 600_000}}
    desk.fold({b"data": orjson.dumps(new_order(**later))})
    applied, suspended = said(desk, "Approve", order_id="2", control_id="c2")
    assert (applied["type"], suspended["type"]) == ("ControlApplied", "OrderSuspended")
    assert suspended["effective_time"] > desk.ms


def test_nothing_is_let_go_while_the_account_is_halted(desk: OrdersDesk) -> None:
    waits(desk, price="185.00")
    desk.control("Halt", control_id="h", cancel=False)
    [refused] = said(desk, "Approve")
    assert (refused["type"], refused["refusal"]) == ("ControlRejected", "halted")
    desk.control("Halt", control_id="h2")
    assert desk.events[-1]["reason"] == "mass_cancel"


def test_an_order_that_does_not_wait_is_none_to_approve(desk: OrdersDesk) -> None:
    for order_id in ("1", "77"):
        assert said(desk, "Approve", order_id=order_id, control_id=order_id)[0]["refusal"] == "not_waiting"


# --------------------------------------------------------------------------------------------------- of some strategies


def test_only_the_orders_of_named_strategies_wait() -> None:
    desk = desk_of(approval_strategies=["carry", "momentum"])
    assert desk.new(signal_id="a", price="185.00", quantity="1", strategy="other")["type"] == "OrderReceived"
    assert desk.new(signal_id="b", price="185.00", quantity="1")["type"] == "OrderReceived"
    assert len(desk.commands) == 2
    asked = new_order(signal_id="c", price="185.00", quantity="1", strategy="momentum")
    told = desk.fold({b"data": orjson.dumps(asked)})
    assert [each["type"] for each in told] == ["OrderReceived", "OrderSuspended"]
    assert len(desk.commands) == 2
    said(desk, "Approve", "3")
    assert len(desk.commands) == 3
    refused = desk.replace(order_id="3", quantity="2")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "needs_approval")
    assert desk.replace(signal_id="r2", order_id="1", quantity="2")["type"] == "OrderReplaceRequested"


def test_strategies_and_a_value_are_two_reasons_to_wait_and_an_operator_may_change_them() -> None:
    desk = desk_of(approval_above=D(500))
    desk.set_limits(approval_strategies="momentum")
    changed = desk.events[-1]
    assert (changed["type"], changed["approval_strategies"]) == ("AccountDefined", ["momentum"])
    for signal_id, fields in (("a", {"strategy": "momentum", "quantity": "1"}), ("b", {"quantity": "3"})):
        told = desk.fold({b"data": orjson.dumps(new_order(signal_id=signal_id, price="185.00", **fields))})
        assert told[-1]["type"] == "OrderSuspended"
    assert desk.new(signal_id="c", price="185.00", quantity="1")["type"] == "OrderReceived"
