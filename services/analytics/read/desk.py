"""Whose rows the database has, compared with whose streams are read: rows of two desks are never mixed.

Flows in: the id in the database, the marker in Redis. Flows out: nothing when they agree, else what stops the service,
with its page of the runbook. Never writes to Redis.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import redis

from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.continuity import DeskMarker, Page, RecoveryError
from fillstream.libs.common.runtime.look import read_marker
from fillstream.services.analytics.sinks.store import Store

AWAY = "move the database file away and start again: it is made anew from the streams"


class LogLost(RecoveryError):
    """The log does not hold what is to be read, or what was read: a person must decide (exit code 71)."""


def judge_desk(known: str, marker: DeskMarker | None, has_streams: bool) -> None:
    """Return when the database's rows are of this desk, or nothing says whose they are.

    Args:
        known: the id in the database; empty in one that is new, or of a release that noted none.
        marker: the desk's; None when Redis knows none.
        has_streams: whether Redis has any of the streams.

    Raises:
        LogLost: they are of another desk, or of one that this Redis does not know any more.
    """
    if not known or (marker is not None and marker.id == known):
        return
    if marker is not None:
        raise LogLost(
            Page.OTHER_DESK,
            f"analytics' database is of desk {known}, this Redis holds desk {marker.id}. Name the right Redis, or the"
            f" right file (database.path); or, if this desk is the one that is meant, {AWAY}.",
        )
    if has_streams:
        raise LogLost(
            Page.MARKER_GONE,
            f"analytics' database is of desk {known}, and the key `desk` is gone: it was deleted or evicted, and so may"
            " other keys be. The stages' checkpoints have it still: accept that first, then start analytics again.",
        )
    raise LogLost(
        Page.DESK_GONE,
        f"analytics' database is of desk {known}, and this Redis knows no desk: it was flushed, lost its files, or is"
        f" another server. Put its files or a backup back; or, if a new desk is to begin, {AWAY}.",
    )


class Owner:
    """Asks whose the streams are.

    Args:
        client: a connection of the reader's.
        topology: the desk's.
        streams: keys of the streams that are read.
        store: the database.
    """

    def __init__(self, client: redis.Redis, topology: Topology, streams: Collection[str], store: Store) -> None:
        self._client = client
        self._topology = topology
        self._streams = streams
        self._store = store

    def check(self) -> DeskMarker | None:
        """Return the desk's marker when the database's rows are of that desk.

        Raises:
            LogLost: they are not.
            TopologyDiffers: the desk has other partition counts.
        """
        marker = read_marker(self._client, self._topology)
        raw: Any = self._client
        has_streams = marker is None and bool(self._store.desk) and bool(raw.exists(*self._streams))
        judge_desk(self._store.desk, marker, has_streams)
        return marker

    def adopt(self) -> None:
        """Note whose rows these are, where nothing says so yet: the log was found to be the one that was read."""
        marker = self.check()
        if marker is not None and not self._store.desk:
            self._store.belong_to(marker.id)
