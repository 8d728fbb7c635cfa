"""Loading strategies and telling them their parameters."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillstream.strategy.strategy import (
    CALLS,
    Strategy,
    StrategyUnusable,
    fresh,
    hears,
    load_strategy,
    name_of,
    parameters_of,
)

ONE = "from fillstream import Strategy\nclass One(Strategy):\n    def on_bar(self, desk, bar): pass\n"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(text)
    return str(path)


def test_a_file_with_one_class_needs_no_name(tmp_path: Path) -> None:
    made = load_strategy(written(tmp_path, ONE))
    assert made.__name__ == "One" and issubclass(made, Strategy)
    assert hears(made(), "on_bar") and not hears(made(), "on_quote", "on_fill")


def test_a_file_of_functions_is_a_strategy(tmp_path: Path) -> None:
    text = "parameters = {'n': 1}\nbars = '1s'\nheard = []\ndef on_timer(desk, name): heard.append((desk, name))\n"
    made = load_strategy(written(tmp_path, text))
    assert (made.__name__, dict(made.parameters), made.bars) == ("mine", {"n": 1}, "1s")
    made().on_timer("desk", "noon")  # type: ignore[arg-type]
    assert made.on_timer.__globals__["heard"] == [("desk", "noon")]
    assert not hears(made(), "on_bar")


def test_a_class_need_not_be_derived(tmp_path: Path) -> None:
    made = load_strategy(written(tmp_path, "class Free:\n    def on_fill(self, desk, fill): pass\n"))
    assert issubclass(made, Strategy) and hears(made(), "on_fill")


@pytest.mark.parametrize(
    ("text", "of", "told"),
    [
        (ONE, ":Two", "has no class Two"),
        (f"{ONE}class Two(One): pass\n", "", "has several, One, Two; name one"),
        ("x = 1\n", "", "has neither a class with any of on_start"),
        ("class Empty: pass\n", ":Empty", "has none of on_start"),
        ("def on_bars(desk, bar): pass\n", "", "on_bars is never called; it may have on_start"),
        ("import nothing_of_that_name\n", "", "cannot be imported: ModuleNotFoundError"),
        ("def on_bar(desk, bar:\n", "", "cannot be imported: SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_is_said(tmp_path: Path, text: str, of: str, told: str) -> None:
    with pytest.raises(StrategyUnusable, match=told):
        load_strategy(written(tmp_path, text) + of)


def test_there_must_be_such_a_file() -> None:
    with pytest.raises(StrategyUnusable, match=r"nowhere\.py: there is no such file"):
        load_strategy("nowhere.py")
    with pytest.raises(StrategyUnusable, match="nothing_of_that_name cannot be imported"):
        load_strategy("nothing_of_that_name:One")


class Told(Strategy):
    parameters = {"whole": 1, "exact": Decimal("0.5"), "yes": False, "text": "a"}  # noqa: RUF012 - a test's


def test_parameters_are_of_the_kind_that_is_declared() -> None:
    told = {"whole": "7", "exact": "1.25", "yes": "true", "text": "b=c"}
    assert parameters_of(Told, told) == {"whole": 7, "exact": Decimal("1.25"), "yes": True, "text": "b=c"}
    assert parameters_of(Told, {"exact": 2}) == {**Told.parameters, "exact": Decimal(2)}
    assert Told.parameters["whole"] == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"other": "1"}, "'other' is none of Told's: whole, exact, yes, text"),
        ({"whole": "1.5"}, "whole must be a whole number, got '1.5'"),
        ({"whole": 1.5}, "whole must be a whole number, got 1.5"),
        ({"exact": 0.1}, "exact must be a decimal number, got 0.1"),
        ({"exact": "NaN"}, "exact must be a decimal number, got 'NaN'"),
        ({"yes": "perhaps"}, "yes must be true or false, got 'perhaps'"),
        ({"text": 5}, "text must be text, got 5"),
    ],
)
def test_a_parameter_that_is_none_is_refused(told: dict[str, Any], words: str) -> None:
    with pytest.raises(StrategyUnusable, match=words.replace("(", r"\(")):
        parameters_of(Told, told)


def test_a_strategy_goes_by_its_class_or_by_a_name() -> None:
    assert (name_of(Told, None), name_of(Told, "other-1")) == ("told", "other-1")
    for wrong in ("two words", "n" * 41):
        with pytest.raises(StrategyUnusable, match="must be a name of at most 40 characters"):
            name_of(Told, wrong)


def test_a_class_that_has_to_be_told_something_is_refused() -> None:
    class Needs(Told):
        def __init__(self, more: int) -> None:
            self.more = more

    assert isinstance(fresh(Told), Told)
    with pytest.raises(StrategyUnusable, match=r"Needs\(\) cannot be made: TypeError: .*'more'"):
        fresh(Needs)


def test_every_call_is_documented() -> None:
    assert len(CALLS) == 10
    assert all(getattr(Strategy, each).__doc__ for each in CALLS)
