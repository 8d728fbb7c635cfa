"""FlowManager's position manager over a live desk: the same names, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.desk import Market
from fillstream import Client, LocalStack
from fillstream.flow import LiveOrderBook, PositionManager, Snapshot, TradeReport
from fillstream.stack.stack import IDEAL_DESK

SOON_MS = 10_000


class Heard(PositionManager):
    def __init__(self, book: LiveOrderBook) -> None:
        self.trades: list[TradeReport] = []
        self.markets: list[Snapshot] = []
        super().__init__(book)

    def OnTradeConfirmation(self, report: TradeReport) -> None:
        super().OnTradeConfirmation(report)
        self.trades.append(report)

    def OnMarketDataUpdate(self, snapshot: Snapshot) -> None:
        self.markets.append(snapshot)

    def wait_for(self, client_id: str) -> TradeReport:
        for _ in range(SOON_MS // 100):
            self.order_book.pass_time(100)
            for each in self.trades:
                if each.client_id == client_id:
                    return each
        raise AssertionError(f"{client_id}: nothing was told of it, {self.trades}")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder: Path = tmp_path_factory.mktemp("desk")
    with LocalStack(folder, base_port=0, redis_port=0, environ=IDEAL_DESK) as made:
        made.wait_ready()
        yield made


def test_targets_orders_and_markets_of_a_live_desk(stack: LocalStack) -> None:
    with Client(stack.redis_url) as client:
        market = Market(stack, client)
        book = LiveOrderBook(client)
        manager = Heard(book)
        market.shown("MSFT", "419.99", "420.01")
        manager.set_target("MSFT", 8)
        assert book.is_under_way
        assert book.wait_for_targets(SOON_MS)
        assert book.targets["MSFT"]["target_status"] == "REACHED"
        book.pass_time(0)
        assert manager.log_position() == '{"MSFT": {"Target": 8, "Position": 8, "Total Traded": 8}}'
        assert [(each.side, each.qty) for each in manager.trades] == [("BUY", 8)]
        assert str(book.GetMarketDataSnapshot().quotes["MSFT"].ask_px) == "420.01"
        assert manager.markets

        mine = book.SubmitOrder("MSFT", "BUY", "400", 3)
        assert book.SubmitOrder("MSFT", "BUY", "400.001", 3, "off-grid") == "off-grid"
        assert manager.wait_for("off-grid").status == "Rejected"
        assert book.CancelOrder(mine)
        assert manager.wait_for(mine).status == "Canceled"
        assert not book.CancelOrder(mine)

        again = LiveOrderBook(client)
        assert again.held == {"MSFT": 8}
        second = Heard(again)
        second.set_target("MSFT", 0)
        assert again.wait_for_targets(SOON_MS)
        again.pass_time(0)
        assert (again.held["MSFT"], second.log_position()) == (
            0,
            '{"MSFT": {"Target": 0, "Position": 0, "Total Traded": 8}}',
        )
        second.set_target("TSLA", 5)  # the desk has none: it says so, and nobody waits for ever
        assert again.wait_for_targets(SOON_MS)
        with pytest.raises(ValueError, match="ms: -1 must not be below 0"):
            again.pass_time(-1)
