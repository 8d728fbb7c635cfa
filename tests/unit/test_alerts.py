"""The alarms: every metric they name is exported, and they fire when they should, if promtool is there to say so."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deploy.files import scraped
from tests.support.deploy.units import UNITS, Unit
from tests.support.exposed import ROOT, page, registries

DEPLOY = ROOT / "deploy"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
REDIS_EXPORTER = {"redis_up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_aof_last_write_status"}
"""Of oliver006/redis_exporter, exporter/exporter.go: what these rules use of it."""
PROMETHEUS = {"up"}
STAGE = re.compile(r'\bstage\s*[=!]~?\s*"([^"]*)"')
JOB = re.compile(r'\bjob\s*[=!]~?\s*"([^"]*)"')
METRIC = re.compile(r"\b(?:fillstream_\w+|redis_\w+|process_\w+|up)\b")
MB = 1024 * 1024


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Return every metric of ours and of our processes, with its labels."""
    found: dict[str, set[str]] = {}
    for registry in registries().values():
        for name, family in page(registry).items():
            found.setdefault(name, set()).update(*(sample.labels for sample in family.samples))
            if family.type == "histogram":
                found |= {f"{name}_{part}": found[name] for part in ("bucket", "count", "sum")}
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_metric_of_a_rule_is_exported(rule: dict[str, Any], exported: dict[str, set[str]]) -> None:
    used = {name.removesuffix("_bucket") for name in METRIC.findall(re.sub(r'"[^"]*"', "", rule["expr"]))}
    assert used, "a rule is about something"
    assert used <= set(exported) | REDIS_EXPORTER | PROMETHEUS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_rule_says_how_bad_it_is_and_what_it_means(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert rule["annotations"]["summary"].endswith((".", "`."))


def test_names_are_used_once() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))


def test_stages_and_jobs_that_a_rule_names_are_there() -> None:
    """Whether every unit has its alarms, the scenes below play."""
    text = " ".join(rule["expr"] for rule in RULES)
    assert STAGE.findall(text)
    assert set(STAGE.findall(text)) <= {unit.name for unit in UNITS}
    assert JOB.findall(text)
    assert set(JOB.findall(text)) <= set(scraped())


def test_prometheus_reads_the_rules_and_scrapes_the_exporter() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    assert config["rule_files"] == ["alerts.yml"]
    assert {"job_name": "redis", "static_configs": [{"targets": ["redis_exporter:9121"]}]} in config["scrape_configs"]


# ----------------------------------------------------------------------------------------------------- promtool

WHERE = 'instance="positions:8007", stage="positions", partition="0", stream="events.{a0}"'
HELD = {
    f'fillstream_stream_held_seconds{{{WHERE}, reader="analytics"}}': "4000x60",
    f'fillstream_stream_held_seconds{{{WHERE}, reader="positions"}}': "120x60",
}


def memory(used: str, limit: int) -> dict[str, str]:
    """Return what the exporter tells for an hour: `used` in Prometheus' notation, in MB."""
    return {"redis_memory_used_bytes": used, "redis_memory_max_bytes": f"{limit}x60"}


