"""Starts processes, starts again what crashed, stops all of it in order.

Flows in: `Spec`s. Flows out: processes, each logging to a file of its own. Never restarts what asked for a person: a
process that cannot recover, was fenced by a newer one, or was refused its settings.

All of them are in one process group with a `reaper`, so that kill -9 of the supervisor leaves no orphans.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from fillstream.libs.common.runtime.exit_codes import (
    EXIT_CANNOT_RECOVER,
    EXIT_FENCED,
    EXIT_SETTINGS,
    PARTITION_VARIABLE,
    REDIS_VARIABLE,
    RESTARTS_VARIABLE,
)
from fillstream.stack import reaper

FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 5.0
STEADY_S = 10.0
"""A process that ran this long is healthy: its next crash is a first one, restarted at once."""
POLL_S = 0.02
STOP_S = 20.0
"""From SIGTERM to SIGKILL."""
CLEAN = {0, -signal.SIGTERM}
EXIT_USAGE = 2
NEEDS_A_PERSON = {
    EXIT_USAGE: "its command line was refused",
    EXIT_CANNOT_RECOVER: "cannot recover, and needs a person",
    EXIT_FENCED: "a newer process owns its partition",
    EXIT_SETTINGS: "its settings were refused",
}

State = Literal["stopped", "running", "waiting", "failed"]


@dataclass(frozen=True, slots=True)
class Spec:
    """A process to keep running.

    Attributes:
        name: unique.
        command: program and arguments.
        environ: its whole environment; the count of restarts is added.
        log: where its output is appended.
        stop_rank: lower ranks are stopped first; equal ones together.
        port: where it serves HTTP, None when it does not.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path
    stop_rank: int = 1
    port: int | None = None

    @property
    def url(self) -> str | None:
        """Where it answers."""
        return None if self.port is None else f"http://127.0.0.1:{self.port}"


@dataclass(slots=True)
class Supervised:
    """A process as its supervisor sees it.

    Attributes:
        state: `waiting` is between a crash and the next start, `failed` needs a person.
        restarts: how often it was started again.
        reason: how it ended last.
        stopped_cleanly: whether it ended well when it was asked to stop.
    """

    spec: Spec
    state: State = "stopped"
    restarts: int = 0
    reason: str = ""
    stopped_cleanly: bool = True
    process: subprocess.Popen[bytes] | None = None
    _started: float = 0.0
    _due: float = 0.0
    _delay: float = 0.0

    @property
    def pid(self) -> int | None:
        """The running process's id, None when it is not running."""
        return self.process.pid if self.process is not None and self.state == "running" else None

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal; for tests and for people who want to see it come back.

        Raises:
            ProcessLookupError: it is not running.
        """
        if self.process is None or self.process.poll() is not None:
            raise ProcessLookupError(f"{self.spec.name} is not running")
        self.process.send_signal(how)

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of its log."""
        try:
            text = self.spec.log.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def ended(self, now: float) -> None:
        """Note that it ended, and when it is to be started again."""
        assert self.process is not None, "it was started before it ended"
        code = self.process.returncode
        self.reason = _how_ended(code)
        if code in NEEDS_A_PERSON:
            self.state, self.reason = "failed", f"{self.reason}: {NEEDS_A_PERSON[code]}"
            return
        if now - self._started >= STEADY_S:
            self._delay = 0.0
        self.state, self._due = "waiting", now + self._delay
        self._delay = min(MAX_BACKOFF_S, self._delay * 2 or FIRST_BACKOFF_S)

    def is_due(self, now: float) -> bool:
        """Whether it waits to be started, and has waited long enough."""
        return self.state == "waiting" and now >= self._due

    def runs(self, process: subprocess.Popen[bytes], now: float) -> None:
        """Note that it was started."""
        self.process, self._started, self.state = process, now, "running"


@dataclass(slots=True)
class _Reaper:
    process: subprocess.Popen[bytes]
    older_groups: list[int] = field(default_factory=list)


class Supervisor:
    """Keeps processes running until told to stop.

    Args:
        specs: in the order they are started.
    """

    def __init__(self, specs: Iterable[Spec]) -> None:
        self.processes = {spec.name: Supervised(spec) for spec in specs}
        self._reaper: _Reaper | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start everything and watch over it from a thread. Returns before anything is ready."""
        self._start_reaper()
        for each in self.processes.values():
            self._spawn(each)
        self._thread.start()

    def stop(self) -> None:
        """Stop everything, lowest rank first, and return when nothing runs any more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for rank in sorted({each.spec.stop_rank for each in self.processes.values()}):
            self._end([each for each in self.processes.values() if each.spec.stop_rank == rank])
        if self._reaper is not None:
            self._dismiss(self._reaper.process)
            self._reaper = None

    # ------------------------------------------------------------------------------------------------ processes

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            now = time.monotonic()
            if self._reaper is not None and self._reaper.process.poll() is not None:
                self._start_reaper()
            for each in self.processes.values():
                if each.state == "running" and each.process is not None and each.process.poll() is not None:
                    each.ended(now)
                if each.is_due(now):
                    each.restarts += 1
                    self._spawn(each)

    def _spawn(self, each: Supervised) -> None:
        spec = each.spec
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        environ = {**spec.environ, RESTARTS_VARIABLE: str(each.restarts)}
        with spec.log.open("ab") as log:
            try:
                process = self._popen(spec, environ, log)
            except (PermissionError, ProcessLookupError):
                # The group is gone: the reaper was killed while nothing else was in it.
                self._start_reaper()
                process = self._popen(spec, environ, log)
        each.runs(process, time.monotonic())

    def _popen(self, spec: Spec, environ: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        assert self._reaper is not None, "the reaper comes first"
        return subprocess.Popen(  # noqa: S603 - commands of this package, no shell
            spec.command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=self._reaper.process.pid,
        )

    def _end(self, members: list[Supervised]) -> None:
        running = [each for each in members if each.process is not None]
        for each in running:
            assert each.process is not None
            if each.process.poll() is None:
                each.process.terminate()
        deadline = time.monotonic() + STOP_S
        for each in running:
            assert each.process is not None
            try:
                each.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
            if each.state == "running" and each.process.returncode not in CLEAN:
                each.reason = _how_ended(each.process.returncode)
                each.stopped_cleanly = False
            each.state = "stopped"

    # --------------------------------------------------------------------------------------------------- reaper

    def _start_reaper(self) -> None:
        """Start the reaper as the leader of a new group; it also looks after the groups that former reapers led."""
        older = [] if self._reaper is None else [*self._reaper.older_groups, self._reaper.process.pid]
        if self._reaper is not None and self._reaper.process.stdin is not None:
            self._reaper.process.stdin.close()
        command = [sys.executable, "-I", "-S", reaper.__file__, *map(str, older)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)  # noqa: S603 - this package's own
        self._reaper = _Reaper(process, older)

    @staticmethod
    def _dismiss(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None, "the reaper was started with a pipe"
        with contextlib.suppress(BrokenPipeError):  # it was killed
            process.stdin.write(b"q")
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


def _how_ended(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def bare_environment() -> dict[str, str]:
    """Return this process's environment without what would speak over the supervisor's own settings."""
    own = {"FILLSTREAM_MESSAGING__URL", REDIS_VARIABLE, PARTITION_VARIABLE, RESTARTS_VARIABLE}
    return {name: value for name, value in os.environ.items() if name not in own}
