"""The desk as its public streams tell it: one fold and one place for each stream, and who wants to hear of it.

Flows in: entries of `events`, `positions`, `market` and `dead`, each stream's in order. Flows out: tables of rows, and
a `Change` for each entry to whoever listens. Never publishes, and never waits.

What a stream had before this began, and analytics has neither, is not known here: `gaps` says it in sentences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fillstream.libs.common.messages.base import head_of, upcast
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.market import Depth, Trades
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.topology import KINDS
from fillstream.libs.common.values.versions import check_names
from fillstream.services.gateway.state.markets import Markets
from fillstream.services.gateway.state.orders import Orders
from fillstream.services.gateway.state.positions import Positions
from fillstream.services.gateway.state.rows import Moved, Row, row_of
from fillstream.services.gateway.state.terms import Terms

MODELS: Final[Mapping[str, Any]] = {
    **EVENTS,
    **POSITION_MESSAGES,
    **{each.model_fields["type"].default: each for each in (DeadLetter, Trades, Depth)},
}
"""Every message of a public stream, by its type."""
VERSION: Final = 1
NAMES: Final = ("version", "places", "seqs", "gaps", "orders", "positions", "markets", "terms", "dead")
DEAD_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of a stream, and what it moved.

    Attributes:
        stream: the stream's name: `events.0`.
        id: of its entry.
        event: the message.
        moved: the table, the key there and the row as it is now; None where no row moved.
    """

    stream: str
    id: str
    event: dict[str, Any]
    moved: Moved | None


Listener = Callable[[Change], None]


class Rewound(Exception):
    """A stream is not the one that was read: it was begun anew, or the server started from an older file."""


class Desk:
    """Everything that is known of a desk.

    Args:
        keep: how many orders that are done, and fills, are kept.

    Attributes:
        places: the entry that each stream was folded up to, by the stream's name; none of one that had no entry yet.
        gaps: what is not known, a sentence each.
        dead: the newest dead letters, the oldest first.
        entries: how many entries were folded.
        takes_all: whether numbers of messages may fall: while a log is read from its beginning, which is all there is.
        lost: why what a stream had before cannot be had any more, by the stream's name, until the log was read once.
    """

    def __init__(self, keep: int = 100_000) -> None:
        self.places: dict[str, str] = {}
        self.gaps: list[str] = []
        self.orders, self.positions, self.markets, self.terms = Orders(keep), Positions(), Markets(), Terms()
        self.dead: deque[Row] = deque(maxlen=DEAD_KEPT)
        self.entries = 0
        self.takes_all = False
        self.lost: dict[str, str] = {}
        self._seqs: dict[str, int] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Let somebody hear of every change from now on; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ------------------------------------------------------------------------------------------------------- fold

    def fold(self, stream: str, entry_id: str, fields: Mapping[bytes, bytes]) -> None:
        """Take over one entry.

        Raises:
            Unreadable: it is no message that this release can read.
        """
        self.places[stream] = entry_id
        self.entries += 1
        data = fields.get(b"data")
        if data is None or is_aside(fields):
            return
        _, _, seq = head_of(data)
        if seq is not None and not KINDS[stream.partition(".")[0]].lossy:
            self._count(stream, seq, entry_id)
        event = upcast(orjson.loads(data), MODELS)
        change = Change(stream, entry_id, event, self._move(stream, entry_id, event))
        for listener in self._listeners:
            listener(change)

    def _count(self, stream: str, seq: int, entry_id: str) -> None:
        last = self._seqs.get(stream, 0)
        if seq <= last:
            told = f"{stream}: {entry_id} has the number {seq}, and {last} was read before it"
            if not self.takes_all:
                raise Rewound(told)
            self.gaps.append(told)
        self._seqs[stream] = seq
        if seq > last + 1:
            told = f"{stream}: {seq - last - 1} messages before {entry_id} were trimmed before they were read"
            why = self.lost.get(stream)
            self.gaps.append(f"{told}; {why}" if why else told)

    def next_of(self, stream: str) -> int:
        """Return the number of the message that comes next in a stream that counts."""
        return self._seqs.get(stream, 0) + 1

    def _move(self, stream: str, entry_id: str, event: dict[str, Any]) -> Moved | None:
        kind, source = event["type"], stream.partition(".")[0]
        if source == "positions":
            return self.positions.fold(event)
        if source == "market":
            return self.markets.fold(event)
        if source == "dead":
            dead = {**row_of(event), "id": entry_id}
            self.dead.append(dead)
            return "dead", entry_id, dead
        if kind == "OrderListReported":
            return self.orders.listed(event)
        if kind in ("QuoteUpdated", "QuoteStale", "SessionChanged", "BandsChanged"):
            return self.markets.fold(event)
        if event.get("order_id") is not None and "ord_status" in event:
            row = self.orders.fold(event, entry_id)
            return None if row is None else ("orders", row["order_id"], row)
        return self.terms.fold(event)

    # -------------------------------------------------------------------------------------------------- snapshots

    def dump(self) -> bytes:
        """Return all that counts over a restart."""
        return orjson.dumps(
            {
                "version": VERSION,
                "places": self.places,
                "seqs": self._seqs,
                "gaps": self.gaps,
                "orders": self.orders.dump(),
                "positions": self.positions.dump(),
                "markets": self.markets.dump(),
                "terms": self.terms.dump(),
                "dead": [*self.dead],
            }
        )

    def load(self, snapshot: bytes) -> None:
        """Take over what `dump` returned.

        Raises:
            Unreadable: another release wrote it.
        """
        record = orjson.loads(snapshot)
        check_names("gateway", record, NAMES, NAMES)
        self.places, self._seqs, self.gaps = record["places"], record["seqs"], record["gaps"]
        self.orders.load(record["orders"])
        self.positions.load(record["positions"])
        self.markets.load(record["markets"])
        self.terms.load(record["terms"])
        self.dead = deque(record["dead"], maxlen=DEAD_KEPT)
