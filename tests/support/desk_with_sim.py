"""An orders stage and the books of SIM, wired together in memory: what one sends, the other folds at once."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.messages.venue import reports_field
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.matching_engine.stage import EngineStage
from fillstream.services.order_service.orders.config import DeskConfig
from tests.support.orders import CONFIG, OrdersDesk, new_order


class DeskWithSim:
    """Entries go to the orders stage; its commands to the book of their venue, whose reports come back.

    Attributes:
        desk: the orders stage, which has all events.
        engines: one of each venue that is simulated; `engine` is SIM's.
        entries: how many entries the orders stage took, by what settled.
        most_outputs: of one entry of the orders stage.
    """

    def __init__(self, config: DeskConfig = CONFIG, topology: Topology | None = None) -> None:
        venues = tuple(name for name, terms in config.venues.items() if terms.simulated) or (SIM,)
        self.desk = OrdersDesk(config, topology or Topology(venues=venues))
        self.engines = {venue: EngineStage(self.desk.topology, 0, {}, venue) for venue in self.desk.topology.venues}
        self.engine = self.engines[SIM]
        self.most_outputs = 0

    def fold(self, fields: dict[bytes, bytes]) -> list[dict[str, Any]]:
        """Fold an entry, and all that follows from it until nothing is due; return the events."""
        told: list[dict[str, Any]] = []
        waiting = [fields]
        while waiting:
            sent, asked = len(self.desk.commands), len(self.desk.requests)
            fresh = self.desk.fold(waiting.pop(0))
            commands = self.desk.commands[sent:]
            told += fresh
            self.most_outputs = max(self.most_outputs, len(fresh) + len(commands))
            for stream, records in groupby(zip(self.desk.sent_to[sent:], commands, strict=True), itemgetter(0)):
                waiting += self._execute(b"".join(frames.COMMAND.pack(*each) for _, each in records), _venue_of(stream))
            for stream, request in self.desk.requests[asked:]:
                fields = {b"data": request.model_dump_json(exclude_none=True).encode()}
                waiting += self._execute_entry(fields, _venue_of(stream))
            due = self.desk.stage.due_ms
            if not waiting and due is not None and due <= self.desk.ms:
                waiting.append({b"tick": b"1"})
        return told

    def feed(self, records: bytes, venue: str = SIM) -> list[dict[str, Any]]:
        """Let a venue's book execute records of the feed's; return the events that follow."""
        told: list[dict[str, Any]] = []
        for fields in self._execute(records, venue):
            told += self.fold(fields)
        return told

    def _execute(self, commands: bytes, venue: str = SIM) -> list[dict[bytes, bytes]]:
        return self._execute_entry({b"frame": commands}, venue)

    def _execute_entry(self, fields: dict[bytes, bytes], venue: str = SIM) -> list[dict[bytes, bytes]]:
        """Let a venue's book take an entry; return the entries that it sends to the orders stage."""
        engine = self.engines[venue]
        out = Outputs(engine.name, engine.inbox)
        out.begin(Entry(f"{self.desk.ms}-0", self.desk.ms, fields))
        engine.fold(Entry(f"{self.desk.ms}-0", self.desk.ms, fields), out)
        out.seal()
        return [
            {kind if kind == b"data" else reports_field(venue): each}
            for stream, kind, payloads in out.runs
            if stream == "orders.0"
            for each in payloads
        ]

    def new(self, **fields: Any) -> list[dict[str, Any]]:
        return self.fold({b"data": orjson.dumps(new_order(**fields))})

    def quote(self, bid: int, ask: int, symbol: int = 1, qty: int = 100_000) -> None:
        reports = self._execute(frames.quote(symbol, bid, qty, ask, qty))
        for each in reports:
            self.fold(each)

    @property
    def resting(self) -> int:
        """Orders in the book."""
        return self.engine.gauges()["resting_orders"][""]


def _venue_of(stream: str) -> str:
    return stream.split(".")[1]
