"""The page about the API monitor says what there is."""

from __future__ import annotations

import re

import yaml

from fillstream.libs.common.process.settings.api_monitor import FIELDS, ApiMonitor, ApiSource
from fillstream.services.api_monitor.metrics import ITEMS, OUTCOMES, MonitorMetrics
from tests.support.tree import ROOT

PAGE = (ROOT / "docs/api-monitor.md").read_text()


def test_its_configuration_is_one() -> None:
    [text] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    monitor = ApiMonitor.model_validate(yaml.safe_load(text)["api_monitor"])
    assert monitor.sources["options-flow"].identity == ("id",)
    missing = [
        name for name in ApiSource.model_fields if name not in PAGE and name not in ("method", "body", "strategy")
    ]
    assert not missing


def test_it_names_every_field_outcome_and_metric() -> None:
    words = set(re.findall(r"\w+", PAGE))
    assert words >= {*FIELDS, *OUTCOMES, *ITEMS}
    told = {
        family.name for family in MonitorMetrics(["a"]).registry.collect() if family.name.startswith("fillstream_api")
    }
    assert {re.sub("_total$", "", name) for name in re.findall(r"fillstream_api_\w+", PAGE)} == told
