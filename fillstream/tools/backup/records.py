"""A stream's entries in a file: compressed, whole or refused, byte for byte what the server holds.

Flows in: raw entries. Flows out: a file, and what it hashes to; the entries again. Never decodes what is in them.

A file is gzip; in it, for each entry: the two numbers of its id (8 bytes each), how many names and values follow (4),
then each with its length (4) before it. All numbers are big-endian.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, cast

import redis

from fillstream.libs.common.messages.topology import id_key

Record = tuple[str, list[bytes]]
"""An entry: its id, then names and values in turn."""
Tell = Callable[[str], None]
"""Called with what is being done."""

LEVEL = 1
DIGEST_BYTES = 16
PAGE_COUNT = 1000
PAGE_BYTES = 4 * 1024 * 1024
FIRST_COUNT = 16
"""Entries that are asked for first, before anything is known of their size."""
PIECE_BYTES = 1024 * 1024
_HEAD = struct.Struct(">QQI")
_LENGTH = struct.Struct(">I")


class Damaged(Exception):
    """A file of a backup that is not what was written; says which."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What is known of entries.

    Attributes:
        count: how many.
        blake2b: of their bytes as the file has them before it is compressed, 16 bytes in hex.
    """

    count: int
    blake2b: str


def packed(record: Record) -> bytes:
    """Return an entry as the file has it."""
    ms, seq = id_key(record[0])
    parts = [_HEAD.pack(ms, seq, len(record[1]))]
    for part in record[1]:
        parts += (_LENGTH.pack(len(part)), part)
    return b"".join(parts)


def write(path: Path, records: Iterable[Record]) -> Entries:
    """Write a file durably.

    Raises:
        OSError: it could not be written.
    """
    count, digest = 0, blake2b(digest_size=DIGEST_BYTES)
    with path.open("wb") as raw:
        with gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file:
            for record in records:
                data = packed(record)
                file.write(data)
                digest.update(data)
                count += 1
        raw.flush()
        os.fsync(raw.fileno())
    return Entries(count, digest.hexdigest())


def read(path: Path) -> Iterator[Record]:
    """Yield the entries of a file.

    Raises:
        Damaged: it is cut short, or is no such file.
    """
    try:
        with gzip.open(path, "rb") as opened:
            file = cast(BinaryIO, opened)
            while head := file.read(_HEAD.size):
                ms, seq, count = _HEAD.unpack(head)
                yield f"{ms}-{seq}", [_part(file) for _ in range(count)]
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise Damaged(f"{path}: cannot be read: {error}; damaged") from error


def _part(file: BinaryIO) -> bytes:
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    part = file.read(length)
    if len(part) != length:
        raise EOFError(f"{length} bytes were to follow, {len(part)} do")
    return part


def known(records: Iterable[Record]) -> Entries:
    """Return how many entries there are and what they hash to."""
    count, digest = 0, blake2b(digest_size=DIGEST_BYTES)
    for record in records:
        digest.update(packed(record))
        count += 1
    return Entries(count, digest.hexdigest())


def stream(client: redis.Redis, key: str, upto: str) -> Iterator[Record]:
    """Yield the entries of a stream up to an id, that one included, a page at a time.

    Args:
        client: a connection that is used for this alone: its replies of XRANGE are left as they are.
        key: of the stream.
        upto: the last id.
    """
    raw: Any = client
    raw.set_response_callback("XRANGE", lambda reply, **_: reply)
    after, count = "-", FIRST_COUNT
    while page := raw.execute_command("XRANGE", key, after, upto, "COUNT", count):
        size = 0
        for entry_id, flat in page:
            size += sum(map(len, flat))
            yield entry_id.decode(), flat
        after = f"({page[-1][0].decode()}"
        if len(page) < count:
            return
        count = max(1, min(PAGE_COUNT, 2 * count, len(page) * PAGE_BYTES // max(1, size)))


def file_digest(path: Path) -> str:
    """Return what a file's bytes hash to, 16 bytes in hex.

    Raises:
        Damaged: it cannot be read.
    """
    digest = blake2b(digest_size=DIGEST_BYTES)
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        raise Damaged(f"{path}: cannot be read: {error.strerror or error}; missing or damaged") from error
    return digest.hexdigest()
