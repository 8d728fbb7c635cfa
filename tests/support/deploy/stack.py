"""The compose stack as the tests drive it: brought up from the checkout under a name and ports of its own.

It has the attributes of `fillstream.LocalStack` that `tests.support.busy_desk` uses, so that the same load and the
same audit serve both.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from fillstream.libs.common.process.settings import Settings, load_settings
from tests.conftest import until
from tests.support.deploy.files import CONFIG, ROOT, compose
from tests.support.deploy.units import UNITS, port_variable

SWITCH = "FILLSTREAM_DEPLOY_TEST"
"""Building images and starting nine containers is not part of `make test`; `make docker-check` sets this to 1."""
UP_S = 240
KILL_SERVICE = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    words = open(f"/proc/{pid}/cmdline").read().split("\\0")
    if words[1:2] == ["-m"] or words[1].endswith("/fillstream"):
        os.kill(int(pid), signal.SIGKILL)
"""
"""Run inside a container: kill -9 of the service, not of tini (Docker takes the death of a container that it was asked
to kill for a wish, and does not start it again)."""


def require_docker() -> None:
    """Skip the test, saying why, where it was not asked for or Docker does not answer."""
    if os.environ.get(SWITCH) != "1":
        pytest.skip(f"builds images and starts containers: set {SWITCH}=1, or `make docker-check`")
    if shutil.which("docker") is None:
        pytest.skip("docker is not on PATH")
    answer = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    if answer.returncode != 0 or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker Engine with compose answers")


def free_ports() -> Iterator[int]:
    """Yield free ports, none of those that the system hands out by itself.

    One of these may be anybody's by the time that a container wants it, or wants it again after a stop.
    """
    for port in random.sample(range(15_000, 30_000), 1_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


@dataclass(slots=True)
class ComposeStack:
    """One bring-up of docker-compose.yml.

    Args:
        project: name of containers, network and volumes.
        variables: what .env would say.
    """

    project: str
    variables: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    settings: Settings = field(default_factory=lambda: load_settings(CONFIG / "local.yaml"))

    def __post_init__(self) -> None:
        self.ports = dict(zip(compose()["services"], free_ports(), strict=False))

    @property
    def redis_url(self) -> str:
        password = self.variables.get("FILLSTREAM_REDIS_PASSWORD", "")
        who = f":{quote(password, safe='')}@" if password else ""
        return f"redis://{who}127.0.0.1:{self.ports['redis']}/0"

    @property
    def environment(self) -> dict[str, str]:
        """What compose is run with, by a test or by a shell."""
        ports = {port_variable(name): str(port) for name, port in self.ports.items()}
        return {**os.environ, "COMPOSE_PROJECT_NAME": self.project, **ports, **self.variables}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def run(self, *words: str) -> str:
        """Run `docker compose`; fail with what it said, and the containers' last lines, when it fails."""
        done = self.compose(*words)
        if done.returncode != 0:
            logs = self.compose("logs", "--no-color", "--tail", "20").stdout
            pytest.fail(f"docker compose {' '.join(words)}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}\n{logs}")
        return done.stdout

    def compose(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `docker compose` with every profile, and more variables; return how it ended."""
        return subprocess.run(
            ["docker", "compose", "--profile", "*", *words],
            cwd=ROOT,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def up(self, *services: str) -> None:
        """Start services, or everything but the feed, and return once every container is healthy."""
        services = services or tuple(name for name in compose()["services"] if name != "feed")
        self.run("up", "--detach", "--wait", "--wait-timeout", str(UP_S), *services)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return what `docker inspect` says of every container, by service."""
        ids = self.run("ps", "--all", "--quiet").split()
        found = json.loads(subprocess.run(["docker", "inspect", *ids], capture_output=True, check=True).stdout)
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def execute(self, service: str, *words: str) -> str:
        """Run a command in a container."""
        return self.run("exec", "-T", service, *words)

    def logs(self, *services: str) -> list[str]:
        """Return the lines that services wrote, without what compose adds to them."""
        return self.run("logs", "--no-color", "--no-log-prefix", *services).splitlines()

    def restarts(self, service: str) -> int:
        return int(self.containers()[service]["RestartCount"])

    def kill(self, service: str) -> None:
        """kill -9 a service and return once Docker has started it again."""
        before = self.restarts(service)
        # The container ends with its service, and this command may end with the container: its exit code says nothing.
        self.compose("exec", "-T", service, "python", "-c", KILL_SERVICE)
        until(lambda: self.restarts(service) > before, f"Docker to start {service} again", timeout_s=60)

    def kill_redis(self) -> None:
        """kill -9 the server, which is its container's first process, and start the container again."""
        self.run("kill", "--signal", "KILL", "redis")
        self.up("redis")

    def wait_ready(self) -> None:
        """Return once every service says that it has recovered and is consuming."""
        for unit in UNITS:
            until(partial(self.is_ready, unit.name), f"{unit.name} to be ready", timeout_s=120)

    def is_ready(self, name: str) -> bool:
        return self.status(name, "/ready") == 200

    def status(self, name: str, path: str) -> int:
        """Return what a service answers to somebody on this machine, 0 for nothing."""
        try:
            with urlopen(f"{self.url(name)}{path}", timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            time.sleep(0.2)
            return 0
