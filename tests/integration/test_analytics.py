"""Analytics as a process: exactly once through kills and a full disk, what stops it, and its query API over HTTP."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import httpx
import pytest
import redis

from fillstream.libs.common.messages.journal import OrderFilled
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.libs.common.messages.topology import id_key, low_water_key
from fillstream.libs.common.runtime.lua import lua
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.analytics.sinks.store import Store
from tests.conftest import until
from tests.support.analytics import Process, committed
from tests.support.deploy.files import CONFIG, CONFIG_FILES
from tests.support.messages import payload, sample

EVENTS = "events.{a0}"
POSITIONS = "positions.{a0}"
MARKET = "market.{s0}"
SERVE = "from fillstream.services.analytics.app import serve; serve()"
FILE_LIMIT_BYTES = 3 * 1024 * 1024
ON_A_FULL_DISK = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_LIMIT_BYTES},) * 2); {SERVE}"


@pytest.fixture
def analytics(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(redis_url, tmp_path)
    yield process
    process.close()


def fill(number: int) -> dict[str, bytes]:
    return payload(sample(OrderFilled, number))


def feed(client: redis.Redis, numbers: range) -> None:
    pipe: Any = client.pipeline(transaction=False)
    for number in numbers:
        pipe.xadd("signals", {"symbol": "AAPL", "side": "BUY", "quantity": str(number), "signal_id": f"s-{number}"})
        pipe.xadd(EVENTS, fill(number))
        pipe.xadd(POSITIONS, payload(sample(PositionChanged, number)))
    pipe.execute()


def stored(database: Path, table: str) -> list[str]:
    with duckdb.connect(database, read_only=True) as connection:
        return [
            row[0] for row in connection.execute(f"SELECT log_id FROM {table} ORDER BY log_time, log_id").fetchall()
        ]


def ids(client: redis.Redis, stream: str) -> list[str]:
    raw: Any = client
    return sorted(entry_id.decode() for entry_id, _ in raw.xrange(stream))


# ------------------------------------------------------------------------------------------------------ exactly once


def test_every_entry_is_stored_once_however_often_the_process_is_killed(
    analytics: Process, client: redis.Redis
) -> None:
    random = Random(7)
    done = threading.Event()

    def flow() -> None:
        number = 1
        while not done.is_set():
            feed(client, range(number, number + 20))
            number += 20
            time.sleep(0.01)

    feeder = threading.Thread(target=flow)
    feeder.start()
    try:
        for _ in range(4):
            analytics.start()
            analytics.wait_ready()
            time.sleep(random.uniform(0.05, 0.6))  # somewhere between reading, waiting and committing
            analytics.kill()
    finally:
        done.set()
        feeder.join()
    analytics.start()
    analytics.wait_ready()
    until(lambda: all(committed(client, stream) for stream in ("signals", EVENTS, POSITIONS)), "all to be stored")
    assert analytics.value("SELECT count(*) FROM undecodable") == 0
    assert analytics.stop() == 0

    with duckdb.connect(analytics.database, read_only=True) as database:
        offsets = dict(database.execute("SELECT stream, id FROM offsets").fetchall())
        seqs = database.execute("SELECT seq FROM events ORDER BY seq").fetchall()
    for stream, table in (("signals", "signals"), (EVENTS, "events"), (POSITIONS, "position_events")):
        there = ids(client, stream)
        assert stored(analytics.database, table) == there
        info: Any = client.xinfo_stream(stream)
        assert offsets[stream] == info["last-generated-id"].decode()
    assert seqs == [(number,) for number in range(1, len(seqs) + 1)]


def test_a_full_disk_ends_the_process_and_loses_nothing(analytics: Process, client: redis.Redis) -> None:
    analytics.start("-c", ON_A_FULL_DISK)
    analytics.wait_ready()
    number = 1
    while analytics.is_running() and number < 100_000:
        feed(client, range(number, number + 500))
        number += 500
    assert analytics.ends() == 70
    told = analytics.last_words()
    assert "nothing is lost" in told
    assert "make room" in told
    status: Any = client.hgetall("status.analytics")
    assert status[b"state"] == b"crashed"
    assert b"make room" in status[b"last_error"]

    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "the rest to be stored")
    assert analytics.stop() == 0
    assert stored(analytics.database, "events") == ids(client, EVENTS)


def test_a_clean_stop_commits_what_was_read(analytics: Process, client: redis.Redis) -> None:
    analytics.start()
    analytics.wait_ready()
    feed(client, range(1, 2001))
    assert analytics.stop() == 0
    mark: Any = client.hget(low_water_key(EVENTS), "analytics")
    there = stored(analytics.database, "events")
    assert max(there, key=id_key) == mark.decode()
    assert there == [each for each in ids(client, EVENTS) if id_key(each) <= id_key(mark.decode())]
    assert client.hget("status.analytics", "state") == b"stopped"


# --------------------------------------------------------------------------------------------------- what stops it


def store_some(analytics: Process, client: redis.Redis, numbers: range) -> None:
    feed(client, numbers)
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "the entries to be stored")
    assert analytics.stop() == 0


def test_a_trimmed_stream_stops_it_until_a_person_accepts_the_gap(analytics: Process, client: redis.Redis) -> None:
    store_some(analytics, client, range(1, 11))
    feed(client, range(11, 31))
    client.xtrim(EVENTS, maxlen=5, approximate=False)

    analytics.start()
    assert analytics.ends() == 71
    told = analytics.last_words()
    assert f"{EVENTS}: 15 entries after" in told
    assert "accept-gaps" in told

    analytics.start("-m", "fillstream.services.analytics", "accept-gaps")
    assert analytics.ends() == 0
    assert "15 entries" in analytics.log.read_text()

    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "the rest to be stored")
    assert analytics.value("SELECT count(*) FROM events") == 15
    assert analytics.value("SELECT sum(entries) FROM gaps") == 15


def test_a_log_shorter_than_what_was_read_stops_it(analytics: Process, client: redis.Redis) -> None:
    store_some(analytics, client, range(1, 11))
    client.delete(EVENTS)
    analytics.start()
    assert analytics.ends() == 71
    assert "move the database file away" in analytics.last_words()
    # ... and a log that went on since is no better
    raw: Any = client
    for _ in range(50):
        raw.xadd(EVENTS, fill(1))
    analytics.start()
    assert analytics.ends() == 71


def test_an_id_ahead_of_the_clock_is_waited_before_until_it_is_mended(analytics: Process, client: redis.Redis) -> None:
    def says() -> Any:
        return client.hget("status.analytics", "last_error")

    analytics.start()
    feed(client, range(1, 4))
    until(lambda: committed(client, "signals"), "what is of now")
    order = {"symbol": "AAPL", "side": "BUY", "quantity": "9", "signal_id": "ahead"}
    client.xadd("signals", order, id="99999999999999-0")  # type: ignore[arg-type]
    client.xadd(EVENTS, fill(4))  # type: ignore[arg-type]
    until(lambda: b"signals: waits before 99999999999999-0" in (says() or b""), "it to say so")
    until(lambda: committed(client, EVENTS), "the other streams, which go on")
    mark: Any = client.hget(low_water_key("signals"), "analytics")
    assert mark.decode() == ids(client, "signals")[-2]
    # As the signals stage does when somebody accepts it.
    client.eval(lua("rebuild.lua", "extent.lua"), 2, "signals", "signals.aside", int(time.time() * 1000) + 60_000)  # type: ignore[arg-type]
    until(lambda: committed(client, "signals"), "the entry, under its new id")
    until(lambda: says() == b"", "it to say no more")
    assert analytics.stop() == 0
    assert sorted(stored(analytics.database, "signals")) == ids(client, "signals")


def test_trimming_below_its_marks_is_no_loss(analytics: Process, client: redis.Redis) -> None:
    store_some(analytics, client, range(1, 11))
    mark: Any = client.hget(low_water_key(EVENTS), "analytics")
    client.xtrim(EVENTS, minid=mark.decode(), approximate=False)
    feed(client, range(11, 21))
    client.xadd(MARKET, {"data": b"{}"})
    client.xtrim(MARKET, maxlen=0, approximate=False)
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "the rest to be stored")
    assert analytics.value("SELECT count(*) FROM events") == 20
    assert analytics.value("SELECT count(*) FROM gaps") == 0


def test_a_new_database_begins_where_the_log_does_and_says_so(analytics: Process, client: redis.Redis) -> None:
    feed(client, range(1, 11))
    client.xtrim(EVENTS, maxlen=4, approximate=False)
    client.hset(low_water_key(EVENTS), "analytics", "9999999999999-0")  # left by a database that is gone
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "the entries to be stored")
    assert analytics.value("SELECT count(*) FROM events") == 4
    asked = "SELECT stream, after_id, entries, from_seq, upto_seq FROM missing"
    assert analytics.query(asked).json()["rows"] == [[EVENTS, "0-0", 6, 1, 6]]


def pages(analytics: Process) -> dict[str, list[str]]:
    """Return what each page says that it may lack."""
    told = {
        path: httpx.get(f"{analytics.url}{path}", trust_env=False).json()["incomplete"]
        for path in ("/orders", "/fills", "/positions", "/orders/1")
    }
    return {**told, "/query": analytics.query("SELECT 1").json()["incomplete"]}


def test_a_database_made_again_after_trimming_says_with_every_answer_what_it_lacks(
    analytics: Process, client: redis.Redis
) -> None:
    store_some(analytics, client, range(1, 11))
    feed(client, range(11, 21))
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS) and committed(client, POSITIONS), "the entries to be stored")
    assert pages(analytics) == {path: [] for path in ("/orders", "/fills", "/positions", "/orders/1", "/query")}
    assert analytics.stop() == 0
    analytics.database.unlink()
    client.xtrim(EVENTS, maxlen=8, approximate=False)
    client.xtrim(POSITIONS, maxlen=5, approximate=False)
    feed(client, range(21, 23))

    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS) and committed(client, POSITIONS), "the entries to be stored")
    told = pages(analytics)
    [events], [positions] = told["/orders"], told["/positions"]
    assert events.startswith(f"{EVENTS}: 12 entries are missing, among seq 1 to 12, noticed ")
    assert positions.startswith(f"{POSITIONS}: 15 entries are missing, among seq 1 to 15, noticed ")
    assert (told["/fills"], told["/orders/1"]) == ([events], [events])
    assert told["/query"] == [events, positions]
    assert analytics.stop() == 0
    analytics.start()
    analytics.wait_ready()
    assert pages(analytics) == told, "and after a restart"


def test_what_was_lost_while_it_was_away_is_told_once_it_is_accepted(analytics: Process, client: redis.Redis) -> None:
    """Its claim on the log was given up, or somebody trimmed: it knows where it stood, and what came since is gone."""
    store_some(analytics, client, range(1, 11))
    feed(client, range(11, 31))
    client.hdel(low_water_key(EVENTS), "analytics")
    client.xtrim(EVENTS, maxlen=0, approximate=False)
    analytics.start()
    assert analytics.ends() == 71
    assert f"{EVENTS}: 20 entries after" in analytics.last_words()
    analytics.start("-m", "fillstream.services.analytics", "accept-gaps")
    assert analytics.ends() == 0
    analytics.start()
    analytics.wait_ready()
    [before] = pages(analytics)["/orders"]
    assert before.startswith(f"{EVENTS}: 20 entries are missing, noticed ")
    raw: Any = client
    raw.xadd(EVENTS, fill(31))
    until(lambda: committed(client, EVENTS), "the entry to be stored")
    [behind] = pages(analytics)["/orders"]
    assert behind.startswith(f"{EVENTS}: 20 entries are missing, among seq 11 to 30, noticed ")


def test_a_server_that_goes_away_ends_the_process(analytics: Process, client: redis.Redis) -> None:
    analytics.start()
    analytics.wait_ready()
    client.client_kill_filter(_type="normal", skipme=True)
    assert analytics.ends() == 70
    assert analytics.last_words().startswith("analytics ends: ConnectionError")


def test_an_instrument_that_no_column_holds_is_refused_at_the_start(
    analytics: Process, client: redis.Redis, tmp_path: Path
) -> None:
    for name in CONFIG_FILES:
        shutil.copy(CONFIG / name, tmp_path / name)
    with (tmp_path / "instruments.yaml").open("a") as file:
        file.write("WEIBTC: {id: 99, tick_size: 1e-13, lot_size: 1e-18, currency: BTC}\n")
    analytics.configure(tmp_path / "local.yaml")
    analytics.start()
    assert analytics.ends() == 78
    said = analytics.log.read_text()
    assert "instruments.WEIBTC: half a tick times a lot times the multiplier has 32 decimals" in said
    assert "analytics holds at most 24" in said
    assert not analytics.database.exists()


def test_a_database_that_another_process_writes_is_refused(analytics: Process) -> None:
    store = Store(analytics.database)
    analytics.start()
    assert analytics.ends() == 70
    assert "cannot be opened" in analytics.last_words()
    store.close()


# ----------------------------------------------------------------------------------------------------- bad entries


def test_a_malformed_entry_is_kept_and_stops_nothing(analytics: Process, client: redis.Redis) -> None:
    raw: Any = client
    raw.xadd(EVENTS, {b"\xff": b"\x00"})
    raw.xadd(EVENTS, {"data": b'{"type":"OrderFilled"'})
    raw.xadd("signals", {b"data": b"\xff" * 100_000})
    out = Outputs("signals", "signals")
    out.begin(Entry("5-1", 5, {b"a\xff": b"b"}))
    out.bad("bad_value", "symbol: missing")
    raw.xadd("dead", out.dead[0])
    feed(client, range(1, 11))
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS) and committed(client, "signals"), "all to be stored")

    assert analytics.value("SELECT count(*) FROM events") == 10
    rows = analytics.query("SELECT reason, fields FROM undecodable ORDER BY log_id").json()["rows"]
    assert rows == [
        ["no_message", [{"name": "\\xFF", "value": "\\x00"}]],
        ["bad_message", [{"name": "data", "value": '{"type":"OrderFilled"'}]],
    ]
    assert analytics.query("SELECT stream, entry_id, fields FROM dead").json()["rows"] == [
        ["signals", "5-1", [{"name": "a\\xFF", "value": "b"}]]
    ]
    assert analytics.value("SELECT count(*) FROM signals WHERE problem IS NOT NULL") == 1
    metrics = httpx.get(f"{analytics.url}/metrics", trust_env=False).text
    assert 'fillstream_undecodable_total{partition="0",reason="no_message",stage="analytics"} 1.0' in metrics
    assert 'fillstream_rows_written_total{partition="0",stage="analytics",table="events"} 10.0' in metrics
    assert f'fillstream_entries_in_total{{partition="0",stage="analytics",stream="{EVENTS}"}} 12.0' in metrics
    assert 'fillstream_restarts_total{partition="0",stage="analytics"} 3.0' in metrics
