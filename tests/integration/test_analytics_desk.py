"""Analytics knows whose rows it has: it mixes those of no two desks, and waits for no log that will not come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest
import redis
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.libs.common.messages.journal import OrderFilled
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.log import RedisLog, connect
from tests.conftest import until
from tests.support.analytics import Process, committed
from tests.support.messages import payload, sample

EVENTS = "events.{a0}"
DESK = Topology().desk


@pytest.fixture
def analytics(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(redis_url, tmp_path)
    yield process
    process.close()


def feed(client: redis.Redis, numbers: range) -> None:
    raw: Any = client
    for number in numbers:
        raw.xadd(EVENTS, payload(sample(OrderFilled, number)))


def begin_desk(url: str) -> str:
    """Make a desk as its first stage does; return its id."""
    with connect(url) as own:
        return RedisLog(own, Topology(), "orders", "orders.0").claim().desk


def noted(database: Path) -> list[str]:
    with duckdb.connect(database, read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM desk").fetchall()]


def rows(database: Path) -> int:
    with duckdb.connect(database, read_only=True) as connection:
        found = connection.execute("SELECT count(*) FROM events").fetchone()
    assert found is not None
    return int(found[0])


@pytest.fixture
def stopped(analytics: Process, client: redis.Redis, redis_url: str) -> str:
    """Return the id of the desk whose rows analytics has; it is stopped."""
    desk = begin_desk(redis_url)
    feed(client, range(1, 21))
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "all to be stored")
    assert analytics.stop() == 0
    assert noted(analytics.database) == [desk]
    return desk


def told(url: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["recover", "--redis-url", url, "--json"])
    return [each for each in orjson.loads(done.stdout) if each["stage"] == "analytics"]


def test_the_rows_of_another_desk_are_not_mixed_with_its_own(
    analytics: Process, client: redis.Redis, redis_url: str, stopped: str
) -> None:
    client.flushall()
    other = begin_desk(redis_url)
    feed(client, range(1, 41))
    analytics.start()
    assert analytics.ends() == 71
    assert rows(analytics.database) == 20
    [found] = told(redis_url)
    assert found["page"] == "other-desk"
    assert found["text"].startswith(f"analytics' database is of desk {stopped}, this Redis holds desk {other}.")
    assert not found["can_be_accepted"]


def test_an_empty_server_is_told_and_not_waited_for(
    analytics: Process, client: redis.Redis, redis_url: str, stopped: str
) -> None:
    client.flushall()
    analytics.start()
    assert analytics.ends() == 71
    [found] = told(redis_url)
    assert found["page"] == "desk-gone"
    assert found["text"].startswith(f"analytics' database is of desk {stopped}, and this Redis knows no desk")


def test_a_server_that_is_emptied_and_begins_anew_meanwhile_leaves_no_row(
    analytics: Process, client: redis.Redis, redis_url: str, stopped: str
) -> None:
    analytics.start()
    analytics.wait_ready()
    pipe: Any = client.pipeline()  # all at once: between two looks of analytics
    pipe.flushall()
    pipe.hset(DESK, mapping={"id": "another", "account_partitions": 1, "symbol_partitions": 1})
    for number in range(1, 61):
        pipe.xadd(EVENTS, payload(sample(OrderFilled, number)))
    pipe.execute()
    assert analytics.ends() == 71
    assert rows(analytics.database) == 20


def test_an_older_log_of_the_same_desk_is_told(
    analytics: Process, client: redis.Redis, redis_url: str, stopped: str
) -> None:
    client.delete(EVENTS)
    feed(client, range(1, 4))
    analytics.start()
    assert analytics.ends() == 71
    assert told(redis_url)[0]["page"] == "log-rewound"


def test_a_marker_that_is_gone_is_told_and_found_again(
    analytics: Process, client: redis.Redis, redis_url: str, stopped: str
) -> None:
    raw: Any = client
    marker = raw.hgetall(DESK)
    client.delete(DESK)
    analytics.start()
    assert analytics.ends() == 71
    assert told(redis_url)[0]["page"] == "marker-gone"
    raw.hset(DESK, mapping=marker)
    analytics.start()
    analytics.wait_ready()
    assert told(redis_url) == []


def test_a_file_that_does_not_say_whose_it_is_is_the_desks_whose_log_it_read(
    analytics: Process, client: redis.Redis, redis_url: str, stopped: str
) -> None:
    """As 0.2.0 left it; a desk that begins behind analytics' first rows is the same case."""
    with duckdb.connect(analytics.database) as connection:
        connection.execute("DROP TABLE desk")
    feed(client, range(21, 24))
    analytics.start()
    analytics.wait_ready()
    until(lambda: committed(client, EVENTS), "all to be stored")
    assert analytics.stop() == 0
    assert noted(analytics.database) == [stopped]
    assert rows(analytics.database) == 23
