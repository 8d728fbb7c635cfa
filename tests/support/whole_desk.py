"""The stages from an instruction to a position, wired together in memory: what one sends, the next folds at once."""

from __future__ import annotations

from typing import Any

import orjson

from fillstream.libs.common.messages.positions import position_message
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.signals.encode import instruction_of
from fillstream.services.position_service.stage import PositionStage
from tests.support.desk_with_sim import DeskWithSim
from tests.support.orders import CONFIG


class WholeDesk:
    """An orders stage, SIM, and the positions stage behind the journal.

    Attributes:
        sim: the first two.
        told: every message of the positions stage, each checked against its contract.
        sent: instructions that it sent, by the type of each.
    """

    def __init__(self, config: DeskConfig = CONFIG) -> None:
        self.sim = DeskWithSim(config)
        self.positions = PositionStage(0)
        self.told: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self._seen = 0
        self._signals = 0
        self._settle()

    def signal(self, **fields: Any) -> list[dict[str, Any]]:
        """Publish a signal; return the events that followed from it."""
        self._signals += 1
        before = len(self.events)
        instruction = instruction_of({"signal_id": f"u{self._signals}", **fields}, "1-0")
        self.sim.fold({b"data": orjson.dumps(instruction | {"signal_time": self.sim.desk.ms})})
        self._settle()
        return self.events[before:]

    def quote(self, bid: int, ask: int, symbol: int = 1, qty: int = 100_000) -> None:
        """Quote a market (ticks), and wait until the journal tells of it."""
        self.sim.quote(bid, ask, symbol, qty)
        self.wait(300)

    def wait(self, ms: int) -> None:
        """Let so much time pass, and do what is due in it."""
        until = self.sim.desk.ms + ms
        while True:
            due = [each for each in (self.sim.desk.stage.due_ms, self.positions.due_ms) if each is not None]
            soonest = min(due, default=until)
            if soonest >= until:
                break
            self._at(max(soonest, self.sim.desk.ms))
        self._at(until)

    def again(self) -> None:
        """Go on with a positions stage that was restored, and is written the same way again."""
        data = self.positions.snapshot()
        self.positions = PositionStage(0)
        self.positions.restore(data)
        assert self.positions.snapshot() == data

    def held(self, symbol: str = "AAPL", account: str = "default") -> int:
        """Return the lots that the positions stage has, which are those of the orders stage."""
        lots = self.sim.desk.stage._state.holdings.holding(account, symbol).quantity
        instrument = self.positions._books.instruments[symbol]
        booked = instrument.held[account].position.quantity if account in instrument.held else 0
        assert booked == lots
        return lots

    @property
    def events(self) -> list[dict[str, Any]]:
        """The journal."""
        return self.sim.desk.events

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return what the positions stage told of a kind."""
        return [each for each in self.told if each["type"] == kind]

    def _at(self, ms: int) -> None:
        self.sim.desk.ms = ms
        self._fold_position({b"tick": b"1"})
        self.sim.fold({b"tick": b"1"})
        self._settle()

    def _settle(self) -> None:
        while True:
            while self._seen < len(self.events):
                event = self.events[self._seen]
                self._seen += 1
                self._fold_position({b"data": orjson.dumps(event)})
            due_ms = self.positions.due_ms
            if due_ms is None or due_ms > self.sim.desk.ms:
                break
            self._fold_position({b"tick": b"1"})

    def _fold_position(self, fields: dict[bytes, bytes]) -> None:
        out = Outputs(self.positions.name, self.positions.inbox)
        entry = Entry(f"{self.sim.desk.ms}-{self._seen}", self.sim.desk.ms, fields)
        out.begin(entry)
        self.positions.fold(entry, out)
        assert not out.dead, out.dead
        for stream, _, payloads in out.runs:
            for payload in payloads:
                message = orjson.loads(payload)
                if stream == "orders.0":
                    self.sent.append(message)
                    self.sim.fold({b"data": payload})
                else:
                    position_message.validate_python(message)
                    self.told.append(message)
