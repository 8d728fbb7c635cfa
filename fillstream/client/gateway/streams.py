"""The public streams through a gateway, read by the commands of Redis that a client reads them with.

Flows in: keys and ids. Flows out: entries, as Redis' own client has them. Never writes, and never leaves an entry out:
of an account that the key is not for it stands there blank, as a tick does.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from fillstream.client.gateway.wire import GatewayError, Wire
from fillstream.libs.common.messages.topology import KINDS, Topology

PAGE: Final = 1_000
"""Entries that a gateway tells at a time."""
MAX_WAIT_MS: Final = 5_000
MORE_S: Final = 10.0
"""What an answer may take besides the waiting that was asked for."""
NOT_SEEN_S: Final = 60.0
"""After so long it is asked again whether dead letters may be seen: a gateway may have begun to ask for no key."""
LAST: Final = 9_999_999_999_999_999_999
"""Behind every entry of a millisecond."""
DEAD: Final = "dead"
_AN_ID: Final = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?", re.ASCII)

Entry = tuple[bytes, dict[bytes, bytes]]


class Streams:
    """Reads streams of one gateway.

    Args:
        wire: to the gateway.
        topology: the desk's: names of streams by their keys.
    """

    def __init__(self, wire: Wire, topology: Topology) -> None:
        self._wire = wire
        self._names = {topology.key(name): name for kind in KINDS for name in topology.names(kind)}
        self._not_seen_until: dict[str, float] = {}

    def execute_command(self, name: str, *said: Any) -> Any:
        """Return the reply to a command, as scripts write it: XREAD, XRANGE or XREVRANGE.

        Raises:
            GatewayError: the gateway refuses, or does not answer.
        """
        if name == "XREAD":
            at = said.index("STREAMS") + 1
            count, block = said[said.index("COUNT") + 1], said[said.index("BLOCK") + 1]
            keys, ids = said[at : at + (len(said) - at) // 2], said[at + (len(said) - at) // 2 :]
            return self.xread(dict(zip(keys, ids, strict=True)), int(count), int(block))
        key, one, other, *count = said
        read = {"XRANGE": self.xrange, "XREVRANGE": self.xrevrange}[name]
        return read(key, one, other, int(count[1]) if count else None)

    def xread(
        self, streams: Mapping[str, str], count: int | None = None, block: int | None = None
    ) -> list[tuple[bytes, list[Entry]]]:
        """Return entries behind these ids, by key; of none of them nothing, after `block` milliseconds.

        Dead letters are not for every key: who may not see them follows the other streams that are asked for.

        Raises:
            GatewayError: the gateway refuses, or does not answer.
        """
        wait_ms = min(block or 0, MAX_WAIT_MS)
        keys = {self._name(key): key for key in streams}
        now = time.monotonic()
        wanted = [name for name in keys if self._not_seen_until.get(name, now) <= now]
        asked = {
            "after": ",".join(f"{name}:{_whole(streams[keys[name]])}" for name in wanted),
            "wait_ms": wait_ms,
            "limit": min(count or PAGE, PAGE),
        }
        try:
            told = self._wire.json("GET", "/v1/log", params=asked, timeout_s=wait_ms / 1000 + MORE_S)
        except GatewayError as error:
            if error.status != 403 or DEAD not in wanted or len(wanted) == 1:
                raise
            self._not_seen_until[DEAD] = now + NOT_SEEN_S
            return self.xread(streams, count, block)
        found: dict[str, list[Entry]] = {}
        for each in told["entries"]:
            found.setdefault(keys[each["stream"]], []).append(_entry(each))
        return [(key.encode(), entries) for key, entries in found.items()]

    def xrange(self, key: str, min: str = "-", max: str = "+", count: int | None = None) -> list[Entry]:
        """Return entries between two ids, both included unless they begin with `(`, the oldest first.

        Raises:
            redis.exceptions.ResponseError: one is no id, as Redis says it.
            GatewayError: the gateway refuses, or does not answer.
        """
        return [*self._pages(key, min, max, count, newest=False)]

    def xrevrange(self, key: str, max: str = "+", min: str = "-", count: int | None = None) -> list[Entry]:
        """Return entries between two ids, the newest first. Raises as `xrange`."""
        return [*self._pages(key, min, max, count, newest=True)]

    def _pages(self, key: str, low: str, high: str, count: int | None, *, newest: bool) -> Iterator[Entry]:
        name, after, before = self._name(key), _below(low), _above(high)
        left = count
        while left is None or left > 0:
            limit = PAGE if left is None else min(left, PAGE)
            asked = {"after": after, "before": before, "newest": str(newest).lower(), "limit": limit}
            params = {said: value for said, value in asked.items() if value is not None}
            page = self._wire.json("GET", f"/v1/log/{name}", params=params)["entries"]
            yield from map(_entry, page)
            if len(page) < limit:
                return
            left = None if left is None else left - len(page)
            last = page[-1]["id"]
            after, before = (after, last) if newest else (last, before)

    def hmget(self, key: str, ids: Sequence[str]) -> list[bytes | None]:
        """Return of each dead letter the id of the entry that it was sent again as, None of one that was not.

        Args:
            key: of the hash of these marks, the only one that a gateway tells of.
            ids: of the letters.

        Raises:
            GatewayError: the gateway refuses, or does not answer.
        """
        if not key.endswith(f"{DEAD}.redriven"):
            raise GatewayError("unknown_key", f"key: {key} is read in Redis, and no gateway tells of it", 404)
        marks: dict[str, str] = {}
        for begin in range(0, len(ids), PAGE // 10):  # each is a part of the address
            asked = {"letter_id": [*ids[begin : begin + PAGE // 10]]}
            marks |= self._wire.json("GET", "/v1/dead/redriven", params=asked)["redriven"]
        return [marks[each].encode() if each in marks else None for each in ids]

    def _name(self, key: str) -> str:
        return self._names.get(key, key)


def _entry(told: Mapping[str, Any]) -> Entry:
    if "base64" in told:
        return told["id"].encode(), {b64decode(name): b64decode(value) for name, value in told["base64"]}
    return told["id"].encode(), {name.encode(): value.encode() for name, value in told["fields"].items()}


def _parts(text: str) -> tuple[int, int | None]:
    said = _AN_ID.fullmatch(text)
    if said is None:
        raise ResponseError("Invalid stream ID specified as stream command argument")
    return int(said[1]), None if said[2] is None else int(said[2])


def _whole(text: str) -> str:
    ms, serial = _parts(text)
    return f"{ms}-{serial or 0}"


def _below(low: str) -> str | None:
    """Return the id just before the first that is asked for, None where that is the first of all."""
    if low == "-":
        return None
    if low.startswith("("):
        return _whole(low[1:])
    ms, serial = _parts(low)
    if serial:
        return f"{ms}-{serial - 1}"
    return f"{ms - 1}-{LAST}" if ms else None


def _above(high: str) -> str | None:
    """Return the id just behind the last that is asked for, None where that is the last of all."""
    if high == "+":
        return None
    if high.startswith("("):
        return _whole(high[1:])
    ms, serial = _parts(high)
    return f"{ms + 1}-0" if serial in (None, LAST) else f"{ms}-{int(serial or 0) + 1}"
