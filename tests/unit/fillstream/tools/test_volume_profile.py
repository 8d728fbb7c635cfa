"""A profile out of kept trades: the query on a real database, and what VWAP takes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from fillstream.services.order_service.orders.algos.vwap import VwapParameters
from fillstream.tools.volume_profile import WHOLE, profile_of, profile_sql


def found(trades: list[tuple[str, str, datetime, str]], **how: Any) -> list[dict[str, Any]]:
    with duckdb.connect() as base:
        base.execute("CREATE TABLE trades (symbol VARCHAR, venue VARCHAR, time TIMESTAMP, quantity DECIMAL(38, 12))")
        if trades:
            base.executemany("INSERT INTO trades VALUES (?, ?, ?, ?)", trades)
        cursor = base.execute(profile_sql("O'HARE", **how))
        return [dict(zip(("bucket", "quantity"), row, strict=True)) for row in cursor.fetchall()]


def test_a_profile_is_what_traded_at_each_time_of_the_days_before_today() -> None:
    today = datetime.now(UTC).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    one, two, old = (today - timedelta(days=each) for each in (1, 2, 30))
    rows = found([
        ("O'HARE", "SIM", one + timedelta(hours=9), "1"), ("O'HARE", "SIM", two + timedelta(hours=9, minutes=29), "2"),
        ("O'HARE", "SIM", two + timedelta(hours=23, minutes=59), "6"),
        ("O'HARE", "SIM2", one + timedelta(hours=9), "5"),
        ("OTHER", "SIM", one, "50"), ("O'HARE", "SIM", old, "50"), ("O'HARE", "SIM", today, "50"),
    ], minutes=30, venue="SIM")  # fmt: skip
    told = profile_of(rows, minutes=30)
    shares = [0] * 48
    shares[18], shares[47] = 3_333, 6_667
    assert told == {"profile": [str(each) for each in shares], "profile_bucket_ms": 1_800_000}
    assert VwapParameters.model_validate(told).sums[-1] == WHOLE


def test_every_profile_adds_up() -> None:
    rows = [{"bucket": each, "quantity": "0.000000000001"} for each in range(7)]
    shares = [int(each) for each in profile_of(rows)["profile"]]
    assert sum(shares) == WHOLE
    assert set(shares[:7]) == {1_428, 1_429}


def test_no_trades_are_no_profile_and_bounds_are_named() -> None:
    with pytest.raises(ValueError, match="none are kept"):
        profile_of(found([]))
    with pytest.raises(ValueError, match="bucket: must be from 0 to 95, got '96'"):
        profile_of([{"bucket": 96, "quantity": "1"}])
    with pytest.raises(ValueError, match="days: must be from 1 to 3650, got 0"):
        profile_sql("A", days=0)
    with pytest.raises(ValueError, match="minutes: a day must be a whole number of them, got 7"):
        profile_sql("A", minutes=7)
