"""`python -m tests.support.tables`: what documents and deploy/users.acl have from the code, written where it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from typer.main import get_command

from fillstream.cli.app import app
from fillstream.libs.common.messages import access
from fillstream.libs.common.process.keys import ROLES, Scope
from fillstream.libs.common.runtime.continuity import RUNBOOK, Page
from fillstream.services.order_service.orders.routing import POLICIES
from fillstream.services.order_service.orders.routing.policy import RouteParameters
from fillstream.services.order_service.orders.rules import AMEND, NEW, SHOWN, SPECIAL, Rule
from fillstream.tools.runbook import PAGES, markdown
from tests.support.algorithm_tables import algorithms, common
from tests.support.reference import reference
from tests.support.tree import ROOT

README = ROOT / "README.md"
USERS = ROOT / "deploy" / "users.acl"
REFERENCE = ROOT / "docs" / "reference.md"


def rules() -> str:
    """Return the rules of orders, and those that only amendments meet, in the order of their precedence."""
    only_amendments = [rule for rule in AMEND if rule not in NEW]
    special = [*SPECIAL, *SHOWN]
    rows = ["| what must hold | else | FIX | set by |", "|---|---|---|---|"]
    rows += ["| *of an order that is not plain, first:* | | | |", *(_row(rule) for rule in special)]
    rows += ["| *of every order:* | | | |", *(_row(rule) for rule in NEW)]
    rows += ["| *and of an amendment:* | | | |", *(_row(rule) for rule in only_amendments)]
    return "\n".join(rows)


def _row(rule: Rule) -> str:
    limit = f"`{rule.limit}`" if rule.limit else ""
    return f"| {rule.meaning} | `{rule.reason.value}` | {rule.reason.fix} | {limit} |"


HOUSE = ("libs/common", "services", "fillstream")


def house() -> str:
    """Return the folders of the code with what their packages say of themselves, and the files in each."""
    rows = ["| folder | what is in it | its files |", "|---|---|---|"]
    for top in HOUSE:
        for package in sorted(ROOT.joinpath(top).rglob("__init__.py")):
            folder = package.parent.relative_to(ROOT)
            if any(ROOT.joinpath(*folder.parts[:depth]).is_symlink() for depth in range(1, len(folder.parts) + 1)):
                continue  # the same folder by its name in Python
            said = ast.get_docstring(ast.parse(package.read_text()))
            assert said, f"{folder}: its __init__.py says what is in it"
            files = sorted(each.stem for each in package.parent.glob("*.py") if not each.stem.startswith("__"))
            rows.append(f"| `{folder}/` | {' '.join(said.split(chr(10) * 2)[0].split())} | {', '.join(files)} |")
    return "\n".join(rows)


def policies() -> str:
    """Return the routing policies with what they may be told."""
    common = RouteParameters.model_fields
    rows = ["| policy | what it does | its own parameters |", "|---|---|---|"]
    for name, each in POLICIES.items():
        own = {key: field for key, field in each.parameters.model_fields.items() if key not in common}
        rows.append(f"| `{name}` | {each.description} | {'; '.join(_parameter(*each) for each in own.items())} |")
    told = "; ".join(_parameter(*each) for each in common.items())
    return "\n".join(rows) + f"\n\nEvery policy takes {told}."


def _parameter(name: str, field: FieldInfo) -> str:
    said = "" if field.default is None else f" ({field.default})"
    return f"`{name}`{said}: {field.description}"


def scopes() -> str:
    """Return what keys of the gateway may be for, with the roles that have it."""
    rows = [f"| scope | what a key with it may do | {' | '.join(f'`{role}`' for role in ROLES)} |"]
    rows += ["|---|---|" + "---|" * len(ROLES)]
    for scope in Scope:
        marks = " | ".join("yes" if scope in its else "" for its in ROLES.values())
        rows.append(f"| `{scope}` | {scope.meaning} | {marks} |")
    return "\n".join(rows)


def needs_redis() -> str:
    """Return the commands that no gateway does, each by its words."""
    found = [" ".join(path) for path, command in _commands(get_command(app)) if not command.takes_gateway]
    return f"These need the desk's Redis, or this machine: {', '.join(f'`{each}`' for each in sorted(found))}."


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if command.callback is not None:
            yield (*path, name), command
        yield from _commands(command, (*path, name)) if hasattr(command, "commands") else ()


TABLES = {
    README: {"rules": rules},
    ROOT / "ARCHITECTURE.md": {"house": house},
    ROOT / "docs" / "algorithms.md": {"common": common, "algorithms": algorithms},
    ROOT / "docs" / "gateway.md": {"needs-redis": needs_redis},
    ROOT / "docs" / "keys.md": {"scopes": scopes},
    ROOT / "docs" / "routing.md": {"policies": policies},
}


def written(file: Path) -> str:
    """Return a document with its tables as the code has them."""
    text = file.read_text()
    for name, make in TABLES[file].items():
        begin, end = f"<!-- {name}: made by python -m tests.support.tables -->", f"<!-- /{name} -->"
        table = f"{begin}\n{make()}\n{end}"
        pattern = re.compile(rf"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        text, count = pattern.subn(lambda _, made=table: made, text)
        assert count == 1, f"{name}: {count} places for it"
    return text


def users() -> str:
    """Return deploy/users.acl."""
    return "\n".join([*USERS_HEAD, *access.lines(), ""])


USERS_HEAD = (
    "# Who may do what in Redis, a user a line: its name and its rules. redis.sh makes those of them whose passwords",
    "# it is given, with messaging.topic_prefix in place of PREFIX. docs/controls.md tells it in words. Made from",
    "# libs/common/messages/access.py by `python -m tests.support.tables`.",
)


def runbook() -> dict[Path, str]:
    """Return the pages of the runbook by their files, with the list of them."""
    folder = ROOT / RUNBOOK
    rows = "\n".join(f"- [{page.value}]({page.value}.md): {PAGES[page].title}." for page in Page)
    pages = {folder / f"{page.value}.md": markdown(page) for page in Page}
    return {folder / "README.md": INTRODUCTION.format(rows=rows), **pages}


INTRODUCTION = """# When a stage stops for a person

A stage that would have to guess ends with exit code 71, says why in one sentence, and changes nothing. Nobody starts it
again by himself on one machine; Compose and Kubernetes do, and it stops again. `fillstream recover` lists what stopped,
and each sentence names its page here:

{rows}

These pages are made from `fillstream/tools/runbook.py` by `python -m tests.support.tables`.
"""


def main() -> None:
    """Write the tables, the runbook and the users."""
    for file in TABLES:
        file.write_text(written(file))
    for file, text in {**runbook(), USERS: users(), REFERENCE: reference()}.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
