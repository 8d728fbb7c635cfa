"""The view of positions that ended: the newest word on each, and none that a bust opened again or undid."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.positions import PositionChanged, PositionClosed
from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.sinks.store import Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.messages import sample


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "analytics.duckdb")


def changed(seq: int, position_id: str, position: str, **more: Any) -> dict[str, Any]:
    whose = {"account": "alpha", "symbol": "AAPL", "position_id": position_id, "position": position}
    return sample(PositionChanged, seq, **{**whose, "restated": None, **more})


def closed(seq: int, position_id: str, opened: int, gross: str, **more: Any) -> dict[str, Any]:
    whose = {"account": "alpha", "symbol": "AAPL", "position_id": position_id, "opened_time": opened}
    return sample(PositionClosed, seq, **whose, gross_pnl=gross, paid_fees="1", **more)


def rows(store: Store, *messages: dict[str, Any]) -> list[tuple[Any, ...]]:
    batch = Batch()
    entries = [[b"1700000000000-%d" % m["seq"], [b"data", orjson.dumps(m)]] for m in messages]
    DECODERS["positions"]("positions.{a0}", entries, batch)
    assert not batch.undecodable, batch.undecodable
    store.commit(batch.tables, {}, [])
    sql = "SELECT position_id, gross_pnl, net_pnl FROM closed_positions ORDER BY closed_time"
    return store.cursor().execute(sql).fetchall()


def test_each_position_that_ended_is_a_row_with_the_newest_word_on_it(store: Store) -> None:
    found = rows(
        store,
        changed(1, "a", "10"), changed(2, "a", "0"), closed(3, "a", 1, "5"),
        changed(4, "b", "-3"), closed(5, "a", 1, "7"), changed(6, "b", "0"), closed(7, "b", 4, "2"),
    )  # fmt: skip
    assert found == [("a", Decimal(7), Decimal(6)), ("b", Decimal(2), Decimal(1))]


def test_one_that_a_bust_opened_again_is_none_until_it_ends_again(store: Store) -> None:
    told = [changed(1, "a", "10"), changed(2, "a", "0"), closed(3, "a", 1, "5"),
            changed(4, "a", "10", restated="recomputed"), changed(5, "a", "11")]  # fmt: skip
    assert rows(store, *told) == []
    assert rows(store, changed(6, "a", "0"), closed(7, "a", 1, "9")) == [("a", Decimal(9), Decimal(8))]


def test_one_that_never_was_is_none(store: Store) -> None:
    assert rows(store, changed(1, "a", "10"), changed(2, "a", "0"), closed(3, "a", 1, "5"),
                closed(4, "a", 1, "0", fills=0)) == []  # fmt: skip


def test_a_name_that_a_client_uses_again_is_another_position(store: Store) -> None:
    found = rows(
        store,
        changed(1, "swing", "10"), changed(2, "swing", "0"), closed(3, "swing", 1, "5"),
        changed(4, "swing", "10"), changed(5, "swing", "0"), closed(6, "swing", 4, "6"),
    )  # fmt: skip
    assert [each[1] for each in found] == [Decimal(5), Decimal(6)]
