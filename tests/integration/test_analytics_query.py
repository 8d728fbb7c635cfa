"""The query API: what it answers over HTTP, and the walls around it, each by itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from fillstream.libs.common.messages.journal import OrderFilled, OrderReceived, TradeBusted, TradeCorrected
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.services.analytics.query.api import Queries, QueryError
from fillstream.services.analytics.sinks.store import Store
from tests.conftest import until
from tests.support.analytics import Process, committed
from tests.support.messages import payload, sample

EVENTS = "events.{a0}"
POSITIONS = "positions.{a0}"


@pytest.fixture
def analytics(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(redis_url, tmp_path)
    yield process
    process.close()


@pytest.fixture
def stored(analytics: Process, client: redis.Redis) -> Process:
    """Analytics, with an order, its fill and its position stored."""
    received = sample(OrderReceived, 1, order_id="1", account="acc", symbol="AAPL", ord_status="PendingNew")
    filled = sample(OrderFilled, 2, order_id="1", account="acc", symbol="AAPL", ord_status="Filled")
    raw: Any = client
    raw.xadd(EVENTS, payload(received))
    raw.xadd(EVENTS, payload(filled))
    raw.xadd(POSITIONS, payload(sample(PositionChanged, 1, account="acc", symbol="AAPL")))
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS) and committed(client, POSITIONS), "the entries to be stored")
    return analytics


def test_sql_over_http_is_answered_with_columns_and_rows(stored: Process) -> None:
    answer = stored.query("SELECT last_px, seq, time, 1e308 * 10 AS inf FROM fills").json()
    assert answer == {
        "columns": [
            {"name": "last_px", "type": "DECIMAL(38,12)"},
            {"name": "seq", "type": "BIGINT"},
            {"name": "time", "type": "TIMESTAMP"},
            {"name": "inf", "type": "DOUBLE"},
        ],
        "rows": [["2.075", 2, "2023-11-14T22:13:20.002Z", "inf"]],
        "truncated": False,
        "incomplete": [],
    }
    assert stored.query("SELECT * FROM range(5)", limit=3).json()["truncated"] is True


def test_fills_are_trades_as_they_stand_now(stored: Process, client: redis.Redis) -> None:
    """One that was corrected twice is the last correction, one that was taken back is none; events have it all."""
    raw: Any = client
    whose = {"order_id": "1", "account": "acc", "symbol": "AAPL", "currency": "USD"}
    fills = [sample(OrderFilled, n, exec_id=f"T-{n}", last_px="10", last_qty="5", **whose) for n in (3, 4, 5)]
    changes = [
        sample(TradeCorrected, 6, exec_id="C-1", ref_exec_id="T-3", last_px="11", last_qty="5", fee="0.1", **whose),
        sample(TradeCorrected, 7, exec_id="C-2", ref_exec_id="T-3", last_px="12", last_qty="4", fee="0.2", **whose),
        sample(TradeBusted, 8, exec_id="B-1", ref_exec_id="T-4", **whose),
    ]
    for event in (*fills, *changes):
        raw.xadd(EVENTS, payload(event))
    until(lambda: len(stored.query("SELECT seq FROM events").json()["rows"]) == 8, "the entries to be stored")
    answer = stored.query(
        "SELECT exec_id, last_px, last_qty, fee, corrected FROM fills WHERE exec_id LIKE 'T-%' ORDER BY seq"
    ).json()
    assert answer["rows"] == [["T-3", "12", "4", "0.2", True], ["T-5", "10", "5", fills[2]["fee"], False]]


def test_each_page_answers_what_it_is_asked(stored: Process) -> None:
    def get(path: str) -> httpx.Response:
        return httpx.get(f"{stored.url}{path}", trust_env=False)

    for path, count in {
        "/orders": 1,
        "/orders?account=acc&symbol=AAPL&status=Filled&limit=5": 1,
        "/orders?status=New": 0,
        "/orders?account=%27%20OR%201%3D1--": 0,
        "/orders/1": 2,
        "/fills?account=acc": 1,
        "/positions?symbol=AAPL": 1,
        "/closed_positions?symbol=AAPL&position_id=0-2": 0,
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


def test_what_cannot_be_answered_is_refused_in_a_sentence(stored: Process) -> None:
    def post(**request: Any) -> httpx.Response:
        return httpx.post(f"{stored.url}/query", trust_env=False, **request)

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
        "a zone within": (post(json={"sql": "SELECT [{'a': now()}] AS x"}), 400, "column x"),
    }
    for name, (response, status, says) in refused.items():
        assert (response.status_code, list(response.json())) == (status, ["error"]), name
        assert says in response.json()["error"], name
    assert stored.value("SELECT count(*) FROM events") == 2


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
    assert time.monotonic() - began < 60, "either would take hours"
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


def test_whatever_is_asked_over_http_is_answered_with_a_sentence(stored: Process) -> None:
    def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{stored.url}{path}", trust_env=False, timeout=90, **more)

    as_json = {"content-type": "application/json"}
    hostile: list[tuple[str, str, int, dict[str, Any]]] = [
        ("GET", "/orders/", 404, {}),
        ("GET", "/orders/%2531", 404, {}),
        ("GET", "/orders/..%2f..%2fetc", 404, {}),
        ("GET", "/orders/%00", 404, {}),
        ("GET", "/orders/%ff", 404, {}),
        ("GET", "/orders/" + "9" * 30_000, 404, {}),
        ("DELETE", "/orders/1", 405, {}),
        ("POST", "/orders", 405, {"content": b"x" * 20_000_000}),
        ("GET", "/orders?limit=-1", 400, {}),
        ("GET", "/orders?limit=%D9%A1", 400, {}),
        ("GET", "/orders?limit=99999999999999999999", 400, {}),
        ("GET", "/orders?%00=%00", 400, {}),
        ("GET", "/nope?" + "a=b&" * 5_000, 404, {}),
        ("GET", "/query", 405, {}),
        ("POST", "/query", 413, {"content": b"[" * 20_000_000, "headers": as_json}),
        ("POST", "/query", 400, {"content": b"[" * 200_000, "headers": as_json}),
        ("POST", "/query", 400, {"content": b'{"sql":"SELECT \xff"}', "headers": as_json}),
        ("POST", "/query", 400, {"content": b'{"sql":"SELECT \\u0000"}', "headers": as_json}),
        ("POST", "/query", 400, {"json": {"sql": "SELECT " + "(" * 10_000 + "1" + ")" * 10_000}}),
        ("POST", "/query", 400, {"json": {"sql": "SELECT 1", "limit": 10**400}}),
        ("POST", "/query", 400, {"json": {"sql": ""}}),
    ]
    for method, path, status, more in hostile:
        answer = ask(method, path, **more)
        assert (answer.status_code, [*answer.json()]) == (status, ["error"]), (method, path[:60], answer.text[:300])
        assert len(answer.json()["error"]) < 2_000
    assert ask("GET", "/orders?account=%00").json()["rows"] == []
    log = stored.log.read_text()
    assert "Traceback" not in log
    assert "Exception occurred" not in log
    assert stored.value("SELECT count(*) FROM events") == 2


def test_a_client_that_hangs_up_within_its_body_is_no_fault_of_ours(stored: Process) -> None:
    with socket.create_connection(("127.0.0.1", stored.port)) as connection:
        connection.sendall(
            b"POST /query HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
        )
    assert stored.value("SELECT 1") == 1
    assert "Traceback" not in stored.log.read_text()


def test_its_front_page_and_its_document_name_what_it_answers(stored: Process) -> None:
    told = httpx.get(stored.url, trust_env=False).json()
    assert told["name"] == "Fillstream analytics"
    assert {"/query", "/orders", "/orders/{order_id}", "/fills", "/positions", "/docs"} <= set(told["addresses"])
