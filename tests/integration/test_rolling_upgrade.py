"""Two releases, one desk, a real Redis: an upgrade stage by stage, and every way in which it is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from typer.testing import CliRunner

from fillstream.cli.app import app
from fillstream.cli.exit_codes import Exit
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.process.app import options_of
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.runtime import log, runner, worker
from fillstream.libs.common.runtime.exit_codes import EXIT_CANNOT_RECOVER
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.worker import Role, Worker
from fillstream.services.order_service.signals.stage import SignalsStage
from tests.conftest import until

TOPOLOGY = Topology()
OLD, NEW = "0.2.0", "0.3.0"
FOLDER = "snapshots/signals-0"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("FILLSTREAM_DATABASE__DATA_DIR", str(tmp_path))
    return load_settings()


class Desk:
    """The signals stage of a desk, of one release at a time."""

    def __init__(self, client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.client = client
        self.settings = settings
        self.monkeypatch = monkeypatch
        self.worker: Worker | None = None
        self.sent = 0

    def install(self, release: str) -> None:
        for module in (log, runner):
            self.monkeypatch.setattr(module, "running", lambda: release)

    def start(self, release: str) -> Worker:
        self.install(release)
        stage = SignalsStage(TOPOLOGY)
        self.worker = Worker(Role(stage, (), {}), options_of(self.settings), StageMetrics(stage, feeds=False))
        self.worker.start()
        assert self.worker.ready.wait(timeout=90)
        return self.worker

    def stop(self) -> None:
        """Stop cleanly: a snapshot is left."""
        assert self.worker is not None
        self.worker.stop()
        self.worker.join(timeout=90)
        assert not self.worker.is_alive()
        self.worker = None

    def kill(self) -> None:
        """End without a snapshot, as kill -9 does."""
        assert self.worker is not None
        self.monkeypatch.setattr(self.worker, "_leave_snapshot", lambda: None)
        self.stop()

    def refused(self, release: str) -> str:
        """Start a release that must not: return what it says; it ends with 71 and left nothing."""
        self.install(release)
        before = {key: self.client.dump(key) for key in (TOPOLOGY.checkpoint("signals", "signals"), TOPOLOGY.signals)}
        ended: list[int] = []

        def end(code: int) -> None:
            ended.append(code)

        self.monkeypatch.setattr(worker.os, "_exit", end)
        stage = SignalsStage(TOPOLOGY)
        refused = Worker(Role(stage, (), {}), options_of(self.settings), StageMetrics(stage, feeds=False))
        refused.run()
        refused._writer.stop()
        assert ended == [EXIT_CANNOT_RECOVER]
        after = {key: self.client.dump(key) for key in before}
        assert after == before, "nothing was claimed and nothing noted"
        status: Any = self.client.hgetall(TOPOLOGY.status("signals", "signals"))
        assert status[b"state"] == b"crashed"
        return str(status[b"last_error"].decode())

    def signal(self, count: int = 1) -> None:
        for _ in range(count):
            self.sent += 1
            fields = {"signal_id": f"s{self.sent}", "symbol": "AAPL", "side": "BUY", "quantity": "1"}
            self.client.xadd(TOPOLOGY.signals, fields)  # type: ignore[arg-type]

    def routed(self) -> list[str]:
        entries: Any = self.client.xrange(TOPOLOGY.orders(0))
        return [orjson.loads(fields[b"data"])["signal_id"] for _, fields in entries]

    def await_all(self) -> None:
        until(lambda: len(self.routed()) == self.sent, f"{self.sent} instructions")

    def notes(self) -> list[tuple[bytes, bytes]]:
        entries: Any = self.client.xrange(TOPOLOGY.signals)
        return [(fields[b"release"], fields[b"after"]) for _, fields in entries if b"release" in fields]

    def committed(self) -> str:
        found: Any = self.client.hget(TOPOLOGY.checkpoint("signals", "signals"), "id")
        return str(found.decode())


@pytest.fixture
def desk(client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    made = Desk(client, settings, monkeypatch)
    yield made
    if made.worker is not None:
        made.stop()


def test_the_old_one_stopped_and_the_new_one_started_nothing_is_lost_or_doubled(desk: Desk, tmp_path: Path) -> None:
    desk.start(OLD)
    desk.signal(5)
    desk.await_all()
    desk.stop()
    upto = desk.committed()
    desk.signal(3)  # while nobody runs
    desk.start(NEW)
    desk.await_all()
    assert desk.routed() == [f"s{n}" for n in range(1, 9)]
    assert desk.notes() == [(NEW.encode(), upto.encode())]
    desk.kill()
    desk.signal()
    desk.start(NEW)  # from the snapshot that the old one left: it folds again what it decided itself
    desk.await_all()
    assert desk.routed() == [f"s{n}" for n in range(1, 10)]
    assert len(desk.notes()) == 1
    assert desk.client.xlen(TOPOLOGY.dead) == 0
    desk.stop()
    head = orjson.loads((tmp_path / FOLDER / f"{desk.committed()}.snapshot").read_bytes().split(b"\n", 1)[0])
    assert head["release"] == NEW


def test_an_old_one_that_was_killed_has_to_be_started_and_stopped_first(desk: Desk, tmp_path: Path) -> None:
    desk.start(OLD)
    desk.signal(5)
    desk.await_all()
    desk.kill()
    upto = desk.committed()
    refused = desk.refused(NEW)
    assert refused.startswith(f"RecoveryError: signals: {OLD} decided the entries up to {upto}, and ")
    assert (
        f"; {NEW} cannot fold again what {OLD} decided. Start {OLD}, stop it cleanly so that it leaves a snapshot, then"
        f" start {NEW}."
    ) in refused
    desk.start(OLD)
    desk.stop()
    desk.signal()
    desk.start(NEW)
    desk.await_all()


def test_there_is_no_way_back_behind_what_the_new_one_decided(desk: Desk) -> None:
    desk.start(OLD)
    desk.signal(5)
    desk.await_all()
    desk.stop()
    desk.start(NEW)
    desk.signal()
    desk.await_all()
    desk.stop()
    upto = desk.committed()
    said = desk.refused(OLD)
    assert f"{NEW} decided the entries up to {upto}" in said
    assert f"Start {NEW}, stop it cleanly" in said
    assert f"Passed over: {upto}: {NEW} wrote it, which is newer than {OLD}: start {NEW}." in said
    desk.start(NEW)
    desk.signal()
    desk.await_all()


def test_a_rolling_update_that_starts_the_new_one_first_takes_over_from_one_that_is_quiet(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The old one is fenced off where it stands; it ends with 72 and never committed again."""
    desk.start(OLD)
    desk.signal(2)
    desk.await_all()
    desk.stop()
    old = desk.start(OLD)  # idle, its snapshot at the checkpoint
    ended: list[int] = []
    monkeypatch.setattr(worker.os, "_exit", ended.append)
    with caplog.at_level(logging.CRITICAL):
        desk.start(NEW)
        until(lambda: not old.is_alive(), "the old one to notice")
    assert ended == [worker.EXIT_FENCED]
    old._writer.stop()
    desk.signal()
    desk.await_all()


