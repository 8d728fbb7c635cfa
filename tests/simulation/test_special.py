"""Orders that are not plain, under any schedule of crashes: the books agree, and nobody waits who should have gone.

A failing seed is named in the failure; `SIMULATION_SEED=n` runs just that one, `SIMULATION_SEEDS=n` more.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.simulated_desk import CONFIG, TWO_VENUES, SimulatedDesk
from tests.support.terms import but
from tests.support.waiting import check_waiting

BARE = but(CONFIG, venues={SIM: VenueTerms(order_types=("LIMIT", "MARKET"), times_in_force=("FOK", "GTC", "IOC"))})
"""The venue has neither stops nor days: the desk does."""
ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 5 or 1))
CHUNK = 50


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_the_books_agree_and_nobody_waits_in_vain(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        config = {"config": TWO_VENUES} if seed % 4 == 3 else {"config": BARE} if seed % 4 == 2 else {}
        desk = SimulatedDesk(seed, 1 + seed % 3, 1 + seed % 2, controls=seed % 2 == 0, specials=True, **config)
        try:
            desk.run(steps=300)
            desk.pass_time(400)  # quotes that moved, and what more there is to let go
            found = desk.audit()
            desk.check_contracts()
            for slot in desk.slots:
                if slot.runner is not None and isinstance(slot.runner.stage, OrdersStage):
                    check_waiting(slot.runner.stage._state, desk.redis.now_ms, seen)
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        for a in range(desk.topology.account_partitions):
            for event in desk.journal(a):
                seen[event["type"]] += 1
                seen["OrderTriggered trailed"] += event["type"] == "OrderTriggered" and "stop_price" in event
                seen[f"{event['type']} {event.get('order_type', '')}"] += 1
    if not ONE and len(SEEDS) >= CHUNK:
        for kind in ("STOP", "STOP_LIMIT", "TRAILING_STOP", "MARKET_TO_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"):
            assert seen[f"OrderReceived {kind}"] > CHUNK // 2, f"{kind} is received, or this proves nothing"
        waited = ("OrderSuspended", "OrderTriggered", "waits for a price")
        assert min(seen[each] for each in waited) > CHUNK // 2, seen
        assert min(seen[each] for each in ("trails", "OrderTriggered trailed", "OrderExpired")) > 2, seen
