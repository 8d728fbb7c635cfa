"""Where a local stack listens, and what a running one told about itself.

Flows in: a data directory. Flows out: ports, and the stack's own file. Never starts, stops or asks anything.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import orjson

from fillstream.libs.common.messages.stages import DESK_PATH, DOORS, PROGRAMS, READERS

BASE_PORT = PROGRAMS[0].port
"""The first program of the map here, then the others in its order; further partitions after those."""
REDIS_PORT = 6379
GATEWAY_PORT = DOORS["gateway"].port
ANALYTICS = READERS["analytics"].name
ANALYTICS_PORT = READERS["analytics"].port
DATA_DIR_VARIABLE = "FILLSTREAM_DATABASE__DATA_DIR"
"""By which every process of a stack, and whoever asks it, is told where its data is."""
WITHOUT_KEY_VARIABLE = "FILLSTREAM_GATEWAY__WITHOUT_KEY"
"""By which a gateway is told to ask for no key."""


def state_file(data_dir: Path) -> Path:
    """Return the file in which the stack on `data_dir` tells where everything listens."""
    return data_dir / "stack.json"


def lock_file(data_dir: Path) -> Path:
    """Return the file that the stack on `data_dir` holds a lock on."""
    return data_dir / "stack.lock"


def desk_url(gateway: str) -> str:
    """Return where the web desk of a gateway is."""
    return f"{gateway}{DESK_PATH}/"


def running_stack(data_dir: Path) -> dict[str, Any] | None:
    """Return what the stack on `data_dir` told about itself (pid, redis_url, services), None when none runs."""
    try:
        with lock_file(data_dir).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return cast(dict[str, Any], orjson.loads(state_file(data_dir).read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None  # there was never one, or it is just starting
    return None


def safe_url(url: str) -> str:
    """Return a URL without its password, wherever redis-py takes one from: before the host, or behind the `?`."""
    parts = urlsplit(url)
    asked = [f"{name}=***" if name == "password" else f"{name}={value}" for name, value in parse_qsl(parts.query)]
    place = parts.netloc
    if parts.password is not None:
        place = f"{parts.username or ''}:***@{place.rpartition('@')[2]}"
    return parts._replace(netloc=place, query="&".join(asked)).geturl()
