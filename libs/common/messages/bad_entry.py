"""An entry that nobody can use: the exception that says why, and how the entry travels to `dead` and back.

Flows in: an entry's raw fields. Flows out: a dead letter's, and the same again. Never drops a byte of an entry that has
at most `MAX_RAW_BYTES`; of a larger one it keeps the beginning, with the size and a digest of all of it. Imports no
library that is heavy: what only shows a dead letter is not made to load the models of every message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import orjson

RAW = b"raw:"
RAW_PACKED = b"raw_packed"
MAX_RAW_FIELDS = 1000
MAX_RAW_BYTES = 512 * 1024
"""Names and values of an entry that goes to `dead` whole; twice a full frame of records, eight times a signal."""
HEAD = b"head:"
HEAD_BYTES = 4096
"""What is kept of a larger one: so many bytes of names and values, in their order."""
HEAD_FIELDS = 100
SIZE, COUNT, DIGEST = b"entry_bytes", b"entry_fields", b"entry_blake2b"


class BadEntry(Exception):
    """Raised by a fold, before it changed anything, for an entry nobody can use. It goes to `dead`.

    Args:
        reason: a stable code in snake case, counted in a metric.
        text: a sentence that names the field, the value and the limit.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


@dataclass(frozen=True, slots=True)
class Cut:
    """What a dead letter says of an entry that was too large to go along.

    Attributes:
        size: of all names and values (bytes).
        fields: how many there were.
        blake2b: of all of them, see `digest_of`, in hex.
        head: the first names and values, the last one of them cut where `HEAD_BYTES` were full.
    """

    size: int
    fields: int
    blake2b: str
    head: dict[bytes, bytes]


def pack_raw(fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return an entry's fields as a dead letter carries them: each name after `raw:`.

    An entry of more than `MAX_RAW_FIELDS` fields travels as one field instead, since a Lua call takes only so many. Of
    one of more than `MAX_RAW_BYTES` only its head travels, each name after `head:`, with its size and its digest.
    """
    size = sum(map(len, fields)) + sum(map(len, fields.values()))
    if size > MAX_RAW_BYTES:
        told = {SIZE: b"%d" % size, COUNT: b"%d" % len(fields), DIGEST: digest_of(fields).encode()}
        return told | {HEAD + name: value for name, value in _head(fields).items()}
    if len(fields) <= MAX_RAW_FIELDS:
        return {RAW + name: value for name, value in fields.items()}
    pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields.items()]
    return {RAW_PACKED: orjson.dumps(pairs)}


def digest_of(fields: Mapping[bytes, bytes]) -> str:
    """Return what tells an entry from every other: BLAKE2b, 16 bytes, in hex.

    Over each name and value in their order, each after its length as 8 bytes, the lowest first.
    """
    running = blake2b(digest_size=16)
    for pair in fields.items():
        for part in pair:
            running.update(len(part).to_bytes(8, "little"))
            running.update(part)
    return running.hexdigest()


def _head(fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    head: dict[bytes, bytes] = {}
    left = HEAD_BYTES
    for name, value in fields.items():
        if left <= 0 or len(head) == HEAD_FIELDS:
            break
        kept = name[:left]
        left -= len(kept)
        head[kept] = value[:left]
        left -= len(head[kept])
    return head


def unpack_raw(letter: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the fields of the entry that a dead letter carries, byte for byte; none of one that was cut."""
    if RAW_PACKED in letter:
        pairs = orjson.loads(letter[RAW_PACKED])
        return {name.encode("latin-1"): value.encode("latin-1") for name, value in pairs}
    return {name[len(RAW) :]: value for name, value in letter.items() if name.startswith(RAW)}


def cut_of(letter: Mapping[bytes, bytes]) -> Cut | None:
    """Return what a dead letter says of an entry that was too large; None of one that is there whole."""
    if SIZE not in letter:
        return None
    head = {name[len(HEAD) :]: value for name, value in letter.items() if name.startswith(HEAD)}
    return Cut(int(letter[SIZE]), int(letter[COUNT]), letter[DIGEST].decode(), head)
