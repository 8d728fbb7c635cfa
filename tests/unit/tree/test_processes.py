"""Tests that run in several processes: each has a server of its own, the last lines say which, and none is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tree import ROOT

INNER = """
import os, pathlib, threading

import pytest

@pytest.mark.parametrize("number", range(4))
def test_nobody_else_empties_it(client, number):
    client.set("mine", number)
    pathlib.Path(__file__).with_name(f"server.{number}").write_text(client.info("server")["run_id"])
    assert client.get("mine") == str(number).encode()
    if number % 2:
        stage = threading.Thread(target=os._exit, args=(70,))
        stage.start()
        stage.join()
"""
"""Four tests, of which each of two processes gets two; in the second of each a stage ends its process."""


def run_in_two(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the inner tests, which stand in no tree, under this tree's settings and conftest."""
    inner = folder / "test_inner.py"
    inner.write_text(INNER)
    command = (
        sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", "-p", "no:cacheprovider",
        "-n", "2", "--dist", "worksteal", str(inner),
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name != "TEST_REDIS_URL"}
    return subprocess.run(command, cwd=ROOT, env={**kept, **environ}, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("redis_server")
def test_each_has_a_server_and_outlives_a_stage_that_ends_its_process(tmp_path: Path) -> None:
    run = run_in_two(tmp_path)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert len({server.read_text() for server in tmp_path.glob("server.*")}) == 2
    _, _, ran = run.stdout.partition("= what ran =")
    (told,) = (line for line in ran.splitlines() if line.startswith("Redis: "))
    assert told.endswith(", in 2 processes"), told
    assert "no test asked" not in told
    assert "a stage in this process ended it, with [70]" in run.stdout
    assert "2 failed, 2 passed, 2 errors" in run.stdout, (
        "pytest tells of the thread, conftest of the process; none is lost"
    )


def test_a_server_that_is_named_is_not_emptied_from_two_processes(tmp_path: Path) -> None:
    run = run_in_two(tmp_path, TEST_REDIS_URL="redis://127.0.0.1:1")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "TEST_REDIS_URL names one" in run.stderr
    assert not list(tmp_path.glob("server.*"))
