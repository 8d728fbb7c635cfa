"""Other Pythons of this machine, and environments of theirs with what constraints.txt pins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tree import ROOT

PYTHONS = ("3.11", "3.12", "3.13")


def found(version: str) -> str:
    """Return a Python of a version: on PATH, or beside the one that runs the tests; skip when there is none."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}.*/bin/python3"))
    for candidate in (shutil.which(f"python{version}"), *map(str, beside)):
        if candidate and _says(candidate, "import sys; print('%d.%d' % sys.version_info[:2])") == version:
            return candidate
    pytest.skip(f"no Python {version} on PATH, nor beside {sys.base_prefix}")


def interpreter(version: str, folder: Path) -> str:
    """Return a Python of a version that can import the checkout and its tests: this one, or a fresh environment's."""
    if version == "%d.%d" % sys.version_info[:2]:  # noqa: UP031 - as `found` asks it
        return sys.executable
    python = environment(found(version), folder) / "python"
    run(*pip(folder / "venv"), "--require-hashes", "-c", str(ROOT / "constraints.txt"), "pytest", cwd=folder)
    return str(python)


def environment(python: str, folder: Path, *extras: str) -> Path:
    """Make an environment with the requirements of the project and of some extras; return its programs."""
    run(python, "-m", "venv", "--without-pip", str(folder / "venv"), cwd=folder)
    (folder / "wanted.txt").write_text(run(sys.executable, "deploy/requirements.py", *extras, cwd=ROOT))
    install = (*pip(folder / "venv"), "--require-hashes", "-c", str(ROOT / "constraints.txt"))
    run(*install, "-r", str(folder / "wanted.txt"), cwd=folder)
    return folder / "venv/bin"


def pip(venv: Path) -> tuple[str, ...]:
    """Return the command that installs into an environment, which has no pip of its own."""
    return (sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "-q", "install")


def run(*command: str, cwd: Path, **environ: str) -> str:
    """Run a command and return what it printed; fail with what it said when it fails."""
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _says(python: str, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
