"""Where a position is in its life: by what is held, what works, what is to be reached and which exit was."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.exits import ExitChanged
from fillstream.libs.common.messages.journal import (
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderReceived,
    OrderSuspended,
    OrderTriggered,
    TradeBusted,
)
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.libs.common.messages.targets import TargetChanged
from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.messages import sample

WHOSE = {"account": "alpha", "symbol": "AAPL"}
Message = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "analytics.duckdb")


class Told:
    """Messages of a journal and of positions, numbered as they come."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seq = {"events": 0, "positions": 0}

    def tell(self, kind: str, model: Any, **said: Any) -> None:
        self.seq[kind] += 1
        seq, batch = self.seq[kind], Batch()
        entry = [b"1700000000000-%d" % seq, [b"data", orjson.dumps(sample(model, seq, **(WHOSE | said)))]]
        DECODERS[kind](f"{kind}.{{a0}}", [entry], batch)
        assert not batch.undecodable, batch.undecodable
        self.store.commit(batch.tables, {}, [])

    def order(self, number: str, side: str, quantity: str, **said: Any) -> None:
        whole = {"order_id": number, "side": side, "quantity": quantity, "leaves_qty": quantity, "cum_qty": "0"}
        terms = {"order_type": "LIMIT", "parent_id": None} | said
        self.tell("events", OrderReceived, **whole, **terms, ord_status="PendingNew")
        self.tell("events", OrderAccepted, **whole, parent_id=terms["parent_id"], ord_status="New")

    def trigger(self, number: str, side: str, quantity: str) -> None:
        whole = {"order_id": number, "side": side, "quantity": quantity, "leaves_qty": quantity, "cum_qty": "0"}
        self.tell("events", OrderTriggered, **whole, parent_id=None, ord_status="New")

    def hold(self, number: str, side: str, quantity: str, order_type: str = "LIMIT") -> None:
        whole = {"order_id": number, "side": side, "quantity": quantity, "leaves_qty": quantity, "cum_qty": "0"}
        self.tell("events", OrderReceived, **whole, order_type=order_type, parent_id=None, ord_status="PendingNew")
        self.tell("events", OrderSuspended, **whole, parent_id=None, ord_status="Suspended")

    def cancel(self, number: str, side: str) -> None:
        self.tell("events", OrderCanceled, order_id=number, side=side, leaves_qty="0", ord_status="Canceled")

    def held(self, quantity: str) -> None:
        self.tell("positions", PositionChanged, position=quantity, position_id="p", restated=None, position_mode=None)

    def aim(self, target: str, status: str) -> None:
        self.tell("positions", TargetChanged, target_qty=target, target_status=status, signal_id="t", asked_time=5)

    def leave(self, status: str) -> None:
        self.tell("positions", ExitChanged, exit_status=status, position_id="p", protection_id="default")

    @property
    def status(self) -> str | None:
        found = self.store.cursor().execute("SELECT position_status FROM position_states").fetchall()
        assert len(found) <= 1
        return found[0][0] if found else None


@pytest.fixture
def told(store: Store) -> Told:
    return Told(store)


def test_of_what_was_never_asked_for_there_is_no_row(told: Told) -> None:
    assert told.status is None


def test_an_order_that_waits_plans_it_and_one_that_works_opens_it(told: Told) -> None:
    told.hold("1", "BUY", "10")
    assert told.status == "PLANNED"
    told.order("2", "BUY", "10")
    assert told.status == "OPENING"
    told.cancel("2", "BUY")
    assert told.status == "PLANNED"
    told.cancel("1", "BUY")
    assert told.status is None


def test_what_is_open_is_adjusted_by_more_or_less_and_closed_by_all(told: Told) -> None:
    told.held("10")
    assert told.status == "OPEN"
    told.order("1", "SELL", "4")
    assert told.status == "ADJUSTING"
    told.order("2", "SELL", "6")
    assert told.status == "CLOSING"
    told.cancel("2", "SELL")
    told.order("3", "BUY", "20")
    assert told.status == "ADJUSTING"
    for number, side in (("1", "SELL"), ("3", "BUY")):
        told.cancel(number, side)
    assert told.status == "OPEN"
    told.held("0")
    assert told.status == "CLOSED"
    told.held("-10")
    told.order("4", "SELL", "10")
    assert told.status == "ADJUSTING"
    told.order("5", "BUY", "10")
    assert told.status == "CLOSING", "a short position is closed by buying"


def test_what_waits_to_protect_it_is_no_change_of_it_until_it_is_triggered(told: Told) -> None:
    told.held("10")
    told.hold("1", "SELL", "10", order_type="STOP")
    told.order("2", "SELL", "10", parent_id="9")
    assert told.status == "OPEN"
    told.trigger("1", "SELL", "10")
    assert told.status == "CLOSING"


@pytest.mark.parametrize("kind", ["STOP", "STOP_LIMIT", "TRAILING_STOP", "MARKET_IF_TOUCHED"])
def test_a_stop_that_would_open_a_position_plans_it_and_opens_it_once_it_is_triggered(told: Told, kind: str) -> None:
    told.hold("1", "BUY", "10", order_type=kind)
    assert told.status == "PLANNED"
    told.trigger("1", "BUY", "10")
    assert told.status == "OPENING"
    told.held("5")
    told.hold("2", "BUY", "10", order_type=kind)
    told.cancel("1", "BUY")
    assert told.status == "OPEN", "what waits to make it larger works no more than what waits to close it"


def test_an_order_that_a_bust_brought_back_works_again(told: Told) -> None:
    told.order("1", "BUY", "10")
    told.tell("events", OrderFilled, order_id="1", side="BUY", leaves_qty="0", ord_status="Filled", parent_id=None)
    told.held("10")
    assert told.status == "OPEN"
    told.tell("events", TradeBusted, order_id="1", side="BUY", leaves_qty="10", ord_status="New", parent_id=None)
    told.held("0")
    assert told.status == "OPENING"


def test_targets_plan_adjust_and_close_it_until_they_are_reached(told: Told) -> None:
    told.aim("10", "WAITING")
    assert told.status == "PLANNED"
    told.held("5")
    told.aim("10", "RETRYING")
    assert told.status == "ADJUSTING"
    told.aim("10", "REACHED")
    assert told.status == "OPEN"
    told.aim("0", "WORKING")
    assert told.status == "CLOSING"


@pytest.mark.parametrize(
    ("status", "wanted"), [("ARMED", "OPEN"), ("TRIGGERED", "CLOSING"), ("FAILED", "CLOSING"), ("DONE", "OPEN")]
)
def test_an_exit_that_was_reached_closes_it(told: Told, status: str, wanted: str) -> None:
    told.held("10")
    told.leave(status)
    assert told.status == wanted


def test_what_works_is_counted_beside_it(told: Told, store: Store) -> None:
    told.held("10")
    told.order("1", "BUY", "3")
    told.order("2", "BUY", "4")
    told.order("3", "SELL", "5")
    row = store.cursor().execute("SELECT position, working_buy_qty, working_sell_qty FROM position_states").fetchone()
    assert row == (Decimal(10), Decimal(7), Decimal(5))
