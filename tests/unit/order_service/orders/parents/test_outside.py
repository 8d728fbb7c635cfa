"""Families at a venue outside: trades it takes back or corrects, what it tells late, and what it says it lost."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import ReportType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.parents.sender import MOST_REFUSED
from tests.support.family_desk import FAMILY_CONFIG, FamilyDesk
from tests.support.orders import report
from tests.support.reconciling import LATER_MS, ask, differences, held, page, row
from tests.support.terms import but

Told = list[dict[str, Any]]


class OutsideDesk(FamilyDesk):
    """A desk whose venue answers nothing by itself."""

    def __init__(self, **terms: Any) -> None:
        super().__init__(but(FAMILY_CONFIG, venues={SIM: VenueTerms(simulated=False, **terms)}))
        self.reports = 0
        self.desk.quote(18_490, 18_500, bid_qty=1_000, ask_qty=1_000)

    def _execute_entry(self, fields: dict[bytes, bytes], venue: str = SIM) -> list[dict[bytes, bytes]]:
        return []

    def said(self, order: Order, exec_type: str, **fields: Any) -> Told:
        """Let the venue tell something of an order."""
        self.reports += 1
        said: dict[str, Any] = {
            "type": "VenueReport", "v": 1, "venue": SIM, "exec_type": exec_type, "order_id": str(order.order_id),
        }  # fmt: skip
        if exec_type.startswith("Trade"):
            said["exec_id"] = f"E{self.reports}"
        return self.fold({b"data": orjson.dumps(said | fields)})

    def accepts(self, name: str) -> Order:
        """Let the venue take an order."""
        order = self.order(name)
        self.said(order, "New")
        return order

    def trades(self, order: Order, lots: int, px: str = "185.00") -> str:
        """Let an order trade; return the trade's id."""
        self.said(order, "Trade", last_qty=str(lots), last_px=px)
        return f"E{self.reports}"

    def busts(self, order: Order, exec_id: str) -> Told:
        """Let the venue take a trade back."""
        return self.said(order, "TradeCancel", ref_exec_id=exec_id)


@pytest.fixture
def desk() -> OutsideDesk:
    return OutsideDesk()


def entry(desk: OutsideDesk, **fields: Any) -> Order:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "185.00", "time_in_force": "GTC"}
    desk.signal(client_order_id="e", **(said | {"stop_loss": "180.00", "take_profit": "187.00"} | fields))
    return desk.accepts("e")


def plain(desk: OutsideDesk, side: str, lots: int) -> tuple[Order, str]:
    """Trade by hand; return the order and its trade's id."""
    desk.signal(client_order_id=side, symbol="AAPL", side=side, quantity=str(lots), price="185.00", time_in_force="GTC")
    order = desk.accepts(side)
    return order, desk.trades(order, lots)


def test_a_trade_by_hand_that_is_taken_back_is_protected_again(desk: OutsideDesk) -> None:
    order = entry(desk)
    desk.trades(order, 100)
    hand, trade = plain(desk, "SELL", 60)
    assert desk.working()["e.1"] == ("Suspended", 40)
    desk.said(desk.order("e.2"), "Canceled")
    desk.busts(hand, trade)
    assert (desk.held(), desk.working()["e.1"]) == (100, ("Suspended", 100))


def test_no_more_is_to_be_sold_than_is_left_where_what_covered_it_is_taken_back(desk: OutsideDesk) -> None:
    order = entry(desk)
    desk.trades(order, 100)
    bought, trade = plain(desk, "BUY", 50)
    plain(desk, "SELL", 50)
    desk.accepts("e.2")
    assert desk.working()["e.2"] == ("New", 100)
    desk.busts(bought, trade)
    assert (desk.held(), desk.working()["e.1"]) == (50, ("Suspended", 50))
    assert desk.order("e.2").status == "PendingReplace"


def test_an_entrys_trade_that_is_taken_back_makes_its_exits_smaller(desk: OutsideDesk) -> None:
    order = entry(desk)
    desk.trades(order, 70)
    trade = desk.trades(order, 30)
    desk.busts(order, trade)
    assert (order.status, desk.working()["e.1"]) == ("PartiallyFilled", ("Suspended", 70))
    desk.desk.restarted()


def worked(desk: OutsideDesk, **fields: Any) -> Order:
    said = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "184.00", "time_in_force": "GTC"}
    said |= {"algorithm": "ICEBERG", "algorithm_parameters": {"display_quantity": "40"}}
    desk.signal(client_order_id="p", **(said | fields))
    return desk.accepts("p.1")


def test_a_childs_trade_that_is_taken_back_is_its_parents_to_do_again(desk: OutsideDesk) -> None:
    child = worked(desk)
    trade = desk.trades(child, 40, "184.00")
    parent = desk.order("p")
    assert (parent.cum, parent.out, desk.order("p.2").quantity) == (40, 40, 40)
    desk.busts(child, trade)
    assert (parent.cum, parent.notional, parent.out) == (0, 0, 80)
    desk.desk.restarted()
    desk.check()


def test_a_parent_that_was_filled_works_again_and_still_expires() -> None:
    desk = OutsideDesk()
    child = worked(desk, time_in_force="DAY", algorithm_parameters={"display_quantity": "100"})
    trade = desk.trades(child, 100, "184.00")
    assert desk.order("p").status == "Filled"
    desk.busts(child, trade)
    assert (desk.order("p").status, desk.state.families.works[1].state) == ("New", "running")
    desk.said(child, "Canceled")
    desk.check()
    desk.after(13 * 3_600_000)
    assert desk.state.families.works[1].state in ("stopping", "done")


