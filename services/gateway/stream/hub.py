"""Who follows what: changes are collected for a moment and go to everybody who asked for the same in one frame.

Flows in: changes of the desk's state. Flows out: frames of JSON, each made once however many read it. A reader that is
slow is sent the latest of each row, and told how many it was not; one that cannot keep up with messages, of which every
one counts, is let go with the place to go on from. Never waits for a reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from fillstream.services.gateway.metrics import GatewayMetrics
from fillstream.services.gateway.state.desk import Change, Desk
from fillstream.services.gateway.stream.topics import Subject, snapshot_of

EVERY_S: Final = 0.025
"""Changes are collected for so long: each frame costs a reader's connection 20 to 28 µs, whatever is in it."""
MOST_WAITING: Final = 20_000
"""Messages that wait for a slow reader."""
TOO_SLOW: Final = 1013
"""The code that a connection is closed with: try again later (RFC 6455)."""
HEARTBEAT_S: Final = 5.0


class Piece:
    """A change as JSON, made when the first reader needs it."""

    __slots__ = ("_json", "_what", "key")

    def __init__(self, change: Change, *, rows: bool) -> None:
        self._json: bytes | None = None
        if rows:
            assert change.moved is not None, "rows are told of changes that moved one"
            self.key, self._what = change.moved[1], change.moved[2]
        else:
            self.key, self._what = change.id, {**change.event, "stream": change.stream, "id": change.id}

    @property
    def json(self) -> bytes:
        """The row as it is now, or the message."""
        if self._json is None:
            self._json = orjson.dumps(self._what)
        return self._json


@dataclass(eq=False, slots=True)
class Reader:
    """A connection.

    Attributes:
        waiting: frames that are to be sent, oldest first.
        more: set when there are some.
        empty: set once there are none any more.
        backlog: of each channel, what came while the reader was behind.
        missed: rows of each channel that it was told only the latest of.
        gone: why it is to be let go, None while it keeps up.
        over: set once it is.
    """

    waiting: deque[bytes] = field(default_factory=deque)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    backlog: dict[str, dict[str, Piece]] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    gone: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def let_go(self, why: str) -> None:
        """Collect no more for it, and have its connection end."""
        self.gone = why
        self.backlog.clear()
        self.over.set()
        self.more.set()

    def send(self, frame: bytes) -> None:
        """Have a frame sent."""
        self.waiting.append(frame)
        self.empty.clear()
        self.more.set()

    def sent(self) -> None:
        """The oldest frame is with the connection."""
        self.waiting.popleft()
        if not self.waiting:
            self.empty.set()

    async def drained(self) -> None:
        """Return once everything that was to be sent is."""
        if self.waiting:
            await self.empty.wait()


class Channel:
    """A subject, what is to be told of it, and who reads it."""

    __slots__ = ("members", "pending", "subject")

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.members: dict[Reader, None] = {}
        self.pending: dict[str, Piece] = {}


