"""A gateway in front of a whole desk, all in one process over a log in memory: real stages, real routes, no server.

What a request appends is folded at once by the stages, and what they send by the gateway's state. Each answer is
compared with what the gateway's own document says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from fillstream.backtest.memory_desk import MemoryDesk
from fillstream.backtest.stages import stages_at
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM, id_key, stream_name
from fillstream.libs.common.process.settings import Settings
from fillstream.services.gateway.app import Gateway, build
from fillstream.services.gateway.http.access import Keys
from fillstream.services.gateway.people.audit import Audit
from fillstream.services.gateway.people.login import People
from fillstream.services.gateway.state.desk import Change, Desk
from tests.support.conforming import OURS, conforming

HOST = "http://127.0.0.1:8000"


class MemoryClient:
    """Answers the few commands that a gateway reads the log with."""

    def __init__(self, memory: MemoryDesk) -> None:
        self._memory = memory
        self._asked: list[tuple[Any, ...]] = []

    async def execute_command(self, *command: Any) -> Any:
        match command[0]:
            case "XRANGE":
                return self._range(*map(str, command[1:]))
            case "XREVRANGE":
                key, high, low, *more = map(str, command[1:])
                return self._range(key, low, high)[::-1][: int(more[1])]
        raise AssertionError(f"{command[0]} is not answered here")

    def _range(self, key: str, low: str, high: str, *more: str) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        most = int(more[1]) if more else None
        found = []
        for entry in self._memory.redis.streams.get(key, []):
            at = id_key(entry.id)
            above = at > id_key(low[1:]) if low.startswith("(") else low == "-" or at >= id_key(low)
            below = at < id_key(high[1:]) if high.startswith("(") else high == "+" or at <= id_key(high)
            if above and below:
                found.append((entry.id.encode(), entry.fields))
        return found[:most]

    def pipeline(self, **_: Any) -> MemoryClient:
        return MemoryClient(self._memory)

    async def __aenter__(self) -> MemoryClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._asked.clear()

    def execute(self) -> Any:
        async def run() -> list[Any]:
            return [self._range(*map(str, each[1:])) for each in self._asked]

        return run()

    async def ping(self) -> bool:
        return True


class _Pipe(MemoryClient):
    def execute_command(self, *command: Any) -> Any:
        self._asked.append(command)


class GatewayDesk:
    """A desk and its gateway.

    Args:
        settings: of the desk.
        keys: knows who may come in; None: everybody.
        people: lets people in; None: nobody logs in.
        audit: writes down who did what; None: nothing of it is written.

    Attributes:
        http: asks the gateway.
        sent: entries that were appended by it: key and fields.
        hold: when set, entries that the gateway appends are kept back until `release`.
    """

    def __init__(
        self, settings: Settings, keys: Keys | None = None, people: People | None = None, audit: Audit | None = None
    ) -> None:
        topology = settings.topology()
        self.memory = MemoryDesk(topology, lambda clock: stages_at(settings, clock), 1_800_000_000_000, keep=True)
        self.gateway = Gateway(settings, Desk(settings.gateway.orders_kept), {}, None, asks_for_keys=False)
        self.gateway.keys = keys  # type: ignore[assignment]
        self.gateway.people = people
        self.gateway.audit = audit or self.gateway.audit
        client: Any = MemoryClient(self.memory)
        client.pipeline = lambda **_: _Pipe(self.memory)
        self.gateway.client = client
        self.gateway.replay._client = client
        self.gateway.asking.sending = self  # type: ignore[assignment]
        self.app = build(self.gateway)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url=HOST, event_hooks={"response": [self._conforms]}
        )
        self.sent: list[tuple[str, Mapping[Any, Any]]] = []
        self.refuses: list[Exception] = []
        self.is_deaf = False
        self.heard: list[Change] = []
        self.desk.listen(self.heard.append)
        self.pump()

    async def _conforms(self, response: httpx.Response) -> None:
        if response.request.url.path.startswith(OURS):
            if "text/event-stream" not in response.headers.get("content-type", ""):
                await response.aread()
            conforming(self.app).check(response)

    @property
    def desk(self) -> Desk:
        return self.gateway.desk

    async def append(self, key: str, fields: Mapping[Any, Any]) -> str:
        """Append as `Sending` does; the whole desk has done with it when this returns."""
        if self.refuses:
            raise self.refuses.pop(0)
        raw = {_bytes(name): _bytes(value) for name, value in fields.items()}
        self.sent.append((key, raw))
        entry_id = self.memory.append(key, raw)
        self.memory.settle()
        if not self.is_deaf:
            self.pump()
        return entry_id

    def pump(self) -> None:
        """Let the gateway read everything that there is."""
        for name in self.gateway.reading.names:
            entries = self.memory.redis.streams.get(self.gateway.asking.topology.key(name), [])
            at = id_key(self.desk.places.get(name, "0-0"))
            for entry in [each for each in entries if id_key(each.id) > at]:
                self.desk.fold(name, entry.id, entry.fields)
        for each in self.gateway.reading.after_batch:
            each()

    def quote(self, bid: int, ask: int, lots: int = 1_000, symbol: int = 1) -> None:
        """Quote a market (ticks); half a second later everybody knows."""
        inbox = self.gateway.asking.topology.key(stream_name("commands", 0, SIM))
        self.memory.append(inbox, {b"frame": frames.quote(symbol, bid, lots, ask, lots)})
        self.memory.settle()
        self.wait(500)

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.memory.go_to(self.memory.now_ms + ms)
        self.memory.settle()
        self.pump()

    async def post(self, path: str, body: Any = None, key: str | None = None, **more: Any) -> httpx.Response:
        """Send a POST in JSON."""
        headers = {**({"Idempotency-Key": key} if key else {}), **more.pop("headers", {})}
        return await self.http.post(path, json=body, headers=headers, **more)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
