"""A live stage: the thread that reads, folds and commits, and what it does between batches.

Flows in: the inbox. Flows out: commits, ticks, snapshots, a heartbeat. Never goes on after an error whose outcome is
unknown: it writes down why, and ends the process; the supervisor starts the next, which recovers.

A batch is whatever waits when the last commit returns: one entry when idle, `max_batch` under load, no added wait.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fillstream.libs.common.messages.stages import STAGES, label_of
from fillstream.libs.common.messages.topology import low_water_key, stream_name
from fillstream.libs.common.runtime.acceptance import Repairs
from fillstream.libs.common.runtime.continuity import RecoveryError, TopologyDiffers, Volume, is_ahead, judge
from fillstream.libs.common.runtime.copies import JoinedSnapshots, SnapshotCopy
from fillstream.libs.common.runtime.exit_codes import (
    EXIT_CANNOT_RECOVER,
    EXIT_CRASHED,
    EXIT_FENCED,
    EXIT_SETTINGS,
)
from fillstream.libs.common.runtime.forked import Written, write_forked
from fillstream.libs.common.runtime.heartbeat import Heartbeat, put_status
from fillstream.libs.common.runtime.housekeeping import HEARTBEAT_S, Housekeeping
from fillstream.libs.common.runtime.log import Fenced, RedisLog, connect
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.options import StageOptions
from fillstream.libs.common.runtime.progress import telling
from fillstream.libs.common.runtime.publish import load_functions
from fillstream.libs.common.runtime.release import BEGINNING
from fillstream.libs.common.runtime.role import Role
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.server_checks import ServerRefused, refuse_or_warn, refuse_overwritten
from fillstream.libs.common.runtime.server_clock import ServerClock
from fillstream.libs.common.runtime.snapshot_writer import SnapshotWriter
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotStore, folder_of
from fillstream.libs.common.runtime.stage import Entry, calendar_of, latencies_of, note_of
from fillstream.libs.common.runtime.ticker import Ticker
from fillstream.libs.common.runtime.waiting import UNREACHABLE, wait_for_redis

logger = logging.getLogger(__name__)

SIGNALS = stream_name("signals")
PAUSE_S = 0.05
CALENDAR_S = 600.0
"""How often a stage is asked whether its calendars are new."""
SQUEEZED_SHARE = 0.1
"""The share of its time that a stage stands still for snapshots, at most, to let its inbox be trimmed while memory is
short."""


class Worker(threading.Thread):
    """One stage partition, live.

    Args:
        role: the stage and its neighbours.
        options: where Redis is, how large a batch may be, how often to snapshot.
        metrics: told after each commit.
        when_live: called once, in this thread, when the state is rebuilt.
    """

    def __init__(
        self, role: Role, options: StageOptions, metrics: StageMetrics, when_live: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(name=f"{role.stage.name}-{role.stage.partition}", daemon=True)
        self.role = role
        self._when_live = when_live
        self.ready = threading.Event()
        self._stop_asked = threading.Event()
        self._options = options
        self._metrics = metrics
        self._aside = connect(options.redis_url)
        self._latencies_ms = latencies_of(role.stage)
        self._status_key = options.topology.status(role.stage.name, role.stage.inbox)
        self._beat = Heartbeat(self._aside, self._status_key, options.address)
        self._state = "starting"
        self._started_at = time.monotonic()
        self._last_error = ""
        self._next_look = 0.0
        self._next_calendar = time.monotonic() + CALENDAR_S  # recovery has offered it
        self._snapshot_due = (time.monotonic(), 0)
        self._snapshot_from = 0
        self._has_snapshot = False
        self._pause_s = 0.0
        self._no_fork = ""

    def stop(self) -> None:
        """Ask the thread to finish its batch, leave a snapshot and return."""
        self._stop_asked.set()

    @property
    def progress(self) -> str:
        """What it does until it is ready; for any thread."""
        return self._runner.progress.told.progress if self._state != "starting" else "waiting for Redis"

    def run(self) -> None:
        """Recover and serve until asked to stop. Ends the whole process when anything is unknown."""
        try:
            if self._open():
                self._recover()
                self._serve_or_leave_state()
        except BaseException as error:
            self._die(error)

    # ------------------------------------------------------------------------------------------------- starting

    def _open(self) -> bool:
        """Connect, however long the server takes to be there; return False when asked to stop before it was."""
        stage = self.role.stage
        client = connect(self._options.redis_url)
        if not wait_for_redis(client, self._stop_asked):
            return False
        refuse_or_warn(client)
        refuse_overwritten(client, *self._keys())
        if stage.inbox == SIGNALS:  # who reads signals brings the function that publishes them
            load_functions(client)
        self._log = RedisLog(client, self._options.topology, stage.name, stage.inbox)
        folder = folder_of(self._options.data_dir, stage.name, stage.inbox)
        self._store = SnapshotStore(folder, stage.name, stage.partition)
        copy = SnapshotCopy(
            self._aside, self._log, self._options.topology.copy(stage.name, stage.inbox), self._store,
            self._options.retention,
        )  # fmt: skip
        snapshots = JoinedSnapshots(self._store, copy)
        process = label_of(stage.name, stage.inbox) + (f"-{stage.partition}" if stage.partition else "")
        repairs = Repairs(self._aside, self._options.topology, stage.name, stage.inbox, process, snapshots)
        self._runner = Runner(stage, self._log, snapshots, repairs=repairs)
        self._clock = ServerClock.of(self._aside)
        self._ticker = Ticker(stage, self._log.append, self._clock)
        self._writer = SnapshotWriter(self._store, self.role, self._log, self._options, self._metrics)
        self._writer.try_to_trim()  # memory may be what ended the process before
        self._writer.start()
        return True

    def _keys(self) -> tuple[list[str], list[str]]:
        """Return the keys of the streams that it reads and writes, and of the hashes that tell of it."""
        topology, name, inbox = self._options.topology, self.role.stage.name, self.role.stage.inbox
        written = STAGES[name].writes if name in STAGES else ()
        streams = {inbox, "dead", *(each for kind in written for each in topology.names(kind))}
        hashes = [topology.checkpoint(name, inbox), topology.copy(name, inbox), self._status_key]
        hashes += [low_water_key(topology.key(inbox)), topology.recover, topology.desk]
        return sorted(map(topology.key, streams)), hashes

    def _recover(self) -> None:
        self._state = "recovering"
        self._put_status(**self._recovering())
        began = time.monotonic()
        gc.disable()  # a million orders are made, and none is garbage
        try:
            with telling(self._runner.progress, partial(self._put_status, state=self._state)):
                self._runner.recover()
        finally:
            gc.enable()
        self._metrics.replayed.set(self._runner.replayed)
        self._metrics.recovery_seconds.set(time.monotonic() - began)
        self._snapshot_from = self._runner.entries - self._runner.replayed
        self._snapshot_due = (time.monotonic(), self._snapshot_from)
        if self._runner.was_repaired and self._runner.position != BEGINNING:  # nothing else leads to this state
            self._store.save(self._runner.snapshot())
        self._has_snapshot = bool(self._store.ids())
        self._state = "live"
        self._keeping = Housekeeping(
            self._aside, self._log, self._clock, tuple(self.role.downstream), self._metrics, self._beat, self._said
        )
        self._keeping.start()
        self._metrics.live.set(1)
        self._when_live()
        self.ready.set()
        logger.info(
            "%s %d live at %s: %d entries in all, %d folded again in %.2f s",
            self.role.stage.name,
            self.role.stage.partition,
            self._runner.position,
            self._runner.entries,
            self._runner.replayed,
            time.monotonic() - began,
        )

    # -------------------------------------------------------------------------------------------------- serving

    def _serve(self) -> None:
        runner = self._runner
        while not self._stop_asked.is_set():
            try:
                batch = self._next_batch()
            except UNREACHABLE as error:
                if self._log.is_uncertain:
                    raise
                self._reconnect(error)
                continue
            if not batch:
                continue
            self._check_time(batch)
            began = time.perf_counter()
            runner.step(batch)
            self._count(batch, time.perf_counter() - began)
            if not self._has_snapshot:
                self._maybe_snapshot(time.monotonic())
        self._log.settle()
        self._state = "stopping"
        self._leave_snapshot()
        self._writer.stop()
        self._measure()
        self._keeping.stop()
        self._keeping.check()

    def _serve_or_leave_state(self) -> None:
        """Serve. When the log is not what it was, nothing else may lead to the state of this process: leave it."""
        try:
            self._serve()
        except RecoveryError:
            if self._runner.is_settled and not self._log.is_uncertain and self._runner.position != BEGINNING:
                self._store.save(self._runner.snapshot())
            raise

    def _next_batch(self) -> list[Entry]:
        """Do what is due and return what waits. At most a commit is under way meanwhile."""
        block_ms = self._between_batches()
        if self._held_back():
            return []
        return self._runner.read(self._options.max_batch, block_ms)

    def _reconnect(self, error: Exception) -> None:
        """Wait for the server and go on: everything that was committed is known, and the state is what it was.

        A tick that was on its way may have arrived; one too many changes nothing.
        """
        logger.warning("the connection to Redis was lost with nothing under way: %s", error)
        self._state = "reconnecting"
        if wait_for_redis(self._log.client, self._stop_asked):
            self._log.reconnect()
            self._aside.connection_pool.disconnect()
            self._state = "live"
            self._metrics.reconnects.inc()
            logger.info("%s %d goes on at %s", self.role.stage.name, self.role.stage.partition, self._runner.position)

    def _check_time(self, batch: Sequence[Entry]) -> None:
        """Refuse ids that are ahead of the server's clock, once it has been asked."""
        if is_ahead(batch[-1].ms, self._clock.now_us // 1000, self._runner.position):
            judge(self._log.look(), Volume())

    def _between_batches(self) -> int:
        """Do what is due; return how many milliseconds the next read may wait."""
        self._keeping.check()
        now = time.monotonic()
        if now >= self._next_calendar:
            self._next_calendar = now + CALENDAR_S
            if (calendar := calendar_of(self.role.stage)) is not None:
                self._log.append(calendar)
        if now >= self._next_look:
            self._next_look = now + HEARTBEAT_S
            self._measure()
            self._maybe_snapshot(now)
        return self._ticker.tick(self._runner.position)

    def _held_back(self) -> bool:
        """Whether reading waits because a stage downstream is too far behind."""
        lag, limit = self._keeping.downstream_lag, self._options.max_downstream_lag
        held = lag > limit
        if held != (self._state == "paused"):
            self._state = "paused" if held else "live"
            self._metrics.paused(held)
            what = "reading paused" if held else "reading again"
            logger.warning("%s: downstream lag %d, limit %d", what, lag, limit)
        if held:
            self._stop_asked.wait(PAUSE_S)
        return held

    def _count(self, batch: Sequence[Entry], seconds: float) -> None:
        metrics, runner, key_of = self._metrics, self._runner, self._options.topology.key
        metrics.entries_in(self._log.inbox, len(batch))
        metrics.batch.observe(len(batch))
        metrics.commit.observe(self._log.commit_seconds)
        metrics.fold.observe((seconds - runner.commit_seconds) / len(batch))
        for stream, _, payloads in runner.out.runs:
            metrics.entries_out(key_of(stream), len(payloads))
        for stream, messages in runner.out.lossy.items():
            metrics.entries_out(key_of(stream), len(messages))
        for reason in runner.out.reasons:
            metrics.dead(reason)
        if self._latencies_ms:
            metrics.filled_after(self._latencies_ms)
            self._latencies_ms.clear()

    # ------------------------------------------------------------------------------------------------ snapshots

    def _maybe_snapshot(self, now: float) -> None:
        at, entries = self._snapshot_due
        new = self._runner.entries - entries
        every_s = float(self._options.snapshot_every_s)
        if self._writer.trimmer.held_by_snapshots:
            every_s = min(every_s, max(HEARTBEAT_S, self._pause_s / SQUEEZED_SHARE, self._writer.took_s))
        due = new >= self._options.snapshot_every_entries or (new > 0 and now - at >= every_s)
        # The first one at once: until there is one, nothing but the whole log leads to this state.
        due = due or (self._runner.entries > 0 and not self._has_snapshot)
        if not self._writer.busy and due:
            self._has_snapshot = True
            self._log.settle()
            self._snapshot_due = (now, self._runner.entries)
            began = time.perf_counter()
            taken = self._take_snapshot()
            self._pause_s = time.perf_counter() - began
            self._metrics.snapshot_pause.observe(self._pause_s)
            self._writer.submit(taken)

    def _take_snapshot(self) -> Snapshot | Written:
        """Leave it to a child process, however small the state: a fork takes a few milliseconds of this thread's."""
        runner = self._runner
        try:
            return write_forked((runner.position, runner.entries), runner.snapshot, self._store)
        except OSError as error:  # a limit on processes or memory: to stand still costs less than to be without
            if str(error) != self._no_fork:
                logger.warning("folding stands still during snapshots, no process can be made for them: %s", error)
            self._no_fork = str(error)
            return runner.snapshot()

    def _leave_snapshot(self) -> None:
        """Write a last snapshot before a clean stop, so that the next start, or the next version, folds nothing."""
        if self._runner.position == "0-0":
            return
        while self._writer.busy:
            time.sleep(0.01)
        self._writer.leave(self._runner.snapshot())

    # ---------------------------------------------------------------------------------------------- telling it

    def _measure(self) -> None:
        """Refresh the gauges of the state, which this thread alone may look at."""
        metrics, entries = self._metrics, self._runner.entries
        now = time.monotonic()
        metrics.snapshot_age.set(now - (self._writer.saved_at or self._started_at))
        metrics.copy_age.set(now - (self._writer.copied_at or self._started_at))
        metrics.snapshot_behind.set(entries - (self._writer.saved_entries or self._snapshot_from))
        metrics.state(self.role.stage.gauges())

    def _said(self) -> dict[str, Any]:
        """Return what there is to say of this stage, for `Housekeeping`."""
        saved_at = self._writer.saved_at
        return {
            "state": self._state,
            "progress": "",
            "entries": self._runner.entries,
            "lost": self._runner.lost,
            "snapshot_id": self._writer.saved_id,
            "snapshot_age_s": round(time.monotonic() - saved_at if saved_at else -1.0, 1),
            "copy_id": self._writer.copied_id,
            "last_error": self._writer.last_error or self._last_error,
            "page": "",
            "note": note_of(self.role.stage),
        }

    def _recovering(self) -> dict[str, Any]:
        return {name: value for name, value in self._said().items() if name != "lost"}

    def _put_status(self, **fields: Any) -> None:
        put_status(self._aside, self._status_key, self._options.address, **fields)

    def _die(self, error: BaseException) -> None:
        """End the process with one line that says why; nothing here may keep it alive."""
        text = f"{type(error).__name__}: {error}"
        logger.critical("%s %d ends: %s", self.role.stage.name, self.role.stage.partition, text, exc_info=error)
        match error:
            case Fenced():
                code = EXIT_FENCED
            case RecoveryError():
                code = EXIT_CANNOT_RECOVER
            case TopologyDiffers() | ServerRefused():
                code = EXIT_SETTINGS
            case _:
                code = EXIT_CRASHED
        try:
            if not isinstance(error, Fenced):  # the status is the new owner's then
                why = {"page": "", "stopped_by": "", "stopped_at": ""}
                if isinstance(error, RecoveryError):
                    why = {"page": error.page.value, "stopped_by": error.text, "stopped_at": error.entry}
                self._put_status(state="crashed", last_error=text, **why)
        except Exception as second:
            logger.critical("and Redis could not be told: %s", second)
        sys.stderr.flush()
        os._exit(code)
