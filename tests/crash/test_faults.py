"""What a log can suffer: trimmed, deleted, flushed, older, empty, evicted, lost and damaged. A desk that would have to
guess stops and says why, sends nothing meanwhile, and goes on after a person's word without deciding anything twice."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fillstream.libs.common.runtime.exit_codes import EXIT_SETTINGS
from tests.conftest import until
from tests.support.suffering_desk import COMMANDS, JOURNAL, ORDERS, STAGE_NAMES, SufferingDesk

pytestmark = pytest.mark.crash
SIGNALS = int(os.environ.get("FAULT_SIGNALS", "60"))
IS_LONG = "FAULT_SIGNALS" in os.environ
CHECKPOINTS = STAGE_NAMES if IS_LONG else ("orders",)
"""Whose checkpoints go: each of the map's in the long form."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SufferingDesk]:
    made = SufferingDesk(tmp_path, monkeypatch)
    yield made
    made.server.kill()


def goes_on(desk: SufferingDesk) -> None:
    """It lives again: what is sent now is decided, and nothing of before a second time."""
    before = len(desk.events())
    desk.trade(SIGNALS)
    assert len(desk.events()) > before
    assert desk.doubled() == []
    assert desk.recover() == (0, [])


def test_signals_that_a_client_trimmed_unread(desk: SufferingDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    # One snapshot, of the first load; the second is in the log alone, however the batches of a busy machine fall.
    monkeypatch.setenv("FILLSTREAM_DATABASE__SNAPSHOT_EVERY_ENTRIES", "1000000")
    with desk.started() as stack:
        stack.wait_ready()
        desk.load(stack, SIGNALS)
        desk.load(stack, 5)
        stack.processes["signals"].kill(signal.SIGSTOP)
        client = desk.client
        for n in range(500):
            fields = {"symbol": "AAPL", "side": "BUY", "quantity": "1", "signal_id": f"lost-{n}"}
            client.xadd("signals", fields, maxlen=10, approximate=False)
        stack.processes["signals"].kill(signal.SIGCONT)
        until(lambda: stack.processes["signals"].state == "failed", "the signals stage to stop for a person")
        code, (told,) = desk.recover()
        assert (code, told["stage"], told["page"]) == (1, "signals", "entries-lost")
        assert told["text"].startswith("signals: 490 entries")
    desk.accept("signals")
    # What the client left of the log does not lead to the state of this stage; all it has is a memory of what came.
    assert desk.stops("signals") == {"signals": "state-lost"}
    desk.accept("signals")
    goes_on(desk)
    ids = {each.get("client_order_id") for each in desk.events()}
    assert {f"lost-{n}" for n in range(490, 500)} <= ids, "those that were left are decided"
    assert not {f"lost-{n}" for n in range(490)} & ids
    words = [each for each in desk.events() if each["type"] == "ControlApplied" and each["control"] == "AcceptLoss"]
    assert [(each["who"], each["reason"]) for each in words] == [("kim", "a drill")] * 2
    assert "490 entries" in words[0]["text"]


@pytest.mark.parametrize("stage", CHECKPOINTS)
def test_a_checkpoint_that_was_deleted(desk: SufferingDesk, stage: str) -> None:
    desk.trade(SIGNALS)
    (key,) = [each.decode() for each in desk.client.keys(f"checkpoint.{stage}*")]
    desk.client.delete(key)
    sent = desk.sent()
    assert desk.stops(stage) == {stage: "checkpoint-gone"}
    assert _only_ticks(sent, desk.sent())
    desk.accept(stage)
    goes_on(desk)
    assert desk.wrong_positions() == []


def _only_ticks(before: dict[str, int], after: dict[str, int]) -> bool:
    """Whether nothing was told or ordered: ticks and configurations are all that was appended, to inboxes."""
    return before[JOURNAL] == after[JOURNAL] and all(after[key] - before[key] <= 10 for key in (ORDERS, COMMANDS))


def test_a_server_that_was_flushed_under_a_desk_that_lives(desk: SufferingDesk) -> None:
    with desk.started() as stack:
        stack.wait_ready()
        desk.load(stack, SIGNALS)
        desk.client.flushall()
        until(lambda: all(stack.processes[each].state == "failed" for each in STAGE_NAMES), "every stage to stop")
        assert all("exit code 71" in stack.processes[each].reason for each in STAGE_NAMES)
    assert desk.stops(*STAGE_NAMES) == dict.fromkeys(STAGE_NAMES, "desk-gone")
    assert desk.client.exists("desk", "signals") == 0
    left = [fields for key in (ORDERS, JOURNAL) for _, fields in desk.client.xrange(key)]
    assert all(set(fields) == {b"tick"} for fields in left), (
        "a tick may have been on its way, and nothing else is there"
    )
    desk.accept(*STAGE_NAMES)
    goes_on(desk)


def test_a_server_that_was_started_with_an_empty_folder(desk: SufferingDesk, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    desk.trade(SIGNALS)
    whole = desk.keep("whole")
    desk.bring_back(empty)
    assert desk.stops(*STAGE_NAMES) == dict.fromkeys(STAGE_NAMES, "desk-gone")
    desk.bring_back(whole)
    assert desk.recover() == (0, []), "the server's own files are all that it takes"
    goes_on(desk)
    assert desk.wrong_positions() == []


def test_a_server_that_was_started_from_an_older_file(desk: SufferingDesk) -> None:
    desk.trade(SIGNALS)
    older = desk.keep("older")
    desk.trade(SIGNALS)
    desk.bring_back(older)
    sent = desk.sent()
    assert desk.stops(*STAGE_NAMES) == dict.fromkeys(STAGE_NAMES, "log-rewound")
    assert _only_ticks(sent, desk.sent())
    desk.accept(*STAGE_NAMES)
    goes_on(desk)
    assert desk.wrong_positions() == []


@pytest.mark.parametrize(("key", "stage"), [(JOURNAL, "orders"), (COMMANDS, "engine")][: 2 if IS_LONG else 1])
def test_a_stream_that_was_deleted(desk: SufferingDesk, key: str, stage: str) -> None:
    desk.trade(SIGNALS)
    desk.client.delete(key)
    found = desk.stops(*({"orders", "positions"} if key == JOURNAL else {"orders", "engine"}))
    assert found == (
        {"orders": "output-gone", "positions": "inbox-gone"}
        if key == JOURNAL
        else {"orders": "output-gone", "engine": "inbox-gone"}
    )
    desk.accept(*found)
    goes_on(desk)


def test_a_server_that_may_evict_is_no_server_for_a_desk(desk: SufferingDesk) -> None:
    desk.client.config_set("maxmemory", "100mb")
    desk.client.config_set("maxmemory-policy", "allkeys-lru")
    with desk.started() as stack:
        until(lambda: all(stack.processes[each].state == "failed" for each in STAGE_NAMES), "every stage to refuse")
        assert all(f"exit code {EXIT_SETTINGS}" in stack.processes[each].reason for each in STAGE_NAMES)
        assert "maxmemory-policy: allkeys-lru; must be noeviction" in stack.processes["orders"].log_tail(3)
    assert desk.client.dbsize() <= len(STAGE_NAMES), "nothing but what they say of themselves"


def test_an_id_that_somebody_chose(desk: SufferingDesk) -> None:
    desk.trade(SIGNALS)
    order = {"symbol": "AAPL", "side": "BUY", "quantity": "1", "signal_id": "ahead", "account": "demo"}
    desk.client.xadd("signals", order, id="18446744073709551615-18446744073709551615")
    assert desk.stops("signals") == {"signals": "time-ahead"}
    desk.accept("signals")
    goes_on(desk)
    assert "ahead" in {each.get("client_order_id") for each in desk.events()}


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_volumes_that_are_lost_or_damaged(desk: SufferingDesk, how: str) -> None:
    desk.trade(SIGNALS)
    if how == "lost":
        shutil.rmtree(desk.data)
    else:
        for file in desk.data.rglob("*.snapshot"):
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 0xFF
            file.write_bytes(content)
    goes_on(desk)
    assert desk.wrong_positions() == []


def test_volumes_that_are_another_desks(desk: SufferingDesk, tmp_path: Path) -> None:
    desk.trade(SIGNALS)
    for file in desk.data.rglob("desk.json"):
        file.write_text(file.read_text().replace('"desk": "', '"desk": "feed'))
    assert desk.stops(*STAGE_NAMES) == dict.fromkeys(STAGE_NAMES, "other-desk")
    for file in desk.data.rglob("desk.json"):
        file.write_text(file.read_text().replace('"desk": "feed', '"desk": "'))
    goes_on(desk)


def _may_write(pid: int, size: int) -> None:
    """Let no file of a process grow beyond a size: to it, that is a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_full_disk_under_the_server(desk: SufferingDesk) -> None:
    """It ends at the write that does not fit; what it had answered is there when it is started again."""
    with desk.started() as stack:
        stack.wait_ready()
        desk.load(stack, SIGNALS)
        pid = desk.server.pid
        assert pid is not None
        largest = max(file.stat().st_size for file in desk.server.folder.rglob("*.aof"))
        _may_write(pid, largest + 20_000)

        def come_back() -> None:
            until(lambda: desk.server.pid is None, "the disk to be full", timeout_s=60)
            desk.restart_server()

        operator = threading.Thread(target=come_back)
        operator.start()
        desk.load(stack, SIGNALS)  # a client that sends again what was not answered
        operator.join()
        stack.wait_ready()
    goes_on(desk)
    assert desk.wrong_positions() == []


def test_a_full_disk_under_the_snapshots(desk: SufferingDesk) -> None:
    """It is told, folding goes on, and the log has everything."""
    with desk.started() as stack:
        stack.wait_ready()
        pid = stack.processes["orders"].pid
        assert pid is not None
        _may_write(pid, 100)
        desk.load(stack, SIGNALS)
        status = "status.orders.{a0}"
        until(lambda: b"not written" in desk.client.hget(status, "last_error"), "the status to say so")
        assert desk.client.hget(status, "state") == b"live"
        assert stack.processes["orders"].restarts == 0
        stack.processes["orders"].kill()
        until(lambda: stack.processes["orders"].restarts == 1, "the supervisor")
        stack.wait_ready()
        desk.load(stack, SIGNALS)
    goes_on(desk)
    assert desk.wrong_positions() == []
