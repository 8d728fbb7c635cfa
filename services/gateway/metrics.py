"""What the gateway tells Prometheus. Names and labels are those of the other services where the thing is the same.

Flows in: counts. Flows out: /metrics. Never read by a decision.
"""

from __future__ import annotations

import math
from typing import Final

from fillstream.libs.common.messages.stages import DOORS
from fillstream.libs.common.runtime.metrics import ProcessMetrics

STAGE: Final = DOORS["gateway"].name
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class GatewayMetrics(ProcessMetrics):
    """The metrics of the gateway, in a registry of their own."""

    def __init__(self) -> None:
        super().__init__(STAGE, 0, waits=False)
        self.lag.set(math.nan)  # it commits nothing: how far it is behind, it says in seconds
        self._requests = self.counter("http_requests_total", "Requests, by method and status.", "method", "status")
        self._seconds = self.histogram("http_request_seconds", "A request, waiting for its outcome included.", SECONDS)
        self.readers = self.gauge("stream_readers", "Open WebSocket and SSE connections.").labels(**self.labels)
        self._behind = self.gauge("behind_seconds", "How old what it shows is: log time that it has not read.").labels(
            **self.labels
        )
        self._slow = self.counter("stream_conflated_total", "Rows that a slow reader was told only the latest of.")

    def is_at(self, *, is_live: bool, behind_s: float) -> None:
        """Tell whether it reads, and how old what it shows is (seconds)."""
        self.live.set(is_live)
        self._behind.set(behind_s)

    def requested(self, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(**self.labels, method=method, status=str(status)).inc()
        self._seconds.labels(**self.labels).observe(seconds)

    def conflated(self, rows: int) -> None:
        """Count what a slow reader was not told."""
        self._slow.labels(**self.labels).inc(rows)
