"""What a release wrote, this tree reads; what this release decided, it decides again, to the byte, on every Python.

A failure here is one of two things: a bug, or a change of bytes that is meant. The second gets a commit of its own,
which says why, and keeps the new bytes (`python -m tests.upgrade.keep`).
"""

from __future__ import annotations

import gzip
import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.libs.common.runtime.runner import Runner
from fillstream.services.analytics.sinks.store import Store
from tests.support.hostile import refusals
from tests.support.interpreters import PYTHONS, interpreter
from tests.support.memory_log import MemoryLog, MemorySnapshots
from tests.support.simulated_desk import SimulatedDesk
from tests.support.tree import ROOT
from tests.upgrade import kept
from tests.upgrade.kept import Kept

NOW = Kept(kept.CURRENT)
STAGES = sorted(NOW.stands())


@pytest.fixture(scope="module")
def desk() -> SimulatedDesk:
    return NOW.desk()


@pytest.mark.parametrize("seed", kept.SEEDS)
def test_a_seed_gives_the_bytes_it_gave(seed: int) -> None:
    assert kept.hashes(kept.played(seed)) == NOW.seeds()[str(seed)]


@pytest.mark.parametrize("name", STAGES)
def test_the_kept_log_gives_the_kept_bytes(desk: SimulatedDesk, name: str) -> None:
    [stage] = [each for each in (slot.make() for slot in desk.slots) if kept.of_stage(each) == name]
    found = desk.replay(stage)
    stands = NOW.stands()[name]
    assert (found.upto, str(found.entries), found.digest.hex()) == (stands["id"], stands["entries"], stands["digest"])
    assert found.entries > 100, "a log that proves something"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_goes_on_from_the_kept_snapshot_to_the_kept_bytes(desk: SimulatedDesk, name: str) -> None:
    [stage] = [each for each in (slot.make() for slot in desk.slots) if kept.of_stage(each) == name]
    files = NOW.snapshots(stage)
    [snapshot_id] = files.ids()
    snapshots = MemorySnapshots()
    snapshots.save(files.load(snapshot_id))
    log = MemoryLog(desk.redis, desk.topology, stage.name, stage.partition, stage.inbox)
    runner = Runner(stage, log, snapshots)
    runner.recover()
    stands = NOW.stands()[name]
    assert runner.out.digest.hex() == stands["digest"]
    assert 0 < runner.replayed < int(stands["entries"]), "it began at the snapshot, and had something to fold"
    appended = stage.configuration()
    assert appended is None, "the desk is configured as it was, or this would be another one"


@pytest.mark.parametrize("release", kept.RELEASES)
def test_the_books_of_every_releases_log_agree(release: str) -> None:
    found = Kept(release).desk().audit()
    assert found.problems == []
    assert found.fills > 100
    assert {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED} <= set(found.orders_by_state)


def answers(store: Store) -> dict[str, Any]:
    questions = {
        "orders": "SELECT count(*) FROM orders",
        "fills": "SELECT count(*) FROM fills",
        "positions": "SELECT count(*) FROM positions",
        "net": "SELECT sum(net_realized_pnl) FROM positions",
    }
    connection = store.cursor()
    return {name: connection.execute(sql).fetchall()[0][0] for name, sql in questions.items()}


@pytest.mark.parametrize("release", kept.RELEASES)
def test_every_releases_database_opens_and_agrees_with_its_log(release: str, tmp_path: Path) -> None:
    file = tmp_path / "analytics.duckdb"
    file.write_bytes(gzip.decompress(Kept(release).database.read_bytes()))
    store = Store(file)
    found = Kept(release).desk().audit()
    net = sum(Decimal(each["realized_pnl"]) - Decimal(each["fees"]) for each in found.positions.values())
    assert answers(store) == {
        "orders": sum(found.orders_by_state.values()),
        "fills": found.fills,
        "positions": len(found.positions),
        "net": net,
    }
    store.close()
    Store(file).close()  # and again, brought up


HASHES = """\
import json, sys
from tests.support.hostile import refusals
from tests.upgrade import kept
print(json.dumps([{seed: kept.hashes(kept.played(seed)) for seed in kept.SEEDS}, refusals()]))
"""


@pytest.mark.parametrize("version", PYTHONS)
def test_every_python_gives_the_same_bytes(version: str, tmp_path: Path) -> None:
    python = interpreter(version, tmp_path)
    told = subprocess.run([python, "-c", HASHES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    hashes, refused = json.loads(told.stdout)
    assert hashes == NOW.seeds()
    assert refused == refusals()
