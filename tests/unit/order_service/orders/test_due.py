"""What is due on the desk fires before the entry that brings the time, in its order, and says when it was due."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import CommandType, Reason, ReportFlag, ReportType
from fillstream.libs.common.messages.journal import journal_event
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.stage import Outputs, Timed
from fillstream.services.order_service.orders import due, retiring
from fillstream.services.order_service.orders.config import DAY_MS, DeskConfig, day_end
from fillstream.services.order_service.orders.due import EXPIRY_AGAIN_MS
from fillstream.services.order_service.orders.stage import TICK_MS, OrdersStage
from fillstream.services.order_service.orders.state import QUOTES_EVERY_MS
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, new_order, report
from tests.support.terms import but, instrument

MIDNIGHT_MS = NOON_MS + DAY_MS // 2
DAY = {"price": "185.00", "time_in_force": "DAY"}


def prepared(config: DeskConfig) -> OrdersDesk:
    made = OrdersDesk(config)
    made.quote(18490, 18500)
    made.tick()
    return made


@pytest.fixture
def desk() -> OrdersDesk:
    return prepared(CONFIG)


@pytest.fixture
def careless() -> OrdersDesk:
    """A desk at a venue that leaves expiries to whoever sent the order."""
    return prepared(but(CONFIG, venues={SIM: VenueTerms(simulated=False, expires=False)}))


def told(events: list[dict[str, Any]]) -> list[tuple[str, int | None]]:
    return [(event["type"], event.get("due_time")) for event in events]


def reborn(desk: OrdersDesk) -> None:
    """Replace the stage by one that starts from its snapshot."""
    snapshot = desk.stage.snapshot()
    desk.stage = OrdersStage(desk.topology, desk.partition, CONFIG)
    desk.stage.restore(snapshot)
    assert desk.stage.snapshot() == snapshot


# --------------------------------------------------------------------------------------------------------------- quotes


def test_quotes_are_told_so_long_after_the_first_one_moved() -> None:
    desk = OrdersDesk()
    assert isinstance(desk.stage, Timed)
    assert desk.stage.due_ms is None
    desk.quote(18490, 18500)
    due_ms = NOON_MS + QUOTES_EVERY_MS
    desk.ms += 200
    desk.quote(18480, 18500)
    desk.quote(5000, 5001, symbol="ES")
    assert desk.stage.due_ms == due_ms
    desk.ms = due_ms - 1
    assert desk.tick(0) == [], "early: nothing changes"
    assert desk.stage.due_ms == due_ms
    desk.ms = due_ms
    events = desk.fold({b"data": orjson.dumps(new_order(price="185.00"))})
    assert told(events) == [("QuoteUpdated", due_ms), ("QuoteUpdated", due_ms), ("OrderReceived", None)]
    assert [event.get("symbol") for event in events] == ["AAPL", "ES", "AAPL"]
    assert events[0]["bid_px"] == "184.80"
    assert desk.stage.due_ms is None, "an idle desk needs no entry"


def test_no_event_of_an_entry_says_that_it_was_due(desk: OrdersDesk) -> None:
    events = [desk.new(**DAY), desk.accept(), desk.fill(40), desk.cancel(order_id="1"), desk.canceled()]
    assert all("due_time" not in event for event in events)
    parsed = journal_event.validate_python(events[0])
    assert parsed.due_time is None


def test_what_is_due_comes_before_an_entry_that_nobody_can_use(desk: OrdersDesk) -> None:
    desk.quote(18480, 18500)
    desk.ms += QUOTES_EVERY_MS
    assert told(desk.fold({b"data": b"rubbish"})) == [("QuoteUpdated", desk.ms)]
    assert len(desk.dead) == 1


def test_more_quotes_than_one_entry_may_send_go_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "MOST_OUTPUTS", 20)
    symbols = {f"S{n}": instrument(n, CONFIG.instruments["AAPL"].tick_size, CONFIG.instruments["AAPL"].lot_size)
               for n in range(1, 51)}  # fmt: skip
    desk = OrdersDesk(DeskConfig(instruments=symbols, accounts=CONFIG.accounts))
    for n in range(1, 51):
        desk.fold({b"frame": report(ReportType.QUOTED, price=n, qty=1, symbol=n, side=0, account=0, partition=65535)})
    due_ms = desk.ms + QUOTES_EVERY_MS
    desk.ms = due_ms + 30
    batches = []
    while (soonest := desk.stage.due_ms) is not None:
        assert soonest == due_ms <= desk.ms, "so that the runtime asks for the next entry at once"
        batches.append([event["symbol"] for event in desk.tick(0)])
        desk.stage.restore(desk.stage.snapshot())
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert [symbol for batch in batches for symbol in batch] == [*symbols]
    assert {event["due_time"] for event in desk.events[-50:]} == {due_ms}


# --------------------------------------------------------------------------------------------------------------- expiry


def test_an_expiry_that_the_venue_reports_was_due_when_the_day_ended(desk: OrdersDesk) -> None:
    desk.new(**DAY)
    desk.accept()
    assert desk.commands[-1].time_ms == MIDNIGHT_MS == day_end(NOON_MS)
    assert desk.stage.due_ms is None, "the venue sees to it"
    desk.ms = MIDNIGHT_MS + 7
    event = desk.report(ReportType.EXPIRED)
    assert (event["type"], event["time"], event["due_time"]) == ("OrderExpired", MIDNIGHT_MS + 7, MIDNIGHT_MS)


def test_a_venue_that_closes_early_has_not_reached_the_expiry(desk: OrdersDesk) -> None:
    desk.new(**DAY)
    event = desk.report(ReportType.EXPIRED)
    assert (event["ord_status"], event.get("due_time")) == ("Expired", None)


def test_at_a_venue_without_expiries_the_desk_cancels_and_the_order_is_expired(careless: OrdersDesk) -> None:
    careless.new(**DAY)
    careless.accept()
    careless.fill(40)
    assert careless.stage.due_ms == MIDNIGHT_MS
    careless.ms = MIDNIGHT_MS - 1
    assert careless.tick(0) == []
    reborn(careless)
    careless.ms = MIDNIGHT_MS
    [event] = careless.tick(0)
    assert told([event]) == [("OrderCancelRequested", MIDNIGHT_MS)]
    assert (event["signal_id"], event["ord_status"]) == ("expiry-1", "PendingCancel")
    assert (careless.commands[-1].type, careless.commands[-1].order_id) == (CommandType.CANCEL, 1)
    reborn(careless)
    assert careless.cancel(order_id="1")["reason"] == "already_pending"
    careless.ms += 3
    event = careless.canceled()
    assert told([event]) == [("OrderExpired", MIDNIGHT_MS)]
    assert (event["ord_status"], event["cum_qty"], event["leaves_qty"]) == ("Expired", "40", "0")
    assert careless.refused(report(ReportType.CANCELED, 1, reason=Reason.REQUESTED))["reason"] == "unexpected_report"
    careless.tick(CONFIG.retention_ms)
    assert careless.stage.due_ms is None, "nothing is left of it"


def test_several_fire_in_the_order_of_due_time_and_id_and_before_the_entry(careless: OrdersDesk) -> None:
    careless.ms = MIDNIGHT_MS - 100
    for n in range(3):
        careless.new(**DAY, signal_id=f"s{n}")
    careless.quote(18480, 18500)
    careless.ms = MIDNIGHT_MS + QUOTES_EVERY_MS
    [frame] = [report(ReportType.FILLED, 2, price=18500, qty=1, match_id=1, flags=ReportFlag.TAKER)]
    events = careless.fold({b"frame": frame})
    quotes_ms = MIDNIGHT_MS - 100 + QUOTES_EVERY_MS
    assert [(e["type"], e.get("order_id"), e.get("due_time")) for e in events] == [
        ("OrderCancelRequested", "1", MIDNIGHT_MS),
        ("OrderCancelRequested", "2", MIDNIGHT_MS),
        ("OrderCancelRequested", "3", MIDNIGHT_MS),
        ("QuoteUpdated", None, quotes_ms),
        ("OrderFilled", "2", None),
    ]
    assert events[-1]["ord_status"] == "PendingCancel"


@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_the_time_of_a_finished_order_passes_in_silence(careless: OrdersDesk, end: str) -> None:
    careless.new(**DAY)
    if end == "filled":
        careless.fill(100)
    else:
        careless.cancel(order_id="1")
        careless.canceled()
    careless.ms = MIDNIGHT_MS
    assert careless.tick(0) == []
    assert careless.stage.due_ms is None


def test_a_cancel_that_the_venue_refuses_is_sent_again(careless: OrdersDesk) -> None:
    careless.new(**DAY)
    careless.accept()
    careless.ms = MIDNIGHT_MS
    careless.tick(0)
    refused = careless.report(ReportType.CANCEL_REJECTED, reason=Reason.SESSION, side=0)
    assert (refused["signal_id"], refused["ord_status"]) == ("expiry-1", "New")
    assert careless.stage.due_ms == MIDNIGHT_MS + EXPIRY_AGAIN_MS
    careless.ms = MIDNIGHT_MS + 3 * EXPIRY_AGAIN_MS + 5
    assert told(careless.tick(0)) == [("OrderCancelRequested", MIDNIGHT_MS + EXPIRY_AGAIN_MS)]
    assert careless.stage.due_ms == MIDNIGHT_MS + 4 * EXPIRY_AGAIN_MS, "what was missed is not made up for"
    assert told([careless.canceled()]) == [("OrderExpired", MIDNIGHT_MS)]


def test_the_clients_own_cancel_at_the_end_of_the_day_stays_the_clients(careless: OrdersDesk) -> None:
    careless.new(**DAY)
    careless.accept()
    careless.cancel(order_id="1", signal_id="mine")
    careless.ms = MIDNIGHT_MS
    assert careless.tick(0) == []
    careless.report(ReportType.CANCEL_REJECTED, reason=Reason.SESSION, side=0)
    careless.ms += EXPIRY_AGAIN_MS
    assert told(careless.tick(0)) == [("OrderCancelRequested", careless.ms)], "it did not live on"


def test_an_order_that_a_late_amendment_reopens_expires_too(careless: OrdersDesk) -> None:
    careless.new(**DAY)
    careless.accept()
    careless.replace(order_id="1", quantity="150")
    careless.fill(100)
    careless.ms = MIDNIGHT_MS
    assert careless.tick(0) == []
    assert careless.report(ReportType.REPLACED, price=18500, qty=150)["ord_status"] == "PartiallyFilled"
    careless.ms += EXPIRY_AGAIN_MS
    assert [event["type"] for event in careless.tick(0)] == ["OrderCancelRequested"]


# ---------------------------------------------------------------------------------------------------------------- sweep


def test_what_leaves_the_state_does_so_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "SWEEP_AT_ONCE", 10)
    desk = OrdersDesk(but(CONFIG, retention_ms=0))
    for n in range(25):
        desk.new(price="185.00", signal_id=f"s{n}")
        desk.report(ReportType.CANCELED, n + 1, reason=Reason.IOC_REMAINDER)
    assert orjson.loads(desk.stage.snapshot())["orders"]["count"] == 25
    desk.tick(TICK_MS)
    left = []
    while desk.stage.due_ms is not None:
        left.append(orjson.loads(desk.stage.snapshot())["orders"]["count"])
        assert desk.stage.due_ms == desk.ms + 1
        assert desk.fold({b"frame": report(ReportType.PRINTED, price=0, qty=1, partition=65534)}) == []
        assert orjson.loads(desk.stage.snapshot())["orders"]["count"] == left[-1], "not before it is due"
        desk.ms += 1
        desk.dead.clear()
        desk.fold({b"x": b""})
    assert left == [15, 5]
    assert orjson.loads(desk.stage.snapshot())["orders"]["count"] == 0


def test_orders_that_ended_in_one_millisecond_leave_alike_with_and_without_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A restored state does not know in which order they ended, so nothing may hang on it."""
    monkeypatch.setattr(retiring, "SWEEP_AT_ONCE", 2)
    desk = OrdersDesk(but(CONFIG, retention_ms=0))
    for n in range(5):
        desk.new(price="185.00", signal_id=f"s{n}")
    for order_id in (4, 2, 5, 1, 3):
        desk.report(ReportType.CANCELED, order_id, reason=Reason.IOC_REMAINDER)
    twin = OrdersStage(desk.topology, 0, desk.config)
    twin.restore(desk.stage.snapshot())
    out = Outputs(twin.name, twin.inbox)
    desk.tick(TICK_MS)
    while True:
        out.begin(desk.entries[-1])
        twin.fold(desk.entries[-1], out)
        assert twin.snapshot() == desk.stage.snapshot()
        if desk.stage.due_ms is None:
            break
        desk.tick(1)
    assert len(desk.entries) > 13, "it took several portions"