SCENES: dict[str, tuple[dict[str, str], set[str]]] = {
    "a desk that is well": (
        {**memory("460x60", 768), "redis_up": "1x60", 'fillstream_live{stage="orders"}': "1x60"},
        set(),
    ),
    "a server without a limit": (memory("460+10x60", 0), set()),
    "filling up to the share": (memory("0+7x60", 768), set()),
    "above the share": (memory("600x60", 768), {"RedisMemoryHigh"}),
    "nearly full": (memory("700x60", 768), {"RedisMemoryHigh", "RedisMemoryCritical"}),
    "full in a few hours": (memory("440+2x60", 768), {"RedisMemoryHigh", "RedisFullWithinHours"}),
    "somebody holds much": (
        {**HELD, f"fillstream_stream_bytes{{{WHERE}}}": "100x60", **memory("400x60", 768)},
        {"ReaderHoldsStream analytics"},
    ),
    "somebody was away for long": (
        {f'fillstream_stream_held_seconds{{{WHERE}, reader="backtest"}}': "500000x60"},
        {"ReaderLosesItsClaimSoon backtest"},
    ),
    "somebody was away for too long": (
        {f'fillstream_stream_claim_lapsed{{{WHERE}, reader="backtest"}}': "1x60"},
        {"ReaderLostItsClaim backtest"},
    ),
    "much that nobody can use": (
        {'fillstream_stream_bytes{stage="signals", stream="desk:dead"}': "70x60",
         'fillstream_stream_bytes{stage="signals", stream="signals"}': "700x60"},
        {"DeadLettersPileUp"},
    ),
    "somebody holds little": (
        {**HELD, f"fillstream_stream_bytes{{{WHERE}}}": "10x60", **memory("400x60", 768)},
        set(),
    ),
    "somebody fills the server": (
        {**HELD, f"fillstream_stream_bytes{{{WHERE}}}": "10x60", **memory("510x60", 768)},
        {"ReaderFillsRedis analytics"},
    ),
    "no snapshot of an idle stage": (
        {'fillstream_snapshot_age_seconds{stage="signals"}': "9000x60",
         'fillstream_snapshot_behind_entries{stage="signals"}': "0x60"},
        set(),
    ),
    "no snapshot of a busy stage": (
        {'fillstream_snapshot_age_seconds{stage="signals"}': "9000x60",
         'fillstream_snapshot_behind_entries{stage="signals"}': "5x60"},
        {"SnapshotTooOld"},
    ),
    "a feed that died": ({'fillstream_quote_timestamp_seconds{symbol="AAPL"}': "0+60x10 600x50"}, {"QuotesStale"}),
    "a feed that quotes": ({'fillstream_quote_timestamp_seconds{symbol="AAPL"}': "0+60x60"}, set()),
    "held back": ({'fillstream_reader_paused{stage="orders"}': "1x60"}, {"ReaderPaused"}),
    "a venue that answers late": (
        {'fillstream_order_acknowledged_seconds_bucket{stage="orders", partition="0", le="1.0"}': "0+9x60",
         'fillstream_order_acknowledged_seconds_bucket{stage="orders", partition="0", le="2.0"}': "0+10x60",
         'fillstream_order_acknowledged_seconds_bucket{stage="orders", partition="0", le="+Inf"}': "0+10x60"},
        {"OrdersSlow"},
    ),
    "a venue that answers soon": (
        {'fillstream_order_acknowledged_seconds_bucket{stage="orders", partition="0", le="0.01"}': "0+10x60",
         'fillstream_order_acknowledged_seconds_bucket{stage="orders", partition="0", le="+Inf"}': "0+10x60"},
        set(),
    ),
    "a fill that nobody believes": (
        {'fillstream_fills_refused_total{stage="orders", reason="beyond_limit"}': "0x30 1x30",
         'fillstream_fills_refused_total{stage="orders", reason="overfill"}': "0x60"},
        {"FillRefused"},
    ),
    "a venue that does not answer": (
        {'fillstream_unanswered_requests{stage="orders", request="CancelOrder"}': "0x54 1x5"},
        {"VenueDoesNotAnswer"},
    ),
    "a venue that answered": (
        {'fillstream_unanswered_requests{stage="orders", request="NewOrder"}': "1x20 0x40"},
        set(),
    ),
    "more filled than ordered": (
        {'fillstream_overfills_total{stage="orders", venue="BYBIT"}': "0x30 1x30",
         'fillstream_overfills_total{stage="orders", venue="SIM"}': "0x60"},
        {"OrderOverfilled"},
    ),
    "a trade taken back": (
        {'fillstream_trade_changes_total{stage="orders", change="busted"}': "0x30 1x30"},
        {"TradeTakenBack"},
    ),
    "a venue that differs": (
        {'fillstream_reconciliation_differences_total{stage="orders", difference="lost_order"}': "0x30 2x30",
         'fillstream_reconciliation_differences_total{stage="orders", difference="position"}': "0x60"},
        {"VenueDiffers"},
    ),
    "a venue that does not say what it has": (
        {'fillstream_reconciliations_broken_off_total{stage="orders", venue="BYBIT"}': "0x30 1x30"},
        {"VenueNotReconciled"},
    ),
    "positions that two stages have otherwise": (
        {'fillstream_position_differences{stage="positions"}': "0x30 1x30"},
        {"PositionsDiffer"},
    ),
    "a rule that cannot be evaluated": (
        {'fillstream_rules_disabled{stage="positions"}': "0x30 1x30"},
        {"RuleDisabled"},
    ),
    "an account that risks too much": (
        {'fillstream_broken_risk_limits{stage="positions"}': "0x30 1x30"},
        {"RiskLimitBroken"},
    ),
    "exits that cannot close": (
        {'fillstream_exits_failing{stage="positions"}': "0x30 2x30"},
        {"ExitsFailing"},
    ),
    "the gateway knows no outcomes": (
        {'fillstream_http_requests_total{stage="gateway", instance="gateway:8000", status="503"}': "0+30x60"},
        {"GatewayFails"},
    ),
    "the gateway refuses what is wrong": (
        {'fillstream_http_requests_total{stage="gateway", instance="gateway:8000", status="422"}': "0+3000x60"},
        set(),
    ),
    "behind": (
        {'fillstream_lag_entries{stage="orders"}': "60000x60", 'fillstream_lag_entries{stage="analytics"}': "60000x60"},
        {"StageBehind"},
    ),
}  # fmt: skip
"""What Prometheus scraped in an hour, and which alarms fire at its end."""


