"""The view that adds up analytics' own rows, and compares them with what the orders stage stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.base import Message
from fillstream.libs.common.messages.journal import AccountAdjusted, OrderFilled, TradeBusted, TradeCorrected
from fillstream.libs.common.messages.positions import PositionChanged, PositionsReconciled
from fillstream.libs.common.messages.reconciliation import HoldingsStated
from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.messages import sample


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "analytics.duckdb")


def put(store: Store, kind: str, *messages: dict[str, Any]) -> None:
    batch = Batch()
    entries = [[b"1700000000000-%d" % m["seq"], [b"data", orjson.dumps(m)]] for m in messages]
    DECODERS[kind](f"{kind}.{{a0}}", entries, batch)
    assert not batch.undecodable, batch.undecodable
    store.commit(batch.tables, {}, [])


def trade(model: type[Message], seq: int, qty: str, side: str = "BUY", **more: Any) -> dict[str, Any]:
    said = {"account": "alpha", "symbol": "AAPL", "side": side, "last_qty": qty, "fee_qty": None, **more}
    return sample(model, seq, **{name: value for name, value in said.items() if name in model.model_fields})


def stated(seq: int, *held: str, account: str = "alpha") -> dict[str, Any]:
    return sample(HoldingsStated, seq, account=account, positions=len(held), held=[*held])


def compared(store: Store) -> list[tuple[Any, ...]]:
    sql = "SELECT account, symbol, stated, booked FROM holdings_compared ORDER BY ALL"
    return [(a, s, float(x), float(y)) for a, s, x, y in store.cursor().execute(sql).fetchall()]


def test_fills_busts_corrections_and_fees_in_kind_add_up_to_what_was_stated(store: Store) -> None:
    put(
        store,
        "events",
        trade(OrderFilled, 1, "40"),
        trade(OrderFilled, 2, "15", "SELL"),
        trade(TradeBusted, 3, "5", "SELL"),
        trade(TradeCorrected, 4, "30", old_qty="40"),
        trade(OrderFilled, 5, "10", fee_qty="0.5", symbol="BTC"),
        stated(6, "AAPL 20 -100.5 1", "BTC 9.5 -7 0"),
        trade(OrderFilled, 7, "1"),
    )
    assert compared(store) == [("alpha", "AAPL", 20, 20), ("alpha", "BTC", 9.5, 9.5)]


def test_a_split_changes_what_the_fills_before_it_add_up_to(store: Store) -> None:
    split = sample(
        AccountAdjusted, 2, account="alpha", symbol="AAPL", ratio="3:2", old_position="40", position="60",
        new_symbol=None,
    )  # fmt: skip
    paid = sample(
        AccountAdjusted, 3, account="alpha", symbol="AAPL", ratio=None, old_position=None, position=None,
        new_symbol=None,
    )  # fmt: skip
    put(store, "events", trade(OrderFilled, 1, "40"), split, paid, trade(OrderFilled, 4, "5"), stated(5, "AAPL 65 1 0"))
    assert compared(store) == [("alpha", "AAPL", 65, 65)]


def test_what_was_traded_of_an_old_symbol_counts_under_the_new_one(store: Store) -> None:
    renamed = sample(
        AccountAdjusted, 2, account="alpha", symbol="FB", new_symbol="META", ratio=None, old_position="4",
        position="40",
    )  # fmt: skip
    traded = trade(OrderFilled, 1, "4", symbol="FB"), trade(OrderFilled, 3, "5", symbol="META")
    put(store, "events", *traded[:1], renamed, *traded[1:], stated(4, "META 45 1 0"))
    assert compared(store) == [("alpha", "FB", 0, 0), ("alpha", "META", 45, 45)]


def test_what_only_one_of_them_has_is_nothing_for_the_other(store: Store) -> None:
    put(store, "events", trade(OrderFilled, 1, "40"), stated(2, "SPY 3 0 0"))
    assert compared(store) == [("alpha", "AAPL", 0, 40), ("alpha", "SPY", 3, 0)]


def test_the_newest_statement_of_an_account_counts(store: Store) -> None:
    put(store, "events", stated(1), trade(OrderFilled, 2, "40"), stated(3, "AAPL 40 1 1"), stated(4, account="beta"))
    assert compared(store) == [("alpha", "AAPL", 40, 40)]


def test_what_was_compared_is_no_position(store: Store) -> None:
    changed = sample(PositionChanged, 1, account="alpha", symbol="AAPL")
    put(store, "positions", changed, sample(PositionsReconciled, 2, account="alpha"))
    assert store.cursor().execute("SELECT account, symbol FROM positions").fetchall() == [("alpha", "AAPL")]
