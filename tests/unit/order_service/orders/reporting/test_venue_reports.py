"""Reports of venues outside, as JSON: what they do to orders, what of their words is kept, and what is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Reason, ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.messages.venue import ExecType
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but

OUTSIDE = but(CONFIG, venues={SIM: VenueTerms(simulated=False)})
"""A desk whose one venue no engine of it is."""


@pytest.fixture
def desk() -> OrdersDesk:
    desk = OrdersDesk(OUTSIDE)
    desk.new(price="185.00")
    return desk


def said(exec_type: str, **fields: Any) -> dict[bytes, bytes]:
    document = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": exec_type, "order_id": "1", **fields}
    return {b"data": orjson.dumps(document)}


def trade(exec_id: str = "T-1", qty: str = "40", px: str = "184.99", **fields: Any) -> dict[bytes, bytes]:
    return said("Trade", exec_id=exec_id, last_qty=qty, last_px=px, **fields)


def test_an_acknowledgement_brings_the_venues_id_and_time_and_they_stay(desk: OrdersDesk) -> None:
    event = desk.one(said("New", venue_order_id="ABC 12", venue_time=1_700_000_000_123, text="hello"))
    assert (event["type"], event["ord_status"], event["venue_order_id"]) == ("OrderAccepted", "New", "ABC 12")
    assert (event["venue_time"], event["venue_text"]) == (1_700_000_000_123, "hello")
    event = desk.one(trade())
    assert event["venue_order_id"] == "ABC 12"
    assert "venue_text" not in event


def test_a_trade_is_booked_once_by_its_exec_id(desk: OrdersDesk) -> None:
    event = desk.one(trade("T-1"))
    assert (event["type"], event["exec_id"], event["last_qty"], event["cum_qty"]) == (
        "OrderFilled",
        "SIM-T-1",
        "40",
        "40",
    )
    letter = desk.dead_letter(trade("T-1"))
    assert (letter["reason"], letter["text"]) == ("repeated_trade", "exec_id: order 1 has trade T-1 already")
    assert desk.one(trade("A-0", "60"))["ord_status"] == "Filled", "the venue's ids have no order"


def test_the_venues_commission_is_the_fee_in_the_instruments_currency(desk: OrdersDesk) -> None:
    event = desk.one(trade(commission="1.25", comm_currency="USD"))
    assert (event["fee"], event["commission"], event["comm_currency"]) == ("1.25", "1.25", "USD")


def test_a_commission_in_another_currency_is_told_beside_a_fee_of_nothing(desk: OrdersDesk) -> None:
    event = desk.one(trade(commission="0.0001", comm_currency="BTC"))
    assert (event["fee"], event["currency"], event["commission"], event["comm_currency"]) == (
        "0",
        "USD",
        "0.0001",
        "BTC",
    )


def test_without_a_commission_the_desks_own_terms_say_the_fee(desk: OrdersDesk) -> None:
    taken, made = desk.one(trade("1", "10", "100.00")), desk.one(trade("2", "10", "100.00", liquidity="MAKER"))
    assert (taken["liquidity"], taken["fee"]) == ("TAKER", "0.05000000")
    assert (made["liquidity"], made["fee"]) == ("MAKER", "-0.02000000")
    assert "commission" not in taken


@pytest.mark.parametrize(
    ("asked", "reason", "text"),
    [
        (True, "requested", "canceled as requested"),
        (False, "venue_other", "canceled by the venue: it says 'risk limit'"),
    ],
)
def test_a_cancel_says_whether_it_was_asked_for(desk: OrdersDesk, asked: bool, reason: str, text: str) -> None:
    if asked:
        desk.cancel(order_id="1")
    event = desk.one(said("Canceled", text="risk limit"))
    assert (event["type"], event["reason"], event["text"]) == ("OrderCanceled", reason, text)


def test_a_rejection_has_the_venues_words(desk: OrdersDesk) -> None:
    event = desk.one(said("Rejected", text="no such strike"))
    assert (event["type"], event["text"]) == ("OrderRejected", "the venue refused the order: it says 'no such strike'")


def test_amendments_are_taken_with_or_without_the_price_and_refused(desk: OrdersDesk) -> None:
    desk.one(said("New"))
    desk.replace(signal_id="r1", order_id="1", price="184.00")
    event = desk.one(said("Replaced", quantity="100"))
    assert (event["type"], event["price"], event["quantity"]) == ("OrderReplaced", "184.00", "100")
    desk.replace(signal_id="r2", order_id="1", quantity="50")
    event = desk.one(said("ReplaceRejected", text="too many amendments"))
    assert (event["type"], event["signal_id"], event["reason"]) == ("OrderReplaceRejected", "r2", "venue_other")
    desk.cancel(signal_id="c1", order_id="1")
    assert desk.one(said("CancelRejected"))["text"] == "the venue refused the request: it does not say why"


def test_expiry_trigger_and_restatement(desk: OrdersDesk) -> None:
    desk.one(said("New"))
    assert desk.one(said("Triggered", price="185.00"))["type"] == "OrderTriggered"
    event = desk.one(said("Restated", quantity="80", restatement_reason=5))
    assert (event["type"], event["quantity"], event["reason"]) == ("OrderRestated", "80", "partial_decline")
    assert event["text"] == "restated by the venue: it says ExecRestatementReason 5"
    assert desk.one(said("Expired"))["ord_status"] == "Expired"


@pytest.mark.parametrize("exec_type", ExecType)
def test_every_kind_of_report_is_taken_or_refused_by_the_orders_rules(desk: OrdersDesk, exec_type: ExecType) -> None:
    desk.fold(said(exec_type, exec_id="1", last_qty="1", last_px="1", quantity="100", ref_exec_id="0"))
    refused = "unknown_execution" if exec_type in ("TradeCancel", "TradeCorrect") else "unexpected_report"
    assert all(orjson.loads(each[b"data"])["reason"] == refused for each in desk.dead)


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"order_id": "77"}, "unknown_order", "order_id: order 77 was never given out here"),
        ({"venue": "MOON"}, "wrong_venue", "venue: order 1 is at SIM, the report is of MOON"),
        ({"exec_type": "Trade"}, "bad_report", "exec_id: a Trade report needs one"),
        ({"exec_type": "Trade", "exec_id": "1", "last_qty": "0.5", "last_px": "1"}, "off_grid", "last_qty: 0.5"),
        ({"exec_type": "Trade", "exec_id": "1", "last_qty": "1", "last_px": "1.001"}, "off_grid", "last_px: 1.001"),
        ({"exec_type": "Trade", "exec_id": "1", "last_qty": "101", "last_px": "1"}, "overfill", "100"),
        ({"exec_type": "Settled"}, "bad_report", "exec_type: 'Settled' must be New"),
        ({"commission": "1"}, "bad_report", "comm_currency: commission and its currency come together"),
        (
            {"exec_type": "Trade", "exec_id": "1", "last_qty": "1", "last_px": "1", "commission": "0.000000001",
             "comm_currency": "USD"},
            "bad_value", "commission: 0.000000001 has 9 decimals, at most 8",
        ),
        ({"exec_type": "Restated", "quantity": "0.5"}, "off_grid", "quantity: 0.5 is not a multiple of 1"),
        ({"v": 2}, "bad_report", "v: 2 must be at most 1"),
        ({"text": 5}, "bad_report", "text: 5 must be a string"),
        ({"exec_id": "a b"}, "bad_report", "exec_id: 'a b' must match"),
        ({"leaves_qty": "-1"}, "bad_report", "leaves_qty: '-1' must be at least 0"),
    ],
)  # fmt: skip
def test_what_nothing_can_be_done_with_goes_to_dead_whole(
    desk: OrdersDesk, fields: dict[str, Any], reason: str, words: str
) -> None:
    letter = desk.dead_letter(said("New") | {b"data": orjson.dumps(orjson.loads(said("New")[b"data"]) | fields)})
    assert letter["reason"] == reason
    assert words in letter["text"]


def test_a_late_refusal_says_that_the_order_was_done(desk: OrdersDesk) -> None:
    desk.cancel(order_id="1")
    desk.one(trade(qty="100"))
    assert desk.one(said("CancelRejected"))["reason"] == "too_late"


def test_what_was_booked_is_known_after_a_snapshot(desk: OrdersDesk) -> None:
    desk.one(said("New", venue_order_id="V"))
    desk.one(trade("T-1"))
    desk.stage.restore(desk.stage.snapshot())
    assert desk.dead_letter(trade("T-1"))["reason"] == "repeated_trade"
    assert desk.one(trade("T-2"))["venue_order_id"] == "V"


def test_frames_and_json_may_tell_of_one_desk(desk: OrdersDesk) -> None:
    desk.accept()
    desk.one(trade("T-1"))
    assert desk.report(ReportType.CANCELED, reason=Reason.REQUESTED)["cum_qty"] == "40"
