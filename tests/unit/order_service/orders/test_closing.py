"""Reduce-only orders, closing a position, predictions, and signals that were refused as they came."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import PARTITION_ALL, ReportFlag, ReportType, Tif
from fillstream.libs.common.messages.codes import CancelRejectReason, RejectReason
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, new_order, report, request
from tests.support.terms import but


@pytest.fixture
def desk() -> OrdersDesk:
    """Return a desk whose account holds 100 AAPL."""
    desk = OrdersDesk()
    desk.quote(18_499, 18_501)
    desk.new(signal_id="held", price="185.01")
    desk.fill(100, price=18_501)
    return desk


def close(**fields: Any) -> dict[str, Any]:
    document = {
        "type": "ClosePosition", "v": 1, "signal_id": "c1", "client_order_id": "c1", "account": "default",
        "symbol": "AAPL", "quantity": None, "order_type": None, "price": None, "time_in_force": None, "strategy": None,
        "position_id": None, "signal_time": NOON_MS - 5,
    }  # fmt: skip
    return document | fields


def reduce_only(desk: OrdersDesk, signal_id: str, side: str = "SELL", quantity: str = "100") -> dict[str, Any]:
    return desk.new(signal_id=signal_id, side=side, quantity=quantity, price="186.00", special={"reduce_only": True})


def test_a_position_is_closed_by_what_is_held(desk: OrdersDesk) -> None:
    received = desk.instruct(close())
    assert [received[name] for name in ("type", "side", "quantity", "order_type", "reduce_only")] == [
        "OrderReceived", "SELL", "100", "MARKET", True,
    ]  # fmt: skip
    assert (desk.commands[-1].qty, desk.commands[-1].tif) == (100, Tif.IOC)
    desk.fill(100, price=18_499, order_id=2, side=2)
    refused = desk.instruct(close(signal_id="c2", client_order_id="c2"))
    assert (refused["type"], refused["reason"]) == ("SignalRefused", RejectReason.NOTHING_TO_REDUCE.value)
    assert refused["text"] == "symbol: default holds 0 AAPL, and 0 work to close it already"


def test_what_works_to_close_already_is_not_closed_twice(desk: OrdersDesk) -> None:
    desk.new(signal_id="s2", side="SELL", quantity="60", price="186.00")
    assert desk.instruct(close())["quantity"] == "40"
    refused = desk.instruct(close(signal_id="c2", client_order_id="c2"))
    assert refused["text"] == "symbol: default holds 100 AAPL, and 100 work to close it already"


def test_a_short_position_is_bought_back(desk: OrdersDesk) -> None:
    desk.new(signal_id="s2", side="SELL", quantity="150", price="184.99")
    desk.fill(150, price=18_499, order_id=2, side=2)
    received = desk.instruct(close(price="184.00", order_type="LIMIT"))
    assert (received["side"], received["quantity"], received["price"]) == ("BUY", "50", "184.00")


def test_a_part_may_be_closed_and_never_more_than_is_held(desk: OrdersDesk) -> None:
    assert desk.instruct(close(quantity="30"))["quantity"] == "30"
    assert desk.instruct(close(signal_id="c2", client_order_id="c2", quantity="1000"))["quantity"] == "70"


def test_the_same_close_again_changes_nothing(desk: OrdersDesk) -> None:
    desk.instruct(close())
    again = desk.instruct(close(signal_id="c9"))
    assert again["type"] == "OrderStatusReported"
    assert len(desk.commands) == 2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"symbol": "NONE"}, RejectReason.UNKNOWN_SYMBOL),
        ({"account": "nobody"}, RejectReason.UNKNOWN_ACCOUNT),
        ({"quantity": "1.5"}, RejectReason.OFF_LOT),
    ],
)
def test_a_close_that_cannot_be_is_told_with_a_sentence(
    desk: OrdersDesk, fields: dict[str, str], reason: RejectReason
) -> None:
    refused = desk.instruct(close(**fields))
    assert (refused["type"], refused["reason"], refused["signal"]) == ("SignalRefused", reason.value, "ClosePosition")


# ----------------------------------------------------------------------------------------------------- an exit gets out


def limited(desk: OrdersDesk, **limits: Any) -> None:
    desk.set_limits(f"limits-{len(desk.entries)}", **limits)


def test_an_exit_is_not_bounded_by_max_slippage_bps(desk: OrdersDesk) -> None:
    """The account's 100 bps are 1.85; an exit sells down to the smallest price, which no mistaken quote makes 0."""
    desk.instruct(close(quantity="10"))
    assert desk.commands[-1].price == 1
    limited(desk, max_exit_slippage_bps="1000")
    desk.instruct(close(signal_id="c2", client_order_id="c2", quantity="10"))
    assert desk.commands[-1].price == 16_650, "184.99 less a tenth, rounded up"
    desk.new(signal_id="plain", side="SELL", quantity="10", order_type="MARKET")
    assert desk.commands[-1].price == 18_315, "what does not say that it only closes is bounded as ever"


