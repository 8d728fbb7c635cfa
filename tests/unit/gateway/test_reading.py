"""Reading: a server that is away is waited for, what cannot be folded ends it, and it can be ended."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ConnectionError as Away
from redis.exceptions import ResponseError

from fillstream.services.gateway import reading as module
from fillstream.services.gateway.sending import cancel
from fillstream.services.gateway.state.desk import Rewound
from tests.support.gateway_reading import TOPOLOGY, Server, entries, read, reading_of


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


@pytest.mark.parametrize("ends", ["4-0", None])
def test_a_stream_that_ends_before_what_was_read_is_another_one(
    ends: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted, or begun anew with smaller ids: XREAD would wait for ever."""

    async def scene() -> None:
        monkeypatch.setattr(module, "LOOK_S", 0.0)
        server = Server([entries("events.0", "5-0")], None, ends={"events.0": ends})
        with pytest.raises(Rewound, match=f"events.0: ends at {ends or '0-0'}, and 5-0 was read"):
            await asyncio.wait_for(reading_of(server).run(), 5)

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
