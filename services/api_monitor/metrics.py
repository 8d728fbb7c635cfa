"""What the API monitor tells Prometheus. Names and labels are those of the other services where the thing is the same.

Flows in: counts from polls. Flows out: /metrics. Never read by a decision.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from fillstream.libs.common.messages.stages import SOURCES
from fillstream.libs.common.runtime.metrics import ProcessMetrics

STAGE = SOURCES["api-monitor"].name
POLL_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
OUTCOMES = (
    "ok", "timeout", "unreachable", "unreadable", "unsendable", "status", "redirect", "too_large", "bad_answer",
    "redis",
)  # fmt: skip
ITEMS = ("published", "duplicate", "below_threshold", "refused")


class MonitorMetrics(ProcessMetrics):
    """The metrics of the API monitor, in a registry of their own.

    Args:
        sources: their names: each has all its series from the start.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        super().__init__(STAGE, 0, waits=False)
        self._polls = self.counter(
            "api_polls_total", "Polls of a prediction API, by how they ended.", "source", "outcome"
        )
        self._items = self.counter(
            "api_items_total", "Items of its answers, by what became of them.", "source", "outcome"
        )
        self._seconds = self.histogram("api_poll_seconds", "One poll, its retries included.", POLL_BUCKETS, "source")
        self._good = self.gauge(
            "api_last_good_poll_timestamp_seconds", "When it last answered well, since 1970; 0: never.", "source"
        )
        for source in sources:
            self._good.labels(**self.labels, source=source)
            self._seconds.labels(**self.labels, source=source)
            for outcome in OUTCOMES:
                self._polls.labels(**self.labels, source=source, outcome=outcome)
            for outcome in ITEMS:
                self._items.labels(**self.labels, source=source, outcome=outcome)

    def polled(self, source: str, outcome: str, seconds: float) -> None:
        """Count a poll."""
        self._polls.labels(**self.labels, source=source, outcome=outcome).inc()
        self._seconds.labels(**self.labels, source=source).observe(seconds)
        if outcome == "ok":
            self._good.labels(**self.labels, source=source).set(time.time())

    def read(self, source: str, counts: Mapping[str, int]) -> None:
        """Count the items of an answer."""
        for outcome, count in counts.items():
            self._items.labels(**self.labels, source=source, outcome=outcome).inc(count)
