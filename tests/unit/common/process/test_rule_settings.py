"""Rules in the configuration: what cannot be done is said at start, not left to wait for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from fillstream.libs.common.process.settings import SettingsError, load_settings
from fillstream.libs.common.process.settings.load import DEFAULT_PATH

RULE = """
rules:
  - {rule_id: first, event: OrderFilled, when: 'true', actions: [{close: {}}]}
  - {rule_id: cut, event: OrderFilled, when: 'true', actions: [{close: {}}], MORE}
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
    assert caught.value.problems == [sentence]


def test_a_rule_about_what_there_is_is_taken(tmp_path: Path) -> None:
    assert loaded(tmp_path, "accounts: [default], symbols: [AAPL]")
