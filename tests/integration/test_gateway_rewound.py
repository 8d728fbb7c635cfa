"""A log that is not the one that a gateway has read: restored from an older file, or deleted and begun anew."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fillstream import Client
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from tests.conftest import until

OPEN = {**IDEAL_DESK, "FILLSTREAM_GATEWAY__WITHOUT_KEY": "true"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    with LocalStack(tmp_path, base_port=0, redis_port=0, gateway_port=0, environ=OPEN, without=["analytics"]) as made:
        made.wait_ready()
        yield made


@pytest.mark.parametrize("how", ["deleted", "numbers fall"])
def test_it_is_noticed_and_read_from_its_beginning(stack: LocalStack, how: str) -> None:
    url, key = stack.url("gateway"), stack.settings.topology().events(0)

    def instruments() -> int:
        try:
            told = httpx.get(f"{url}/v1/instruments", timeout=2)
        except httpx.TransportError:
            return -1  # it is being started again
        return len(told.json()["instruments"])

    until(lambda: instruments() > 1, "the gateway to have read the configuration")
    with Client(stack.redis_url, stack.settings.topology()) as client:
        redis: Any = client.redis
        stack.processes["orders"].kill(signal.SIGSTOP)  # what becomes of the stages is not looked at here
        entries = [each for each in redis.xrange(key) if b"data" in each[1]]
        newest = entries[-3:]
        if how == "deleted":
            redis.delete(key)
        else:  # as if the server had lost them, and the stage had decided them again
            redis.xdel(key, *(entry_id for entry_id, _ in newest))
        for number, (_, fields) in enumerate(newest):
            redis.xadd(key, fields, id=f"{number + 1}-0" if how == "deleted" else "*")
    left = newest if how == "deleted" else entries
    wanted = sum(b'"InstrumentDefined"' in fields[b"data"] for _, fields in left)
    until(lambda: stack.processes["gateway"].restarts == 1, "the gateway to begin anew")
    until(lambda: instruments() == wanted, "what there is now")
    stack.processes["orders"].kill(signal.SIGCONT)
