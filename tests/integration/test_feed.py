"""`fillstream feed` as a service: it outlasts its Redis, ends when asked to, and goes on where the market stood."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import redis

from fillstream.demo import feeds
from fillstream.demo.feeds import REPEAT_S, ROUND_NS, last_mids, publish, synthetic
from fillstream.demo.market_numbers import Moment, listed
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.libs.common.process.settings import load_settings
from tests.conftest import free_port, until
from tests.support.servers import Server

TOPOLOGY = Topology(1, 1)
COMMANDS = TOPOLOGY.commands(SIM, 0)
INSTRUMENTS = {symbol: one for symbol, one in listed(load_settings().instruments).items() if symbol in {"AAPL", "SPY"}}
STARTS_AT = {"AAPL": "190.00", "SPY": "540.00"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "redis"
    folder.mkdir()
    made = Server(folder)
    yield made
    made.kill()


Feeding = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def feeding(tmp_path: Path) -> Iterator[Feeding]:
    running: list[subprocess.Popen[str]] = []

    def start(url: str, *words: str) -> subprocess.Popen[str]:
        environ = {**os.environ, "REDIS_URL": url, "FILLSTREAM_LOG_FORMAT": "json"}
        environ["FILLSTREAM_DATABASE__DATA_DIR"] = str(tmp_path)
        with (tmp_path / "log").open("a") as log:
            command = [sys.executable, "-m", "fillstream", "feed", *(words or ("synthetic", "--speed", "1"))]
            running.append(subprocess.Popen(command, env=environ, stdout=log, stderr=log, text=True))
        return running[-1]

    yield start
    for each in running:
        if each.poll() is None:
            each.kill()
        each.wait()


def said(tmp_path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]


def ends(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60)


def test_it_waits_for_a_redis_that_is_not_there_yet(server: Server, feeding: Feeding, tmp_path: Path) -> None:
    process = feeding(server.url)
    until(lambda: any("waiting for Redis" in line for line in said(tmp_path)), "it to say that it waits")
    with server.start() as client:
        until(lambda: client.exists(COMMANDS), "the first quotes")
        assert set(last_mids(client, TOPOLOGY, listed(load_settings().instruments))) >= {"AAPL", "BTCUSDT"}
    assert ends(process) == 0


def test_it_ends_at_once_when_asked_to_while_it_waits(server: Server, feeding: Feeding, tmp_path: Path) -> None:
    process = feeding(server.url)
    until(lambda: any("waiting for Redis" in line for line in said(tmp_path)), "it to say that it waits")
    assert ends(process) == 0
    assert said(tmp_path)[-1] == "the feed was asked to stop, after 0 quotes and trades"


def test_a_redis_that_was_killed_gets_quotes_again_without_a_burst(
    server: Server, feeding: Feeding, tmp_path: Path
) -> None:
    client = server.start()
    process = feeding(server.url, "synthetic", "--speed", "20", "--heartbeat", str(tmp_path / "beat"))
    until(lambda: client.exists(COMMANDS), "the first quotes")
    server.kill()
    until(lambda: any("Redis went away" in line for line in said(tmp_path)), "it to notice")
    away_s = 2.0
    time.sleep(away_s)  # long enough that a burst could not be taken for the pace
    client = server.start()
    before = client.xlen(COMMANDS)
    (tmp_path / "beat").unlink(missing_ok=True)
    until(lambda: client.xlen(COMMANDS) >= before + 30, "thirty rounds of quotes again")
    entries: Any = client.xrange(COMMANDS)[before : before + 30]
    records = [len(fields[b"frame"]) for _, fields in entries]
    away_rounds = away_s / (ROUND_NS / 1e9 / 20)
    # What is due together goes together. A stutter of the machine is made up for: a round or two, not what was missed.
    assert max(records) < median(records) * away_rounds / 2, "its pace, and nothing of what was due while it was away"
    assert (tmp_path / "beat").exists()
    assert process.poll() is None
    assert ends(process) == 0


def test_after_a_kill_it_goes_on_where_the_last_quotes_stand(
    client: redis.Redis, redis_url: str, feeding: Feeding
) -> None:
    one = listed(load_settings().instruments)["AAPL"]
    client.xadd(COMMANDS, {"frame": frames.quote(one.id, 30_000, 10, 30_002, 10)})
    process = feeding(redis_url)
    until(lambda: client.xlen(COMMANDS) > 1, "the first quotes")
    process.kill()
    process.wait()
    stands_at = last_mids(client, TOPOLOGY, {"AAPL": one})["AAPL"]
    assert abs(stands_at - 30_001) < 1_000, "not at 190.00 again"


def test_a_server_that_has_no_room_is_tried_again(
    client: redis.Redis, redis_url: str, feeding: Feeding, tmp_path: Path
) -> None:
    client.config_set("maxmemory", "1")
    try:
        process = feeding(redis_url)
        until(lambda: any("Redis takes nothing" in line for line in said(tmp_path)), "it to say so")
        assert process.poll() is None
        assert ends(process) == 0
    finally:
        client.config_set("maxmemory", "0")


def test_a_source_that_cannot_be_read_is_said_before_anything_is_waited_for(feeding: Feeding, tmp_path: Path) -> None:
    for words, code in ((("nothing",), 2), (("binance",), 2), (("quotes.csv",), 4)):
        assert feeding(f"redis://127.0.0.1:{free_port()}", *words).wait(timeout=90) == code
    assert not [line for line in said(tmp_path) if "waiting" in line]


# ------------------------------------------------------------------------------------------------------- the parts


def test_a_frame_whose_outcome_is_unknown_is_not_sent_twice() -> None:
    class Flaky:
        """Takes an entry, and fails to say so once."""

        taken: list[bytes] = []  # noqa: RUF012 - one test's own

        def xadd(self, key: str, fields: dict[str, bytes]) -> None:
            self.taken.append(fields["frame"])
            if len(self.taken) == 2:
                raise redis.exceptions.ConnectionError("reset")

    outlasted: list[str] = []
    client: Any = Flaky()
    moments = [Moment(0, "AAPL", bytes([n]) * frames.RECORD_BYTES) for n in range(250)]
    sent = publish(client, TOPOLOGY, iter(moments), outlast=lambda error: outlasted.append(str(error)))
    assert b"".join(client.taken) == b"".join(each.record for each in moments)
    assert (sent, outlasted) == (150, ["reset"])


def test_a_market_that_stands_still_repeats_its_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks of an hour's pause: a desk may not take it for a dead feed, nor trade its prints twice."""
    now_s = [0.0]
    at_s: list[float] = []
    taken: list[bytes] = []

    class Taker:
        def xadd(self, stream: str, fields: dict[str, bytes]) -> None:
            assert stream == COMMANDS
            at_s.append(now_s[0])
            taken.append(fields["frame"])

    monkeypatch.setattr(feeds.time, "monotonic", lambda: now_s[0])
    monkeypatch.setattr(feeds.time, "sleep", lambda seconds: now_s.__setitem__(0, now_s[0] + seconds))
    old, quote, trade = frames.quote(1, 9, 5, 11, 5), frames.quote(1, 10, 5, 12, 5), frames.print_trade(1, 1, 10, 7)
    late = frames.quote(1, 20, 5, 22, 5)
    market = [(0, "AAPL", old), (0, "AAPL", quote), (0, "AAPL", trade), (25_000_000_000, "AAPL", late)]
    client: Any = Taker()
    assert publish(client, TOPOLOGY, (Moment(*each) for each in market), speed=1) == 6
    assert taken == [old + quote + trade, quote, quote, late]
    assert at_s == [0, REPEAT_S, 2 * REPEAT_S, 25]


