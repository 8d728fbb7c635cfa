"""Every transition of FIX's order state change matrices, as facts list them, driven through the stage.

`tests/support/order_states.json` has them, with the rules for quantities. What this desk does otherwise stands below
under DECIDED_OTHERWISE, each with its reason, and in docs/order-states.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
import pytest

from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.life.order import CLOSED, FINAL, Order
from tests.support.orders import CONFIG, OrdersDesk, new_order
from tests.support.terms import but
from tests.support.tree import ROOT

FACTS: dict[str, Any] = orjson.loads((ROOT / "tests/support/order_states.json").read_bytes())
OUTSIDE = but(CONFIG, venues={SIM: VenueTerms(simulated=False)})
LOTS = 100


class Scene(NamedTuple):
    """A desk with one order in a state, and how much of it is filled."""

    desk: OrdersDesk
    filled: int

    def say(self, exec_type: str, **fields: Any) -> list[dict[str, Any]]:
        """The venue reports."""
        document = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": exec_type, "order_id": "1", **fields}
        return self.desk.fold({b"data": orjson.dumps(document)})

    def trade(self, lots: int, exec_id: str) -> list[dict[str, Any]]:
        return self.say("Trade", exec_id=exec_id, last_qty=str(lots), last_px="184.00")

    @property
    def order(self) -> Order:
        order = self.desk.stage._state.orders[1]
        assert isinstance(order, Order)
        return order


def standing(exec_type: str) -> Callable[[Scene], Any]:
    return lambda scene: scene.say(exec_type)


BEGINNINGS: dict[str, tuple[tuple[int, ...], Callable[[Scene], Any]]] = {
    "PendingNew": ((0,), lambda scene: None),
    "New": ((0,), lambda scene: None),
    "PartiallyFilled": ((40,), lambda scene: None),
    "Filled": ((LOTS,), lambda scene: None),
    "PendingCancel": ((0, 40), lambda scene: scene.desk.cancel(signal_id="c1", order_id="1")),
    "PendingReplace": ((0, 40), lambda scene: scene.desk.replace(signal_id="r1", order_id="1", quantity="150")),
    "Canceled": ((0, 40), standing("Canceled")),
    "Suspended": ((0, 40), standing("Suspended")),
    "Stopped": ((0, 40), standing("Stopped")),
    "DoneForDay": ((0, 40), standing("DoneForDay")),
}
"""How an order gets into a state, once it is acknowledged and so much of it is filled."""


def begun(state: str, filled: int, acknowledged: bool = True) -> Scene:
    scene = Scene(OrdersDesk(OUTSIDE), filled)
    if state == "(none)":
        return scene
    scene.desk.new(price="185.00", quantity=str(LOTS))
    if state != "PendingNew" and acknowledged:
        scene.say("New")
    if filled and state == "Filled":
        scene.trade(filled - 40, "T-0")
        scene.trade(40, "T-2")
    elif filled:
        scene.trade(filled, "T-0")
    BEGINNINGS[state][1](scene)
    assert scene.order.status == state
    return scene


def replaced(scene: Scene) -> None:
    scene.say("Replaced", quantity="150")


EVENTS: dict[str, Callable[[Scene], Any]] = {
    "order received": lambda scene: scene.desk.new(price="185.00"),
    "acknowledged": lambda scene: scene.say("New"),
    "rejected": lambda scene: scene.say("Rejected"),
    "fill part": lambda scene: scene.trade(10, "T-1"),
    "fill rest": lambda scene: scene.trade(LOTS - scene.filled, "T-1"),
    "cancel requested": lambda scene: scene.desk.cancel(signal_id="c2", order_id="1"),
    "cancel requested again": lambda scene: scene.desk.cancel(signal_id="c2", order_id="1"),
    "replace requested": lambda scene: scene.desk.replace(signal_id="r2", order_id="1", quantity="120"),
    "another replace requested": lambda scene: scene.desk.replace(signal_id="r2", order_id="1", quantity="120"),
    "replace requested (quantity up)": lambda scene: scene.desk.replace(signal_id="r2", order_id="1", quantity="120"),
    "canceled by venue": lambda scene: scene.say("Canceled", restatement_reason=6),
    "cancel accepted": lambda scene: scene.say("Canceled"),
    "cancel rejected, leaves>0": lambda scene: scene.say("CancelRejected"),
    "cancel rejected, leaves=0": lambda scene: (scene.trade(LOTS - scene.filled, "T-1"), scene.say("CancelRejected")),
    "expired": lambda scene: scene.say("Expired"),
    "done for day": lambda scene: scene.say("DoneForDay"),
    "suspended": lambda scene: scene.say("Suspended"),
    "stopped": lambda scene: scene.say("Stopped", last_px="184.00", last_qty="10"),
    "released": lambda scene: scene.say("New"),
    "restated": lambda scene: scene.say("Restated", quantity="90", restatement_reason=3),
    "next session (GTC/GTD)": lambda scene: scene.say("Restated", quantity=str(LOTS), restatement_reason=1),
    "replaced, leaves>0, no fills": replaced,
    "replaced, leaves>0, fills": replaced,
    "replaced, leaves=0": lambda scene: scene.say("Replaced", quantity="20"),
    "replace rejected": lambda scene: scene.say("ReplaceRejected"),
    "calculated": lambda scene: scene.say("Calculated"),
    "late fill": lambda scene: scene.trade(10, "T-1"),
    "late fill of an execution made before the cancel": lambda scene: scene.trade(10, "T-1"),
    "trade bust": lambda scene: scene.say("TradeCancel", exec_id="B-1", ref_exec_id="T-0"),
    "trade bust, none left": lambda scene: [
        scene.say("TradeCancel", exec_id=f"B-{trade}", ref_exec_id=trade) for trade in ("T-0", "T-2")
    ],
    "bust of the last standing fill": lambda scene: scene.say("TradeCancel", exec_id="B-1", ref_exec_id="T-0"),
    "trade bust, fills left": lambda scene: scene.say("TradeCancel", exec_id="B-1", ref_exec_id="T-2"),
    "trade correct": lambda scene: scene.say(
        "TradeCorrect", exec_id="B-1", ref_exec_id="T-0", last_qty=str(scene.filled - 40), last_px="183.50"
    ),
}

FILLED_ONLY = {"replaced, leaves>0, fills", "replaced, leaves=0", "trade bust"}
UNFILLED_ONLY = {"replaced, leaves>0, no fills", "rejected"}
"""A rejection takes nothing that stands away: see `test_an_order_is_rejected_only_when_no_fill_is_left_standing`."""

DECIDED_OTHERWISE: dict[tuple[str, str], tuple[str, str]] = {
    ("PendingCancel", "fill rest"): (
        "Filled", "nothing is left, and to know that the desk need not wait for the venue's \"too late\""),
    ("PendingReplace", "fill rest"): ("Filled", "likewise; if the venue takes the larger quantity, it opens again"),
    ("Filled", "replace requested (quantity up)"): (
        "Filled", "to open a finished order again is an agreement between people: a new order says the same"),
    ("PendingReplace", "another replace requested"): (
        "PendingReplace", "refused with CxlRejReason 3 (already_pending), and not chained"),
}  # fmt: skip
"""What this desk does, and why."""


def cases() -> list[Any]:
    found = []
    for row in FACTS["transitions"]:
        before, event, to = row["from"], row["event"], row["to"]
        filled = BEGINNINGS[before][0] if before in BEGINNINGS else (0,)
        for lots in filled:
            if (event in FILLED_ONLY and not lots) or (event in UNFILLED_ONLY and lots):
                continue
            found.append(pytest.param(before, event, to, lots, id=f"{before}, {event}, {lots} filled"))
    return found


def expected(before: str, event: str, to: str, filled: int) -> str:
    if (before, event) in DECIDED_OTHERWISE:
        return DECIDED_OTHERWISE[before, event][0]
    if to == "same":
        return before
    if " or " in to or " / " in to:
        return "PartiallyFilled" if filled else "New"
    return to


def test_the_facts_have_the_states_of_the_desk_and_no_others_but_lists_of_bids() -> None:
    assert {each["state"] for each in FACTS["fix"]["states"]} - {each.value for each in OrdStatus} == {
        "AcceptedForBidding"
    }
    assert {each["state"] for each in FACTS["fix"]["states"] if each["terminal"]} == FINAL
    assert {row["from"] for row in FACTS["transitions"]} == {"(none)", *BEGINNINGS}
    assert {row["event"] for row in FACTS["transitions"]} == set(EVENTS)
    assert set(DECIDED_OTHERWISE) <= {(row["from"], row["event"]) for row in FACTS["transitions"]}


@pytest.mark.parametrize(("before", "event", "to", "filled"), cases())
def test_every_transition_of_the_matrices(before: str, event: str, to: str, filled: int) -> None:
    scene = begun(before, filled, acknowledged=event != "acknowledged")
    was, told = (scene.order.cum, scene.order.notional) if before != "(none)" else (0, 0), len(scene.desk.events)
    dead = len(scene.desk.dead)

    EVENTS[event](scene)

    order = scene.order
    assert order.status == expected(before, event, to, filled)
    assert len(scene.desk.dead) == dead
    assert scene.desk.events[told:], "nothing happens to an order without an event"
    assert scene.desk.events[-1]["ord_status"] == order.status
    assert order.leaves == (0 if order.status in CLOSED else order.quantity - order.cum)
    if not any(word in event for word in ("fill", "bust", "correct", "leaves=0")):
        assert (order.cum, order.notional) == was, "cum changes only through fill, bust, correct"
    assert scene.desk.restarted() is None, "and a snapshot knows of it"


def test_an_order_is_rejected_only_when_no_fill_is_left_standing() -> None:
    scene = begun("PartiallyFilled", 40)
    scene.say("Rejected")
    assert orjson.loads(scene.desk.dead[-1][b"data"])["reason"] == "unexpected_report"
    scene.say("TradeCancel", exec_id="B-1", ref_exec_id="T-0")
    scene.say("Rejected")
    assert (scene.order.status, scene.order.leaves) == ("Rejected", 0)


# -------------------------------------------------------------------------------------------------- quantity rules

RULES = FACTS["quantity_rules"]


def test_the_rules_are_those_that_have_a_test() -> None:
    assert RULES == [
        "working states: leaves = order_qty - cum",
        "Canceled, Expired, Rejected, Filled, DoneForDay: leaves = 0",
        "0 <= cum <= order_qty unless overfill is allowed",
        "avg_px and cum cover all versions of a replaced order",
        "cum changes only through fill, bust, correct",
        "a replace takes effect only with ExecType=Replaced; until then fills carry the old ids and parameters",
        "every fill id is applied once; every bust/correct names the fill it changes",
    ]


@pytest.mark.parametrize("state", ["New", "PartiallyFilled", "PendingCancel", "PendingReplace", "Stopped", "Suspended"])
def test_working_states_leave_what_is_not_filled(state: str) -> None:
    for filled in BEGINNINGS[state][0]:
        assert begun(state, filled).order.leaves == LOTS - filled


@pytest.mark.parametrize("event", ["Canceled", "Expired", "DoneForDay"])
def test_what_ended_or_is_done_for_the_day_leaves_nothing(event: str) -> None:
    scene = begun("PartiallyFilled", 40)
    assert scene.say(event)[-1]["leaves_qty"] == "0"
    assert (scene.order.status, scene.order.cum, scene.order.leaves) == (event, 40, 0)


def test_a_rejected_and_a_filled_order_leave_nothing() -> None:
    rejected, filled = begun("New", 0), begun("New", 0)
    assert rejected.say("Rejected")[-1]["leaves_qty"] == "0"
    assert filled.trade(LOTS, "T-1")[-1]["leaves_qty"] == "0"


def test_no_more_is_filled_than_ordered_unless_the_venue_may() -> None:
    strict = begun("PartiallyFilled", 40)
    strict.trade(61, "T-1")
    assert orjson.loads(strict.desk.dead[-1][b"data"])["reason"] == "overfill"
    assert strict.order.cum == 40


def test_mean_and_cum_cover_all_versions_of_an_order() -> None:
    scene = begun("PendingReplace", 40)
    replaced(scene)
    event = scene.say("Trade", exec_id="T-1", last_qty="60", last_px="184.50")[-1]
    assert (event["quantity"], event["cum_qty"], event["leaves_qty"], event["avg_px"]) == ("150", "100", "50", "184.30")


def test_until_it_is_replaced_an_order_has_its_old_parameters() -> None:
    scene = begun("PendingReplace", 0)
    assert scene.trade(10, "T-1")[-1]["quantity"] == str(LOTS)
    scene.say("ReplaceRejected")
    assert (scene.order.quantity, scene.order.price) == (LOTS, 18500)


def test_a_fill_id_is_applied_once_and_a_change_names_the_fill() -> None:
    scene = begun("PartiallyFilled", 40)
    for again in (
        lambda: scene.trade(10, "T-0"),
        lambda: scene.say("TradeCancel", exec_id="B-1", ref_exec_id="T-9"),
        lambda: scene.say("TradeCorrect", exec_id="B-2", ref_exec_id="T-9", last_qty="1", last_px="184.00"),
    ):
        state = scene.desk.stage.snapshot()
        assert again() == []
        assert scene.desk.stage.snapshot() == state
    assert [orjson.loads(each[b"data"])["reason"] for each in scene.desk.dead] == [
        "repeated_trade", "unknown_execution", "unknown_execution",
    ]  # fmt: skip


# ------------------------------------------------------------------------------- what comes to an order beside that


@pytest.mark.parametrize("state", ["Suspended", "Stopped", "DoneForDay"])
def test_a_standing_comes_back_when_a_cancel_is_refused(state: str) -> None:
    scene = begun(state, 40)
    assert scene.desk.cancel(signal_id="c1", order_id="1")["ord_status"] == "PendingCancel"
    assert scene.say("CancelRejected")[-1]["ord_status"] == state
    scene.desk.cancel(signal_id="c2", order_id="1")
    assert scene.say("Canceled")[-1]["reason"] == "requested"


def test_a_fill_of_a_suspended_order_leaves_it_suspended_until_it_is_filled() -> None:
    scene = begun("Suspended", 0)
    assert scene.trade(40, "T-1")[-1]["ord_status"] == "Suspended"
    assert scene.trade(60, "T-2")[-1]["ord_status"] == "Filled"


def test_a_suspended_order_is_released_by_a_trigger_too() -> None:
    assert begun("Suspended", 40).say("Triggered")[-1]["ord_status"] == "PartiallyFilled"


def test_the_same_standing_twice_is_no_news() -> None:
    scene = begun("Suspended", 0)
    assert scene.say("Suspended") == []
    assert orjson.loads(scene.desk.dead[-1][b"data"])["reason"] == "unexpected_report"


def test_a_stopped_order_says_the_price_that_is_guaranteed() -> None:
    event = begun("New", 0).say("Stopped", last_px="184.00", last_qty="10", text="house rule")[-1]
    assert (event["type"], event["last_px"], event["last_qty"]) == ("OrderStopped", "184.00", "10")
    assert event["text"] == "stopped by the venue: it says 'house rule'"


def test_a_calculated_order_says_what_it_costs_and_books_nothing() -> None:
    scene = begun("Filled", LOTS)
    fees = scene.order.holding.fees  # type: ignore[union-attr]
    event = scene.say("Calculated", commission="1.25", comm_currency="USD")[-1]
    assert (event["type"], event["commission"], event["leaves_qty"]) == ("OrderCalculated", "1.25", "0")
    assert scene.order.holding.fees == fees  # type: ignore[union-attr]


def test_a_calculation_leaves_a_canceled_order_canceled_and_a_working_one_alone() -> None:
    assert begun("Canceled", 40).say("Calculated")[-1]["ord_status"] == "Canceled"
    working = begun("New", 0)
    assert working.say("Calculated") == []
    assert orjson.loads(working.desk.dead[-1][b"data"])["reason"] == "unexpected_report"


def test_restated_to_what_is_filled_an_order_is_filled() -> None:
    scene = begun("PartiallyFilled", 40)
    event = scene.say("Restated", quantity="40", restatement_reason=5)[-1]
    assert (event["ord_status"], event["reason"], event["leaves_qty"]) == ("Filled", "partial_decline", "0")


@pytest.mark.parametrize(
    ("number", "reason"),
    [(6, "trading_halt"), (7, "system_failure"), (8, "market_option"), (9, "not_best"), (4, "venue_other")],
)
def test_an_unsolicited_cancel_says_why_by_fixs_numbers(number: int, reason: str) -> None:
    assert begun("New", 0).say("Canceled", restatement_reason=number)[-1]["reason"] == reason


@pytest.mark.parametrize("number", range(12))
def test_a_restatement_says_why_by_fixs_numbers(number: int) -> None:
    event = begun("New", 0).say("Restated", quantity="90", restatement_reason=number)[-1]
    words = FACTS["fix"]["restatement_reasons"][str(number)]
    assert event["reason"] == (
        words.lower().replace(" ", "_").removesuffix("_of_quantity") if number not in (6, 7, 9) else "venue_other"
    )


def test_an_order_that_is_done_for_the_day_counts_for_a_new_one_with_its_id() -> None:
    scene = begun("DoneForDay", 0)
    again = scene.desk.instruct(new_order(price="185.00", signal_id="again", client_order_id="s1"))
    assert (again["type"], again["ord_status"]) == ("OrderStatusReported", "DoneForDay")
