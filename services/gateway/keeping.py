"""The gateway's own snapshots: a start does not read the whole log again.

Flows in: the desk's state. Flows out: files, and the state they had. Never holds a stream back: what was trimmed since
is told as a gap.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

from fillstream.libs.common.messages.topology import id_key
from fillstream.libs.common.runtime.forked import ChildFailed, write_forked
from fillstream.libs.common.runtime.release import running
from fillstream.libs.common.runtime.snapshots import Snapshot, SnapshotError, SnapshotStore, folder_of
from fillstream.libs.common.values.versions import Unreadable
from fillstream.services.gateway.metrics import STAGE
from fillstream.services.gateway.state.desk import Desk

logger = logging.getLogger(__name__)

EVERY_ENTRIES: Final = 20_000
LOOK_S: Final = 10.0


class Keeping:
    """Writes and reads the snapshots of one gateway; each of several has a data directory of its own.

    Args:
        data_dir: of this process.
        desk_id: whose state it is; empty of a server that holds no desk yet.
    """

    def __init__(self, data_dir: Path, desk_id: str) -> None:
        self._store = SnapshotStore(folder_of(data_dir, STAGE, STAGE), STAGE, 0)
        self.desk_id = desk_id
        self._kept = 0

    def load(self, keep: int) -> Desk:
        """Return the state of the newest snapshot that can be read, an empty one without.

        Args:
            keep: how many orders that are done, and fills, are kept.
        """
        try:
            if self._store.desk() not in ("", self.desk_id):
                logger.warning("%s is another desk's: its snapshots are set aside", self._store.where)
                self._store.disown()
        except SnapshotError as error:
            logger.warning("%s; its snapshots are not used", error)
            return Desk(keep)
        for snapshot_id in self._store.ids():
            desk = Desk(keep)
            try:
                found = self._store.load(snapshot_id)
                desk.load(found.state)
            except (SnapshotError, Unreadable) as error:
                logger.warning("%s; the log is read instead", error)
                continue
            self._kept = desk.entries
            return desk
        return Desk(keep)

    def forget(self) -> None:
        """Set all snapshots aside: they are of streams that are there no more."""
        self._store.disown()

    async def run(self, desk: Desk) -> None:
        """Write a snapshot each time that enough was folded, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if desk.entries - self._kept >= EVERY_ENTRIES:
                await self.save(desk)

    async def save(self, desk: Desk) -> None:
        """Write a snapshot, by a child process; one that fails is told, and the next one tries again."""
        if not self.desk_id or not desk.entries:
            return
        entries, newest = desk.entries, max(desk.places.values(), key=id_key)

        def take() -> Snapshot:
            return Snapshot(newest, b"", entries, desk.dump(), running(), self.desk_id)

        try:
            self._store.belong_to(self.desk_id)
            written = write_forked((newest, entries), take, self._store)
            await asyncio.to_thread(written.wait)
            self._store.publish(newest, written.beside)
            self._kept = entries
        except (ChildFailed, OSError) as error:
            logger.warning("a snapshot was not written: %s", error)
