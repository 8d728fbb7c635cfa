"""A gateway as its own process, in front of a desk that runs already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from fillstream.libs.common.process.settings import default_path
from tests.conftest import free_port, until


class GatewayProcess:
    """A gateway without keys, on a port of its own.

    Args:
        redis_url: of the desk.
        folder: where it keeps its snapshots.
    """

    def __init__(self, redis_url: str, folder: Path) -> None:
        self._url, self._folder, self._port = redis_url, folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self._port}/alpaca"

    def start(self) -> None:
        environment = {
            **os.environ, "REDIS_URL": self._url, "CONFIG_PATH": str(default_path()),
            "FILLSTREAM_GATEWAY__WITHOUT_KEY": "true", "FILLSTREAM_SERVICE__HOST": "127.0.0.1",
            "FILLSTREAM_SERVICE__PORT": str(self._port), "FILLSTREAM_DATABASE__DATA_DIR": str(self._folder),
        }  # fmt: skip
        command = [sys.executable, "-P", "-m", "fillstream.services.gateway"]
        self._process = subprocess.Popen(command, env=environment)
        until(self._is_ready, "the gateway to be ready")

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(20) == 0

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.http}/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False