def scenes_of(unit: Unit) -> dict[str, tuple[dict[str, str], set[str]]]:
    """Return what must not be passed over, whichever unit it befalls."""
    process = f'job="fillstream", instance="{unit.name}:{unit.port}"'
    stage = f'stage="{unit.name}", partition="0"'
    behind = {"analytics": "AnalyticsBehind", "gateway": "GatewayBehind"}.get(unit.name, "StageBehind")
    far = "behind_seconds" if unit.name == "gateway" else "lag_entries"
    return {
        f"{unit.name} does not answer": ({f"up{{{process}}}": "0x60"}, {"ServiceDown"}),
        f"{unit.name} keeps ending": ({f"process_start_time_seconds{{{process}}}": "0+1x60"}, {"StageKeepsEnding"}),
        f"{unit.name} has not recovered": ({f"fillstream_live{{{stage}}}": "0x60"}, {"StageNotLive"}),
        f"{unit.name} is far behind": ({f"fillstream_{far}{{{stage}}}": "600000x60"}, {behind}),
    }


for each in UNITS:
    SCENES |= scenes_of(each)


def in_bytes(name: str, values: str) -> str:
    """Return a series of megabytes in bytes; others as they are."""
    if "_bytes" not in name:
        return values
    return re.sub(r"^(\d+)(?:\+(\d+))?x", lambda m: f"{int(m[1]) * MB}+{int(m[2] or 0) * MB}x", values)


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not on PATH (Debian: apt-get install prometheus)"
)
@pytest.mark.parametrize("scene", SCENES)
def test_alarms_fire_when_they_should(scene: str, tmp_path: Path) -> None:
    series, firing = SCENES[scene]
    samples = []
    for name, _, reader in (each.partition(" ") for each in firing):
        named = f', reader="{reader}"' if reader else ""
        samples.append({"labels": f'{{alertname="{name}"{named}}}', "value": 1})
    question = 'count by (alertname, reader) (ALERTS{alertstate="firing"})'
    document = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": in_bytes(name, v)} for name, v in series.items()],
                "promql_expr_test": [{"expr": question, "eval_time": "55m", "exp_samples": samples}],
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
