"""A service whose Redis is not there: up, not ready, and ready as soon as it is; one that is asked to stop, stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import redis

from fillstream.libs.common.runtime.log import connect
from fillstream.libs.common.runtime.waiting import wait_for_redis
from tests.conftest import free_port, start_redis, until
from tests.support.servers import server_program

SERVICES = ("order_service orders", "analytics")


class Service:
    """A process whose Redis is to come at a port that is still free."""

    def __init__(self, module: str, folder: Path) -> None:
        self.port, self.redis_port, self.log = free_port(), free_port(), folder / "log"
        environ = {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}",
            "FILLSTREAM_SERVICE__PORT": str(self.port),
            "FILLSTREAM_DATABASE__DATA_DIR": str(folder),
            "FILLSTREAM_DATABASE__PATH": str(folder / "x.duckdb"),
            "FILLSTREAM_LOG_FORMAT": "json",
        }
        name, *more = module.split()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"fillstream.services.{name}", *more],
                env={**os.environ, **environ}, stdout=log, stderr=log,
            )  # fmt: skip

    def status(self, path: str) -> int:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            assert self.process.poll() is None, self.log.read_text()
            return 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    made: list[Service] = []

    def service(module: str) -> Service:
        made.append(Service(module, tmp_path))
        return made[-1]

    yield service
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()


@pytest.mark.parametrize("module", SERVICES)
def test_a_service_without_its_redis_is_up_and_not_ready_until_it_comes(
    module: str, start: Callable[[str], Service], tmp_path: Path
) -> None:
    service = start(module)
    until(lambda: service.status("/health") == 200, "the service to be up")
    until(lambda: "waiting for Redis" in service.log.read_text(), "it to say what it waits for")
    assert service.status("/ready") == 503
    folder = tmp_path / "redis"
    folder.mkdir()
    server = start_redis(server_program(), service.redis_port, folder)
    try:
        until(lambda: service.status("/ready") == 200, "the service to be ready")
        assert service.process.poll() is None
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        assert {each["service"] for each in lines} == {module.rsplit(maxsplit=1)[-1]}
    finally:
        server.kill()
        server.wait()
    if module == "analytics":
        assert service.process.wait(timeout=90) == 70, "lost while it was live: it ends"
        return
    # A stage waits again, unless a commit was under way.
    if not waits_again(service):
        assert service.process.wait(timeout=90) == 70
        return
    server = start_redis(server_program(), service.redis_port, folder)
    try:
        until(lambda: service.status("/ready") == 200, "it to be ready again")
    finally:
        server.kill()
        server.wait()


def waits_again(service: Service) -> bool:
    try:
        until(lambda: service.process.poll() is not None or service.status("/ready") == 503, "it to wait, or to end")
    except AssertionError:  # it ended between the two questions
        return False
    return service.process.poll() is None


@pytest.mark.parametrize("module", SERVICES)
def test_a_service_that_waits_ends_when_asked_to(module: str, start: Callable[[str], Service]) -> None:
    service = start(module)
    until(lambda: service.status("/health") == 200, "the service to be up")
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=60) == 0


def test_a_person_is_told_after_a_while() -> None:
    with connect(f"redis://127.0.0.1:{free_port()}") as client, pytest.raises(redis.exceptions.ConnectionError):
        wait_for_redis(client, limit_s=0.1)


def test_who_was_asked_to_stop_waits_for_nothing() -> None:
    stop = threading.Event()
    stop.set()
    with connect(f"redis://127.0.0.1:{free_port()}") as client:
        assert wait_for_redis(client, stop) is False


def test_a_wrong_password_is_waited_out_with_the_reason(
    client: redis.Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.config_set("requirepass", "right")
    keeper = redis.Redis.from_url(redis_url, password="right")
    try:
        with connect(redis_url) as without, pytest.raises(redis.exceptions.AuthenticationError):
            wait_for_redis(without, limit_s=0.1)
        assert "waiting for Redis, 0 s so far: Authentication required." in caplog.text
    finally:
        keeper.config_set("requirepass", "")
        keeper.close()
