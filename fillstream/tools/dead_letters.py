"""Dead letters: what nobody could use, why, and how it gets another chance.

Flows in: the stream `dead`. Flows out: `Letter`s; an entry appended again, byte for byte or with fields changed. Never
removes a letter: it is marked, in the hash beside the stream, with the id of its new entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import redis

from fillstream.libs.common.messages import wire
from fillstream.libs.common.messages.bad_entry import HEAD_BYTES, BadEntry, Cut, cut_of, unpack_raw
from fillstream.libs.common.messages.topology import Topology, id_key, stream_name
from fillstream.libs.common.messages.venue import reporting_venue

PAGE = 1000
SIGNALS = stream_name("signals")


class CannotRedrive(Exception):
    """The letter cannot be appended again as asked; says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        id: of its own entry in `dead`.
        letter: the DeadLetter message.
        raw: the fields of the entry that nobody could use, byte for byte; the head of one that was too large.
        redriven_as: the id of the entry it was appended again as; None when it was not.
        cut: what is known of an entry that was too large to go along; None of one that is there whole.
    """

    id: str
    letter: dict[str, Any]
    raw: dict[bytes, bytes]
    redriven_as: str | None
    cut: Cut | None = None


def redriven_key(topology: Topology) -> str:
    """Return the hash from a dead letter's id to the id of the entry it was appended again as."""
    return f"{topology.dead}.redriven"


def letters(client: redis.Redis, topology: Topology, count: int) -> list[Letter]:
    """Return the newest `count` dead letters, oldest first."""
    raw: Any = client
    entries = raw.xrevrange(topology.dead, count=count)
    marks = marks_of(client, topology, [entry_id.decode() for entry_id, _ in entries])
    found = [_letter(entry_id, fields, mark) for (entry_id, fields), mark in zip(entries, marks, strict=True)]
    return found[::-1]


def marks_of(client: redis.Redis, topology: Topology, ids: Sequence[str]) -> list[str | None]:
    """Return of each letter the id of the entry it was appended again as, None of one that was not."""
    raw: Any = client
    marks = raw.hmget(redriven_key(topology), ids) if ids else []
    return [mark.decode() if mark else None for mark in marks]


def letter(client: redis.Redis, topology: Topology, letter_id: str) -> Letter | None:
    """Return one dead letter, None when there is none of that id."""
    raw: Any = client
    try:
        entries = raw.xrange(topology.dead, letter_id, letter_id)
    except redis.exceptions.ResponseError:
        return None  # no id at all
    if not entries:
        return None
    ((entry_id, fields),) = entries
    return _letter(entry_id, fields, *marks_of(client, topology, [letter_id]))


def _letter(entry_id: bytes, fields: Mapping[bytes, bytes], mark: str | None) -> Letter:
    cut = cut_of(fields)
    raw = unpack_raw(fields) if cut is None else cut.head
    return Letter(entry_id.decode(), orjson.loads(fields[b"data"]), raw, mark, cut)


def redrive(
    client: redis.Redis, topology: Topology, it: Letter, changes: Mapping[str, str], again: bool = False
) -> str:
    """Append a letter's entry to the stream it came from and mark the letter; return the new entry's id.

    Args:
        client: a connection.
        topology: names of the streams.
        it: the letter.
        changes: fields to set; with none, the entry goes as it came.
        again: even if it was appended again before.

    Raises:
        CannotRedrive: it was before, it is not there whole, its fields cannot be set, or its stream is none of this
            desk's.
    """
    fields = changed(it, changes, topology)
    raw: Any = client
    stream = it.letter["stream"]
    try:
        keys = topology.key(stream), redriven_key(topology)
    except ValueError as error:
        raise CannotRedrive(f"{it.id}: cannot go back: {error}") from None
    reply = raw.eval(_APPEND_AND_MARK, len(keys), *keys, it.id, "again" if again else "", *_flat(fields))
    if reply[0] == b"MARKED":
        raise CannotRedrive(f"{it.id} was re-driven before, as {reply[1].decode()} of {stream}; see --again")
    _forget_marks(raw, topology)
    return str(reply[1].decode())


def _forget_marks(raw: Any, topology: Topology) -> None:
    """Drop the marks of letters that are trimmed: they would outlast them for ever."""
    oldest = raw.xrange(topology.dead, count=1)
    first = id_key(oldest[0][0].decode()) if oldest else None
    gone = [mark for mark in raw.hkeys(redriven_key(topology)) if first is None or id_key(mark.decode()) < first]
    if gone:
        raw.hdel(redriven_key(topology), *gone)


# Both or neither: a letter that was appended again without a mark would be appended a third time.
_APPEND_AND_MARK = """
local mark = redis.call('HGET', KEYS[2], ARGV[1])
if mark and ARGV[2] == '' then return { 'MARKED', mark } end
local id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
redis.call('HSET', KEYS[2], ARGV[1], id)
return { 'APPENDED', id }
"""


def changed(it: Letter, changes: Mapping[str, str], topology: Topology) -> dict[bytes, bytes]:
    """Return a letter's entry with fields set: a signal's become flat fields, a JSON document's are set inside it.

    Raises:
        CannotRedrive: the entry cannot be read, is not there whole, or holds a frame.
    """
    if it.cut is not None:
        raise CannotRedrive(
            f"{it.id}: of an entry of {it.cut.size} bytes `dead` has the first {HEAD_BYTES} and the digest"
            f" {it.cut.blake2b}: it cannot go back; have it published again, smaller"
        )
    if not changes:
        return it.raw
    if it.letter["stream"] == SIGNALS:
        try:
            signal = wire.decode(it.raw)
        except BadEntry as bad:
            raise CannotRedrive(
                f"{it.id}: its fields cannot be set: {bad.text}; publish a new signal instead"
            ) from None
        try:
            flat = wire.encode_signal({**signal, **changes})
        except TypeError as error:
            raise CannotRedrive(f"{it.id}: {error}; set it as well") from None
        return {name.encode(): value.encode() for name, value in flat.items()}
    if any(reporting_venue(name) for name in it.raw):
        raise CannotRedrive(f"{it.id}: a frame of 64-byte records has no fields to set")
    if b"data" in it.raw:
        try:
            message = orjson.loads(it.raw[b"data"])
        except orjson.JSONDecodeError as error:
            raise CannotRedrive(f"{it.id}: its fields cannot be set: data is not JSON: {error}") from None
        if isinstance(message, dict):
            return {**it.raw, b"data": orjson.dumps({**message, **changes})}
    return {**it.raw, **{name.encode(): value.encode() for name, value in changes.items()}}


def _flat(fields: Mapping[bytes, bytes]) -> Iterator[bytes]:
    for name, value in fields.items():
        yield name
        yield value
