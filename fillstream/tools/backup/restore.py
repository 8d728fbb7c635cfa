"""A desk made from a backup on an empty server, and the proof that it is the one that was backed up.

Flows in: a backup's folder, a connection to a server without a desk. Flows out: the desk; of each stage, whether
folding its log again leads to the output hash that it had committed. Never overwrites anything.

Every file is compared with the manifest before anything is written, what was written is read back, and the marker that
makes it a desk is written last, behind the checkpoints: of a restore that was interrupted no stage starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import redis

from fillstream.libs.common.messages.stages import STAGES
from fillstream.libs.common.messages.topology import Topology, low_water_key
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.continuity import RecoveryError, TopologyDiffers
from fillstream.libs.common.runtime.copies import put_copy
from fillstream.libs.common.runtime.log import RedisLog
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.server_checks import refuse_or_warn
from fillstream.libs.common.runtime.snapshots import (
    OWNER,
    Snapshot,
    SnapshotError,
    SnapshotStore,
    folder_of,
    parse_snapshot,
)
from fillstream.stack.running import ANALYTICS
from fillstream.tools.backup import records
from fillstream.tools.backup.folder import Manifest, SavedStage, check_files, read_keys, read_manifest
from fillstream.tools.backup.moment import Pairs, copy_keys, finish_stream, hash_keys, stages, stream_names, take
from fillstream.tools.backup.records import Damaged, Record, Tell
from fillstream.tools.registry import fresh_stage

BATCH_BYTES = 4 * 1024 * 1024
BATCH_COUNT = 1000


class NotRestored(Exception):
    """Nothing was written; says why."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a stage's state is the one that was committed.

    Attributes:
        process: what the stage's process is called.
        id: where it stands.
        entries: how many entries led there.
        digest: the output hash that folding them gives, in hex; empty where they could not be folded.
        problem: what does not fit; empty when it is proved.
    """

    process: str
    id: str
    entries: int
    digest: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """Where files go.

    Attributes:
        data_dir: of the stages, for their snapshots; None: the copies in Redis do.
        database: for analytics' file; None: it is left in the backup.
    """

    data_dir: Path | None = None
    database: Path | None = None


def opened(folder: Path) -> Manifest:
    """Return what is in a backup, every file compared with what was written.

    Raises:
        Damaged: a file is missing or another one; names it.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    return manifest


def restore(
    client: redis.Redis, settings: Settings, folder: Path, manifest: Manifest, where: Places, tell: Tell
) -> None:
    """Make the desk. It is proved by `prove`.

    Args:
        client: a connection that nobody else uses.
        settings: of the desk that is made.
        folder: of the backup.
        manifest: from `opened`.
        where: files go.
        tell: called with what is being done.

    Raises:
        NotRestored: the server or a folder is not empty, and nothing was written.
        TopologyDiffers: the settings are of another desk, and nothing was written.
        Damaged: what was written did not come back.
        ServerRefused: no stage would start on this server.
        OSError: a folder cannot be written.
        redis.exceptions.RedisError: the server does not answer.
    """
    topology = settings.topology()
    check_topology(topology, manifest)
    refuse_or_warn(client)
    _check_empty(client, topology)
    _check_places(where, manifest)
    raw: Any = client
    hashes = read_keys(folder)
    marker = hashes.pop(topology.desk)
    # First: a stage that is started meanwhile finds its checkpoint and no marker, and stops.
    _put_hashes(raw, topology, hashes, keeps_readers=bool(manifest.database and where.database))
    for stream in manifest.streams:
        tell(f"{stream.name}: {stream.entries.count} entries")
        key = topology.key(stream.name)
        _append(raw, key, records.read(folder / stream.file))
        finish_stream(client, key, stream.end)
    for stage in manifest.stages:
        if stage.file:
            tell(f"{stage.process}: snapshot {stage.snapshot}")
            put_copy(
                client, topology.copy(stage.stage, stage.inbox), stage.snapshot, (folder / stage.file).read_bytes()
            )
    tell("reading back what was written")
    for stream in manifest.streams:
        found = records.known(records.stream(client, topology.key(stream.name), stream.end.last_id))
        if found != stream.entries:
            raise Damaged(f"{stream.name}: the server does not give back what was written")
    _put_files(topology, folder, manifest, where)
    now = take(client, topology)
    for stream in manifest.streams:
        if now.streams.get(stream.name) is None or now.streams[stream.name].added != stream.end.added:
            raise Damaged(f"{stream.name}: the server does not say of the stream what was written")
    raw.hset(topology.desk, mapping=dict(marker))


def check_topology(topology: Topology, manifest: Manifest) -> None:
    """Return when the settings are of the desk that was backed up.

    Raises:
        TopologyDiffers: they are not.
    """
    for setting, name in (
        ("messaging.account_partitions", "account_partitions"),
        ("messaging.symbol_partitions", "symbol_partitions"),
        ("messaging.topic_prefix", "prefix"),
        ("execution.venues", "venues"),
    ):
        told, kept = getattr(topology, name), getattr(manifest, name)
        if told != kept:
            raise TopologyDiffers(
                f"{setting}: {_shown(told)} must be {_shown(kept)}, as desk {manifest.desk} has it. The backup has its"
                " configuration in config/: --config names a file there"
            )


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else (str(value) or "empty")


