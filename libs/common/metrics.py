"""What a stage tells Prometheus. One registry a process; every name starts with `fillstream_`.

Flows in: counts from the worker, after each commit. Flows out: /metrics. Never read by a decision.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fillstream.libs.common.process import RESTARTS_VARIABLE

"""Set by the supervisor: how often it has started this service again."""
COMMIT_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
FOLD_BUCKETS = (2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
LATENCY_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LABEL_OF_FAMILY = {"orders": "state", "rejects": "reason", "positions": "state", "signals": "outcome"}


class StageMetrics(Collector):
    """The metrics of one stage partition.

    Args:
        stage: label on every metric.
        partition: likewise.
    """

    def __init__(self, stage: str, partition: int) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"stage": stage, "partition": str(partition)}
        names = list(self._labels)

        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(f"fillstream_{name}", text, [*names, *more], registry=self.registry)

        def gauge(name: str, text: str) -> Gauge:
            made = Gauge(f"fillstream_{name}", text, names, registry=self.registry)
            return made.labels(**self._labels)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            made = Histogram(f"fillstream_{name}", text, names, registry=self.registry, buckets=buckets)
            return made.labels(**self._labels)

        self.entries_in = counter("entries_in_total", "Inbox entries committed.").labels(**self._labels)
        self._entries_out = counter("entries_out_total", "Payloads appended, by stream.", "stream")
        self._dead = counter("dead_letters_total", "Entries sent to `dead`, by reason.", "reason")
        self.batch = histogram("batch_entries", "Entries in a batch.", BATCH_BUCKETS)
        self.commit = histogram("commit_seconds", "One atomic commit, from question to answer.", COMMIT_BUCKETS)
        self.fold = histogram("fold_seconds", "Fold time of an entry, mean of its batch.", FOLD_BUCKETS)
        self.latency = histogram("order_latency_seconds", "Log time from a signal to its fill.", LATENCY_BUCKETS)
        self.lag = gauge("lag_entries", "Inbox entries appended but not committed.")
        self.pending = gauge("pending_entries", "Inbox entries delivered but not acknowledged.")
        self.downstream_lag = gauge("downstream_lag_entries", "The largest lag of the stages this one feeds.")
        self.paused = gauge("reader_paused", "1 while reading waits for the downstream or the snapshot writer.")
        self.snapshot_age = gauge("snapshot_age_seconds", "Time since the newest durable snapshot.")
        self.snapshot_errors = counter("snapshot_errors_total", "Snapshots that could not be written.").labels(
            **self._labels
        )
        self.replayed = gauge("replayed_entries", "Entries folded again at the last start.")
        self.recovery_seconds = gauge("recovery_seconds", "How long the last start took to rebuild the state.")
        self.live = gauge("live", "1 once recovered and consuming.")
        self.restarts = gauge("restarts", "How often the supervisor has started this service again.")
        self.restarts.set(int(os.environ.get(RESTARTS_VARIABLE, "0")))
        self._state: Mapping[str, Mapping[str, int]] = {}
        self.registry.register(self)

    def entries_out(self, stream: str, count: int) -> None:
        """Count payloads appended to a stream."""
        self._entries_out.labels(**self._labels, stream=stream).inc(count)

    def dead(self, reason: str) -> None:
        """Count one dead letter."""
        self._dead.labels(**self._labels, reason=reason).inc()

    def state(self, gauges: Mapping[str, Mapping[str, int]]) -> None:
        """Take over the stage's own counts, copied by the thread that owns the state."""
        self._state = {family: dict(values) for family, values in gauges.items()}

    def collect(self) -> Iterable[Metric]:
        """Yield the stage's own counts: orders by state, rejects by reason, and so on."""
        for family, values in self._state.items():
            label = LABEL_OF_FAMILY.get(family, "kind")
            metric = GaugeMetricFamily(
                f"fillstream_{family}", f"{family.capitalize()} by {label}.", labels=[*self._labels, label]
            )
            for value, count in values.items():
                metric.add_metric([*self._labels.values(), value], count)
            yield metric
