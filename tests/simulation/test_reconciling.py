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
from tests.support.lossy_venue import LossyVenue
from tests.support.simulated_desk import CONFIG, OUTSIDE, SLOW, SimulatedDesk
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


# ------------------------------------------------------------------------------------------------------------- outside

LOSSY = but(
    OUTSIDE,
    venues={
        SIM: VenueTerms(),
        "OUT": VenueTerms(
            simulated=False, expires=False, reconcile_every_ms=5_000, reconcile_grace_ms=300, lost_orders="CANCEL",
            external_orders="ADOPT",
        ),
    },
    retention_ms=1_000_000_000,
    state_holdings_every_ms=900,
)  # fmt: skip
"""AAPL is traded at a venue that is asked for what it has, and whose word is taken."""


def lossy(seed: int) -> tuple[SimulatedDesk, LossyVenue]:
    """Let a desk and a venue that cannot be relied upon trade; then all that is late comes, and the venue is asked."""
    desk = SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, config=LOSSY)
    venue = LossyVenue(desk, seed, own=seed % 4 != 0)
    for number in range(12):
        desk.run(steps=25)
        for _ in range(12):
            venue.step()
        if number % 3 == 0:
            reconcile(desk, number)
    desk.settle()
    venue.calm()
    for number in range(100, 104):
        desk.pass_time(1_000)
        reconcile(desk, number)
        desk.settle()
        venue.calm()
        desk.settle()
    return desk, venue


def orders_of(desk: SimulatedDesk) -> dict[str, dict[str, Any]]:
    """Return the newest event of each order."""
    events = (e for a in range(desk.topology.account_partitions) for e in desk.journal(a))
    return {event["order_id"]: event for event in events if event.get("leaves_qty") is not None}


def check_agreement(desk: SimulatedDesk, venue: LossyVenue) -> None:
    """What the journal says of every order and position is the venue's truth, and the last look found nothing."""
    desks = orders_of(desk)
    for order in venue.orders.values():
        assert order.order_id is not None or not order.leaves, f"{order} was adopted, or had ended before"
        if order.order_id is None:
            continue
        event = desks[str(order.order_id)]
        if order.leaves or venue.way != "quantities":
            assert int(event["cum_qty"]) == order.cum, (order, event)
        assert int(event["leaves_qty"]) == order.leaves or event["ord_status"] == "PendingReplace", (order, event)
    last = {e["request_id"]: e for e in told(desk, "VenueReconciled") if e.get("control_id") == "r103"}
    assert all(event["complete"] for event in last.values()) and last
    differences = [e for e in told(desk, "ReconciliationDifference") if e["request_id"] in last]
    assert {each["difference"] for each in differences} <= {"position"}
    told_of = {(each["account"], each["symbol"]): int(each["venue_has"]) for each in differences}
    booked = {key: int(message["position"]) for key, message in desk.audit().positions.items() if key[1] == "AAPL"}
    assert {key: lots for key, lots in (booked | told_of).items() if lots} == venue_holds(venue)
    if venue.way != "quantities" and not venue.own:
        assert told_of == {}


def venue_holds(venue: LossyVenue) -> dict[tuple[str, str], int]:
    return {key: lots for key, lots in venue.held().items() if lots}


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_a_desk_agrees_with_a_venue_that_loses_repeats_and_delays_what_it_says(first: int) -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS[first : first + CHUNK]:
        try:
            desk, venue = lossy(seed)
            found = desk.audit()
            check_agreement(desk, venue)
        except Exception as error:
            raise AssertionError(again(seed)) from error
        # What comes twice, or when it has been made up for, is dead, and nothing else.
        problems = [each for each in found.problems if not each.startswith("dead letter of orders.")]
        problems = [each for each in problems if not each.endswith("is not in the journal")]
        assert problems == [], again(seed)
        for event in told(desk, "ReconciliationDifference"):
            seen[f"{event['difference']} {event['resolution']}"] += 1
        seen["fills"] += found.fills
        seen["lost"] += venue.lost
        desk.check_contracts()
    needed = ("missed_fill booked", "missed_acceptance accepted", "lost_order canceled", "external_order adopted")
    assert ONE or all(seen[name] for name in needed), seen
    assert ONE or min(seen["fills"], seen["lost"]) > CHUNK
