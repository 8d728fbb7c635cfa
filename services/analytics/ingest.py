"""The life of analytics: one thread reads, one writes, and neither goes on after an error whose outcome is unknown.

Flows in: settings. Flows out: a database that follows the streams, a heartbeat in Redis, an exit code. Never restarts
itself: it writes down why it ends, and the supervisor starts the next process, which reads from the stored offsets.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import redis

from fillstream.libs.common.process.app import address_of
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.runtime.continuity import TopologyDiffers
from fillstream.libs.common.runtime.exit_codes import EXIT_CANNOT_RECOVER, EXIT_CRASHED, EXIT_SETTINGS
from fillstream.libs.common.runtime.heartbeat import Heartbeat, put_status
from fillstream.libs.common.runtime.log import connect
from fillstream.libs.common.runtime.waiting import wait_for_redis
from fillstream.services.analytics.metrics import STAGE, AnalyticsMetrics
from fillstream.services.analytics.read.desk import LogLost, Owner
from fillstream.services.analytics.read.extent import Extent
from fillstream.services.analytics.read.reader import LOSSY, Reader, public_streams
from fillstream.services.analytics.schema import SchemaError
from fillstream.services.analytics.sinks.store import Damaged, Store, StoreError
from fillstream.services.analytics.sinks.writer import Waiting, Writer

logger = logging.getLogger(__name__)


class Ingest:
    """The threads and what they share.

    Args:
        settings: where Redis is.
        store: the database, closed by `stop`.
        metrics: told what happens.
        relieve: ends the queries that run, when they leave a commit no memory.
    """

    def __init__(
        self, settings: Settings, store: Store, metrics: AnalyticsMetrics, relieve: Callable[[], None]
    ) -> None:
        self.ready = threading.Event()
        self._settings = settings
        self._topology = settings.topology()
        self._streams = public_streams(self._topology)
        self._metrics = metrics
        self._relieve = relieve
        self._store = store
        self._waiting = Waiting()
        self._stop_asked = threading.Event()
        self._rate_from = (time.monotonic(), 0)
        self._reader_thread = threading.Thread(target=self._guarded, args=(self._read,), name="reader", daemon=True)
        self._writer_thread = threading.Thread(target=self._guarded, args=(self._write,), name="writer", daemon=True)

    def start(self) -> None:
        """Start reading and writing; `ready` is set once both do."""
        self._reader_thread.start()

    def stop(self) -> None:
        """Stop reading, commit what was read, and close the database."""
        self._stop_asked.set()
        self._reader_thread.join()
        if self._writer_thread.ident is not None:  # not started while Redis was not there
            self._writer_thread.join()
        self._store.close()

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:
            die(self._settings, error)

    def _read(self) -> None:
        client = connect(self._settings.redis_url)
        if not wait_for_redis(client, self._stop_asked):
            return
        owner = Owner(client, self._topology, list(self._streams), self._store)
        owner.check()
        self._writer = Writer(
            self._store,
            connect(self._settings.redis_url),
            self._streams,
            LOSSY,
            self._topology.durability(STAGE),
            self._metrics,
            self._relieve,
        )
        # A mark that an earlier database left must not let go of what this one has yet to read.
        self._writer.mark(list(self._streams))
        self._reader = Reader(client, self._streams, self._store.offsets(), self._waiting, self._metrics, owner)
        self._aside = connect(self._settings.redis_url)
        self._heartbeat = Heartbeat(self._aside, self._topology.status(STAGE), address_of(self._settings))
        self._writer_thread.start()
        self._reader.run(self._stop_asked, self._beat)
        self._waiting.close()
        self._writer_thread.join()
        tell(self._aside, self._settings, state="stopped")

    def _write(self) -> None:
        while chunks := self._waiting.take():
            self._writer.write(chunks)

    def _beat(self, extents: Mapping[str, Extent]) -> None:
        """Refresh the status hash and the gauges. The first beat comes after the log was found whole."""
        now = time.monotonic()
        committed = self._writer.committed
        lags = {stream: max(0, extent.added - committed[stream].entries) for stream, extent in extents.items()}
        for stream, lag in lags.items():
            self._metrics.stream_lag(stream, lag)
        lag = sum(lag for stream, lag in lags.items() if self._streams[stream] not in LOSSY)
        self._metrics.lag.set(lag)
        self._metrics.waiting.set(self._waiting.entries)
        entries = sum(offset.entries for offset in committed.values())
        then, counted = self._rate_from
        rate = (entries - counted) / (now - then) if counted and now > then else 0.0
        self._rate_from = (now, entries)
        self._heartbeat.beat(
            state="paused" if self._reader.paused else "live",
            lag=lag,
            entries=entries,
            entries_per_s=round(rate, 1),
            commit_age_s=round(self._metrics.commit_age_s, 1),
            last_error=self._reader.waits_for,
            page="",
        )
        if not self.ready.is_set():
            self._metrics.live.set(1)
            self.ready.set()
            logger.info("analytics live: %d entries in %s, %d to read", entries, self._store.path, lag)


def tell(client: redis.Redis, settings: Settings, **fields: Any) -> None:
    """Refresh the status hash that `fillstream status` shows."""
    put_status(client, settings.topology().status(STAGE), address_of(settings), **fields)


def exit_code_of(error: BaseException) -> int:
    """Return the code to end with: whether another start may help, or a person has to."""
    match error:
        case LogLost() | SchemaError() | Damaged():
            return EXIT_CANNOT_RECOVER
        case TopologyDiffers():
            return EXIT_SETTINGS
        case _:
            return EXIT_CRASHED


def die(settings: Settings, error: BaseException) -> None:
    """End the process with one line that says why; nothing here may keep it alive."""
    known = isinstance(error, LogLost | SchemaError | StoreError)
    text = str(error) if known else f"{type(error).__name__}: {error}"
    if not known:
        logger.error("unexpected", exc_info=error)
    logger.critical("analytics ends: %s", " ".join(text.split()))
    try:
        why = {"page": error.page.value, "stopped_by": error.text} if isinstance(error, LogLost) else {"page": ""}
        tell(connect(settings.redis_url), settings, state="crashed", last_error=text, **why)
    except Exception as second:
        logger.critical("and Redis could not be told: %s", second)
    sys.stderr.flush()
    os._exit(exit_code_of(error))
