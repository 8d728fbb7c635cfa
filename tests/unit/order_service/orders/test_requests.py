"""Cancels, amendments and status requests, and the snapshot that keeps them. Every event meets its contract."""

from __future__ import annotations

import orjson
import pytest

from fillstream.libs.common.engine.frames import CommandType, Reason, ReportType
from fillstream.libs.common.messages.signals import SIGNALS
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Outputs
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, D, OrdersDesk, request
from tests.support.terms import account, but


@pytest.fixture
def desk() -> OrdersDesk:
    made = OrdersDesk()
    made.quote(18490, 18500)
    return made


# -------------------------------------------------------------------------------------------------- cancels, amendments


def test_a_cancel_is_requested_and_routed(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    event = desk.cancel(order_id="1", signal_id="r1")
    assert (event["type"], event["ord_status"], event["signal_id"]) == ("OrderCancelRequested", "PendingCancel", "r1")
    command = desk.commands[-1]
    assert (command.type, command.order_id, command.account, command.symbol) == (CommandType.CANCEL, 1, 1, 1)
    assert desk.canceled()["ord_status"] == "Canceled"


def test_an_order_is_named_by_its_client_order_id_too(desk: OrdersDesk) -> None:
    desk.new(price="185.00", client_order_id="mine")
    assert desk.cancel(orig_client_order_id="mine")["order_id"] == "1"


def test_a_cancel_of_an_unknown_or_anothers_order_tells_nothing_of_it(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    for fields in (
        {"order_id": "2"},
        {"order_id": "9999999999999999999"},
        {"order_id": "1", "account": "other"},
        {"orig_client_order_id": "s1", "account": "other"},
    ):
        event = desk.cancel(**fields)
        assert (event["type"], event["reason"]) == ("OrderCancelRejected", "unknown_order")
        assert (event["order_id"], event["client_order_id"], event["ord_status"]) == (None, None, None)
    assert len(desk.commands) == 1


def test_a_cancel_of_a_finished_order_is_too_late(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.fill(100)
    event = desk.cancel(order_id="1")
    assert (event["reason"], event["ord_status"], event["order_id"]) == ("too_late", "Filled", "1")
    assert event["text"] == "order_id: order 1 is Filled already"


def test_a_second_cancel_finds_the_first_pending(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.cancel(order_id="1")
    event = desk.cancel(order_id="1", signal_id="r2")
    assert (event["reason"], event["ord_status"], event["signal_id"]) == ("already_pending", "PendingCancel", "r2")


def test_a_full_fill_before_the_cancel_reached_the_venue(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.cancel(order_id="1", signal_id="r1")
    assert desk.fill(100)["ord_status"] == "Filled"
    event = desk.report(ReportType.CANCEL_REJECTED, reason=Reason.UNKNOWN_ORDER, side=0)
    assert (event["type"], event["reason"], event["ord_status"]) == ("OrderCancelRejected", "too_late", "Filled")
    assert event["signal_id"] == "r1"


def test_a_venue_may_refuse_to_cancel_a_working_order(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    desk.cancel(order_id="1")
    event = desk.report(ReportType.CANCEL_REJECTED, reason=Reason.NOT_OWNER, side=0)
    assert (event["reason"], event["ord_status"]) == ("venue_other", "New")


def test_an_amendment_is_requested_routed_and_taken(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.accept()
    desk.fill(40)
    event = desk.replace(order_id="1", quantity="150", price="184.50")
    assert (event["type"], event["ord_status"]) == ("OrderReplaceRequested", "PendingReplace")
    assert (event["quantity"], event["new_quantity"], event["new_price"]) == ("100", "150", "184.50")
    command = desk.commands[-1]
    assert (command.type, command.order_id, command.price, command.qty) == (CommandType.REPLACE, 1, 18450, 150)
    taken = desk.report(ReportType.REPLACED, price=18450, qty=150, leaves=110)
    assert (taken["type"], taken["quantity"], taken["price"]) == ("OrderReplaced", "150", "184.50")
    assert (taken["ord_status"], taken["leaves_qty"]) == ("PartiallyFilled", "110")


def test_what_an_amendment_leaves_out_stays(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    event = desk.replace(order_id="1", quantity="50")
    assert (event["new_quantity"], event["new_price"]) == ("50", "185.00")
    desk.report(ReportType.REPLACE_REJECTED, reason=Reason.CAPACITY, side=0)
    event = desk.replace(order_id="1", price="184.00", signal_id="r2")
    assert (event["new_quantity"], event["new_price"]) == ("100", "184.00")


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"quantity": "39"}, "below_filled", "quantity: 39 is below the 40 of order 1 filled already"),
        ({"quantity": "50.5"}, "off_lot", "quantity: 50.5"),
        ({"price": "185.005"}, "off_tick", "price: 185.005"),
        ({"price": "-1"}, "price_not_positive", "price: -1"),
        ({"price": "190"}, "price_collar", "price: 190.00 is above 186.85"),
        ({"quantity": "1000"}, "max_order_value", "185000 USD"),
        ({"price": "0.01"}, "min_order_size", "1 USD"),
    ],
)
def test_an_amendment_meets_a_new_orders_rules(
    desk: OrdersDesk, fields: dict[str, str], reason: str, words: str
) -> None:
    desk.new(price="185.00")
    desk.fill(40)
    event = desk.replace(order_id="1", **fields)
    assert (event["type"], event["reason"]) == ("OrderReplaceRejected", reason)
    assert words in event["text"]
    assert event["ord_status"] == "PartiallyFilled"
    assert len(desk.commands) == 1


def test_less_quantity_is_taken_even_if_the_market_left_the_price_behind(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.quote(17000, 17010)
    assert desk.replace(order_id="1", quantity="101")["reason"] == "price_collar"
    assert desk.replace(order_id="1", quantity="99")["type"] == "OrderReplaceRequested"


def test_a_market_order_is_not_amended(desk: OrdersDesk) -> None:
    desk.new()
    assert desk.replace(order_id="1", quantity="50")["reason"] == "market_order"


def test_one_amendment_at_a_time_and_none_while_a_cancel_is_pending(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.replace(order_id="1", quantity="50")
    assert desk.replace(order_id="1", quantity="60")["reason"] == "already_pending"
    assert desk.cancel(order_id="1")["ord_status"] == "PendingCancel"
    assert desk.replace(order_id="1", quantity="60")["reason"] == "already_pending"


def test_an_amendment_of_an_unknown_or_finished_order_is_refused(desk: OrdersDesk) -> None:
    assert desk.replace(order_id="1", quantity="50")["reason"] == "unknown_order"
    desk.new(price="185.00")
    desk.canceled()
    assert desk.replace(order_id="1", quantity="50")["reason"] == "too_late"


def test_an_amendment_that_meets_a_fill_is_too_late(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.replace(order_id="1", quantity="150", signal_id="r1")
    desk.fill(100)
    event = desk.report(ReportType.REPLACE_REJECTED, reason=Reason.UNKNOWN_ORDER, side=0)
    assert (event["type"], event["reason"], event["signal_id"]) == ("OrderReplaceRejected", "too_late", "r1")


def test_a_status_is_reported_or_unknown(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    assert desk.status(order_id="1", signal_id="s1")["type"] == "OrderStatusReported"
    assert desk.status(client_order_id="s1")["ord_status"] == "PendingNew"
    unknown = desk.status(client_order_id="s9")
    assert (unknown["type"], unknown["reason"]) == ("OrderCancelRejected", "unknown_order")


# ------------------------------------------------------------------------------------------------- snapshots and counts


def test_a_snapshot_is_the_whole_state(desk: OrdersDesk) -> None:
    desk.new(price="185.00", signal_id="a", strategy="x", confidence="0.5")
    desk.new(price="185.00", signal_id="b")
    desk.new(symbol="MSFT", signal_id="c")
    desk.fill(40, order_id=1)
    desk.fill(100, order_id=2)
    desk.replace(order_id="1", quantity="80")
    twin = OrdersStage(Topology(), 0, CONFIG)
    twin.restore(desk.stage.snapshot())
    assert twin.snapshot() == desk.stage.snapshot()
    assert twin.gauges() == {k: {n: c for n, c in v.items() if c} for k, v in desk.stage.gauges().items()} | {
        "fills": {"MAKER": 0, "TAKER": 2},
        **{
            each: twin.gauges()[each]
            for each in (
                "fills_refused",
                "overfills",
                "trade_changes",
                "unanswered_requests",
                "reconciliation_differences",
                "reconciliations_broken_off",
                "worked_orders",
                "live_brackets",
                "live_order_lists",
            )
        },
        "trading_state": {"*": 0},
        "bare_positions": {"*": 0},
        "open_breakers": {"account": 0, "strategy": 0, "venue": 0},
    }
    assert twin.configuration() is None
    desk.stage, desk.out = twin, Outputs(twin.name, twin.inbox, desk.out.digest)
    assert desk.report(ReportType.REPLACED, price=18500, qty=80)["leaves_qty"] == "40"


def test_money_beyond_64_bits_survives_a_snapshot() -> None:
    config = but(CONFIG, accounts={"default": account(1, D(10**23), 5)})
    desk = OrdersDesk(config)
    desk.new(quantity="1000000000000000", price="1000000.00")
    desk.fill(10**15, price=10**8)
    twin = OrdersStage(Topology(), 0, config)
    twin.restore(desk.stage.snapshot())
    assert twin.snapshot() == desk.stage.snapshot()
    assert desk.events[-1]["avg_px"] == "1000000.00"


def test_counts_for_metrics(desk: OrdersDesk) -> None:
    for name in "abc":
        desk.new(price="185.00", signal_id=name)
    desk.accept(1)
    desk.fill(100, order_id=2)
    desk.new(symbol="MSFT", signal_id="d")
    desk.cancel(order_id="2")
    gauges = desk.stage.gauges()
    assert {status: count for status, count in gauges["orders"].items() if count} == {
        "New": 1,
        "Filled": 1,
        "PendingNew": 1,
        "Rejected": 1,
    }
    assert gauges["rejects"] == {"unknown_symbol": 1}
    assert gauges["cancel_rejects"] == {"too_late": 1}
    assert gauges["fills"] == {"MAKER": 0, "TAKER": 1}


def test_an_amended_sale_is_worth_at_least_what_the_bid_pays_unless_it_only_becomes_less(desk: OrdersDesk) -> None:
    desk.quote(18_500, 18_502)
    desk.new(side="SELL", quantity="540", price="185.00")
    desk.accept(side=2)
    desk.quote(18_650, 18_652)
    more = desk.replace(order_id="1", quantity="541", signal_id="more")
    assert (more["type"], more["reason"]) == ("OrderReplaceRejected", "max_order_value")
    assert "100896.5 USD is above" in more["text"]
    assert desk.replace(order_id="1", quantity="539", signal_id="less")["type"] == "OrderReplaceRequested"


@pytest.mark.parametrize(
    ("request_type", "answer"),
    [
        ("ReplaceOrder", "OrderReplaceRejected"),
        ("CancelOrder", "OrderCancelRejected"),
        ("NewOrder", "OrderCancelRejected"),
        (None, "OrderCancelRejected"),
    ],
)
def test_a_repeated_request_about_no_order_is_answered_as_what_it_is(request_type: str | None, answer: str) -> None:
    desk = OrdersDesk()
    event = desk.status(client_order_id="never", request=request_type)
    assert (event["type"], event["reason"]) == (answer, "unknown_order")


def test_what_an_older_release_asked_is_answered_as_it_answered() -> None:
    old = {
        name: value for name, value in request("ReportStatus", client_order_id="x", v=1).items() if name != "request"
    }
    assert OrdersDesk().instruct(old)["type"] == "OrderCancelRejected"


def test_a_repeated_request_of_an_unknown_type_is_told_so() -> None:
    desk = OrdersDesk()
    for wrong in ("Buy", 7, ["CancelOrder"]):
        letter = desk.dead_letter({b"data": orjson.dumps(request("ReportStatus", client_order_id="x", request=wrong))})
        assert letter["text"].startswith(f"request: must be one of {', '.join(SIGNALS)}, got ")
