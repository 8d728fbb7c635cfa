"""Analytics as a process: exactly once through kills and a full disk, what stops it, and its query API over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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

from libs.common import contracts
from libs.common.durability import Barrier, Durability
from libs.common.log import connect
from libs.common.stage import Entry, Outputs
from libs.common.streams import id_key
from libs.common.trim import low_water_key
from services.analytics.query import Queries, QueryError
from services.analytics.store import Store
from tests.conftest import free_port, until
from tests.support.messages import payload, sample

EVENTS = "events.{0}"
POSITIONS = "positions.{0}"
MARKET = "market.{0}"
SERVE = "from services.analytics.app import serve; serve()"
FILE_LIMIT_BYTES = 3 * 1024 * 1024
ON_A_FULL_DISK = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_LIMIT_BYTES},) * 2); {SERVE}"


class Process:
    """An analytics process on a database file of the test's own."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.database = folder / "analytics.duckdb"
        self.log = folder / "analytics.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "REDIS_URL": redis_url,
            "FILLSTREAM_SERVICE__HOST": "127.0.0.1",
            "FILLSTREAM_SERVICE__PORT": str(self.port),
            "FILLSTREAM_DATABASE__PATH": str(self.database),
            "FILLSTREAM_RESTARTS": "3",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(command or ("-m", "services.analytics"))],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        until(self.is_ready, f"analytics to be ready: {self.log.read_text()}")

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False).status_code == 200
        except httpx.TransportError:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    def ends(self) -> int:
        """Return the code it ends with by itself."""
        assert self._process is not None
        return self._process.wait(timeout=60)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        if self.is_running():
            self.kill()

    def query(self, sql: str, **more: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/query", json={"sql": sql, **more}, trust_env=False, timeout=30)

    def value(self, sql: str) -> Any:
        answer = self.query(sql)
        assert answer.status_code == 200, answer.text
        return answer.json()["rows"][0][0]


@pytest.fixture
def analytics(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(redis_url, tmp_path)
    yield process
    process.close()


def committed(client: redis.Redis, stream: str) -> bool:
    """Whether analytics has told trimming that it has read all of a stream."""
    last: Any = client.xinfo_stream(stream)
    mark: Any = client.hget(low_water_key(stream), "analytics")
    return bool(mark == last["last-generated-id"])


def fill(number: int) -> dict[str, bytes]:
    return payload(sample(contracts.OrderFilled, number))


def feed(client: redis.Redis, numbers: range) -> None:
    pipe: Any = client.pipeline(transaction=False)
    for number in numbers:
        pipe.xadd("signals", {"symbol": "AAPL", "side": "BUY", "quantity": str(number), "signal_id": f"s-{number}"})
        pipe.xadd(EVENTS, fill(number))
        pipe.xadd(POSITIONS, payload(sample(contracts.PositionChanged, number)))
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
    told = analytics.log.read_text().splitlines()[-1]
    assert told.startswith("analytics ends: ")
    assert "nothing is lost" in told
    assert "make room" in told
    status: Any = client.hgetall("status.analytics.{0}")
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
    assert client.hget("status.analytics.{0}", "state") == b"stopped"


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
    told = analytics.log.read_text().splitlines()[-1]
    assert f"{EVENTS}: 15 entries after" in told
    assert "accept-gaps" in told

    analytics.start("-m", "services.analytics", "accept-gaps")
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
    assert "move the database file away" in analytics.log.read_text().splitlines()[-1]
    # ... and a log that went on since is no better
    raw: Any = client
    for _ in range(50):
        raw.xadd(EVENTS, fill(1))
    analytics.start()
    assert analytics.ends() == 71


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
    assert analytics.query("SELECT stream, after_id, entries FROM gaps").json()["rows"] == [[EVENTS, "0-0", 6]]


def test_a_server_that_goes_away_ends_the_process(analytics: Process, client: redis.Redis) -> None:
    analytics.start()
    analytics.wait_ready()
    client.client_kill_filter(_type="normal", skipme=True)
    assert analytics.ends() == 70
    assert analytics.log.read_text().splitlines()[-1].startswith("analytics ends: ConnectionError")


def test_a_database_that_another_process_writes_is_refused(analytics: Process) -> None:
    store = Store(analytics.database)
    analytics.start()
    assert analytics.ends() == 70
    assert "cannot be opened" in analytics.log.read_text().splitlines()[-1]
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
    assert 'fillstream_restarts{partition="0",stage="analytics"} 3.0' in metrics


# ------------------------------------------------------------------------------------------------------ the query API


def test_the_query_api_answers_over_http(analytics: Process, client: redis.Redis) -> None:
    received = sample(contracts.OrderReceived, 1, order_id="1", account="acc", symbol="AAPL", ord_status="PendingNew")
    filled = sample(contracts.OrderFilled, 2, order_id="1", account="acc", symbol="AAPL", ord_status="Filled")
    raw: Any = client
    raw.xadd(EVENTS, payload(received))
    raw.xadd(EVENTS, payload(filled))
    raw.xadd(POSITIONS, payload(sample(contracts.PositionChanged, 1, account="acc", symbol="AAPL")))
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS) and committed(client, POSITIONS), "the entries to be stored")

    def get(path: str) -> httpx.Response:
        return httpx.get(f"{analytics.url}{path}", trust_env=False)

    answer = analytics.query("SELECT last_px, seq, time, 1e308 * 10 AS inf FROM fills").json()
    assert answer == {
        "columns": [
            {"name": "last_px", "type": "DECIMAL(38,12)"},
            {"name": "seq", "type": "BIGINT"},
            {"name": "time", "type": "TIMESTAMP_MS"},
            {"name": "inf", "type": "DOUBLE"},
        ],
        "rows": [["2.075", 2, "2023-11-14T22:13:20.002Z", "inf"]],
        "truncated": False,
    }
    assert analytics.query("SELECT * FROM range(5)", limit=3).json()["truncated"] is True

    for path, count in {
        "/orders": 1,
        "/orders?account=acc&symbol=AAPL&status=Filled&limit=5": 1,
        "/orders?status=New": 0,
        "/orders?account=%27%20OR%201%3D1--": 0,
        "/orders/1": 2,
        "/fills?account=acc": 1,
        "/positions?symbol=AAPL": 1,
    }.items():
        found = get(path)
        assert (found.status_code, len(found.json()["rows"])) == (200, count), path
    history = get("/orders/1").json()
    assert "signal_id" in [column["name"] for column in history["columns"]]
    assert "bid_px" not in [column["name"] for column in history["columns"]]

    for path, status in {
        "/orders/99": 404,
        "/orders?colour=red": 400,
        "/orders?limit=0": 400,
        "/orders?limit=x": 400,
        "/query": 405,
        "/no-such-page": 404,
        "/health": 200,
        "/docs": 200,
        "/docs.json": 200,
    }.items():
        assert get(path).status_code == status, path
    assert POSITIONS in get("/docs.json").text

    def post(**request: Any) -> httpx.Response:
        return httpx.post(f"{analytics.url}/query", trust_env=False, **request)

    refused = {
        "not json": (post(content=b"{", headers={"content-type": "application/json"}), 400, "is not JSON"),
        "no content type": (post(content=b"{}"), 400, "content-type"),
        "no sql": (post(json={"limit": 1}), 400, "must be"),
        "more": (post(json={"sql": "SELECT 1", "more": 1}), 400, "must be"),
        "limit": (post(json={"sql": "SELECT 1", "limit": 100_001}), 400, "not between 1 and 100000"),
        "bool": (post(json={"sql": "SELECT 1", "limit": True}), 400, "not a whole number"),
        "large": (post(json={"sql": "x" * 300_000}), 413, "262144 bytes"),
        "write": (post(json={"sql": "DROP TABLE events"}), 400, "a DROP statement"),
        "file": (post(json={"sql": "SELECT * FROM read_csv('/etc/passwd')"}), 400, "read_csv may not run"),
        "wrong": (post(json={"sql": "SELECT no_such_column FROM events"}), 400, "no_such_column"),
        "with a time zone": (post(json={"sql": "SELECT now()"}), 400, "cast it"),
    }
    for name, (response, status, says) in refused.items():
        assert (response.status_code, list(response.json())) == (status, ["error"]), name
        assert says in response.json()["error"], name
    assert analytics.value("SELECT count(*) FROM events") == 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "analytics.duckdb")
    yield made
    made.close()


