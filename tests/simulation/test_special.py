"""Orders that are not plain, under any schedule of crashes: the books agree, and nobody waits who should have gone.

A failing seed is named in the failure; `SIMULATION_SEED=n` runs just that one, `SIMULATION_SEEDS=n` more.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from fillstream.services.order_service.orders.order import FINAL, FOR_APPROVAL, FOR_PRICE, FOR_TIME, Order
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.order_service.orders.state import State
from tests.support.simulated_desk import TWO_VENUES, SimulatedDesk

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 5 or 1))
CHUNK = 50


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_the_books_agree_and_nobody_waits_in_vain(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        config = {"config": TWO_VENUES} if seed % 4 == 3 else {}
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
                seen[f"{event['type']} {event.get('order_type', '')}"] += 1
    if not ONE and len(SEEDS) >= CHUNK:
        for kind in ("STOP", "STOP_LIMIT", "TRAILING_STOP", "MARKET_TO_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"):
            assert seen[f"OrderReceived {kind}"] > CHUNK // 2, f"{kind} is received, or this proves nothing"
        assert min(seen[each] for each in ("OrderSuspended", "OrderTriggered", "waits for a price")) > CHUNK // 2, seen


def check_waiting(state: State, now_ms: int, seen: Counter[str]) -> None:
    """Compare what waits with what a look at every order finds, one by one."""
    waiting = 0
    for order in state.orders.values():
        if not isinstance(order, Order) or not order.is_held or order.status in FINAL:
            continue
        assert order.status in ("Suspended", "PendingCancel", "PendingReplace"), order
        assert not order.cum and not order.acknowledged, "no venue has it"
        assert not order.expiry_ms or order.expiry_ms > now_ms
        if order.held == FOR_APPROVAL:
            continue
        special = order.special
        assert special is not None
        if order.held == FOR_TIME:
            assert special.effective_ms > now_ms
            continue
        assert order.held == FOR_PRICE and special.stop is not None
        waiting += 1
        quote = state.quotes[order.venue][order.terms.id]
        bid, ask = (quote.bid if quote.bid_qty else None), (quote.ask if quote.ask_qty else None)
        prices = {
            "LAST": quote.last,
            "BID_ASK": ask if order.side == "BUY" else bid,
            "MID": None if bid is None or ask is None else (bid + ask) / 2,
        }
        price = prices[special.trigger]
        if price is None:
            continue
        buys_low = order.order_type.endswith("IF_TOUCHED")
        falls = (order.side == "BUY") == buys_low
        assert price > special.stop if falls else price < special.stop, (order, prices)
    assert len(state.triggers) == waiting
    seen["waits for a price"] += waiting
