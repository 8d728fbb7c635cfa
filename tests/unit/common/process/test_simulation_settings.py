"""What a configuration says of simulated venues: of all, of one, of an account; and what an engine is told of it."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from fillstream.libs.common.messages.simulation import (
    IDEAL,
    AccountSimulation,
    SimulationConfig,
    VenueSimulation,
)
from fillstream.libs.common.process.settings import DEFAULT_PATH, Settings, SettingsError, load_settings
from fillstream.libs.common.runtime.stage import configuration_of
from fillstream.stack.stack import IDEAL_DESK, LocalStack
from fillstream.tools.registry import all_stages
from tests.support.tree import ROOT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in IDEAL_DESK:
        monkeypatch.delenv(name, raising=False)
    for each in DEFAULT_PATH.parent.glob("*.yaml"):
        (tmp_path / each.name).write_text(each.read_text())
    return tmp_path


def told(folder: Path, simulation: str) -> Settings:
    """Return the settings of a desk with the venues SIM and SIM2 whose section `execution.simulation` is this."""
    (folder / "local.yaml").write_text(
        "environment: local\nservice: {host: localhost, port: 8004}\ndatabase: {type: none}\nmessaging: {type: redis}\n"
        f"execution: {{mode: simulation, venues: {{SIM: {{}}, SIM2: {{}}}}{simulation}}}\n"
        "account_limits: {max_order_value: 1000, max_daily_orders: 50}\n"
    )
    return load_settings(folder / "local.yaml")


def test_local_yaml_has_the_documents_delay_and_slippage_and_an_engine_offers_them(folder: Path) -> None:
    settings = load_settings(folder / "local.yaml")
    expected = SimulationConfig(slippage=Decimal("0.0005"), delay_ms=100)
    assert settings.simulation_of("SIM") == expected
    offered = [configuration_of(stage) for stage in all_stages(settings) if stage.name == "engine"]
    assert offered == [{b"config": expected.to_json()}]


def test_a_desk_that_says_nothing_or_has_it_switched_off_has_ideal_venues(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said in ("", ", simulation: {}", ", simulation: {enabled: false, delay_ms: 5}", ", simulation: {seed: 4}"):
        settings = told(folder, said)
        assert [configuration_of(each) for each in all_stages(settings) if each.name == "engine"] == [None, None], said
    assert told(folder, ", simulation: {delay_ms: 5}").simulation_of("SIM").delay_ms == 5
    monkeypatch.setenv("FILLSTREAM_EXECUTION__SIMULATION__ENABLED", "false")
    assert told(folder, ", simulation: {delay_ms: 5}").simulation_of("SIM") == IDEAL


def test_a_venue_goes_before_the_desk_and_an_account_before_its_venue(folder: Path) -> None:
    settings = told(
        folder,
        ", simulation: {delay_ms: 100, reject_rate: 0.1, slippage: 0.001, seed: 3,"
        " venues: {SIM2: {delay_ms: 5, fill_share: 0.5}},"
        " accounts: {demo: {delay_ms: 5}, default: {reject_rate: 0}, conservative: {delay_ms: 100}}}",
    )
    ids = {name: str(each.id) for name, each in settings.accounts.items()}
    common = {"slippage": Decimal("0.001"), "reject_rate": Decimal("0.1"), "seed": 3}
    assert settings.simulation_of("SIM") == SimulationConfig(
        delay_ms=100,
        accounts={
            ids["demo"]: AccountSimulation(delay_ms=5, reject_rate=Decimal("0.1")),
            ids["default"]: AccountSimulation(delay_ms=100),
        },
        **common,
    )
    assert settings.simulation_of("SIM2") == SimulationConfig(
        delay_ms=5,
        fill_share=Decimal("0.5"),
        accounts={
            ids["default"]: AccountSimulation(delay_ms=5),
            ids["conservative"]: AccountSimulation(delay_ms=100, reject_rate=Decimal("0.1")),
        },
        **common,
    )


@pytest.mark.parametrize(
    "said, words",
    [
        ("slippage: 1", "execution.simulation.slippage: 1 must be below 1"),
        ("delay_ms: -1", "execution.simulation.delay_ms: -1 must be at least 0"),
        ("delay_ms: 0.5", "execution.simulation.delay_ms"),
        ("fill_share: 0", "execution.simulation.fill_share: 0 must be above 0"),
        ("reject_rate: 1.5", "execution.simulation.reject_rate: "),
        ("venues: {SIM2: {delay_ms: -1}}", "execution.simulation.venues.SIM2.delay_ms: -1 must be at least 0"),
        ("venues: {SIM3: {}}", "simulation.venues: SIM3 must be a simulated one of execution.venues, SIM, SIM2"),
        ("accounts: {demo: {slippage: 0}}", "execution.simulation.accounts.demo.slippage: unknown key"),
        ("accounts: {nobody: {}}", "execution.simulation.accounts: nobody must be an account of accounts.yaml, "),
        ("latency: 5", "execution.simulation.latency: unknown key"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(folder: Path, said: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        told(folder, f", simulation: {{{said}}}")
    [problem] = refused.value.problems
    assert words in problem


def test_the_demo_and_the_benches_measure_a_desk_and_no_delay(folder: Path, tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "data", config=folder / "local.yaml", environ=IDEAL_DESK)
    assert all(each.spec.environ.items() >= IDEAL_DESK.items() for each in stack.processes.values() if each.spec.port)
    for file in ("fillstream/cli/commands/market.py", "bench/end_to_end.py", "bench/engine.py"):
        text = (ROOT / file).read_text()
        assert len(re.findall(r"LocalStack\(\s*(Path|data_dir)", text)) == 1, file
        assert re.search(r"""environ(=|": )(\{\*\*)?IDEAL_DESK""", text), file


def test_every_term_is_in_local_yaml_with_what_it_is_for() -> None:
    text = DEFAULT_PATH.read_text()
    for name in VenueSimulation.model_fields:
        assert re.search(rf"^    {name}: .* # \S", text, re.MULTILINE), name
