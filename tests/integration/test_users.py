"""Who may append where: the users of deploy/redis.sh, on a real server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from fillstream.libs.common.messages.topology import Topology
from tests.conftest import free_port, until
from tests.support.servers import server_program
from tests.support.tree import ROOT

DESK = Topology()
PASSWORDS = {"client": "c l", "operator": 'o"p\\'}
As = Callable[[str], redis.Redis]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[As]:
    """Return who connects as one of the users; the services' has no name."""
    folder = tmp_path_factory.mktemp("redis")
    told = subprocess.run(
        ["sh", str(ROOT / "deploy/redis.sh"), "users"],
        env={"PATH": os.environ["PATH"]}
        | {f"FILLSTREAM_REDIS_{name.upper()}_PASSWORD": password for name, password in PASSWORDS.items()},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    port, conf = free_port(), Path(folder) / "redis.conf"
    conf.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass "all"\nsave ""\ndir {folder}\n{told.stdout}')
    server = subprocess.Popen([server_program(), str(conf)], stdout=subprocess.DEVNULL)
    made: list[redis.Redis] = []

    def connect(name: str) -> redis.Redis:
        password = PASSWORDS.get(name, "all")
        made.append(redis.Redis(port=port, username=name or None, password=password))
        return made[-1]

    def answers() -> bool:
        try:
            return bool(connect("").ping())
        except redis.ConnectionError:
            return False

    try:
        until(answers, "the server")
        yield connect
    finally:
        for each in made:
            each.close()
        server.terminate()
        server.wait(timeout=10)


STREAMS = [
    DESK.signals, DESK.orders(0), DESK.orders(3), DESK.events(0), DESK.positions(0), DESK.market(0), DESK.dead,
    DESK.commands("SIM", 0), DESK.checkpoint("orders", "orders.0"), f"{DESK.orders(0)}.low",
    DESK.status("orders", "orders.0"),
]  # fmt: skip
MAY_APPEND = {"client": {DESK.signals}, "operator": {DESK.orders(0), DESK.orders(3)}, "": {*STREAMS}}
PUBLIC = [DESK.signals, DESK.events(0), DESK.positions(0), DESK.market(0), DESK.dead]


@pytest.mark.parametrize("name", MAY_APPEND)
@pytest.mark.parametrize("stream", STREAMS)
def test_each_user_may_append_to_its_own_streams_and_to_no_other(user: As, name: str, stream: str) -> None:
    if stream in MAY_APPEND[name]:
        assert user(name).xadd(stream, {"a": "b"})
    else:
        with pytest.raises(redis.exceptions.NoPermissionError):
            user(name).xadd(stream, {"a": "b"})


@pytest.mark.parametrize("name", PASSWORDS)
def test_each_user_reads_the_public_streams_and_no_inbox_of_the_venue(user: As, name: str) -> None:
    for stream in PUBLIC:
        user(name).xrevrange(stream, count=1)
        user(name).xread({stream: "0-0"}, count=1)
    assert user(name).ping()
    with pytest.raises(redis.exceptions.NoPermissionError):
        user(name).xrange(DESK.commands("SIM", 0), count=1)


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("command", ["FLUSHALL", "CONFIG GET *", "DEL signals", "XTRIM signals MAXLEN 0", "ACL LIST"])
def test_nobody_else_may_do_harm(user: As, name: str, command: str) -> None:
    with pytest.raises(redis.exceptions.NoPermissionError):
        user(name).execute_command(*command.split())


def test_a_wrong_password_is_refused(user: As) -> None:
    port = user("").connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port, username="operator", password="all") as other, pytest.raises(
        redis.exceptions.AuthenticationError
    ):  # fmt: skip
        other.ping()