def test_an_order_that_reopened_takes_no_room_of_what_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retiring, "SWEEP_AT_ONCE", 2)
    desk = OrdersDesk(but(CONFIG, retention_ms=0))
    for n in range(3):
        desk.new(price="185.00", signal_id=f"s{n}")
    desk.accept(1)
    desk.replace(order_id="1", quantity="150")
    desk.fill(100)
    assert desk.report(ReportType.REPLACED, price=18500, qty=150)["ord_status"] == "PartiallyFilled"
    desk.report(ReportType.CANCELED, 2, reason=Reason.IOC_REMAINDER)
    desk.report(ReportType.CANCELED, 3, reason=Reason.IOC_REMAINDER)
    desk.tick(TICK_MS)
    assert orjson.loads(desk.stage.snapshot())["orders"]["count"] == 1


# ------------------------------------------------------------------------------------------------------ older snapshots


def test_a_state_from_before_there_were_timers_tells_its_quotes_and_knows_when_days_end(desk: OrdersDesk) -> None:
    desk.new(**DAY)
    desk.new(price="185.00", signal_id="s2")
    desk.quote(18480, 18500)
    older = orjson.loads(desk.stage.snapshot())
    del older["timers"]
    del older["orders"]["columns"]["expiry_ms"]
    desk.stage.restore(orjson.dumps(older))
    assert orjson.loads(desk.stage.snapshot())["orders"]["columns"]["expiry_ms"] == [MIDNIGHT_MS, 0]
    assert told(desk.tick(0)) == [("QuoteUpdated", desk.ms)]
    assert desk.stage.due_ms is None
