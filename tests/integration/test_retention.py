"""Retention gives way when memory is short: the oldest goes first, and never what somebody may need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from prometheus_client import generate_latest

from fillstream.libs.common.messages.topology import Topology, id_key, lapsed_key, low_water_key
from fillstream.libs.common.process.app import options_of
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime import snapshot_writer, ticker, trim, worker
from fillstream.libs.common.runtime.log import Fenced, RedisLog, connect
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.role import Role
from fillstream.libs.common.runtime.trim import Trimmer
from fillstream.libs.common.runtime.worker import Worker
from tests.conftest import until
from tests.support.adder import INBOX, Adder

MB = 1024 * 1024
TEXT = "x" * 1000
SOON_S = 0.02


@pytest.fixture
def room(client: redis.Redis) -> Iterator[Callable[[int], int]]:
    """Give the server so many bytes more than it uses, and take the limit away at the end; returns the limit."""

    def give(more: int) -> int:
        limit = used(client) + more
        client.config_set("maxmemory", limit)
        return limit

    client.config_set("maxmemory-policy", "noeviction")
    yield give
    client.config_set("maxmemory", 0)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    return load_settings()


def used(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])  # type: ignore[index]


def fill(client: redis.Redis, stream: str, entries: int, from_ms: int | None = None) -> list[bytes]:
    """Append entries of a kilobyte, now or one a millisecond from `from_ms` on; return their ids."""
    pipe = client.pipeline(transaction=False)
    for n in range(entries):
        pipe.xadd(stream, {"n": "1", "text": f"{n}{TEXT}"}, id="*" if from_ms is None else f"{from_ms + n}-0")
    return pipe.execute()  # type: ignore[no-any-return]


def first(client: redis.Redis, stream: str) -> bytes:
    return client.xrange(stream, count=1)[0][0]  # type: ignore[index,union-attr,no-any-return]


def trimmer(settings: Settings, trims: dict[str, tuple[str, ...]], metrics: StageMetrics | None = None) -> Trimmer:
    watched = metrics or StageMetrics(Adder(), feeds=False)
    return Trimmer(connect(settings.redis_url), "adder", trims, options_of(settings).retention, watched)


# ------------------------------------------------------------------------------------------------ what may go


def test_the_oldest_goes_until_memory_is_below_the_share_and_no_more(
    client: redis.Redis, settings: Settings, room: Callable[[int], int]
) -> None:
    limit = room(12 * MB)
    lately_ms = client.time()[0] * 1000 - 10_000  # type: ignore[index]
    ids = fill(client, "one", 4000, lately_ms) + fill(client, "two", 4000, lately_ms)
    share = float(settings.messaging.retention_memory_share)
    assert used(client) > share * limit
    sweeper = trimmer(settings, {"one": (), "two": ()})
    for _ in range(20):
        sweeper.sweep()
    assert used(client) <= share * limit + 0.1 * MB, "but for nodes that are not whole yet"
    assert used(client) > share * limit - 1 * MB, "and no more than that went"
    for stream, all_of_it in (("one", ids[:4000]), ("two", ids[4000:])):
        left = client.xlen(stream)
        assert 0 < left < 4000, "each stream gives its part"
        assert first(client, stream) == all_of_it[-left]


@pytest.mark.parametrize("limit", ["none", "maxmemory", "max_memory_bytes"])
def test_without_a_limit_nothing_that_is_young_goes(
    client: redis.Redis, redis_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    room: Callable[[int], int], limit: str,
) -> None:  # fmt: skip
    if limit == "maxmemory":
        room(4 * MB)
    elif limit == "max_memory_bytes":
        monkeypatch.setenv("FILLSTREAM_MESSAGING__MAX_MEMORY_BYTES", str(used(client) + 4 * MB))
    fill(client, "one", 3000)
    trimmer(load_settings(), {"one": ()}).sweep()
    assert (client.xlen("one") == 3000) == (limit == "none")


@pytest.mark.parametrize("who", ["mark", "group", "pending", "missing"])
def test_never_below_what_somebody_needs_however_short_memory_is(
    client: redis.Redis, settings: Settings, room: Callable[[int], int], who: str
) -> None:
    ids = fill(client, "one", 3000)
    needed = ids[1500]
    client.hset(low_water_key("one"), "reader", ids[2500])
    match who:
        case "mark":
            client.hset(low_water_key("one"), "somebody", needed)
        case "group":
            client.xgroup_create("one", "somebody", needed)
        case "pending":
            client.xgroup_create("one", "somebody", ids[1499])
            client.xreadgroup("somebody", "me", {"one": ">"}, count=100)
        case "missing":
            needed = ids[0]
    client.config_set("maxmemory", 1)  # everything there is, is too much
    metrics = StageMetrics(Adder(), feeds=False)
    readers = ("reader", "somebody") if who == "missing" else ("reader",)
    sweeper = trimmer(settings, {"one": readers}, metrics)
    for _ in range(200):
        sweeper.sweep()
    assert id_key(first(client, "one").decode()) <= id_key(needed.decode())
    if who != "missing":
        assert client.xlen("one") < 1600, "what nobody needs has gone"
    client.config_set("maxmemory", 0)
    held = metrics.registry.get_sample_value(
        "fillstream_stream_held_seconds",
        {"stage": "adder", "partition": "0", "stream": "one", "reader": "somebody"},
    )
    last = id_key(ids[-1].decode())[0]
    assert held == pytest.approx((last - id_key(needed.decode())[0]) / 1000), "and a metric names who needs the rest"


def test_a_burst_of_one_millisecond_gives_way_too(
    client: redis.Redis, settings: Settings, room: Callable[[int], int]
) -> None:
    room(2 * MB)
    now_ms = client.time()[0] * 1000  # type: ignore[index]
    pipe = client.pipeline(transaction=False)
    for n in range(1500):
        pipe.xadd("one", {"text": TEXT}, id=f"{now_ms}-{n}")
    pipe.execute()
    trimmer(settings, {"one": ()}).sweep()
    assert client.xlen("one") < 1500


def test_more_goes_at_once_than_the_server_drops_in_one_call(client: redis.Redis) -> None:
    pipe = client.pipeline(transaction=False)
    for n in range(35_000):
        pipe.xadd("one", {"n": "1"}, id=f"{n + 1}-0")
    pipe.execute()
    assert trim.trim(client, "one", (), retention_s=0) > 34_000


def test_age_alone_decides_where_the_server_does_not_tell_its_memory(
    client: redis.Redis, settings: Settings, room: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    room(2 * MB)
    fill(client, "one", 1500)
    client.xadd("old", {"n": 1}, id="1-0")
    for n in range(1000):
        client.xadd("old", {"n": n}, id=f"{n + 2}-0")
    everything = {"enabled": True, "nopass": True, "keys": "*", "channels": "*"}
    client.acl_setuser("default", **everything, commands=["+@all", "-info"])  # type: ignore[arg-type]
    try:
        sweeper = trimmer(settings, {"one": (), "old": ()})
        sweeper.sweep(at_once=True)
        sweeper.sweep(at_once=True)
    finally:
        client.acl_setuser("default", **everything, commands=["+@all"])  # type: ignore[arg-type]
    assert client.xlen("one") == 1500
    assert client.xlen("old") < 1000
    refused = [each for each in caplog.messages if each.startswith("INFO memory refused")]
    assert len(refused) == 1


# ------------------------------------------------------------------------------------------------ a live stage


@pytest.fixture
def start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start stages that look at memory, and after themselves, fifty times a second."""
    monkeypatch.setattr(snapshot_writer, "LOOK_S", SOON_S)
    monkeypatch.setattr(worker, "HEARTBEAT_S", SOON_S)
    monkeypatch.setattr(ticker, "IDLE_MS", 10)
    running: list[Worker] = []

    def make(stage: Adder, trims: dict[str, tuple[str, ...]]) -> Worker:
        made = Worker(Role(stage, (), trims), options_of(settings), StageMetrics(stage, feeds=False))
        running.append(made)
        made.start()
        assert made.ready.wait(timeout=90)
        return made

    yield make
    for each in running:
        each.stop()
        each.join(timeout=90)
        assert not each.is_alive()


