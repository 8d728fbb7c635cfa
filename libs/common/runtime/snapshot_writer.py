"""The thread that writes a live stage's snapshots behind its back, and trims the logs.

Flows in: snapshots that the worker has taken. Flows out: files, a low-water mark for each, trimmed streams. Never
folds, never writes what is ahead of Redis' disk, and never lets go of an entry that a kept snapshot needs.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, cast

import redis

from fillstream.libs.common.messages.topology import id_ms
from fillstream.libs.common.runtime.copies import CopyFailed, SnapshotCopy, oldest_needed
from fillstream.libs.common.runtime.durability import Durability, NotDurable
from fillstream.libs.common.runtime.forked import ChildFailed, Written
from fillstream.libs.common.runtime.log import RedisLog, connect
from fillstream.libs.common.runtime.metrics import StageMetrics
from fillstream.libs.common.runtime.options import StageOptions
from fillstream.libs.common.runtime.role import Role
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotStore
from fillstream.libs.common.runtime.trim import LOOK_S, Trimmer

logger = logging.getLogger(__name__)


class SnapshotWriter(threading.Thread):
    """Writes snapshots behind the worker's back, never ahead of what Redis holds durably, and trims the logs.

    Args:
        store: where to.
        role: whose.
        log: the role's inbox, where each snapshot leaves a mark.
        options: retention and the Redis to ask.
        metrics: told about failures, and what the streams keep.
    """

    def __init__(
        self,
        store: SnapshotStore,
        role: Role,
        log: RedisLog,
        options: StageOptions,
        metrics: StageMetrics,
    ) -> None:
        super().__init__(name="snapshots", daemon=True)
        self._store = store
        self._log = log
        self._metrics = metrics
        self._client = connect(options.redis_url)
        self._copy = SnapshotCopy(
            self._client, log, options.topology.copy(role.stage.name, role.stage.inbox), store, options.retention
        )
        self._last = False
        self._copy_at_risk = False
        """Whether a crash of the server may take the newest copy away, which has taken the place of the one before."""
        self._copy_every_s = options.copy_every_s
        self.copied_at: float | None = None
        self.copied_id = ""
        stage = role.stage
        self._durability = Durability(self._client, options.topology.durability(stage.name, stage.inbox))
        self.trimmer = Trimmer(connect(options.redis_url), stage.name, role.trims, options.retention, metrics)
        self._trim_error = ""
        self._wanted: Snapshot | Written | None = None
        self._wake = threading.Condition()
        self._stop_asked = False
        self.saved_at: float | None = None
        self.saved_id = ""
        self.saved_entries = 0
        self.took_s = 0.0
        """From the moment the last snapshot was taken until it was in its place."""
        self.last_error = ""
        self._broke: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether a snapshot is still being written. Raises what ended the thread, if anything did."""
        if self._broke is not None:
            raise self._broke
        return self._wanted is not None

    def submit(self, snapshot: Snapshot | Written) -> None:
        """Publish what a child writes, or write `snapshot`, as soon as it may be; only when not busy."""
        assert self._wanted is None, "one at a time: ask `busy` first"
        with self._wake:
            self._wanted = snapshot
            self._wake.notify()

    def stop(self) -> None:
        """Write what was submitted and return once the thread has ended."""
        with self._wake:
            self._stop_asked = True
            self._wake.notify()
        self.join()

    def run(self) -> None:
        """Wait for snapshots and write them; trim meanwhile, as an idle stage writes none."""
        try:
            while True:
                with self._wake:
                    self._wake.wait_for(lambda: self._wanted is not None or self._stop_asked, timeout=LOOK_S)
                    wanted = self._wanted
                if wanted is None and self._stop_asked:
                    return
                if wanted is None:
                    self._try_to_let_go()
                    self.try_to_trim()
                    continue
                self._try_to_save(wanted)
                with self._wake:
                    self._wanted = None
        except BaseException as error:
            self._broke = error  # the worker asks whether this thread is busy, and ends the process

    def _try_to_save(self, wanted: Snapshot | Written) -> None:
        try:
            self.save(wanted)
        except (OSError, NotDurable, ChildFailed) as error:
            # Known outcome: nothing was written, the older snapshot stands, the log keeps what is needed.
            self.last_error = f"snapshot {wanted.id} not written: {error}"
            logger.error(self.last_error)
            self._metrics.snapshot_errors.inc()
        except redis.exceptions.RedisError as error:
            # The worker meets the same server and ends the process; a snapshot less is no loss.
            logger.error("snapshot %s not written: %s", wanted.id, error)
            self._metrics.snapshot_errors.inc()

    def try_to_trim(self, at_once: bool = False) -> None:
        """Trim what may go, if it is time to. Not to have trimmed harms nobody yet: what is wrong is logged, once."""
        try:
            self.trimmer.sweep(at_once)
        except redis.exceptions.RedisError as error:
            if str(error) != self._trim_error:
                logger.error("not trimmed: %s", error)
            self._trim_error = str(error)
        else:
            self._trim_error = ""

    def leave(self, snapshot: Snapshot) -> None:
        """Save a snapshot before a clean stop, with a copy: the next start may have another volume."""
        self._last = True
        self.save(snapshot)

    def save(self, snapshot: Snapshot | Written) -> None:
        """Wait until Redis is durable up to it, give it its place, and let the log be trimmed below the oldest kept.

        Raises:
            Fenced: another process has claimed the partition; nothing was published.
            ChildFailed, NotDurable, OSError: it was not written; what was there before is untouched.
        """
        began = time.monotonic()
        if isinstance(snapshot, Written):
            began = snapshot.began
            snapshot.wait()
            beside = snapshot.beside
        else:
            beside = self._store.beside(snapshot.id)
        try:
            if not isinstance(snapshot, Written):
                self._store.write(snapshot, beside)
            self._durability.wait(id_ms(snapshot.id))
            self._log.check_epoch(self._client)
            self._store.publish(snapshot.id, beside)
        finally:
            beside.unlink(missing_ok=True)
        self.saved_at, self.saved_id, self.saved_entries = time.monotonic(), snapshot.id, snapshot.entries
        self.last_error = ""
        self._let_go()
        self.took_s = time.monotonic() - began
        self.try_to_trim(at_once=True)

    def _let_go(self) -> None:
        """Copy the newest snapshot off the volume if it is time to, and let go of the log below what is kept."""
        if self._copy_is_due:
            self._copy_newest(self.saved_id)
        needed = oldest_needed(self._store.ids(), self._copy.ids())
        if needed is not None and not self._copy_at_risk:
            self._log.mark(self._client, needed)

    @property
    def _copy_is_due(self) -> bool:
        if not self.saved_id or self.copied_id == self.saved_id:
            return False
        waited = self._copy_every_s if self.copied_at is None else time.monotonic() - self.copied_at
        return waited >= self._copy_every_s or self.trimmer.held_by_snapshots or self._last

    def _try_to_let_go(self) -> None:
        """Copy what a stage that went quiet left uncopied."""
        if not self._copy_is_due:
            return
        try:
            self._let_go()
        except redis.exceptions.RedisError as error:
            logger.error("snapshot %s not copied: %s", self.saved_id, error)
            self._metrics.snapshot_errors.inc()

    def _copy_newest(self, snapshot_id: str) -> None:
        """Copy a snapshot off the volume; not to have done so harms nobody yet: the log stays."""
        try:
            self._copy.write(snapshot_id)
            self._copy_at_risk = True
            seconds, _ = cast(Any, self._client.time())
            self._durability.wait(seconds * 1000)
            self._copy_at_risk = False
        except (CopyFailed, NotDurable, OSError, redis.exceptions.RedisError) as error:
            self.last_error = f"{error}"
            logger.error("%s", error)
            self._metrics.snapshot_errors.inc()
        else:
            self.copied_at, self.copied_id = time.monotonic(), snapshot_id
