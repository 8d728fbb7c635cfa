"""Following streams as models: from where on, whose, and whether anything is missing.

Flows in: replies to XREAD. Flows out: `Item`s, each with the id it stood at. Never decides how to wait, and never
leaves out silently what a stream no longer has: an item says how many messages before it are missing.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Any, Generic, TypedDict, TypeVar, cast

import orjson

from fillstream.client.scripts import Commands, Script, xread
from fillstream.client.topics import Topic
from fillstream.libs.common.messages.base import head_of, upcast
from fillstream.libs.common.messages.note import is_aside
from fillstream.libs.common.messages.topology import KINDS, Topology, id_key

logger = logging.getLogger(__name__)

NOW, BEGINNING = "$", "0"
PAGE = 500
"""Entries of each stream at a time: no partition waits long for another's backlog."""
BLOCK_S = 0.5
_AN_ID = re.compile(r"^\d{1,20}(-\d{1,20})?$")

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)

Places = Mapping[str, str]
"""Where somebody stands: an entry's id for each stream, by the stream's name (`events.0`)."""


class Where(TypedDict, total=False):
    """Whose messages, and from where on.

    Attributes:
        after: `$` for what comes from now on (the default), `0` for all that there is, an entry's id, which counts for
            every stream, or an id for each stream by its name: `Following.places`.
        account: of this account only, or of the one that this alias points to.
        symbol: of this instrument only.
        idle_s: end when nothing has come for so long; by default it never ends.
        within_s: end after so long, whatever comes; a Redis that is away at that time is the caller's error.
    """

    after: str | Places
    account: str | None
    symbol: str | None
    idle_s: float | None
    within_s: float | None


@dataclass(frozen=True, slots=True)
class Item(Generic[M_co]):
    """A message, and where it stands.

    Attributes:
        stream: the stream's name: `events.0`.
        id: of its entry: `after=item.id` goes on behind it, where one stream is followed.
        message: the model.
        missed: how many messages of that stream are missing before it: they were trimmed before they were read.
    """

    stream: str
    id: str
    message: M_co
    missed: int = 0

    @property
    def time_ms(self) -> int:
        """When Redis took it in, milliseconds since 1970, UTC."""
        return int(self.id.partition("-")[0])


@dataclass(slots=True)
class _Stream:
    name: str
    counts: bool
    """Whether its messages are numbered without a gap."""
    at: str = "0-0"
    seq: int | None = None
    """Of the last message; None where that is not known."""
    missed: int = 0
    """How many are missing that no item has told yet."""


