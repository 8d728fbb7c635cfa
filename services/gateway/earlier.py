"""What a log had before it was trimmed: fetched from analytics, and folded as if it stood there still.

Flows in: where each stream begins now, and analytics' messages of what was before. Flows out: folds, in the order of
each stream's numbers. Never guesses: where analytics is away, or lacks them too, it is told what is not known, and why.

A desk may run for weeks, and its log keeps hours; a gateway without a snapshot would not know an order that has worked
since. Analytics has stored every message before it is trimmed. It is asked before the log is read, as what is there at
the same time would be too late to be folded before it.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from redis.exceptions import ResponseError

from fillstream.client.analytics import AnalyticsError
from fillstream.libs.common.messages.base import head_of
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.stages import DOORS, READERS
from fillstream.libs.common.messages.topology import KINDS, Topology, id_key
from fillstream.services.gateway.state.desk import Desk

logger = logging.getLogger(__name__)

PAGE: Final = 20_000
"""Messages that analytics is asked for at a time."""
TURN: Final = 500
"""So many are folded before the loop has its turn."""
LOOKED_AT: Final = 500
"""Entries at a time, among which a stream's first message is looked for: ticks stand between them."""
PATIENCE_S: Final = 30.0
"""Analytics may be starting, as the gateway is: so long it is asked again."""
FIRST_AGAIN_S: Final = 0.1
LAST_AGAIN_S: Final = 2.0
TELL_S: Final = 5.0
"""How often the log tells how far it is."""
BUSY: Final = (408, 503)
UNNUMBERED: Final = frozenset(("dead",))
"""Streams whose messages have no number: analytics tells their place among the others."""
ASKED: Final = READERS["analytics"].reads

Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class First:
    """What a stream begins with now.

    Attributes:
        id: of its first message; where it has none any more, behind its last entry.
        seq: that message's number; None where there is none, or none is counted.
    """

    id: str
    seq: int | None


class NotThere(Exception):
    """What was before is not to be had; a sentence why."""


@dataclass(slots=True)
class Feed:
    """A stream that is short of messages, and those of them that are here.

    Attributes:
        name: of the stream.
        first: what it begins with.
        place: behind which they are wanted.
        asked: what analytics is asked for next.
        rows: ids and messages that are here, the next one last.
        taken: how many were folded.
        is_over: whether analytics has no more of them.
    """

    name: str
    first: First
    place: str
    asked: dict[str, Any]
    rows: list[tuple[str, bytes]] = field(default_factory=list)
    taken: int = 0
    is_over: bool = False

    @property
    def counts(self) -> bool:
        """Whether the stream numbers its messages."""
        return self.name not in UNNUMBERED


