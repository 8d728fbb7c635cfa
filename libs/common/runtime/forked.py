"""A snapshot from a fork: the state as it stands at one moment, written by a child process while the parent folds on.

Flows in: what returns the snapshot, and a store. Flows out: a file beside its place, which the parent publishes or
drops. The child never publishes, never talks to Redis, and does not outlive its parent by more than a moment.

What a fork of a process with threads has to look after:

- Only the forking thread is there. Locks that others held stay held: CPython, glibc and `logging` mend their own at the
  fork, and the child uses none but those.
- Descriptors are shared. The child closes all but its pipe and standard error: a listening port must not stay taken
  because of it, nor a connection open.
- Signals: the event loop's wake-up descriptor and handlers are the parent's. They are blocked around the fork and the
  child takes the defaults, so that a SIGTERM to the whole group ends it.
- It leaves by `os._exit`: no exit handler, no buffer and no thread of the parent's runs in it.
- Memory is shared until one of the two writes a page; looking at an object counts as writing. The child may come to the
  parent's size, and is what the kernel ends first when memory is short.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotStore

TIMEOUT_S = 600.0
"""How long a child may take before it is ended: some hundred times what a million orders take."""
NICENESS = 5
"""What the child gives way by: a snapshot that takes longer costs nobody anything."""
_SAID_BYTES = 4_096
_PR_SET_PDEATHSIG = 1
_OOM_FIRST = b"1000"
_BLOCKED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # looked up now: a child loads no library

# Python 3.12 warns of every fork in a process with threads; the list above is the answer.
warnings.filterwarnings("ignore", ".*use of fork\\(\\) may lead to deadlocks", DeprecationWarning, __name__)


class ChildFailed(Exception):
    """The child wrote no snapshot; says why. What was there before is untouched."""


@dataclass(slots=True)
class Written:
    """A snapshot on its way to the disk, in a child process.

    Attributes:
        id, entries: where it stands.
        beside: the file that the child writes.
        pid: the child.
        began: when it was forked (monotonic seconds).
    """

    id: str
    entries: int
    beside: Path
    pid: int
    began: float
    _pipe: int

    def wait(self, timeout_s: float = TIMEOUT_S) -> None:
        """Return once the child has written and synced its file, and is gone; for one thread, once.

        Raises:
            ChildFailed: it could not, was ended, or did not end in time.
        """
        try:
            said = self._listen(timeout_s)
            if said is None:
                os.kill(self.pid, signal.SIGKILL)
            ended = self._reap()
        finally:
            os.close(self._pipe)
        if said == b"ok":
            return
        self.drop()
        if said is None:
            raise ChildFailed(f"the process that writes it did not end within {timeout_s:.0f} s")
        raise ChildFailed(said.decode(errors="replace") or f"the process that writes it ended with {ended}")

    def drop(self) -> None:
        """Remove what it wrote."""
        self.beside.unlink(missing_ok=True)

    def _listen(self, timeout_s: float) -> bytes | None:
        """Return what the child said until it closed the pipe, None when it did not within the time."""
        said, poll = b"", select.poll()
        poll.register(self._pipe, select.POLLIN)
        while poll.poll(max(0.0, self.began + timeout_s - time.monotonic()) * 1000):
            part = os.read(self._pipe, _SAID_BYTES)
            if not part:
                return said
            said += part
        return None

    def _reap(self) -> str:
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:  # somebody ignores SIGCHLD: the kernel has reaped it
            return "a status that nobody kept"
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return f"exit code {code}"
        why = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"signal {signal.Signals(-code).name}{why}"


def write_forked(at: tuple[str, int], take: Callable[[], Snapshot], store: SnapshotStore) -> Written:
    """Fork; the child takes a snapshot and writes it beside its place. Returns at once.

    Args:
        at: the id and the count of entries that the state stands at.
        take: returns the snapshot; called in the child alone.
        store: where it will be published.

    Raises:
        OSError: no process can be made.
    """
    parent, beside = os.getpid(), store.beside(at[0])
    reads, writes = os.pipe()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        pid = os.fork()
        if pid == 0:
            _be_the_child(parent, writes, beside, take, store)
    except BaseException:
        os.close(reads)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writes)
    return Written(at[0], at[1], beside, pid, time.monotonic(), reads)


def _be_the_child(parent: int, pipe: int, beside: Path, take: Callable[[], Snapshot], store: SnapshotStore) -> NoReturn:
    """Write the snapshot, say `ok` or what went wrong into the pipe, and be gone."""
    said, code = b"ok", 0
    try:
        gc.disable()
        _stand_alone(parent, pipe)
        store.write(take(), beside, lambda: _stay_with(parent))
    except BaseException as error:
        said, code = f"{type(error).__name__}: {error}".encode(errors="backslashreplace")[:_SAID_BYTES], 1
    try:
        os.write(pipe, said)
    except BaseException:
        code = 1  # nobody listens any more
    finally:
        os._exit(code)


def _stand_alone(parent: int, pipe: int) -> None:
    """Let go of everything that is the parent's, and make sure to end with it."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    _stay_with(parent)
    signal.set_wakeup_fd(-1)
    for each in _BLOCKED:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
    for descriptor in [int(each.name) for each in Path("/dev/fd").iterdir()]:  # their limit may be a thousand million
        if descriptor not in (2, pipe):
            os.closerange(descriptor, descriptor + 1)  # says nothing of the listing's own, which is closed already
    os.nice(NICENESS)
    if _LIBC is not None:
        Path("/proc/self/oom_score_adj").write_bytes(_OOM_FIRST)


def _stay_with(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)
