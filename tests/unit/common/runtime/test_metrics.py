"""What every process exposes: one family, one meaning; what only grows is a counter; what does not apply is absent."""

from __future__ import annotations

import platform
from importlib.metadata import version

import pytest
from prometheus_client.metrics_core import Metric

from fillstream.libs.common.messages.stages import PROGRAMS
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.metrics import RESTARTS_VARIABLE, StageMetrics
from fillstream.libs.common.runtime.stage import Family
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.stage import OrdersStage
from tests.support.adder import Adder
from tests.support.exposed import ours, page, registries

ROLE_NAMES = tuple(each.name for each in PROGRAMS)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Metric]]:
    monkeypatch.setenv(RESTARTS_VARIABLE, "2")
    return {name: page(registry) for name, registry in registries().items()}


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_every_family_says_what_it_is(pages: dict[str, dict[str, Metric]], role: str) -> None:
    for name, family in pages[role].items():
        assert family.documentation.strip(), name
        if name.startswith("fillstream_"):
            assert family.documentation.endswith("."), name


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_name_ends_with_total_exactly_when_it_is_a_counter(pages: dict[str, dict[str, Metric]], role: str) -> None:
    for name in ours(pages[role]):
        assert name.endswith("_total") == (pages[role][name].type == "counter"), name


def test_a_family_means_the_same_wherever_it_is(pages: dict[str, dict[str, Metric]]) -> None:
    meaning: dict[str, tuple[str, str]] = {}
    labels: dict[str, set[str]] = {}
    for families in pages.values():
        for name in ours(families):
            family = families[name]
            assert meaning.setdefault(name, (family.type, family.documentation)) == (family.type, family.documentation)
            for sample in family.samples:
                found = set(sample.labels) - {"le"}
                assert labels.setdefault(name, found) == found, name


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_the_process_and_its_build_are_there(pages: dict[str, dict[str, Metric]], role: str) -> None:
    (build,) = pages[role]["fillstream_build_info"].samples
    assert build.value == 1
    assert (build.labels["version"], build.labels["python"]) == (version("fillstream"), platform.python_version())
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"):
        assert pages[role][name].samples[0].value > 0


def test_what_does_not_apply_is_not_exposed(pages: dict[str, dict[str, Metric]]) -> None:
    only = {
        "fillstream_order_acknowledged_seconds": {"orders"},
        "fillstream_order_first_fill_seconds": {"orders"},
        "fillstream_order_ended_seconds": {"orders"},
        "fillstream_downstream_lag_entries": {"signals", "orders"},
        "fillstream_reader_paused": {"signals", "orders", "analytics"},
        "fillstream_rejects_total": {"orders"},
        "fillstream_cancel_rejects_total": {"orders"},
        "fillstream_fills_total": {"orders"},
        "fillstream_position_changes_total": {"positions"},
        "fillstream_resting_orders": {"engine"},
        "fillstream_stream_lag_entries": {"analytics"},
        "fillstream_transaction_seconds": {"analytics"},
        "fillstream_commit_seconds": {"signals", "orders", "engine", "positions"},
    }
    for name, roles in only.items():
        assert {role for role in pages if name in pages[role]} == roles, name


def test_restarts_are_told_where_somebody_counts_them(
    pages: dict[str, dict[str, Metric]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {families["fillstream_restarts_total"].samples[0].value for families in pages.values()} == {2.0}
    monkeypatch.delenv(RESTARTS_VARIABLE)
    assert not any("fillstream_restarts_total" in page(registry) for registry in registries().values())


class Counting(Adder):
    families = (Family("sums", "Sums told.", "kind", only_grows=True), Family("total", "The sum now."))


def test_the_states_own_counts_become_counters_and_gauges() -> None:
    metrics = StageMetrics(Counting(), feeds=False)
    metrics.state({"sums": {"even": 3, "odd": 4}, "total": {"": -5}})
    found = page(metrics.registry)
    where = {"stage": "adder", "partition": "0"}
    assert found["fillstream_sums_total"].type == "counter"
    assert [(s.name, s.labels, s.value) for s in found["fillstream_sums_total"].samples] == [
        ("fillstream_sums_total", {**where, "kind": "even"}, 3),
        ("fillstream_sums_total", {**where, "kind": "odd"}, 4),
    ]
    (total,) = found["fillstream_total"].samples
    assert (found["fillstream_total"].type, total.labels, total.value) == ("gauge", where, -5)


def test_a_family_whose_name_is_taken_is_refused() -> None:
    class Clashing(Adder):
        families = (Family("lag_entries", "Something else."),)

    with pytest.raises(ValueError, match="fillstream_lag_entries"):
        StageMetrics(Clashing(), feeds=False)


def test_how_long_orders_take_is_told_unless_the_settings_say_otherwise() -> None:
    stage = OrdersStage(Topology(), 0, DeskConfig())
    stage.latencies_ms.ended.append(5)
    silent = StageMetrics(stage, feeds=True, times_orders=False)
    silent.filled_after(stage.latencies_ms)
    told = StageMetrics(stage, feeds=True)
    told.filled_after(stage.latencies_ms)
    timed = {name for name in ours(page(told.registry)) if name.startswith("fillstream_order_")}
    assert len(timed) == 3
    assert ours(page(told.registry)) == ours(page(silent.registry)) | timed
    assert not timed & ours(page(silent.registry))
