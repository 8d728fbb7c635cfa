"""What a process tells Prometheus. One registry a process; every name of ours starts with `fillstream_`.

Flows in: counts from the worker, after each commit, and from the thread that keeps the streams short. Flows out:
/metrics. Never read by a decision.

A family has one meaning wherever it is exposed, and a process exposes what it measures: a stage that feeds nobody has
no lag downstream. What only grows is a counter and ends with `_total`, also where the number comes from the state.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from fillstream.libs.common.messages.stages import label_of
from fillstream.libs.common.runtime.claims import Kept
from fillstream.libs.common.runtime.exit_codes import RESTARTS_VARIABLE
from fillstream.libs.common.runtime.stage import Family, Latencies, Stage, latencies_of

COMMIT_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
FOLD_BUCKETS = (2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
PAUSE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LATENCY_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LIFE_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3_600, 4 * 3_600, 86_400, 7 * 86_400)

# When a series was made would be a second one beside every counter and histogram; process_start_time_seconds says it.
disable_created_metrics()  # type: ignore[no-untyped-call]


def build_info() -> dict[str, str]:
    """Return what was built: the package's version, and the Python that runs it."""
    try:
        ours = version("fillstream")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        ours = "unknown"
    return {"version": ours, "python": platform.python_version(), "implementation": platform.python_implementation()}


class _Build(Collector):
    """`fillstream_build_info`, always 1."""

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("fillstream_build", "Always 1: which version runs here, on which Python.", build_info())


class ProcessMetrics:
    """What every process of ours measures, in a registry of its own.

    Args:
        stage: label on every metric.
        partition: likewise.
        waits: whether it stops reading while something behind it is full.
    """

    def __init__(self, stage: str, partition: int, waits: bool) -> None:
        self.registry = CollectorRegistry()
        self.labels = {"stage": stage, "partition": str(partition)}
        ProcessCollector(registry=self.registry)
        self.registry.register(_Build())
        self._entries_in = self.counter("entries_in_total", "Entries committed, by the stream they came in.", "stream")
        self.live = self.gauge("live", "1 once recovered and consuming.").labels(**self.labels)
        self.lag = self.gauge(
            "lag_entries", "Entries appended to what it reads, lossy streams aside, but not committed."
        ).labels(**self.labels)
        self._paused = (
            self.gauge("reader_paused", "1 while reading waits for what stands behind it.") if waits else None
        )
        self.paused(False)
        if RESTARTS_VARIABLE in os.environ:
            restarts = self.counter("restarts_total", "How often the supervisor has started this service again.")
            restarts.labels(**self.labels).inc(int(os.environ[RESTARTS_VARIABLE]))

    def entries_in(self, stream: str, count: int) -> None:
        """Count committed entries of a stream."""
        self._entries_in.labels(**self.labels, stream=stream).inc(count)

    def paused(self, held: bool) -> None:
        """Tell whether reading waits; never called with True where it cannot."""
        if self._paused is not None:
            self._paused.labels(**self.labels).set(held)

    def counter(self, name: str, text: str, *more: str) -> Counter:
        """Return a counter whose labels are the common ones and `more`."""
        return Counter(f"fillstream_{name}", text, [*self.labels, *more], registry=self.registry)

    def gauge(self, name: str, text: str, *more: str) -> Gauge:
        """Return a gauge whose labels are the common ones and `more`."""
        return Gauge(f"fillstream_{name}", text, [*self.labels, *more], registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *more: str) -> Histogram:
        """Return a histogram whose labels are the common ones and `more`."""
        return Histogram(f"fillstream_{name}", text, [*self.labels, *more], registry=self.registry, buckets=buckets)


