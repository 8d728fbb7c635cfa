"""A backup of a desk that trades, restored on an empty server: it is proved, it starts, and its books agree."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.libs.common.messages.topology import Topology, id_key, low_water_key
from fillstream.libs.common.process.keys import KeyRing, Scope, make
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime.continuity import RecoveryError
from fillstream.libs.common.runtime.copies import put_copy
from fillstream.libs.common.runtime.holds import BACKUP, hold, marks_of, release
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.snapshots import SnapshotStore, folder_of
from fillstream.libs.common.runtime.trim import trim
from fillstream.tools.audit import RedisSource, audit
from fillstream.tools.backup import records
from fillstream.tools.backup.folder import read_keys, read_manifest, write_keys, write_manifest
from fillstream.tools.backup.moment import finish_stream, take
from fillstream.tools.backup.records import Damaged, file_digest
from fillstream.tools.registry import all_stages
from tests.support.busy_desk import Load
from tests.support.servers import Server


class LittleDesk:
    """Every stage of a desk in this process, on a real server; folded when the test says so."""

    def __init__(self, url: str, settings: Settings, data_dir: Path) -> None:
        self.redis_url = self.url = url
        self.settings, self.topology, self.data_dir = settings, settings.topology(), data_dir
        self._connections: list[redis.Redis] = []
        self.runners: list[Runner] = []
        self.seed = 0

    def start(self) -> LittleDesk:
        for stage in all_stages(self.settings):
            self._connections.append(connect(self.url))
            store = SnapshotStore(folder_of(self.data_dir, stage.name, stage.inbox), stage.name, stage.partition)
            log = RedisLog(self._connections[-1], self.topology, stage.name, stage.inbox)
            self.runners.append(Runner(stage, log, store))
        for runner in self.runners:
            runner.recover()
        self.settle()
        return self

    def settle(self) -> None:
        moving = True
        while moving:
            moving = False
            for runner in self.runners:
                while batch := runner.read(500, 1):
                    runner.step(batch)
                    moving = True
        for runner in self.runners:
            runner.log.settle()

    def trade(self, signals: int, settle: bool = True) -> None:
        self.seed += 1
        Load(cast(Any, self), seed=self.seed, tag=f"{self.seed}-").run(signals, at={})
        if settle:
            self.settle()

    def snapshot(self, trimmed: bool = False) -> None:
        """Leave a snapshot of every stage and its copy in Redis; trim what they make unneeded."""
        with connect(self.url) as client:
            for runner in self.runners:
                store = runner.snapshots
                assert isinstance(store, SnapshotStore)
                snapshot = runner.snapshot()
                store.save(snapshot)
                key = self.topology.copy(runner.stage.name, runner.stage.inbox)
                client.delete(key)
                put_copy(client, key, snapshot.id, store.path(snapshot.id).read_bytes())
                inbox = self.topology.key(runner.stage.inbox)
                client.hset(low_water_key(inbox), runner.stage.name, snapshot.id)
                if trimmed:
                    trim(client, inbox, (runner.stage.name,), 0, excess=1.0)

    def close(self) -> None:
        for each in self._connections:
            each.close()
        self.runners = []

    def books(self) -> Any:
        return audit(RedisSource(self.url, self.topology), self.topology, all_stages(self.settings))

    def ends(self) -> dict[str, tuple[int, str]]:
        with redis.Redis.from_url(self.url) as client:
            return _ends(client, self.topology)


def _ends(client: redis.Redis, topology: Topology) -> dict[str, tuple[int, str]]:
    return {name: (end.added, end.last_id) for name, end in take(client, topology).streams.items()}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "elsewhere").mkdir()
    server = Server(tmp_path / "elsewhere")
    server.start()
    yield server
    server.kill()


DESKS = ["two partitions under a prefix", *(["one partition"] if "EVERY_DESK" in os.environ else [])]
"""The long form (`make soak`) has the plain desk, too: the other one has all that it has."""


@pytest.fixture(params=DESKS)
def settings(request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    if request.param != "one partition":
        monkeypatch.setenv("FILLSTREAM_MESSAGING__ACCOUNT_PARTITIONS", "2")
        monkeypatch.setenv("FILLSTREAM_MESSAGING__SYMBOL_PARTITIONS", "2")
        monkeypatch.setenv("FILLSTREAM_MESSAGING__TOPIC_PREFIX", "mine:")
    return load_settings()


@pytest.fixture
def desk(settings: Settings, redis_url: str, tmp_path: Path) -> Iterator[LittleDesk]:
    made = LittleDesk(redis_url, settings, tmp_path / "data").start()
    yield made
    made.close()


def run(*arguments: object) -> tuple[int, Any, str]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, orjson.loads(done.stdout) if done.stdout else None, done.stderr


@pytest.fixture
def trades_on(desk: LittleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the desk trade whenever a backup begins to read a stream."""
    real = records.stream

    def read(*arguments: Any) -> Iterator[Any]:
        if arguments[0].connection_pool.connection_kwargs["port"] == urlsplit(desk.url).port:
            desk.trade(3)
        return real(*arguments)

    monkeypatch.setattr(records, "stream", read)


