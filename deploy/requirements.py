"""What pip has to install before Fillstream itself, for the Makefile and the Dockerfile.

    python deploy/requirements.py build analytics   the requirements of the project and of these extras, a line each
    python deploy/requirements.py --only analytics  those of these extras alone
    python deploy/requirements.py --pinned pip      the lines of constraints.txt for one package, hashes and all

Flows in: pyproject.toml and constraints.txt in the current folder. Flows out: lines for a requirements file. Never
resolves anything, and needs nothing but the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

OWN = re.compile(r"fillstream\[([\w,-]+)\]")
"""An extra that stands for others: `fillstream[analytics,local]`."""


PROJECT = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]


def of_extras(extras: list[str]) -> Iterator[str]:
    """Yield each requirement of the extras.

    Raises:
        SystemExit: there is no such extra.
    """
    waiting = list(extras)
    while waiting:
        extra = waiting.pop(0)
        known = PROJECT["optional-dependencies"]
        if extra not in known:
            sys.exit(f"extra: {extra} is not in pyproject.toml; it has {', '.join(known)}")
        for each in known[extra]:
            own = OWN.fullmatch(each)
            if own:
                waiting += own[1].split(",")
            else:
                yield each


def pinned(name: str) -> Iterator[str]:
    """Yield the lines of constraints.txt that pin one package.

    Raises:
        SystemExit: it is not pinned there.
    """
    lines = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith(f"{name}==")), None)
    if start is None:
        sys.exit(f"package: {name} is not in constraints.txt; `make upgrade` writes it")
    yield lines[start]
    while lines[start].endswith("\\"):
        start += 1
        yield lines[start]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--pinned", name]:
            lines = pinned(name)
        case ["--only", *extras]:
            lines = of_extras(extras)
        case extras:
            lines = iter([*PROJECT["dependencies"], *of_extras(extras)])
    sys.stdout.writelines(f"{line}\n" for line in lines)
