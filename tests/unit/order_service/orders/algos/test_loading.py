"""Modules that `execution.algorithms` names: each is loaded, or told by its name with what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillstream.libs.common.process.settings import SettingsError, default_path, load_settings
from fillstream.services.order_service.app import desk_config
from fillstream.services.order_service.orders.algos import ALGORITHMS
from fillstream.services.order_service.orders.algos.loading import load_algorithms
from tests.support.tree import ROOT

MODULE = "examples.own_algorithm.better_than_vwap"
HEAD = "from fillstream.services.order_service.orders.algos.algorithm import Job, Parameters, Plan, algorithm\n"
TWAP_AGAIN = HEAD + "@algorithm('TWAP', Parameters, example={})\ndef plan(job: Job) -> Plan:\n    'Mine.'\n"
SILENT = HEAD + "@algorithm('SILENT', Parameters, example={})\ndef plan(job: Job) -> Plan:\n    return Plan()\n"
CASES: dict[str, tuple[str | None, str]] = {
    "nowhere": (None, "No module named 'nowhere'; install its package, or name its folder in PYTHONPATH"),
    "broken": ("a = (", "it does not import: SyntaxError: "),
    "raising": ("1 / 0", "it does not import: ZeroDivisionError: division by zero"),
    "ending": ("raise SystemExit(3)", "it does not import: SystemExit: 3"),
    "needing": ("import no_such_thing", "No module named 'no_such_thing'"),
    "plain": ("a = 1", "it registers no algorithm; a function of it needs @algorithm"),
    "twap_again": (TWAP_AGAIN, "algorithm TWAP: is fillstream.services.order_service.orders.algos.twap's already"),
    "silent": (SILENT, "algorithm SILENT: its function must say in a docstring what it does"),
}


@pytest.fixture(autouse=True)
def _of_this_test_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept = dict(ALGORITHMS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(ROOT))
    sys.modules.pop(MODULE, None)
    yield
    ALGORITHMS.clear()
    ALGORITHMS.update(kept)
    for name in (*CASES, MODULE):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", CASES)
def test_a_module_that_cannot_be_used_is_named_with_what_is_wrong(name: str, tmp_path: Path) -> None:
    text, said = CASES[name]
    if text is not None:
        tmp_path.joinpath(f"{name}.py").write_text(text)
    [told] = load_algorithms([name])
    assert told.startswith(f"execution.algorithms: {name}: ")
    assert said in told
    assert "\n" not in told


def test_one_that_registers_an_algorithm_is_loaded_once_however_often_it_is_named() -> None:
    assert load_algorithms([MODULE, MODULE]) == []
    first = ALGORITHMS["BETTER_THAN_VWAP"]
    assert load_algorithms(["examples.own_algorithm"]) == [], "a package counts with what is in it"
    assert ALGORITHMS["BETTER_THAN_VWAP"] is first


def test_every_wrong_one_of_the_settings_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_EXECUTION__ALGORITHMS", '["nowhere", "no.where"]')
    with pytest.raises(SettingsError) as told:
        desk_config(load_settings(default_path()))
    assert len(told.value.problems) == 2


def test_a_name_that_is_no_module_is_refused_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_EXECUTION__ALGORITHMS", '["a/b.py"]')
    with pytest.raises(SettingsError, match="EXECUTION__ALGORITHMS"):
        load_settings(default_path())