def everything(url: str, key: str) -> list[Any]:
    with redis.Redis.from_url(url) as client:
        return cast(list[Any], client.xrange(key))


def test_a_desk_that_trades_on_is_restored_as_it_was_and_its_books_agree(
    desk: LittleDesk, trades_on: None, empty: Server, tmp_path: Path
) -> None:
    desk.trade(60)
    desk.snapshot()
    desk.trade(40)
    desk.trade(5, settle=False)  # what waits unread at the moment is in the backup as well
    at_the_moment = desk.ends()
    code, told, text = run("backup", tmp_path / "backup", "--redis-url", desk.url)
    assert code == 0, text
    assert desk.ends() != at_the_moment, "it went on"
    saved = {each["name"]: (each["end"]["added"], each["end"]["last_id"]) for each in told["streams"]}
    assert saved == at_the_moment, "and what came later is in no stream of the backup"
    assert all(each["snapshot"] for each in told["stages"])
    with connect(desk.url) as client:
        assert not any(BACKUP.encode() in marks_of(client, desk.topology.key(name)) for name in saved)

    code, proved, text = run("restore", tmp_path / "backup", "--redis-url", empty.url)
    assert code == 0, text
    assert proved["proved"]
    assert {each["process"] for each in proved["stages"]} == {each["process"] for each in told["stages"]}
    with redis.Redis.from_url(empty.url) as client:
        assert {name: ends for name, ends in _ends(client, desk.topology).items()} == at_the_moment
    for name, (_, last_id) in at_the_moment.items():
        key = desk.topology.key(name)
        upto = [each for each in everything(desk.url, key) if id_key(each[0].decode()) <= id_key(last_id)]
        assert everything(empty.url, key) == upto

    restored = LittleDesk(empty.url, desk.settings, tmp_path / "new data").start()
    restored.seed = 100
    restored.trade(30)
    books = restored.books()
    assert books.agrees, books.problems
    assert books.fills
    assert books.signals == 60 + 40 + 5 + 30
    restored.close()


def test_a_desk_whose_log_is_trimmed_is_restored_from_its_snapshots(
    desk: LittleDesk, empty: Server, tmp_path: Path
) -> None:
    desk.trade(300)
    desk.snapshot(trimmed=True)
    desk.trade(20)
    code, told, text = run("backup", tmp_path / "backup", "--redis-url", desk.url)
    assert code == 0, text
    orders = next(each for each in told["streams"] if each["name"] == "orders.0")
    assert orders["entries"]["count"] < orders["end"]["added"], "the beginning of the log is gone"
    new = tmp_path / "new data"
    code, proved, text = run("restore", tmp_path / "backup", "--redis-url", empty.url, "--data-dir", new)
    assert (code, proved["proved"]) == (0, True), text
    restored = LittleDesk(empty.url, desk.settings, new).start()
    assert all(runner.snapshots.ids() for runner in restored.runners)
    restored.trade(10)
    restored.close()


def test_the_keys_and_users_of_the_gateway_are_restored_as_they_were_at_the_moment(
    desk: LittleDesk, empty: Server, tmp_path: Path
) -> None:
    key, secret = make("bot", (Scope.ORDERS_READ,), now_ms=1, who="me")
    with redis.Redis.from_url(desk.url) as client:
        client.hset(desk.topology.keys, key.id, key.dump())
        client.hset(desk.topology.keys_used, key.id, 2)
        client.hset(desk.topology.users, "anna", b"a user")
        client.hset(desk.topology.passwords, "anna", b"a hash")
        assert run("backup", tmp_path / "backup", "--redis-url", desk.url)[0] == 0
        client.hset(desk.topology.keys, key.id, key.revoked(3, "her").dump())
    assert run("restore", tmp_path / "backup", "--redis-url", empty.url)[0] == 0
    with redis.Redis.from_url(empty.url) as client:
        ring, raw = KeyRing(), cast(dict[bytes, bytes], client.hgetall(desk.topology.keys))
        assert ring.load(raw) == []
        assert ring.find(key.id, secret, 4) == key, "docs/keys.md says to revoke it again"
        assert not client.exists(desk.topology.keys_used)
        assert client.hget(desk.topology.users, "anna") == b"a user"
        assert client.hget(desk.topology.passwords, "anna") == b"a hash"
    assert run("restore", tmp_path / "backup", "--redis-url", empty.url)[0] == 1