@pytest.fixture
def replay(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments: str, code: Exit = Exit.OK) -> str:
        result = CliRunner().invoke(app, ["replay", "--stage", "signals", *arguments])
        assert result.exit_code == code, f"{result.exit_code}: {result.stdout}{result.stderr}"
        return result.stdout

    return run


def test_a_replay_says_who_decided_what(
    desk: Desk, replay: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.start(OLD)
    desk.signal(2)
    desk.await_all()
    desk.stop()
    upto = desk.committed()
    desk.start(NEW)
    desk.signal()
    desk.await_all()
    desk.stop()
    end = desk.committed()
    found = orjson.loads(replay("--json"))
    assert (found["agrees"], found["release"]) == (True, NEW)
    assert found["decided"] == [
        {"release": OLD, "after": "0-0", "upto": upto},
        {"release": NEW, "after": upto, "upto": end},
    ]
    said = replay()
    assert f"entries after 0-0 up to {upto} were decided by {OLD}" in said
    assert "the output hash agrees" in said
    fold = SignalsStage.fold

    def otherwise(self: SignalsStage, entry: Any, out: Any) -> None:
        fold(self, entry, out)
        out.event("another", {"n": 1})

    monkeypatch.setattr(SignalsStage, "fold", otherwise)
    said = replay(code=Exit.NO)
    assert "the output hash differs" in said
    assert f"entries up to {upto} were decided by {OLD}, and this is {NEW}: bytes are equal within a release" in said
