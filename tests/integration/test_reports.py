"""Reports of a real desk beside what it says of its positions and orders itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import until
from tests.support.desk_of_processes import DeskOfProcesses


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskOfProcesses]:
    made = DeskOfProcesses(tmp_path_factory.mktemp("desk"))
    yield made
    made.stop()


def curve(desk: DeskOfProcesses, **asked: Any) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    found = desk.get(f"/v1/reports/equity?{query}")["curves"]
    [points] = [each["points"] for each in found if each["measure"] == "net_pnl"] or [[]]
    return list(points)


def made_now(desk: DeskOfProcesses) -> Decimal:
    """What all positions have made, by the desk's own stream."""
    rows = desk.get("/v1/positions?flat=true")["positions"]
    return sum(
        (Decimal(row["realized_pnl"]) - Decimal(row["fees"]) + Decimal(row["unrealized_pnl"]) for row in rows),
        Decimal(0),
    )


def test_the_curve_ends_with_what_positions_made_and_begins_with_what_was_before(desk: DeskOfProcesses) -> None:
    desk.send(symbol="AAPL", side="BUY", quantity="100")
    desk.send(symbol="MSFT", side="SELL", quantity="10")
    desk.market.shown("AAPL", "190.98", "191.02")
    until(lambda: made_now(desk) == Decimal("97.8"), "the marks")  # 100 of 0.98, and 10 of -0.02
    until(lambda: (told := curve(desk)) and Decimal(told[-1]["value"]) == Decimal("97.8"), "analytics to know")
    middle = curve(desk)[-1]["time"] + 1
    desk.send(symbol="AAPL", side="SELL", quantity="40")
    desk.market.shown("AAPL", "191.98", "192.02")
    until(lambda: (told := curve(desk)) and Decimal(told[-1]["value"]) == made_now(desk) != Decimal("97.8"), "the end")
    later = curve(desk, since=middle)
    assert later[0] == {"time": middle, "value": "97.8"}, "all that was before stands at the beginning"
    assert Decimal(later[-1]["value"]) == made_now(desk)
    assert curve(desk, since=middle, account="demo") == []


def test_execution_counts_orders_once_and_says_why_others_were_refused(desk: DeskOfProcesses) -> None:
    desk.send(symbol="AAPL", side="BUY", quantity="10", price="100.00")
    desk.send(symbol="AAPL", side="BUY", quantity="100000000", price="100.00")
    known = {row["order_id"] for row in desk.get("/v1/orders?limit=1000")["orders"] if row["ord_status"] != "Rejected"}

    def told() -> Any:
        return desk.get("/v1/reports/execution")

    until(lambda: sum(each["orders"] for each in told()["markets"]) == len(known), "analytics to know the orders")
    found = told()
    [aapl] = [each for each in found["markets"] if each["symbol"] == "AAPL"]
    assert (aapl["venue"], aapl["currency"], aapl["filled_orders"], aapl["fills"]) == ("SIM", "USD", 2, 2)
    assert Decimal(aapl["notional"]) == 100 * Decimal("190.02") + 40 * Decimal("190.98")
    assert Decimal(aapl["slippage_bps"]) > 0
    assert {"reason": "max_order_value", "orders": 1} in found["rejected"]