class Earlier:
    """Fetches what the log does not have any more.

    Args:
        client: of redis.asyncio.
        topology: the desk's.
        desk: the state that it is folded into.
        ask: sends a request to analytics: method, path and `params`; see `Behind.through`.
        desk_id: whose rows analytics must have; empty where that is not known.
        patience_s: how long an analytics that does not answer is waited for.

    Attributes:
        is_reading: whether it is not done yet.
        progress: how far it is, in a sentence; empty while nothing is fetched.
    """

    def __init__(
        self, client: Any, topology: Topology, desk: Desk, ask: Ask, desk_id: str, patience_s: float = PATIENCE_S
    ) -> None:
        self.is_reading = True
        self.progress = ""
        self._client = client
        self._topology = topology
        self._desk = desk
        self._ask = ask
        self._desk_id = desk_id
        self._patience_s = patience_s
        self._told = 0.0
        self._deadline: float | None = None
        kinds = [kind for kind in DOORS["gateway"].reads if kind in ASKED and not KINDS[kind].lossy]
        self._names = [name for kind in kinds for name in topology.names(kind)]
        self._done: set[str] = set()  # of which nothing more is to be had

    async def read(self) -> None:
        """Fetch and fold what each stream is short of; it may be begun again where Redis went away meanwhile.

        Raises:
            Exception: a message cannot be folded; or the server is away.
        """
        while feeds := [feed for name in self._names if (feed := await self._feed(name)) is not None]:
            await self._merge(feeds)
            for feed in feeds:
                if feed.taken:
                    logger.info("%s: %d messages that were trimmed, by analytics", feed.name, feed.taken)
            # What was trimmed meanwhile is stored by now: it is looked again whether each log goes on from here.
        for name in self._names:
            if name not in self._done:
                self._desk.lost.pop(name, None)
        self.progress = ""
        self.is_reading = False

    async def _feed(self, name: str) -> Feed | None:
        """Return what a stream is short of; None where it is short of nothing, or nobody has it."""
        if name in self._done:
            return None
        first = await self._first(name)
        if first is None or not self._lacks(name, first):
            return None
        asked: dict[str, Any] = {"stream": self._topology.key(name), "limit": PAGE, "after": 0}
        if name not in UNNUMBERED:
            asked["after"] = self._desk.next_of(name) - 1
        if first.seq is not None:
            asked["upto"] = first.seq - 1
        else:
            self._done.add(name)  # there is no number to look again by
        self._desk.lost[name] = "analytics lacks them, too"
        return Feed(name, first, self._desk.places.get(name, "0-0"), asked)

    def _lacks(self, name: str, first: First) -> bool:
        """Whether there was something between what is known and what the stream begins with."""
        if first.seq is None:
            return id_key(self._desk.places.get(name, "0-0")) < id_key(first.id)
        return self._desk.next_of(name) < first.seq

    async def _first(self, name: str) -> First | None:
        """Return what a stream begins with; None where nothing was ever taken out of it."""
        key = self._topology.key(name)
        try:
            info = await self._client.xinfo_stream(key)
        except ResponseError:
            return None  # there is no such stream
        if int(info["entries-added"]) <= int(info["length"]):
            return None
        at = "-"
        while found := await self._client.execute_command("XRANGE", key, at, "+", "COUNT", LOOKED_AT):
            for entry_id, fields in found:
                if b"data" in fields and not is_aside(fields):
                    _, _, seq = head_of(fields[b"data"])
                    return First(entry_id.decode(), seq)
            at = f"({found[-1][0].decode()}"
        ms, number = id_key(info["last-generated-id"].decode())
        if id_key(self._desk.places.get(name, "0-0")) >= (ms, number):
            return None
        return First(f"{ms}-{number + 1}", None)

    # ------------------------------------------------------------------------------------------------------ fetching

    async def _merge(self, feeds: Sequence[Feed]) -> None:
        """Fold what analytics has, all streams in the order of time: what came first of all is the oldest of all."""
        heads: list[tuple[tuple[int, int], int]] = []
        for number, feed in enumerate(feeds):
            await self._advance(heads, number, feed)
        folded = 0
        while heads:
            _, number = heapq.heappop(heads)
            feed = feeds[number]
            entry_id, message = feed.rows.pop()
            try:
                self._desk.fold(feed.name, entry_id, {b"data": message})
            except Exception as error:
                error.add_note(f"{feed.name}: analytics' message of {entry_id} cannot be folded")
                raise
            feed.taken += 1
            folded += 1
            if folded % TURN == 0:
                await asyncio.sleep(0)
            await self._advance(heads, number, feed)

    async def _advance(self, heads: list[tuple[tuple[int, int], int]], number: int, feed: Feed) -> None:
        """Put a stream's next message among those that may be next, if it has one."""
        if not feed.rows and not feed.is_over:
            try:
                await self._fill(feed)
            except NotThere as error:
                feed.is_over = True
                self._give_up(feed, str(error))
        if feed.rows:
            heapq.heappush(heads, (id_key(feed.rows[-1][0]), number))

    def _give_up(self, feed: Feed, why: str) -> None:
        self._done.add(feed.name)
        self._desk.lost[feed.name] = why
        logger.warning("%s: what was trimmed is not known here: %s", feed.name, why)
        told = f"{feed.name}: what was before {feed.first.id} was trimmed; {why}"
        if feed.first.seq is None and told not in self._desk.gaps:  # no number will show that it is missing
            self._desk.gaps.append(told)

    # ------------------------------------------------------------------------------------------------------ fetching

    async def _fill(self, feed: Feed) -> None:
        """Fetch a page of what a stream is short of.

        Raises:
            NotThere: analytics is away, or has none of it.
        """
        rows = await self._page(feed.asked)
        low, high = id_key(feed.place), id_key(feed.first.id)
        own = [row for row in rows if low < id_key(row[0]) < high]
        feed.is_over = not own
        if not own and feed.counts and not feed.taken:  # of dead letters there may have been none since
            raise NotThere("analytics has none of it")
        if not own:
            return
        feed.rows = own[::-1]
        if feed.counts:
            _, _, seq = head_of(own[-1][1])
            feed.asked["after"] = seq
        else:
            feed.asked["after"] += len(rows)
        self._say(f"reading what was trimmed from analytics: {feed.name} at {own[0][0]}, up to {feed.first.id}")

    def _say(self, told: str) -> None:
        self.progress = told
        now = time.monotonic()
        if now - self._told >= TELL_S:
            self._told = now
            logger.info("%s", told)

    async def _page(self, params: dict[str, Any]) -> Sequence[tuple[str, bytes]]:
        """Return a page of ids and messages; one that is busy, or away, is asked again for a while.

        Raises:
            NotThere: it does not answer, refuses, or has another desk's.
        """
        again_s = FIRST_AGAIN_S
        while True:
            try:
                answer = await self._ask("GET", "/messages", params=params)
            except AnalyticsError as error:
                why = f"analytics does not answer: {error}"
            else:
                if answer.status_code == 200:
                    self._deadline = None
                    return self._rows(answer.content)
                why = f"analytics answers with {answer.status_code}: {answer.text[:200]}"
                if answer.status_code not in BUSY:
                    raise NotThere(why)
            if self._deadline is None:  # one for all streams: what is away is not waited for again and again
                self._deadline = time.monotonic() + self._patience_s
            if time.monotonic() + again_s > self._deadline:
                raise NotThere(why)
            self._say(f"what was trimmed of {params['stream']} is not read yet: {why}")
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, LAST_AGAIN_S)

    def _rows(self, body: bytes) -> Sequence[tuple[str, bytes]]:
        head, *lines = body.rstrip(b"\n").split(b"\n")
        try:
            desk = orjson.loads(head)["desk"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise NotThere(f"what answers there is no analytics: {body[:80]!a}") from None
        if self._desk_id and desk and desk != self._desk_id:
            raise NotThere(f"analytics has the desk {desk}, and this one is {self._desk_id}")
        return [*_pairs(lines)]


def _pairs(lines: Iterable[bytes]) -> Iterable[tuple[str, bytes]]:
    for line in lines:
        entry_id, _, message = line.partition(b" ")
        yield entry_id.decode(), message
