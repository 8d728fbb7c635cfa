"""What a stage is: a pure fold over one inbox. No clock, no randomness, no I/O.

Flows in: log entries, in order. Flows out: payloads for other streams, gathered in `Outputs`.
The same entries folded again give the same outputs, byte for byte; `Outputs.digest` proves it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol, runtime_checkable

import orjson

from fillstream.libs.common.messages.bad_entry import pack_raw
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.venue import FRAME

DIGEST_BYTES = 16
EMPTY_DIGEST = bytes(DIGEST_BYTES)
MOST_OUTPUTS = 2_000
"""So many outputs, about, one entry's timers send: the others wait for the next entry, which comes at once."""


class Inconsistent(Exception):
    """Raised by a fold when the log contradicts the state: the service stops rather than go on wrongly."""


@dataclass(slots=True)
class Entry:
    """One entry of the inbox: its id, the id's millisecond part (the fold's only clock) and its raw fields.

    Not frozen only because a frozen dataclass takes nearly three times as long to make; nobody changes one.
    """

    id: str
    ms: int
    fields: Mapping[bytes, bytes]


class Outputs:
    """Everything a fold sends, in the order it sent it, with a running hash over all of it.

    Three kinds: `event` (one JSON document, one stream entry), `record` (64-byte records; consecutive ones of a
    batch share a stream entry, so the hash runs over records, not over entries) and `market` (lossy, not hashed).
    A stream may carry both of the first two: what was sent first stands first in it.

    A stream goes by its name (`events.0`, `commands.SIM.0`), and so do hash and dead letters; the log makes a key of it
    when it commits. The same desk under another prefix has the same hash.

    Args:
        stage: the stage's name.
        inbox: the name of the stream it reads.
        digest: the hash so far.
    """

    __slots__ = (
        "_entry", "_inbox", "_stage", "_unsealed", "before", "by_stream", "dead", "digest", "lossy", "reasons",
    )  # fmt: skip

    def __init__(self, stage: str, inbox: str, digest: bytes = EMPTY_DIGEST) -> None:
        self._stage = stage
        self._inbox = inbox
        self._entry: Entry | None = None
        self.digest = digest
        self._unsealed: list[bytes] = []
        self.clear()

    def clear(self) -> None:
        """Forget what was sent; the hash runs on."""
        self.by_stream: dict[str, tuple[bytes, list[bytes]]] = {}
        # Of streams that carry several kinds of entries, what stands before what `by_stream` has. There are few.
        self.before: list[tuple[str, bytes, list[bytes]]] = []
        self.dead: list[dict[bytes, bytes]] = []
        self.reasons: list[str] = []
        self.lossy: dict[str, list[bytes]] = {}

    def fork(self) -> Outputs:
        """Return a copy that goes on independently."""
        twin = Outputs(self._stage, self._inbox, self.digest)
        twin.by_stream = {stream: (kind, [*payloads]) for stream, (kind, payloads) in self.by_stream.items()}
        twin.before = [(stream, kind, [*payloads]) for stream, kind, payloads in self.before]
        twin.dead, twin.reasons = [*self.dead], [*self.reasons]
        twin.lossy = {stream: [*payloads] for stream, payloads in self.lossy.items()}
        twin._entry, twin._unsealed = self._entry, [*self._unsealed]
        return twin

    def begin(self, entry: Entry) -> None:
        """Name the entry that what follows is caused by."""
        self._entry = entry

    def event(self, stream: str, message: dict[str, Any]) -> None:
        """Append one JSON message to the stream of that name."""
        payload = orjson.dumps(message)
        sent = self.by_stream.get(stream)
        if sent is None or sent[0] != b"data":
            self._append(stream, b"data", payload)
            return
        sent[1].append(payload)  # the same in one step less: most that is sent goes this way
        self._unsealed += (stream.encode(), payload)

    def written(self, stream: str, payload: bytes) -> None:
        """Append one JSON message, as it is to stand there, to the stream of that name."""
        self._append(stream, b"data", payload)

    def record(self, stream: str, records: bytes, field: bytes = FRAME) -> None:
        """Append 64-byte records to the stream of that name; `field` of its entries says whose they are."""
        sent = self.by_stream.get(stream)
        if sent is None or sent[0] != field:
            self._append(stream, field, records)
            return
        sent[1].append(records)
        self._unsealed += (stream.encode(), records)

    def market(self, stream: str, message: dict[str, Any]) -> None:
        """Append one message to the lossy stream of that name: it may be dropped, and no hash covers it."""
        self.lossy.setdefault(stream, []).append(orjson.dumps(message))

    def bad(self, reason: str, text: str, raw: Mapping[bytes, bytes] | None = None) -> None:
        """Send the current entry, or `raw`, the part of it that is unusable, to `dead`."""
        entry = self._entry
        assert entry is not None, "begin() names the entry first"
        letter = {
            "type": "DeadLetter",
            "v": DeadLetter.VERSION,
            "time": entry.ms,
            "stage": self._stage,
            "stream": self._inbox,
            "entry_id": entry.id,
            "reason": reason,
            "text": text,
        }
        fields = {b"data": orjson.dumps(letter), **pack_raw(entry.fields if raw is None else raw)}
        self.dead.append(fields)
        self.reasons.append(reason)
        self._unsealed += (b"dead", *fields.keys(), *fields.values())

    def _append(self, stream: str, kind: bytes, payload: bytes) -> None:
        sent = self.by_stream.get(stream)
        if sent is not None and sent[0] == kind:
            sent[1].append(payload)
        else:
            if sent is not None:
                self.before.append((stream, *sent))
            self.by_stream[stream] = (kind, [payload])
        self._unsealed += (stream.encode(), payload)

    @property
    def runs(self) -> Iterator[tuple[str, bytes, list[bytes]]]:
        """Yield stream, field and payloads of what was sent to each, in its order: nearly always one run a stream."""
        yield from self.before
        for stream, (kind, payloads) in self.by_stream.items():
            yield stream, kind, payloads

    @property
    def unsealed(self) -> bool:
        """Whether the current entry has sent anything so far that the hash covers."""
        return bool(self._unsealed)

    def seal(self) -> None:
        """Take what the entry sent into the running hash. One hash an entry: a frame of reports sends hundreds."""
        if self._unsealed:
            self.digest = blake2b(b"\0".join((self.digest, *self._unsealed)), digest_size=DIGEST_BYTES).digest()
            self._unsealed.clear()


