"""What a release left behind, read back: the logs of a desk, where its stages stood, snapshots, a database, hashes.

A folder of `tests/upgrade/kept/` is a release. It was written once, by `python -m tests.upgrade.keep`, and is never
written again: a step that changes bytes on purpose keeps a release of its own, and says why.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fillstream.libs.common.runtime.log import Checkpoint
from fillstream.libs.common.runtime.snapshots import SnapshotStore
from fillstream.libs.common.runtime.stage import Entry, Stage
from tests.support.simulated_desk import SimulatedDesk
from tests.support.tree import ROOT

FOLDER = ROOT / "tests" / "upgrade" / "kept"
RELEASES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
CURRENT = RELEASES[-1] if RELEASES else ""
"""The release whose bytes this tree keeps; none while the only one is kept anew."""
SEEDS = range(20)
STEPS = 300
KEPT_SEED, KEPT_STEPS, KEPT_ACCOUNTS, KEPT_SYMBOLS = 2026, 2_500, 2, 2
"""The desk whose logs are kept."""


def of_stage(stage: Stage) -> str:
    """Return the name of a stage's partition, in files and in the kept table."""
    return f"{stage.name}-{stage.partition}"


def played(seed: int) -> SimulatedDesk:
    """Return a desk after the schedule of a seed, whose hashes are kept."""
    desk = SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2)
    desk.run(STEPS)
    return desk


def hashes(desk: SimulatedDesk) -> dict[str, str]:
    """Return the output hash of every stage partition."""
    checkpoints = desk.redis.checkpoints
    return {
        of_stage(stage): checkpoints[desk.topology.checkpoint(stage.name, stage.inbox)].digest.hex()
        for stage in (slot.make() for slot in desk.slots)
    }


def lines(desk: SimulatedDesk) -> Iterator[dict[str, object]]:
    """Yield every entry of every stream as JSON has it: bytes are characters below 256."""
    for stream, entries in sorted(desk.redis.streams.items()):
        for entry in entries:
            fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in entry.fields.items()}
            yield {"stream": stream, "id": entry.id, "fields": fields}


@dataclass(frozen=True, slots=True)
class Kept:
    """A release's folder."""

    release: str

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return FOLDER / self.release

    def seeds(self) -> dict[str, dict[str, str]]:
        """Return the output hashes by seed, and then by stage partition."""
        found: dict[str, dict[str, str]] = json.loads((self.folder / "seeds.json").read_text())
        return found

    def desk(self) -> SimulatedDesk:
        """Return the desk of its logs: nobody runs, and every stage stands where it stood."""
        desk = SimulatedDesk(0, KEPT_ACCOUNTS, KEPT_SYMBOLS)
        with gzip.open(self.folder / "log.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                told = json.loads(line)
                fields = {name.encode("latin-1"): value.encode("latin-1") for name, value in told["fields"].items()}
                entry = Entry(told["id"], int(told["id"].partition("-")[0]), fields)
                desk.redis.streams.setdefault(told["stream"], []).append(entry)
        for slot in desk.slots:
            stage = slot.make()
            stands = self.stands()[of_stage(stage)]
            desk.redis.checkpoints[desk.topology.checkpoint(stage.name, stage.inbox)] = Checkpoint(
                1, stands["id"], bytes.fromhex(stands["digest"]), int(stands["entries"])
            )
        return desk

    def stands(self) -> dict[str, dict[str, str]]:
        """Return where each stage partition stood: id, entries and output hash."""
        found: dict[str, dict[str, str]] = json.loads((self.folder / "stages.json").read_text())
        return found

    def snapshots(self, stage: Stage) -> SnapshotStore:
        """Return the snapshots of a stage partition, in their files as they were written."""
        return SnapshotStore(self.folder / "snapshots" / of_stage(stage), stage.name, stage.partition)

    @property
    def database(self) -> Path:
        """The DuckDB file, packed."""
        return self.folder / "analytics.duckdb.gz"
