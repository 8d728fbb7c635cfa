"""The views of worked orders, brackets and lists, on the journal of a desk that trades; nothing is counted twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.family_desk import FamilyDesk

ORDER: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": "100", "price": "185.00", "time_in_force": "GTC"}


class Told:
    """A desk whose journal analytics has."""

    def __init__(self, folder: Path) -> None:
        self.desk = FamilyDesk()
        self.store = Store(folder / "analytics.duckdb")
        self.events: list[dict[str, Any]] = []
        self.keep(self.desk.quote(18_490, 18_500, 40))

    def keep(self, events: list[dict[str, Any]]) -> None:
        batch = Batch()
        entries = [[b"1700000000000-%d" % each["seq"], [b"data", orjson.dumps(each)]] for each in events]
        DECODERS["events"]("events.{a0}", entries, batch)
        assert not batch.undecodable, batch.undecodable
        self.store.commit(batch.tables, {}, [])

    def signal(self, kind: str = "NewOrder", **fields: Any) -> None:
        self.keep(self.desk.signal(kind, **fields))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        found = self.store.cursor().execute(sql)
        names = [each[0] for each in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_a_worked_order_is_one_row_with_what_its_children_did_for_it(told: Told) -> None:
    told.signal(client_order_id="p", algorithm="AT_ONCE", algorithm_parameters={"largest_clip": 25}, **ORDER)
    [row] = told.rows("SELECT * FROM parents")
    said = {name: row[name] for name in ("client_order_id", "algorithm", "side", "symbol", "account", "ord_status")}
    assert said == {
        "client_order_id": "p", "algorithm": "AT_ONCE", "side": "BUY", "symbol": "AAPL", "account": "default",
        "ord_status": "PartiallyFilled",
    }  # fmt: skip
    assert [row[name] for name in ("quantity", "cum_qty", "leaves_qty", "avg_px", "price")] == [100, 40, 60, 185, 185]
    assert row["arrival_px"] == Decimal("184.95")
    assert float(row["slippage_bps"]) == pytest.approx(0.05 / 184.95 * 10_000)
    told.signal("CancelOrder", orig_client_order_id="p")
    [row] = told.rows("SELECT ord_status, cum_qty, working_qty, reason FROM parents")
    assert row == {"ord_status": "Canceled", "cum_qty": 40, "working_qty": 0, "reason": "requested"}


def test_a_sellers_slippage_is_what_it_got_less_than_the_mid(told: Told) -> None:
    told.signal(
        client_order_id="p", algorithm="AT_ONCE", **{**ORDER, "side": "SELL", "price": "184.90", "quantity": 10}
    )
    [row] = told.rows("SELECT slippage_bps FROM parents")
    assert float(row["slippage_bps"]) == pytest.approx(0.05 / 184.95 * 10_000)


def test_no_view_counts_what_a_parent_and_its_children_traded_twice(told: Told) -> None:
    told.signal(client_order_id="p", algorithm="AT_ONCE", algorithm_parameters={"largest_clip": 25}, **ORDER)
    told.signal(client_order_id="plain", **{**ORDER, "quantity": "5", "price": "184.00"})
    assert told.rows("SELECT sum(last_qty) AS q FROM fills") == [{"q": 40}]
    assert told.rows("SELECT sum(cum_qty) AS q FROM orders WHERE parent_id IS NULL") == [{"q": 40}]
    assert told.rows("SELECT sum(quantity) AS q FROM costs WHERE parent_id IS NULL") == [{"q": 105}]
    [paid] = told.rows("SELECT sum(fees) AS paid FROM costs")
    assert paid == told.rows("SELECT sum(fee) AS paid FROM fills")[0]
    assert [*told.rows("SELECT sum(fees) AS paid FROM parents")] == [paid]
    named = told.rows("SELECT client_order_id AS c FROM latency JOIN orders USING (order_id) ORDER BY 1")
    assert [row["c"] for row in named] == ["p", "plain"], "children answer no signal"


def test_a_bracket_tells_where_its_exits_stand_and_what_they_would_close(told: Told) -> None:
    told.signal(client_order_id="e", stop_loss="184", take_profits="186:1,187:3", break_even="AFTER_TARGET", **ORDER)
    [row] = told.rows("SELECT * FROM brackets")
    wanted = {
        "list_id": "e", "account": "default", "symbol": "AAPL", "side": "BUY", "list_order_status": "EXECUTING",
        "quantity": 100, "cum_qty": 40, "exited": 0, "stop_qty": 40, "target_qty": 40, "stop_loss": 184,
        "trailing_stop": None, "take_profits": "186:1,187:3", "break_even": "AFTER_TARGET",
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    assert len(row["exits"]) == 3
    told.keep(told.desk.quote(18_600, 18_610, 10))
    [row] = told.rows("SELECT * FROM brackets")
    assert (row["exited"], row["stop_qty"], row["target_qty"], row["stop_loss"]) == (10, 30, 30, 185), "it broke even"
    told.signal("ReplaceOrder", orig_client_order_id="e", trailing_stop="2")
    [row] = told.rows("SELECT stop_loss, trailing_stop, take_profits FROM brackets")
    assert row == {"stop_loss": None, "trailing_stop": 2, "take_profits": "186:1,187:3"}


def test_a_bracket_that_is_done_says_so_and_its_target_is_one_of_several(told: Told) -> None:
    told.signal(client_order_id="e", take_profit="186", **{**ORDER, "quantity": "10"})
    assert told.rows("SELECT take_profits AS t, list_order_status AS s FROM brackets") == [
        {"t": "186", "s": "EXECUTING"}
    ]
    told.keep(told.desk.quote(18_600, 18_610))
    [row] = told.rows("SELECT list_order_status, exited, stop_qty, target_qty FROM brackets")
    assert row == {"list_order_status": "ALL_DONE", "exited": 10, "stop_qty": 0, "target_qty": 0}


def test_an_entry_that_was_refused_has_no_bracket(told: Told) -> None:
    told.signal(client_order_id="e", stop_loss="184", take_profit="183", **ORDER)
    assert told.rows("SELECT ord_status AS s FROM orders") == [{"s": "Rejected"}]
    assert told.rows("SELECT * FROM brackets") == []


def test_a_list_tells_how_many_of_its_orders_work(told: Told) -> None:
    orders = [{**ORDER, "price": "184.00"}, {"symbol": "AAPL", "side": "BUY", "quantity": "100", "order_type": "STOP",
              "stop_price": "186"}]  # fmt: skip
    told.signal("NewOrderList", list_id="one", contingency_type="ONE_CANCELS_OTHER", orders=orders)
    told.signal("NewOrderList", list_id="two", orders=[{**ORDER, "quantity": "40"}, {**ORDER, "price": "999"}])
    told.signal("NewOrderList", list_id="three", all=True, orders=[{**ORDER, "price": "999"}])
    wanted = ("contingency_type", "list_order_status", "orders", "working", "filled")
    found = {row["list_id"]: tuple(row[name] for name in wanted) for row in told.rows("SELECT * FROM lists")}
    assert found == {
        "one": ("ONE_CANCELS_OTHER", "EXECUTING", 2, 2, 0),
        "two": ("NONE", "ALL_DONE", 1, 0, 1),
        "three": ("NONE", "REJECT", 0, 0, 0),
    }
    told.signal("CancelOrderList", list_id="one")
    [row] = told.rows("SELECT list_order_status, working FROM lists WHERE list_id = 'one'")
    assert row == {"list_order_status": "ALL_DONE", "working": 0}
