"""The README's examples of the book run as they are written, and print what they say they print."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from fillstream.libs.common.runtime.acceptance import REPAIRS
from fillstream.libs.common.runtime.continuity import RUNBOOK
from fillstream.tools.runbook import PAGES
from tests.support.reference import reference
from tests.support.tables import REFERENCE, TABLES, USERS, runbook, users, written
from tests.support.tree import ROOT

README = ROOT / "README.md"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```$",
    README.read_text().split("## The book on its own")[1].split("\n## ")[0],
    re.MULTILINE | re.DOTALL,
)


def test_there_are_examples_of_a_book_of_callbacks_of_an_auction_and_of_arrays() -> None:
    for word in ("OrderBook(", "on_trade_confirmation=", "AUCTION", "research.commands("):
        assert [example for example in EXAMPLES if word in example]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_prints_what_its_comments_say(example: str) -> None:
    if "import numpy" in example:
        pytest.importorskip("numpy", reason="numpy is the optional extra `research`")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, str(README), "exec"), {})
    assert printed.getvalue().splitlines() == re.findall(r"# (.+)$", example, re.MULTILINE)


@pytest.mark.parametrize("file", TABLES, ids=lambda file: file.name)
def test_the_tables_of_a_document_are_those_of_the_code(file: Path) -> None:
    assert file.read_text() == written(file), "python -m tests.support.tables"


def test_the_runbook_is_that_of_the_code_and_has_a_page_for_everything_that_stops_a_stage() -> None:
    pages = runbook()
    found = {each: each.read_text() for each in (ROOT / RUNBOOK).glob("*.md")}
    assert found == pages, "python -m tests.support.tables"
    assert {page for page, entry in PAGES.items() if entry.accepting} == set(REPAIRS), (
        "what can be accepted, and only that"
    )


def test_the_users_are_those_of_the_map() -> None:
    assert USERS.read_text() == users(), "python -m tests.support.tables"


def test_the_reference_is_that_of_the_contracts() -> None:
    assert REFERENCE.read_text() == reference(), "python -m tests.support.tables"
