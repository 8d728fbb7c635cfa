"""What a process exposes at /metrics, parsed, and what must hold of it anywhere."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from fillstream.libs.common.messages.stages import STAGES
from fillstream.libs.common.process.settings import load_settings
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.services.analytics.metrics import AnalyticsMetrics
from fillstream.services.gateway.metrics import GatewayMetrics
from fillstream.tools.registry import fresh_stage
from tests.support.tree import ROOT


def parsed(text: str) -> dict[str, Metric]:
    """Return the families of a page by the name after TYPE, `_total` included; a name twice fails."""
    families: dict[str, Metric] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert name not in families, f"{name} is exposed twice"
        families[name] = family
    return families


def page(registry: CollectorRegistry) -> dict[str, Metric]:
    """Return what a registry exposes."""
    return parsed(generate_latest(registry).decode())


def registries() -> dict[str, CollectorRegistry]:
    """Return the registry of every stage and of analytics, as their processes make them."""
    settings = load_settings(ROOT / "config" / "local.yaml")
    made = {
        name: StageMetrics(fresh_stage(settings, name, 0), feeds=bool(spec.feeds)).registry
        for name, spec in STAGES.items()
    }
    made["analytics"] = AnalyticsMetrics().registry
    made["gateway"] = GatewayMetrics().registry
    return made


def ours(families: Iterable[str]) -> set[str]:
    """Return the names that are not the client library's."""
    return {name for name in families if name.startswith("fillstream_")}
