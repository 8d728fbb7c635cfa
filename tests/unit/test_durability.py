"""What the durability barrier asks of a server, and what it makes of the answers; integration tests have real ones."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from fillstream.libs.common.durability import Barrier, Durability, NotDurable


class Server:
    """Answers as a server with these settings does, and records what is asked of it, in order."""

    def __init__(self, settings: dict[str, str] | None, waitaof: Any = (1, 0)) -> None:
        self.settings, self.waitaof = settings, waitaof
        self.asked: list[tuple[Any, ...]] = []

    def config_get(self, pattern: str) -> dict[str, str]:
        self.asked.append(("CONFIG GET", pattern))
        if self.settings is None:
            raise redis.exceptions.ResponseError("unknown command 'CONFIG'")
        return self.settings

    def set(self, key: str, value: bytes, px: int) -> None:
        self.asked.append(("SET", key, value, px))

    def execute_command(self, *command: Any) -> Any:
        self.asked.append(command)
        return self.waitaof


def barrier(server: Any, *more: Any) -> Durability:
    return Durability(server, *more)


def test_a_server_that_did_not_sync_in_time_is_not_believed() -> None:
    """What ran ahead of the disk here would be ahead of the log after a power failure."""
    made = barrier(Server({"appendonly": "yes", "appendfsync": "everysec"}, waitaof=(0, 0)))
    with pytest.raises(NotDurable, match="not synced its append-only file within 10000 ms; look at its disk"):
        made.wait(0)


def test_the_fsync_is_that_of_a_write_of_its_own_connection() -> None:
    """WAITAOF returns at once on a connection that wrote nothing, and would prove nothing."""
    server = Server({"appendonly": "yes", "appendfsync": "everysec"})
    made = barrier(server, "desk:durability")
    made.wait(0)
    assert made.barrier is Barrier.WAITAOF
    asked_to_wait = [("SET", "desk:durability", b"1", 60_000), ("WAITAOF", 1, 0, 10_000)]
    assert server.asked == [("CONFIG GET", "append*"), ("WAITAOF", 0, 0, 1), *asked_to_wait]
    made.wait(0)
    assert server.asked[4:] == asked_to_wait, "the settings were looked up a moment ago"
