"""What analytics tells Prometheus. Names and labels are those of the stages where the thing is the same.

Flows in: counts from the reader, the writer and the queries. Flows out: /metrics. Never read by a decision.
"""

from __future__ import annotations

import time

from fillstream.libs.common.messages.stages import READERS
from fillstream.libs.common.runtime.metrics import COMMIT_BUCKETS, ProcessMetrics

STAGE = READERS["analytics"].name
PARTITION = 0
ROW_BUCKETS = (1, 10, 100, 1_000, 5_000, 10_000, 50_000, 100_000)
QUERY_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10)


class AnalyticsMetrics(ProcessMetrics):
    """The metrics of the analytics process, in a registry of their own."""

    def __init__(self) -> None:
        super().__init__(STAGE, PARTITION, waits=True)
        self._committed_at = time.monotonic()
        self._rows = self.counter("rows_written_total", "Rows committed, by table.", "table")
        self._undecodable = self.counter("undecodable_total", "Entries kept as undecodable, by reason.", "reason")
        self._skipped = self.counter("skipped_entries_total", "Entries trimmed before they were read.", "stream")
        self._stream_lag = self.gauge(
            "stream_lag_entries", "Entries appended but not committed, by stream, lossy ones too.", "stream"
        )
        self._queries = self.histogram("query_seconds", "Time of a query, by outcome.", QUERY_BUCKETS, "outcome")
        self._entries = self.histogram("transaction_entries", "Entries in a DuckDB transaction.", ROW_BUCKETS).labels(
            **self.labels
        )
        self.commit = self.histogram("transaction_seconds", "One DuckDB transaction.", COMMIT_BUCKETS).labels(
            **self.labels
        )
        self.decode = self.histogram(
            "decode_seconds", "Decoding the entries of one transaction.", COMMIT_BUCKETS
        ).labels(**self.labels)
        self.durable = self.histogram(
            "durability_wait_seconds", "Waiting for Redis to be durable.", COMMIT_BUCKETS
        ).labels(**self.labels)
        self.waiting = self.gauge("waiting_entries", "Entries read that wait for the writer.").labels(**self.labels)
        self.gauge("transaction_age_seconds", "Time since the last DuckDB transaction, or since the start.").labels(
            **self.labels
        ).set_function(lambda: self.commit_age_s)

    @property
    def commit_age_s(self) -> float:
        """Seconds since the last commit, or since the start."""
        return time.monotonic() - self._committed_at

    def committed(self, entries: dict[str, int], rows: dict[str, int], reasons: list[str]) -> None:
        """Count one commit: entries by stream, rows by table, the reasons of what was undecodable."""
        self._committed_at = time.monotonic()
        self._entries.observe(sum(entries.values()))
        for stream, count in entries.items():
            self.entries_in(stream, count)
        for table, count in rows.items():
            self._rows.labels(**self.labels, table=table).inc(count)
        for reason in reasons:
            self._undecodable.labels(**self.labels, reason=reason).inc()

    def skipped(self, stream: str, count: int) -> None:
        """Count entries that were trimmed before they were read."""
        self._skipped.labels(**self.labels, stream=stream).inc(count)

    def stream_lag(self, stream: str, entries: int) -> None:
        """Set how far behind a stream's end the last commit is."""
        self._stream_lag.labels(**self.labels, stream=stream).set(entries)

    def queried(self, outcome: str, seconds: float) -> None:
        """Count one query."""
        self._queries.labels(**self.labels, outcome=outcome).observe(seconds)