def test_an_exit_buys_back_up_to_twice_the_ask(desk: OrdersDesk) -> None:
    desk.new(signal_id="s2", side="SELL", quantity="150", price="184.99")
    desk.fill(150, price=18_499, order_id=2, side=2)
    limited(desk, max_order_value="10000")
    received = desk.instruct(close())
    assert (received["type"], desk.commands[-1].price) == ("OrderReceived", 2 * 18_501), "it is valued at the market"


def test_a_limit_that_only_closes_may_reach_further_through_the_touch(desk: OrdersDesk) -> None:
    fields = {"side": "SELL", "quantity": "10", "price": "150.00"}
    assert desk.new(signal_id="plain", **fields)["reason"] == RejectReason.PRICE_COLLAR.value
    assert desk.new(signal_id="exit", **fields, special={"reduce_only": True})["type"] == "OrderReceived"
    order_id = desk.events[-1]["order_id"]
    assert desk.replace(order_id=order_id, price="140.00")["type"] == "OrderReplaceRequested"
    limited(desk, max_exit_slippage_bps="1000")
    refused = desk.new(signal_id="far", **fields, special={"reduce_only": True})
    assert refused["text"] == ("price: 150.00 is below 166.50: the bid is 184.99 and max_exit_slippage_bps 1000")


def test_without_a_quote_an_exit_goes_by_the_last_trade(desk: OrdersDesk) -> None:
    desk.quote(0, 0, bid_qty=0, ask_qty=0)
    refused = desk.instruct(close())
    assert refused["reason"] == RejectReason.NO_QUOTE.value, "there is no price of it at all"
    printed = report(ReportType.PRINTED, price=18_000, qty=1, account=0, side=0, partition=PARTITION_ALL)
    desk.fold({b"frame": printed})
    assert desk.new(signal_id="plain", side="SELL", order_type="MARKET")["reason"] == RejectReason.NO_QUOTE.value
    assert desk.instruct(close(signal_id="c2", client_order_id="c2"))["type"] == "OrderReceived"
    assert desk.commands[-1].price == 1


def test_an_exits_far_bound_is_no_reason_to_cross_oneself(desk: OrdersDesk) -> None:
    desk.new(signal_id="s2", side="SELL", quantity="150", price="184.99")
    desk.fill(150, price=18_499, order_id=2, side=2)
    limited(desk, refuse_self_cross=True)
    desk.new(signal_id="s3", side="SELL", quantity="1", price="200.00")
    assert desk.instruct(close())["type"] == "OrderReceived"


def test_a_stop_that_the_desk_holds_gets_out_only_where_it_closes_what_is_held(desk: OrdersDesk) -> None:
    stop = {"order_type": "STOP", "special": {"stop_price": "184.00", "trigger_price_type": "BID_ASK"}, "side": "SELL"}
    for signal_id, account in (("exit", "default"), ("entry", "other")):
        desk.fold({b"data": orjson.dumps(new_order(signal_id=signal_id, account=account, quantity="10", **stop))})
    frame = report(
        ReportType.QUOTED, price=18_300, qty=5, leaves=18_310, aux=5, account=0, side=0, partition=PARTITION_ALL
    )
    told = desk.fold({b"frame": frame})
    assert [each["type"] for each in told if each["type"] != "QuoteUpdated"] == ["OrderTriggered", "OrderTriggered"]
    assert [command.price for command in desk.commands[-2:]] == [1, 18_209], "other's 50 bps of 183.00"


def test_reduce_only_orders_never_come_to_more_than_what_is_held(desk: OrdersDesk) -> None:
    assert reduce_only(desk, "r1", quantity="60")["type"] == "OrderReceived"
    refused = reduce_only(desk, "r2", quantity="41")
    assert refused["reason"] == RejectReason.NOTHING_TO_REDUCE.value
    assert refused["text"] == (
        "reduce_only: 41 is more than the 40 of AAPL that a sale can close: default holds 100, less what works"
    )
    assert reduce_only(desk, "r3", side="BUY", quantity="1")["text"].startswith("reduce_only: 1 is more than the 0 of")
    assert reduce_only(desk, "r4", quantity="40")["type"] == "OrderReceived"


def test_a_reduce_only_order_is_not_amended_to_more(desk: OrdersDesk) -> None:
    reduce_only(desk, "r1", quantity="60")
    desk.accept(2, side=2)
    refused = desk.replace(order_id="2", quantity="101")
    assert refused["reason"] == CancelRejectReason.ONLY_REDUCES.value
    assert desk.replace(order_id="2", quantity="100")["type"] == "OrderReplaceRequested"