def test_a_desk_without_an_order_is_restored(desk: LittleDesk, empty: Server, tmp_path: Path) -> None:
    assert run("backup", tmp_path / "backup", "--redis-url", desk.url)[0] == 0
    code, proved, text = run("restore", tmp_path / "backup", "--redis-url", empty.url)
    assert (code, proved["proved"]) == (0, True), text
    restored = LittleDesk(empty.url, desk.settings, tmp_path / "new data").start()
    restored.trade(10)
    assert restored.books().agrees
    restored.close()


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.fixture
def backup(desk: LittleDesk, tmp_path: Path) -> Path:
    desk.trade(20)
    desk.snapshot()
    assert run("backup", tmp_path / "backup", "--redis-url", desk.url)[0] == 0
    return tmp_path / "backup"


def test_a_damaged_file_is_named_and_nothing_is_restored(backup: Path, empty: Server) -> None:
    files = [path for path in backup.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        middle = len(content) // 2
        for damage in (content[:middle], content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], None):
            path.unlink() if damage is None else path.write_bytes(damage)
            code, _, text = run("restore", backup, "--redis-url", empty.url)
            assert code == 1
            assert text.startswith(f"{path}: "), text
            path.write_bytes(content)
    with redis.Redis.from_url(empty.url) as client:
        assert client.dbsize() == 0
    assert run("restore", backup, "--redis-url", empty.url)[0] == 0, "whole again"


def test_a_server_that_is_not_empty_is_refused_and_left_as_it_was(desk: LittleDesk, backup: Path) -> None:
    before = desk.ends()
    code, _, text = run("restore", backup, "--redis-url", desk.url)
    assert code == 1
    assert "this Redis is not empty" in text
    assert desk.ends() == before


