"""Desks whose orders need more of their markets than the top: what they know is what the books have, whatever crashes.

Here an order needs the market it works in, and some a second venue's, as an algorithm or a routing policy would.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine.frames import Side
from fillstream.libs.common.messages.market_report import LEVELS, REPORT_EVERY_MS
from fillstream.libs.common.messages.simulation import IDEAL
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.matching_engine.market_reports import MarketReports
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.life.order import FINAL
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support import simulated_desk
from tests.support.simulated_desk import SLOW, TWO_VENUES, SimulatedDesk

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 10))
CHUNK = 50


class WatchingOrders(OrdersStage):
    """An orders stage where two of three working orders need their market, and one of five SIM2's."""

    def fold(self, entry: Entry, out: Outputs) -> None:
        super().fold(entry, out)
        self._commands.out = out
        markets = self._state.markets
        for order in self._state.orders.values():
            if order.status in FINAL:
                markets.unwatch(order.order_id)
            elif order.order_id % 3:
                markets.watch(order.order_id, order.venue, order.terms.symbol)
                if order.order_id % 5 == 0:
                    markets.watch(order.order_id, "SIM2", order.terms.symbol)


@pytest.fixture(autouse=True)
def _watching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_desk, "OrdersStage", WatchingOrders)


def stages(desk: SimulatedDesk, kind: type) -> Iterator[Any]:
    for slot in desk.slots:
        if slot.runner is not None and isinstance(slot.runner.stage, kind):
            yield slot.runner.stage


def check(desk: SimulatedDesk, seen: Counter[str]) -> None:
    """Everything is told: what each partition knows is what the book has, and each book has who needs it."""
    engines = {(stage._venue, stage.partition): stage for stage in stages(desk, EngineStage)}
    wanted: set[tuple[str, int, int, int]] = set()
    for stage in stages(desk, WatchingOrders):
        for (venue, number), watched in stage._state.markets._watched.items():
            assert watched.needs, "every end has been answered"
            assert watched.ending == 0
            book = engines[venue, watched.terms.partition]
            wanted.add((venue, book.partition, number, stage.partition))
            market, engine = watched.market, book._engine
            assert market is not None
            for levels, side in ((market.bids, Side.BUY), (market.asks, Side.SELL)):
                assert levels == tuple((level.price, level.qty) for level in engine.depth(number, side, LEVELS))
                seen["levels"] += len(levels)
            assert market.volume == engine.volume(number)
            assert market.notional == engine.turnover(number)
            last = engine.last(number)
            assert market.last == (last.price if last else None)
            seen["volumes"] += market.volume > 0
            seen["venue " + venue] += 1
    subscribed = {
        (venue, partition, number, each)
        for (venue, partition), stage in engines.items()
        for number, found in (stage._markets or MarketReports(venue, []))._by_symbol.items()
        for each in found.partitions
    }
    assert subscribed == wanted


def told(desk: SimulatedDesk) -> Iterator[dict[str, Any]]:
    for a in range(desk.topology.account_partitions):
        for _, fields in desk.entries(desk.topology.orders(a)):
            if b'"MarketReport"' in fields.get(b"data", b""):
                yield orjson.loads(fields[b"data"])


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
@pytest.mark.parametrize("simulation", [IDEAL, SLOW], ids=["ideal", "slow"])
def test_what_orders_know_of_markets_is_what_the_books_have(first: int, simulation: Any) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        again = f"seed {seed}: SIMULATION_SEED={seed} shows it again"
        desk = SimulatedDesk(
            seed, 1 + seed % 3, 1 + seed % 2, config=TWO_VENUES, simulation=simulation, odd_market=seed % 2 == 1
        )
        try:
            for _ in range(5):
                desk.run(steps=60)
                desk.pass_time(REPORT_EVERY_MS + 5_000 * (simulation is SLOW))
                check(desk, seen)
            found = desk.audit()
        except Exception as error:
            raise AssertionError(again) from error
        assert found.agrees, f"{found.problems[:5]}; {again}"
        for _, fields in desk.entries(desk.topology.dead):
            letter = orjson.loads(fields[b"data"])
            assert not (letter["stream"].startswith("orders") and "report" in letter["reason"]), (letter, again)
        reports = [*told(desk)]
        seen["reports"] += len(reports)
        seen["ends"] += sum("last_report" in report for report in reports)
        seen["crashes"] += desk.crashes
    needed = ("levels", "volumes", "venue SIM", "venue SIM2", "reports", "ends", "crashes")
    assert ONE or min(seen[name] for name in needed) > 20, seen


def test_a_desk_that_crashes_everywhere_at_once_goes_on_as_it_stood() -> None:
    seen: Counter[str] = Counter()
    for seed in range(10):
        desk = SimulatedDesk(seed, 2, 2, config=TWO_VENUES)
        desk.run(steps=200)
        for slot in desk.slots:
            assert slot.runner is not None
            slot.snapshots.save(slot.runner.snapshot())
            desk.crash(slot)
        desk.settle()
        assert all(slot.runner is not None and slot.runner.replayed == 0 for slot in desk.slots)
        for _ in range(20):
            desk.feed()
        desk.pass_time(REPORT_EVERY_MS)
        check(desk, seen)
    assert min(seen["levels"], seen["volumes"]) > 20, seen
