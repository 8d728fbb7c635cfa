"""`up` waits as long as something goes on, and no longer."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillstream.stack.progress import MOST_RESTARTS, StackProgress, answer, is_ready
from fillstream.stack.supervisor import Spec, Supervised

NOWHERE = "redis://127.0.0.1:1/0"


class Service(http.server.ThreadingHTTPServer):
    """Answers /ready with what it is told to."""

    status, text = 503, "starting"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.supervised = Supervised(Spec("orders", ("true",), {}, Path("orders.log"), port=self.server_port))
        self.supervised.state = "running"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        service = self.server
        assert isinstance(service, Service)
        self.send_response(service.status)
        self.end_headers()
        self.wfile.write(service.text.encode() + b"\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as made:
        yield made
        made.shutdown()


def test_what_says_something_new_goes_on(service: Service) -> None:
    seen = StackProgress(NOWHERE)
    waiting = [service.supervised]
    assert not seen.went_on(waiting), "the first look compares with nothing"
    assert not seen.went_on(waiting)
    service.text = "folding again 5 of 10 entries, 50 %"
    assert seen.went_on(waiting)
    assert seen.text == "orders: folding again 5 of 10 entries, 50 %"
    assert not seen.went_on(waiting)


def test_what_crashes_again_and_again_does_not_go_on(service: Service) -> None:
    seen = StackProgress(NOWHERE)
    seen.went_on([service.supervised])
    for restarts in range(1, MOST_RESTARTS + 3):
        service.supervised.restarts = restarts
        service.text = f"folding again {restarts} of 10 entries"
        assert seen.went_on([service.supervised]) == (restarts <= MOST_RESTARTS)


def test_ready_is_what_runs_and_says_so(service: Service) -> None:
    assert answer(service.supervised) == (503, "starting")
    assert not is_ready(service.supervised)
    service.status = 200
    assert is_ready(service.supervised)
    service.supervised.state = "waiting"
    assert not is_ready(service.supervised)
    assert answer(service.supervised) == (0, "")


def test_what_does_not_answer_is_not_ready() -> None:
    silent = Supervised(Spec("orders", ("true",), {}, Path("orders.log"), port=1))
    silent.state = "running"
    assert not is_ready(silent)
    seen = StackProgress(NOWHERE)
    assert not seen.went_on([silent])
    assert seen.text == "starting"
