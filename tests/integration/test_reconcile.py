"""`fillstream reconcile` on a desk that runs: venues, stages and analytics agree, and where they do not it says so."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis

from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.stack.stack import LocalStack
from tests.conftest import until
from tests.support.command import Run, against


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("desk"), base_port=0, redis_port=0) as stack:
        stack.wait_ready()
        yield stack


@pytest.fixture
def run(desk: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    return against(desk, monkeypatch, tmp_path)


def quote(desk: LocalStack) -> None:
    """Let somebody buy and sell AAPL at 100."""
    with redis.Redis.from_url(desk.redis_url) as client:
        client.xadd(Topology().commands(SIM, 0), {b"frame": frames.quote(1, 9_990, 500, 10_000, 500)})


def test_a_desk_agrees_until_its_book_has_an_order_that_nobody_sent(run: Run, desk: LocalStack) -> None:
    quote(desk)
    run("signal", "AAPL", "BUY", "5", "--limit", "100", "--wait", "--timeout", "20")
    run("signal", "AAPL", "BUY", "5", "--limit", "99.80", "--wait", "--timeout", "20")
    found = orjson.loads(run("reconcile", "--json").stdout)
    assert (found["agrees"], found["missing"], found["differences"]) == (True, [], [])
    [venue] = found["venues"]
    assert (venue["venue"], venue["complete"], venue["orders"]) == ("SIM", True, 1)
    assert sum(message["positions"] for message in found["positions"]) == 1
    table = run("reconcile", "default", "--venue", "SIM").stdout
    assert "1 positions of 1 accounts are the same in the orders and the positions stage" in table

    with redis.Redis.from_url(desk.redis_url) as client:  # as a stage that lost its log would leave one
        stray = frames.new_order(
            999, 1, 1, 0, side=frames.Side.BUY, ord_type=frames.OrdType.LIMIT, tif=frames.Tif.GTC, price=9_000, qty=3
        )
        client.xadd(Topology().commands(SIM, 0), {b"frame": stray})
    said = run("reconcile", "--reason", "a stray order", code=Exit.NO).stdout
    assert "external_order" in said
    assert "which is not the desk's" in said

    first = run("reconcile", "--id", "same", "--venue", "SIM", "default", "--json", code=Exit.NO)
    assert orjson.loads(first.stdout)["control_id"] == "same"
    assert "came before" in run("reconcile", "--id", "same", "--venue", "SIM", "default", code=Exit.NO).stderr

    def last() -> bool:
        shown = run("reconcile", "--last", "--json", code=None)  # analytics may not have it all yet
        told = orjson.loads(shown.stdout)
        assert told["analytics"] == [], "what analytics has adds up to what is held"
        return any(each["difference"] == "external_order" for each in told["differences"])

    until(last, "analytics")
    assert "external_order" in run("reconcile", "--last", code=Exit.NO).stdout


def test_what_is_asked_for_must_be_there(run: Run) -> None:
    refused = run("reconcile", "--venue", "MOON", code=Exit.NO).stderr
    assert "venue: MOON must be a venue of this desk, one of SIM" in refused
    assert "nobody" in run("reconcile", "nobody", code=Exit.NO).stderr


def test_a_venue_that_does_not_answer_is_named(run: Run, desk: LocalStack) -> None:
    engine = desk.processes["engine"]
    engine.kill(signal.SIGSTOP)
    try:
        result = run("reconcile", "--timeout", "2", code=Exit.NO_ANSWER)
    finally:
        engine.kill(signal.SIGCONT)
    assert "SIM has not told what it has (book 0)" in result.stderr