@pytest.mark.parametrize("after", [0, 3])
def test_of_a_restore_that_was_interrupted_no_stage_starts(
    desk: LittleDesk, backup: Path, empty: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    left = [None] * after

    def interrupted(*arguments: Any) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        finish_stream(*arguments)

    monkeypatch.setattr("fillstream.tools.backup.restore.finish_stream", interrupted)
    done = CliRunner().invoke(app, ["restore", str(backup), "--redis-url", empty.url])
    assert done.exit_code != 0
    for stage in all_stages(desk.settings):
        with connect(empty.url) as own:
            store = SnapshotStore(folder_of(tmp_path / "new", stage.name, stage.inbox), stage.name, stage.partition)
            with pytest.raises(RecoveryError, match=r"the key `desk` is gone|marker-gone"):
                Runner(stage, RedisLog(own, desk.topology, stage.name, stage.inbox), store).recover()


def test_settings_of_another_desk_are_refused(
    desk: LittleDesk, backup: Path, empty: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILLSTREAM_MESSAGING__TOPIC_PREFIX", "other:")
    code, _, text = run("restore", backup, "--redis-url", empty.url)
    assert code == 78
    assert text.startswith(f"messaging.topic_prefix: other: must be {desk.topology.prefix or 'empty'}, as desk")


def test_an_output_hash_that_does_not_fit_is_told(desk: LittleDesk, backup: Path, empty: Server) -> None:
    hashes, manifest = read_keys(backup), read_manifest(backup)
    key = desk.topology.checkpoint("orders", "orders.0")
    hashes[key] = [(name, bytes(16) if name == b"digest" else value) for name, value in hashes[key]]
    write_keys(backup, hashes)
    stages = tuple(replace(each, snapshot="", file="", folded=0) for each in manifest.stages)
    files = {**manifest.files, "keys.json": file_digest(backup / "keys.json")}
    write_manifest(backup, replace(manifest, stages=stages, files=files))
    code, proved, _ = run("restore", backup, "--redis-url", empty.url)
    assert (code, proved["proved"]) == (1, False)
    wrong = {each["process"]: each["problem"] for each in proved["stages"] if each["problem"]}
    assert [*wrong] == ["orders"]
    assert "was committed with 00000000" in wrong["orders"]


def test_where_no_snapshot_is_left_of_a_trimmed_log_there_is_no_backup(desk: LittleDesk, tmp_path: Path) -> None:
    desk.trade(300)
    desk.snapshot(trimmed=True)
    desk.trade(20)
    with connect(desk.url) as client:
        client.delete(desk.topology.copy("orders", "orders.0"))
    code, _, text = run("backup", tmp_path / "backup", "--redis-url", desk.url)
    assert code == 1
    assert text.startswith("orders: its snapshot is nowhere to be found, and the first ")
    assert not (tmp_path / "backup" / "manifest.json").exists()
    again = run("backup", tmp_path / "again", "--redis-url", desk.url, "--data-dir", desk.data_dir)
    assert again[0] == 0, "the volume has one"


def test_right_after_an_upgrade_a_snapshot_of_the_release_before_is_not_enough(
    desk: LittleDesk, tmp_path: Path
) -> None:
    desk.trade(20)
    desk.snapshot()
    desk.trade(20)
    key = desk.topology.checkpoint("orders", "orders.0")
    with redis.Redis.from_url(desk.url) as client:
        raw: Any = client
        stands = raw.hget(key, "id").decode()
        raw.hset(key, f"release:{stands}1", f"9.9.9 {stands}")
    code, _, text = run("backup", tmp_path / "backup", "--redis-url", desk.url)
    assert code == 1
    assert f"and 9.9.9 decides from {stands} on: it could not start from there" in text
    desk.snapshot()
    assert run("backup", tmp_path / "again", "--redis-url", desk.url)[0] == 0


def test_a_folder_that_is_not_empty_and_a_server_without_a_desk_are_refused(
    desk: LittleDesk, empty: Server, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    code, _, text = run("backup", tmp_path / "full", "--redis-url", desk.url)
    assert (code, "is not empty" in text) == (1, True)
    code, _, text = run("backup", tmp_path / "none", "--redis-url", empty.url)
    assert (code, "knows no desk" in text) == (1, True)
    code, _, text = run("restore", tmp_path / "full", "--redis-url", empty.url)
    assert (code, "is no backup, or one that did not get to its end" in text) == (1, True)


# ------------------------------------------------------------------------------------------------- held meanwhile


def test_trimming_is_held_while_a_backup_lives_and_not_for_ever(client: redis.Redis) -> None:
    for _ in range(500):
        client.xadd("signals", {"n": "1" * 100})
    hold(client, ["signals"])
    assert trim(client, "signals", (), 0, excess=1.0) == 0
    release(client, ["signals"])
    assert trim(client, "signals", (), 0, excess=1.0) > 0
    seconds, _ = cast(Any, client.time())
    client.hset(low_water_key("signals"), BACKUP, f"0-{(seconds - 1) * 1000}")  # killed HOLD_MS ago
    for _ in range(500):
        client.xadd("signals", {"n": "1" * 100})
    assert trim(client, "signals", (), 0, excess=1.0) > 0
    assert not client.exists(low_water_key("signals"))


# ------------------------------------------------------------------------------------------------------- the files


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.lists(st.binary(max_size=40)))))
def test_any_entries_come_back_from_a_file_as_they_were(told: list[tuple[int, int, list[bytes]]]) -> None:
    given_entries = [(f"{ms}-{seq}", flat) for ms, seq, flat in told]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "entries.gz"
        written = records.write(path, given_entries)
        assert [*records.read(path)] == given_entries
        assert records.known(given_entries) == written
        content = path.read_bytes()
        path.write_bytes(content[:-9])
        with pytest.raises(Damaged):
            [*records.read(path)]


def test_a_server_that_the_settings_name_is_the_one_that_is_asked(
    desk: LittleDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: nobody names a URL, and the host of the settings is another machine."""
    monkeypatch.setenv("FILLSTREAM_MESSAGING__HOST", "127.0.1.1")
    monkeypatch.setenv("FILLSTREAM_MESSAGING__PORT", "1")
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data" / "valkey").mkdir()
    code, _, text = run("backup", tmp_path / "backup")
    assert code == 3, text
    assert "127.0.1.1:1" in text
    assert not (tmp_path / "backup").exists()
