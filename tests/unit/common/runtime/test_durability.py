"""What the durability barrier asks of a server, and what it makes of the answers; integration tests have real ones."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from fillstream.libs.common.runtime import durability
from fillstream.libs.common.runtime.durability import Barrier, Durability, NotDurable

EVERYSEC = {"appendonly": "yes", "appendfsync": "everysec"}
CONFIG = ("CONFIG GET", "append*")
PROBE = ("WAITAOF", 0, 0, 1)
"""Asked once: does the server know the command?"""


class Server:
    """Answers as a server with these settings does, and records what is asked of it, in order.

    Args:
        settings: of CONFIG GET; None where the server refuses that.
        synced: how many files WAITAOF says are synced; None where the server does not know the command.
        now_ms: the server's clock.
    """

    def __init__(self, settings: dict[str, str] | None, synced: int | None = 1, now_ms: int = 1_000_500) -> None:
        self.settings, self.synced, self.now_ms = settings, synced, now_ms
        self.asked: list[tuple[Any, ...]] = []

    def config_get(self, pattern: str) -> dict[str, str]:
        self.asked.append(("CONFIG GET", pattern))
        if self.settings is None:
            raise redis.exceptions.ResponseError("unknown command 'CONFIG'")
        return self.settings

    def set(self, key: str, value: bytes, px: int) -> None:
        self.asked.append(("SET", key, value, px))

    def execute_command(self, *command: Any) -> tuple[int, int]:
        self.asked.append(command)
        if self.synced is None:
            raise redis.exceptions.ResponseError("unknown command 'WAITAOF'")
        return self.synced, 0

    def time(self) -> tuple[int, int]:
        return self.now_ms // 1000, self.now_ms % 1000 * 1000


def barrier(server: Any, *more: Any) -> Durability:
    return Durability(server, *more)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were slept, instead of sleeping."""
    seconds: list[float] = []
    monkeypatch.setattr("fillstream.libs.common.runtime.durability.time.sleep", seconds.append)
    return seconds


def test_a_server_that_did_not_sync_in_time_is_not_believed() -> None:
    """What ran ahead of the disk here would be ahead of the log after a power failure."""
    made = barrier(Server(EVERYSEC, synced=0))
    with pytest.raises(
        NotDurable, match=r"^Redis has not synced its append-only file within 10000 ms; look at its disk$"
    ):
        made.wait(0)


@pytest.mark.parametrize("key", [None, "desk:durability"])
def test_the_fsync_is_that_of_a_write_of_its_own_connection(key: str | None) -> None:
    """WAITAOF returns at once on a connection that wrote nothing, and would prove nothing."""
    server = Server(EVERYSEC)
    made = barrier(server, *filter(None, [key]))
    assert made.barrier is Barrier.NONE, "nothing was waited for yet"
    made.wait(0)
    assert made.barrier is Barrier.WAITAOF
    asked_to_wait = [("SET", key or "durability", b"1", 60_000), ("WAITAOF", 1, 0, 10_000)]
    assert server.asked == [CONFIG, PROBE, *asked_to_wait]
    made.wait(0)
    assert server.asked[4:] == asked_to_wait, "the settings were looked up a moment ago"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"appendonly": "yes", "appendfsync": "always"}, Barrier.ALWAYS),
        ({"appendonly": "yes", "appendfsync": "no"}, Barrier.NONE),
        ({"appendonly": "no", "appendfsync": "always"}, Barrier.NONE),
        (EVERYSEC, Barrier.WAITAOF),
        ({}, Barrier.WAITAOF),
        (None, Barrier.WAITAOF),
    ],
    ids=["always", "no", "no file", "everysec", "says nothing", "refuses to say"],
)
def test_a_server_that_says_little_is_taken_to_be_one_that_syncs_now_and_then(
    settings: dict[str, str] | None, expected: Barrier, slept: list[float]
) -> None:
    server = Server(settings)
    made = barrier(server)
    made.wait(1_000_500)
    assert made.barrier is expected
    assert (PROBE in server.asked) == (expected is Barrier.WAITAOF), "nothing more is asked where nothing is waited for"
    assert slept == []


def test_where_the_server_cannot_tell_an_entry_must_be_old_enough(slept: list[float]) -> None:
    server = Server(EVERYSEC, synced=None)
    made = barrier(server)
    made.wait(1_000_000)  # 500 ms old
    made.wait(1_000_500 - 2_000)  # just old enough
    made.wait(1_000_500 - 1_999)
    made.wait(1_000_000 + 3_600_000)  # an hour ahead of the server's clock: it was there before the call
    assert made.barrier is Barrier.AGE
    assert slept == [1.5, 0.001, 2.0]
    assert server.asked == [CONFIG, PROBE]


def test_the_settings_are_looked_up_again_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator may turn the append-only file on, or its policy down, while the desk runs."""
    now = 5_000.0
    monkeypatch.setattr(durability.time, "monotonic", lambda: now)
    server = Server({"appendonly": "no"})
    made = barrier(server)
    made.wait(0)
    assert made.barrier is Barrier.NONE
    server.settings = {"appendonly": "yes", "appendfsync": "always"}
    now += 59.9
    made.wait(0)
    assert made.barrier is Barrier.NONE
    now += 0.1
    made.wait(0)
    assert (made.barrier, server.asked) == (Barrier.ALWAYS, [CONFIG, CONFIG])
