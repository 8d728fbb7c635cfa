"""Whatever crashes wherever: no limit is passed at any event, and the orders stage holds what all others say."""

from __future__ import annotations

import copy
import os
from decimal import Decimal
from fractions import Fraction
from typing import Any

from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.both_stages import held_and_booked
from tests.support.naive_account import NaiveAccount
from tests.support.simulated_desk import CONFIG, SYMBOLS, SimulatedDesk
from tests.support.terms import but

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 20))
LIMITS = {
    "default": {"max_position": Decimal(300), "max_open_orders": 5, "max_daily_loss": Decimal(50_000)},
    "alpha": {"may_short": False, "max_orders_per_window": 3, "duplicate_window_ms": 500},
    "beta": {
        "max_gross_exposure": Decimal(100_000),
        "refuse_self_cross": True,
        "max_strategy_gross_exposure": Decimal(60_000),
        "max_strategy_net_exposure": Decimal(50_000),
    },
}
STRATEGIES = ("momentum", "carry", None)
LIMITED = but(
    CONFIG, accounts={name: but(CONFIG.accounts[name], **limits) for name, limits in LIMITS.items()}, retention_ms=500
)
ASKED = ("OrderReceived", "OrderReplaceRequested")
CHECKED = ("OrderReceived", "OrderReplaceRequested", "OrderFilled", "OrderReplaced")


class Strategic(SimulatedDesk):
    """A desk whose clients name strategies, and nothing else is different."""

    def order(self) -> dict[bytes, bytes]:
        strategy = STRATEGIES[self.sent % len(STRATEGIES)]
        return super().order() | ({} if strategy is None else {b"strategy": strategy.encode()})


class Strategy:
    """The exposure of one strategy at the marks that the journal told: when an order makes it larger, it is within."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.gross, self.net = (Fraction(limits[f"max_strategy_{each}_exposure"]) for each in ("gross", "net"))
        self.marks: dict[str, Fraction] = {}
        self.checked = 0

    def quoted(self, event: dict[str, Any]) -> None:
        bid, ask, last = (
            None if event[name] is None else Fraction(event[name]) for name in ("bid_px", "ask_px", "last_px")
        )
        if bid is not None and ask is not None:
            self.marks[event["symbol"]] = (bid + ask) / 2
            return
        known = [each for each in (last, bid, ask) if each is not None]
        if known:  # the last trade, unless the side that stands says better
            self.marks[event["symbol"]] = max(known) if bid is not None else min(known)

    def check(self, before: NaiveAccount, after: NaiveAccount, event: dict[str, Any]) -> None:
        order = after.orders[event["order_id"]]
        strategy, symbol = order["strategy"], order["symbol"]
        if strategy is None or len(self.marks) < len(SYMBOLS):
            return
        self.checked += 1
        was, now = before.worst_of(strategy, symbol), after.worst_of(strategy, symbol)
        worst = {each: after.worst_of(strategy, each) for each in SYMBOLS}
        if size(now) > size(was):
            assert sum(size(pair) * self.marks[each] for each, pair in worst.items()) <= self.gross
        if now[0] > was[0]:
            assert sum(pair[0] * self.marks[each] for each, pair in worst.items()) <= self.net
        if now[1] < was[1]:
            assert -sum(pair[1] * self.marks[each] for each, pair in worst.items()) <= self.net


def size(worst: tuple[Fraction, Fraction]) -> Fraction:
    return max(worst[0], -worst[1], Fraction(0))


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
    fills = crashes = amended = checked = 0
    for seed in SEEDS:
        desk = Strategic(seed, accounts=1 + seed % 2, symbols=1 + seed % 2, config=LIMITED)
        desk.run(steps=600)
        found = desk.audit()
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        fills, crashes = fills + found.fills, crashes + desk.crashes
        strategies = [Strategy(LIMITS["beta"]) for _ in range(desk.topology.account_partitions)]
        naive = {name: NaiveAccount(dict.fromkeys(SYMBOLS, 1)) for name in LIMITS}
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                name = event.get("account")
                if event["type"] == "QuoteUpdated":
                    strategies[partition].quoted(event)
                if name not in naive:
                    continue
                before = copy.deepcopy(naive[name]) if name == "beta" and event["type"] in ASKED else None
                naive[name].take(event)
                if before is not None:
                    strategies[partition].check(before, naive[name], event)
                amended += event["type"] == "OrderReplaced"
                if event["type"] in CHECKED:
                    check(name, naive[name])
                if event["type"] == "OrderRejected":
                    refused.add(event["reason"])
        checked += sum(each.checked for each in strategies)
        compare(desk, naive)
    assert ONE or (min(fills, crashes) > len(SEEDS) and amended > 5), "it trades, amends and crashes, or proves nothing"
    assert ONE or refused >= {"max_position", "max_open_orders", "short_not_allowed", "max_orders_per_window"}
    assert ONE or refused >= {"max_gross_exposure", "self_cross"}
    assert ONE or (checked > len(SEEDS) and refused >= {"max_strategy_gross_exposure", "max_strategy_net_exposure"})


def compare(desk: SimulatedDesk, naive: dict[str, NaiveAccount]) -> None:
    """Compare what the orders stage keeps with the journal, and with the full books of the position stage."""
    for slot in desk.slots:
        assert slot.runner is not None
        stage = slot.runner.stage
        if not isinstance(stage, OrdersStage):
            continue
        for account in stage._state.holdings.accounts.values():
            if not account.kept:
                continue
            own = naive[account.name]
            assert account.open_orders == len([*own.working()])
            for symbol, each in account.holdings.items():
                assert each.buys == sum(left for _, left, _ in own.of(symbol, "BUY"))
                assert each.sells == sum(left for _, left, _ in own.of(symbol, "SELL"))
            for strategy, symbol, share in account.shares or ():
                assert (share.quantity + share.buys, share.quantity - share.sells) == own.worst_of(strategy, symbol)
    held, booked = held_and_booked(desk)
    assert held == booked
