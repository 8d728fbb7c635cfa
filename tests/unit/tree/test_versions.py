"""A test run says what it ran on: a green run on another server than one thinks is worth less than it looks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.tree import ROOT
from tests.support.versions import direct_dependencies, place_of, server_named


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"redis_version": "8.2.1"}, "redis 8.2.1"),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.0"}, "valkey 9.1.0"),
        ({"redis_version": "7.2.4", "server_name": "another"}, "another 7.2.4"),
    ],
)
def test_a_server_is_called_by_its_own_name_and_version(info: dict[str, str], name: str) -> None:
    assert server_named(info) == name


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://desk:secret@redis.internal:6380/3", "redis://redis.internal:6380/3"),
        ("rediss://:secret@redis.internal", "rediss://redis.internal:6379"),
        ("unix://desk:secret@/run/redis.sock", "/run/redis.sock"),
    ],
)
def test_a_urls_password_is_not_printed(url: str, place: str) -> None:
    assert place_of(url) == place


def test_a_run_ends_with_the_server_and_every_version() -> None:
    """Also with `-q`, and also when no test asked for a server."""
    chosen = "tests/unit/tree/test_versions.py::test_a_server_is_called_by_its_own_name_and_version"
    environ = {**os.environ, "COLUMNS": "100"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", chosen]
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    _, _, ran = run.stdout.partition("= what ran =")
    assert "Redis: no test asked for one" in ran
    said = " ".join(ran.split())
    assert f"CPython {sys.version.split()[0]} on " in said or sys.implementation.name != "cpython"
    for name in ("redis", "duckdb", "pytest", *direct_dependencies()):
        assert f" {name} " in said, f"{name} is asked for in pyproject.toml: its version is said"
