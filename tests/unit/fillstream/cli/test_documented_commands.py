"""What help and documents tell a person to type must be understood by the command that it is typed to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from fillstream.cli.app import app

ROOT = Path(__file__).parents[4]
PAGES = ("README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")))
FACE: Any = get_command(app)
"""Of click, which some releases of typer bring along under a name of their own."""


def lines_of_help(command: Any) -> Iterator[str]:
    yield from re.findall(r"^ *(fillstream [a-z].*)$", command.help or "", re.MULTILINE)
    for each in getattr(command, "commands", {}).values():
        yield from lines_of_help(each)


def lines_of_pages() -> Iterator[str]:
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
            yield from re.findall(r"^(fillstream [a-z].*)$", block, re.MULTILINE)


def understand(line: str) -> None:
    """Parse a line as its command would; nothing is run. Raises what click raises of a line that it cannot parse."""
    line = re.sub(r"\$\(.*?\)", "today", line)
    alone = re.split(r" {2,}| [|&>] | && ", line)[0]  # what follows is prose, or a shell's
    words = shlex.split(alone, comments=True)[1:]
    command = FACE
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, words)


LINES = sorted({*lines_of_help(FACE), *lines_of_pages()})


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_that_is_shown_is_understood(line: str) -> None:
    understand(line)


def test_one_that_is_not_is_found() -> None:
    with pytest.raises(Exception, match="reason") as refused:
        understand("fillstream adjust default funding -- -3.75 --reason 'perpetual funding'")
    assert type(refused.value).__name__ == "MissingParameter"
