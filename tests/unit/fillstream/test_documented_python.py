"""The pages about Python say what there is: their examples compile, and name what can be imported."""

from __future__ import annotations

import ast
import re
from importlib import import_module

import pytest

from fillstream import AsyncClient, Client, trading
from tests.support.tree import ROOT

PAGES = {name: (ROOT / name).read_text() for name in ("docs/client.md", "docs/trading.md")}
EXAMPLES = [
    pytest.param(code, id=f"{name}-{number}")
    for name, text in PAGES.items()
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_compiles_and_imports_what_there_is(code: str) -> None:
    tree = compile(code, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            home = import_module(str(node.module))
            assert all(each.name == "*" or hasattr(home, each.name) for each in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "desk":
            assert hasattr(Client, node.attr) and hasattr(AsyncClient, node.attr)


def test_what_the_pages_name_is_there() -> None:
    named = set(re.findall(r"`(\w+(?:Event|Condition|Action))\b", PAGES["docs/trading.md"]))
    assert named
    assert not {name for name in named if not hasattr(trading, name)}
    unnamed = {name for name in trading.__all__ if name.endswith(("Event", "Action")) and name not in named}
    assert unnamed <= {"Action", "OrderEvent", "PositionEvent", "RuleExecutedEvent"}
    followed = {name for name in dir(Client) if name.startswith("follow_")}
    assert followed == set(re.findall(r"`(follow_\w+)", PAGES["docs/client.md"]))


def test_every_name_of_the_package_can_be_imported() -> None:
    assert not [name for name in trading.__all__ if not hasattr(trading, name)]
    assert trading.__all__ == sorted(trading.__all__)
