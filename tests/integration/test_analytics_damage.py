"""A database file that nobody can read any more: a sentence with the way on, and no start after start (H10)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import redis

from fillstream.libs.common.messages.journal import OrderFilled
from fillstream.services.analytics.query.api import Queries, QueryError
from fillstream.services.analytics.sinks.store import Damaged, Store
from tests.conftest import until
from tests.support.analytics import Process, committed
from tests.support.messages import payload, sample

EVENTS = "events.{a0}"
ENTRIES = 3_000


@pytest.fixture
def analytics(redis_url: str, tmp_path: Path) -> Iterator[Process]:
    process = Process(redis_url, tmp_path)
    yield process
    process.close()


def write_ahead(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


@pytest.fixture
def killed(analytics: Process, client: redis.Redis) -> Process:
    """Analytics that was killed with rows in the file and in its write-ahead log."""
    for part in range(2):
        raw: Any = client.pipeline(transaction=False)
        for number in range(ENTRIES):
            raw.xadd(EVENTS, payload(sample(OrderFilled, 1 + part * ENTRIES + number)))
        raw.execute()
        analytics.start()
        analytics.wait_ready()
        until(lambda: committed(client, EVENTS), "the entries to be stored")
        if part == 0:
            assert analytics.stop() == 0
        else:
            analytics.kill()
    assert write_ahead(analytics.database).stat().st_size > 10_000
    return analytics


def flip(file: Path, at: float = 0.5) -> None:
    data = bytearray(file.read_bytes())
    data[int(len(data) * at)] ^= 0x41
    file.write_bytes(data)


def cut(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 3])


def no_database(file: Path) -> None:
    file.write_bytes(b"{}" * 10_000)


def test_a_damaged_write_ahead_log_ends_it_for_a_person_and_the_sentence_is_the_cure(
    killed: Process, client: redis.Redis
) -> None:
    log = write_ahead(killed.database)
    flip(log)
    killed.start()
    assert killed.ends() == 71
    told = killed.last_words() if "analytics ends: " in killed.log.read_text() else killed.log.read_text()
    assert "Corrupt WAL file" in told
    assert f"move {log} away and start again" in told
    shutil.move(log, log.with_suffix(".aside"))
    killed.start()
    killed.wait_ready()
    until(lambda: killed.value("SELECT count(*) FROM events") == 2 * ENTRIES, "what it had, and what the streams have")


@pytest.mark.parametrize("damage", [lambda file: flip(file, 0.0001), cut, no_database], ids=["flipped", "cut", "other"])
def test_a_damaged_file_ends_it_for_a_person_and_is_made_again_when_it_is_moved_away(
    killed: Process, client: redis.Redis, damage: Callable[[Path], None]
) -> None:
    damage(killed.database)
    killed.start()
    assert killed.ends() == 71
    told = killed.log.read_text()
    assert f"{killed.database}: cannot be opened: " in told
    assert f"move {killed.database}" in told
    assert "made again from the streams" in told
    for file in (killed.database, write_ahead(killed.database)):
        shutil.move(file, file.with_suffix(".aside" + file.suffix))
    killed.start()
    killed.wait_ready()
    until(lambda: killed.value("SELECT count(*) FROM events") == 2 * ENTRIES, "all of it to be read again")


def test_damage_that_is_met_late_is_told_where_it_is_met(killed: Process, tmp_path: Path) -> None:
    Store(killed.database).close()  # what was in the write-ahead log is in the file
    told: list[str] = []
    for percent in range(1, 100, 2):
        file = tmp_path / f"{percent}.duckdb"
        shutil.copy(killed.database, file)
        flip(file, percent / 100)
        try:
            store = Store(file)
        except Damaged:
            continue
        try:
            Queries(store.cursor, lambda outcome, seconds: None).ask("SELECT max(COLUMNS(*)::VARCHAR) FROM events")
        except QueryError as error:
            assert error.status == 500
            told.append(error.text)
        store.close()
    assert told
    for text in told:
        assert "the database file is damaged: " in text
        assert "move the file and its .wal away" in text


def test_a_file_that_does_not_tell_how_far_it_was_read_is_damaged(tmp_path: Path) -> None:
    """Its rows may be whole: where to go on is not known."""
    store = Store(tmp_path / "analytics.duckdb")

    class Broken:
        def execute(self, sql: str) -> None:
            raise duckdb.Error("Corrupt database file: computed checksum 1 does not match stored checksum 2")

    raw: Any = store
    whole, raw._connection = raw._connection, Broken()
    with pytest.raises(Damaged, match=f"computed checksum 1.*move {tmp_path}/analytics.duckdb"):
        store.offsets()
    raw._connection = whole
    store.close()


def test_a_file_that_another_process_holds_is_no_damage(analytics: Process) -> None:
    store = Store(analytics.database)
    analytics.start()
    assert analytics.ends() == 70
    assert "move" not in analytics.log.read_text()
    store.close()


def test_a_folder_in_the_files_place_is_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "analytics.duckdb").mkdir()
    with pytest.raises(Damaged, match=f"move {tmp_path}/analytics.duckdb away"):
        Store(tmp_path / "analytics.duckdb")
