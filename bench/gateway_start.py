"""How long a gateway takes to start without a snapshot: the whole process, from exec until /ready says so.

Its log is a journal of orders made for it, beside the desk's own streams under another prefix. The figure has Python's
start and the imports in it, as a pod's start has.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.settings import default_path

PREFIX: Final = "bench.start."
AT_ONCE: Final = 2_000
LIMIT_S: Final = 1_800.0


def write(server: redis.Redis, documents: Iterable[Mapping[bytes, bytes]], most: int) -> int:
    """Append so many entries to a journal of its own, and return how many there are."""
    key, written = Topology(prefix=PREFIX).events(0), 0
    server.delete(key)
    pipe = server.pipeline(transaction=False)
    for fields in documents:
        pipe.xadd(key, dict(fields))  # type: ignore[arg-type]
        written += 1
        if written % AT_ONCE == 0:
            pipe.execute()
        if written == most:
            break
    pipe.execute()
    return written


def run(url: str, documents: Iterable[Mapping[bytes, bytes]], most: int) -> dict[str, Any]:
    """Return how long a start takes (seconds; of CPU, too), of how many events, and what the process holds (MB)."""
    server = redis.Redis.from_url(url)
    events = write(server, documents, most)
    try:
        with tempfile.TemporaryDirectory(prefix="fillstream-bench-") as folder:
            seconds, spent, resident = _started(url, Path(folder))
    finally:
        server.delete(Topology(prefix=PREFIX).events(0))
    return {
        "events": events,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent, 1),
        "resident_mb": round(resident / 1e6),
    }


def _started(url: str, folder: Path) -> tuple[float, float, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ, "REDIS_URL": url, "CONFIG_PATH": str(default_path()),
        "FILLSTREAM_MESSAGING__TOPIC_PREFIX": PREFIX, "FILLSTREAM_GATEWAY__WITHOUT_KEY": "true",
        "FILLSTREAM_SERVICE__HOST": "127.0.0.1", "FILLSTREAM_SERVICE__PORT": str(port),
        "FILLSTREAM_DATABASE__DATA_DIR": str(folder),
    }  # fmt: skip
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-P", "-m", "fillstream.services.gateway"], env=environment)
    try:
        while not _is_ready(port):
            assert process.poll() is None, f"the gateway ended with {process.returncode}"
            assert time.perf_counter() - began < LIMIT_S, "the gateway is not ready"
            time.sleep(0.05)
        took = time.perf_counter() - began
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    finally:
        process.terminate()
        process.wait(60)
    spent = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return took, spent, pages * os.sysconf("SC_PAGE_SIZE")


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
