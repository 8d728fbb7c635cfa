"""A strategy on a desk that runs: the file that a backtest runs, and nothing is done twice whatever ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from examples.desk import Market, a_desk
from fillstream import Client, Desk, Strategy
from fillstream.backtest.memory_log import MemoryLog, MemoryRedis
from fillstream.backtest.stages import stages_at
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.messages.journal import OrderFilled
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.strategy.live import LiveRun
from fillstream.strategy.market import Quote
from fillstream.strategy.session import StrategyFailed
from fillstream.tools.replay import replay
from tests.support.backtests import START_MS
from tests.support.servers import Server

PATIENCE_S = 20.0
VENUES = {"AAPL": "SIM"}
SOURCE = """
def on_start(desk):
    desk.signal("AAPL", "BUY", 1)

def on_quote(desk, quote):
    if quote.symbol == "AAPL":
        desk.signal("AAPL", "BUY", 2, price=quote.ask_px)

def on_fill(desk, fill):
    if fill.side == "BUY" and fill.last_qty == 2:
        desk.signal("AAPL", "SELL", 1)
"""


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Client, Market]]:
    with a_desk() as found:
        yield found


class Buyer(Strategy):
    """Buys one at each quote, and fails when it is told to, after it has said so."""

    fails_at = 0

    def __init__(self) -> None:
        self.quotes: list[int] = []
        self.fills: list[str] = []

    def on_start(self, desk: Desk) -> None:
        desk.signal("AAPL", "BUY", 3)

    def on_quote(self, desk: Desk, quote: Quote) -> None:
        self.quotes.append(quote.time_ms)
        desk.signal("AAPL", "BUY", 1)
        if len(self.quotes) == self.fails_at:
            raise RuntimeError("the power went away")

    def on_fill(self, desk: Desk, fill: OrderFilled) -> None:
        self.fills.append(fill.order_id)


def journal(client: Client) -> list[dict[str, Any]]:
    entries: Any = client.redis.xrange(client.topology.events(0))
    return [orjson.loads(fields[b"data"]) for _, fields in entries if b"data" in fields]


def received(client: Client, name: str) -> list[str]:
    """Return the signal ids of a strategy's orders, in order."""
    return [
        event["signal_id"]
        for event in journal(client)
        if event["type"] == "OrderReceived" and event["signal_id"].startswith(f"{name}.")
    ]


