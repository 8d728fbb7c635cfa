"""Splits and new symbols through any schedule of crashes: orders and positions hold the same, and the books agree."""

from __future__ import annotations

import os
import random
from collections import Counter

import orjson

from tests.support.both_stages import played
from tests.support.simulated_desk import ACCOUNTS, CONFIG, SYMBOLS, SimulatedDesk
from tests.support.terms import but

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000")) // 40 or 1
RATIOS = ("2:1", "3:2", "1:2", "1:5", "7:1")
COUNTED = but(
    CONFIG,
    accounts={
        **CONFIG.accounts, "beta": but(CONFIG.accounts["beta"], max_strategy_gross_exposure="900000"),
    },
)  # fmt: skip


class Splitting(SimulatedDesk):
    """A desk whose operator splits and renames what accounts hold, and whose clients take orders off now and then."""

    def control(self, dice: random.Random) -> None:
        head = {"v": 1, "control_id": f"g{len(self.told)}", "who": "operator", "reason": "a test"}
        account = None if dice.random() < 0.2 else dice.choice(ACCOUNTS)
        symbol, other = dice.sample([*SYMBOLS], 2)
        what = {"adjustment": "split", "ratio": dice.choice(RATIOS)}
        if dice.random() < 0.4:
            what = {"adjustment": "symbol_change", "new_symbol": other}
        data = orjson.dumps({**head, "type": "AdjustAccount", "symbol": symbol, "account": account, **what})
        self.told.append((account or "", data))
        own = () if account is None else (self.topology.account_partition(account),)
        for partition in own or range(self.topology.account_partitions):
            self.redis.add(self.topology.orders(partition), {b"control": data})
            if dice.random() < 0.2:  # and once more, in doubt
                self.redis.add(self.topology.orders(partition), {b"control": data})

    def change(self) -> dict[bytes, bytes]:
        assert self.operator is not None
        fields = {"type": "CancelAll", "signal_id": f"c{self.sent}", "account": self.operator.choice(ACCOUNTS)}
        return {name.encode(): value.encode() for name, value in fields.items()}

    def order(self) -> dict[bytes, bytes]:
        return super().order() | ({b"strategy": b"momentum"} if self.sent % 2 else {})


def test_whatever_is_split_or_renamed_both_stages_hold_the_same_and_the_books_agree() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(SEEDS):
        desk = Splitting(
            seed, accounts=1 + seed % 2, symbols=1 + seed % 2, controls=True, config=COUNTED, protects=seed % 4 > 1
        )
        held, booked = played(desk, seed)
        assert held == booked, f"seed {seed}"
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                kinds[event.get("refusal") or event.get("adjustment") or event["type"]] += 1
            for message in desk.told_of_positions(partition):
                if "the symbol is " in message.get("text", ""):
                    kinds["moved"] += 1
    refusals = {"orders_work", "fraction_left", "holds_both"}
    assert kinds.keys() >= {"SPLIT", "SYMBOL_CHANGE", "moved", "ControlReported", *refusals}
    assert kinds["SPLIT"] > SEEDS, "it splits, or proves nothing"
