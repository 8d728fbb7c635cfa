"""An analytics process for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import redis

from fillstream.libs.common.messages.topology import low_water_key
from tests.conftest import free_port, until


class Process:
    """An analytics process on a database file of the test's own."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.database = folder / "analytics.duckdb"
        self.log = folder / "analytics.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "REDIS_URL": redis_url,
            "FILLSTREAM_SERVICE__HOST": "127.0.0.1",
            "FILLSTREAM_SERVICE__PORT": str(self.port),
            "FILLSTREAM_DATABASE__PATH": str(self.database),
            "FILLSTREAM_RESTARTS": "3",
        }
        self._process: subprocess.Popen[bytes] | None = None
        # One client: each reads the authorities of TLS when it is made, 20 ms of it, and this one asks all the time.
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=90)

    def configure(self, path: Path) -> None:
        """Use another configuration file from the next start on."""
        self._environment["CONFIG_PATH"] = str(path)

    def start(self, *command: str) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(command or ("-m", "fillstream.services.analytics"))],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        until(self.is_ready, f"analytics to be ready: {self.log.read_text()}")

    def is_ready(self) -> bool:
        try:
            return self._http.get("/ready").status_code == 200
        except httpx.TransportError:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=90)

    def ends(self) -> int:
        """Return the code it ends with by itself."""
        assert self._process is not None
        return self._process.wait(timeout=90)

    def last_words(self) -> str:
        """Return the line that says why it ended; other threads may have logged after it."""
        lines = self.log.read_text().splitlines()
        said = (line.partition("analytics ends: ") for line in reversed(lines))
        return next("".join(parts[1:]) for parts in said if parts[1])

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        self._http.close()
        if self.is_running():
            self.kill()

    def query(self, sql: str, **more: Any) -> httpx.Response:
        return self._http.post("/query", json={"sql": sql, **more})

    def value(self, sql: str) -> Any:
        answer = self.query(sql)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"][0][0]


def committed(client: redis.Redis, stream: str) -> bool:
    """Whether analytics has told trimming that it has read all of a stream."""
    last: Any = client.xinfo_stream(stream)
    mark: Any = client.hget(low_water_key(stream), "analytics")
    return bool(mark == last["last-generated-id"])