def queries(store: Store, timeout_s: float = 10.0) -> tuple[Queries, list[str]]:
    outcomes: list[str] = []
    return Queries(store.cursor, lambda outcome, _: outcomes.append(outcome), timeout_s), outcomes


def test_even_past_the_guard_nothing_can_be_changed_or_read_from_outside(store: Store, tmp_path: Path) -> None:
    """The second and third wall, each by itself: the locked, closed database and the read-only transaction."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    asked, _ = queries(store)
    for sql in (
        "INSERT INTO offsets VALUES ('x', '1-1', 1)",
        "UPDATE offsets SET entries = 0",
        "DELETE FROM events",
        "DROP TABLE events",
        "CREATE TABLE x (a INT)",
        "WITH x AS (INSERT INTO offsets VALUES ('x', '1-1', 1) RETURNING *) SELECT * FROM x",
        "EXPLAIN ANALYZE INSERT INTO offsets VALUES ('x', '1-1', 1)",
        f"COPY events TO '{tmp_path}/out.csv'",
        f"COPY offsets FROM '{secret}'",
        f"ATTACH '{tmp_path}/other.duckdb'",
        f"EXPORT DATABASE '{tmp_path}/out'",
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM read_text('{secret}')",
        f"SELECT * FROM glob('{tmp_path}/*')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET threads = 8",
        "PRAGMA memory_limit = '8GB'",
        "SELECT getenv('HOME')",
        "SELECT * FROM sql",  # a Python variable of the caller
    ):
        with pytest.raises(QueryError) as caught:
            asked.select(sql, [])
        assert caught.value.status == 400, sql
    assert store.offsets() == {}
    assert {path.name for path in tmp_path.iterdir()} <= {"analytics.duckdb", "analytics.duckdb.wal", "secret.csv"}


def test_a_query_ends_at_its_time_limit_and_the_next_one_runs(store: Store) -> None:
    asked, outcomes = queries(store, timeout_s=0.3)
    began = time.monotonic()
    for sql in (
        "SELECT count(*) FROM range(100000000000)",
        "SELECT max(a.range * b.range) FROM range(1000000) a, range(1000000) b",
    ):
        with pytest.raises(QueryError, match=r"longer than 0.3 s") as caught:
            asked.ask(sql)
        assert caught.value.status == 408
    assert time.monotonic() - began < 5
    assert asked.ask("SELECT 1").rows == [[1]]
    assert outcomes == ["timeout", "timeout", "ok"]


def test_an_answer_has_its_limits(store: Store) -> None:
    asked, _ = queries(store)
    exact = asked.ask("SELECT * FROM range(1000)", limit=1000)
    assert (len(exact.rows), exact.truncated) == (1000, False)
    more = asked.ask("SELECT * FROM range(1001)", limit=1000)
    assert (len(more.rows), more.truncated) == (1000, True)
    wide = asked.ask("SELECT repeat('x', 10000) FROM range(100000)", limit=100_000)
    assert wide.truncated
    assert 5_000 < len(wide.rows) < 10_000


def test_a_query_that_wants_too_much_memory_is_told_and_harms_nobody(analytics: Process) -> None:
    analytics.start()
    analytics.wait_ready()
    for sql in (
        "SELECT length(repeat('x', 4000000000))",
        "SELECT len(range(2000000000))",
        "SELECT len(list(range)) FROM range(1000000000)",
    ):
        answer = analytics.query(sql)
        assert answer.status_code == 503, answer.text
        assert "memory" in answer.json()["error"]
    assert analytics.value("SELECT 1") == 1
    assert analytics.stop() == 0


def test_the_writer_may_end_the_queries_that_run(store: Store) -> None:
    asked, outcomes = queries(store)
    caught: list[QueryError] = []

    def long() -> None:
        try:
            asked.ask("SELECT count(*) FROM range(100000000000)")
        except QueryError as error:
            caught.append(error)

    thread = threading.Thread(target=long)
    thread.start()

    def ended() -> bool:
        asked.interrupt()
        return bool(caught)

    until(ended, "the query to be ended")
    thread.join()
    assert (caught[0].status, outcomes) == (503, ["busy"])


# ------------------------------------------------------------------------------------------------------- durability


@pytest.mark.parametrize(
    ("appendonly", "appendfsync", "barriers"),
    [
        ("yes", "always", {Barrier.ALWAYS}),
        ("yes", "everysec", {Barrier.WAITAOF, Barrier.AGE}),
        ("yes", "no", {Barrier.NONE}),
        ("no", "everysec", {Barrier.NONE}),
    ],
)
def test_the_barrier_fits_the_server(
    client: redis.Redis, redis_url: str, appendonly: str, appendfsync: str, barriers: set[Barrier]
) -> None:
    with changed(client, appendonly=appendonly, appendfsync=appendfsync):
        durability = Durability(connect(redis_url))
        client.xadd("s", {"a": "b"})
        durability.wait(int(time.time() * 1000))
        assert durability.barrier in barriers


class changed:
    """Server settings for a while."""

    def __init__(self, client: redis.Redis, **values: str) -> None:
        self._client: Any = client
        self._values = values

    def __enter__(self) -> None:
        self._before = {name: self._client.config_get(name)[name] for name in self._values}
        self._set(self._values)

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    def _set(self, values: dict[str, str]) -> None:
        for name, value in values.items():
            self._client.config_set(name, value)
        until(lambda: not self._client.info("persistence")["aof_rewrite_in_progress"], "the append-only file")


class Server:
    """Answers as an older server does, and records what is asked of it."""

    def __init__(self, age_ms: int) -> None:
        self.asked: list[str] = []
        self._age_ms = age_ms

    def config_get(self, _: str) -> dict[str, str]:
        return {"appendonly": "yes", "appendfsync": "everysec"}

    def execute_command(self, name: str, *_: Any) -> Any:
        self.asked.append(name)
        raise redis.exceptions.ResponseError("unknown command")

    def time(self) -> tuple[int, int]:
        return 1000, self._age_ms * 1000


def test_where_the_server_cannot_tell_an_entry_must_be_old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("libs.common.durability.time.sleep", slept.append)
    server: Any = Server(age_ms=500)
    durability = Durability(server)
    durability.wait(1_000_000)  # 500 ms old
    durability.wait(1_000_000 - 1_600)  # 2100 ms old
    durability.wait(1_000_000 + 3_600_000)  # an hour ahead of the server's clock: it was there before the call
    assert durability.barrier is Barrier.AGE
    assert slept == [1.5, 2.0]
    assert server.asked == ["WAITAOF"]
