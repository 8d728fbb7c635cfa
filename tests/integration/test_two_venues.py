"""Two simulated venues of one desk as processes of their own: each with its books, its quotes and its place."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import redis

from fillstream.demo.demo import RunningDesk, judge
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.stack.stack import LocalStack
from fillstream.tools.status import states
from tests.conftest import until
from tests.support.deploy.files import CONFIG, CONFIG_FILES

MSFT = 2


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a desk's configuration where MSFT is traded at SIM2."""
    folder = tmp_path_factory.mktemp("config")
    for name in CONFIG_FILES:
        shutil.copy(CONFIG / name, folder / name)
    local, instruments = folder / "local.yaml", folder / "instruments.yaml"
    local.write_text(local.read_text().replace("    SIM: ", "    SIM2: {taker_fee_bps: 1}\n    SIM: ", 1))
    instruments.write_text(instruments.read_text().replace("MSFT:\n", "MSFT:\n  venue: SIM2\n"))
    return local


@pytest.fixture(scope="module")
def stack(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    folder = tmp_path_factory.mktemp("data")
    made = LocalStack(folder, base_port=0, redis_port=0, config=config, without=["analytics"])
    with made:
        made.wait_ready()
        yield made


@pytest.fixture(scope="module")
def filled(stack: LocalStack) -> dict[str, Any]:
    """Return the fill of an order of MSFT, which both venues quote."""
    topology = stack.settings.topology()
    with redis.Redis.from_url(stack.redis_url, protocol=2) as client:
        for venue, cents in (("SIM2", 42_000), ("SIM", 10_000)):
            record = frames.quote(MSFT, cents, 500, cents + 2, 500)
            client.xadd(topology.commands(venue, 0), {"frame": record})

        def events(kind: str) -> list[dict[str, Any]]:
            found: Any = client.xrange(topology.events(0))
            told = [json.loads(fields[b"data"]) for _, fields in found if b"data" in fields]
            return [each for each in told if each["type"] == kind and each.get("symbol") == "MSFT"]

        until(lambda: len({each["venue"] for each in events("QuoteUpdated")}) == 2, "the quotes of both venues")
        client.xadd(topology.signals, {"signal_id": "one", "symbol": "MSFT", "side": "BUY", "quantity": "5"})
        until(lambda: bool(events("OrderFilled")), "the fill")
        [event] = events("OrderFilled")
        return event


def test_an_order_fills_against_the_quote_of_its_instruments_venue_alone(filled: dict[str, Any]) -> None:
    told = {name: filled[name] for name in ("venue", "exec_id", "last_px", "last_qty", "fee", "v")}
    assert told == {
        "venue": "SIM2",
        "exec_id": "SIM2-0-1-B",
        "last_px": "420.02",
        "last_qty": "5",
        "fee": "0.21001000",
        "v": EVENTS["OrderFilled"].VERSION,
    }


def test_the_books_of_both_agree_and_every_log_folds_again(stack: LocalStack, filled: dict[str, Any]) -> None:
    RunningDesk(stack.redis_url, stack.settings, has_analytics=False).wait_quiet()
    found = judge(stack.redis_url, stack.settings, None)
    assert found.problems == []
    assert {"engine 0", "engine-SIM2 0"} <= set(found.replayed)
    [position] = found.positions.values()
    assert position["mark_px"] == "420.01", "by the quotes of SIM2"


def test_each_engine_has_its_own_process_state_pages_and_metrics(stack: LocalStack, filled: dict[str, Any]) -> None:
    assert [name for name in stack.processes if name.startswith("engine")] == ["engine", "engine-SIM2"]
    with redis.Redis.from_url(stack.redis_url) as client:
        found = {each.stage: each for each in states(client, stack.settings.topology())}
    assert found["engine-SIM2"].inbox == "commands.SIM2.{s0}"
    assert found["engine-SIM2"].url == stack.url("engine-SIM2") != stack.url("engine")
    page = urlopen(f"{stack.url('engine-SIM2')}/metrics").read().decode()
    assert 'fillstream_live{partition="0",stage="engine-SIM2"} 1.0' in page
    described = urlopen(f"{stack.url('engine-SIM2')}/docs").read().decode()
    assert "Fillstream engine-SIM2" in described


def test_the_command_replays_one_venues_engine(stack: LocalStack, config: Path, filled: dict[str, Any]) -> None:
    def replayed(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fillstream", "replay", "--redis-url", stack.redis_url]
        command += ["--config", str(config)]
        return subprocess.run([*command, *words], capture_output=True, text=True, check=False)

    told = replayed("--stage", "engine", "--venue", "SIM2", "--json")
    assert told.returncode == 0, told.stderr
    assert (json.loads(told.stdout)["inbox"], json.loads(told.stdout)["agrees"]) == ("commands.SIM2.0", True)
    assert "must be one of SIM, SIM2, got SIM9" in replayed("--stage", "engine", "--venue", "SIM9").stderr
    assert "there is one orders stage for all venues" in replayed("--venue", "SIM2").stderr


def test_a_feed_quotes_the_venue_that_is_named(stack: LocalStack, config: Path, tmp_path: Path) -> None:
    quotes = tmp_path / "quotes.csv"
    quotes.write_text("time_ns,symbol,bid_px,bid_qty,ask_px,ask_qty\n0,MSFT,420.10,5,420.12,5\n")
    topology = stack.settings.topology()

    def fed(venue: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fillstream", "feed", str(quotes), "--venue", venue]
        command += ["--redis-url", stack.redis_url, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    with redis.Redis.from_url(stack.redis_url, protocol=2) as client:

        def quoted(venue: str) -> int:
            entries: Any = client.xrange(topology.commands(venue, 0))
            return sum(b"frame" in fields for _, fields in entries)

        before = {venue: quoted(venue) for venue in topology.venues}
        told = fed("SIM2")
        assert told.returncode == 0, told.stderr
        assert {venue: quoted(venue) - count for venue, count in before.items()} == {"SIM": 0, "SIM2": 1}
    refused = fed("SIM9")
    assert refused.returncode != 0
    assert "venue: must be one of SIM, SIM2, got SIM9" in refused.stderr
