"""The folder of a backup: its files by name, and the manifest, written last, without which it is none.

Flows in: a `Manifest`. Flows out: the same, and every file compared with it. Never talks to Redis.

    manifest.json                     what is here, of which desk and moment, and what each file hashes to
    keys.json                         the desk's small hashes: marker, checkpoints, low-water marks
    streams/events.0.gz               a stream's entries, see `records`
    snapshots/orders-0/ID.snapshot    each stage's newest snapshot
    database/NAME.duckdb              analytics' file, where it could be had
    config/local.yaml …               the configuration
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fillstream.tools.backup.moment import Group, Pairs, StreamEnd
from fillstream.tools.backup.records import DIGEST_BYTES, Damaged, Entries, file_digest

FORMAT = 1
MANIFEST = "manifest.json"
KEYS = "keys.json"


@dataclass(frozen=True, slots=True)
class SavedStream:
    """A stream in a backup.

    Attributes:
        name: the stream's.
        end: what it said of itself at the moment.
        entries: that are in the file.
        file: its path in the folder.
    """

    name: str
    end: StreamEnd
    entries: Entries
    file: str

    @property
    def trimmed(self) -> int:
        """How many entries went while the backup was made: the oldest."""
        return self.end.length - self.entries.count


@dataclass(frozen=True, slots=True)
class SavedStage:
    """A stage's partition in a backup.

    Attributes:
        process: what it is called.
        stage: its name.
        inbox: the name of the stream it reads.
        partition: of that.
        id: where it stood.
        entries: how many it had folded.
        digest: its output hash there, in hex.
        snapshot: the id of its snapshot; empty where the log alone has all there is.
        folded: how many entries that had.
        file: of that snapshot, its path in the folder.
    """

    process: str
    stage: str
    inbox: str
    partition: int
    id: str
    entries: int
    digest: str
    snapshot: str = ""
    folded: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup.

    Attributes:
        release: that made it.
        desk: the desk's id.
        ms: the moment, by the server's clock (milliseconds since 1970).
        prefix: of the desk's keys.
        account_partitions, symbol_partitions, venues: the desk's.
        streams: every one there was.
        stages: every one that was ever started.
        database: path of analytics' file in the folder; empty without.
        database_text: why there is none.
        files: what each file hashes to, by its path in the folder.
    """

    release: str
    desk: str
    ms: int
    prefix: str
    account_partitions: int
    symbol_partitions: int
    venues: tuple[str, ...]
    streams: tuple[SavedStream, ...]
    stages: tuple[SavedStage, ...]
    database: str
    database_text: str
    files: dict[str, str]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file durably, folders and all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_keys(folder: Path, hashes: dict[str, Pairs]) -> None:
    """Write the small hashes; a byte is a character."""
    told = {key: [[each.decode("latin-1") for each in pair] for pair in pairs] for key, pairs in hashes.items()}
    write_whole(folder / KEYS, json.dumps(told, indent=1).encode())


def read_keys(folder: Path) -> dict[str, Pairs]:
    """Return what `write_keys` wrote.

    Raises:
        Damaged: it cannot be read.
    """
    path = folder / KEYS
    try:
        told = json.loads(path.read_bytes())
        return {
            key: [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
            for key, pairs in told.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"{path}: cannot be read: {error}; damaged") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest in one step: before it the folder is no backup, behind it a whole one."""
    told = {"format": FORMAT, **asdict(manifest)}
    told["blake2b"] = _digest(told)
    beside = folder / f".{MANIFEST}.tmp"
    write_whole(beside, json.dumps(told, indent=1).encode() + b"\n")
    beside.rename(folder / MANIFEST)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest.

    Raises:
        Damaged: there is none, or it is not what was written.
    """
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise Damaged(f"{path}: is not there: {folder} is no backup, or one that did not get to its end") from None
    except (OSError, ValueError) as error:
        raise Damaged(f"{path}: cannot be read: {error}; damaged") from error
    if not isinstance(told, dict) or told.pop("blake2b", None) != _digest(told):
        raise Damaged(f"{path}: does not hash to what it says; damaged")
    if told.pop("format") != FORMAT:
        raise Damaged(f"{path}: of another format than {FORMAT}: restore it with {told['release']}, which wrote it")
    told["streams"] = tuple(_stream(each) for each in told["streams"])
    told["stages"] = tuple(SavedStage(**each) for each in told["stages"])
    return Manifest(**{**told, "venues": tuple(told["venues"])})


def check_files(folder: Path, manifest: Manifest) -> None:
    """Return when every file is what was written.

    Raises:
        Damaged: one is not; names it.
    """
    for name, expected in manifest.files.items():
        found = file_digest(folder / name)
        if found != expected:
            raise Damaged(f"{folder / name}: hashes to {found}, and {expected} was written; damaged")


def _stream(told: dict[str, Any]) -> SavedStream:
    end = {**told["end"], "groups": tuple(Group(**each) for each in told["end"]["groups"])}
    return SavedStream(told["name"], StreamEnd(**end), Entries(**told["entries"]), told["file"])


def _digest(told: Any) -> str:
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=DIGEST_BYTES).hexdigest()
