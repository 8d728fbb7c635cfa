"""Numbers that no order and no position can have: whoever says them, a snapshot of the stage can still be written."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.support.orders import OrdersDesk
from tests.support.reconciling import ask, compared, differences, held, outside, page, row, said, trade

HUGE = "9" * 24
MOST = 10**15


@pytest.fixture
def desk() -> OrdersDesk:
    desk = outside(external_orders="ADOPT", max_overfill_lots=50)
    desk.new(price="185.00", side="SELL")
    desk.fold(said("New"))
    return desk


def standing(desk: OrdersDesk) -> Any:
    """Return what is written of orders, once that was restored and is the same."""
    desk.restarted()
    return orjson.loads(desk.stage.snapshot())["orders"]


@pytest.mark.parametrize(
    "report, named",
    [
        (trade("T-1", "5", HUGE), "last_px"),
        (trade("T-1", HUGE, "185"), "last_qty"),
        (said("Restated", quantity=HUGE), "quantity"),
        (said("Restated", quantity="120", price=HUGE), "price"),
        (said("Restated", quantity="120", price=f"-{HUGE}"), "price"),
    ],
)
def test_a_venues_report_with_one_is_dead(desk: OrdersDesk, report: dict[bytes, bytes], named: str) -> None:
    before = standing(desk)
    letter = desk.dead_letter(report)
    assert letter["reason"] == "bad_value"
    assert letter["text"].startswith(f"{named}: ") and "which is the most" in letter["text"]
    assert standing(desk) == before


def test_a_commission_and_a_fee_may_pass_64_bits(desk: OrdersDesk) -> None:
    desk.fold(trade("T-1", "5", "185.25", commission=HUGE, comm_currency="USD"))
    [fill] = standing(desk)["columns"]["fills"]["same"]
    assert fill["fee"] == HUGE + "0" * 8
    assert desk.fold(said("TradeCancel", exec_id="B-1", ref_exec_id="T-1"))[-1]["type"] == "TradeBusted"
    standing(desk)


@pytest.mark.parametrize(
    "fields, kinds",
    [
        ({"orders": [row(quantity=HUGE)]}, [("quantity", "told")]),
        ({"orders": [row(price=HUGE)]}, [("price", "told")]),
        ({"orders": [row(cum_qty=HUGE)]}, [("cum_qty", "told")]),
        ({"orders": [row(cum_qty="0.5")]}, [("cum_qty", "told")]),
        ({"orders": [row(cum_qty="5", avg_px=HUGE)]}, [("missed_fill", "told")]),
        ({"orders": [row(cum_qty="5", last_px=HUGE)]}, [("missed_fill", "told")]),
        ({"orders": [row()], "fills": [row(exec_id="T-1", last_qty="5", last_px=HUGE)]}, [("missed_fill", "told")]),
        ({"orders": [row()], "positions": [held(HUGE)]}, [("position", "told")]),
        ({"orders": [row()], "positions": [held(f"-{HUGE}")]}, [("position", "told")]),
    ],
)
def test_what_a_venue_has_with_one_is_told(desk: OrdersDesk, fields: Any, kinds: Any) -> None:
    before = standing(desk)
    assert differences(compared(desk, **fields)) == kinds
    assert standing(desk) == before


@pytest.mark.parametrize("more", [{"quantity": HUGE}, {"price": HUGE}, {"price": f"-{HUGE}"}])
def test_an_external_order_with_one_is_told_and_not_adopted(desk: OrdersDesk, more: dict[str, str]) -> None:
    theirs = row(None, venue_order_id="V-7", account="default", symbol="AAPL", side="BUY", quantity="5", price="180")
    found = compared(desk, orders=[row(), theirs | more])
    assert differences(found) == [("external_order", "told")]
    assert standing(desk)["count"] == 1


def test_a_page_in_the_middle_leaves_a_state_that_can_be_written(desk: OrdersDesk) -> None:
    request_id = ask(desk)
    desk.fold(page(request_id, last=False, orders=[row(cum_qty=str(MOST))], positions=[held(HUGE), held(str(MOST))]))
    standing(desk)
