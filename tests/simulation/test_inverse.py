"""Inverse contracts through any schedule of crashes: both stages hold the same, and the books agree."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

from tests.support.both_stages import played
from tests.support.simulated_desk import ACCOUNTS, CONFIG, SYMBOLS, SimulatedDesk
from tests.support.terms import but

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000")) // 40 or 1
INVERSE = [*SYMBOLS][:2]
LIMITED = {
    "max_gross_exposure": "800",
    "max_daily_loss": "40",
    "exit_stop_loss_percent": "1",
    "max_order_value": "800",
}
"""Of the first account, in what contracts of 10,000 settle in: at 150 each is worth 66.67."""


def config_of(method: str) -> Any:
    contracts = {
        symbol: but(terms, inverse=True, multiplier="10000", taker_fee_bps="7.5") if symbol in INVERSE else terms
        for symbol, terms in CONFIG.instruments.items()
    }
    first, *others = ACCOUNTS
    accounts = {name: but(CONFIG.accounts[name], max_order_value="100000", cost_method=method) for name in others}
    accounts[first] = but(CONFIG.accounts[first], cost_method=method, **LIMITED)
    return but(CONFIG, instruments=contracts, accounts=accounts)


class Contracts(SimulatedDesk):
    """A desk whose clients ask for sizes in money, close and protect, and set weights as targets."""

    def order(self) -> dict[bytes, bytes]:
        fields = super().order()
        if {b"price", b"quantity"} <= fields.keys() and self.dice.random() < 0.2:
            fields.pop(b"quantity", None)
            fields[b"notional"] = self.dice.choice((b"100", b"700.5", b"2000"))
        return fields

    def protect(self, dice: random.Random) -> None:
        self.sent += 1
        whose = {"signal_id": f"p{self.sent}", "account": dice.choice(ACCOUNTS)}
        said: dict[str, Any] = {**whose, "symbol": dice.choice([*SYMBOLS])}
        match dice.randrange(5):
            case 0:
                self.publish(type="ClosePosition", **said)
            case 1:
                targets = [{"symbol": each, "weight": dice.choice(("0.001", "-0.0005"))} for each in INVERSE]
                self.publish(type="SetTarget", **whose, targets=targets)
            case _:
                exits = dice.choice(
                    ({"stop_loss_percent": "0.1"}, {"trailing_stop": "0.06"}, {"take_profit_percent": "0.05"},
                     {"time_limit_ms": 2_000, "break_even_offset": "0.05"})
                )  # fmt: skip
                self.publish(type="ProtectPosition", **said, **exits)


def test_whatever_happens_both_stages_hold_the_same_and_the_books_agree() -> None:
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        config = config_of(("AVERAGE", "FIFO", "LIFO")[seed % 3])
        desk = Contracts(
            seed, accounts=1 + seed % 2, symbols=1 + seed % 2, config=config, protects=True, specials=seed % 4 > 1
        )
        held, booked = played(desk, seed)
        if seed % 3 == 0:
            assert held == booked, f"seed {seed}"
        assert {key: each[:2] for key, each in held.items()} == {key: each[:2] for key, each in booked.items()}
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                if event.get("symbol") in INVERSE:
                    seen[event.get("reason") or event["type"]] += 1
            for message in desk.told_of_positions(partition):
                if message.get("symbol") in INVERSE:
                    seen[message.get("exit_reason") or message.get("target_status") or message["type"]] += 1
    wanted = (
        "OrderFilled",
        "max_gross_exposure",
        "max_order_value",
        "PositionClosed",
        "stop_loss",
        "REACHED",
        "trailing_stop",
    )
    assert [each for each in wanted if not seen[each]] == []