class _Streams(Collector):
    """What the streams that a stage trims keep, replaced as a whole: readers come and go."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._found: tuple[Sequence[Kept], Mapping[str, int], int] = ((), {}, 0)

    def take(self, kept: Sequence[Kept], sizes: Mapping[str, int], now_ms: int) -> None:
        self._found = kept, sizes, now_ms

    def collect(self) -> Iterable[Metric]:
        kept, sizes, now_ms = self._found
        values = list(self._labels.values())
        bytes_ = self._gauge("stream_bytes", "Memory of a stream, from a sample of it.")
        age = self._gauge("stream_kept_seconds", "Age of a stream's oldest entry: how much is kept of the retention.")
        held = self._gauge(
            "stream_held_seconds",
            "Log time at a stream's end that a reader has yet to let go: nothing of it is trimmed.",
            "reader",
        )
        lapsed = self._gauge(
            "stream_claim_lapsed", "1 while a reader that was away too long holds a stream no more.", "reader"
        )
        for each in kept:
            bytes_.add_metric([*values, each.stream], sizes[each.stream])
            age.add_metric([*values, each.stream], max(0, now_ms - each.first_ms) / 1000)
            for reader, held_ms in each.held_ms.items():
                held.add_metric([*values, each.stream, reader], held_ms / 1000)
            for reader in each.lapsed:
                lapsed.add_metric([*values, each.stream, reader], 1)
        return bytes_, age, held, lapsed

    def describe(self) -> Iterable[Metric]:
        return self.collect()

    def _gauge(self, name: str, text: str, *more: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"fillstream_{name}", text, labels=[*self._labels, "stream", *more])


class StageMetrics(ProcessMetrics, Collector):
    """The metrics of one stage partition.

    Args:
        stage: whose; its `families` and whether it measures latencies decide what there is.
        feeds: whether it has stages downstream.
        times_orders: whether how long orders take is told, of a stage that measures it.
    """

    def __init__(self, stage: Stage, feeds: bool, times_orders: bool = True) -> None:
        super().__init__(label_of(stage.name, stage.inbox), stage.partition, waits=feeds)
        self._entries_out = self.counter("entries_out_total", "Payloads appended, by stream.", "stream")
        self._dead = self.counter("dead_letters_total", "Entries sent to `dead`, by reason.", "reason")
        self.batch = self.histogram("batch_entries", "Entries in a batch, committed at once.", BATCH_BUCKETS).labels(
            **self.labels
        )
        self.commit = self.histogram(
            "commit_seconds", "One atomic commit, from question to answer.", COMMIT_BUCKETS
        ).labels(**self.labels)
        self.fold = self.histogram("fold_seconds", "Fold time of an entry, mean of its batch.", FOLD_BUCKETS).labels(
            **self.labels
        )
        self._latencies = self._orders() if times_orders and latencies_of(stage) is not None else {}
        self._downstream_lag = (
            self.gauge("downstream_lag_entries", "The largest lag of the stages this one feeds.") if feeds else None
        )
        self.snapshot_age = self.gauge(
            "snapshot_age_seconds", "Time since this process wrote a durable snapshot, or since its start."
        ).labels(**self.labels)
        self.snapshot_behind = self.gauge(
            "snapshot_behind_entries", "Entries committed since the newest durable snapshot: a start folds them again."
        ).labels(**self.labels)
        self.copy_age = self.gauge(
            "snapshot_copy_age_seconds",
            "Time since this process copied a snapshot off its volume and read it back, or since its start.",
        ).labels(**self.labels)
        self.snapshot_pause = self.histogram(
            "snapshot_pause_seconds", "How long folding stood still for a snapshot.", PAUSE_BUCKETS
        ).labels(**self.labels)
        self.snapshot_errors = self.counter("snapshot_errors_total", "Snapshots that could not be written.").labels(
            **self.labels
        )
        self.reconnects = self.counter(
            "reconnects_total", "Times that a lost connection to Redis was made again with nothing under way."
        ).labels(**self.labels)
        self.replayed = self.gauge("replayed_entries", "Entries folded again at the last start.").labels(**self.labels)
        self.recovery_seconds = self.gauge(
            "recovery_seconds", "How long the last start took to rebuild the state."
        ).labels(**self.labels)
        self._trimmed = self.counter(
            "trimmed_entries_total", "Entries that nobody needed any more and that went, by stream.", "stream"
        )
        self._streams = _Streams(self.labels)
        self.registry.register(self._streams)
        self._families: tuple[Family, ...] = stage.families
        self._state: Mapping[str, Mapping[str, int]] = {}
        self.registry.register(self)

    def entries_out(self, stream: str, count: int) -> None:
        """Count payloads appended to a stream."""
        self._entries_out.labels(**self.labels, stream=stream).inc(count)

    def dead(self, reason: str) -> None:
        """Count one dead letter."""
        self._dead.labels(**self.labels, reason=reason).inc()

    def _orders(self) -> dict[str, Histogram]:
        """Return the histograms of how long orders take, by the names of `Latencies`."""
        told = "Log time from an order's signal to"
        return {
            "acknowledged": self.histogram(
                "order_acknowledged_seconds", f"{told} the venue's acknowledgement.", LATENCY_BUCKETS
            ),
            "first_filled": self.histogram(
                "order_first_fill_seconds", f"{told} its first fill, where it traded as it came.", LATENCY_BUCKETS
            ),
            "ended": self.histogram("order_ended_seconds", f"{told} its end, resting included.", LIFE_BUCKETS),
        }

    def filled_after(self, latencies_ms: Latencies) -> None:
        """Take note of how long orders took, where that is told."""
        for name, histogram in self._latencies.items():
            observed = histogram.labels(**self.labels)
            for milliseconds in getattr(latencies_ms, name):
                observed.observe(milliseconds / 1000)

    def downstream_lag(self, entries: int) -> None:
        """Tell the largest lag of the stages this one feeds; nothing where it feeds none."""
        if self._downstream_lag is not None:
            self._downstream_lag.labels(**self.labels).set(entries)

    def trimmed(self, stream: str, entries: int) -> None:
        """See `trim.Watched`."""
        self._trimmed.labels(**self.labels, stream=stream).inc(entries)

    def streams(self, kept: Sequence[Kept], sizes: Mapping[str, int], now_ms: int) -> None:
        """See `trim.Watched`."""
        self._streams.take(kept, sizes, now_ms)

    def state(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Take over the stage's own counts, copied by the thread that owns the state."""
        self._state = {family: dict(values) for family, values in counts.items()}

    def describe(self) -> Iterable[Metric]:
        """Yield the stage's families without values: the registry refuses a name that is taken."""
        for family in self._families:
            yield self._metric(family)

    def collect(self) -> Iterable[Metric]:
        """Yield the stage's own counts: orders by status, rejects by reason, and so on."""
        state = self._state
        for family in self._families:
            metric = self._metric(family)
            for value, count in state.get(family.name, {}).items():
                metric.add_metric([*self.labels.values(), *([value] if family.label else [])], count)
            yield metric

    def _metric(self, family: Family) -> CounterMetricFamily | GaugeMetricFamily:
        kind = CounterMetricFamily if family.only_grows else GaugeMetricFamily
        labels = [*self.labels, *([family.label] if family.label else [])]
        return kind(f"fillstream_{family.name}", family.text, labels=labels)
