"""Circuit breakers: open by what goes wrong in a window, half open after a while, closed by an order that passes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Reason, ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.services.order_service.orders.control import breakers
from tests.support.orders import CONFIG, OrdersDesk, new_order, report
from tests.support.terms import but

D = Decimal
WINDOW_MS, COOLDOWN_MS = 10_000, 5_000
TIMES = {"breaker_window_ms": WINDOW_MS, "breaker_cooldown_ms": COOLDOWN_MS}


def desk_of(**terms: Any) -> OrdersDesk:
    default = but(CONFIG.accounts["default"], max_daily_orders=1_000, **TIMES, **terms)
    desk = OrdersDesk(but(CONFIG, accounts={**CONFIG.accounts, "default": default}))
    desk.quote(18490, 18500)
    return desk


def order(desk: OrdersDesk, signal_id: str, **fields: Any) -> list[dict[str, Any]]:
    said = {"price": "185.00", "quantity": "1", **fields}
    told = desk.fold({b"data": orjson.dumps(new_order(signal_id=signal_id, **said))})
    return [event for event in told if event["type"] != "QuoteUpdated"]


def changes(events: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    return [
        (each["scope"], each["name"], each["new_state"], each["cause"])
        for each in events
        if each["type"] == "BreakerChanged"
    ]


def rejected(desk: OrdersDesk, order_id: str, account: int = 1) -> list[dict[str, Any]]:
    return desk.fold({b"frame": report(ReportType.REJECTED, int(order_id), reason=Reason.CAPACITY, account=account)})


def reason(events: list[dict[str, Any]]) -> str:
    return str(events[0].get("reason"))


def test_too_many_orders_in_a_window_open_it_and_the_next_is_refused() -> None:
    desk = desk_of(breaker_orders=3)
    assert changes(order(desk, "a")) == changes(order(desk, "b")) == []
    told = order(desk, "c")
    assert told[0]["type"] == "OrderReceived", "the one that opens it has passed"
    assert changes(told) == [("ACCOUNT", "default", "OPEN", "ORDERS")]
    assert told[1]["text"] == "3 orders were taken within 10000 ms; one may try in 5000 ms"
    refused = order(desk, "d")
    assert (refused[0]["type"], reason(refused)) == ("OrderRejected", "breaker_open")
    assert order(desk, "e", account="other")[0]["type"] == "OrderReceived"
    assert desk.stage.gauges()["open_breakers"] == {"account": 1, "strategy": 0, "venue": 0}


def test_what_is_past_the_window_is_not_counted() -> None:
    desk = desk_of(breaker_orders=3)
    for number in range(9):
        desk.ms += WINDOW_MS // 2
        assert changes(order(desk, f"s{number}")) == []


def half_open(desk: OrdersDesk) -> None:
    desk.ms += COOLDOWN_MS
    assert ("ACCOUNT", "default", "HALF_OPEN", "COOLED_DOWN") in changes(desk.fold({b"tick": b"1"}))


def test_half_open_one_order_tries_and_closes_it_once_it_was_acknowledged() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a")
    half_open(desk)
    assert desk.restarted() is None
    [probe] = order(desk, "b")
    assert probe["type"] == "OrderReceived"
    refused = order(desk, "c")
    assert (reason(refused), "order 2 tries already" in refused[0]["text"]) == ("breaker_open", True)
    desk.accept(2)
    told = order(desk, "d")
    assert changes(told)[0] == ("ACCOUNT", "default", "CLOSED", "PROBE_PASSED")
    assert told[1]["type"] == "OrderReceived"


def test_an_acknowledged_try_closes_it_in_time_though_no_other_order_comes() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a")
    half_open(desk)
    order(desk, "b")
    desk.ms += COOLDOWN_MS
    assert changes(desk.fold({b"tick": b"1"})) == [], "nobody has answered it"
    desk.accept(2)
    desk.ms += COOLDOWN_MS
    assert changes(desk.fold({b"tick": b"1"})) == [("ACCOUNT", "default", "CLOSED", "PROBE_PASSED")]


def test_a_try_that_is_refused_opens_it_again() -> None:
    desk = desk_of(breaker_rejects=2)
    for number in (1, 2):
        order(desk, f"s{number}")
        told = rejected(desk, str(number))
    assert changes(told) == [("ACCOUNT", "default", "OPEN", "REJECTS")]
    half_open(desk)
    order(desk, "b")
    assert changes(rejected(desk, "3")) == [("ACCOUNT", "default", "OPEN", "PROBE_REJECTED")]
    half_open(desk)


def test_orders_that_the_desk_refuses_count_as_well_but_not_those_of_the_breaker_itself() -> None:
    desk = desk_of(breaker_rejects=2)
    assert changes(order(desk, "a", price="185.005")) == []
    assert changes(order(desk, "b", price="185.005")) == [("ACCOUNT", "default", "OPEN", "REJECTS")]
    for number in range(5):
        assert changes(order(desk, f"s{number}")) == []
    half_open(desk)


def test_a_strategys_breaker_stops_its_own_orders_alone() -> None:
    desk = desk_of(strategy_breaker_orders=2)
    for name in ("a", "b"):
        told = order(desk, name, strategy="alpha")
    assert changes(told) == [("STRATEGY", "alpha", "OPEN", "ORDERS")]
    assert reason(order(desk, "c", strategy="alpha")) == "breaker_open"
    assert order(desk, "d", strategy="beta")[0]["type"] == "OrderReceived"
    assert order(desk, "e")[0]["type"] == "OrderReceived"


def test_a_venues_breaker_counts_what_the_venue_refuses_of_anybody() -> None:
    desk = OrdersDesk(but(CONFIG, venues={"SIM": VenueTerms(breaker_rejects=2, **TIMES)}))
    desk.quote(18490, 18500)
    order(desk, "a")
    order(desk, "b", account="other")
    order(desk, "c", price="185.005")
    assert changes(rejected(desk, "1")) == []
    assert changes(rejected(desk, "2", account=2)) == [("VENUE", "SIM", "OPEN", "REJECTS")]
    assert desk.events[-1]["account"] is None
    for account in CONFIG.accounts:
        assert reason(order(desk, f"z{account}", account=account)) == "breaker_open"


def test_a_loss_within_the_window_opens_it_without_any_order() -> None:
    desk = desk_of(breaker_loss=D(100))
    order(desk, "a", quantity="100")
    desk.fill(100, 18500, 1)
    desk.ms += 1_000
    desk.fold({b"tick": b"1"})
    desk.quote(18390, 18400)  # some 105 lower at the mid
    desk.ms += WINDOW_MS // breakers.LOOKS
    told = changes(desk.fold({b"tick": b"1"}))
    assert told == [("ACCOUNT", "default", "OPEN", "LOSS")]
    assert reason(order(desk, "b")) == "breaker_open"


def test_a_slow_loss_does_not_open_it() -> None:
    desk = desk_of(breaker_loss=D(100))
    order(desk, "a", quantity="100")
    desk.fill(100, 18500, 1)
    for step in range(1, 20):
        desk.ms += WINDOW_MS
        desk.quote(18490 - 40 * step, 18500 - 40 * step)
        desk.fold({b"tick": b"1"})
    assert changes(desk.events) == []


def test_reduce_only_orders_pass_an_open_breaker() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a", quantity="10")
    desk.fill(10, 18500, 1)
    told = order(desk, "b", side="SELL", quantity="10", special={"reduce_only": True})
    assert told[0]["type"] == "OrderReceived"


LIFTED = [("ACCOUNT", "default", "CLOSED", "LIFTED")]


def test_one_whose_limits_an_operator_takes_off_is_closed_and_leaves_no_time_behind() -> None:
    desk = desk_of()
    desk.set_limits("on", breaker_orders=1, breaker_rejects=5)
    order(desk, "a")
    assert changes(desk.reset_limits("one", "breaker_orders")) == [], "it counts what is refused still"
    assert changes(desk.reset_limits("off")) == LIFTED
    desk.ms += 2 * COOLDOWN_MS
    assert changes(desk.fold({b"tick": b"1"})) == []
    assert changes(desk.set_limits("again", breaker_orders=2)) == []
    assert order(desk, "b")[0]["type"] == "OrderReceived"


def test_one_whose_limits_a_new_file_leaves_out_is_closed_half_open_as_it_may_be() -> None:
    desk = desk_of(breaker_orders=1)
    order(desk, "a")
    half_open(desk)
    default = but(desk.config.accounts["default"], breaker_orders=None)
    new = but(desk.config, accounts={**desk.config.accounts, "default": default})
    assert changes(desk.fold({b"config": new.to_json()})) == LIFTED


def test_breakers_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_BREAKERS", 3)
    desk = desk_of(strategy_breaker_orders=5)
    for number in range(6):
        order(desk, f"s{number}", strategy=f"run{number}")
    rows = orjson.loads(desk.stage.snapshot())["breakers"]["rows"]
    assert [row["name"] for row in rows] == ["run3", "run4", "run5"]


def test_one_that_makes_room_for_another_leaves_no_time_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakers, "MOST_BREAKERS", 2)
    desk = desk_of(strategy_breaker_orders=1)
    for number in range(3):
        assert changes(order(desk, f"s{number}", strategy=f"run{number}"))[0][2] == "OPEN"
    desk.ms += COOLDOWN_MS
    told = changes(desk.fold({b"tick": b"1"}))
    assert told == [("STRATEGY", name, "HALF_OPEN", "COOLED_DOWN") for name in ("run1", "run2")]


def test_a_snapshot_has_them_and_a_desk_without_has_no_byte_of_it() -> None:
    desk = desk_of(breaker_orders=3, breaker_loss=D(100), breaker_rejects=3)
    desk.fold({b"tick": b"1"})
    order(desk, "a", quantity="10")
    desk.fill(10, 18500, 1)
    desk.ms += 1_000
    desk.fold({b"tick": b"1"})
    order(desk, "b", price="185.005")
    [row] = orjson.loads(desk.stage.snapshot())["breakers"]["rows"]
    assert row["worths"] and row["orders"] and row["rejects"]
    assert desk.restarted() is None
    plain = OrdersDesk()
    plain.new(price="185.00")
    assert "breakers" not in orjson.loads(plain.stage.snapshot())
    assert plain.stage._state.breakers == {}
