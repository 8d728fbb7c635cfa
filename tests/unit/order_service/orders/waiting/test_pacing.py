"""rate_limit_orders: so many new orders of an account go to venues in a window, the others wait for their turn."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.engine.frames import PARTITION_ALL, CommandType, ReportType
from fillstream.services.order_service.orders.waiting.desk import MOST_RELEASED
from tests.support.orders import CONFIG, OrdersDesk, new_order, report, request
from tests.support.terms import but

D = Decimal
QUIET = {"QuoteUpdated"}


def desk_of(most: int | None = 2, window_ms: int = 1_000, **more: Any) -> OrdersDesk:
    own = {"rate_limit_orders": most, "rate_limit_window_ms": window_ms, **more}
    desk = OrdersDesk(but(CONFIG, accounts={**CONFIG.accounts, "default": but(CONFIG.accounts["default"], **own)}))
    desk.quote(18490, 18500)
    return desk


@pytest.fixture
def desk() -> OrdersDesk:
    return desk_of()


def send(desk: OrdersDesk, name: str, price: str | None = "184.00", **fields: Any) -> list[dict[str, Any]]:
    wishes = {"signal_id": name, **({} if price is None else {"price": price}), **fields}
    return [e for e in desk.fold({b"data": orjson.dumps(new_order(**wishes))}) if e["type"] not in QUIET]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events if event["type"] not in QUIET]


def sent(desk: OrdersDesk) -> list[int]:
    return [command.order_id for command in desk.commands if command.type == CommandType.NEW]


def pass_to(desk: OrdersDesk, ms: int) -> list[dict[str, Any]]:
    """Let time pass as a worker would: with a tick at each moment when something is due."""
    told: list[dict[str, Any]] = []
    while (due := desk.stage.due_ms) is not None and due <= ms:
        desk.ms = max(desk.ms, due)
        told += desk.fold({b"tick": b"1"})
    desk.ms = ms
    return [*told, *desk.fold({b"tick": b"1"})]


def test_beyond_the_rate_an_order_waits_and_goes_when_the_window_allows(desk: OrdersDesk) -> None:
    start = desk.ms
    assert kinds(send(desk, "a")) == ["OrderReceived"]
    desk.ms += 300
    assert kinds(send(desk, "b")) == ["OrderReceived"]
    received, suspended = send(desk, "c")
    assert (received["type"], suspended["type"], suspended["ord_status"]) == (
        "OrderReceived", "OrderSuspended", "Suspended",
    )  # fmt: skip
    assert suspended["text"] == (
        "rate_limit_orders: at most 2 orders of default go to venues in 1000 ms; it waits for its turn, 0 before it"
    )
    assert send(desk, "d")[1]["text"].endswith("1 before it")
    assert desk.stage.gauges()["queued_orders"] == {"default": 2}
    assert sent(desk) == [1, 2]
    pass_to(desk, start + 999)
    assert sent(desk) == [1, 2]
    [triggered] = [each for each in pass_to(desk, start + 1_000) if each["type"] == "OrderTriggered"]
    assert (triggered["order_id"], triggered["ord_status"], triggered["due_time"]) == ("3", "New", start + 1_000)
    pass_to(desk, start + 1_299)
    assert sent(desk) == [1, 2, 3]
    pass_to(desk, start + 1_300)
    assert sent(desk) == [1, 2, 3, 4]
    assert desk.stage.gauges()["queued_orders"] == {}
    assert desk.accept(3)["ord_status"] == "New"


def test_an_account_without_a_rate_has_nothing_to_do_with_it(desk: OrdersDesk) -> None:
    for number in range(20):
        assert kinds(send(desk, f"o{number}", account="other")) == ["OrderReceived"]
    snapshot = orjson.loads(desk.stage.snapshot())
    assert "paced" not in snapshot
    assert len(sent(desk)) == 20


def test_a_later_order_does_not_overtake_and_a_free_slot_is_the_first_ones(desk: OrdersDesk) -> None:
    start = desk.ms
    for name in "abcd":
        send(desk, name)
    desk.ms = start + 1_000  # nobody ticked meanwhile: what is due goes before what comes
    events = send(desk, "e")
    assert kinds(events) == ["OrderTriggered", "OrderTriggered", "OrderReceived", "OrderSuspended"]
    assert sent(desk) == [1, 2, 3, 4]


def test_cancels_and_amendments_of_what_waits_are_done_at_once_and_its_place_is_kept(desk: OrdersDesk) -> None:
    for name in "abcde":
        send(desk, name)
    cancel = {b"data": orjson.dumps(request("CancelOrder", order_id="3"))}
    assert kinds(desk.fold(cancel)) == ["OrderCancelRequested", "OrderCanceled"]
    amend = {b"data": orjson.dumps(request("ReplaceOrder", order_id="5", quantity="70", signal_id="r2"))}
    assert kinds(desk.fold(amend)) == ["OrderReplaceRequested", "OrderReplaced"]
    assert len(desk.commands) == 2
    pass_to(desk, desk.ms + 5_000)
    assert sent(desk) == [1, 2, 4, 5]
    assert desk.commands[-1].qty == 70


def test_cancels_and_amendments_of_what_works_never_wait(desk: OrdersDesk) -> None:
    for name in "abc":
        send(desk, name)
    desk.accept(1)
    desk.accept(2)
    assert desk.replace(order_id="1", quantity="200")["type"] == "OrderReplaceRequested"
    assert desk.cancel(order_id="2")["type"] == "OrderCancelRequested"
    assert [command.type for command in desk.commands[2:]] == [CommandType.REPLACE, CommandType.CANCEL]


def test_what_only_closes_a_position_goes_past_the_queue_and_counts() -> None:
    desk = desk_of(max_daily_orders=50)
    start = desk.ms
    send(desk, "a", "185.00")
    desk.accept(1)
    desk.fill(100)
    desk.ms += 100
    send(desk, "b")
    assert kinds(send(desk, "c")) == ["OrderReceived", "OrderSuspended"]
    desk.ms += 100
    assert kinds(send(desk, "exit", "184.95", side="SELL", quantity="10", special={"reduce_only": True})) == [
        "OrderReceived"
    ]
    stop = {"order_type": "STOP", "special": {"stop_price": "180.00"}}
    assert kinds(send(desk, "stop", None, side="SELL", quantity="10", **stop)) == ["OrderReceived"]
    assert sent(desk) == [1, 2, 4, 5]
    pass_to(desk, start + 1_199)
    assert sent(desk) == [1, 2, 4, 5], "two went within the last second"
    pass_to(desk, start + 1_200)
    assert sent(desk) == [1, 2, 4, 5, 3]


def test_a_halt_takes_off_what_waits_and_a_mass_cancel_does(desk: OrdersDesk) -> None:
    for name in "abcd":
        send(desk, name)
    desk.control("Halt", control_id="h")
    canceled = [each["order_id"] for each in desk.events if each["type"] == "OrderCanceled"]
    assert canceled == ["3", "4"]
    assert desk.stage.gauges()["queued_orders"] == {}
    pass_to(desk, desk.ms + 3_000)
    assert sent(desk) == [1, 2]
    other = desk_of()
    for name in "abcd":
        send(other, name)
    document = {"type": "CancelAll", "v": 1, "signal_id": "x", "account": "default", "signal_time": other.ms,
                "symbol": None, "strategy": None, "side": None}  # fmt: skip
    other.fold({b"data": orjson.dumps(document)})
    assert [each["order_id"] for each in other.events if each["type"] == "OrderCanceled"] == ["3", "4"]


def test_a_halt_that_leaves_what_works_lets_nothing_out_that_waits(desk: OrdersDesk) -> None:
    for name in "abc":
        send(desk, name)
    desk.control("Halt", control_id="h", cancel=False)
    [canceled] = [e for e in pass_to(desk, desk.ms + 1_000) if e["type"] == "OrderCanceled"]
    assert (canceled["order_id"], canceled["reason"]) == ("3", "trading_halted")
    assert sent(desk) == [1, 2]


def test_the_market_is_looked_at_again_when_it_goes() -> None:
    desk = desk_of(1)
    send(desk, "a")
    send(desk, "limit", "185.00")
    send(desk, "market", None)
    desk.quote(17990, 18000)
    events = pass_to(desk, desk.ms + 1_000)
    [canceled] = [each for each in events if each["type"] == "OrderCanceled"]
    assert (canceled["order_id"], canceled["reason"]) == ("2", "not_released")
    assert canceled["text"].startswith("price: 185.00 is above")
    assert sent(desk) == [1, 3], "one that did not go takes nobody's turn"
    assert desk.commands[-1].price == 18180, "and the bound of a market order is of the market as it is"


def test_what_waited_for_a_price_or_a_time_waits_for_its_turn_behind_those_that_wait() -> None:
    desk = desk_of(1)
    touched = {"order_type": "MARKET_IF_TOUCHED", "special": {"stop_price": "184.00", "trigger_price_type": "MID"}}
    send(desk, "touched", None, **touched)
    send(desk, "later", "184.00", special={"effective_after_ms": 100})
    send(desk, "a")
    send(desk, "b")
    quoted = report(ReportType.QUOTED, price=18390, qty=100, leaves=18400, aux=100, account=0, side=0,
                    partition=PARTITION_ALL)  # fmt: skip
    desk.fold({b"frame": quoted})
    assert desk.events[-1]["type"] == "OrderSuspended" and desk.events[-1]["order_id"] == "1"
    assert desk.events[-1]["text"].endswith("1 before it")
    refused = desk.replace(order_id="1", signal_id="r", special={"stop_price": "180.00"}, quantity="50")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "not_waiting")
    pass_to(desk, desk.ms + 150)
    assert sent(desk) == [3]
    pass_to(desk, desk.ms + 5_000)
    assert sent(desk) == [3, 4, 1, 2]


def test_a_time_in_force_that_ends_while_it_waits_ends_the_order() -> None:
    desk = desk_of(1, 60_000)
    send(desk, "a")
    special = {"special": {"expire_time": desk.ms + 500}, "time_in_force": "GTD"}
    assert kinds(send(desk, "b", **special)) == ["OrderReceived", "OrderSuspended"]
    assert kinds(pass_to(desk, desk.ms + 500)) == ["OrderExpired"]
    pass_to(desk, desk.ms + 60_000)
    assert sent(desk) == [1]
    assert desk.stage._state.timers.due_ms(1, "rate") is None


def test_another_rate_counts_at_once_for_those_that_wait(desk: OrdersDesk) -> None:
    for name in "abcdefgh":
        send(desk, name)
    desk.set_limits(rate_limit_orders=4)
    pass_to(desk, desk.ms)
    assert sent(desk) == [1, 2, 3, 4]
    desk.set_limits("c3", rate_limit_orders=None)
    pass_to(desk, desk.ms)
    assert sent(desk) == [*range(1, 9)]
    assert desk.restarted() is None
    send(desk, "more")
    assert len(sent(desk)) == 9


def test_a_lower_rate_counts_what_went_before(desk: OrdersDesk) -> None:
    start = desk.ms
    send(desk, "a")
    desk.ms += 400
    send(desk, "b")
    desk.set_limits(rate_limit_orders=1, rate_limit_window_ms=500)
    send(desk, "c")
    pass_to(desk, start + 899)
    assert sent(desk) == [1, 2]
    pass_to(desk, start + 900)
    assert sent(desk) == [1, 2, 3]


def test_a_file_without_the_account_lets_what_waits_go_at_the_rate_that_it_had(desk: OrdersDesk) -> None:
    for name in "abc":
        send(desk, name)
    smaller = but(desk.config, accounts={"other": desk.config.accounts["other"]})
    fields = desk.restarted(smaller)
    assert fields is not None
    desk.fold(fields)
    pass_to(desk, desk.ms + 999)
    assert sent(desk) == [1, 2]
    pass_to(desk, desk.ms + 1)
    assert sent(desk) == [1, 2, 3]


def test_a_longer_queue_than_one_entry_may_send_goes_on_at_once() -> None:
    desk = desk_of(1, max_daily_orders=10_000)
    count = 2 * MOST_RELEASED + 10
    for number in range(count):
        send(desk, f"o{number}")
    desk.set_limits(rate_limit_orders=None)
    told = [0]
    while len(sent(desk)) < count:
        pass_to(desk, desk.ms)
        told.append(len(sent(desk)))
        assert told[-1] - told[-2] > 0
    assert sent(desk) == [*range(1, count + 1)]


# ------------------------------------------------------------------------------------------------- a naive queue


class Naive:
    """Looks through everything that ever went, each millisecond."""

    def __init__(self, most: int, window_ms: int) -> None:
        self.most, self.window_ms = most, window_ms
        self.went: list[tuple[int, int]] = []
        self.waiting: deque[int] = deque()

    def full(self, ms: int) -> bool:
        return sum(ms - at < self.window_ms for at, _ in self.went) >= self.most

    def until(self, begin_ms: int, end_ms: int) -> None:
        for ms in range(begin_ms, end_ms + 1):
            while self.waiting and not self.full(ms):
                self.went.append((ms, self.waiting.popleft()))

    def new(self, ms: int, order_id: int, exit_: bool) -> None:
        if exit_ or not (self.waiting or self.full(ms)):
            self.went.append((ms, order_id))
        else:
            self.waiting.append(order_id)


STEPS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(("new", "new", "new", "new", "exit", "cancel", "tick", "restart"))),
    max_size=50,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), STEPS)
def test_it_sends_what_a_naive_queue_sends(most: int, window_ms: int, steps: list[tuple[int, str]]) -> None:
    desk = desk_of(most, window_ms, max_daily_orders=1_000)
    send(desk, "first", "185.00")
    desk.accept(1)
    desk.fill(100)
    naive = Naive(most, window_ms)
    naive.new(desk.ms, 1, False)
    at, orders = len(sent(desk)), 1
    seen = [(desk.ms, 1)]

    def look() -> None:
        nonlocal at
        fresh = sent(desk)[at:]
        at += len(fresh)
        seen.extend((desk.ms, order_id) for order_id in fresh)

    def go(ms: int) -> None:
        naive.until(desk.ms, ms)
        while (due := desk.stage.due_ms) is not None and due <= ms:
            desk.ms = max(desk.ms, due)
            desk.fold({b"tick": b"1"})
            look()
        desk.ms = ms

    for ahead, what in steps:
        go(desk.ms + ahead)
        if what in ("new", "exit"):
            orders += 1
            special = {"special": {"reduce_only": True}, "side": "SELL", "quantity": "1"} if what == "exit" else {}
            told = send(desk, f"o{orders}", "186.00" if special else "184.00", **special)
            assert told[0]["type"] == "OrderReceived"
            naive.new(desk.ms, orders, bool(special))
        elif what == "cancel" and naive.waiting:
            gone = naive.waiting[len(naive.waiting) // 2]
            desk.fold({b"data": orjson.dumps(request("CancelOrder", order_id=str(gone), signal_id=f"c{gone}"))})
            naive.waiting.remove(gone)
        elif what == "tick":
            desk.fold({b"tick": b"1"})
        elif what == "restart":
            assert desk.restarted() is None
        look()
    assert desk.stage.gauges()["queued_orders"].get("default", 0) == len(naive.waiting)
    go(desk.ms + (len(naive.waiting) + 1) * window_ms)
    assert seen == naive.went
    assert not naive.waiting
