"""A backup, taken of a desk that goes on trading.

Flows in: a connection; a data folder, where this machine has it. Flows out: a folder, see `folder`. Never writes to the
desk but for the mark that holds trimming meanwhile.

The order of things makes it one moment. Trimming is held; then analytics' file and the copies of snapshots are read,
which can only be behind; then one call takes the moment: where every stage and every stream stands. The streams are
read up to there, a page at a time, so that the server is never busy with it for long; what came later is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from fillstream.libs.common.messages.stages import Place, process_name
from fillstream.libs.common.messages.topology import KINDS, Topology, id_key
from fillstream.libs.common.runtime.checkpoint import Checkpoint
from fillstream.libs.common.runtime.copies import read_copy
from fillstream.libs.common.runtime.holds import HOLD_MS, hold, release
from fillstream.libs.common.runtime.look import read_marker
from fillstream.libs.common.runtime.release import BEGINNING, UNNOTED, own_since, running
from fillstream.libs.common.runtime.snapshots import SUFFIX, Snapshot, SnapshotError, folder_of, parse_snapshot
from fillstream.tools.backup import records
from fillstream.tools.backup.database import copy_database
from fillstream.tools.backup.folder import (
    KEYS,
    Manifest,
    SavedStage,
    SavedStream,
    check_files,
    write_keys,
    write_manifest,
    write_whole,
)
from fillstream.tools.backup.moment import Moment, StreamEnd, stages, stream_names, take
from fillstream.tools.backup.records import Entries, Record, Tell, file_digest

TRIES = 3
"""A snapshot may be replaced while it is read: so often, at most, it is begun again."""
HOLD_AGAIN_S = HOLD_MS / 1000 / 10


class BackupFailed(Exception):
    """There is no backup; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what is not in Redis is had from.

    Attributes:
        data_dir: of the stages, where this machine has it: snapshots.
        database: analytics' file; None where this machine does not have it.
        configuration: files.
    """

    data_dir: Path | None = None
    database: Path | None = None
    configuration: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A snapshot that was found: what it says, and its file's bytes."""

    snapshot: Snapshot
    content: bytes


def back_up(client: redis.Redis, topology: Topology, folder: Path, sources: Sources, tell: Tell) -> Manifest:
    """Write a backup, read it back, and return what is in it.

    Args:
        client: a connection that nobody else uses.
        topology: the desk's.
        folder: made when it is not there; must be empty.
        sources: what else there is.
        tell: called with what is being done.

    Raises:
        BackupFailed: it cannot be made.
        TopologyDiffers: the desk has other partition counts.
        Damaged: what was written did not come back.
        OSError: the folder cannot be written.
        redis.exceptions.RedisError: the server does not answer.
    """
    marker = read_marker(client, topology)
    if marker is None:
        raise BackupFailed(f"this Redis knows no desk{_under(topology)}: there is nothing to back up")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupFailed(f"{folder}: is not empty; each backup has a folder of its own")
    held = [topology.key(name) for name in stream_names(topology) if not KINDS[name.split(".")[0]].lossy]
    with _held(client, held) as hold_on:
        database, database_text = copy_database(sources.database, folder, tell)
        moment, found = _moment(client, topology, sources.data_dir, tell)
        hold_on()
        saved_stages = [*_save_stages(topology, folder, moment, found)]
        write_keys(folder, {key: list(pairs) for key, pairs in moment.hashes.items()})
        saved_streams = [*_save_streams(client, topology, folder, moment, tell, hold_on)]
    _check_reach(saved_stages, saved_streams, topology, moment)
    others = [KEYS, *([database] if database else []), *_save_configuration(folder, sources.configuration)]
    others += [each.file for each in saved_stages if each.file] + [each.file for each in saved_streams]
    tell("reading back what was written")
    for each in saved_streams:
        if records.known(records.read(folder / each.file)) != each.entries:
            raise records.Damaged(f"{folder / each.file}: does not have the entries that were written; damaged")
    manifest = Manifest(
        running(), marker.id, moment.ms, topology.prefix, topology.account_partitions, topology.symbol_partitions,
        topology.venues, tuple(saved_streams), tuple(saved_stages), database, database_text,
        {name: file_digest(folder / name) for name in others},
    )  # fmt: skip
    check_files(folder, manifest)
    write_manifest(folder, manifest)
    return manifest


