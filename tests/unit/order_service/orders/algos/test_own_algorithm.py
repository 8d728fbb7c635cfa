"""The example of an algorithm of one's own, on the seeded market: it is registered as ours are, and keeps its word."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, reload
from itertools import pairwise
from typing import Any

import pytest

from fillstream.services.order_service.orders.algos import ALGORITHMS
from tests.support.algo_market import seeded, work
from tests.support.tree import ROOT

MODULE = "examples.own_algorithm.better_than_vwap"


@pytest.fixture(autouse=True)
def _loaded() -> Iterator[Any]:
    kept = dict(ALGORITHMS)
    reload(import_module(MODULE))
    yield
    ALGORITHMS.clear()
    ALGORITHMS.update(kept)


def test_it_has_less_than_sixty_lines_and_shows_up_by_its_name() -> None:
    assert len((ROOT / MODULE.replace(".", "/")).with_suffix(".py").read_text().splitlines()) < 60
    assert ALGORITHMS["BETTER_THAN_VWAP"].description.startswith("Takes a clip whenever")


@pytest.mark.parametrize("buy", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_each_trade_is_better_than_the_market_was_on_average_a_clip_at_most_after_a_pause(seed: int, buy: bool) -> None:
    moves = seeded(seed)
    told = work("BETTER_THAN_VWAP", moves, 20_000, {"clip": 100}, buy=buy)
    times = [each.at_ms for each in told.fills]
    assert len(times) > 10
    assert all(later - sooner >= 2_000 for sooner, later in pairwise(times))
    assert all(each.lots <= 100 and not each.maker for each in told.fills)
    assert told.slippage_bps() < 0