class Reader(Generic[M]):
    """Reads on in the streams of a topic; the pure part of following.

    Args:
        topic: what is followed.
        topology: the desk's.
        where: see `Where`.
        block_s: how long the server may keep one request.

    Attributes:
        places: up to where items were taken: what to give as `after` to go on.

    Raises:
        ValueError: `after` is no such thing.
    """

    def __init__(self, topic: Topic[M], topology: Topology, where: Where, block_s: float = BLOCK_S) -> None:
        self._topic = topic
        self._account, self._symbol = where.get("account"), where.get("symbol")
        self._idle_s = where.get("idle_s")
        self._block_s = block_s if self._idle_s is None else min(block_s, max(self._idle_s, 0.001))
        within_s = where.get("within_s")
        self._ends = None if within_s is None else time.monotonic() + within_s
        names = topic.streams(topology, self._account)
        counts = not KINDS[topic.kind].lossy and topic.kind != "dead"
        self._streams = {topology.key(name): _Stream(name, counts) for name in names}
        self._after = _checked(where.get("after", NOW), names)
        self._ready: deque[tuple[str, str, Item[M] | None]] = deque()
        self._has_begun = False
        self.places: dict[str, str] = {}

    def begin(self) -> Script[None]:
        """Find out where `$` is, and the numbers of the messages behind which it goes on; once."""
        if self._has_begun:
            return
        asked = []
        for key, stream in self._streams.items():
            after = self._after if isinstance(self._after, str) else self._after[stream.name]
            if after == NOW:
                asked.append(("XREVRANGE", key, "+", "-", "COUNT", 1))
            else:
                stream.at = "0-0" if id_key(after) == (0, 0) else after
                asked.append(("XRANGE", key, after, after, "COUNT", 1))
        found = yield Commands(asked)
        for stream, entries in zip(self._streams.values(), found, strict=True):
            # Of an id that is no entry's any more, or never was, the number of the message before is not known.
            if entries:
                stream.at = entries[0][0].decode()
            if stream.counts:
                stream.seq = _seq_of(entries[0][1]) if entries else 0 if stream.at == "0-0" else None
            self.places[stream.name] = stream.at
        self._has_begun = True

    def take(self) -> Item[M] | None:
        """Return the next item that was read already, and move `places`; None when there is none."""
        while self._ready:
            name, entry_id, item = self._ready.popleft()
            self.places[name] = entry_id
            if item is not None:
                return item
        return None

    @property
    def left_s(self) -> float:
        """How much is left of `within_s`, for ever without it."""
        return math.inf if self._ends is None else self._ends - time.monotonic()

    def is_over(self) -> bool:
        """Whether nobody waits for the next item any more."""
        return self.left_s <= 0

    def next(self) -> Script[Item[M] | None]:
        """Return the next item; None when nothing has come for `idle_s`, or `within_s` is over."""
        yield from self.begin()
        since = time.monotonic()
        while (item := self.take()) is None:
            left_s = self.left_s
            if left_s <= 0 or (self._idle_s is not None and time.monotonic() - since >= self._idle_s):
                return None
            [reply] = yield self.asks(min(self._block_s, left_s))
            self.read(reply)
        return item

    def page(self, block_s: float) -> Script[list[Item[M]]]:
        """Return what there is, at most so many of each stream, waiting for it no longer than that; `places` moves."""
        yield from self.begin()
        [reply] = yield self.asks(block_s)
        self.read(reply)
        items = []
        while (item := self.take()) is not None:
            items.append(item)
        return items

    @property
    def at(self) -> dict[str, str]:
        """Up to where it has read, by key."""
        return {key: stream.at for key, stream in self._streams.items()}

    def asks(self, block_s: float) -> Commands:
        """Return the command that reads on."""
        return xread(self.at, block_s, PAGE)

    def read(self, reply: Iterable[Any] | None) -> None:
        """Take a reply over: what came of several streams is merged by its time."""
        pages = [self._page(self._streams[key.decode()], entries) for key, entries in reply or ()]
        self._ready.extend(merge(*pages, key=lambda each: id_key(each[1])))

    def _page(self, stream: _Stream, entries: Iterable[Any]) -> list[tuple[str, str, Item[M] | None]]:
        found = []
        for raw_id, fields in entries:
            stream.at = entry_id = raw_id.decode()
            found.append((stream.name, entry_id, self._item(stream, entry_id, fields)))
        return found

    def _item(self, stream: _Stream, entry_id: str, fields: Mapping[bytes, bytes]) -> Item[M] | None:
        data = fields.get(b"data")
        if data is None or is_aside(fields):
            return None
        kind, _, seq = head_of(data)
        if stream.counts and seq is not None:
            self._count(stream, entry_id, seq)
        model = self._topic.models.get(kind)
        if model is None:
            return None
        document = upcast(orjson.loads(data), self._topic.models)
        if not self._is_wanted(document):
            return None
        missed, stream.missed = stream.missed, 0
        return Item(stream.name, entry_id, cast(M, model.model_validate(document)), missed)

    @staticmethod
    def _count(stream: _Stream, entry_id: str, seq: int) -> None:
        gap = 0 if stream.seq is None else seq - stream.seq - 1
        stream.seq = seq
        if gap > 0:
            stream.missed += gap
            logger.warning("%s: %d messages before %s are missing, trimmed before they were read",
                           stream.name, gap, entry_id)  # fmt: skip

    def _is_wanted(self, document: Mapping[str, Any]) -> bool:
        whose = (document.get("account"), document.get("alias"))
        if self._account is not None and "account" in document and self._account not in whose:
            return False
        return self._symbol is None or document.get("symbol") == self._symbol


def _checked(after: object, names: list[str]) -> str | Places:
    """Return a place that is one.

    Raises:
        ValueError: it is none.
    """
    if isinstance(after, str):
        if after != NOW and not _AN_ID.fullmatch(after):
            raise ValueError(f"after: {after!r} must be $ (now), 0 (the beginning) or an id, like 1700000000000-0")
        return after
    if not isinstance(after, Mapping):
        raise ValueError(f"after: {after!r} must be $, 0, an entry's id, or an id for each stream by its name")
    missing = [name for name in names if name not in after]
    if missing:
        raise ValueError(f"after: has no id of {', '.join(missing)}, and what is followed is in {', '.join(names)}")
    return {name: cast(str, _checked(after[name], [])) for name in names}


def _seq_of(fields: Mapping[bytes, bytes]) -> int | None:
    data = fields.get(b"data")
    return None if data is None else head_of(data)[2]
