"""The pages say what the programs say: links lead somewhere, and each refusal an operator may read is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.tree import ROOT

PAGES = [*ROOT.glob("*.md"), ROOT / "k8s/README.md", *(ROOT / "docs").glob("*.md")]
UPGRADE = (ROOT / "docs/upgrade.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "k8s/README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_the_page_about_upgrades_is_found_from_the_others(page: str) -> None:
    assert "docs/upgrade.md" in (ROOT / page).read_text()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("libs/common/runtime/runner.py", "there is no usable snapshot"),
        ("libs/common/runtime/runner.py", "the newest usable snapshot stands at"),
        ("libs/common/runtime/runner.py", "it still runs"),
        ("libs/common/runtime/runner.py", "which is newer than"),
        ("libs/common/runtime/runner.py", "Bring back a snapshot of this stage at or after"),
        ("libs/common/runtime/runner.py", "this version cannot read its state"),
        ("libs/common/runtime/runner.py", "either this is another build of it"),
        ("services/position_service/stage.py", "a newer one wrote the journal"),
        ("fillstream/cli/commands/replay.py", "were decided by"),
    ],
)
def test_each_refusal_of_an_upgrade_is_explained_in_the_words_it_has(source: str, words: str) -> None:
    assert words in (ROOT / source).read_text()
    assert words in UPGRADE
