"""What a release left behind, read back: the logs of a desk, where its stages stood, snapshots, a database, hashes.

A folder of `tests/upgrade/kept/` is a release. The newest is the one this tree is: its bytes are compared, and until it
is released a step that changes them on purpose keeps it anew, by `python -m tests.upgrade.keep`, and says why. The
others are written for ever: this tree reads what they wrote. To make a release is to raise the version and to keep one
folder more.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fillstream.backtest.memory_log import MemoryLog, MemorySnapshots
from fillstream.libs.common.messages.topology import KINDS, SIM, Topology, stream_name
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.release import BEGINNING, UNNOTED, Note, order_of
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.snapshots import SnapshotStore
from fillstream.libs.common.runtime.stage import Entry, Outputs, Stage
from tests.support.simulated_desk import SimulatedDesk
from tests.support.tree import ROOT

FOLDER = ROOT / "tests" / "upgrade" / "kept"
RELEASES = sorted((path.name for path in FOLDER.iterdir() if path.is_dir()), key=order_of)
CURRENT = RELEASES[-1]
"""The release whose bytes this tree keeps."""
OLDER = RELEASES[:-1]
"""Those whose logs, snapshots and databases it reads, whatever bytes it writes itself."""
SEEDS = range(20)
STEPS = 300
KEPT_SEED, KEPT_STEPS, KEPT_ACCOUNTS, KEPT_SYMBOLS = 2026, 2_500, 2, 2
"""The desk whose logs are kept."""


def of_stage(stage: Stage) -> str:
    """Return the name of a stage's partition, in files and in the kept table."""
    return f"{stage.name}-{stage.partition}"


def played(seed: int) -> SimulatedDesk:
    """Return a desk after the schedule of a seed, whose hashes are kept."""
    desk = SimulatedDesk(seed, accounts=1 + seed % 3, symbols=1 + seed % 2, controls=True)
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


def key_of(release: str, stream: str) -> str:
    """Return the key that a stream has today: 0.1.0 had no venue in it, and one kind of hash tag."""
    found = re.fullmatch(r"(\w+)\.\{(\d+)\}", stream)
    if release != UNNOTED or found is None:
        return stream
    kind, partition = found[1], int(found[2])
    return Topology().key(stream_name(kind, partition, SIM if KINDS[kind].per_venue else None))


class _Refolding(MemoryLog):
    """A log whose stage changes nothing in the inboxes that are there already."""

    fixed: Collection[str]

    def append(self, fields: dict[bytes, bytes]) -> None:
        """The configuration is in the log, where the release appended it."""

    def commit(self, batch: Sequence[Entry], out: Outputs, quarantined: tuple[str, str] | None = None) -> None:
        out.by_stream = {name: sent for name, sent in out.by_stream.items() if self._key_of(name) not in self.fixed}
        out.before = [sent for sent in out.before if self._key_of(sent[0]) not in self.fixed]
        super().commit(batch, out, quarantined)


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
        streams: dict[str, list[Entry]] = {}
        with gzip.open(self.folder / "log.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                told = json.loads(line)
                fields = {name.encode("latin-1"): value.encode("latin-1") for name, value in told["fields"].items()}
                entry = Entry(told["id"], int(told["id"].partition("-")[0]), fields)
                streams.setdefault(key_of(self.release, told["stream"]), []).append(entry)
        for stream, entries in streams.items():
            desk.redis.hold(stream, entries)
        notes = {} if self.release == UNNOTED else {BEGINNING: Note(self.release, BEGINNING)}
        for slot in desk.slots:
            stage = slot.make()
            stands = self.stands()[of_stage(stage)]
            desk.redis.checkpoints[desk.topology.checkpoint(stage.name, stage.inbox)] = Checkpoint(
                1, stands["id"], bytes.fromhex(stands["digest"]), int(stands["entries"]), notes=dict(notes)
            )
        return desk

    def refolded(self) -> SimulatedDesk:
        """Return the desk as this tree would have decided it: each stage folds the inbox that the release left it.

        Positions fold the journal that this tree makes of the orders' inbox; nothing else that the release sent stays.
        """
        old = self.desk()
        desk = SimulatedDesk(0, KEPT_ACCOUNTS, KEPT_SYMBOLS)
        stages = sorted((slot.make() for slot in desk.slots), key=lambda stage: stage.name == "positions")
        inboxes = {desk.topology.key(stage.inbox) for stage in stages if stage.name != "positions"}
        for stream in inboxes:
            desk.redis.hold(stream, old.redis.streams[stream])
        for stage in stages:
            log = _Refolding(desk.redis, desk.topology, stage.name, stage.inbox)
            log.fixed = inboxes
            runner = Runner(stage, log, MemorySnapshots())
            runner.recover()
            while batch := runner.read(1, 0):
                desk.redis.now_ms = batch[0].ms
                runner.step(batch)
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
