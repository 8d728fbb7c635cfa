"""A server with every user of the map, made as redis.sh makes them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from fillstream.libs.common.messages.access import USERS, variable_of
from tests.conftest import free_port, until
from tests.support.servers import server_program
from tests.support.tree import ROOT

NOBODY = ""
"""Who gives no name."""
PASSWORDS = {name: f"{name}'s \"p\\w" for name in USERS} | {NOBODY: "all"}


class ServerOfUsers:
    """A server whose users have passwords."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._made: list[redis.Redis] = []

    def url(self, name: str) -> str:
        """Return the URL of a user."""
        return f"redis://{name}:{quote(PASSWORDS[name], safe='')}@127.0.0.1:{self.port}/0"

    def as_user(self, name: str) -> redis.Redis:
        """Return a connection of a user."""
        self._made.append(redis.Redis(port=self.port, username=name or None, password=PASSWORDS[name]))
        return self._made[-1]

    def answers(self) -> bool:
        """Whether it can be talked to."""
        try:
            return bool(self.as_user(NOBODY).ping())
        except redis.ConnectionError:
            return False

    def refusals(self) -> list[dict[str, Any]]:
        """Return what users were refused, by the server's own account of it."""
        told: Any = self.as_user(NOBODY).acl_log()
        return [dict(each) for each in told]

    def close(self) -> None:
        """Close the connections."""
        for each in self._made:
            each.close()


@contextmanager
def server_of_users(folder: Path, prefix: str = "") -> Iterator[ServerOfUsers]:
    """Start a server with the users that redis.sh tells it, and end it."""
    variables = {variable_of(name): password for name, password in PASSWORDS.items() if name}
    told = subprocess.run(
        ["sh", str(ROOT / "deploy/redis.sh"), "users"],
        env={"PATH": os.environ["PATH"], "FILLSTREAM_MESSAGING__TOPIC_PREFIX": prefix,
             "FILLSTREAM_REDIS_PASSWORD": PASSWORDS[NOBODY], **variables},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    port, conf = free_port(), folder / "redis.conf"
    durable = "appendonly yes\nappendfsync always\nproto-max-bulk-len 8mb"
    conf.write_text(f'bind 127.0.0.1\nport {port}\nsave ""\ndir {folder}\n{durable}\n{told.stdout}')
    process = subprocess.Popen([server_program(), str(conf)], stdout=subprocess.DEVNULL)
    server = ServerOfUsers(port)
    try:
        until(server.answers, "the server")
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(timeout=60)
