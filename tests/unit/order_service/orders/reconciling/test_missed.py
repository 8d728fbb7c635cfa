"""Fills whose reports never came: booked by what the venue has, at exact prices, and not twice when they come late."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.support.orders import OrdersDesk
from tests.support.reconciling import compared, differences, filled, held, kinds, outside, position, row, said, trade

D = Decimal


@pytest.fixture
def desk() -> OrdersDesk:
    """A desk with an order for 100 at 185.00 of which it heard of 40 at 184.00."""
    desk = outside()
    desk.new(price="185.00")
    desk.one(said("New"))
    desk.one(trade("T-1", "40", "184.00"))
    return desk


def told(exec_id: str, qty: str, px: str, **fields: Any) -> dict[str, Any]:
    return {"order_id": "1", "exec_id": exec_id, "last_qty": qty, "last_px": px, **fields}


def has(cum: str, **fields: Any) -> dict[str, Any]:
    """Return a page by which the venue has so much of the order filled."""
    return {"orders": [row(quantity="100", cum_qty=cum, price="185", **fields)], "positions": [held(cum)]}


def infer(desk: OrdersDesk, cum: str = "70", **fields: Any) -> list[dict[str, Any]]:
    return compared(desk, **has(cum, **fields))


def test_a_trade_that_the_venue_names_is_booked_under_its_name(desk: OrdersDesk) -> None:
    fills = [told("T-1", "40", "184"), told("T-2", "30", "184.5", liquidity="MAKER")]
    events = compared(desk, **has("70"), fills=fills)
    assert differences(events) == [("missed_fill", "booked")]
    assert filled(events) == [("SIM-T-2", D(30), D("184.50"))]
    [event] = [event for event in events if event["type"] == "OrderFilled"]
    assert (event["inferred"], event["cum_qty"], event["liquidity"]) == (True, "70", "MAKER")
    assert event["text"].startswith("its report never came; report ")
    assert position(desk) == 70


def test_its_own_report_changes_nothing_when_it_comes_and_a_second_one_is_a_repetition(desk: OrdersDesk) -> None:
    compared(desk, **has("70"), fills=[told("T-2", "30", "184.5")])
    desk.restarted()
    assert desk.fold(trade("T-2", "30", "184.5")) == []
    assert desk.dead == []
    assert desk.dead_letter(trade("T-2", "30", "184.5"))["reason"] == "repeated_trade"
    assert position(desk) == 70


def test_the_commission_of_such_a_trade_is_its_fee(desk: OrdersDesk) -> None:
    fill = told("T-2", "30", "184.5", commission="1.25", comm_currency="USD")
    [event] = [e for e in compared(desk, **has("70"), fills=[fill]) if e["type"] == "OrderFilled"]
    assert (event["fee"], event["commission"]) == ("1.25", "1.25")
    assert "commission" not in desk.one(trade("T-3", "1", "184"))


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (told("T-2", "30", "185.01"), "above its limit of 185.00"),
        (told("T-2", "61", "184"), "beyond what order 1"),
        (told("T-2", "0.5", "184"), "last_qty: 0.5 is not a multiple of 1"),
    ],
)
def test_one_that_cannot_be_is_told_and_not_booked(desk: OrdersDesk, fill: dict[str, Any], words: str) -> None:
    events = compared(desk, **has("40"), fills=[fill])
    assert differences(events) == [("missed_fill", "told")]
    assert "nothing is done" in events[0]["text"]
    assert words in events[0]["text"]
    assert position(desk) == 40


def test_a_mere_quantity_is_booked_at_the_mean_that_it_must_have_had(desk: OrdersDesk) -> None:
    # 40 at 184.00 and 30 more make 70 at 184.30: the 30 were at 184.70.
    events = infer(desk, avg_px="184.30")
    assert differences(events) == [("missed_fill", "booked")]
    [(exec_id, qty, px)] = filled(events)
    assert (qty, px) == (D(30), D("184.70"))
    assert exec_id.startswith("SIM-inferred-1-")
    assert events[0]["text"].startswith("inferred: by report ")
    assert (position(desk), events[0]["fee"]) == (70, "0.27705000")


def test_where_no_one_price_says_it_two_do_and_the_mean_is_exact(desk: OrdersDesk) -> None:
    events = infer(desk, avg_px="184.301")  # 70 of them are 12901.07: the 30 cost 5541.07
    assert sum(qty * px for _, qty, px in filled(events)) == D("5541.07")
    assert sum(qty for _, qty, _ in filled(events)) == 30
    assert events[1]["avg_px"] == "184.301"


@pytest.mark.parametrize(
    ("said_of", "px"), [({"last_px": "184.20"}, "184.20"), ({}, "185.00"), ({"avg_px": "184.571428571428"}, "185.33")]
)
def test_without_a_mean_the_last_price_or_the_limit_stands_for_it(
    desk: OrdersDesk, said_of: dict[str, str], px: str
) -> None:
    events = infer(desk, **said_of)
    if D(px) > 185:  # which says that the venue has bought above the limit
        assert differences(events) == [("missed_fill", "told"), ("position", "told")]
        assert "above its limit" in events[0]["text"]
        assert position(desk) == 40
    else:
        assert filled(events)[0][1:] == (D(30), D(px))


def test_a_rounded_mean_at_the_limit_is_the_limit() -> None:
    desk = outside()
    desk.new(price="185.00")
    events = infer(desk, "70", avg_px="185.0001")
    assert filled(events)[0][1:] == (D(70), D("185.00"))


def test_a_market_order_without_any_price_is_told() -> None:
    desk = outside()
    desk.quote(18490, 18500)
    desk.new(quantity="100")
    events = compared(desk, orders=[row(cum_qty="60")])
    assert differences(events)[-1] == ("missed_fill", "told")
    assert "does not say what order 1 was filled at" in events[-2]["text"]


def test_trades_that_have_names_go_before_a_quantity_whatever_page_they_are_on(desk: OrdersDesk) -> None:
    from tests.support.reconciling import LATER_MS, ask, page

    desk.ms += LATER_MS
    request_id = ask(desk)
    assert desk.fold(page(request_id, 1, last=False, **has("70", avg_px="184"))) == []
    events = desk.fold(page(request_id, 2, fills=[told("T-2", "20", "184")]))
    assert [each[1:] for each in filled(events)] == [(D(20), D(184)), (D(10), D(184))]
    assert events[-1]["differences"] == 2


def test_a_report_that_fills_an_order_ends_it(desk: OrdersDesk) -> None:
    events = compared(desk, orders=[row(ord_status="Filled", quantity="100", cum_qty="100")], positions=[held("100")])
    assert kinds(events)[-3:] == ["OrderFilled", "ReconciliationDifference", "VenueReconciled"]
    assert (events[0]["ord_status"], position(desk)) == ("Filled", 100)


# ------------------------------------------------------------------------------------------- the report comes after all


def test_the_report_of_all_that_was_inferred_takes_its_place(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    events = desk.fold(trade("T-2", "30", "184.50", cum_qty="70"))
    assert kinds(events) == ["TradeBusted", "OrderFilled"]
    assert events[0]["text"] == "what was inferred gives way to the venue's own report of it"
    assert (events[0]["last_qty"], events[0]["last_px"]) == ("30", "184.70")
    assert (events[1]["cum_qty"], events[1]["exec_id"]) == ("70", "SIM-T-2")
    assert "inferred" not in events[1]
    assert position(desk) == 70
    assert desk.one(trade("T-3", "30", "184.00"))["cum_qty"] == "100", "what comes then is new"


@pytest.mark.parametrize("cum", [None, "60"])
def test_the_report_of_a_part_leaves_the_rest_inferred(desk: OrdersDesk, cum: str | None) -> None:
    infer(desk, avg_px="184.30")
    # All 30 were at 184.70: if 20 of them were at 184.60, the other 10 were at 184.90.
    events = desk.fold(trade("T-2", "20", "184.60", **({"cum_qty": cum} if cum else {})))
    assert kinds(events) == ["TradeBusted", "OrderFilled", "OrderFilled"]
    assert [each[1:] for each in filled(events)] == [(D(10), D("184.90")), (D(20), D("184.60"))]
    assert [event.get("inferred") for event in events] == [None, True, None]
    assert (events[2]["cum_qty"], events[2]["avg_px"]) == ("70", "184.30")
    events = desk.fold(trade("T-3", "10", "184.90"))
    assert (kinds(events), position(desk)) == (["TradeBusted", "OrderFilled"], 70)


def test_where_what_is_left_would_have_no_price_that_could_be_it_keeps_the_one_it_had(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    events = desk.fold(trade("T-2", "20", "184.00"))  # and so 10 at 186.10, above the limit
    assert [each[1:] for each in filled(events)] == [(D(10), D("184.70")), (D(20), D("184.00"))]
    assert position(desk) == 70


def test_a_trade_beyond_what_was_inferred_is_new_and_those_before_it_may_come_later(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    [new] = desk.fold(trade("T-3", "10", "184.50", cum_qty="80"))
    assert new["cum_qty"] == "80"
    events = desk.fold(trade("T-2", "30", "184.70", cum_qty="70"))
    assert (kinds(events), position(desk)) == (["TradeBusted", "OrderFilled"], 80)


def test_a_report_over_its_edge_is_new_by_as_much_as_it_is_beyond(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    events = desk.fold(trade("T-2", "35", "184.50", cum_qty="75"))
    assert (kinds(events), position(desk)) == (["TradeBusted", "OrderFilled"], 75)


def test_one_that_is_refused_leaves_what_was_inferred(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    assert desk.dead_letter(trade("T-2", "30", "185.01"))["reason"] == "beyond_limit"
    assert desk.dead_letter(trade("T-2", "30", "185", cum_qty="70.5"))["reason"] == "off_grid"
    assert desk.dead_letter(trade("T-1", "40", "184"))["reason"] == "repeated_trade"
    assert position(desk) == 70


def test_it_is_so_after_a_restart_and_when_the_order_was_full(desk: OrdersDesk) -> None:
    infer(desk, "100", avg_px="184.30")
    desk.restarted()
    events = desk.fold(trade("T-2", "60", "184.50", cum_qty="100"))
    assert kinds(events) == ["TradeBusted", "OrderFilled"]
    assert (events[1]["ord_status"], position(desk)) == ("Filled", 100)


def test_a_second_look_at_a_venue_that_says_no_more_finds_nothing(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    [reconciled] = infer(desk, avg_px="184.30")
    assert reconciled["differences"] == 0


def test_a_named_trade_goes_before_what_was_inferred_of_it(desk: OrdersDesk) -> None:
    infer(desk, avg_px="184.30")
    events = compared(desk, **has("70"), fills=[told("T-2", "30", "184.5", cum_qty="70")])
    assert kinds(events) == ["TradeBusted", "OrderFilled", "ReconciliationDifference", "VenueReconciled"]
    assert position(desk) == 70


def test_an_order_that_left_the_state_keeps_no_notes(desk: OrdersDesk) -> None:
    compared(desk, **has("100"), fills=[told("T-2", "60", "184")])
    desk.tick(4_000_000)
    assert desk.stage._state.remembers(1) is not None
    assert desk.stage._state.busted == {}
