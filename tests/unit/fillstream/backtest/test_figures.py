"""Tables, figures and the picture of a run."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.backtest.figures import DAY_MS, RATIOS, ratios_of, summary_of
from fillstream.backtest.picture import MOST_POINTS, equity_svg
from fillstream.backtest.record import TABLES, Record
from fillstream.backtest.result import Result
from tests.support.backtests import START_MS

MONDAY_MS = START_MS + 3 * DAY_MS
POSITION: dict[str, Any] = {
    "type": "PositionMarked", "v": 1, "account": "default", "symbol": "AAPL", "currency": "USD", "position": "5",
    "avg_px": "1", "fees": "0", "cash": "0", "mark_px": "1", "unrealized_pnl": None,
}  # fmt: skip


def marked(ms: int, realized: str, unrealized: str | None = None, fees: str = "0", **more: str) -> bytes:
    said = {"time": ms, "realized_pnl": realized, "unrealized_pnl": unrealized, "fees": fees, **more}
    return orjson.dumps(POSITION | said)


def recorded(*payloads: bytes) -> Record:
    record = Record(Decimal(1_000))
    record.take("positions", [orjson.loads(payload) for payload in payloads])
    return record


def test_equity_is_the_capital_and_what_positions_made() -> None:
    record = recorded(
        marked(1, "0", "2.50", "0.10"), marked(1, "0", "3", "0.10"), marked(2, "-1", None, "0.2", symbol="MSFT"),
        marked(3, "7", "0", "0.15", currency="EUR", symbol="SAP"),
    )  # fmt: skip
    assert record.rows("equity") == [
        (1, "USD", Decimal("1002.90"), Decimal(0), Decimal(3), Decimal("0.10")),
        (2, "USD", Decimal("1001.70"), Decimal(-1), Decimal(3), Decimal("0.30")),
        (3, "EUR", Decimal("1006.85"), Decimal(7), Decimal(0), Decimal("0.15")),
    ]
    summary = summary_of(record, Decimal(1_000), 0, 3)
    assert (summary.currency, summary.equity, summary.net_pnl) == ("USD", Decimal("1001.70"), Decimal("1.70"))
    assert summary.max_drawdown_money == Decimal("1.20")
    assert summary.others == ("EUR",)
    assert summary.ratios == {} and summary.returns_every is None, "three milliseconds say nothing"


def test_without_a_position_the_capital_is_there_still() -> None:
    summary = summary_of(Record(Decimal(5)), Decimal(5), 0, DAY_MS)
    assert (summary.currency, summary.equity, summary.net_pnl, summary.win_rate) == (None, Decimal(5), Decimal(0), None)


def test_trades_are_counted_after_fees() -> None:
    record = recorded(marked(1, "3"))
    ended = {
        "type": "PositionClosed", "v": 1, "seq": 1, "account": "default", "symbol": "AAPL", "currency": "USD",
        "side": "BUY", "reason": "fill",
    }  # fmt: skip
    for gross, fees in (("5", "1"), ("1", "1.5"), ("-2", "0"), (None, None)):
        record.take("positions", [ended | {"time": 2, "gross_pnl": gross, "paid_fees": fees}])
    summary = summary_of(record, Decimal(1_000), 0, 3)
    assert (summary.trades, summary.won, summary.lost) == (3, 1, 2)
    assert (summary.best_trade, summary.worst_trade) == (Decimal(4), Decimal(-2))
    assert summary.win_rate == Decimal("0.333333") and summary.profit_factor == Decimal("1.6")


@given(st.lists(st.integers(-50, 50), min_size=30, max_size=60), st.booleans())
def test_ratios_are_those_of_the_daily_returns(steps: list[int], weekends: bool) -> None:
    empyrical = pytest.importorskip("empyrical")
    import numpy as np

    level, points, levels = Decimal(1_000), [], []
    for day, step in enumerate(steps):
        at = MONDAY_MS + day * DAY_MS + DAY_MS // 2
        if not weekends and day % 7 >= 5:
            continue
        level += step
        points.append((at, "USD", level, Decimal(0), Decimal(0), Decimal(0)))
        levels.append(float(level))
    until = MONDAY_MS + len(steps) * DAY_MS
    every, per_year, ratios, count = ratios_of(points, Decimal(1_000), MONDAY_MS, until)
    values = np.array([1_000.0, *levels])
    returns = values[1:] / values[:-1] - 1
    assert (every, per_year, count) == ("1d", 365 if weekends else 252, len(returns))
    assert ratios["max_drawdown"] == pytest.approx(empyrical.max_drawdown(returns))
    assert ratios["conditional_value_at_risk"] == pytest.approx(empyrical.conditional_value_at_risk(returns))
    if np.std(returns) > 0:
        by_hand = np.mean(returns) / np.std(returns, ddof=1) * np.sqrt(per_year)
        assert ratios["sharpe_ratio"] == pytest.approx(by_hand)


def test_a_short_run_says_nothing_of_a_year() -> None:
    pytest.importorskip("empyrical")
    points = [(MONDAY_MS + s * 1_000, "USD", Decimal(1_000 + s % 7), *[Decimal(0)] * 3) for s in range(1, 60)]
    every, per_year, ratios, count = ratios_of(points, Decimal(1_000), MONDAY_MS, MONDAY_MS + 60_000)
    assert (every, per_year, count) == ("1s", 365 * 86_400, 60)
    assert [name for name in RATIOS if ratios[name] is None] == [*RATIOS[:5]]
    assert ratios["max_drawdown"] == pytest.approx(-6 / 1_006)


def test_what_lost_everything_has_no_ratios() -> None:
    pytest.importorskip("empyrical")
    points = [(MONDAY_MS + s * 1_000, "USD", Decimal(-5), *[Decimal(0)] * 3) for s in range(1, 30)]
    assert set(ratios_of(points, Decimal(1), MONDAY_MS, MONDAY_MS + 30_000)[2].values()) == {None}


def a_result(record: Record) -> Result:
    summary = summary_of(record, Decimal(1_000), START_MS, START_MS + 5_000)
    return Result("s<1>", START_MS, START_MS + 5_000, 7, summary, {"signals": "00"}, {}, {}, record)


def test_a_folder_has_it_all(tmp_path: Path) -> None:
    record = recorded(*(marked(START_MS + n * 100, f"{n}.25") for n in range(40)))
    files = {path.name for path in a_result(record).save(tmp_path / "deep" / "out")}
    assert {f"{name}.csv" for name in TABLES} | {"summary.json", "equity.svg"} <= files
    with (tmp_path / "deep/out/equity.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40 and rows[1] == {
        "time": "2024-08-09T00:00:00.100Z", "currency": "USD", "equity": "1001.25", "realized_pnl": "1.25",
        "unrealized_pnl": "0", "fees": "0",
    }  # fmt: skip
    said = orjson.loads((tmp_path / "deep/out/summary.json").read_bytes())
    assert said["summary"]["equity"] == "1039.25" and said["hash"] == a_result(record).hash
    assert (tmp_path / "deep/out/equity.svg").read_text().startswith("<svg")


def test_tables_are_exact_in_arrow_pandas_and_duckdb() -> None:
    pytest.importorskip("duckdb")
    pytest.importorskip("pandas")
    result = a_result(recorded(marked(START_MS, "0.000000000001"), marked(START_MS + 1, "123456789012.25")))
    table = result.arrow("equity")
    assert table.column("realized_pnl").to_pylist() == [Decimal("0.000000000001"), Decimal("123456789012.25")]
    assert result.pandas("equity")["time"].iloc[1].isoformat() == "2024-08-09T00:00:00.001000+00:00"
    database = result.duckdb()
    [[total]] = database.execute("SELECT sum(realized_pnl) FROM equity").fetchall()
    assert total == Decimal("123456789012.250000000001")
    assert {name for (name,) in database.execute("SHOW TABLES").fetchall()} == TABLES.keys()
    with pytest.raises(KeyError):
        result.rows("nothing")


def test_a_picture_stays_small_and_shows_every_peak() -> None:
    points = [(START_MS + n, 100.0 + n % 97) for n in range(50_000)]
    points[31_337] = (START_MS + 31_337, 5_000.0)
    picture = equity_svg("a <b> & c", points, START_MS, START_MS + 50_000, 100.0)
    assert "<title>a &lt;b&gt; &amp; c</title>" in picture and picture.endswith("</svg>\n")
    lines = [line for line in picture.splitlines() if line.startswith("<polyline")]
    assert len(lines) == 2 and all(line.count(",") <= 4 * (MOST_POINTS + 1) for line in lines)
    assert ",34.0" in lines[0], "the peak is at the upper edge"
    assert ">5000</text>" in picture


def test_a_picture_of_nothing_is_a_line() -> None:
    picture = equity_svg("flat", [], START_MS, START_MS, 100.0)
    assert picture.count("<polyline") == 2 and "nan" not in picture
