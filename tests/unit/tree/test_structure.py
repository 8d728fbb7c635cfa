"""The house stays as it is drawn: imports run with the data, folds stay pure, rooms stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillstream.libs.common.messages.stages import DOORS, PROGRAMS, STAGES
from fillstream.libs.common.messages.stages import SOURCES as OUTSIDE
from fillstream.libs.common.messages.topology import KINDS
from tests.support.tree import ROOT

SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/__init__.py"))
SOURCES = [path for top in ("fillstream", "libs", "services", "native") for path in sorted((ROOT / top).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
BENCHES = sorted((ROOT / "bench").rglob("*.py"))
MAX_LINES = 600
MAX_FUNCTION_LINES = 60
LIBS = ("fillstream.libs.common", "fillstream.native")
"""Under these names services and the library are imported; the folders are linked into the package `fillstream`."""
CLIENTS = ("fillstream.client", "fillstream.orderbook", "fillstream.tools")
"""The gateway is a client of the desk, and speaks for others: it may know what a client knows."""
FLOORS: dict[str, dict[str, int]] = {
    "fillstream.libs.common": {
        "values": 0,
        "triggers": 0,
        "expressions": 1,
        "engine": 1,
        "messages": 2,
        "ledger": 3,
        "runtime": 4,
        "process": 5,
    },
    "fillstream": {
        "families": 0,
        "orderbook": 0,
        "research": 0,
        "client": 1,
        "strategy": 2,
        "trading": 2,
        "stack": 3,
        "tools": 4,
        "demo": 5,
        "backtest": 6,
        "flow": 7,
        "cli": 8,
    },
}
"""Rooms of the library, and of what people import: each may import what lies below it, and itself."""
NOT_FOLDS = ("app.py", "__main__.py")
"""What of a service's modules may know the world. Analytics is a reader, and folds nothing."""
FOLDS = [
    *(
        path
        for name in sorted({spec.module.rpartition(".")[2] for spec in STAGES.values()})
        for path in sorted((ROOT / "services" / name).rglob("*.py"))
        if path.name not in NOT_FOLDS
    ),
    *(
        path
        for room in ("values", "messages", "ledger")
        for path in sorted((ROOT / "libs/common" / room).rglob("*.py"))
    ),
    ROOT / "libs/common/runtime/stage.py",
    ROOT / "libs/common/runtime/runner.py",
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
    found = {name for name in imports(path) if name.startswith("fillstream")}
    match path.relative_to(ROOT).parts:
        case ("libs", *_):
            assert not {name for name in found if not name.startswith(LIBS)}
        case ("services", service, _, *_):
            assert service in SERVICES, "a service is a package"
            own = (*LIBS, f"fillstream.services.{service}", *(CLIENTS if service == "gateway" else ()))
            assert not {name for name in found if not name.startswith(own)}
        case ("native", *_):
            assert not found
        case _:
            assert path.relative_to(ROOT).parts[0] in ("fillstream", "services")


def room_of(module: str) -> tuple[str, str] | None:
    """Return a module's house and its room there, None of what is in no room."""
    for house, floors in FLOORS.items():
        if module.startswith(f"{house}.") and (room := module.removeprefix(f"{house}.").split(".")[0]) in floors:
            return house, room
    return None


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts if parts[0] == "fillstream" else ("fillstream", *parts))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_import_runs_back_up(path: Path) -> None:
    place = room_of(module_of(path))
    if place is None:
        assert path.parts[-1].startswith("__") or path.relative_to(ROOT).parts[0] in ("services", "native"), "no room"
        return
    house, own = place
    reached = {found[1] for name in imports(path) if (found := room_of(name)) is not None and found[0] == house}
    assert {room for room in reached - {own} if FLOORS[house][room] >= FLOORS[house][own]} == set()


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *BENCHES], ids=named)
def test_the_houses_folders_have_one_name_in_python(path: Path) -> None:
    """`services.x` beside `fillstream.services.x` would be the same file twice, and somebody else's `services`."""
    assert not {name for name in imports(path) if name.split(".")[0] in ("libs", "services", "native", "config")}


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_tests_import_no_tests(path: Path) -> None:
    found = {name for name in imports(path) if name.startswith("tests.")}
    assert not {name for name in found if not name.startswith(("tests.support", "tests.conftest"))}


@pytest.mark.parametrize("path", FOLDS, ids=named)
def test_a_fold_knows_no_clock_no_randomness_and_no_io(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    allowed = {"time"} if path.name == "runner.py" else set()  # a stopwatch on the commit, for a metric
    assert roots & IMPURE - allowed == set()
    calls = {node.func.id for node in ast.walk(ast.parse(path.read_text())) if _calls_a_name(node)}  # type: ignore[attr-defined]
    assert calls & {"open", "print", "input", "hash", "id"} == set()


def _shown_by_repr(path: Path) -> Iterator[int]:
    """Yield the lines where a value is shown by `repr`, by name or as `!r`."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FormattedValue(conversion=114) | ast.Call(func=ast.Name(id="repr")):
                yield node.lineno
            case ast.Call(args=[*arguments]) if any(isinstance(a, ast.Name) and a.id == "repr" for a in arguments):
                yield node.lineno


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[len(ROOT.parts)] in ("libs", "services")])
def test_no_sentence_depends_on_the_python_that_runs(path: Path) -> None:
    """What `repr` escapes depends on its Unicode tables, and sentences in `dead` are hashed: `shorten`, or `!a`."""
    lines = path.read_text().splitlines()
    assert [n for n in _shown_by_repr(path) if "isinstance(value, float)" not in lines[n - 1]] == []


def test_every_stages_fold_is_among_those_that_are_looked_at() -> None:
    assert len([path for path in FOLDS if path.name == "stage.py"]) == len(STAGES) + 1
    programs = (*PROGRAMS, *OUTSIDE.values(), *DOORS.values())
    assert {each.module.rpartition(".")[2] for each in programs} == set(SERVICES), "every service is on the map"


def _calls_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_room_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(text)), "a module says what flows in, what flows out, and what it never does"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *BENCHES], ids=named)
def test_a_function_fits_on_a_page(path: Path) -> None:
    long = {
        f"{node.name}, line {node.lineno}": node.end_lineno - node.lineno + 1
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert {where: lines for where, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", [*SOURCES, *BENCHES], ids=named)
def test_stages_and_streams_are_listed_in_the_map_alone(path: Path) -> None:
    """Another list of them is another place to forget one in."""
    lists: list[list[str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items) | ast.Dict(keys=items):
                lists.append(
                    [each.value for each in items if isinstance(each, ast.Constant) and isinstance(each.value, str)]
                )
    again = [found for found in lists if len(set(found) & set(STAGES)) > 2 or len(set(found) & set(KINDS)) > 3]
    if named(path) in ("libs/common/messages/contracts.py", "services/analytics/sinks/writer.py"):
        # A model of each, a decoder of each: other tests compare them with the map.
        assert len(again) == 1
    elif named(path) == "libs/common/messages/stages.py":
        assert [set(found) < set(KINDS) for found in again] == [True, True]  # what analytics and the gateway read
    else:
        assert again == []


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
