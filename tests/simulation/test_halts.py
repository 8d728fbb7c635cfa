"""Halts, kills, adjustments, approvals, breakers and mass cancels, through any schedule of crashes: the books agree."""

from __future__ import annotations

import os
import random
from collections import Counter
from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.simulated_desk import ACCOUNTS, CONFIG, SLOW, TWO_VENUES, SimulatedDesk
from tests.support.terms import but
from tests.support.waiting import check_waiting

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "1000")) // 20 or 1
CHUNK = 10
TERMS = ({"approval_above": "3000"}, {"breaker_orders": 3, "breaker_cooldown_ms": 500}, {"breaker_rejects": 2})
DOUBTED = {"breaker_window_ms": 2_000, "breaker_cooldown_ms": 300}
UNANSWERED = but(CONFIG, execution_timeout_ms=100, venues={SIM: VenueTerms(breaker_errors=3, **DOUBTED)})
"""A slow venue, which answers too late for who waits so short."""
SLIPPING = but(
    CONFIG,
    venues={SIM: VenueTerms(breaker_slippage_bps=Decimal("0.1"), breaker_slippage_fills=1, **DOUBTED)},
)
"""Any fill at a worse price than the quote that its order met is too much."""


class Governed(SimulatedDesk):
    """A desk whose operator does more than set limits, and whose clients cancel all at times."""

    def control(self, dice: random.Random) -> None:
        """Say one thing to an account, or to the whole desk: then to every partition."""
        account = dice.choice(ACCOUNTS)
        head = {"v": 1, "control_id": f"g{len(self.told)}", "who": "operator", "reason": "a test"}
        kind = dice.random()
        whole = False
        if kind < 0.5:
            what = dice.choice(("Halt", "Reduce", "Resume", "Resume", "Resume"))
            document = {**head, "type": what}
            if what == "Halt":
                document |= {"cancel": dice.random() < 0.8, "keep_protective": dice.random() < 0.4}
            whole = dice.random() < 0.3
        elif kind < 0.6:
            document = {**head, "type": "AdjustAccount", "adjustment": "DIVIDEND", "amount": str(dice.randrange(1, 9))}
        elif kind < 0.8:
            document = {**head, "type": "SetLimits", "limits": dice.choice(TERMS)}
        else:
            number = str(dice.randrange(1, max(2, self.sent)))
            document = {**head, "type": dice.choice(("Approve", "Approve", "Refuse")), "order_id": number}
            whole = True  # its partition is 0, where the others know no such order
        if not whole:
            document["account"] = account
        partitions = range(self.topology.account_partitions) if whole else (self.topology.account_partition(account),)
        data = orjson.dumps(document)
        self.told.append((account, data))
        for partition in partitions:
            self.redis.add(self.topology.orders(partition), {b"control": data})

    def change(self) -> dict[bytes, bytes]:
        """A cancel or an amendment, or now and then a cancel of all."""
        if self.operator is None or self.operator.random() < 0.7:
            return super().change()
        dice = self.operator
        fields = {"type": "CancelAll", "signal_id": f"c{self.sent}", "account": dice.choice(ACCOUNTS)}
        if dice.random() < 0.5:
            fields["side"] = dice.choice(("BUY", "SELL"))
        return {name.encode(): value.encode() for name, value in fields.items()}


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_books_agree_whatever_an_operator_does(first: int) -> None:
    """On desks of every kind at once: orders that are not plain, venues that are slow and refuse, two of them."""
    kinds: Counter[str] = Counter()
    for seed in range(first, min(SEEDS, first + CHUNK)):
        more: dict[str, Any] = {"config": TWO_VENUES} if seed % 4 == 3 else {}
        more |= {"simulation": SLOW} if seed % 2 else {}
        more |= {"config": UNANSWERED} if seed % 4 == 1 else {}
        more |= {"config": SLIPPING} if seed % 4 == 2 else {}
        desk = Governed(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, controls=True, specials=True, **more)
        try:
            desk.run(steps=300)
            desk.pass_time(3_000)  # what is on its way, what is due, quotes that moved
            found = desk.audit()
            desk.check_contracts()
            for slot in desk.slots:
                if slot.runner is not None and isinstance(slot.runner.stage, OrdersStage):
                    check_waiting(slot.runner.stage._state, desk.redis.now_ms, kinds)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}"
        for partition in range(desk.topology.account_partitions):
            for event in desk.journal(partition):
                kinds[event["reason"] if event["type"] == "OrderRejected" else event["type"]] += 1
                if event["type"] == "BreakerChanged":
                    kinds[event["cause"]] += 1
    wanted = {"TradingStateChanged", "MassCancelRequested", "OrdersMassCanceled", "AccountAdjusted", "trading_halted"}
    causes = {"SLIPPAGE", "ERRORS", "PROBE_PASSED"}
    assert kinds.keys() >= causes | wanted | {"trading_reducing", "BreakerChanged", "OrderSuspended", "OrderTriggered"}
