"""The signals stage's state as bytes, and back: a line of JSON by name, then digests of the signal_ids it remembers.

Flows in: a `SeenSignals` and two counts; or the bytes that this release or an older one wrote. Flows out: bytes, equal
for equal states; or the state again. Never decides what is remembered, never guesses what it does not know.

    {version, accepted, duplicate, refused where there are any,
     seen {count, first, until, scoped_from, key_bytes, ms_bytes, content_bytes}} newline
    chunks of ids in the order they came: number and size, 8 bytes each (little endian), then what `Ids.chunks` says:
    a key of key_bytes and a value of ms_bytes (time in big endian ms) and content_bytes (digest of the content) each

The digests are not JSON because there may be millions. What they are made of is the stage's: another way to make them
raises `VERSION` and adds a step to `UPCASTS`, as another shape does. Until version 3 all keys came first, then all
values, whose times had 8 bytes.
"""

from __future__ import annotations

from io import BytesIO
from struct import Struct
from typing import Final, NamedTuple

import orjson

from fillstream.libs.common.engine.ids import Ids
from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, check_names, upcast
from fillstream.services.order_service.signals.seen import (
    CONTENT_BYTES,
    KEY_BYTES,
    MS_BYTES,
    VALUE_BYTES,
    SeenSignals,
)

VERSION = 4

_KEYS: Final = ("version", "accepted", "duplicate", "seen")
_WIDTHS: Final = {"key_bytes": KEY_BYTES, "ms_bytes": MS_BYTES, "content_bytes": CONTENT_BYTES}
_PLACES: Final = ("count", "first", "until", "scoped_from")
_CHUNK: Final = Struct("<QQ")
_V3_MS_BYTES: Final = 8
_V3_VALUE_BYTES: Final = _V3_MS_BYTES + CONTENT_BYTES


class Signals(NamedTuple):
    """All that the stage knows: what it remembers, and how many signals were accepted, came again, were refused."""

    seen: SeenSignals
    accepted: int
    duplicate: int
    refused: int = 0


def dump(state: Signals) -> bytes:
    """Return the state as bytes."""
    seen = state.seen
    places = {"count": len(seen), "first": seen.ids.first, "until": seen.until, "scoped_from": seen.scoped_from}
    head = {
        "version": VERSION,
        "accepted": state.accepted,
        "duplicate": state.duplicate,
        **({"refused": state.refused} if state.refused else {}),
        "seen": {**places, **_WIDTHS},
    }
    out = BytesIO()  # gives its bytes away, of which there may be hundreds of millions
    out.write(orjson.dumps(head) + b"\n")
    for number, data in seen.ids.chunks():
        out.write(_CHUNK.pack(number, len(data)))
        out.write(data)
    return out.getvalue()


def load(data: bytes) -> Signals:
    """Return the state that `dump` wrote, of this release or of an older one.

    Raises:
        Unreadable: of a version, a width or with a name that this release does not know, or not whole.
    """
    line, _, digests = data.partition(b"\n")
    head = orjson.loads(line)
    if not isinstance(head, dict):
        raise Unreadable(f"signals snapshot: must begin with an object, got {type(head).__name__}")
    # 0.1.0 wrote no version: its was the first.
    version = head.get("version", 1)
    head = upcast("signals snapshot", head, version, VERSION, UPCASTS)
    check_names("signals snapshot", head, (*_KEYS, "refused"), _KEYS)
    table = head["seen"]
    check_names("seen", table, (*_PLACES, *_WIDTHS), (*_PLACES, *_WIDTHS))
    for name, width in _WIDTHS.items():
        if table[name] != width:
            raise Unreadable(f"signals snapshot: {name} {table[name]} must be {width}")
    if version < VERSION:
        seen = _load_v3(digests, table["scoped_from"])
    else:
        seen = SeenSignals(_load_ids(digests, table["first"]), table["until"], table["scoped_from"])
    if table["count"] not in (None, len(seen)):
        raise Unreadable(f"signals snapshot: count {table['count']} must be {len(seen)}, the digests that follow")
    return Signals(seen, head["accepted"], head["duplicate"], head.get("refused", 0))


def _load_ids(data: bytes, first: int) -> Ids:
    ids, at = Ids(VALUE_BYTES, first), 0
    while at < len(data):
        number, size = _CHUNK.unpack(data[at : at + _CHUNK.size].ljust(_CHUNK.size, b"\0"))
        at += _CHUNK.size
        try:
            ids.load(number, data[at : at + size])
        except ValueError as error:
            raise Unreadable(f"signals snapshot: {error}") from None
        at += size
    if at != len(data):
        raise Unreadable(f"signals snapshot: {at - len(data)} bytes of digests are missing")
    return ids


def _load_v3(data: bytes, scoped_from: int | None) -> SeenSignals:
    """Return what a release until version 3 wrote: all keys, then all values."""
    count, rest = divmod(len(data), KEY_BYTES + _V3_VALUE_BYTES)
    if rest:
        raise Unreadable(f"signals snapshot: {len(data)} bytes of digests are no whole number of them")
    ids, values = Ids(VALUE_BYTES), count * KEY_BYTES
    for n in range(count):
        value = data[values + n * _V3_VALUE_BYTES : values + (n + 1) * _V3_VALUE_BYTES]
        ms = int.from_bytes(value[:_V3_MS_BYTES])
        ids.put(n, data[n * KEY_BYTES : (n + 1) * KEY_BYTES], ms.to_bytes(MS_BYTES) + value[_V3_MS_BYTES:])
    return SeenSignals(ids, count, count if scoped_from is None else scoped_from)


def upcast_v1_v2(head: Document) -> Document:
    """Say how wide the digests are, which 0.1.0 left unsaid."""
    head["version"] = 2
    head["seen"] = {"key_bytes": 16, "ms_bytes": 8, "content_bytes": 8}
    return head


def upcast_v2_v3(head: Document) -> Document:
    """Say that the digests are of signal_ids alone, all of them: since then an id is its account's."""
    head["version"] = 3
    head["seen"] = {**head["seen"], "unscoped": None}
    return head


def upcast_v3_v4(head: Document) -> Document:
    """Say where the ids are, and that times have 6 bytes now; no id is forgotten early any more."""
    head["version"] = 4
    del head["forgotten_early"]
    seen = head["seen"]
    count = seen.pop("count", None)
    places = {"count": count, "first": 0, "until": count, "scoped_from": seen.pop("unscoped")}
    if seen.get("ms_bytes") == _V3_MS_BYTES:
        seen["ms_bytes"] = MS_BYTES
    head["seen"] = places | seen
    return head


UPCASTS: Upcasts = {1: upcast_v1_v2, 2: upcast_v2_v3, 3: upcast_v3_v4}