class Hub:
    """Tells readers of changes.

    Args:
        desk: the state.
        metrics: count readers, and what slow ones were not told.
    """

    def __init__(self, desk: Desk, metrics: GatewayMetrics) -> None:
        self._desk = desk
        self._metrics = metrics
        self._channels: dict[Subject, Channel] = {}
        self._readers: dict[Reader, None] = {}
        self.is_live: Callable[[], bool] = lambda: True
        desk.listen(self.hear)

    def hear(self, change: Change) -> None:
        """Take over a change."""
        row: Piece | None = None
        message: Piece | None = None
        for channel in self._channels.values():
            if not channel.subject.wants(change):
                continue
            if channel.subject.topic.rows:
                row = row or Piece(change, rows=True)
                channel.pending[row.key] = row
            else:
                message = message or Piece(change, rows=False)
                channel.pending[f"{change.stream} {message.key}"] = message

    # ------------------------------------------------------------------------------------------------------ readers

    def join(self) -> Reader:
        """Let a connection in."""
        reader = Reader()
        self._readers[reader] = None
        self._metrics.readers.set(len(self._readers))
        return reader

    def leave(self, reader: Reader) -> None:
        """Let a connection go."""
        self._readers.pop(reader, None)
        self._metrics.readers.set(len(self._readers))
        for subject in [each for each, channel in self._channels.items() if reader in channel.members]:
            self.unfollow(reader, subject)

    def follow(self, reader: Reader, subject: Subject) -> None:
        """Let a reader hear of a subject from this very moment on; of rows it is sent those of now first."""
        channel = self._channels.get(subject)
        if channel is None:
            channel = self._channels[subject] = Channel(subject)
        elif channel.pending:  # it is older than this reader; all of this moment goes, so that no place is ahead of any
            self.turn()
        channel.members[reader] = None
        if subject.topic.rows:
            rows = [orjson.dumps(row) for row in snapshot_of(subject, self._desk)]
            reader.send(self.frame("snapshot", subject, rows))

    def unfollow(self, reader: Reader, subject: Subject) -> None:
        """Let a reader hear of it no more."""
        channel = self._channels.get(subject)
        if channel is None:
            return
        channel.members.pop(reader, None)
        reader.backlog.pop(subject.channel, None)
        if not channel.members:
            del self._channels[subject]

    # ------------------------------------------------------------------------------------------------------- frames

    async def run(self) -> None:
        """Send what was collected, every 25 ms, until it is cancelled."""
        since_heartbeat = 0.0
        while True:
            await asyncio.sleep(EVERY_S)
            self.turn()
            since_heartbeat += EVERY_S
            if since_heartbeat >= HEARTBEAT_S:
                since_heartbeat = 0.0
                beat = orjson.dumps({"type": "heartbeat", "live": self.is_live(), "as_of": self._desk.places})
                for reader in self._readers:
                    if not reader.waiting:
                        reader.send(beat)

    def turn(self) -> None:
        """Have everything sent that was collected."""
        busy = {reader for reader in self._readers if reader.waiting}
        for channel in self._channels.values():
            if channel.pending:
                self._tell(channel, busy)
        for reader in self._readers:
            if reader.backlog and reader not in busy:
                self._catch_up(reader)

    def _tell(self, channel: Channel, busy: Collection[Reader]) -> None:
        """Send what was collected to those who have all that came before; the others get it behind that."""
        pending, channel.pending = channel.pending, {}
        frame: bytes | None = None
        for reader in channel.members:
            if reader.gone is not None:
                continue
            if reader in busy or channel.subject.channel in reader.backlog:
                self._put_off(reader, channel, pending)
                continue
            if frame is None:
                frame = self.frame("changes", channel.subject, (piece.json for piece in pending.values()))
            reader.send(frame)

    def _put_off(self, reader: Reader, channel: Channel, pending: dict[str, Piece]) -> None:
        name = channel.subject.channel
        backlog = reader.backlog.setdefault(name, {})
        before = len(backlog)
        backlog.update(pending)
        missed = before + len(pending) - len(backlog)
        if missed:
            reader.missed[name] = reader.missed.get(name, 0) + missed
            self._metrics.conflated(missed)
        if not channel.subject.topic.rows and len(backlog) > MOST_WAITING:
            reader.let_go(f"{name}: {len(backlog)} messages wait for this reader; go on behind the last that it has")

    def _catch_up(self, reader: Reader) -> None:
        for subject, channel in self._channels.items():
            backlog = reader.backlog.pop(subject.channel, None) if reader in channel.members else None
            if backlog:
                missed = reader.missed.pop(subject.channel, 0)
                reader.send(self.frame("changes", subject, (piece.json for piece in backlog.values()), missed))

    def frame(
        self,
        kind: str,
        subject: Subject,
        rows: Iterable[bytes],
        missed: int = 0,
        places: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return a frame: what it is, of which channel, up to where, and the rows.

        Args:
            kind: of frame.
            subject: what it is about.
            rows: as JSON.
            missed: how many of them were not told before.
            places: up to where it tells; where the state is, unless it is of what was before that.
        """
        kinds = subject.topic.kinds
        if places is None:
            places = {name: at for name, at in self._desk.places.items() if name.partition(".")[0] in kinds}
        head: dict[str, Any] = {"type": kind, "channel": subject.channel, "topic": subject.topic.name, "as_of": places}
        if missed:
            head["conflated"] = missed
        return b'%b,"rows":[%b]}' % (orjson.dumps(head)[:-1], b",".join(rows))
