"""Rules in the configuration: what cannot be done is said at start, not left to wait for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillstream.libs.common.process.settings import SettingsError, load_settings
from fillstream.libs.common.process.settings.load import DEFAULT_PATH

RULE = """
rules:
  - {rule_id: first, event: OrderFilled, when: 'true', actions: [{close: {}}]}
  - rule_id: cut
    event: OrderFilled
    when: 'true'
    actions: [{close: {}}]
    MORE
"""


def loaded(folder: Path, more: str) -> object:
    for each in DEFAULT_PATH.parent.glob("*.yaml"):
        (folder / each.name).write_text(each.read_text())
    local = folder / "local.yaml"
    local.write_text(local.read_text() + RULE.replace("MORE", more))
    return load_settings(local)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("accounts: [nobody]", "rules.1.accounts: nobody must be an account of accounts.yaml"),
        ("symbols: [AAPL, NONE]", "rules.1.symbols: NONE must be one of instruments.yaml"),
    ],
)
def test_a_rule_about_what_there_is_not_is_refused(tmp_path: Path, more: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, more)
    [problem] = caught.value.problems
    lines = (tmp_path / "local.yaml").read_text().splitlines()
    where, said = problem.split(": ", 1)
    assert (where, said) == (f"{tmp_path / 'local.yaml'}:{lines.index(f'    {more}') + 1}", sentence)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("rule_id: first", "rules.1.rule_id: first is that of rules.0, too"),
        ("actions: [{order: {side: UP, quantity: 1}}]", "rules.1.actions.0.order.side: 'UP' must be BUY or SELL"),
        ("actions: [{order: {side: BUY, quantity: 1}}, {halt: {}}]", "rules.1.actions.1: 'halt' must be one of"),
    ],
)
def test_what_a_rule_cannot_say_is_named_by_its_own_line(tmp_path: Path, more: str, sentence: str) -> None:
    for each in DEFAULT_PATH.parent.glob("*.yaml"):
        (tmp_path / each.name).write_text(each.read_text())
    local = tmp_path / "local.yaml"
    key = more.partition(":")[0]
    rules = [line for line in RULE.replace("    MORE\n", "").splitlines()]
    last = max(number for number, line in enumerate(rules) if f" {key}:" in line)
    rules[last] = f"{rules[last].partition(key)[0]}{more}"
    local.write_text(local.read_text() + "\n".join(rules) + "\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(local)
    [problem] = caught.value.problems
    where, said = problem.split(": ", 1)
    assert where == f"{local}:{local.read_text().splitlines().index(rules[last]) + 1}"
    assert said.startswith(sentence)


def test_a_rule_about_what_there_is_is_taken(tmp_path: Path) -> None:
    assert loaded(tmp_path, "accounts: [default]\n    symbols: [AAPL]")
