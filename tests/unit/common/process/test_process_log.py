"""Every line that a process writes about itself has the one format that FILLSTREAM_LOG_FORMAT names."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from fillstream.libs.common.messages.stages import PROGRAMS, STAGES, Program, StageSpec
from fillstream.libs.common.process.process_log import set_up_log
from fillstream.libs.common.process.settings import SettingsError

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []  # `force` closes those that are there, and pytest still needs its own
    yield
    logging.captureWarnings(False)
    root.handlers[:], (sys.excepthook, threading.excepthook) = handlers, hooks
    root.setLevel(level)


def test_a_plain_line_has_time_level_service_thread_and_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILLSTREAM_LOG_FORMAT", raising=False)
    set_up_log("orders")
    logging.getLogger("anybody").warning("%d left", 3)
    assert re.fullmatch(rf"{STAMP} WARNING orders MainThread 3 left\n", capsys.readouterr().err)


def test_a_json_line_has_the_same_and_the_exception(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLSTREAM_LOG_FORMAT", "json")
    set_up_log("orders")
    try:
        raise ValueError("price: 1e9\nis above 10")
    except ValueError:
        logging.getLogger("anybody").exception("not\nread: %s", "b\udcff.csv")
    (text,) = capsys.readouterr().err.splitlines()
    line = json.loads(text)
    assert re.fullmatch(STAMP, line.pop("time"))
    assert line.pop("exception").endswith("ValueError: price: 1e9\nis above 10")
    assert line == {
        "level": "ERROR", "service": "orders", "thread": "MainThread", "logger": "anybody",
        "message": "not\nread: b?.csv",
    }  # fmt: skip


def test_what_is_below_the_level_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_log("orders", "WARNING")
    logging.getLogger("anybody").info("quiet")
    assert capsys.readouterr().err == ""


def test_another_format_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILLSTREAM_LOG_FORMAT", "xml")
    with pytest.raises(SettingsError, match="environment FILLSTREAM_LOG_FORMAT: xml is not one of plain, json"):
        set_up_log("orders")


def lines_of(code: str, *args: str, **environ: str) -> tuple[int, list[dict[str, str]]]:
    """Run a process that logs JSON; return its exit code and its lines, every one of which must be JSON."""
    done = subprocess.run(
        [sys.executable, *(["-c", code] if code else []), *args],
        env={**os.environ, "FILLSTREAM_LOG_FORMAT": "json", **environ},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]


def test_what_ends_a_thread_or_the_process_is_a_line_too() -> None:
    code, lines = lines_of(
        "import threading, warnings\n"
        "from fillstream.libs.common.process.process_log import set_up_log; set_up_log('x')\n"
        "def fail(): raise KeyError('k')\n"
        "warnings.warn('old')\n"
        "one = threading.Thread(target=fail, name='one'); one.start(); one.join()\n"
        "raise ValueError('v')"
    )
    assert code == 1
    assert [each["message"].splitlines()[0] for each in lines[1:]] == [
        "a thread ends: KeyError: 'k'",
        "the process ends: ValueError: v",
    ]
    assert "UserWarning: old" in lines[0]["message"]
    assert lines[1]["thread"] == "one"
    assert lines[2]["exception"].startswith("Traceback")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_settings_that_are_refused_are_lines_as_well(program: Program) -> None:
    code, lines = lines_of("", "-m", *program.command, FILLSTREAM_SERVICE__PORT="0")
    assert code == 78
    assert [each["message"] for each in lines] == [
        "environment FILLSTREAM_SERVICE__PORT: service.port: its value must be at least 1"
    ]
    assert lines[0]["service"] == program.name


@pytest.mark.parametrize("spec", STAGES.values(), ids=lambda spec: spec.name)
def test_help_shows_the_command_that_was_typed(spec: StageSpec) -> None:
    words = (sys.executable, "-m", *spec.command, "--help")
    told = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"})
    venue = " [--venue VENUE]" if spec.inbox.per_venue else ""
    assert f"usage: python -m {' '.join(spec.command)} [-h] [--partition PARTITION]{venue}\n" in told.stdout


def test_a_partition_that_the_stage_does_not_have_is_refused() -> None:
    code, lines = lines_of("", "-m", *STAGES["engine"].command, "--partition", "3")
    assert (code, lines[-1]["message"]) == (78, "--partition: 3 is none of the engine stage's, 0 to 0")


@pytest.mark.parametrize("words", [("--venue", "SIM3"), ()])
def test_a_venue_that_the_desk_does_not_have_is_refused(words: tuple[str, ...]) -> None:
    """By the argument or the variable: without books it would answer nobody, for good."""
    told = {} if words else {"FILLSTREAM_VENUE": "SIM3"}
    code, lines = lines_of("", "-m", *STAGES["engine"].command, *words, **told)
    sentence = "--venue: SIM3 must be a simulated venue of this desk, those of execution.venues are SIM"
    assert (code, lines[-1]["message"]) == (78, sentence)


def test_the_feed_says_so_as_well() -> None:
    code, lines = lines_of("", "-m", "fillstream", "feed", "nothing.csv", FILLSTREAM_SERVICE__PORT="0")
    assert (code, len(lines)) == (78, 1)
    assert "service.port" in lines[0]["message"]
