"""Thousands of schedules in seconds: whatever crashes wherever, nothing is lost, doubled or reordered.

A failing seed is named in the failure; `SIMULATION_SEED=n make test` runs just that one, `SIMULATION_SEEDS=n` more.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.desk import Desk

ONE = os.environ.get("SIMULATION_SEED")
SEEDS = [int(ONE)] if ONE else list(range(int(os.environ.get("SIMULATION_SEEDS", "1000"))))
CHUNK = 50


@pytest.mark.parametrize("first", range(0, len(SEEDS), CHUNK))
def test_the_books_agree_after_any_schedule_of_crashes(first: int) -> None:
    crashes = fills = 0
    for seed in SEEDS[first : first + CHUNK]:
        desk = Desk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2)
        try:
            desk.run(steps=300)
            found = desk.audit()
        except Exception as error:
            raise AssertionError(f"seed {seed}: SIMULATION_SEED={seed} shows it again") from error
        assert found.agrees, f"seed {seed}: {found.problems[:5]}; SIMULATION_SEED={seed} shows it again"
        assert found.signals == desk.sent
        crashes, fills = crashes + desk.crashes, fills + found.fills
    assert ONE or (crashes > CHUNK and fills > CHUNK), "the schedules crash and trade, or they prove nothing"


def test_every_public_message_keeps_its_contract() -> None:
    for seed in range(20):
        desk = Desk(seed, accounts=2, symbols=2)
        desk.run(steps=600)
        desk.check_contracts()


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two = Desk(7), Desk(7)
    one.run(steps=500)
    two.run(steps=500)
    assert one.redis.streams == two.redis.streams


def test_crashes_change_when_things_happen_but_not_what_is_true() -> None:
    """The audit itself can fail: take one event away and it says so."""
    desk = Desk(3)
    desk.run(steps=600)
    assert desk.audit().agrees
    events = desk.redis.streams[desk.topology.events(0)]
    at = next(n for n, entry in enumerate(events) if b'"OrderFilled"' in entry.fields[b"data"])
    del events[at]
    problems = "\n".join(desk.audit().problems)
    assert "is not in the journal" in problems
    assert "belongs" in problems
