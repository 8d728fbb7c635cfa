"""What a plain installation leaves out, and what it says about that."""

from pathlib import Path

import pytest

from fillstream.stack import extras


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/ann/desk", "pip install 'fillstream[local]'"),
        ("/home/ann/.local/share/pipx/venvs/fillstream", "pipx runpip fillstream install 'fillstream[local]'"),
    ],
)
def test_the_command_adds_to_this_very_installation(monkeypatch: pytest.MonkeyPatch, prefix: str, command: str) -> None:
    monkeypatch.setattr(extras.sys, "prefix", prefix)
    assert extras.how_to_get("local") == command


def test_without_the_embedded_server_one_on_path_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert extras.server_program() is None
    assert not extras.has_analytics()
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    assert extras.server_program() == str(server)
