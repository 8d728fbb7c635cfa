"""A venue's orders that the desk never sent: left, or made the desk's as its terms say."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.messages.mass_status import AdoptOrder
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.reconciling import answer, compared, differences, held, kinds, outside, position, row, said, trade
from tests.support.terms import but

THEIRS = {
    "venue_order_id": "V-7", "account": "default", "symbol": "AAPL", "side": "SELL", "order_type": "LIMIT",
    "time_in_force": "DAY", "quantity": "50", "cum_qty": "0", "price": "190",
}  # fmt: skip


@pytest.fixture
def desk() -> OrdersDesk:
    return outside(external_orders="adopt")


def theirs(**fields: Any) -> dict[str, Any]:
    return {**row(None), **THEIRS, **fields}


def test_it_is_told_and_left_unless_the_venues_terms_say_otherwise() -> None:
    desk = outside()
    events = compared(desk, orders=[theirs()])
    assert differences(events) == [("external_order", "told")]
    assert events[0]["venue_order_id"] == "V-7"
    assert events[0]["text"].endswith("V-7 of account default, which is not the desk's")
    assert (events[0]["account"], events[0]["symbol"]) == ("default", "AAPL")


def test_an_adopted_order_is_one_of_the_desks_from_then_on(desk: OrdersDesk) -> None:
    events = compared(desk, orders=[theirs()])
    assert kinds(events) == ["OrderReceived", "OrderAccepted", "ReconciliationDifference", "VenueReconciled"]
    received = events[0]
    assert (received["external"], received["order_id"], received["venue_order_id"]) == (True, "1", "V-7")
    assert (received["order_type"], received["price"], received["time_in_force"]) == ("LIMIT", "190.00", "DAY")
    assert differences(events) == [("external_order", "adopted")]
    stream, adoption = desk.requests[-1]
    assert isinstance(adoption, AdoptOrder)
    assert (stream, adoption.order_id, adoption.venue_order_id) == ("commands.SIM.0", "1", "V-7")
    desk.restarted()
    assert desk.one(trade("T-1", "20", "190.00"))["cum_qty"] == "20"
    assert desk.cancel(order_id="1")["type"] == "OrderCancelRequested"
    assert desk.one(said("Canceled"))["ord_status"] == "Canceled"
    assert desk.status(order_id="1")["client_order_id"] == "external-1"


def test_it_is_adopted_once_whether_the_venue_says_our_number_or_its_own(desk: OrdersDesk) -> None:
    compared(desk, orders=[theirs()])
    for same in (theirs(), row(1, **THEIRS)):
        [reconciled] = compared(desk, orders=[same])
        assert (reconciled["differences"], reconciled["orders"]) == (0, 1)


def test_what_it_had_filled_is_booked_as_missed(desk: OrdersDesk) -> None:
    events = compared(desk, orders=[theirs(cum_qty="20", avg_px="190.5")], positions=[held("-20")])
    assert differences(events) == [("external_order", "adopted"), ("missed_fill", "booked")]
    assert position(desk) == -20
    assert events[-1]["unresolved"] == 0


def test_it_counts_against_limits_but_not_as_one_that_the_desk_sent(desk: OrdersDesk) -> None:
    desk.set_limits(max_open_orders=1, max_daily_orders=1)
    compared(desk, orders=[theirs()])
    assert desk.new(price="185.00")["reason"] == "max_open_orders"
    desk.one(said("Canceled"))
    assert desk.new(signal_id="s2", price="185.00")["type"] == "OrderReceived"
    assert desk.new(signal_id="s3", price="185.00")["reason"] == "max_daily_orders"


def test_a_market_order_is_one_without_a_price_and_a_clients_name_is_not_taken(desk: OrdersDesk) -> None:
    desk.new(signal_id="external-2", price="185.00")
    desk.one(said("New"))
    without = {name: value for name, value in THEIRS.items() if name not in ("price", "order_type", "time_in_force")}
    events = compared(desk, orders=[row(1, quantity="100"), row(None, **without)])
    received = events[0]
    assert (received["order_type"], received["price"], received["time_in_force"]) == ("MARKET", None, "GTC")
    assert received["client_order_id"] == "external-2-"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"account": "nobody"}, "account: nobody is no account of this partition"),
        ({"account": None}, "account: an order without one cannot be adopted"),
        ({"symbol": "GOLD"}, "symbol: GOLD is no instrument of this desk"),
        ({"quantity": "0.5"}, "quantity: 0.5 is not a multiple of 1"),
        ({"price": "190.005"}, "price: 190.005 is not a multiple of 0.01"),
        ({"price": None}, "price: a LIMIT order without one cannot be adopted"),
        ({"venue_order_id": None, "order_id": "77"}, "venue_order_id: an order without one cannot be adopted"),
    ],
)
def test_one_that_cannot_be_adopted_is_told_with_the_reason(
    desk: OrdersDesk, fields: dict[str, Any], words: str
) -> None:
    events = compared(desk, orders=[theirs(**fields)])
    assert differences(events) == [("external_order", "told")]
    assert events[0]["text"].endswith(f"; {words}")
    assert desk.stage._state.counter == 0


def test_a_full_desk_adopts_no_order_that_it_could_not_remember(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.stage._state, "capacity", 0)
    events = compared(desk, orders=[theirs()])
    assert differences(events) == [("external_order", "told")]
    assert events[0]["text"].endswith("; order_id: the desk remembers 0 orders, which is the most, and takes no other")
    assert desk.stage._state.counter == 0


def test_an_account_that_trades_elsewhere_adopts_nothing() -> None:
    venues = {name: VenueTerms(simulated=False, external_orders="adopt") for name in (SIM, "ALT")}
    accounts = {**CONFIG.accounts, "default": but(CONFIG.accounts["default"], venue="ALT")}
    desk = OrdersDesk(but(CONFIG, venues=venues, accounts=accounts))
    events = answer(desk, "R-1", orders=[theirs()])
    assert differences(events) == [("external_order", "told")]
    assert events[0]["text"].endswith("; account: default trades AAPL at ALT, not at SIM")


def test_one_that_has_ended_at_the_venue_is_nobodys_business(desk: OrdersDesk) -> None:
    [reconciled] = compared(desk, orders=[theirs(ord_status="Canceled")])
    assert reconciled["differences"] == 0
