"""A server that a gateway's reading asks, in this process: it answers what it was given."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.exceptions import ResponseError

from fillstream.libs.common.messages.topology import Topology
from fillstream.services.gateway.reading import Reading
from fillstream.services.gateway.sending import cancel
from fillstream.services.gateway.state.desk import Desk

TOPOLOGY = Topology()


class Pipe:
    """Tells where streams end; of one that no test names, far behind all that was read."""

    def __init__(self, ends: dict[str, str | None]) -> None:
        self._ends = {TOPOLOGY.key(name): end for name, end in ends.items()}
        self._keys: list[str] = []

    async def __aenter__(self) -> Pipe:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def xinfo_stream(self, key: str) -> None:
        self._keys.append(key)

    async def execute(self, **_: Any) -> list[Any]:
        ends = [self._ends.get(key, "9999999999999-0") for key in self._keys]
        return [ResponseError("no such key") if end is None else {"last-generated-id": end.encode()} for end in ends]


class Server:
    """Answers each XREAD with what it was given for it; then with nothing for ever."""

    def __init__(self, *answers: Any, ends: dict[str, str | None] | None = None) -> None:
        self.answers = list(answers)
        self.ends = ends or {}
        """Where streams end, by name; None of one that is not there."""
        self.asked: list[tuple[Any, ...]] = []

    async def execute_command(self, *command: Any) -> Any:
        self.asked.append(command)
        await asyncio.sleep(0)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pipeline(self, **_: Any) -> Pipe:
        return Pipe(self.ends)

    def places(self, number: int) -> dict[str, str]:
        """Where a question stood in each stream, by key."""
        after = self.asked[number][self.asked[number].index("STREAMS") + 1 :]
        half = len(after) // 2
        return dict(zip(after[:half], after[half:], strict=True))


def entries(name: str, *ids: str) -> list[Any]:
    """Ticks of a stream: entries that move a place, and nothing else."""
    return [TOPOLOGY.key(name).encode(), [(each.encode(), {b"tick": b"1"}) for each in ids]]


def reading_of(server: Server, **ends: str) -> Reading:
    return Reading(server, TOPOLOGY, Desk(10), {name.replace("_", "."): end for name, end in ends.items()})


async def read(reading: Reading, server: Server) -> None:
    """Let it read all that the server has."""
    task = asyncio.create_task(reading.run())
    for _ in range(100):  # turns of the loop, more than its answers take
        await asyncio.sleep(0)
    assert not server.answers
    await cancel(task)
