"""Accounts that hedge through any schedule of crashes: both stages hold the same positions, and the books agree."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import orjson

from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.position_service.stage import PositionStage
from tests.support.both_stages import played, stages_of
from tests.support.simulated_desk import ACCOUNTS, CONFIG, SYMBOLS, SimulatedDesk
from tests.support.terms import but

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000")) // 40 or 1
NAMES = ("core", "hedge", "third")
HEDGING = {
    "position_mode": "HEDGING", "max_position": "2000", "max_net_exposure": "300000", "exit_stop_loss_percent": "2",
}  # fmt: skip
ONE, *OTHERS = ACCOUNTS


def config_of(method: str) -> Any:
    hedging = {ONE: but(CONFIG.accounts[ONE], **HEDGING, cost_method=method)}
    return but(CONFIG, accounts={**CONFIG.accounts, **hedging})


class Hedging(SimulatedDesk):
    """A desk one of whose accounts hedges: its orders name positions, are closed and protected by name, and split."""

    def order(self) -> dict[bytes, bytes]:
        fields = super().order()
        dice = self.dice
        if dice.random() < 0.6:
            fields |= {b"account": ONE.encode(), b"quantity": str(dice.choice((1, 5, 40))).encode()}
        if dice.random() < 0.6:
            fields |= {b"position_id": dice.choice(NAMES).encode()}
        if dice.random() < 0.15:
            fields |= {b"reduce_only": b"true"}
        return fields

    def protect(self, dice: random.Random) -> None:
        self.sent += 1
        said: dict[str, Any] = {"signal_id": f"p{self.sent}", "symbol": dice.choice([*SYMBOLS]), "account": ONE}
        named = {"position_id": dice.choice(NAMES)} if dice.random() < 0.8 else {}
        match dice.randrange(6):
            case 0 | 1:
                self.publish(type="ClosePosition", **said, **named)
            case 2:
                self.publish(type="CancelProtection", **said, **named)
            case 3:
                self.publish(type="SetTarget", signal_id=said["signal_id"], account=ONE, targets=[], close_others=True)
            case _:
                exits = dice.choice(
                    ({"stop_loss_percent": "0.1"}, {"trailing_stop": "0.06"}, {"take_profit_percent": "0.05"},
                     {"time_limit_ms": 2_000})
                )  # fmt: skip
                self.publish(type="ProtectPosition", **said, **named, **exits)

    def control(self, dice: random.Random) -> None:
        head = {"v": 1, "control_id": f"g{len(self.told)}", "who": "operator", "reason": "a test"}
        symbol, other = dice.sample([*SYMBOLS], 2)
        what = {"adjustment": "split", "ratio": dice.choice(("2:1", "1:5", "3:1"))}
        if dice.random() < 0.3:
            what = {"adjustment": "symbol_change", "new_symbol": other}
        data = orjson.dumps({**head, "type": "AdjustAccount", "symbol": symbol, "account": ONE, **what})
        self.told.append((ONE, data))
        self.redis.add(self.topology.orders(self.topology.account_partition(ONE)), {b"control": data})

    def change(self) -> dict[bytes, bytes]:
        fields = {"type": "CancelAll", "signal_id": f"c{self.sent}", "account": ONE}
        return {name.encode(): value.encode() for name, value in fields.items()}


def hedged(desk: Hedging) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]]:
    """Return the positions of the account that hedges, by both stages."""
    held: dict[tuple[str, ...], int] = {}
    booked: dict[tuple[str, ...], int] = {}
    for stage in stages_of(desk):
        if isinstance(stage, PositionStage):
            for symbol, instrument in stage._books.instruments.items():
                for account, whole in instrument.held.items():
                    for name, each in (whole.hedged or {}).items():
                        booked[account, symbol, name] = each.position.quantity
        if isinstance(stage, OrdersStage):
            for account, symbol, holding in stage._state.holdings.positions():
                for name, its in (holding.hedged or {}).items():
                    held[account, symbol, name] = its.quantity
    return {key: lots for key, lots in held.items() if lots}, {key: lots for key, lots in booked.items() if lots}


def test_whatever_happens_both_stages_hold_the_same_positions_and_the_books_agree() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        config = config_of(("AVERAGE", "FIFO", "LIFO")[seed % 3])
        desk = Hedging(
            seed, accounts=1 + seed % 2, symbols=1 + seed % 2, controls=seed % 2 > 0, config=config, protects=True,
            specials=seed % 4 > 1,
        )  # fmt: skip
        whole = played(desk, seed)
        held, booked = ({key: each[:2] for key, each in side.items() if each[0] or each[1]} for side in whole)
        assert held == booked, f"seed {seed}"
        ours, theirs = hedged(desk)
        assert ours == theirs, f"seed {seed}"
        longs = {key[:2] for key, lots in ours.items() if lots > 0}
        seen["both ways"] += len(longs & {key[:2] for key, lots in ours.items() if lots < 0})
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                seen[event.get("adjustment") or event.get("reason") or event["type"]] += 1
                seen["reduce-only"] += event["type"] == "OrderReceived" and bool(event.get("reduce_only"))
            for message in desk.told_of_positions(partition):
                seen[message.get("exit_status") or message["type"]] += 1
    assert seen.keys() >= {"position_turned", "nothing_to_reduce", "SPLIT", "PositionProtected", "DONE", "ARMED"}
    assert seen["both ways"] > 0 and seen["reduce-only"] > SEEDS, "it hedges, or proves nothing"
