"""Fee schedules of every kind, through any schedule of crashes: the books agree, and nothing stays reserved."""

from __future__ import annotations

import os
from collections import Counter
from decimal import Decimal

import orjson
import pytest

from fillstream.libs.common.messages.codes import AccountType
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.life.order import FINAL
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.simulated_desk import CONFIG, SimulatedDesk
from tests.support.terms import but

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000")) // 20 or 1
CHUNK = 10
D = Decimal
CHARGED = but(
    CONFIG,
    state_holdings_every_ms=700,  # the audit sees to it that positions are the same
    instruments=dict(CONFIG.instruments)
    | {
        "MSFT": but(CONFIG.instruments["MSFT"], venue="SIM2", base_currency="COIN"),
        "SPY": but(CONFIG.instruments["SPY"], venue="SIM3"),
    },
    accounts=dict(CONFIG.accounts) | {"alpha": but(CONFIG.accounts["alpha"], account_type=AccountType.CASH)},
    venues={
        SIM: VenueTerms(fee_per_unit=D("0.005"), min_fee=D(1), max_fee=D(3), fee_tiers=("50000:0.1:0.2",)),
        "SIM2": VenueTerms(taker_fee_bps=D(90), maker_fee_bps=D(50), fee_currency="BASE"),
        "SIM3": VenueTerms(fee_per_unit=D("0.01"), fee_charged="FILL", min_fee=D("0.5"), fee_currency="COIN"),
    },
)


class Paid(SimulatedDesk):
    """A desk whose cash account is given money first."""

    def pay_in(self) -> None:
        head = {"v": 1, "control_id": "in", "who": "operator", "reason": "a test", "type": "AdjustAccount"}
        data = orjson.dumps({**head, "account": "alpha", "adjustment": "DEPOSIT", "amount": "5000000"})
        self.redis.add(self.topology.orders(self.topology.account_partition("alpha")), {b"control": data})


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_whatever_venues_charge_the_books_agree(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(first, min(SEEDS, first + CHUNK)):
        desk = Paid(seed, accounts=1 + seed % 2, symbols=1 + seed % 2, config=CHARGED, specials=seed % 3 == 2)
        try:
            desk.pay_in()
            desk.run(steps=400)
            desk.pass_time(3_000)
            found = desk.audit()
            desk.check_contracts()
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}"
        for slot in desk.slots:
            if slot.runner is not None and isinstance(slot.runner.stage, OrdersStage):
                check_reserved(slot.runner.stage)
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                seen[event["type"]] += 1
                if event["type"] == "OrderReceived":
                    assert event["fee_estimate"]
                for name in ("fee_qty", "commission"):
                    seen[name] += event.get(name) is not None
                if event["type"] == "OrderFilled" and event["venue"] == SIM:
                    assert -D(3) <= D(event["fee"]) <= D(3)
    assert min(seen[name] for name in ("OrderFilled", "fee_qty", "commission")) > 0, seen


def check_reserved(stage: OrdersStage) -> None:
    """What is reserved is what works, to the lot; and where nothing works, nothing is."""
    state = stage._state
    for account, symbol, holding in state.holdings.positions():
        if holding.kept:
            works = [o for o in state.orders_of(account) if o.terms.symbol == symbol and o.status not in FINAL]
            assert holding.buys == sum(order.open_lots for order in works if order.side == "BUY")
            if not holding.buys:
                assert holding.buy_value == 0, (account, symbol)
