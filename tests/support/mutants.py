"""`python -m tests.support.mutants`: the score of each module after `make mutants`, as CONTRIBUTING.md's table has it.

Flows in: what mutmut left under `mutants/`. Flows out: a line a module. A mutant that no fast test reaches is not
killed; one that makes a test hang is. Modules that have not been run are named, not counted. With `--survivors`: the
names of what is not killed, for `mutmut show`.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

FOLDER = Path("mutants")
SURVIVED, NO_TESTS = 0, 33
"""mutmut's words for the two ways to live, as exit codes of pytest and its own."""


@dataclass(frozen=True, slots=True)
class Score:
    """What became of a module's mutants.

    Attributes:
        module: its path in the repository.
        all: how many mutants there are.
        unchecked: of them not run yet.
        alive: of those that ran, the ones that no test noticed, by name.
    """

    module: str
    all: int
    unchecked: int
    alive: tuple[str, ...]

    @property
    def killed(self) -> int:
        """How many a test noticed."""
        return self.all - self.unchecked - len(self.alive)


def scores(folder: Path = FOLDER) -> Iterator[Score]:
    """Yield the score of every module that has mutants, by path."""
    for path in sorted(folder.rglob("*.py.meta")):
        found: dict[str, int | None] = orjson.loads(path.read_bytes())["exit_code_by_key"]
        if found:
            alive = tuple(name for name, code in found.items() if code in (SURVIVED, NO_TESTS))
            module = path.relative_to(folder / "fillstream").with_suffix("")
            yield Score(str(module), len(found), list(found.values()).count(None), alive)


def table(found: Sequence[Score]) -> Iterator[str]:
    """Yield the lines of a table of the modules that were run, their sum, and those that were not."""
    ran = [each for each in found if not each.unchecked]
    yield "| module | killed | of | |"
    yield "|---|---|---|---|"
    for each in ran:
        yield f"| `{each.module}` | {each.killed} | {each.all} | {each.killed / each.all:.0%} |"
    killed, of = sum(each.killed for each in ran), sum(each.all for each in ran)
    if of:
        yield f"| together | {killed} | {of} | {killed / of:.0%} |"
    if waiting := [f"`{each.module}`" for each in found if each.unchecked]:
        yield ""
        yield from textwrap.wrap(f"Not run to the end: {', '.join(waiting)}.", 128, break_on_hyphens=False)


if __name__ == "__main__":
    everything = list(scores())
    if "--survivors" in sys.argv:
        lines: Iterator[str] = (name for each in everything for name in each.alive)
    else:
        lines = table(everything)
    sys.stdout.writelines(f"{line}\n" for line in lines)
