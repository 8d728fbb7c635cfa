"""The durability barrier: what it waits for fits the server."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from fillstream.libs.common.runtime.durability import Barrier, Durability, NotDurable
from fillstream.libs.common.runtime.log import connect
from tests.conftest import until


@pytest.mark.parametrize(
    ("appendonly", "appendfsync", "barriers"),
    [
        ("yes", "always", {Barrier.ALWAYS}),
        ("yes", "everysec", {Barrier.WAITAOF, Barrier.AGE}),
        ("yes", "no", {Barrier.NONE}),
        ("no", "everysec", {Barrier.NONE}),
    ],
)
def test_the_barrier_fits_the_server(
    client: redis.Redis, redis_url: str, appendonly: str, appendfsync: str, barriers: set[Barrier]
) -> None:
    with changed(client, appendonly=appendonly, appendfsync=appendfsync):
        durability = Durability(connect(redis_url))
        client.xadd("s", {"a": "b"})
        durability.wait(int(time.time() * 1000))
        assert durability.barrier in barriers


def test_a_server_that_stops_syncing_lets_nobody_through(
    client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own answer, not a made-up one: it says how many files it synced, and raises nothing."""
    with changed(client, appendonly="yes", appendfsync="everysec"):
        durability = Durability(connect(redis_url))
        durability.wait(0)
        if durability.barrier is not Barrier.WAITAOF:
            pytest.skip("this server does not know WAITAOF")
        monkeypatch.setattr("fillstream.libs.common.runtime.durability.WAITAOF_MS", 50)
        client.config_set("appendfsync", "no")  # after the look: as a disk that is stuck, to whoever waits
        with pytest.raises(NotDurable, match="look at its disk"):
            durability.wait(0)


class changed:
    """Server settings for a while."""

    def __init__(self, client: redis.Redis, **values: str) -> None:
        self._client: Any = client
        self._values = values

    def __enter__(self) -> None:
        self._before = {name: self._client.config_get(name)[name] for name in self._values}
        self._set(self._values)

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    def _set(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            self._client.config_set(name, value)
        until(lambda: not self._client.info("persistence")["aof_rewrite_in_progress"], "the append-only file")
