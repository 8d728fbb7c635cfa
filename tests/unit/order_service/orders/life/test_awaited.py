"""A venue that does not answer in time: it is told once, counted until the answer comes, and nothing else is done."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.journal import OrderUnanswered
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.life.awaited import UNANSWERED
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, new_order
from tests.support.terms import but

MS = 5_000
WATCHED = but(CONFIG, execution_timeout_ms=MS, venues={SIM: VenueTerms(simulated=False)})


def said(exec_type: str, order_id: int = 1, **fields: Any) -> dict[bytes, bytes]:
    document = {
        "type": "VenueReport",
        "v": 1,
        "venue": "SIM",
        "exec_type": exec_type,
        "order_id": str(order_id),
        **fields,
    }
    return {b"data": orjson.dumps(document)}


@pytest.fixture
def desk() -> OrdersDesk:
    return OrdersDesk(WATCHED)


def late(desk: OrdersDesk, ms: int = MS) -> list[tuple[str, str, str]]:
    """Let time pass; return what was told as unanswered: kind, signal, status."""
    told = [each for each in desk.tick(ms) if each["type"] == "OrderUnanswered"]
    return [(each["request"], each["signal_id"], each["ord_status"]) for each in told]


def waiting(desk: OrdersDesk) -> dict[str, int]:
    return {kind: count for kind, count in desk.stage.gauges()["unanswered_requests"].items() if count}


def test_an_order_that_is_not_answered_is_told_once_and_stays_as_it_is(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    assert desk.stage.due_ms == NOON_MS + MS
    assert late(desk, MS - 1) == []
    [event] = desk.tick(1)
    OrderUnanswered.model_validate(event)
    assert (event["request"], event["signal_id"], event["due_time"]) == ("NewOrder", "s1", NOON_MS + MS)
    assert event["text"] == "NewOrder: SIM has not answered for 5000 ms; order 1 stays PendingNew"
    assert waiting(desk) == {"NewOrder": 1}
    assert desk.restarted() is None
    assert waiting(desk) == {"NewOrder": 1}, "a restart does not forget it"
    assert late(desk, 10 * MS) == []
    assert desk.one(said("New"))["ord_status"] == "New"
    assert waiting(desk) == {}
    assert len(desk.commands) == 1, "nothing is sent again"


@pytest.mark.parametrize("answer", ["New", "Rejected", "Canceled", "Expired", "Suspended", "Trade"])
def test_whatever_the_venue_says_of_an_order_answers_it(desk: OrdersDesk, answer: str) -> None:
    desk.new(price="185.00")
    desk.one(said(answer, exec_id="T-1", last_qty="1", last_px="184.00"))
    assert late(desk) == []
    assert desk.stage.due_ms is None, "nothing is left to wait for"


def test_cancels_and_amendments_have_a_time_of_their_own(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.one(said("New"))
    desk.ms += 3_000
    desk.replace(signal_id="r1", order_id="1", quantity="50")
    desk.ms += 1_000
    desk.cancel(signal_id="c1", order_id="1")
    assert late(desk, 3_999) == []
    assert late(desk, 1) == [("ReplaceOrder", "r1", "PendingCancel")]
    assert late(desk, 1_000) == [("CancelOrder", "c1", "PendingCancel")]
    assert waiting(desk) == {"CancelOrder": 1, "ReplaceOrder": 1}
    desk.one(said("CancelRejected"))
    assert waiting(desk) == {"ReplaceOrder": 1}
    desk.one(said("Replaced", quantity="50"))
    assert waiting(desk) == {}


def test_a_second_cancel_after_a_refused_one_waits_anew(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    desk.one(said("New"))
    desk.cancel(signal_id="c1", order_id="1")
    desk.ms += 4_000
    desk.one(said("CancelRejected"))
    desk.cancel(signal_id="c2", order_id="1")
    assert late(desk, 1_000) == []
    assert late(desk, 4_000) == [("CancelOrder", "c2", "PendingCancel")]


def test_an_order_that_the_desk_holds_is_awaited_from_when_it_went(desk: OrdersDesk) -> None:
    document = new_order(price="185.00", special={"effective_time": NOON_MS + 60_000})
    held = desk.fold({b"data": orjson.dumps(document)})
    assert [each["type"] for each in held] == ["OrderReceived", "OrderSuspended"]
    assert late(desk, 59_999) == []
    desk.tick(1)
    assert late(desk, MS - 1) == []
    assert late(desk, 1) == [("NewOrder", "s1", "New")]


def test_the_queue_is_as_long_as_what_is_not_answered_and_has_one_timer(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fillstream.services.order_service.orders.life.awaited.FEW", 4)
    for number in range(1, 31):
        desk.new(signal_id=f"s{number}", price="185.00", quantity="1")
        desk.one(said("New", number))
    state = desk.stage._state
    assert len(state.awaited.sent) <= 5
    assert [timer["what"] for timer in state.timers.dump()] == [UNANSWERED]


def test_many_late_ones_are_told_an_entry_at_a_time(desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fillstream.services.order_service.orders.due.MOST_OUTPUTS", 3)
    for number in range(1, 8):
        desk.new(signal_id=f"s{number}", price="185.00", quantity="1")
    told = [late(desk, MS), late(desk, 0), late(desk, 0), late(desk, 0)]
    assert [len(each) for each in told] == [3, 3, 1, 0]
    assert [signal for each in told for _, signal, _ in each] == [f"s{number}" for number in range(1, 8)]


def reconfigured(desk: OrdersDesk, timeout_ms: int) -> None:
    desk.config = but(WATCHED, execution_timeout_ms=timeout_ms)
    desk.fold({b"config": desk.config.to_json()})


def test_another_timeout_counts_for_what_was_sent_before(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    reconfigured(desk, 7_000)
    assert late(desk, 6_999) == []
    assert late(desk, 1) == [("NewOrder", "s1", "PendingNew")]
    desk.cancel(signal_id="c1", order_id="1")
    reconfigured(desk, 1_000)
    assert late(desk, 1_000) == [("CancelOrder", "c1", "PendingCancel")]


def test_without_a_timeout_nothing_is_awaited_and_a_snapshot_says_nothing_of_it(desk: OrdersDesk) -> None:
    desk.new(price="185.00")
    reconfigured(desk, 0)
    desk.cancel(signal_id="c1", order_id="1")
    assert desk.stage.due_ms is None
    assert late(desk, 100 * MS) == []
    assert waiting(desk) == {}
    assert b"awaited" not in desk.stage.snapshot()
    assert b"execution_timeout_ms" not in CONFIG.to_json()
    assert DeskConfig().execution_timeout_ms == 0, "an older log was decided without it"