def test_a_correction_counts_for_the_parent(desk: OutsideDesk) -> None:
    child = worked(desk)
    trade = desk.trades(child, 40, "184.00")
    desk.said(child, "TradeCorrect", ref_exec_id=trade, last_qty="30", last_px="183.90")
    parent = desk.order("p")
    assert (parent.cum, parent.notional) == (30, 30 * 18_390)
    desk.desk.restarted()
    desk.check()


def test_what_an_entry_is_told_to_have_filled_after_its_end_is_protected(desk: OutsideDesk) -> None:
    order = entry(desk)
    desk.said(order, "Canceled")
    desk.trades(order, 30)
    assert desk.held() == 30
    assert desk.working()["e.1"] == ("Suspended", 30)
    desk.desk.restarted()


def test_no_exit_is_made_twice_where_a_targets_trade_is_taken_back(desk: OutsideDesk) -> None:
    order = entry(desk, take_profit=None, take_profits="187:1,188:1")
    desk.trades(order, 100)
    first, second = desk.accepts("e.2"), desk.accepts("e.3")
    trade = desk.trades(first, 50, "187.00")
    assert desk.working() == {"e.1": ("Suspended", 50), "e.3": ("New", 50)}
    desk.busts(first, trade)
    at_venue = sum(lots for name, (_, lots) in desk.working().items() if not desk.order(name).is_held)
    assert (desk.held(), at_venue, second.quantity) == (100, 100, 50)
    desk.desk.restarted()


def reconciled(desk: OutsideDesk, *rows: dict[str, Any]) -> list[tuple[str, str]]:
    """Ask the venue for what it has, once nothing is too young, and let it answer; return the differences."""
    desk.desk.ms += LATER_MS
    return differences(desk.fold(page(ask(desk.desk), orders=[*rows], fills=[], positions=[held(str(desk.held()))])))


@pytest.mark.parametrize("kept", [False, True])
def test_a_child_that_the_venue_lost_is_sent_again_once_it_is_canceled(kept: bool) -> None:
    desk = OutsideDesk(lost_orders="LEAVE" if kept else "CANCEL")
    worked(desk)
    assert reconciled(desk) == [("lost_order", "told" if kept else "canceled")]
    working = {"p": 100, "p.1": 40} if kept else {"p": 100, "p.2": 40}
    assert {name: lots for name, (_, lots) in desk.working().items()} == working
    desk.desk.restarted()
    desk.check()


def test_a_childs_trade_that_was_missed_is_its_parents() -> None:
    desk = OutsideDesk(lost_orders="CANCEL")
    child = worked(desk)
    reconciled(desk, row(child.order_id, cum_qty="40", ord_status="Filled", quantity="40", avg_px="184.00"))
    assert (desk.order("p").cum, child.status, desk.order("p.2").quantity) == (40, "Filled", 40)
    desk.check()


def test_what_a_venue_takes_back_of_one_order_makes_the_other_of_its_list_no_larger(desk: OutsideDesk) -> None:
    leg = {"symbol": "AAPL", "side": "BUY", "quantity": "60", "time_in_force": "GTC"}
    legs = [leg | {"client_order_id": "a", "price": "184.00"},
            leg | {"client_order_id": "b", "order_type": "STOP", "stop_price": "186.00"}]  # fmt: skip
    desk.signal("NewOrderList", list_id="l", contingency_type="ONE_UPDATES_OTHER", all=True, orders=legs)
    order = desk.accepts("a")
    trade = desk.trades(order, 20, "184.00")
    assert desk.working()["b"] == ("Suspended", 40)
    desk.busts(order, trade)
    assert desk.working()["b"] == ("Suspended", 40)
    desk.trades(order, 20, "184.00")
    assert desk.working()["b"] == ("Suspended", 40)


@pytest.mark.parametrize(("kind", "fields"), [("ReplaceOrder", {"quantity": "50"}), ("CancelOrder", {})])
def test_a_late_trade_ends_the_other_order_of_a_list_that_has_something_pending(
    desk: OutsideDesk, kind: str, fields: dict[str, str]
) -> None:
    leg = {"symbol": "AAPL", "side": "BUY", "quantity": "60", "time_in_force": "GTC"}
    stop = {"order_type": "STOP_LIMIT", "stop_price": "186.00", "price": "186.50"}
    legs = [leg | {"client_order_id": "a", "price": "184.00"}, leg | {"client_order_id": "b"} | stop]
    desk.signal("NewOrderList", list_id="l", contingency_type="ONE_UPDATES_OTHER", all=True, orders=legs)
    order = desk.accepts("a")
    desk.desk.quote(18_600, 18_610, bid_qty=1_000, ask_qty=1_000)
    printed = report(ReportType.PRINTED, price=18_610, qty=1, account=0, symbol=1, partition=frames.PARTITION_ALL)
    desk.desk.fold({b"frame": printed})
    desk.said(order, "Canceled")
    other = desk.accepts("b")
    desk.signal(kind, orig_client_order_id="b", **fields)
    desk.trades(order, 20, "184.00")
    assert (desk.held(), other.status) == (20, "PendingCancel")
    desk.said(other, "Canceled")
    assert desk.working() == {}
    desk.desk.restarted()


def test_a_canceled_order_ends_though_its_last_slice_is_one_refused_too_many(desk: OutsideDesk) -> None:
    desk.signal(client_order_id="p", symbol="AAPL", side="BUY", quantity="40", price="184.00", time_in_force="GTC",
                algorithm="AT_ONCE")  # fmt: skip
    for number in range(1, MOST_REFUSED):
        desk.said(desk.order(f"p.{number}"), "Rejected")
        desk.after(600_000)
    desk.signal("CancelOrder", orig_client_order_id="p")
    desk.said(desk.order(f"p.{MOST_REFUSED}"), "Rejected")
    assert (desk.order("p").status, desk.working()) == ("Canceled", {})