def _under(topology: Topology) -> str:
    return f" under the prefix {topology.prefix}" if topology.prefix else ""


@contextmanager
def _held(client: redis.Redis, streams: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Hold trimming; what is yielded holds it on, and is called often."""
    held_at = time.monotonic()
    hold(client, streams)

    def on() -> None:
        nonlocal held_at
        if time.monotonic() >= held_at + HOLD_AGAIN_S:
            held_at = time.monotonic()
            hold(client, streams)

    try:
        yield on
    finally:
        release(client, streams)


# ------------------------------------------------------------------------------------------------------- the moment


def _moment(
    client: redis.Redis, topology: Topology, data_dir: Path | None, tell: Tell
) -> tuple[Moment, dict[str, _Found]]:
    """Return the moment, and the newest snapshot of each stage that is not ahead of it, by the checkpoint's key."""
    lacking = ""
    for _ in range(TRIES):
        tell("reading the stages' snapshots")
        found: dict[str, _Found] = {}
        for place, inbox in stages(topology):
            newest = _newest(client, topology, place, inbox, data_dir)
            if newest is not None:
                found[topology.checkpoint(place.program.name, inbox)] = newest
        moment = take(client, topology)
        lacking = _lacking(topology, moment, found)
        if not lacking:
            return moment, found
    raise BackupFailed(lacking)


def _newest(client: redis.Redis, topology: Topology, place: Place, inbox: str, data_dir: Path | None) -> _Found | None:
    """Return the newest snapshot of a stage that is whole: the copy in Redis, or one on the volume."""
    stage, found = place.program.name, []
    copy = topology.copy(stage, inbox)
    try:
        read = read_copy(client, copy)
        if read is not None:
            found.append(_Found(parse_snapshot(copy, read[1], stage, place.partition), read[1]))
    except SnapshotError:
        pass  # replaced meanwhile, or damaged: `_lacking` says what it costs
    folder = folder_of(data_dir, stage, inbox) if data_dir else None
    for path in folder.glob(f"*{SUFFIX}") if folder and folder.is_dir() else ():
        try:
            content = path.read_bytes()
            found.append(_Found(parse_snapshot(str(path), content, stage, place.partition), content))
        except (OSError, SnapshotError):
            continue  # dropped for a newer one meanwhile, or damaged
    return max(found, key=lambda each: id_key(each.snapshot.id), default=None)


def _lacking(topology: Topology, moment: Moment, found: dict[str, _Found]) -> str:
    """Return a sentence when a stage could not be made again from its snapshot and its log, else nothing."""
    for place, inbox in stages(topology):
        key = topology.checkpoint(place.program.name, inbox)
        checkpoint, end = moment.checkpoint(key), moment.streams.get(inbox)
        if checkpoint is None or end is None:
            continue
        snapshot = found[key].snapshot if key in found else None
        if snapshot is not None and id_key(snapshot.id) > id_key(checkpoint.id):
            return f"{process_name(place)}: its snapshot is at {snapshot.id}, and it stands at {checkpoint.id}"
        if foreign := _decided_elsewhere(checkpoint, snapshot.id if snapshot else BEGINNING):
            return f"{process_name(place)}: {foreign}"
        if _reaches(checkpoint, snapshot.entries if snapshot else 0, end.added - end.length):
            continue
        begins = f"newest whole snapshot is at {snapshot.id}" if snapshot else "snapshot is nowhere to be found"
        return (
            f"{process_name(place)}: its {begins}, and the first {end.added - end.length} entries of {inbox} are"
            f" trimmed: a desk made from this could not start. Its copy {topology.copy(place.program.name, inbox)} is"
            " missing or damaged: --data-dir names the folder of its snapshots"
        )
    return ""


def _decided_elsewhere(checkpoint: Checkpoint, at: str) -> str:
    """Return a sentence when the release that decides now could not fold again what follows the snapshot."""
    decides = checkpoint.notes[max(checkpoint.notes, key=id_key)].release if checkpoint.notes else UNNOTED
    since = own_since(checkpoint.notes, checkpoint.id, decides)
    if id_key(at) >= id_key(since):
        return ""
    return (
        f"its newest whole snapshot is at {at}, and {decides} decides from {since} on: it could not start from there."
        " Wait until its copy in Redis is newer (database.copy_every_s), or name the folder of its snapshots with"
        " --data-dir"
    )


def _reaches(checkpoint: Checkpoint, folded: int, removed: int) -> bool:
    """Whether a log whose first entries are gone leads from a state to a checkpoint."""
    return folded == checkpoint.entries or removed <= folded + checkpoint.lost


# ------------------------------------------------------------------------------------------------------------ files


def _save_stages(topology: Topology, folder: Path, moment: Moment, found: dict[str, _Found]) -> Iterator[SavedStage]:
    for place, inbox in stages(topology):
        stage = place.program.name
        key = topology.checkpoint(stage, inbox)
        checkpoint = moment.checkpoint(key)
        if checkpoint is None:
            continue
        file, snapshot = "", ""
        if key in found:
            snapshot = found[key].snapshot.id
            path = folder_of(folder, stage, inbox) / f"{snapshot}{SUFFIX}"
            write_whole(path, found[key].content)
            file = str(path.relative_to(folder))
        yield SavedStage(
            process_name(place), stage, inbox, place.partition, checkpoint.id, checkpoint.entries,
            checkpoint.digest.hex(), snapshot, found[key].snapshot.entries if key in found else 0, file,
        )  # fmt: skip


def _save_streams(
    client: redis.Redis, topology: Topology, folder: Path, moment: Moment, tell: Tell, hold_on: Callable[[], None]
) -> Iterator[SavedStream]:
    (folder / "streams").mkdir()
    for name, end in moment.streams.items():
        tell(f"{name}: {end.length} entries")
        file = f"streams/{name}.gz"
        source = _watched(records.stream(client, topology.key(name), end.last_id), hold_on)
        yield SavedStream(name, end, records.write(folder / file, source), file)


def _watched(source: Iterator[Record], hold_on: Callable[[], None]) -> Iterator[Record]:
    for number, record in enumerate(source):
        if number % records.PAGE_COUNT == 0:
            hold_on()
        yield record


def _check_reach(
    saved: Sequence[SavedStage], streams: Sequence[SavedStream], topology: Topology, moment: Moment
) -> None:
    """Refuse what somebody trimmed away meanwhile all the same: by XTRIM, XDEL or MAXLEN."""
    entries: dict[str, tuple[StreamEnd, Entries]] = {each.name: (each.end, each.entries) for each in streams}
    for stage in saved:
        end, kept = entries.get(stage.inbox, (None, None))
        checkpoint = moment.checkpoint(topology.checkpoint(stage.stage, stage.inbox))
        if end is None or kept is None or checkpoint is None:
            continue
        if kept.count < end.length and not _reaches(checkpoint, stage.folded, end.added - kept.count):
            raise BackupFailed(
                f"{stage.inbox}: {end.length - kept.count} entries that {stage.process} needs were trimmed or deleted"
                " while they were read: somebody calls XTRIM or XDEL, or appends with MAXLEN. Try again"
            )


def _save_configuration(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    for path in files:
        name = f"config/{path.name}"
        write_whole(folder / name, path.read_bytes())
        yield name