def test_thirty_megabytes_pass_through_a_server_that_has_ten(
    client: redis.Redis, settings: Settings, start: Any, room: Callable[[int], int], tmp_path: Path
) -> None:
    """Room is made for writers that slow down when it gets short: a snapshot frees what the disk has been given."""
    limit = room(10 * MB)
    share = float(settings.messaging.retention_memory_share) * limit
    stage = Adder()
    start(stage, {INBOX: ("adder",), "sums": ()})
    written = 0

    def write(entries: int) -> None:
        nonlocal written
        fill(client, INBOX, entries)  # an error would be raised here
        written += entries
        until(lambda: stage.total == written, "the stage to have folded it")

    def has_room() -> bool:
        write(1)  # a stage that nothing comes to takes no snapshot, and keeps what its last ones need
        return used(client) < share + MB

    while written < 30_000:
        write(200)
        until(has_room, "room to be made", timeout_s=120)
    oldest = min(path.stem for path in (tmp_path / "snapshots" / "adder-0").glob("*.snapshot"))
    assert id_key(first(client, INBOX).decode()) <= id_key(oldest), "what the oldest snapshot needs is there"


def test_a_stage_whose_inbox_is_idle_trims_too(client: redis.Redis, start: Any, room: Callable[[int], int]) -> None:
    start(Adder(), {INBOX: ("adder",), "theirs": ()})
    room(4 * MB)
    fill(client, "theirs", 3800)
    until(lambda: client.xlen("theirs") < 3000, "the stream to be trimmed without a snapshot")


