"""A connection that breaks costs a process only where a commit's outcome is in doubt."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.continuity import RecoveryError
from fillstream.libs.common.runtime.log import Fenced, RedisLog, connect
from fillstream.libs.common.runtime.stage import Outputs
from tests.conftest import free_port, until
from tests.support.adder import INBOX
from tests.support.servers import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


def told(event: str = "a") -> Outputs:
    out = Outputs("adder", INBOX)
    out.event("sums", {"event": event})
    return out


def cut(url: str) -> None:
    """Cut every connection of the server but this one."""
    with redis.Redis.from_url(url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def reaches(url: str, length: int) -> bool:
    with redis.Redis.from_url(url) as client:
        return client.xlen("orders.{a0}") == length


@pytest.fixture
def log(server: Server) -> Iterator[RedisLog]:
    client = connect(server.url)
    made = RedisLog(client, Topology(), "adder", INBOX)
    made.claim()
    made.append({b"n": b"1"})
    made.append({b"n": b"2"})
    yield made
    client.close()


def test_with_nothing_under_way_the_log_goes_on_where_it_was(server: Server, log: RedisLog) -> None:
    log.commit(log.read(1, 1), told())
    log.settle()
    cut(server.url)
    with pytest.raises(redis.exceptions.ConnectionError):
        log.read(10, 1)
    assert not log.is_uncertain
    log.reconnect()
    (entry,) = log.read(10, 1)
    assert entry.fields == {b"n": b"2"}
    log.commit([entry], told("b"))
    log.settle()
    assert log.checkpoint().entries == 2


def test_a_server_that_was_started_again_has_forgotten_the_scripts_only(server: Server, log: RedisLog) -> None:
    log.commit(log.read(1, 1), told())
    log.settle()
    with connect(server.url) as client:
        client.execute_command("WAITAOF", 1, 0, 5000)
    server.kill()
    server.start()
    with pytest.raises(redis.exceptions.ConnectionError):
        log.read(10, 1)
    log.reconnect()
    log.commit(log.read(1, 1), told("b"))
    log.settle()
    log.watch()


def test_a_commit_whose_answer_did_not_come_leaves_the_outcome_in_doubt(server: Server, log: RedisLog) -> None:
    (entry, _) = log.read(10, 1)
    cut(server.url)
    with pytest.raises(redis.exceptions.ConnectionError):
        log.commit([entry], told())
    assert log.is_uncertain
    with pytest.raises(AssertionError, match="start again"):
        log.reconnect()


def test_who_was_fenced_meanwhile_does_not_go_on(server: Server, log: RedisLog) -> None:
    with connect(server.url) as other:
        RedisLog(other, Topology(), "adder", INBOX).claim()
    with pytest.raises(Fenced):
        log.reconnect()


def test_a_server_that_lost_what_it_had_acknowledged_is_not_gone_on_with(server: Server, log: RedisLog) -> None:
    log.commit(log.read(1, 1), told())
    log.settle()
    with connect(server.url) as client:
        client.hset("checkpoint.adder", "id", "0-1")
        client.hset("checkpoint.adder", "entries", 0)
    with pytest.raises(RecoveryError, match=r"checkpoint.adder stands at 0-1, and the consumer group"):
        log.reconnect()
    with connect(server.url) as client:
        client.flushall()
    with pytest.raises(RecoveryError):
        log.reconnect()


def test_a_stage_outlives_its_connections_and_its_server(tmp_path: Path, server: Server) -> None:
    """The real process: no restart, nothing lost, nothing doubled."""
    environment = {
        **os.environ,
        "REDIS_URL": server.url,
        "FILLSTREAM_DATABASE__DATA_DIR": str(tmp_path / "data"),
        "FILLSTREAM_SERVICE__PORT": str(free_port()),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "fillstream.services.order_service", "signals"],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        client: Any = connect(server.url)
        until(lambda: client.hget("status.signals", "state") == b"live", "the stage to be live")
        for wave in range(3):
            client.xadd("signals", {"symbol": "AAPL", "side": "BUY", "quantity": "1", "signal_id": f"s{wave}"})
            passed_on = partial(reaches, server.url, wave + 1)
            until(passed_on, "the signal to be passed on")
            if wave == 1:
                client.execute_command("WAITAOF", 1, 0, 5000)
                server.kill()
                server.start()
                until(client.ping, "the server")
            else:
                cut(server.url)
                client = connect(server.url)
        assert process.poll() is None
        assert int(client.hget("checkpoint.signals", "epoch")) == 1, "the same process all the time"
    finally:
        process.terminate()
        _, said = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert "lost with nothing under way" in said
