"""The house stays as it is drawn: imports run with the data, folds stay pure, rooms stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tree import ROOT

SERVICES = ("order_service", "matching_engine", "position_service", "analytics")
SOURCES = [path for top in ("fillstream", "libs", "services", "native") for path in sorted((ROOT / top).rglob("*.py"))]
MAX_LINES = 600
LIBS = ("fillstream.libs.common", "fillstream.native")
"""Under these names services and the library are imported; the folders are linked into the package `fillstream`."""
FOLDS = [
    *(ROOT / "libs/common").glob("stage.py"),
    ROOT / "libs/common/runtime/runner.py",
    ROOT / "libs/common/values/money.py",
    ROOT / "libs/common/messages/wire.py",
    *(path for path in (ROOT / "services/order_service").glob("*.py") if path.name not in ("app.py", "__main__.py")),
    ROOT / "services/matching_engine/stage.py",
    ROOT / "services/position_service/stage.py",
    ROOT / "libs/common/ledger/average.py",
]
IMPURE = {
    "asyncio", "datetime", "duckdb", "faststream", "http", "httpx", "os", "pathlib", "prometheus_client", "random",
    "redis", "secrets", "socket", "subprocess", "threading", "time", "urllib", "uuid",
}  # fmt: skip


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_imports_run_with_the_data(path: Path) -> None:
    found = set(imports(path))
    match path.relative_to(ROOT).parts:
        case ("libs", *_):
            assert not {name for name in found if name.startswith("fillstream") and not name.startswith(LIBS)}
        case ("services", service, *_) if service in SERVICES:
            own = (*LIBS, f"fillstream.services.{service}")
            assert not {name for name in found if name.startswith("fillstream") and not name.startswith(own)}
        case ("native", *_):
            assert not {name for name in found if name.startswith("fillstream")}
        case _:
            assert path.relative_to(ROOT).parts[0] in ("fillstream", "services")


@pytest.mark.parametrize(
    "path", [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")], ids=named
)
def test_the_houses_folders_have_one_name_in_python(path: Path) -> None:
    """`services.x` beside `fillstream.services.x` would be the same file twice, and somebody else's `services`."""
    assert not {name for name in imports(path) if name.split(".")[0] in ("libs", "services", "native", "config")}


@pytest.mark.parametrize("path", FOLDS, ids=named)
def test_a_fold_knows_no_clock_no_randomness_and_no_io(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    allowed = {"time"} if path.name == "runner.py" else set()  # a stopwatch on the commit, for a metric
    assert roots & IMPURE - allowed == set()
    calls = {node.func.id for node in ast.walk(ast.parse(path.read_text())) if _calls_a_name(node)}  # type: ignore[attr-defined]
    assert calls & {"open", "print", "input", "hash", "id"} == set()


def _calls_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_room_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(text)), "a module says what flows in, what flows out, and what it never does"


def test_every_pinned_dependency_earns_its_place_in_the_architecture() -> None:
    import re
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    architecture = (ROOT / "ARCHITECTURE.md").read_text()
    needed = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    for requirement in needed:
        name = re.split(r"[\[<>=]", requirement)[0]
        if name == project["name"]:
            continue  # an extra that stands for others
        assert ">=" in requirement and "<" in requirement, f"{requirement}: pinned by range"
        assert f"`{name}`" in architecture, f"{name}: a line in ARCHITECTURE.md says why it is there"