def test_a_snapshot_knows_what_closes_already(desk: OrdersDesk) -> None:
    reduce_only(desk, "r1", quantity="60")
    data = desk.stage.snapshot()
    other = OrdersStage(desk.topology, desk.partition, desk.config)
    other.restore(data)
    assert other.snapshot() == data
    desk.stage = other
    assert desk.instruct(close())["quantity"] == "40"


def test_a_prediction_is_journaled_and_trades_nothing(desk: OrdersDesk) -> None:
    sent = len(desk.commands)
    said = {
        "type": "Prediction", "v": 1, "signal_id": "p1", "account": "default", "symbol": "AAPL", "move": "SHORT",
        "confidence": "0.83", "price": "185.00", "probability_up": "0.1", "probability_down": "0.9",
        "horizon_ms": 60_000, "predictor": "lstm", "predictor_version": "7", "predicted_time": NOON_MS - 50,
        "strategy": None, "signal_time": NOON_MS - 5,
    }  # fmt: skip
    event = desk.instruct(said)
    assert event["type"] == "PredictionReceived"
    kept = {name: value for name, value in said.items() if value is not None and name not in ("type", "v")}
    assert {name: event[name] for name in kept} == kept
    assert len(desk.commands) == sent
    status = request("ReportStatus", signal_id="p1", client_order_id="p1", request="Prediction")
    assert desk.instruct(status)["reason"] == RejectReason.DUPLICATE_SIGNAL.value


def test_an_account_is_told_of_a_signal_that_was_refused_as_it_came(desk: OrdersDesk) -> None:
    told = {
        "type": "RefuseSignal", "v": 1, "request": "NewOrder", "signal_id": "x", "account": "default",
        "entry_id": "5-1", "reason": "bad_value", "text": "side: 'HOLD' must be BUY or SELL", "signal_time": NOON_MS,
    }  # fmt: skip
    event = desk.instruct(told)
    assert {name: event[name] for name in ("type", "signal", "signal_id", "entry_id", "reason", "text")} == {
        "type": "SignalRefused", "signal": "NewOrder", "signal_id": "x", "entry_id": "5-1", "reason": "bad_value",
        "text": "side: 'HOLD' must be BUY or SELL",
    }  # fmt: skip


@pytest.mark.parametrize("change", [{"symbol": 5}, {"move": "UP"}, {"confidence": "2"}, {"extra": 1}, {"symbol": None}])
def test_an_instruction_that_no_signals_stage_writes_goes_to_dead(desk: OrdersDesk, change: dict[str, Any]) -> None:
    said = {
        "type": "Prediction", "v": 1, "signal_id": "p1", "account": "default", "symbol": "AAPL", "move": "BUY",
        "confidence": None, "price": None, "probability_up": None, "probability_down": None, "horizon_ms": None,
        "predictor": None, "predictor_version": None, "predicted_time": None, "strategy": None, "signal_time": NOON_MS,
    }  # fmt: skip
    assert desk.fold({b"data": orjson.dumps(said | change)}) == []
    assert len(desk.dead) == 1


def test_a_plain_order_pays_for_none_of_this() -> None:
    desk = OrdersDesk()
    desk.quote(18_499, 18_501)
    desk.new(price="185.00")
    assert not desk.stage._state.holdings.account("default").kept
    assert new_order().keys() == {
        "type", "v", "signal_id", "client_order_id", "account", "symbol", "side", "quantity", "order_type", "price",
        "time_in_force", "strategy", "confidence", "signal_time",
    }  # fmt: skip


def test_an_account_may_require_a_stop_of_what_opens_a_position_and_not_of_what_closes_it() -> None:
    careful = but(CONFIG.accounts["default"], requires_stop=True)
    desk = OrdersDesk(but(CONFIG, accounts={**CONFIG.accounts, "default": careful}))
    desk.quote(18_499, 18_501)
    assert desk.new(price="185.01")["reason"] == RejectReason.STOP_REQUIRED.value
    desk.new(signal_id="s2", price="185.01", special={"stop_loss": "180"})
    desk.fold({b"frame": report(ReportType.FILLED, 2, price=18_501, qty=100, match_id=1, flags=ReportFlag.TAKER)})
    off = {"type": "CancelOrderList", "v": 1, "signal_id": "off", "account": "default", "list_id": "s2"}
    desk.fold({b"data": orjson.dumps(off | {"signal_time": 1})})  # its exits have the position else
    desk.matches = 1
    assert desk.new(signal_id="s3", side="SELL", quantity="100", price="186")["type"] == "OrderReceived"
    refused = desk.new(signal_id="s4", side="SELL", quantity="1", price="186")
    assert refused["reason"] == RejectReason.STOP_REQUIRED.value
    trails = desk.new(signal_id="s5", price="185.01", special={"trailing_stop": "2.00"})
    assert trails["type"] == "OrderReceived", "a stop that trails is one"
