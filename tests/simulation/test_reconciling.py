"""Desks that compare themselves: with the books of SIM, with a venue outside that loses, repeats and delays what it
says, and one stage with the other; whatever crashes wherever.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.simulation import IDEAL
from fillstream.libs.common.messages.topology import SIM
from tests.support.simulated_desk import ACCOUNTS, CONFIG, SLOW, SimulatedDesk
from tests.support.terms import but

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000")) // 5))
CHUNK = 50
COMPARING = but(
    CONFIG,
    venues={SIM: VenueTerms(reconcile_every_ms=700, reconcile_grace_ms=0)},
    state_holdings_every_ms=900,
)


def again(seed: int) -> str:
    return f"seed {seed}: SIMULATION_SEED={seed} shows it again"


def reconcile(desk: SimulatedDesk, number: int) -> None:
    """Ask every partition, as `fillstream reconcile` does."""
    control = {"type": "Reconcile", "v": 1, "control_id": f"r{number}", "who": "operator", "reason": "a test"}
    for a in range(desk.topology.account_partitions):
        desk.redis.add(desk.topology.orders(a), {b"control": orjson.dumps(control)})


def told(desk: SimulatedDesk, kind: str) -> list[dict[str, Any]]:
    return [e for a in range(desk.topology.account_partitions) for e in desk.journal(a) if e["type"] == kind]


def compared(desk: SimulatedDesk) -> list[dict[str, Any]]:
    """Return what the positions stages said."""
    entries = [e for a in range(desk.topology.account_partitions) for e in desk.entries(desk.topology.positions(a))]
    messages = [orjson.loads(fields[b"data"]) for _, fields in entries]
    return [message for message in messages if message["type"] == "PositionsReconciled"]


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
@pytest.mark.parametrize("simulation", [IDEAL, SLOW], ids=["ideal", "slow"])
def test_a_desk_and_the_books_of_sim_never_differ(first: int, simulation: Any) -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        desk = SimulatedDesk(
            seed,
            accounts=1 + seed % 3,
            symbols=1 + seed % 2,
            config=COMPARING,
            simulation=simulation,
            specials=simulation is IDEAL,  # else one is on its way to the book when all ends
        )
        try:
            for number in range(4):
                desk.run(steps=75)
                reconcile(desk, number)
            desk.pass_time(5_000)
            found = desk.audit()
        except Exception as error:
            raise AssertionError(again(seed)) from error
        assert found.agrees, f"{found.problems[:5]}; {again(seed)}"
        assert told(desk, "ReconciliationDifference") == [], again(seed)
        for event in told(desk, "VenueReconciled"):
            counts["whole"] += event["complete"]
            counts["orders"] += event["orders"]
        for message in compared(desk):
            assert message["differences"] == 0, again(seed)
            counts["positions"] += message["positions"]
        desk.check_contracts()
    assert ONE or min(counts[name] for name in ("whole", "orders", "positions")) > CHUNK, counts
    assert len(ACCOUNTS) == 3
