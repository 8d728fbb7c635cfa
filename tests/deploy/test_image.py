"""The image: what a container may take for granted, read from the Dockerfile."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.deploy.files import DOCKERFILE, ROOT

TEXT = DOCKERFILE.read_text()
LINES = [line.strip() for line in TEXT.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
"""One instruction a line, comments and continuations gone."""


def instructions(name: str, stage: str | None = None) -> list[str]:
    """Return the arguments of every `name` instruction, of one stage or of all."""
    found, current = [], ""
    for line in LINES:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            current = rest.rpartition(" AS ")[2]
        if word == name and stage in (None, current):
            found.append(rest.strip())
    return found


def test_every_stage_starts_from_one_pinned_image() -> None:
    assert instructions("FROM") == [
        "${PYTHON_IMAGE} AS build",
        "build AS build-analytics",
        "build AS build-calendars",
        "${PYTHON_IMAGE} AS runtime",
        "runtime AS calendars",
        "runtime AS analytics",
    ]
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", TEXT, re.MULTILINE)


def test_the_compiler_stays_in_the_build_stage() -> None:
    assert any("gcc" in each for each in instructions("RUN", "build"))
    assert not any("gcc" in each for each in instructions("RUN", "runtime"))


def test_a_wheel_without_the_limited_api_stops_the_build() -> None:
    assert any("ls /wheels/fillstream-*-abi3-*.whl" in each for each in instructions("RUN", "build"))


def test_dependencies_are_installed_before_the_source_is_copied() -> None:
    build = LINES[LINES.index("FROM ${PYTHON_IMAGE} AS build") :]
    install = next(i for i, line in enumerate(build) if "-r /run.txt" in line)
    source = next(i for i, line in enumerate(build) if line.startswith("COPY services"))
    assert install < source


def test_everything_is_installed_at_the_version_and_hash_of_the_constraints_file() -> None:
    installs = [
        step for line in instructions("RUN") for step in line.split("&&") if re.search(r"\bpip .*install\b", step)
    ]
    assert len(installs) == 6
    for each in installs:
        assert re.search(
            r"--require-hashes .*-c constraints\.txt|--require-hashes -r /pip\.txt|--no-deps /wheels/", each
        )


def test_only_the_image_of_analytics_carries_what_analytics_needs() -> None:
    assert not any("analytics" in each for each in instructions("COPY", "runtime") + instructions("RUN", "build"))
    assert instructions("COPY", "calendars") == ["--from=build-calendars /opt/calendars /opt/calendars"]
    assert instructions("COPY", "analytics") == ["--from=build-analytics /opt/analytics /opt/analytics"]


def test_it_runs_as_a_numbered_user_that_is_not_root() -> None:
    (user,) = instructions("USER", "runtime")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    uid, _, gid = user.partition(":")
    assert any(f"install -d -o {uid} -g {gid} -m 0750 /data" in each for each in instructions("RUN", "runtime")), (
        "a new named volume takes its owner from the image's /data"
    )


def test_tini_is_the_entry_point() -> None:
    assert [json.loads(each) for each in instructions("ENTRYPOINT", "runtime")] == [["tini", "--"]]
    assert any(re.search(r"apt-get install .*\btini\b", each) for each in instructions("RUN", "runtime"))


def test_it_checks_its_health_without_curl() -> None:
    (check,) = instructions("HEALTHCHECK", "runtime")
    assert json.loads(check.partition("CMD ")[2]) == ["python", "-I", "-S", "/app/healthcheck.py", "/health"]
    assert "curl" not in " ".join(LINES)


def test_it_carries_the_labels_of_the_open_container_initiative() -> None:
    labels = " ".join(instructions("LABEL", "runtime"))
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_whatever_is_copied_is_let_through_dockerignore() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*", "everything stays out, but what is named"
    let_in = {line.removeprefix("!") for line in patterns if line.startswith("!")}
    copied = {
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }  # fmt: skip
    assert copied == let_in
    assert all((ROOT / each).exists() for each in let_in)


def test_no_secret_gets_a_default() -> None:
    for line in instructions("ENV") + instructions("ARG"):
        assert not fnmatch.fnmatch(line.upper(), "*PASSWORD*")
        assert not fnmatch.fnmatch(line.upper(), "*API_KEY*")


# ----------------------------------------------------------------------------------------------- healthcheck.py


class Service(BaseHTTPRequestHandler):
    """Up, but not ready."""

    def do_GET(self) -> None:
        self.send_response({"/health": 200, "/ready": 503}[self.path])
        self.end_headers()
        self.wfile.write(b"recovering\n")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def check(path: str, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "deploy" / "healthcheck.py"), path],
        env={"FILLSTREAM_SERVICE__PORT": str(port)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_healthy_service_is_said_to_be_healthy(port: int) -> None:
    answer = check("/health", port)
    assert (answer.returncode, answer.stdout) == (0, f"/health on port {port}: 200 recovering\n")


def test_a_service_that_is_not_ready_is_said_not_to_be(port: int) -> None:
    answer = check("/ready", port)
    assert (answer.returncode, answer.stdout) == (1, f"/ready on port {port}: 503 recovering\n")


def test_a_service_that_is_not_there_is_unhealthy_with_a_reason() -> None:
    answer = check("/health", 1)
    assert answer.returncode == 1
    assert re.fullmatch(r"/health on port 1: ConnectionRefusedError: .*\n", answer.stderr)
