"""Whatever crashes wherever: no limit is passed at any event, and the orders stage holds what all others say."""

from __future__ import annotations

import os
from decimal import Decimal

from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.position_service.stage import PositionStage
from tests.support.naive_account import NaiveAccount
from tests.support.simulated_desk import CONFIG, SYMBOLS, SimulatedDesk
from tests.support.terms import but

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 20))
LIMITS = {
    "default": {"max_position": Decimal(300), "max_open_orders": 5, "max_daily_loss": Decimal(50_000)},
    "alpha": {"may_short": False, "max_orders_per_window": 3, "duplicate_window_ms": 500},
    "beta": {"max_gross_exposure": Decimal(100_000), "refuse_self_cross": True},
}
LIMITED = but(
    CONFIG, accounts={name: but(CONFIG.accounts[name], **limits) for name, limits in LIMITS.items()}, retention_ms=500
)
CHECKED = ("OrderReceived", "OrderReplaceRequested", "OrderFilled", "OrderReplaced")


def check(name: str, naive: NaiveAccount) -> None:
    """Compare one account's events so far with its limits."""
    worst = [naive.worst(symbol) for symbol in SYMBOLS]
    if name == "default":
        assert all(shortest >= -300 and longest <= 300 for longest, shortest in worst)
        assert len([*naive.working()]) <= 5
    if name == "alpha":
        assert all(shortest >= 0 for _, shortest in worst)


def test_no_limit_is_passed_and_every_stage_holds_the_same() -> None:
    refused: set[str] = set()
    fills = crashes = amended = 0
    for seed in SEEDS:
        desk = SimulatedDesk(seed, accounts=1 + seed % 2, symbols=1 + seed % 2, config=LIMITED)
        desk.run(steps=600)
        found = desk.audit()
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        fills, crashes = fills + found.fills, crashes + desk.crashes
        naive = {name: NaiveAccount(dict.fromkeys(SYMBOLS, 1)) for name in LIMITS}
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                name = event.get("account")
                if name not in naive:
                    continue
                naive[name].take(event)
                amended += event["type"] == "OrderReplaced"
                if event["type"] in CHECKED:
                    check(name, naive[name])
                if event["type"] == "OrderRejected":
                    refused.add(event["reason"])
        compare(desk, naive)
    assert ONE or (min(fills, crashes) > len(SEEDS) and amended > 5), "it trades, amends and crashes, or proves nothing"
    assert ONE or refused >= {"max_position", "max_open_orders", "short_not_allowed", "max_orders_per_window"}
    assert ONE or refused >= {"max_gross_exposure", "self_cross"}


def compare(desk: SimulatedDesk, naive: dict[str, NaiveAccount]) -> None:
    """Compare what the orders stage keeps with the journal, and with the full books of the position stage."""
    books: dict[tuple[str, str], tuple[int, int, int]] = {}
    held: dict[tuple[str, str], tuple[int, int, int]] = {}
    for slot in desk.slots:
        assert slot.runner is not None
        stage = slot.runner.stage
        if isinstance(stage, PositionStage):
            for symbol, holdings in stage._books.holdings.items():
                for account, each in holdings.positions.items():
                    books[account, symbol] = (each.quantity, each.cash, each.cost)
        if isinstance(stage, OrdersStage):
            for account, symbol, each in stage._state.holdings.positions():
                held[account, symbol] = (each.quantity, each.cash, each.cost)
            for account in stage._state.holdings.accounts.values():
                if not account.kept:
                    continue
                assert account.open_orders == len([*naive[account.name].working()])
                for symbol, each in account.holdings.items():
                    assert each.buys == sum(left for _, left, _ in naive[account.name].of(symbol, "BUY"))
                    assert each.sells == sum(left for _, left, _ in naive[account.name].of(symbol, "SELL"))
    assert {key: found for key, found in held.items() if any(found)} == {
        key: found for key, found in books.items() if any(found)
    }