@dataclass(frozen=True, slots=True)
class Family:
    """A metric that a stage's state counts.

    Attributes:
        name: without `fillstream_` before it, and without the `_total` behind a counter.
        text: what it counts, for people.
        label: what tells its values apart; empty where there is one value, which goes by the empty name.
        only_grows: a counter; else it goes up and down.
    """

    name: str
    text: str
    label: str = ""
    only_grows: bool = False


class Stage(Protocol):
    """A pure fold with its state. `name` says who it is, `inbox` is the name of the stream it reads."""

    name: str
    partition: int
    inbox: str
    tick_ms: int | None
    """How often the runtime appends a `tick` entry to the inbox to make time pass; None for never. See `Timed` too."""
    families: tuple[Family, ...]
    """What `gauges` counts."""

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

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        """Return counts of the state for metrics: a family's name, then label value, then count."""
        ...


@runtime_checkable
class Configured(Protocol):
    """What a stage can besides, whose decisions depend on configuration: it enters through the inbox."""

    def configuration(self) -> dict[bytes, bytes] | None:
        """Return the entry to append to the inbox when the state does not have this process's configuration yet."""
        ...


@runtime_checkable
class Calendared(Protocol):
    """What a stage can besides, whose decisions depend on calendars: they enter through the inbox."""

    def calendar(self) -> dict[bytes, bytes] | None:
        """Return the entry to append to the inbox when the state does not have this process's calendars yet.

        It is asked now and then, too: a process that runs for months compiles them anew before they end.
        """
        ...


class Latencies:
    """How long orders took that were just folded, in log milliseconds from their signals. No decision reads it.

    Attributes:
        acknowledged: until the venue acknowledged them.
        first_filled: until the first fill of those that traded as they came: the others wait for somebody else.
        ended: until nothing more could happen to them, however long they rested.
    """

    __slots__ = ("acknowledged", "ended", "first_filled")

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.first_filled: list[int] = []
        self.ended: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.acknowledged or self.first_filled or self.ended)

    def clear(self) -> None:
        """Forget them: the runtime has told them."""
        self.acknowledged.clear()
        self.first_filled.clear()
        self.ended.clear()


@runtime_checkable
class TimesFills(Protocol):
    """What a stage can besides, that sees fills."""

    latencies_ms: Latencies
    """Of what was folded since the runtime drained it; the same object for good."""


@runtime_checkable
class Timed(Protocol):
    """What a stage can besides, that has something to do at a time."""

    @property
    def due_ms(self) -> int | None:
        """When the first thing is due (log milliseconds), None for nothing.

        The fold does what is due at an entry's millisecond or before, in (due, id) order, before it takes the entry.
        The runtime sees to it that an entry comes then. What is not later than the last entry is what that one left
        undone, so as not to send more than `MOST_OUTPUTS`: it is due at once.
        """
        ...


@runtime_checkable
class Losable(Protocol):
    """What a stage can besides, whose entries are numbered by whoever writes them."""

    def after_loss(self) -> None:
        """Let the next entry have any number: what was before it is lost, and a person accepted that."""
        ...


@runtime_checkable
class Noted(Protocol):
    """What a stage can besides, that has something to say which people should see with its status."""

    def note(self) -> str:
        """Return it in a few words, empty for nothing. It may be asked while an entry is folded."""
        ...


def note_of(stage: Stage) -> str:
    """Return what a stage says of itself beside figures."""
    return stage.note() if isinstance(stage, Noted) else ""


def due_of(stage: Stage) -> int | None:
    """Return when a stage wants an entry at the latest; None of one that does not."""
    return stage.due_ms if isinstance(stage, Timed) else None


def configuration_of(stage: Stage) -> dict[bytes, bytes] | None:
    """Return the entry that a stage wants in its inbox before it goes on; None of one that is not configured."""
    return stage.configuration() if isinstance(stage, Configured) else None


def calendar_of(stage: Stage) -> dict[bytes, bytes] | None:
    """Return the entry with calendars that a stage wants in its inbox; None of one that has no use for them."""
    return stage.calendar() if isinstance(stage, Calendared) else None


def latencies_of(stage: Stage) -> Latencies | None:
    """Return where a stage leaves how long orders took; None of one that sees no fill."""
    return stage.latencies_ms if isinstance(stage, TimesFills) else None
