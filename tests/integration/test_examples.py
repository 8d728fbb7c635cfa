"""Every example runs on a desk, and shows what it says."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from examples.desk import Market, a_desk
from fillstream import Client

FOLDER = Path(__file__).parents[2] / "examples"
NAMES = sorted(each.stem for each in FOLDER.glob("*.py") if each.stem != "desk" and "a_desk" in each.read_text())
"""Of the others, strategies that need no desk, tests/unit/fillstream/backtest/test_examples.py sees to it."""


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Client, Market]]:
    with a_desk() as found:
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_an_example_shows_what_it_says(
    desk: tuple[Client, Market], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module(f"examples.{name}")
    assert f"python -m examples.{name}" in module.__doc__
    module.main(*desk)
    shown = capsys.readouterr().out
    assert "Order" in shown or "TargetSet" in shown
