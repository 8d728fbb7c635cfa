"""Other Pythons of this machine, and environments of theirs with what constraints.txt pins."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.tree import ROOT

PYTHONS = ("3.11", "3.12", "3.13")


def found(wanted: str) -> str:
    """Return a Python of a version: on PATH, or beside the one that runs the tests; skip when there is none."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{wanted}.*/bin/python3"))
    for candidate in (shutil.which(f"python{wanted}"), *map(str, beside)):
        if candidate and _says(candidate, "import sys; print('%d.%d' % sys.version_info[:2])") == wanted:
            return candidate
    pytest.skip(f"no Python {wanted} on PATH, nor beside {sys.base_prefix}")


def interpreter(wanted: str, folder: Path) -> str:
    """Return a Python of a version that can import the checkout and its tests: this one, or a fresh environment's."""
    if wanted == "%d.%d" % sys.version_info[:2]:  # noqa: UP031 - as `found` asks it
        return sys.executable
    python = environment(found(wanted), folder) / "python"
    run(*pip(folder / "venv"), "--require-hashes", "-c", str(ROOT / "constraints.txt"), "pytest", cwd=folder)
    _name_release(folder / "venv")
    return str(python)


def _name_release(venv: Path) -> None:
    """Leave what says which release is installed: the checkout itself is imported from where it is."""
    [packages] = venv.glob("lib/python*/site-packages")
    told = packages / f"fillstream-{version('fillstream')}.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fillstream\nVersion: {version('fillstream')}\n")


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
