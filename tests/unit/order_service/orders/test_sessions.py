"""Instruments with sessions: what the desk takes when, what it holds, and when a day ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import PARTITION_ALL, OrdType, ReportType, Tif
from fillstream.libs.common.messages.calendar import CALENDAR, Calendars, DayTable
from fillstream.libs.common.messages.venue import FRAME
from fillstream.libs.common.values.moments import text_of
from fillstream.services.order_service.orders.config import DAY_MS
from fillstream.services.order_service.orders.keeping.snapshot import dump
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.orders import CONFIG, NOON_MS, OrdersDesk, control, new_order, report, request
from tests.support.session_desk import AAPL, AUCTION, HOUR, MIDNIGHT, TABLE, desk_at, session
from tests.support.terms import but

D = Decimal


def ask(desk: OrdersDesk, **fields: Any) -> list[dict[str, Any]]:
    fields = {"price": "100.00", "time_in_force": "DAY", "quantity": "10", **fields}
    return desk.fold({b"data": orjson.dumps(new_order(**{k: v for k, v in fields.items() if v is not None}))})


def printed(desk: OrdersDesk, price: int) -> None:
    desk.fold({FRAME: report(ReportType.PRINTED, price=price, qty=1, partition=PARTITION_ALL)})


def amend(desk: OrdersDesk, order_id: str, **fields: Any) -> list[dict[str, Any]]:
    return desk.fold({b"data": orjson.dumps(request("ReplaceOrder", order_id=order_id, **fields))})


def refusal(events: list[dict[str, Any]]) -> tuple[str, str]:
    [event] = events
    assert event["type"] == "OrderRejected", event
    return event["reason"], event["text"]


def at(day: int, hour: float) -> str:
    return text_of(int(MIDNIGHT + day * DAY_MS + hour * HOUR))


def test_within_a_session_orders_go_and_a_day_ends_with_it() -> None:
    desk = desk_at(12)
    ask(desk)
    [command] = desk.commands
    assert command.time_ms == MIDNIGHT + 17 * HOUR


@pytest.mark.parametrize(
    ("day", "hour", "opens"),
    [(0, 3, at(0, 9 - 1 / 6)), (0, 14.5, at(0, 15)), (0, 20, at(1, 9 - 1 / 6)), (1, 17, at(2, 9 - 1 / 6))],
)
def test_outside_a_session_a_new_order_is_refused_with_the_time_of_the_next(day: int, hour: float, opens: str) -> None:
    reason, text = refusal(ask(desk_at(hour, day=day)))
    assert reason == "outside_session" and opens in text and "next_session" in text


def test_what_is_refused_of_a_market_order_names_when_the_market_is_open_again() -> None:
    desk = desk_at(9 - 0.1)
    desk.quote(9_999, 10_001)
    reason, text = refusal(ask(desk, price=None, order_type="MARKET", time_in_force=None))
    assert reason == "outside_session" and at(0, 9) in text and "AT_THE_OPENING" in text


def test_an_auction_takes_orders_that_may_rest() -> None:
    desk = desk_at(16.9)
    assert ask(desk)[0]["type"] == "OrderReceived"
    assert refusal(ask(desk, signal_id="s2", time_in_force="IOC"))[0] == "outside_session"


def test_good_till_date_stands_over_the_end_of_a_session() -> None:
    desk = desk_at(12)
    expires = MIDNIGHT + DAY_MS + 12 * HOUR
    ask(desk, time_in_force="GTD", special={"expire_time": expires})
    assert desk.commands[0].time_ms == expires


def test_an_order_for_the_next_session_waits_for_it() -> None:
    desk = desk_at(20)
    assert [e["type"] for e in ask(desk, special={"next_session": True})] == ["OrderReceived", "OrderSuspended"]
    call = MIDNIGHT + DAY_MS + 9 * HOUR - AUCTION
    assert desk.stage.due_ms == call
    desk.ms = call
    desk.fold({b"tick": b"1"})
    [command] = desk.commands
    assert command.time_ms == MIDNIGHT + DAY_MS + 17 * HOUR, "a DAY order is one of the day that it waited for"


def test_within_a_session_the_next_one_is_tomorrows() -> None:
    desk = desk_at(16)
    ask(desk, special={"next_session": True})
    assert desk.stage.due_ms == MIDNIGHT + DAY_MS + 9 * HOUR - AUCTION


def test_a_market_order_for_the_next_session_waits_for_its_first_quote() -> None:
    desk = desk_at(20)
    printed(desk, 10_000)
    ask(desk, price=None, order_type="MARKET", time_in_force=None, special={"next_session": True})
    desk.ms = opens = MIDNIGHT + DAY_MS + 9 * HOUR
    desk.fold({b"tick": b"1"})
    assert not desk.commands and desk.stage.due_ms == opens + 250
    desk.quote(9_999, 10_001)
    desk.ms += 250
    desk.fold({b"tick": b"1"})
    assert [command.price for command in desk.commands] == [10_101]


def test_such_an_order_ends_with_the_session_when_nobody_quotes() -> None:
    desk = desk_at(20)
    printed(desk, 10_000)
    ask(desk, price=None, order_type="MARKET", time_in_force=None, special={"next_session": True})
    desk.ms = MIDNIGHT + DAY_MS + 17 * HOUR
    events = desk.fold({b"tick": b"1"})
    assert [e["type"] for e in events if e["type"] != "QuoteUpdated"] == ["OrderExpired"] and not desk.commands


@pytest.mark.parametrize(("tif", "hour"), [("AT_THE_OPENING", 9), ("AT_THE_CLOSE", 17)])
def test_an_order_for_an_auction_waits_until_it_collects_orders_and_ends_with_it(tif: str, hour: int) -> None:
    desk = desk_at(3)
    ask(desk, time_in_force=tif)
    assert not desk.commands
    desk.ms = MIDNIGHT + hour * HOUR - AUCTION
    desk.fold({b"tick": b"1"})
    [command] = desk.commands
    assert (command.ord_type, command.tif, command.time_ms) == (OrdType.LIMIT, Tif.DAY, MIDNIGHT + hour * HOUR)


def test_a_market_order_for_an_auction_is_bounded_by_the_last_price_where_nobody_quotes() -> None:
    desk = desk_at(3)
    assert refusal(ask(desk, price=None, order_type="MARKET", time_in_force="AT_THE_OPENING"))[0] == "no_quote"
    printed(desk, 10_000)
    ask(desk, signal_id="s2", price=None, order_type="MARKET", time_in_force="AT_THE_OPENING")
    desk.ms = MIDNIGHT + 9 * HOUR - AUCTION
    desk.fold({b"tick": b"1"})
    [command] = desk.commands
    assert (command.ord_type, command.tif, command.price) == (OrdType.LIMIT, Tif.DAY, 10_100)


def test_within_the_call_phase_it_goes_at_once() -> None:
    desk = desk_at(8.9)
    ask(desk, time_in_force="AT_THE_OPENING")
    assert desk.commands[0].time_ms == MIDNIGHT + 9 * HOUR


def test_a_desk_that_comes_back_after_the_auction_lets_its_order_expire() -> None:
    desk = desk_at(3)
    ask(desk, time_in_force="AT_THE_OPENING")
    desk.ms = MIDNIGHT + 10 * HOUR
    events = desk.fold({b"tick": b"1"})
    assert [event["type"] for event in events] == ["OrderExpired"] and not desk.commands


def test_what_an_instrument_does_not_have_is_not_waited_for() -> None:
    desk = desk_at(12, close_auction_ms=0)
    assert refusal(ask(desk, time_in_force="AT_THE_CLOSE"))[0] == "no_auction"
    always = OrdersDesk()
    assert refusal(ask(always, time_in_force="AT_THE_CLOSE"))[0] == "no_auction"
    assert refusal(ask(always, signal_id="s2", special={"next_session": True}))[0] == "no_auction"


def test_a_time_outside_sessions_is_the_beginning_of_the_next_one() -> None:
    desk = desk_at(12)
    ask(desk, special={"effective_time": MIDNIGHT + 20 * HOUR})
    desk.ms = MIDNIGHT + 20 * HOUR
    [told] = desk.fold({b"tick": b"1"})
    opens = MIDNIGHT + DAY_MS + 9 * HOUR - AUCTION
    assert not desk.commands and desk.stage.due_ms == opens
    assert (told["type"], told["effective_time"]) == ("OrderSuspended", opens)


def test_what_a_person_approves_at_night_waits_for_the_session() -> None:
    desk = desk_at(16)
    desk.set_limits(requires_approval=True, approval_timeout_ms=86_400_000)
    ask(desk, time_in_force="GTC")
    desk.ms = MIDNIGHT + 20 * HOUR
    approval = control("Approve", control_id="c2", order_id="1")
    del approval["account"]
    told = desk.fold({b"control": orjson.dumps(approval)})
    assert told[-1]["effective_time"] == MIDNIGHT + DAY_MS + 9 * HOUR - AUCTION
    assert not desk.commands
    desk.ms = MIDNIGHT + DAY_MS + 9 * HOUR
    desk.fold({b"tick": b"1"})
    assert len(desk.commands) == 1


def test_a_calendar_that_has_ended_is_told_and_not_guessed() -> None:
    reason, text = refusal(ask(desk_at(12, day=3), time_in_force="GTC"))
    assert reason == "calendar_ended" and at(3, 0) in text
    last_evening = desk_at(20, day=2)
    assert refusal(ask(last_evening, time_in_force="AT_THE_OPENING"))[0] == "calendar_ended"
    assert refusal(ask(last_evening, signal_id="s2", special={"next_session": True}))[0] == "calendar_ended"


def test_a_day_whose_end_nobody_knows_is_no_day_order() -> None:
    last_evening = desk_at(20, day=2)
    later = {"effective_after_ms": 1_000}
    assert refusal(ask(last_evening, time_in_force="DAY", special=later))[0] == "calendar_ended"


def test_without_its_calendar_an_instrument_is_not_traded() -> None:
    desk = OrdersDesk(but(CONFIG, instruments={"AAPL": AAPL}))
    assert refusal(ask(desk))[0] == "calendar_ended"


def test_new_calendars_move_what_waits_for_a_session() -> None:
    desk = desk_at(20)
    ask(desk, special={"effective_time": desk.ms + 1})
    desk.ms += 1
    desk.fold({b"tick": b"1"})
    holiday = but(TABLE, sessions=(session(0), session(2)))
    desk.fold({CALENDAR: Calendars(calendars={"XTST": holiday}).to_json()})
    desk.fold({b"tick": b"1"})
    assert desk.stage.due_ms == MIDNIGHT + 2 * DAY_MS + 9 * HOUR - AUCTION


def test_an_amendment_outside_sessions_is_refused_but_of_what_the_desk_holds() -> None:
    desk = desk_at(16)
    held = ask(desk, signal_id="s1", special={"next_session": True})[0]["order_id"]
    resting = ask(desk, signal_id="s2", time_in_force="GTC")[0]["order_id"]
    desk.accept(int(resting))
    desk.ms = MIDNIGHT + 20 * HOUR
    assert amend(desk, held, quantity="5")[-1]["type"] == "OrderReplaced"
    assert amend(desk, resting, signal_id="r2", quantity="5")[-1]["reason"] == "outside_session"


def test_calendars_are_offered_while_the_state_has_others_and_kept_in_snapshots() -> None:
    calendars = Calendars(calendars={"XTST": TABLE}, days={"Europe/Zurich 0": DayTable(until_ms=1, begins=(1,))})
    desk = desk_at(12)
    ask(desk, special={"next_session": True})
    twin = OrdersStage(desk.topology, 0, desk.config, lambda: calendars)
    twin.restore(desk.stage.snapshot())
    assert twin.snapshot() == desk.stage.snapshot()
    assert twin.calendar() == {CALENDAR: calendars.to_json()}
    same = OrdersStage(desk.topology, 0, desk.config, lambda: Calendars(calendars={"XTST": TABLE}))
    same.restore(desk.stage.snapshot())
    assert same.calendar() is None
    assert same.gauges()["calendar_ends_timestamp_seconds"] == {"XTST": TABLE.until_ms // 1000}


def test_a_desk_without_calendars_has_none_in_its_snapshot() -> None:
    assert "calendars" not in orjson.loads(dump(OrdersDesk().stage._state))


def test_what_is_no_calendar_is_buried_and_changes_nothing() -> None:
    desk = desk_at(12)
    before = desk.stage.snapshot()
    desk.fold({CALENDAR: b'{"calendars":{"XTST":{"zone":"UTC","from_ms":0,"until_ms":5,"sessions":[["d",9,8]]}}}'})
    assert desk.stage.snapshot() == before
    [letter] = desk.dead
    assert orjson.loads(letter[b"data"])["reason"] == "bad_calendar"


# ------------------------------------------------------------------------------------------- days of accounts


def zurich(*begins: int) -> Calendars:
    return Calendars(days={"Europe/Zurich 0": DayTable(until_ms=begins[-1], begins=begins)})


def zoned_desk(most: int = 1) -> OrdersDesk:
    account = but(CONFIG.accounts["default"], day_zone="Europe/Zurich", max_daily_orders=most)
    return OrdersDesk(but(CONFIG, accounts={"default": account}))


def test_a_day_of_25_hours_ends_when_the_clock_says_so() -> None:
    desk = zoned_desk()
    begins = NOON_MS
    desk.fold({CALENDAR: zurich(begins, begins + 25 * HOUR, begins + 49 * HOUR).to_json()})
    desk.ms = begins + 1
    assert ask(desk)[0]["type"] == "OrderReceived"
    desk.ms = begins + 25 * HOUR - 1
    assert refusal(ask(desk, signal_id="s2"))[0] == "max_daily_orders"
    desk.ms += 1
    assert ask(desk, signal_id="s3")[0]["type"] == "OrderReceived"


def test_a_day_whose_end_is_not_known_does_not_end() -> None:
    desk = zoned_desk()
    desk.fold({CALENDAR: zurich(NOON_MS).to_json()})
    assert ask(desk)[0]["type"] == "OrderReceived"
    desk.ms += 10 * DAY_MS
    assert refusal(ask(desk, signal_id="s2"))[0] == "max_daily_orders"
    desk.fold({CALENDAR: zurich(desk.ms + HOUR).to_json()})
    assert ask(desk, signal_id="s3")[0]["type"] == "OrderReceived"


def test_a_restart_begins_no_day() -> None:
    desk = zoned_desk()
    desk.fold({CALENDAR: zurich(NOON_MS + DAY_MS).to_json()})
    ask(desk)
    desk.stage.restore(desk.stage.snapshot())
    assert refusal(ask(desk, signal_id="s2"))[0] == "max_daily_orders"