def until(told: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not told():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_what_failed_in_the_middle_is_told_again_and_done_once(desk: tuple[Client, Market], tmp_path: Path) -> None:
    client, market = desk
    market.shown("AAPL", "99.00", "99.01")
    state = tmp_path / "buyer.json"

    def make(fails_at: int) -> tuple[Buyer, LiveRun]:
        strategy = Buyer()
        strategy.fails_at = fails_at
        return strategy, LiveRun(strategy, Desk("buyer", "default", {}), client, state, VENUES)

    first, run = make(fails_at=2)
    prices = iter(range(100, 200))

    def quote() -> bool:
        time.sleep(0.12)  # depth is told ten times a second at most
        price = next(prices)
        market.quote("AAPL", f"{price}.00", f"{price}.01")
        return False

    with pytest.raises(StrategyFailed, match=r"on_quote at \d+: RuntimeError: the power went away"):
        run.run(quote)
    second, run = make(fails_at=0)
    run.run(lambda: quote() or len(second.quotes) >= 4)
    assert first.quotes[1] in second.quotes, "it is told again what it failed at"
    ids = received(client, "buyer")
    told_again = set(first.quotes) & set(second.quotes)
    assert not {each for each, count in Counter(ids).items() if count > 1}
    assert len(ids) == 1 + len(first.quotes) + len(second.quotes) - len(told_again)
    assert sum(each.startswith("buyer.start") for each in ids) == 1
    assert second.fills, "it hears of its own orders"
    answered = [event for event in journal(client) if event["type"] == "OrderStatusReported"]
    assert len(answered) >= len(told_again), "the desk said that it had them"


def test_what_was_before_is_told_for_the_memory_alone(desk: tuple[Client, Market], tmp_path: Path) -> None:
    client, market = desk
    market.shown("AAPL", "90.00", "90.01")
    strategy = Buyer()
    run = LiveRun(strategy, Desk("warm", "default", {}), client, tmp_path / "warm.json", VENUES, warm_up_ms=60_000)
    run.run(lambda: bool(strategy.quotes))
    assert run.progress is not None
    until(lambda: received(client, "warm"), "on_start's order")
    # Its own fills change the book, so there may be quotes since; of those before it has said nothing.
    since = [int(each.split("-")[1]) for each in received(client, "warm") if each.startswith("warm.m")]
    assert strategy.quotes[0] < run.progress.started_ms
    assert all(ms >= run.progress.started_ms for ms in since)


def test_what_live_stages_read_gives_the_same_bytes_in_this_process(desk: tuple[Client, Market]) -> None:
    client, market = desk
    market.shown("AAPL", "180.00", "180.01")
    client.wait_for(client.signal("AAPL", "BUY", 5, signal_id="bytes"))
    folded, own = 0, connect(market._stack.redis_url)
    for stage in stages_at(market._stack.settings, lambda: START_MS):
        key, log = client.topology.key(stage.inbox), RedisLog(own, client.topology, stage.name, stage.inbox)
        found = log.checkpoint()
        memory = MemoryRedis()
        memory.hold(key, [*log.between("0-0", found.id)])
        memory.checkpoints[client.topology.checkpoint(stage.name, stage.inbox)] = found
        again = replay(MemoryLog(memory, client.topology, stage.name, stage.inbox), stage)
        assert again.agrees, f"{stage.inbox}: {again.digest.hex()} here, {found.digest.hex()} live"
        folded += again.entries
    own.close()
    assert folded > 40


def test_the_command_goes_on_where_it_was_killed(desk: tuple[Client, Market], tmp_path: Path) -> None:
    client, market = desk
    file = tmp_path / "pairs.py"
    file.write_text(SOURCE)
    command = [
        sys.executable, "-m", "fillstream", "run", str(file), "--redis-url", market._stack.redis_url,
        "--state", str(tmp_path / "state.json"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    market.quote("AAPL", "150.00", "150.01")
    until(lambda: received(client, "pairs"), "it starts")
    for cents in (2, 3, 4):
        market.shown("AAPL", "150.00", f"150.0{cents}")
    process.send_signal(signal.SIGKILL)
    process.wait()
    market.shown("AAPL", "150.00", "150.05")
    again = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        market.shown("AAPL", "150.00", "150.06")

        def bought() -> Counter[str]:
            mine = [event for event in journal(client) if event.get("strategy") == "pairs"]
            orders = [event for event in mine if event["type"] == "OrderReceived"]
            return Counter(f"{event['side']} {event['quantity']} {event['price']}" for event in orders)

        until(lambda: bought()["BUY 2 150.06"] and bought()["SELL 1 None"] >= 2, "it goes on")
        again.send_signal(signal.SIGTERM)
        said = again.communicate(timeout=PATIENCE_S)[0]
    finally:
        again.kill()
    ids = received(client, "pairs")
    assert again.returncode == 0
    assert "going on where it was" in said and "has ended" in said
    assert len(ids) == len(set(ids))
    assert bought()["BUY 1 None"] == 1, "what on_start said was said once"
    assert bought()["SELL 1 None"] <= sum(count for name, count in bought().items() if name.startswith("BUY 2"))


QUIET = "def on_quote(desk, quote):\n    pass\n"


def running(folder: Path, url: str, state: str = "state.json") -> subprocess.Popen[str]:
    file = folder / "quiet.py"
    file.write_text(QUIET)
    command = [sys.executable, "-m", "fillstream", "run", str(file), "--redis-url", url, "--state", str(folder / state)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        said = process.communicate(timeout=PATIENCE_S)[1]
    finally:
        process.kill()
    return process.returncode, " ".join(said.split())


def test_the_command_does_not_wait_for_a_server_that_never_answered(tmp_path: Path) -> None:
    code, said = ended(running(tmp_path, "redis://127.0.0.1:1"))
    assert (code, "is the desk up?" in said) == (Exit.UNREACHABLE, True), said


def test_the_command_ends_as_it_is_asked_to_while_its_server_is_away(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        process = running(tmp_path, server.url)
        until((tmp_path / "state.json").exists, "it runs")
    finally:
        server.kill()
    assert process.stderr is not None
    heard = ""
    while "tried again" not in heard:
        heard = process.stderr.readline()
        assert heard, "it said that the server went away"
    process.send_signal(signal.SIGTERM)
    code, said = ended(process)
    assert (code, "is the desk up?" in said) == (Exit.UNREACHABLE, True), said


@pytest.mark.parametrize(
    ("state", "cause"), [(".", "Is a directory"), ("none/state.json", "No such file or directory")]
)
def test_a_state_that_cannot_be_kept_is_said_before_anything_is_told(
    desk: tuple[Client, Market], tmp_path: Path, state: str, cause: str
) -> None:
    code, said = ended(running(tmp_path, desk[1]._stack.redis_url, state))
    assert (code, said.count(f"{cause}; --state names another file")) == (Exit.USAGE, 1), said
