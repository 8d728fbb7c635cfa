"""Reading: a server that is away is waited for, what cannot be folded ends it, and it can be ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Away
from redis.exceptions import ResponseError

from fillstream.libs.common.messages.topology import Topology
from fillstream.services.gateway import reading as module
from fillstream.services.gateway.reading import Reading
from fillstream.services.gateway.sending import cancel
from fillstream.services.gateway.state.desk import Desk

TOPOLOGY = Topology()


class Server:
    """Answers each XREAD with what it was given for it; then with nothing for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
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


def test_one_question_goes_on_behind_each_streams_own_place() -> None:
    async def scene() -> None:
        server = Server(
            [entries("events.0", "5-0", "6-0"), entries("positions.0", "3-0")], None, [entries("events.0", "7-0")]
        )
        reading = reading_of(server, events_0="7-0", positions_0="3-0")
        assert not reading.is_ready
        assert "events.0 at 0-0 of 7-0" in reading.progress()
        turns = 0

        def turned() -> None:
            nonlocal turns
            turns += 1

        reading.after_batch.append(turned)
        await read(reading, server)
        assert reading.is_ready
        assert reading.progress() == "ready"
        assert turns == 3
        for number, at in ((0, "0-0"), (1, "6-0"), (2, "6-0"), (3, "7-0")):
            assert server.places(number)[TOPOLOGY.key("events.0")] == at
        assert server.places(1)[TOPOLOGY.key("positions.0")] == "3-0"
        assert set(server.places(0)) == {TOPOLOGY.key(name) for name in reading.names}

    asyncio.run(scene())


def test_a_server_that_is_away_is_waited_for_longer_each_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        waited: list[float] = []
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            if seconds:
                waited.append(seconds)
            await real(0)

        monkeypatch.setattr(module.asyncio, "sleep", sleep)
        caplog.set_level("INFO")
        away = [Away("gone")] * 7
        server = Server(*away, [entries("events.0", "5-0")], Away("again"), [entries("events.0", "6-0")])
        await read(reading_of(server), server)
        assert waited == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 0.05]
        assert server.places(8)[TOPOLOGY.key("events.0")] == "5-0"
        told = [each.message for each in caplog.records]
        assert told == [
            "reading waits for Redis: gone",
            "reading goes on",
            "reading waits for Redis: again",
            "reading goes on",
        ]

    asyncio.run(scene())


def test_what_cannot_be_folded_ends_it_and_says_where() -> None:
    async def scene() -> None:
        key = TOPOLOGY.key("events.0").encode()
        server = Server([entries("events.0", "5-0")], [[key, [(b"6-0", {b"data": b"no JSON"})]]])
        with pytest.raises(Exception) as raised:
            await asyncio.wait_for(reading_of(server).run(), 5)
        assert "events.0: entry 6-0 cannot be folded" in raised.value.__notes__

    asyncio.run(scene())


def test_a_server_that_refuses_the_question_ends_it() -> None:
    async def scene() -> None:
        server = Server(ResponseError("NOPERM no permissions"))
        with pytest.raises(ResponseError, match="NOPERM") as raised:
            await asyncio.wait_for(reading_of(server).run(), 5)
        assert "events.0" in raised.value.__notes__[0]

    asyncio.run(scene())


def test_a_task_that_forgets_a_cancellation_is_cancelled_again() -> None:
    async def scene() -> None:
        forgot = 0

        async def forgetful() -> None:
            nonlocal forgot
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    forgot += 1
                    if forgot > 1:
                        raise

        task = asyncio.create_task(forgetful())
        await asyncio.sleep(0)
        await asyncio.wait_for(cancel(task), 5)
        assert task.cancelled()
        assert forgot == 2

    asyncio.run(scene())


def test_a_cancelled_task_that_had_met_an_error_says_so() -> None:
    async def scene() -> None:
        async def failing() -> None:
            raise ValueError("met before")

        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="met before"):
            await cancel(task)

    asyncio.run(scene())
