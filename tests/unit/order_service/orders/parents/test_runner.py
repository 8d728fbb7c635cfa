"""An order that is worked: its children add up to it, whatever an algorithm says and whatever becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.codes import CancelRejectReason
from fillstream.libs.common.messages.simulation import SimulationConfig
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, Slice, algorithm
from fillstream.services.order_service.orders.parents.sender import MOST_CHILDREN, MOST_REFUSED
from fillstream.services.order_service.orders.parents.work import DONE, PAUSED, RUNNING
from tests.support.family_desk import FamilyDesk

SAID: dict[str, Plan] = {}
"""What the algorithm PUPPET says, by the client's id of nobody in particular: the newest counts."""


@pytest.fixture
def puppet() -> Iterator[dict[str, Plan]]:
    """Register an algorithm that says what a test puts into what this returns, under `plan`."""

    @algorithm("PUPPET", Parameters, example={})
    def plan(job: Job) -> Plan:
        """Says what it is told."""
        return SAID["plan"]

    yield SAID
    del ALGORITHMS["PUPPET"]
    SAID.clear()


@pytest.fixture
def desk() -> FamilyDesk:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500, lots=50)
    desk.print(18_495)
    return desk


def start(desk: FamilyDesk, algo: str = "AT_ONCE", told: dict[str, Any] | None = None, **fields: Any) -> list[Any]:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "185.00", "time_in_force": "GTC"}
    parameters = orjson.dumps(told or {}).decode()
    return desk.signal(client_order_id="p", algorithm=algo, algorithm_parameters=parameters, **(said | fields))


def test_children_add_up_to_their_parent(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "30"})
    parent = desk.order("p")
    assert (parent.status, parent.cum, parent.out) == ("PartiallyFilled", 50, 50)
    assert [desk.order(f"p.{number}").quantity for number in (1, 2, 3, 4)] == [30, 30, 30, 10]
    desk.check()
    desk.quote(18_480, 18_490)
    assert (parent.status, parent.cum, parent.notional) == ("Filled", 100, 100 * 18_500)
    assert desk.state.families.works[parent.order_id].state == DONE
    desk.check()


def test_a_parent_is_reserved_once_however_it_is_split() -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500, lots=50)
    desk.state.count_working("default")
    start(desk, told={"largest_clip": "7"}, price="184.00")
    holding = desk.state.holdings.holding("default", "AAPL")
    assert (holding.buys, holding.buy_value) == (100, 100 * 18_400)
    desk.signal("CancelOrder", orig_client_order_id="p")
    assert (holding.buys, holding.buy_value, holding.account.open_orders) == (0, 0, 0)


def test_a_greedy_algorithm_gets_no_more_than_its_parent_has(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan((Slice(80, 18_400, rests=True), Slice(90, 18_390, rests=True), Slice(50, 19_000)))
    start(desk, "PUPPET")
    assert {name: lots for name, (_, lots) in desk.working().items()} == {"p": 100, "p.1": 80, "p.2": 20}
    desk.check()


def test_a_price_beyond_the_parents_limit_is_the_limit(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan((Slice(10, 19_000, rests=True),))
    start(desk, "PUPPET", price="184.50")
    assert desk.order("p.1").price == 18_450


def test_what_is_wanted_elsewhere_is_sent_once_the_venue_has_let_go_of_it(
    desk: FamilyDesk, puppet: dict[str, Plan]
) -> None:
    puppet["plan"] = Plan((Slice(100, 18_400, rests=True),), again_ms=desk.desk.ms + 100)
    start(desk, "PUPPET")
    puppet["plan"] = Plan((Slice(100, 18_410, rests=True),))
    told = [(each["type"], each.get("client_order_id")) for each in desk.after(100)]
    assert told.index(("OrderCanceled", "p.1")) < told.index(("OrderReceived", "p.2"))
    assert desk.working() == {"p": ("New", 100), "p.2": ("New", 100)}
    desk.check()


def test_an_algorithm_that_wants_no_more_ends_its_order(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan((Slice(40, 18_400, rests=True),), again_ms=desk.desk.ms + 100)
    start(desk, "PUPPET")
    puppet["plan"] = Plan(done=True, text="it has seen enough")
    told = desk.after(100)
    assert [each["text"] for each in told if each["type"] == "OrderCanceled" and each["client_order_id"] == "p"] == [
        "it has seen enough"
    ]
    assert desk.working() == {}


def test_a_canceled_parent_leaves_no_child_working(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "10"}, price="184.00")
    assert len(desk.working()) == 11
    told = [
        (each["type"], each.get("client_order_id")) for each in desk.signal("CancelOrder", orig_client_order_id="p")
    ]
    assert (desk.working(), told[0], told[-1]) == ({}, ("OrderCancelRequested", "p"), ("OrderCanceled", "p"))
    desk.check()


def test_a_paused_parent_has_nothing_out_until_it_is_resumed(desk: FamilyDesk) -> None:
    start(desk, price="184.00")
    [told] = [e for e in desk.signal("PauseOrder", orig_client_order_id="p") if e.get("signal_id") == "g2"]
    assert (told["type"], told["paused"]) == ("OrderProgressed", True)
    assert desk.working() == {"p": ("New", 100)}
    desk.after(60_000)
    assert desk.working() == {"p": ("New", 100)}
    desk.desk.restarted()
    desk.signal("ResumeOrder", orig_client_order_id="p")
    assert desk.working() == {"p": ("New", 100), "p.2": ("New", 100)}


def test_a_smaller_parent_takes_off_what_is_too_much_before_it_is_so(desk: FamilyDesk) -> None:
    start(desk, price="184.00")
    told = desk.signal("ReplaceOrder", orig_client_order_id="p", quantity="30")
    told_of_parent = [each["type"] for each in told if each.get("client_order_id") == "p"]
    assert "OrderReplaced" in told_of_parent
    assert desk.working() == {"p": ("New", 30), "p.2": ("New", 30)}
    desk.check()


def test_another_price_of_the_parents_moves_what_rests(desk: FamilyDesk) -> None:
    start(desk, price="184.00")
    desk.signal("ReplaceOrder", orig_client_order_id="p", price="184.20")
    assert (desk.order("p.2").price, desk.working()["p.2"]) == (18_420, ("New", 100))
    desk.check()


def test_parameters_are_amended_and_wrong_ones_refused(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "30"}, price="184.00")
    said = {"orig_client_order_id": "p", "algorithm_parameters": '{"smallest_clip": "40"}'}
    [refused] = desk.signal("ReplaceOrder", **said)
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", CancelRejectReason.BAD_PARAMETERS.value)
    [answer] = desk.signal("ReplaceOrder", orig_client_order_id="p", algorithm_parameters='{"retry_ms": 900}')[:1]
    assert (answer["type"], answer["signal_id"]) == ("OrderProgressed", "g3")
    work = desk.state.families.works[desk.order("p").order_id]
    assert (work.given.largest_clip, work.given.retry_ms) == (30, 900)


def test_a_day_order_that_is_worked_expires_with_its_children(desk: FamilyDesk) -> None:
    start(desk, price="184.00", time_in_force="DAY")
    told = desk.after(86_400_000)
    assert desk.working() == {}
    assert ("OrderExpired", "p") in [(each["type"], each.get("client_order_id")) for each in told]
    desk.check()


def test_its_time_is_over_and_the_rest_is_canceled_or_taken(desk: FamilyDesk) -> None:
    start(desk, told={"duration_ms": 1_000}, price="184.00")
    told = [each for each in desk.after(1_000) if each.get("client_order_id") == "p"]
    assert (told[-1]["type"], told[-1]["reason"]) == ("OrderCanceled", "work_ended")
    other = FamilyDesk()
    other.quote(18_490, 18_500)
    start(other, told={"duration_ms": 1_000, "completion": "MARKET"}, order_type="MARKET", price=None)
    assert (other.order("p").status, other.held()) == ("Filled", 100)


def test_would_price_takes_all_that_is_left(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),))
    start(desk, "PUPPET", told={"would_price": "184.90"})
    assert desk.working() == {"p": ("New", 100), "p.1": ("New", 10)}
    desk.quote(18_480, 18_490)
    desk.after(1_000)
    assert (desk.order("p").status, desk.held()) == ("Filled", 100)
    desk.check()


