"""A log that was trimmed, and the analytics that has stored it, in this process; what is comparable of two states."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
from redis.exceptions import ResponseError

from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.services.analytics.decode.entries import Batch, undecodable_rows
from fillstream.services.analytics.query.api import Queries, QueryError
from fillstream.services.analytics.query.messages import Log
from fillstream.services.analytics.read.reader import public_streams
from fillstream.services.analytics.schema import UNDECODABLE_TABLE
from fillstream.services.analytics.sinks.store import Offset, Store
from fillstream.services.analytics.sinks.writer import DECODERS
from fillstream.services.gateway.state.desk import Desk

Entry = tuple[str, Mapping[bytes, bytes]]
DESK = "the-desk"
_DECIMAL = re.compile(r"-?\d+\.\d+", re.ASCII)


class Stored:
    """An analytics that answers without a server.

    Args:
        folder: for its file.
        topology: the desk's.
        streams: entries by the stream's name.
    """

    def __init__(self, folder: Path, topology: Topology, streams: Mapping[str, Sequence[Entry]]) -> None:
        self.store = Store(folder / "analytics.duckdb")
        self.store.belong_to(DESK)
        kinds = public_streams(topology)
        for name, entries in streams.items():
            key = topology.key(name)
            raw = [
                [entry_id.encode(), [part for pair in fields.items() for part in pair]] for entry_id, fields in entries
            ]
            batch = Batch(self.store.scales)
            DECODERS[kinds[key]](key, raw, batch)
            if batch.undecodable:
                batch.add(UNDECODABLE_TABLE.name, undecodable_rows(key, batch.undecodable))
            if entries:
                self.store.commit(batch.tables, {key: Offset(entries[-1][0], len(entries))}, [])
        self.log = Log(Queries(self.store.cursor, lambda *_: None), self.store, kinds)
        self.asked: list[dict[str, Any]] = []
        self.fails: list[Any] = []

    async def ask(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        """Answer as `Behind.through` does."""
        assert (method, path) == ("GET", "/messages")
        self.asked.append(dict(params))
        if self.fails:
            failed = self.fails.pop(0)
            if isinstance(failed, Exception):
                raise failed
            return failed
        try:
            body = self.log.page({name: [str(value)] for name, value in params.items()})
        except QueryError as error:
            return SimpleNamespace(status_code=error.status, text=error.text)
        return SimpleNamespace(status_code=200, content=body)


class TrimmedServer:
    """Answers what is asked of the streams, each without its first entries.

    Args:
        topology: the desk's.
        streams: entries by the stream's name.
        cut: how many of the first entries each has no more.
    """

    def __init__(self, topology: Topology, streams: Mapping[str, Sequence[Entry]], cut: Mapping[str, int]) -> None:
        self.streams = streams
        self.cut = dict(cut)
        self._names = {topology.key(name): name for name in streams}

    def left(self, name: str) -> Sequence[Entry]:
        """Return what is there of a stream."""
        return self.streams[name][self.cut.get(name, 0) :]

    async def xinfo_stream(self, key: str) -> dict[str, Any]:
        """Tell how long a stream is and was."""
        entries = self.streams.get(self._names.get(key, ""))
        if not entries:
            raise ResponseError("no such key")
        left = len(self.left(self._names[key]))
        return {"entries-added": len(entries), "length": left, "last-generated-id": entries[-1][0].encode()}

    async def execute_command(self, command: str, key: str, low: str, high: str, *more: Any) -> list[Any]:
        """Answer XRANGE."""
        assert (command, high, more[0]) == ("XRANGE", "+", "COUNT")
        behind = id_key(low[1:]) if low != "-" else (-1, 0)
        found = [(each.encode(), fields) for each, fields in self.left(self._names[key]) if id_key(each) > behind]
        return found[: more[1]]


def comparable(desk: Desk) -> Any:
    """Return a state as `plain` has it."""
    return plain(orjson.loads(desk.dump()))


def plain(value: Any) -> Any:
    """Return JSON without zeros at the end of its numbers: analytics keeps what a number is, not how it was written."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return value.rstrip("0").rstrip(".")
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value
