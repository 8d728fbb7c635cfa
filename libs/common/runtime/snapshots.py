"""Snapshots of a stage's state: files that are either whole or not there.

Flows in: a state's bytes with the stream id it stands at and the output hash there. Flows out: the same, checked.
Never touches Redis; never overwrites a file in place.

One file a snapshot: a line of JSON (what it is, where it stands, a hash of all that), then the state. It is written
beside its place, synced and renamed. The newest few are kept, so that one unreadable file costs a longer fold, no more.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from pathlib import Path

from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.runtime.release import UNNOTED

logger = logging.getLogger(__name__)

FORMAT = 2
"""Its hash covers the header as well."""
_FIRST_FORMAT = 1
"""Of 0.1.0 and 0.2.0: the hash is of the state alone."""
KEEP = 3
OWNER = "desk.json"
"""The file that says whose a folder is: it is there before the first snapshot."""
SUFFIX = ".snapshot"
LOST_SUFFIX = ".lost"
_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)
_DIGEST = re.compile(r"([0-9a-f]{2})*", re.ASCII)
PIECE_BYTES = 16 * 1024 * 1024
"""Written at a time."""


class SnapshotError(Exception):
    """A snapshot file that cannot be used, with the reason."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state and where it stands.

    Attributes:
        id: the last entry folded into it.
        digest: the running output hash there.
        entries: how many entries were folded in all.
        state: the stage's own bytes.
        release: which wrote it.
        desk: id of the desk that it is of; empty when an older release wrote it.
    """

    id: str
    digest: bytes
    entries: int
    state: bytes
    release: str = UNNOTED
    desk: str = ""


@dataclass(frozen=True, slots=True)
class _Header:
    format: int
    stage: str
    partition: int
    id: str
    digest: str
    entries: int
    bytes: int
    blake2b: str
    release: str = UNNOTED
    desk: str = ""


def folder_of(data_dir: Path, stage: str, inbox: str) -> Path:
    """Return the folder of a stage partition's snapshots: `snapshots/orders-0`, `snapshots/engine-SIM-0`.

    Args:
        data_dir: of the process.
        stage: its name.
        inbox: the name of the stream it reads: the engines of two venues have partitions of the same number.
    """
    return data_dir / "snapshots" / "-".join([stage, *(inbox.split(".")[1:] or ["0"])])


def parse_snapshot(path: str, content: bytes, stage: str, partition: int) -> Snapshot:
    """Return what the bytes of a snapshot's file say.

    Args:
        path: where they are from, for sentences.
        content: the bytes.
        stage: whose it must be.
        partition: likewise.

    Raises:
        SnapshotError: they are not a snapshot of this stage, or not whole.
    """
    head, _, state = content.partition(b"\n")
    try:
        header = _Header(**json.loads(head))
    except (ValueError, TypeError, RecursionError) as error:
        raise SnapshotError(f"{path}: no snapshot header: {error}") from error
    if header.format not in (_FIRST_FORMAT, FORMAT):
        raise SnapshotError(f"{path}: format {header.format}, this version reads {FORMAT}")
    if problem := _misfit(header):
        raise SnapshotError(f"{path}: no snapshot header: {problem}")
    if (header.stage, header.partition) != (stage, partition):
        raise SnapshotError(f"{path}: of {header.stage} {header.partition}, not of {stage} {partition}")
    if (len(state), _hash(header, state)) != (header.bytes, header.blake2b):
        raise SnapshotError(f"{path}: {len(state)} bytes do not hash to what the header says; damaged")
    if header.format != _FIRST_FORMAT and _dumped(header) != head:
        raise SnapshotError(f"{path}: its header is not as it was written; damaged")
    return Snapshot(header.id, bytes.fromhex(header.digest), header.entries, state, header.release, header.desk)


def _misfit(header: _Header) -> str:
    """Return which field is not what it must be; nothing when all are."""
    for each in fields(header):
        value = getattr(header, each.name)
        if type(value).__name__ != each.type:
            return f"{each.name}: {value!a} is no {each.type}"
    if not _ID.fullmatch(header.id):
        return f"id: {header.id!a} is no id of an entry"
    if not _DIGEST.fullmatch(header.digest):
        return f"digest: {header.digest!a} is no output hash"
    return ""


def _dumped(header: _Header) -> bytes:
    return json.dumps(asdict(header)).encode()


def _hash(header: _Header, state: bytes) -> str:
    """Return what a file hashes to: header and state; of the first format, the state alone."""
    digest = blake2b(digest_size=16)
    if header.format != _FIRST_FORMAT:
        digest.update(_dumped(replace(header, blake2b="")) + b"\n")
    digest.update(state)
    return digest.hexdigest()


def _is_named(path: Path) -> bool:
    """Whether a file has the name of a snapshot; a person may leave copies of other names."""
    return _ID.fullmatch(path.name.removesuffix(SUFFIX)) is not None


class SnapshotStore:
    """The snapshots of one stage partition, in a folder of their own.

    Args:
        folder: made when it is not there.
        stage: written into each file and checked on reading, so that a mixed-up volume is noticed.
        partition: likewise.
    """

    def __init__(self, folder: Path, stage: str, partition: int) -> None:
        self.folder = folder
        self._stage = stage
        self._partition = partition
        folder.mkdir(parents=True, exist_ok=True)
        for left_by_a_kill in folder.glob(".*.tmp"):
            left_by_a_kill.unlink(missing_ok=True)
        for path in folder.glob(f"*{SUFFIX}"):
            if not _is_named(path):
                logger.warning("%s: its name is no id of an entry, so it is no snapshot of this folder", path)

    @property
    def where(self) -> str:
        """Where they are, for sentences."""
        return str(self.folder)

    def ids(self) -> list[str]:
        """Return the stream ids of the snapshots there are, newest first."""
        found = (path.name.removesuffix(SUFFIX) for path in self.folder.glob(f"*{SUFFIX}") if _is_named(path))
        return sorted(found, key=id_key)[::-1]

    def desk(self) -> str:
        """Return the id of the desk whose these are; empty when nothing says so.

        Raises:
            SnapshotError: the file that says so cannot be read, or is of another place: volumes were mixed up.
        """
        path = self.folder / OWNER
        try:
            told = json.loads(path.read_bytes())
            desk, place = str(told["desk"]), str(told.get("place", self.folder.name))
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SnapshotError(f"{path}: does not say whose this folder is: {error}") from error
        if place != self.folder.name:
            raise SnapshotError(f"{self.folder}: the volume is of {place}, and mounted as {self.folder.name}")
        return desk

    def belong_to(self, desk: str) -> None:
        """Remember the desk whose these are, from before the first snapshot on."""
        if self.desk() == desk:
            return
        told = {"desk": desk, "stage": self._stage, "partition": self._partition, "place": self.folder.name}
        beside = self.folder / f".{OWNER}.{os.getpid()}.tmp"
        try:
            with beside.open("wb") as file:
                file.write(json.dumps(told).encode())
                file.flush()
                os.fsync(file.fileno())
            beside.rename(self.folder / OWNER)
        finally:
            beside.unlink(missing_ok=True)
        self._sync_folder()

    def beside(self, snapshot_id: str) -> Path:
        """Return where a snapshot is written before it has its place: another file for each, which no reader sees."""
        return self.folder / f".{snapshot_id}.{os.getpid()}.tmp"

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot durably and drop the oldest beyond `KEEP`.

        Raises:
            OSError: it could not be written; what was there before is untouched.
        """
        beside = self.beside(snapshot.id)
        try:
            self.write(snapshot, beside)
            self.publish(snapshot.id, beside)
        finally:
            beside.unlink(missing_ok=True)

    def write(self, snapshot: Snapshot, beside: Path, between: Callable[[], None] = lambda: None) -> None:
        """Write a snapshot beside its place and sync it; `between` is called between pieces.

        Raises:
            OSError: it could not be written; a part of it may be there.
        """
        header = _Header(
            FORMAT, self._stage, self._partition, snapshot.id, snapshot.digest.hex(), snapshot.entries,
            len(snapshot.state), "", snapshot.release, snapshot.desk,
        )  # fmt: skip
        header = replace(header, blake2b=_hash(header, snapshot.state))
        state = memoryview(snapshot.state)
        with beside.open("wb") as file:
            file.write(_dumped(header) + b"\n")
            for start in range(0, len(state), PIECE_BYTES):
                between()
                file.write(state[start : start + PIECE_BYTES])
            file.flush()
            os.fsync(file.fileno())

    def publish(self, snapshot_id: str, beside: Path) -> None:
        """Give a file that `write` wrote its place, durably, and drop the oldest beyond `KEEP`.

        Raises:
            OSError: it could not be renamed; what was there before is untouched.
        """
        beside.rename(self.folder / f"{snapshot_id}{SUFFIX}")
        self._sync_folder()
        for old in self.ids()[KEEP:]:
            (self.folder / f"{old}{SUFFIX}").unlink()

    def load(self, snapshot_id: str) -> Snapshot:
        """Read one snapshot.

        Raises:
            SnapshotError: the file is not a snapshot of this stage, or not whole.
        """
        path = self.path(snapshot_id)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SnapshotError(f"{path}: cannot be read: {error}") from error
        found = self.parse(str(path), content)
        if found.id != snapshot_id:
            raise SnapshotError(f"{path}: stands at {found.id}, which is not its name; damaged, or renamed")
        return found

    def path(self, snapshot_id: str) -> Path:
        """Return where a snapshot has its place."""
        return self.folder / f"{snapshot_id}{SUFFIX}"

    def parse(self, path: str, content: bytes) -> Snapshot:
        """See `parse_snapshot`: of this stage."""
        return parse_snapshot(path, content, self._stage, self._partition)

    def set_aside(self, snapshot_id: str) -> None:
        """Rename one so that it counts no more; renamed back, it does again."""
        path = self.folder / f"{snapshot_id}{SUFFIX}"
        path.rename(path.with_name(path.name + LOST_SUFFIX))
        self._sync_folder()

    def disown(self) -> None:
        """Set all aside, and forget whose they are: this folder is another desk's from now on."""
        for snapshot_id in self.ids():
            self.set_aside(snapshot_id)
        owner = self.folder / OWNER
        if owner.exists():
            owner.rename(owner.with_name(OWNER + LOST_SUFFIX))
            self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
