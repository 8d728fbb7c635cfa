"""Orders that are worked: what is asked of them while their children are on their way, and what stops them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import CancelRejectReason
from fillstream.libs.common.runtime.stage import MOST_OUTPUTS
from fillstream.libs.common.values.moments import text_of
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Algorithm, Job, Parameters, Plan, Slice
from fillstream.services.order_service.orders.life.remembered import Remembered
from fillstream.services.order_service.orders.retiring import sweep
from tests.support.family_desk import FamilyDesk
from tests.support.orders import control

HOUR_MS = 3_600_000
ICEBERG: dict[str, Any] = {"algorithm": "ICEBERG", "algorithm_parameters": {"display_quantity": "40"}}


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


def start(desk: FamilyDesk, **fields: Any) -> list[dict[str, Any]]:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "184.00", "time_in_force": "GTC"}
    return desk.signal(client_order_id="p", **(said | fields))


def only(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    [found] = [each for each in events if each["type"] == kind]
    return found


# -------------------------------------------------------------------------------------------------------- amendments


def test_an_amendment_that_children_leave_no_time_for_is_answered(desk: FamilyDesk) -> None:
    start(desk, algorithm="ICEBERG", algorithm_parameters={"display_quantity": "100"})
    filled = desk.traded(desk.order("p.1"), 100)
    desk.signal_unheard("ReplaceOrder", orig_client_order_id="p", quantity="50")
    desk.desk.restarted()
    told = desk.desk.fold(filled)
    refused = only(told, "OrderReplaceRejected")
    assert (refused["client_order_id"], refused["signal_id"], refused["reason"]) == ("p", "g2", "too_late")
    assert (desk.order("p").status, desk.order("p").amendment) == ("Filled", None)
    desk.desk.ms += 2 * HOUR_MS
    sweep(desk.state, desk.desk.ms)
    assert isinstance(desk.state.find_client("default", "p"), Remembered)
    assert not desk.state.families.works


def test_a_cancel_answers_the_amendment_before_it(desk: FamilyDesk) -> None:
    start(desk, **ICEBERG)
    commands = desk.signal_unheard("ReplaceOrder", orig_client_order_id="p", quantity="30")
    desk.signal_unheard("CancelOrder", orig_client_order_id="p")
    told = desk.deliver(commands)
    assert only(told, "OrderReplaceRejected")["reason"] == CancelRejectReason.TOO_LATE.value
    assert [each["client_order_id"] for each in told if each["type"] == "OrderCanceled"] == ["p.1", "p"]
    assert (desk.order("p").amendment, desk.working()) == (None, {})


@pytest.mark.parametrize(
    ("kind", "named", "text"),
    [
        ("CancelOrder", {"orig_client_order_id": "p"}, "canceled as requested"),
        ("CancelAll", {}, "canceled with all others"),
    ],
)
def test_of_a_parent_whose_children_were_at_a_venue_nobody_says_that_it_never_went(
    desk: FamilyDesk, kind: str, named: dict[str, str], text: str
) -> None:
    start(desk, **ICEBERG)
    told = desk.signal(kind, **named)
    assert [each["text"] for each in told if each["type"] == "OrderCanceled" and each["client_order_id"] == "p"] == [
        text
    ]


def test_a_smaller_total_waits_for_what_works_and_is_what_was_filled_at_least(desk: FamilyDesk) -> None:
    start(desk, algorithm="ICEBERG", algorithm_parameters={"display_quantity": "100"})
    commands = desk.signal_unheard("ReplaceOrder", orig_client_order_id="p", quantity="50")
    desk.desk.fold(desk.traded(desk.order("p.1"), 70))
    assert desk.order("p").status == "PendingReplace"
    desk.deliver(commands)
    assert (desk.order("p").status, desk.order("p").quantity, desk.working()) == ("Filled", 70, {})
    desk.check()


@pytest.mark.parametrize(("quantity", "works"), [("300", 40), ("20", 20)])
def test_another_total_is_worked_from_now_on(desk: FamilyDesk, quantity: str, works: int) -> None:
    start(desk, **ICEBERG)
    desk.signal("ReplaceOrder", orig_client_order_id="p", quantity=quantity)
    assert sum(lots for name, (_, lots) in desk.working().items() if name != "p") == works
    assert desk.working()["p"] == ("New", int(quantity))
    desk.check()


def test_another_limit_moves_the_children(desk: FamilyDesk) -> None:
    start(desk, **ICEBERG)
    desk.signal("ReplaceOrder", orig_client_order_id="p", price="183.50")
    [child] = [each for each in desk.working() if each != "p"]
    assert desk.order(child).price == 18_350
    desk.check()


@pytest.mark.parametrize(
    ("entry", "child"),
    [
        (ICEBERG, "p.1"),
        ({"price": "185.00", "stop_loss": "184.00", "take_profit": "187.00"}, "p.1"),
        ({"price": "185.00", "stop_loss": "184.00", "take_profit": "187.00"}, "p.2"),
    ],
)
def test_a_child_is_amended_by_its_parent_alone(desk: FamilyDesk, entry: dict[str, Any], child: str) -> None:
    start(desk, **entry)
    before = desk.working()
    [refused] = desk.signal("ReplaceOrder", orig_client_order_id=child, quantity="500")
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "of_parent")
    assert desk.working() == before


def test_a_child_that_its_client_cancels_is_made_again(desk: FamilyDesk) -> None:
    start(desk, **ICEBERG)
    desk.signal("CancelOrder", orig_client_order_id="p.1")
    assert desk.working() == {"p": ("New", 100), "p.2": ("New", 40)}
    desk.check()


# ------------------------------------------------------------------------------------------------ many, pauses, the end


def test_more_clips_than_one_look_makes_follow_at_once(desk: FamilyDesk) -> None:
    start(desk, quantity="2000", algorithm="AT_ONCE", algorithm_parameters={"largest_clip": "1"})
    assert len(desk.working()) == 2_001
    assert desk.most_outputs <= 2 * MOST_OUTPUTS
    desk.check()


def test_a_policy_that_posts_first_lets_a_slice_that_takes_take_and_never_sends_one_twice(desk: FamilyDesk) -> None:
    told = {"duration_ms": 10_000, "slices": 2, "urgency": "AGGRESSIVE"}
    start(desk, price="185.00", routing="POST_THEN_TAKE", algorithm="TWAP", algorithm_parameters=told)
    desk.after(1_000)
    assert desk.working() == {"p": ("PartiallyFilled", 50)}
    desk.after(10_000)
    assert (desk.held(), [each.client_order_id for each in desk.state.live()]) == (100, ["p", "p.1", "p.2"])
    desk.check()


class FickleParameters(Parameters):
    """Nothing of its own."""


def test_an_algorithm_that_cannot_decide_sends_orders_no_faster_than_it_retries(
    desk: FamilyDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fickle(job: Job) -> Plan:
        """Wants another price each time it is asked."""
        return Plan((Slice(10, 18_300 + job.asked % 2, rests=True),))

    monkeypatch.setitem(ALGORITHMS, "FICKLE", Algorithm("FICKLE", "", FickleParameters, {}, fickle, False, False))
    start(desk, algorithm="FICKLE", algorithm_parameters={"retry_ms": 500})
    desk.signal("ReplaceOrder", orig_client_order_id="p", algorithm_parameters={"retry_ms": 1_000})
    work = desk.state.families.works[desk.order("p").order_id]
    made = work.made
    assert 5 < made < 25
    assert work.text is not None
    assert "FICKLE changed its mind" in work.text
    desk.desk.restarted()
    desk.after(999)
    assert desk.state.families.works[work.order_id].made == made
    desk.after(1)
    assert made < desk.state.families.works[work.order_id].made < 2 * made + 5
    desk.check()


FINISHING = {"duration_ms": 2_000, "slices": 2, "completion": "MARKET", "retry_ms": 500}


def late(desk: FamilyDesk) -> None:
    """Have an order whose time is over, and whose rest finds nobody."""
    start(desk, algorithm="TWAP", algorithm_parameters=FINISHING)
    desk.after(2_500)
    assert desk.working()["p"][0] == "New"


@pytest.mark.parametrize("kind", ["PauseOrder", "ResumeOrder"])
def test_an_order_whose_time_is_over_is_neither_paused_nor_resumed(desk: FamilyDesk, kind: str) -> None:
    late(desk)
    refused = only(desk.signal(kind, orig_client_order_id="p"), "OrderReplaceRejected")
    assert (refused["client_order_id"], refused["reason"]) == ("p", "too_late")
    desk.after(10_000)
    assert desk.working() == {}


def test_an_order_that_gets_more_time_at_its_end_goes_on_by_its_schedule(desk: FamilyDesk) -> None:
    late(desk)
    desk.signal("ReplaceOrder", orig_client_order_id="p", algorithm_parameters={"duration_ms": 60_000})
    assert desk.state.families.works[desk.order("p").order_id].state == "running"
    desk.after(20_000)
    assert desk.working()["p"] == ("New", 100)
    desk.after(60_000)
    assert desk.working() == {}


def test_a_paused_order_keeps_nothing_at_work_and_goes_on_when_it_is_resumed(desk: FamilyDesk) -> None:
    start(desk, **ICEBERG)
    desk.signal("PauseOrder", orig_client_order_id="p")
    desk.desk.restarted()
    desk.after(60_000)
    assert desk.working() == {"p": ("New", 100)}
    desk.signal("ResumeOrder", orig_client_order_id="p")
    assert desk.working() == {"p": ("New", 100), "p.2": ("New", 40)}


# --------------------------------------------------------------------------------------------------- halts and breakers


def test_a_halt_however_long_pauses_nobody(desk: FamilyDesk) -> None:
    start(desk, **ICEBERG)
    desk.control("Halt", cancel=False)
    desk.signal("CancelOrder", orig_client_order_id="p.1")
    desk.after(HOUR_MS)
    assert desk.working() == {"p": ("New", 100)}
    desk.desk.restarted()
    desk.control("Resume")
    assert desk.working() == {"p": ("New", 100), "p.2": ("New", 40)}


def test_exits_are_there_as_soon_as_the_account_may_trade_again(desk: FamilyDesk) -> None:
    start(desk, price="185.00", stop_loss="184.00", take_profit="187.00")
    desk.control("Halt", cancel=False)
    desk.quote(18_380, 18_390)
    desk.print(18_390)  # the stop's price comes, and it may not go
    desk.after(60_000)
    assert (desk.held(), {*desk.working()}) == (100, {"p.1", "p.2"}), "the target stays"
    desk.control("Resume")
    assert (desk.held(), desk.working()) == (0, {})


def test_a_halt_counts_what_a_stop_and_its_target_keep_once(desk: FamilyDesk) -> None:
    start(desk, price="185.00", stop_loss="184.00", take_profit="187.00")
    desk.signal(client_order_id="x", symbol="AAPL", side="BUY", quantity="30", price="185.00", time_in_force="GTC")
    done = only(desk.control("Halt", keep_protective=True), "MassCancelRequested")
    assert (done["kept_orders"], done["bare_positions"], done["bare"]) == (2, 1, ["default AAPL 30"])


# --------------------------------------------------------------------------------------------- who else has to know


def split(desk: FamilyDesk) -> str:
    told = desk.control("AdjustAccount", adjustment="split", symbol="AAPL", ratio="2:1")
    told = [each for each in told if each["type"] != "QuoteUpdated"]  # one that had moved is told before
    return str(told[0].get("refusal") or told[0]["type"])


def test_nothing_is_split_that_a_bracket_is_to_protect_again(desk: FamilyDesk) -> None:
    start(desk, price="185.00", stop_loss="184.00")
    desk.control("Halt", cancel=False)
    desk.quote(18_380, 18_390)
    desk.print(18_390)
    assert desk.working() == {"p.1": ("Suspended", 100)}
    assert split(desk) == "orders_work"
    desk.signal("CancelOrderList", list_id="p")
    desk.after(1)
    assert split(desk) == "ControlApplied"
    desk.control("Resume")
    desk.after(60_000)
    assert (desk.held(), desk.working()) == (200, {})


def test_an_approved_order_is_worked_and_one_that_is_refused_is_not(desk: FamilyDesk) -> None:
    desk.control("SetLimits", limits={"requires_approval": True})
    start(desk, **ICEBERG)
    desk.signal(client_order_id="q", symbol="AAPL", side="BUY", quantity="10", price="184.00", **ICEBERG)
    assert desk.working() == {"p": ("Suspended", 100), "q": ("Suspended", 10)}
    desk.desk.restarted()
    operate(desk, "Approve", "p", quantity="60")
    operate(desk, "Refuse", "q")
    assert desk.working() == {"p": ("New", 60), "p.1": ("New", 40)}
    desk.check()


def operate(desk: FamilyDesk, kind: str, name: str, **fields: Any) -> None:
    said = control(kind, control_id=f"{kind}-{name}", order_id=str(desk.order(name).order_id), **fields)
    del said["account"]
    desk.fold({b"control": orjson.dumps(said)})


def test_an_order_that_begins_later_is_worked_then_and_its_exits_follow(desk: FamilyDesk) -> None:
    begins = desk.desk.ms + 60_000
    start(desk, price="185.00", effective_time=text_of(begins), stop_loss="184.00", **ICEBERG)
    assert desk.working() == {"p": ("Suspended", 100)}
    desk.desk.restarted()
    desk.after(60_000)
    desk.desk.restarted()
    desk.after(60_000)
    assert (desk.held(), {each.order_type for each in desk.state.orders_of("default") if each.is_held}) == (
        100,
        {"LIMIT", "STOP"},
    )
    desk.check()


def test_children_wait_for_their_turn_and_are_taken_off_while_they_do(desk: FamilyDesk) -> None:
    desk.control("SetLimits", limits={"rate_limit_orders": 2, "rate_limit_window_ms": 1_000})
    start(desk, quantity="10", algorithm="AT_ONCE", algorithm_parameters={"largest_clip": "1"})
    assert sum(status == "Suspended" for status, _ in desk.working().values()) == 8
    desk.signal("ReplaceOrder", orig_client_order_id="p", quantity="3")
    assert set(desk.working()) == {"p", "p.1", "p.2", "p.3"}
    desk.desk.restarted()
    desk.signal("PauseOrder", orig_client_order_id="p")
    assert set(desk.working()) == {"p"}
    desk.after(5_000)
    desk.signal("ResumeOrder", orig_client_order_id="p")
    assert len(desk.working()) == 4
    desk.signal("CancelOrder", orig_client_order_id="p")
    assert desk.working() == {}
    desk.check()
    assert desk.state.holdings.holding("default", "AAPL").buys == 0


@pytest.mark.parametrize(
    ("meant", "left"),
    [
        ({}, set()),
        ({"symbol": "AAPL"}, set()),
        ({"symbol": "ES"}, {"p", "p.1", "e.1", "e.2"}),
        ({"side": "BUY"}, {"e.1", "e.2"}),
        ({"side": "SELL"}, {"p", "p.1"}),
        ({"strategy": "s"}, {"e.1", "e.2"}),
        ({"strategy": "t"}, {"p", "p.1"}),
    ],
)
def test_a_mass_cancel_takes_parents_and_children_together(
    desk: FamilyDesk, meant: dict[str, str], left: set[str]
) -> None:
    start(desk, strategy="s", **ICEBERG)
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "185.00", "time_in_force": "GTC"}
    desk.signal(client_order_id="e", strategy="t", stop_loss="184.00", take_profit="187.00", **said)
    desk.signal("CancelAll", **meant)
    assert set(desk.working()) == left
    desk.desk.restarted()
    desk.after(10_000)
    assert set(desk.working()) == left
    desk.check()


@pytest.mark.parametrize("completion", ["CANCEL", "MARKET"])
def test_a_paused_order_ends_without_a_trade(desk: FamilyDesk, completion: str) -> None:
    told = {"duration_ms": 2_000, "slices": 2, "completion": completion}
    start(desk, price="184.90", algorithm="TWAP", algorithm_parameters=told)
    desk.signal("PauseOrder", orig_client_order_id="p")
    desk.desk.restarted()
    ended = only(desk.after(5_000), "OrderCanceled")
    assert (ended["client_order_id"], ended["reason"], desk.held()) == ("p", "work_ended", 0)


def test_an_order_and_what_its_algorithm_is_told_are_amended_in_turn(desk: FamilyDesk) -> None:
    start(desk, **ICEBERG)
    more = {"algorithm_parameters": {"display_quantity": "20"}, "quantity": "80"}
    [refused] = desk.signal("ReplaceOrder", orig_client_order_id="p", **more)
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "not_worked")
    assert desk.working() == {"p": ("New", 100), "p.1": ("New", 40)}


def test_an_order_that_ends_is_told_nothing_more(desk: FamilyDesk) -> None:
    start(desk, time_in_force="DAY", **ICEBERG)
    desk.desk.ms += 24 * HOUR_MS
    desk.desk.fold({b"tick": b"1"})
    [refused] = desk.asked({"type": "ReplaceOrder", "signal_id": "r", "account": "default", "orig_client_order_id": "p",
                            "algorithm_parameters": {"display_quantity": "20"}})  # fmt: skip
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", "not_worked")


@pytest.mark.parametrize(
    "fields", [{"time_in_force": "DAY"}, {"time_in_force": "GTD", "expire_time": "2023-12-09T15:00:00Z"}]
)
def test_children_that_rest_end_with_their_parents_time(desk: FamilyDesk, fields: dict[str, str]) -> None:
    start(desk, **ICEBERG, **fields)
    parent, child = desk.order("p"), desk.order("p.1")
    assert (child.time_in_force, child.expiry_ms) == (fields["time_in_force"], parent.expiry_ms)
    assert child.expiry_ms > 0
