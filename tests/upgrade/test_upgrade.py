"""What a release wrote, this tree reads; what this release decided, it decides again, to the byte, on every Python.

A failure about bytes is one of two things: a bug, or a change that is meant. The second gets a commit of its own, which
says why, and keeps the new bytes (`python -m tests.upgrade.keep`). A failure about an older release is always a bug.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fillstream.backtest.memory_log import MemoryLog, MemorySnapshots
from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.libs.common.runtime.continuity import RecoveryError
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.stage import configuration_of
from fillstream.services.analytics.sinks.store import Store
from tests.support import kept
from tests.support.hostile import letters, refusals
from tests.support.interpreters import PYTHONS, interpreter
from tests.support.kept import Kept
from tests.support.simulated_desk import SimulatedDesk
from tests.support.tree import ROOT

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
    log = MemoryLog(desk.redis, desk.topology, stage.name, stage.inbox)
    runner = Runner(stage, log, snapshots)
    runner.recover()
    stands = NOW.stands()[name]
    assert runner.out.digest.hex() == stands["digest"]
    assert 0 < runner.replayed < int(stands["entries"]), "it began at the snapshot, and had something to fold"
    appended = configuration_of(stage)
    assert appended is None, "the desk is configured as it was, or this would be another one"


def test_the_bytes_that_are_kept_are_of_the_release_that_runs() -> None:
    assert running() == kept.CURRENT, "a new version keeps a folder of its own"


FINAL = {OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED}


@pytest.mark.parametrize("release", kept.RELEASES)
def test_the_books_of_every_releases_log_agree(release: str) -> None:
    found = Kept(release).desk().audit()
    assert found.problems == []
    assert found.fills > 100
    assert set(found.orders_by_state) >= FINAL


@pytest.mark.parametrize("release", kept.RELEASES)
def test_every_releases_log_folds_to_books_that_agree(release: str) -> None:
    """Not to the same bytes: those are equal within a release only."""
    found = Kept(release).refolded().audit()
    assert found.problems == []
    assert found.fills == Kept(release).desk().audit().fills
    assert set(found.orders_by_state) >= FINAL


ALL = [(release, name) for release in kept.RELEASES for name in sorted(Kept(release).stands())]


@pytest.mark.parametrize(("release", "name"), ALL)
def test_a_snapshot_of_every_release_restores_and_is_written_anew_as_todays(release: str, name: str) -> None:
    desk = SimulatedDesk(0, kept.KEPT_ACCOUNTS, kept.KEPT_SYMBOLS)
    [stage] = [each for each in (slot.make() for slot in desk.slots) if kept.of_stage(each) == name]
    [twin] = [each for each in (slot.make() for slot in desk.slots) if kept.of_stage(each) == name]
    files = Kept(release).snapshots(stage)
    [snapshot_id] = files.ids()
    snapshot = files.load(snapshot_id)
    assert snapshot.release == release
    stage.restore(snapshot.state)
    assert stage.gauges() != twin.gauges(), "there was something in it"
    twin.restore(stage.snapshot())
    assert (twin.snapshot(), twin.gauges()) == (stage.snapshot(), stage.gauges())


@pytest.mark.parametrize("release", kept.OLDER)
@pytest.mark.parametrize("name", STAGES)
def test_this_release_takes_over_where_an_older_one_stopped_cleanly(release: str, name: str) -> None:
    """From its snapshot at the checkpoint; without one it names the release to start."""
    desk = Kept(release).desk()
    [stage] = [each for each in (slot.make() for slot in desk.slots) if kept.of_stage(each) == name]
    files = Kept(release).snapshots(stage)
    [snapshot_id] = files.ids()
    snapshot = files.load(snapshot_id)
    snapshots = MemorySnapshots()
    snapshots.save(snapshot)
    log = MemoryLog(desk.redis, desk.topology, stage.name, stage.inbox)
    refusal = f"the newest usable snapshot stands at {snapshot_id}.*Start {release}, stop it cleanly"
    with pytest.raises(RecoveryError, match=refusal):
        Runner(stage, log, snapshots).recover()
    # As if it had been stopped there: what follows was not committed, and this release decides it.
    stands = desk.redis.checkpoints[desk.topology.checkpoint(stage.name, stage.inbox)]
    stands.id, stands.entries, stands.digest = snapshot.id, snapshot.entries, snapshot.digest
    [fresh] = [each for each in (slot.make() for slot in desk.slots) if kept.of_stage(each) == name]
    runner = Runner(fresh, log, snapshots)
    runner.recover()
    waiting = len(desk.redis.streams[desk.topology.key(stage.inbox)])
    while batch := runner.read(1, 0):
        desk.redis.now_ms = max(desk.redis.now_ms, batch[0].ms)
        runner.step(batch)
    assert runner.entries >= waiting > snapshot.entries
    assert [(each.release, each.after) for each in stands.notes.values()] == [(running(), snapshot.id)]


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


@pytest.mark.parametrize("release", kept.RELEASES)
def test_a_releases_signals_have_nobody_who_asked_and_those_that_follow_may(release: str, tmp_path: Path) -> None:
    file = tmp_path / "analytics.duckdb"
    file.write_bytes(gzip.decompress(Kept(release).database.read_bytes()))
    with duckdb.connect(file, read_only=True) as before:
        assert ("who",) not in before.execute(COLUMNS_OF_SIGNALS).fetchall(), "else this shows nothing"
        count = before.execute("SELECT count(*) FROM signals").fetchall()
    Store(file).close()
    with duckdb.connect(file, read_only=True) as after:
        assert ("who",) in after.execute(COLUMNS_OF_SIGNALS).fetchall()
        assert after.execute("SELECT count(*) FROM signals WHERE who IS NULL").fetchall() == count != [(0,)]


COLUMNS_OF_SIGNALS = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'signals'"


HASHES = """\
import json, sys
from tests.support import kept
from tests.support.hostile import letters, refusals
print(json.dumps([{seed: kept.hashes(kept.played(seed)) for seed in kept.SEEDS}, refusals() + letters()]))
"""


@pytest.mark.parametrize("version", PYTHONS)
def test_every_python_gives_the_same_bytes(version: str, tmp_path: Path) -> None:
    python = interpreter(version, tmp_path)
    told = subprocess.run([python, "-c", HASHES], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    hashes, refused = json.loads(told.stdout)
    assert hashes == NOW.seeds()
    assert refused == refusals() + letters()
