"""Times are UTC, on every host: the zone of the process changes no answer (H01), and every function of time has one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.tree import ROOT

COLUMNS = {
    "events": ("time", "log_time"),
    "orders": ("received", "updated"),
    "positions": ("changed", "updated"),
    "latency": ("signaled", "received", "accepted"),
    "gaps": ("time",),
}
ASK = """\
import json, sys, time
from pathlib import Path
import orjson
from fillstream.libs.common.messages.journal import OrderAccepted, OrderReceived
from fillstream.libs.common.messages.positions import PositionChanged
from fillstream.services.analytics.decode.entries import Batch
from fillstream.services.analytics.query.api import Queries
from fillstream.services.analytics.sinks.store import Gap, Store
from fillstream.services.analytics.sinks.writer import DECODERS
from tests.support.messages import payload, sample

store = Store(Path(sys.argv[1]))
now = time.time_ns() // 1_000_000
batch = Batch(store.scales)
def put(kind, ms, fields):
    DECODERS[kind](kind, [[b"%d-0" % ms, [each for pair in fields.items() for each in pair]]], batch)
put("signals", now - 4, {b"signal_id": b"s", b"account": b"a"})
received = sample(OrderReceived, 1, order_id="1", account="a", alias=None, parent_id=None, signal_id="s", time=now - 3)
put("events", now - 3, {b"data": payload(received)["data"]})
put("events", now - 2, {b"data": payload(sample(OrderAccepted, 2, order_id="1", parent_id=None, time=now - 2))["data"]})
put("positions", now - 1, {b"data": payload(sample(PositionChanged, 1, time=now - 1))["data"]})
store.commit(batch.tables, {}, [Gap("events", "0-0", "1-0", 1, now, "x")])
asked = Queries(store.cursor, lambda outcome, seconds: None)
answers = []
for sql in json.load(sys.stdin):
    try:
        answers.append(asked.ask(sql).rows[0])
    except Exception as error:
        answers.append([str(error)])
print(json.dumps([now, answers]))
"""


def answers(zone: str, folder: Path, *questions: str) -> tuple[int, list[list[Any]]]:
    """Return what a process in this zone answers, and when it was asked (ms)."""
    told = subprocess.run(
        [sys.executable, "-c", ASK, str(folder / "analytics.duckdb")],
        input=json.dumps(questions), cwd=ROOT, env={**os.environ, "TZ": zone},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    now, found = json.loads(told.stdout)
    return now, found


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_what_is_asked_about_now_is_answered_alike_in_every_zone(zone: str, tmp_path: Path) -> None:
    every = [(table, column) for table, columns in COLUMNS.items() for column in columns]
    asked = [
        f"SELECT count(*) FILTER ({column} > now()), "
        f"count(*) FILTER ({column} > now() - INTERVAL 1 HOUR), "
        f"count({column}), "
        f"date_diff('second', max({column})::TIMESTAMPTZ, now()), "
        f"date_diff('second', max({column}), now()::TIMESTAMP) FROM {table}"
        for table, column in every
    ]
    days = "SELECT current_date, now()::DATE, today(), date_trunc('day', now())::DATE, current_localtimestamp()::DATE"
    hours = "SELECT date_trunc('hour', now())::TIMESTAMP, strftime(now(), '%Y-%m-%dT%H'), hour(now())"
    now, (day, hour, *rows) = answers(zone, tmp_path, days, hours, *asked)
    for (table, column), (future, recent, count, age_s, same_s) in zip(every, rows, strict=True):
        assert (future, recent) == (0, count), (table, column)
        assert count, (table, column)
        assert 0 <= age_s <= 30, (table, column)
        assert 0 <= same_s <= 30, (table, column)
    then = datetime.fromtimestamp(now / 1000, UTC)
    if datetime.now(UTC).hour == then.hour:  # an hour may have ended in between
        assert day == [then.date().isoformat()] * 5
        assert hour == [f"{then:%Y-%m-%dT%H}:00:00.000Z", f"{then:%Y-%m-%dT%H}", then.hour]


def test_every_column_of_time_tells_its_milliseconds(tmp_path: Path) -> None:
    asked = [
        f"SELECT epoch_ms({column}), epoch_us({column}), epoch({column}) FROM {table} ORDER BY ALL DESC"
        for table, columns in COLUMNS.items()
        for column in columns
    ]
    now, rows = answers("Asia/Kolkata", tmp_path, *asked)
    for sql, (milliseconds, microseconds, seconds) in zip(asked, rows, strict=True):
        assert now - 4 <= milliseconds <= now, sql
        assert (microseconds, seconds) == (milliseconds * 1000, milliseconds / 1000), sql
