"""What a stage is: a pure fold over one inbox. No clock, no randomness, no I/O.

Flows in: log entries, in order. Flows out: payloads for other streams, gathered in `Outputs`.
The same entries folded again give the same outputs, byte for byte; `Outputs.digest` proves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import orjson

DIGEST_BYTES = 16
EMPTY_DIGEST = bytes(DIGEST_BYTES)


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the inbox: its id, the id's millisecond part (the fold's only clock) and its raw fields."""

    id: str
    ms: int
    fields: Mapping[bytes, bytes]


class Outputs:
    """Everything a fold sends, in the order it sent it, with a running hash over all of it.

    Three kinds: `event` (one JSON document, one stream entry), `record` (64-byte records; consecutive ones of a
    batch share a stream entry, so the hash runs over records, not over entries) and `market` (lossy, not hashed).
    """

    __slots__ = ("_entry", "_inbox", "_stage", "by_stream", "dead", "digest", "lossy")

    def __init__(self, stage: str, inbox: str, digest: bytes = EMPTY_DIGEST) -> None:
        self._stage = stage
        self._inbox = inbox
        self._entry: Entry | None = None
        self.digest = digest
        self.clear()

    def clear(self) -> None:
        """Forget what was sent; the hash runs on."""
        self.by_stream: dict[tuple[str, bytes], list[bytes]] = {}
        self.dead: list[dict[bytes, bytes]] = []
        self.lossy: list[tuple[str, bytes]] = []

    def begin(self, entry: Entry) -> None:
        """Name the entry that what follows is caused by."""
        self._entry = entry

    def event(self, stream: str, message: dict[str, Any]) -> None:
        """Append one JSON message to a stream."""
        payload = orjson.dumps(message)
        self._append(stream, b"data", payload)

    def record(self, stream: str, records: bytes) -> None:
        """Append 64-byte records to a stream."""
        self._append(stream, b"frame", records)

    def market(self, stream: str, message: dict[str, Any]) -> None:
        """Append one message to a lossy stream: it may be dropped, and no hash covers it."""
        self.lossy.append((stream, orjson.dumps(message)))

    def bad(self, reason: str, text: str, raw: Mapping[bytes, bytes] | None = None) -> None:
        """Send the current entry, or `raw`, the part of it that is unusable, to `dead`."""
        entry = self._entry
        assert entry is not None, "begin() names the entry first"
        letter = {
            "type": "DeadLetter",
            "v": 1,
            "time": entry.ms,
            "stage": self._stage,
            "stream": self._inbox,
            "entry_id": entry.id,
            "reason": reason,
            "text": text,
        }
        fields = {b"data": orjson.dumps(letter)}
        for name, value in (entry.fields if raw is None else raw).items():
            fields[b"raw:" + name] = value
        self.dead.append(fields)
        self._hash(b"dead", b"".join(k + b"\0" + v for k, v in fields.items()))

    def _append(self, stream: str, kind: bytes, payload: bytes) -> None:
        self.by_stream.setdefault((stream, kind), []).append(payload)
        self._hash(stream.encode(), payload)

    def _hash(self, stream: bytes, payload: bytes) -> None:
        self.digest = blake2b(self.digest + stream + payload, digest_size=DIGEST_BYTES).digest()


class Stage(Protocol):
    """A pure fold with its state. `name` and `inbox` say who it is and what it reads."""

    name: str
    partition: int
    inbox: str
    tick_ms: int | None
    """How often the runtime appends a `tick` entry to the inbox to make time pass; None for never."""
    latencies_ms: list[int]
    """Log milliseconds from signal to fill of the fills just folded; the runtime drains it, no decision reads it."""

    def fold(self, entry: Entry, out: Outputs) -> None:
        """Apply one entry to the state and send what follows from it.

        Raises:
            BadEntry: nobody can use the entry; the state is as before.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the whole state as bytes; equal states give equal bytes."""
        ...

    def restore(self, data: bytes) -> None:
        """Replace the state by a snapshot's."""
        ...

    def configuration(self) -> dict[bytes, bytes] | None:
        """Return the entry to append to the inbox when the state does not have this process's configuration yet."""
        ...

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return counts of the state for metrics: family, then label value, then count."""
        ...