def test_a_market_that_begins_again_quotes_every_symbol_at_once_from_where_it_stood() -> None:
    first = list(islice(synthetic(INSTRUMENTS, STARTS_AT, 7, stands_at={"SPY": 60_000}), 2))
    quotes = {each.symbol: frames.Command._make(next(frames.commands(each.record))) for each in first}
    for symbol, mid in {"AAPL": 19_000, "SPY": 60_000}.items():
        each = quotes[symbol]
        assert abs((each.price + each.aux_price) // 2 - mid) <= mid // 20_000, "one step of its walk away, at most"


def test_without_a_place_to_go_on_from_a_seed_makes_the_market_it_always_made() -> None:
    moments = list(synthetic(INSTRUMENTS, STARTS_AT, 7, 50))
    assert list(synthetic(INSTRUMENTS, STARTS_AT, 7, 50)) == moments
    assert len(moments) == 50


def test_where_the_market_stands_is_read_from_the_last_quotes_with_two_sides(client: redis.Redis) -> None:
    aapl = INSTRUMENTS["AAPL"]
    for frame in (
        frames.quote(1, 10, 5, 20, 5) + frames.quote(1, 100, 5, 104, 5) + frames.print_trade(1, 1, 7, 7),
        frames.quote(1, 50, 5, 0, 0),  # no ask: no mid
        frames.quote(9, 1, 5, 3, 5),  # of nobody here
        b"torn",
    ):
        client.xadd(COMMANDS, {"frame": frame})
    client.xadd(COMMANDS, {"tick": "1"})
    assert last_mids(client, TOPOLOGY, {"AAPL": aapl}) == {"AAPL": 102}