def test_the_cap_on_participation_holds_back_what_the_market_has_not_traded(desk: FamilyDesk) -> None:
    start(desk, told={"max_participation": "0.2"}, price="184.00")
    assert desk.working() == {"p": ("New", 100)}
    for _ in range(60):
        desk.print(18_495)  # of one lot each
        desk.after(200)
    work = desk.state.families.works[desk.order("p").order_id]
    assert 0 < desk.order("p").out <= 12, work
    last = [each for each in desk.desk.events if each["type"] == "OrderProgressed"][-1]
    assert last["interval_vwap_px"] == "184.95", "what its market paid while it works is told for cost analysis"
    desk.check()


def test_a_halted_account_sends_nothing_and_goes_on_when_it_may(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),), again_ms=desk.desk.ms + 100)
    start(desk, "PUPPET")
    desk.control("Halt", cancel=False)
    puppet["plan"] = Plan((Slice(20, 18_400, rests=True),), again_ms=desk.desk.ms + 200)
    [told] = [each for each in desk.after(100) if each["type"] == "OrderProgressed"]
    assert "HALTED" in told["text"]
    assert desk.working() == {"p": ("New", 100), "p.1": ("New", 10)}
    desk.control("Resume")
    desk.after(5_000)
    assert sorted(lots for name, (_, lots) in desk.working().items() if name != "p") == [10, 10]


def test_a_halt_that_cancels_takes_parent_and_children(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "10"}, price="184.00")
    desk.control("Halt")
    desk.after(5_000)
    assert desk.working() == {}
    desk.check()


def test_slices_that_are_refused_again_and_again_pause_their_order(puppet: dict[str, Plan]) -> None:
    desk = FamilyDesk()
    desk.simulate(SimulationConfig(reject_rate=Decimal(1), seed=1))
    desk.quote(18_490, 18_500)
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),))
    start(desk, "PUPPET")
    desk.after(600_000)
    work = desk.state.families.works[desk.order("p").order_id]
    assert (work.state, work.refused, work.made) == (PAUSED, MOST_REFUSED, MOST_REFUSED)
    assert work.text is not None
    assert "slices in a row were refused" in work.text


def test_so_many_children_are_made_at_an_entry_and_the_others_at_once_after_it(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "1"}, price="184.00")
    work = desk.state.families.works[desk.order("p").order_id]
    assert (work.state, work.made) == (RUNNING, 100)
    assert work.made > MOST_CHILDREN
    assert desk.most_outputs < 6 * MOST_CHILDREN
    desk.check()


def test_a_restored_desk_works_on(desk: FamilyDesk) -> None:
    start(desk, "TWAP", told={"duration_ms": 10_000, "slices": 10, "urgency": "AGGRESSIVE", "randomize": "0.5"})
    for _ in range(10):
        desk.quote(18_490, 18_500)
        desk.desk.restarted()
        desk.after(1_000)
        desk.check()
    assert desk.order("p").cum == 100
