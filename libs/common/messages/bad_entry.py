"""An entry that nobody can use: the exception that says why, and how the entry travels to `dead` and back.

Flows in: an entry's raw fields. Flows out: a dead letter's, and the same again. Never drops a byte, and imports no
library: what only shows a dead letter is not made to load the models of every message.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

RAW = b"raw:"
RAW_PACKED = b"raw_packed"
MAX_RAW_FIELDS = 1000


class BadEntry(Exception):
    """Raised by a fold, before it changed anything, for an entry nobody can use. It goes, whole, to `dead`.

    Args:
        reason: a stable code in snake case, counted in a metric.
        text: a sentence that names the field, the value and the limit.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text


def pack_raw(fields: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return an entry's fields as a dead letter carries them: each name after `raw:`.

    An entry of more than `MAX_RAW_FIELDS` fields travels as one field instead, since a Lua call takes only so many.
    """
    if len(fields) <= MAX_RAW_FIELDS:
        return {RAW + name: value for name, value in fields.items()}
    pairs = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields.items()]
    return {RAW_PACKED: orjson.dumps(pairs)}


def unpack_raw(letter: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the fields of the entry that a dead letter carries, byte for byte."""
    if RAW_PACKED in letter:
        pairs = orjson.loads(letter[RAW_PACKED])
        return {name.encode("latin-1"): value.encode("latin-1") for name, value in pairs}
    return {name[len(RAW) :]: value for name, value in letter.items() if name.startswith(RAW)}
