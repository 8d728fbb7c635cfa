"""The signals stage's state as bytes, and back: a line of JSON by name, then digests of the signal_ids it remembers.

Flows in: a `Seen` and two counts; or the bytes that this release or an older one wrote. Flows out: bytes, equal for
equal states; or the state again. Never decides what is remembered, never guesses what it does not know.

    {version, accepted, duplicate, forgotten_early, refused where there are any,
     seen {count, unscoped, key_bytes, ms_bytes, content_bytes}} newline
    count keys of key_bytes                       in the order they came
    count values of ms_bytes and content_bytes    in the same order: time in big endian ms, digest of the content

The digests are not JSON because there may be millions. What they are made of is the stage's: another way to make them
raises `VERSION` and adds a step to `UPCASTS`, as another shape does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from fillstream.libs.common.values.versions import Document, Unreadable, Upcasts, check_names, upcast
from fillstream.services.order_service.signals.seen import CONTENT_BYTES, KEY_BYTES, MS_BYTES, VALUE_BYTES, SeenSignals

VERSION = 3

_KEYS: Final = ("version", "accepted", "duplicate", "forgotten_early", "seen")
_WIDTHS: Final = {"key_bytes": KEY_BYTES, "ms_bytes": MS_BYTES, "content_bytes": CONTENT_BYTES}


class Signals(NamedTuple):
    """All that the stage knows: what it remembers, and how many signals were accepted, came again, were refused."""

    seen: SeenSignals
    accepted: int
    duplicate: int
    refused: int = 0


def dump(state: Signals) -> bytes:
    """Return the state as bytes."""
    head = {
        "version": VERSION,
        "accepted": state.accepted,
        "duplicate": state.duplicate,
        "forgotten_early": state.seen.forgotten_early,
        **({"refused": state.refused} if state.refused else {}),
        "seen": {"count": len(state.seen), "unscoped": state.seen.unscoped, **_WIDTHS},
    }
    return orjson.dumps(head) + b"\n" + state.seen.dump()


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
    head = upcast("signals snapshot", head, head.get("version", 1), VERSION, UPCASTS)
    check_names("signals snapshot", head, (*_KEYS, "refused"), _KEYS)
    table = head["seen"]
    check_names("seen", table, ("count", "unscoped", *_WIDTHS), ("unscoped", *_WIDTHS))
    for name, width in _WIDTHS.items():
        if table[name] != width:
            raise Unreadable(f"signals snapshot: {name} {table[name]} must be {width}")
    if len(digests) % (KEY_BYTES + VALUE_BYTES):
        raise Unreadable(f"signals snapshot: {len(digests)} bytes of digests are no whole number of them")
    seen = SeenSignals()
    seen.load(digests)
    if table.get("count", len(seen)) != len(seen):
        raise Unreadable(f"signals snapshot: count {table['count']} must be {len(seen)}, the digests that follow")
    seen.forgotten_early = head["forgotten_early"]
    seen.unscoped = len(seen) if table["unscoped"] is None else table["unscoped"]
    return Signals(seen, head["accepted"], head["duplicate"], head.get("refused", 0))


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


UPCASTS: Upcasts = {1: upcast_v1_v2, 2: upcast_v2_v3}
