"""`fillstream` run within the test, against a desk of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.cli.exit_codes import Exit
from fillstream.stack.stack import LocalStack

Run = Callable[..., Result]


def fillstream(*arguments: str, code: Exit | None = Exit.OK) -> Result:
    """Run the command with these arguments; it has to end with `code`, None for any."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert code is None or result.exit_code == code, f"{result.exit_code}: {result.stdout}{result.stderr}"
    return result


def against(desk: LocalStack, monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Run:
    """Return what runs the command against a desk, with lines wide enough for every table."""
    monkeypatch.setenv("REDIS_URL", desk.redis_url)
    monkeypatch.setenv("FILLSTREAM_ANALYTICS_URL", desk.url("analytics"))
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(data_dir))
    monkeypatch.setenv("COLUMNS", "300")
    return fillstream
