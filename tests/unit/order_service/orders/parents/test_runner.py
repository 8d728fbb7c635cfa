"""An order that is worked: its children add up to it, whatever an algorithm says and whatever becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.codes import CancelRejectReason
from fillstream.libs.common.messages.simulation import SimulationConfig
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, Slice, algorithm
from fillstream.services.order_service.orders.parents.runner import FINISH_TRIES, FOLLOW_AFTER_MS, MASS_AGAIN_MS
from fillstream.services.order_service.orders.parents.sender import MOST_CHILDREN, MOST_REFUSED
from fillstream.services.order_service.orders.parents.work import DONE, PAUSED, RUNNING
from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.terms import but

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
    named = {"client_order_id": "p", "algorithm": algo, "algorithm_parameters": parameters}
    return desk.signal(**(named | said | fields))


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
    answer, *_ = desk.signal("ResumeOrder", orig_client_order_id="p")
    assert (answer["type"], answer["paused"], answer["text"]) == ("OrderProgressed", False, None)
    assert (work.state, work.refused) == (RUNNING, 1)


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


def one_sided() -> FamilyDesk:
    desk = FamilyDesk()
    desk.feed(frames.quote(1, bid=18_390, bid_qty=50, ask=0, ask_qty=0))
    desk.print(18_495)
    return desk


def test_without_an_ask_there_is_neither_a_mid_nor_a_price_to_take_at(puppet: dict[str, Plan]) -> None:
    desk = one_sided()
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),))
    told = start(desk, "PUPPET", told={"would_price": "184.90"})
    assert {each["arrival_px"] for each in told if each["type"] == "OrderProgressed"} == {None}
    assert desk.working() == {"p": ("New", 100), "p.1": ("New", 10)}


def test_a_canceled_order_whose_time_ends_before_its_children_are_off_is_canceled(desk: FamilyDesk) -> None:
    start(desk, price="184.00", time_in_force="DAY")
    commands = desk.signal_unheard("CancelOrder", orig_client_order_id="p")
    desk.desk.ms += 86_400_000
    desk.desk.fold({b"tick": b"1"})
    told = [(each["type"], each["client_order_id"]) for each in desk.deliver(commands) if "client_order_id" in each]
    assert told[-1] == ("OrderCanceled", "p")
    assert ("OrderExpired", "p") not in [(each["type"], each.get("client_order_id")) for each in desk.desk.events]


def test_an_order_that_expires_answers_a_cancel_that_came_too_late(desk: FamilyDesk) -> None:
    start(desk, price="184.00", time_in_force="DAY")
    sent = len(desk.desk.commands)
    desk.desk.ms += 86_400_000
    desk.desk.fold({b"tick": b"1"})
    desk.signal_unheard("CancelOrder", orig_client_order_id="p")
    assert desk.order("p").status == "PendingCancel"
    desk.deliver(desk.desk.commands[sent:])
    assert (desk.order("p").status, desk.order("p").cancel_signal, desk.working()) == ("Expired", None, {})


def test_an_order_that_is_filled_before_its_children_are_off_is_filled(desk: FamilyDesk) -> None:
    start(desk, price="184.00")
    desk.signal_unheard("CancelOrder", orig_client_order_id="p")
    told = desk.desk.fold(desk.traded(desk.order("p.1"), 100))
    assert (desk.order("p").status, desk.state.families.works[1].state) == ("Filled", DONE)
    assert "OrderCanceled" not in {each["type"] for each in told}
    desk.desk.restarted()


def test_children_are_canceled_with_all_others_by_one_command(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "10"}, price="184.00")
    commands = desk.signal_unheard("CancelAll")
    assert len(commands) == 1
    assert "OrderCancelRequested" not in {each["type"] for each in desk.desk.events}
    desk.deliver(commands)
    assert desk.working() == {}


def test_children_that_a_mass_cancel_left_are_canceled_one_by_one(desk: FamilyDesk) -> None:
    start(desk, told={"largest_clip": "50"}, price="184.00")
    desk.signal_unheard("CancelAll")  # it is lost
    desk.after(MASS_AGAIN_MS - 1)
    assert len(desk.working()) == 3
    desk.after(1)
    assert desk.working() == {}
    desk.check()


def test_an_order_that_is_resumed_starts_anew(puppet: dict[str, Plan]) -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    puppet["plan"] = Plan((Slice(10, 18_410, rests=True),), again_ms=desk.desk.ms + 1_000)
    start(desk, "PUPPET")
    desk.simulate(SimulationConfig(reject_rate=Decimal(1), seed=1))
    puppet["plan"] = Plan((Slice(10, 18_410, rests=True), Slice(10, 18_400, rests=True)))
    work = desk.state.families.works[desk.order("p").order_id]
    while work.state == RUNNING:
        desk.after(1_000)
    assert (work.made, desk.working()) == (1 + MOST_REFUSED, {"p": ("New", 100)}), (
        "nothing is out of one that is paused"
    )
    desk.signal("ResumeOrder", orig_client_order_id="p")
    assert (work.state, work.refused, work.made) == (RUNNING, 2, 3 + MOST_REFUSED)
    desk.simulate(SimulationConfig())
    desk.signal("PauseOrder", orig_client_order_id="p")
    desk.signal("ResumeOrder", orig_client_order_id="p")
    assert {name: lots for name, (_, lots) in desk.working().items()} == {"p": 100, "p.14": 10, "p.15": 10}
    assert work.text is None, "what was refused before is no reason any more"


def test_a_smaller_parent_takes_off_no_more_than_it_has_to(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan(tuple(Slice(30, 18_400 - number, rests=True) for number in range(3)))
    start(desk, "PUPPET", quantity="90")
    off = desk.signal_unheard("CancelOrder", orig_client_order_id="p.3")
    off += desk.signal_unheard("ReplaceOrder", orig_client_order_id="p", quantity="60")
    assert [name for name in ("p.1", "p.2", "p.3") if desk.order(name).cancel_signal is not None] == ["p.3"]
    desk.deliver(off)
    assert desk.working() == {"p": ("New", 60), "p.1": ("New", 30), "p.2": ("New", 30)}
    desk.check()


def test_a_quote_is_stale_once_it_is_older_than_it_may_be(puppet: dict[str, Plan]) -> None:
    desk = FamilyDesk(but(FAMILY_CONFIG, max_quote_age_ms=1_000))
    desk.quote(18_490, 18_500)
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),), again_ms=desk.desk.ms + 1_000)
    start(desk, "PUPPET")
    work = desk.state.families.works[desk.order("p").order_id]
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),), again_ms=desk.desk.ms + 1_001)
    desk.after(1_000)
    assert (work.text, work.asked) == (None, 2)
    desk.after(1)
    assert work.text == "its market was quoted 1001 ms ago, max_quote_age_ms is 1000"


def test_of_two_prices_the_one_that_comes_first_is_waited_for(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan(touch=18_450)
    start(desk, "PUPPET", told={"would_price": "184.80"})
    desk.quote(18_480, 18_490)
    assert desk.held() == 0
    desk.quote(18_470, 18_480)
    assert desk.held() == 100


def test_a_price_that_is_reached_already_is_followed_and_not_asked_about_at_each_quote(
    desk: FamilyDesk, puppet: dict[str, Plan]
) -> None:
    puppet["plan"] = Plan(touch=18_500)
    start(desk, "PUPPET")
    work = desk.state.families.works[desk.order("p").order_id]
    asked = work.asked
    for bid in range(18_480, 18_490):
        desk.quote(bid, 18_500)
    assert work.asked == asked
    desk.after(FOLLOW_AFTER_MS)
    assert work.asked == asked + 1


def test_what_is_left_at_the_end_is_tried_so_often_and_no_longer(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan()
    start(desk, "PUPPET", told={"duration_ms": 1_000, "completion": "MARKET", "retry_ms": 100}, price="184.00")
    desk.after(1_000 + FINISH_TRIES * 100)
    assert "p" in desk.working()
    desk.after(100)
    assert desk.working() == {}


@pytest.mark.parametrize("trades", [True, False])
def test_only_slices_that_are_refused_in_a_row_pause_an_order(trades: bool, puppet: dict[str, Plan]) -> None:
    desk = FamilyDesk()
    desk.quote(18_490, 18_500)
    desk.simulate(SimulationConfig(reject_rate=Decimal(1), seed=1))
    puppet["plan"] = Plan((Slice(10, 18_400, rests=True),))
    start(desk, "PUPPET")
    work = desk.state.families.works[desk.order("p").order_id]
    while work.refused < MOST_REFUSED - 1:
        desk.after(1_000)
    desk.simulate(SimulationConfig())
    while len(desk.working()) < 2:
        desk.after(1_000)
    puppet["plan"] = Plan((Slice(10, 18_300, rests=True),))
    desk.simulate(SimulationConfig(reject_rate=Decimal(1), seed=1))
    if trades:
        desk.quote(18_390, 18_400)
    else:
        desk.signal("ReplaceOrder", orig_client_order_id="p", algorithm_parameters={"retry_ms": 1_000})
    assert (work.state, work.refused, len(desk.working())) == (RUNNING, 1, 1)


def test_what_is_left_goes_though_it_is_smaller_than_the_smallest_clip(
    desk: FamilyDesk, puppet: dict[str, Plan]
) -> None:
    puppet["plan"] = Plan((Slice(30, 18_400, rests=True),))
    start(desk, "PUPPET", told={"smallest_clip": "40"})
    assert desk.working() == {"p": ("New", 100)}
    start(desk, "PUPPET", told={"smallest_clip": "40"}, quantity="30", client_order_id="q")
    assert desk.working()["q.1"] == ("New", 30)


def test_each_of_several_orders_is_asked_at_its_own_price(desk: FamilyDesk, puppet: dict[str, Plan]) -> None:
    puppet["plan"] = Plan()
    for name, price in (("p", "184.80"), ("q", "184.50")):
        start(desk, "PUPPET", told={"would_price": price}, client_order_id=name)
    for name, price in (("s", "185.00"), ("t", "185.30")):
        start(desk, "PUPPET", told={"would_price": price}, client_order_id=name, side="SELL", price="184.00")
    desk.quote(18_470, 18_480, lots=500)
    assert {name: desk.order(name).cum for name in "pqst"} == {"p": 100, "q": 0, "s": 0, "t": 0}
    desk.quote(18_500, 18_510, lots=500)
    assert {name: desk.order(name).cum for name in "pqst"} == {"p": 100, "q": 0, "s": 100, "t": 0}