def test_a_stage_that_starts_on_a_full_server_makes_room_first(
    client: redis.Redis, start: Any, room: Callable[[int], int]
) -> None:
    def is_full() -> bool:
        room(-MB)
        try:
            fill(client, "theirs", 1)
        except redis.exceptions.OutOfMemoryError:
            return True
        return False  # what it used to read so much is free again, more than that megabyte

    fill(client, "theirs", 4000)
    until(is_full, "the server to be full")
    start(Adder(), {INBOX: ("adder",), "theirs": ()})
    fill(client, "theirs", 1)


# ------------------------------------------------------------------------------------------------ the marks


def test_who_was_fenced_off_moves_no_mark(client: redis.Redis, redis_url: str) -> None:
    def claimed() -> RedisLog:
        made = RedisLog(connect(redis_url), Topology(), "adder", INBOX)
        made.claim()
        return made

    former = claimed()
    former.mark(client, "5-0")
    assert client.hget(low_water_key(INBOX), "adder") == b"5-0"
    owner = claimed()
    with pytest.raises(Fenced, match=r"numbers: epoch 1 was fenced off, the partition is claimed by epoch 2"):
        former.mark(client, "9-0")
    assert client.hget(low_water_key(INBOX), "adder") == b"5-0"
    owner.mark(client, "7-0")
    assert client.hget(low_water_key(INBOX), "adder") == b"7-0"


@pytest.mark.usefixtures("room")
def test_a_mark_moves_on_a_full_server_as_trimming_waits_for_it(client: redis.Redis, redis_url: str) -> None:
    log = RedisLog(connect(redis_url), Topology(), "adder", INBOX)
    log.claim()
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("one", "more")
    log.mark(client, "5-0")
    assert client.hget(low_water_key(INBOX), "adder") == b"5-0"


def test_a_forgotten_group_holds_a_stream_so_long_and_no_longer(client: redis.Redis, settings: Settings) -> None:
    """Entries of the last hundred minutes, a group that read the first one only, a stage that is well."""
    options = options_of(settings)
    seconds, _ = client.time()  # type: ignore[misc]
    for minute in range(100, 0, -1):
        for n in range(100):
            client.xadd(INBOX, {"text": TEXT}, id=f"{(seconds - 60 * minute) * 1000 + n}-0")
    client.xgroup_create(INBOX, "backtest", f"{(seconds - 6_000) * 1000}-0")
    newest = client.xinfo_stream(INBOX)["last-generated-id"].decode()  # type: ignore[index]
    client.hset(low_water_key(INBOX), "orders", newest)

    def sweep(most_s: int) -> tuple[int, bool]:
        """Return how many entries are left, and whether the metrics tell of a lapsed claim."""
        retention = replace(options.retention, retention_s=60, max_reader_lag_s=most_s)
        told = StageMetrics(Adder(), feeds=False)
        Trimmer(client, "orders", {INBOX: ("orders",)}, retention, told).sweep()
        page = generate_latest(told.registry).decode()
        assert 'reader="backtest"' in page
        return int(client.xlen(INBOX)), "claim_lapsed{" in page  # type: ignore[arg-type]

    assert sweep(6_100) == (10_000, False)
    left, lapsed = sweep(5_900)
    assert left < 300, "a minute, and up to a node of the stream"
    assert lapsed
    assert client.hkeys(lapsed_key(INBOX)) == [b"backtest"]
    [(_, entries)] = client.xreadgroup("backtest", "me", {INBOX: ">"}, count=1)  # type: ignore[misc]
    client.xack(INBOX, "backtest", entries[0][0])
    assert sweep(5_900) == (left, False)
    assert client.exists(lapsed_key(INBOX)) == 0, "it reads again, and counts again"
