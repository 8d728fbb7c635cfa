"""What analytics tells Prometheus. Names and labels are those of the stages where the thing is the same.

Flows in: counts from the reader, the writer and the queries. Flows out: /metrics. Never read by a decision.
"""

from __future__ import annotations

import os
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fillstream.libs.common.metrics import COMMIT_BUCKETS
from fillstream.libs.common.process import RESTARTS_VARIABLE

STAGE = "analytics"
PARTITION = 0
ROW_BUCKETS = (1, 10, 100, 1_000, 5_000, 10_000, 50_000, 100_000)
QUERY_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10)


class AnalyticsMetrics:
    """The metrics of the analytics process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"stage": STAGE, "partition": str(PARTITION)}
        self._committed_at = 0.0
        self._entries_in = self._counter("entries_in_total", "Entries committed, by stream.", "stream")
        self._rows = self._counter("rows_written_total", "Rows committed, by table.", "table")
        self._undecodable = self._counter("undecodable_total", "Entries kept as undecodable, by reason.", "reason")
        self._skipped = self._counter("skipped_entries_total", "Entries trimmed before they were read.", "stream")
        self._stream_lag = Gauge(
            "fillstream_stream_lag_entries",
            "Entries appended but not committed, by stream.",
            [*self._labels, "stream"],
            registry=self.registry,
        )
        self._queries = Histogram(
            "fillstream_query_seconds",
            "Time of a query, by outcome.",
            [*self._labels, "outcome"],
            registry=self.registry,
            buckets=QUERY_BUCKETS,
        )
        self.batch = self._histogram("batch_entries", "Entries in a commit.", ROW_BUCKETS)
        self.commit = self._histogram("commit_seconds", "One DuckDB transaction.", COMMIT_BUCKETS)
        self.decode = self._histogram("decode_seconds", "Decoding the entries of one commit.", COMMIT_BUCKETS)
        self.durable = self._histogram("durability_wait_seconds", "Waiting for Redis to be durable.", COMMIT_BUCKETS)
        self.lag = self._gauge("lag_entries", "Entries appended but not committed; lossy streams do not count.")
        self.pending = self._gauge("pending_entries", "Entries read that wait for the writer.")
        self.paused = self._gauge("reader_paused", "1 while reading waits for the writer.")
        self.live = self._gauge("live", "1 once recovered and consuming.")
        self._gauge("restarts", "How often the supervisor has started this service again.").set(
            int(os.environ.get(RESTARTS_VARIABLE, "0"))
        )
        self._gauge("commit_age_seconds", "Time since the last commit, -1 before the first.").set_function(
            lambda: self.commit_age_s
        )

    @property
    def commit_age_s(self) -> float:
        """Seconds since the last commit, -1 before the first."""
        return time.monotonic() - self._committed_at if self._committed_at else -1.0

    def committed(self, entries: dict[str, int], rows: dict[str, int], reasons: list[str]) -> None:
        """Count one commit: entries by stream, rows by table, the reasons of what was undecodable."""
        self._committed_at = time.monotonic()
        self.batch.observe(sum(entries.values()))
        for stream, count in entries.items():
            self._entries_in.labels(**self._labels, stream=stream).inc(count)
        for table, count in rows.items():
            self._rows.labels(**self._labels, table=table).inc(count)
        for reason in reasons:
            self._undecodable.labels(**self._labels, reason=reason).inc()

    def skipped(self, stream: str, count: int) -> None:
        """Count entries that were trimmed before they were read."""
        self._skipped.labels(**self._labels, stream=stream).inc(count)

    def stream_lag(self, stream: str, entries: int) -> None:
        """Set how far behind a stream's end the last commit is."""
        self._stream_lag.labels(**self._labels, stream=stream).set(entries)

    def queried(self, outcome: str, seconds: float) -> None:
        """Count one query."""
        self._queries.labels(**self._labels, outcome=outcome).observe(seconds)

    def _counter(self, name: str, text: str, label: str) -> Counter:
        return Counter(f"fillstream_{name}", text, [*self._labels, label], registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        made = Gauge(f"fillstream_{name}", text, list(self._labels), registry=self.registry)
        return made.labels(**self._labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        made = Histogram(f"fillstream_{name}", text, list(self._labels), registry=self.registry, buckets=buckets)
        return made.labels(**self._labels)
