"""A snapshot from a fork: whole or not there, whatever ends the child, the parent, or fills the disk."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest

from fillstream.libs.common.runtime.forked import ChildFailed, Written, write_forked
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotStore
from tests.conftest import until


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path, "orders", 0)


def snapshot(ms: int, state: bytes = b"state") -> Snapshot:
    return Snapshot(f"{ms}-0", bytes(16), ms, state)


def fork(store: SnapshotStore, ms: int, take: Callable[[], Snapshot] | None = None) -> Written:
    return write_forked((f"{ms}-0", ms), take or (lambda: snapshot(ms)), store)


def hang() -> NoReturn:
    while True:
        time.sleep(60)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_child_writes_what_the_parent_gives_its_place(store: SnapshotStore) -> None:
    state = b"s" * 40_000_000
    written = fork(store, 5, lambda: snapshot(5, state))
    written.wait()
    assert store.ids() == [], "nobody sees it yet"
    store.publish(written.id, written.beside)
    assert store.load("5-0") == snapshot(5, state)
    assert not is_alive(written.pid)


def test_it_is_the_state_of_the_moment_of_the_fork(store: SnapshotStore) -> None:
    total = [1]
    written = fork(store, 5, lambda: snapshot(5, b"%d" % total[0]))
    total[0] = 2
    written.wait()
    store.publish(written.id, written.beside)
    assert store.load("5-0").state == b"1"


def test_it_is_taken_while_other_threads_log_and_allocate(store: SnapshotStore) -> None:
    stop = threading.Event()
    logger = logging.getLogger("busy")
    handler = logging.StreamHandler(io.StringIO())
    logger.addHandler(handler)
    logger.propagate = False

    def busy() -> None:
        while not stop.is_set():
            logger.warning("a line of %s", "x" * 5_000)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for ms in range(1, 31):

            def take(ms: int = ms) -> Snapshot:
                logger.warning("the child logs as well")
                return snapshot(ms)

            written = fork(store, ms, take)
            written.wait(timeout_s=60)
            store.publish(written.id, written.beside)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        logger.removeHandler(handler)
    assert store.ids() == ["30-0", "29-0", "28-0"]


def test_a_child_that_is_killed_leaves_the_older_snapshots(store: SnapshotStore, tmp_path: Path) -> None:
    store.save(snapshot(5))
    written = fork(store, 6, hang)
    os.kill(written.pid, signal.SIGKILL)
    with pytest.raises(ChildFailed, match="signal SIGKILL"):
        written.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["5-0.snapshot"]


def test_a_signal_to_the_whole_group_ends_the_child(store: SnapshotStore) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        written = fork(store, 6, hang)
        os.kill(written.pid, signal.SIGTERM)
        with pytest.raises(ChildFailed, match="signal SIGTERM"):
            written.wait(timeout_s=60)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_child_that_takes_too_long_is_ended(store: SnapshotStore) -> None:
    written = fork(store, 6, hang)
    with pytest.raises(ChildFailed, match="did not end within 0 s"):
        written.wait(timeout_s=0.05)
    assert not is_alive(written.pid)


def test_a_full_disk_is_told_by_its_name(store: SnapshotStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(snapshot(5))

    def full(descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        written = fork(store, 6)
    with pytest.raises(ChildFailed, match="No space left on device"):
        written.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["5-0.snapshot"]


def test_a_bug_of_the_stage_is_told(store: SnapshotStore) -> None:
    def bug() -> NoReturn:
        raise ZeroDivisionError("no such state")

    with pytest.raises(ChildFailed, match="ZeroDivisionError: no such state"):
        fork(store, 6, bug).wait()


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def test_the_child_holds_no_port_of_its_parent(store: SnapshotStore) -> None:
    with listening() as server:
        address = server.getsockname()
        written = fork(store, 6, hang)
        until(lambda: not any("socket:" in each for each in _open_files(written.pid)), "it to let go")
    try:
        with socket.socket() as another:
            another.bind(address)
            another.listen()
    finally:
        os.kill(written.pid, signal.SIGKILL)
        with pytest.raises(ChildFailed):
            written.wait()


def _open_files(pid: int) -> Iterator[str]:
    for each in _descriptors(pid):
        with suppress(FileNotFoundError):  # the child closed it between the listing and this look
            yield str(each.readlink())


def _descriptors(pid: int) -> list[Path]:
    return [*Path(f"/proc/{pid}/fd").iterdir()]


PARENT = """
import os, sys, time
from pathlib import Path
from fillstream.libs.common.runtime.forked import write_forked
from fillstream.libs.common.runtime.snapshots import SnapshotStore
written = write_forked(("5-0", 5), lambda: time.sleep(60), SnapshotStore(Path(sys.argv[1]), "orders", 0))
print(written.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a child notices between two pieces of its file")
def test_a_child_does_not_outlive_its_parent(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
    until(lambda: not is_alive(child), "the child to end with it")
    assert not [*tmp_path.glob("*.snapshot")]
