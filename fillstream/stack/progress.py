"""Whether a desk that is starting goes on: a server that loads its log, stages that read and fold.

Flows in: what each service answers to /ready, and the server to INFO. Flows out: a sentence, and whether anything moved
since the last look. Never decides how long to wait.
"""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

import redis

from fillstream.libs.common.runtime.log import connect
from fillstream.stack.supervisor import Supervised

PROGRESS_S = 1.0
"""How often to look."""
MOST_RESTARTS = 3
"""What crashes more often than this while it is waited for does not go on, whatever it says meanwhile."""
MAX_TEXT_BYTES = 500


class StackProgress:
    """What was seen of a desk that is starting.

    Args:
        redis_url: its server.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._seen: dict[str, str] = {}
        self._restarts: dict[str, int] = {}
        self.text = ""

    def went_on(self, waiting: Sequence[Supervised]) -> bool:
        """Look again; say whether anything moved.

        Args:
            waiting: the processes that are not ready.
        """
        loading = self._loading()
        told = {"Redis": loading} if loading else {}
        steady = set(told)
        for each in waiting:
            name = each.spec.name
            if each.restarts - self._restarts.setdefault(name, each.restarts) <= MOST_RESTARTS:
                steady.add(name)
            text = answer(each)[1]
            if text and not loading:
                told[name] = text
        moved = any(self._seen.get(name) not in (None, text) for name, text in told.items() if name in steady)
        self._seen |= told
        self.text = "; ".join(f"{name}: {text}" for name, text in told.items()) or "starting"
        return moved

    def _loading(self) -> str:
        """Return how far the server is with loading its log; empty when it is not loading, or not there."""
        with suppress(redis.exceptions.RedisError), connect(self._redis_url) as client:
            info: dict[str, Any] = client.info("persistence")
            if info.get("loading"):
                return f"loading its log, {info['loading_loaded_bytes']} of {info['loading_total_bytes']} bytes"
        return ""


def is_ready(each: Supervised) -> bool:
    """Say whether a process runs and, where it serves HTTP, is ready."""
    return each.state == "running" and (each.spec.port is None or answer(each)[0] == http.HTTPStatus.OK)


def answer(each: Supervised) -> tuple[int, str]:
    """Return what a process answers to /ready: status and text; 0 and nothing when it does not answer."""
    if each.state != "running" or each.spec.port is None:
        return 0, ""
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection("127.0.0.1", each.spec.port, timeout=2)) as connection,
    ):
        connection.request("GET", "/ready")
        response = connection.getresponse()
        return response.status, response.read(MAX_TEXT_BYTES).decode(errors="replace").strip()
    return 0, ""