def _check_empty(client: redis.Redis, topology: Topology) -> None:
    raw: Any = client
    streams = [topology.key(name) for name in stream_names(topology)]
    for key in [topology.desk, *streams, *hash_keys(topology), *copy_keys(topology)]:
        if raw.exists(key):
            raise NotRestored(
                f"this Redis is not empty: it has the key {key}. A desk is restored on an empty server (or under a"
                " prefix that nobody uses), never over another one"
            )


def _check_places(where: Places, manifest: Manifest) -> None:
    for stage in manifest.stages if where.data_dir else ():
        assert where.data_dir is not None
        folder = folder_of(where.data_dir, stage.stage, stage.inbox)
        if (folder / OWNER).exists() or any(folder.glob("*.snapshot")):
            raise NotRestored(f"{folder}: has snapshots already; restore into a new data folder, or move it away")
    if where.database is not None and manifest.database:
        for path in (where.database, where.database.with_name(f"{where.database.name}.wal")):
            if path.exists():
                raise NotRestored(f"{path}: is there already; move it away, or restore into a new data folder")


def _append(raw: Any, key: str, source: Iterable[Record]) -> None:
    for batch in _batches(source):
        pipe = raw.pipeline(transaction=False)
        for entry_id, flat in batch:
            pipe.execute_command("XADD", key, entry_id, *flat)
        pipe.execute()


def _batches(source: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in source:
        batch.append(record)
        size += sum(map(len, record[1]))
        if len(batch) >= BATCH_COUNT or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _put_files(topology: Topology, folder: Path, manifest: Manifest, where: Places) -> None:
    for stage in manifest.stages if where.data_dir else ():
        assert where.data_dir is not None
        store = SnapshotStore(folder_of(where.data_dir, stage.stage, stage.inbox), stage.stage, stage.partition)
        store.belong_to(manifest.desk)
        if stage.file:
            beside = store.beside(stage.snapshot)
            copyfile(folder / stage.file, beside)
            store.publish(stage.snapshot, beside)
    if where.database is not None and manifest.database:
        where.database.parent.mkdir(parents=True, exist_ok=True)
        copyfile(folder / manifest.database, where.database)


def _put_hashes(raw: Any, topology: Topology, hashes: dict[str, Pairs], keeps_readers: bool) -> None:
    """Write the small hashes. Marks of readers go where what they have read is not there any more."""
    marks = {low_water_key(topology.key(name)) for name in stream_names(topology)}
    readers = {*STAGES, *([ANALYTICS] if keeps_readers else [])}
    for key, pairs in hashes.items():
        kept = [(name, value) for name, value in pairs if key not in marks or name.decode("latin-1") in readers]
        if kept:
            raw.hset(key, mapping=dict(kept))


# -------------------------------------------------------------------------------------------------------- the proof


class _Saved:
    """A stage's snapshot in a backup; see `runner.Snapshots`."""

    def __init__(self, folder: Path, stage: SavedStage) -> None:
        self._folder = folder
        self._stage = stage

    @property
    def where(self) -> str:
        return str(self._folder)

    def ids(self) -> list[str]:
        return [self._stage.snapshot] if self._stage.file else []

    def load(self, snapshot_id: str) -> Snapshot:
        path = self._folder / self._stage.file
        return parse_snapshot(str(path), path.read_bytes(), self._stage.stage, self._stage.partition)

    def desk(self) -> str:
        return ""

    def belong_to(self, desk: str) -> None:
        raise SnapshotError(f"{desk}: a proof leaves nothing behind")


def prove(client: redis.Redis, settings: Settings, folder: Path, manifest: Manifest, tell: Tell) -> Iterator[Proof]:
    """Fold each stage's log on the server from its snapshot to its checkpoint, and compare the output hash.

    Args:
        client: a connection that nobody else uses.
        settings: of the desk.
        folder: of the backup.
        manifest: of that.
        tell: called with what is being done.
    """
    topology = settings.topology()
    saved = {(each.stage, each.inbox): each for each in manifest.stages}
    for place, inbox in stages(topology):
        stage = saved.get((place.program.name, inbox))
        if stage is None:
            continue
        tell(f"{stage.process}: folding {stage.entries - stage.folded} entries again")
        fresh = fresh_stage(settings, stage.stage, stage.partition, place.venue)
        runner = Runner(fresh, RedisLog(client, topology, stage.stage, inbox), _Saved(folder, stage))
        try:
            found = runner.prove()
        except RecoveryError as error:
            yield Proof(stage.process, stage.id, stage.entries, "", str(error))
            continue
        problem = ""
        if (found.id, found.entries, found.digest.hex()) != (stage.id, stage.entries, stage.digest):
            problem = f"{inbox}: stands at {found.id} ({found.entries} entries), {stage.id} was backed up"
        yield Proof(stage.process, runner.position, runner.entries, runner.out.digest.hex(), problem)
