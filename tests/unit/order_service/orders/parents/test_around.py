"""Families and what is around them: aliases, breakers, partitions, and what leaves the memory."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from fillstream.libs.common.messages.codes import AccountMode
from fillstream.services.order_service.orders.retiring import sweep
from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.terms import account, but

HOUR_MS = 3_600_000
PAPER = account(3, D(10_000_000), 100_000, D(0), D(100), mode=AccountMode.PAPER, venue="SIM")
ALIASED = but(FAMILY_CONFIG, accounts={**FAMILY_CONFIG.accounts, "main@paper": PAPER}, aliases={"main": "main@paper"})
BUY: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "time_in_force": "GTC"}
ICEBERG: dict[str, Any] = {"algorithm": "ICEBERG", "algorithm_parameters": {"display_quantity": "40"}}


def market(desk: FamilyDesk) -> FamilyDesk:
    desk.quote(18_490, 18_500)
    desk.print(18_495)
    return desk


@pytest.fixture
def desk() -> FamilyDesk:
    return market(FamilyDesk())


def works_of(desk: FamilyDesk, name: str) -> dict[str, int]:
    return {o.client_order_id: o.leaves for o in desk.state.orders_of(name) if o.leaves}


def test_families_go_by_the_alias_as_their_orders_do() -> None:
    desk = market(FamilyDesk(ALIASED))
    said = {"account": "main"}
    desk.signal(client_order_id="p", price="184.00", **said, **BUY, **ICEBERG)
    legs = [{"client_order_id": name, "price": "183.00", **BUY} for name in "ab"]
    told = desk.signal("NewOrderList", list_id="l", contingency_type="NONE", all=True, orders=legs, **said)
    assert {each["alias"] for each in told if "order_id" in each and each["type"] == "OrderReceived"} == {"main"}
    assert works_of(desk, "main@paper") == {"p": 100, "p.1": 40, "a": 100, "b": 100}
    desk.signal("PauseOrder", orig_client_order_id="p", **said)
    assert works_of(desk, "main@paper") == {"p": 100, "a": 100, "b": 100}
    desk.signal("ResumeOrder", orig_client_order_id="p", **said)
    desk.signal("ReplaceOrder", orig_client_order_id="p", quantity="30", **said)
    assert works_of(desk, "main@paper")["p"] == 30
    desk.signal("CancelOrderList", list_id="l", **said)
    desk.signal("CancelOrder", orig_client_order_id="p", **said)
    assert works_of(desk, "main@paper") == {}
    desk.check()


def test_nobody_pauses_or_cancels_what_another_account_has(desk: FamilyDesk) -> None:
    desk.signal(client_order_id="p", price="184.00", **BUY, **ICEBERG)
    order_id = str(desk.order("p").order_id)
    [paused] = desk.signal("PauseOrder", order_id=order_id, account="maker")
    [canceled] = desk.signal("CancelOrderList", list_id="p", account="maker")
    assert (paused["reason"], canceled["reason"]) == ("unknown_order", "unknown_list")
    assert desk.working() == {"p": ("New", 100), "p.1": ("New", 40)}


@pytest.mark.parametrize(
    ("kind", "named", "reason"),
    [("PauseOrder", "x", "not_worked"), ("ResumeOrder", "done", "too_late"), ("PauseOrder", "none", "unknown_order")],
)
def test_only_what_is_worked_is_paused(desk: FamilyDesk, kind: str, named: str, reason: str) -> None:
    desk.signal(client_order_id="x", price="184.00", **BUY)
    desk.signal(client_order_id="done", price="185.00", **BUY)
    [refused] = desk.signal(kind, orig_client_order_id=named)
    assert (refused["type"], refused["reason"]) == ("OrderReplaceRejected", reason)


def test_a_bracket_stays_while_it_protects_and_leaves_when_it_does_not(desk: FamilyDesk) -> None:
    desk.signal(client_order_id="e", price="185.00", stop_loss="184.00", take_profit="187.00", **BUY)
    desk.desk.ms += 2 * HOUR_MS
    sweep(desk.state, desk.desk.ms)
    desk.desk.restarted()
    assert desk.working() == {"e.1": ("Suspended", 100), "e.2": ("New", 100)}
    desk.quote(18_700, 18_710)
    assert (desk.held(), desk.working()) == (0, {})
    desk.after(3 * HOUR_MS)
    sweep(desk.state, desk.desk.ms)
    state = desk.state
    assert not (state.orders or state.families or state.families.covering or state.families.children)
    assert not state.holdings.holding("default", "AAPL").covered


def test_a_parent_remembers_no_children_that_have_left(desk: FamilyDesk) -> None:
    desk.signal(client_order_id="p", price="184.00", **BUY, **ICEBERG)
    for _ in range(3):
        desk.signal("PauseOrder", orig_client_order_id="p")
        desk.signal("ResumeOrder", orig_client_order_id="p")
    desk.desk.ms += 2 * HOUR_MS
    sweep(desk.state, desk.desk.ms)
    [work] = desk.state.families.works.values()
    assert (work.made, len(work.seen), len(desk.state.families.children)) == (4, 1, 1)
    desk.desk.restarted()
    desk.quote(18_390, 18_400)
    assert desk.order("p").cum == 100
    desk.check()


def test_an_open_breaker_stops_children_and_their_parent_goes_on_after_it(desk: FamilyDesk) -> None:
    desk.control("SetLimits", limits={"breaker_orders": 2, "breaker_cooldown_ms": 60_000})
    desk.signal(client_order_id="p", price="185.00", quantity="10", symbol="AAPL", side="BUY", time_in_force="GTC",
                algorithm="AT_ONCE", algorithm_parameters={"largest_clip": "2"})  # fmt: skip
    held = desk.held()
    assert 0 < held < 10
    desk.desk.restarted()
    desk.after(59_000)
    assert desk.held() == held
    desk.after(600_000)
    assert (desk.held(), desk.working()) == (10, {})
