"""What a live process is told of the world around it: where Redis is, where its files go, how far it may run.

Flows in: values, from whoever starts the process. Flows out: the same, frozen. Never reads a file or the environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from fillstream.libs.common.messages.topology import Topology


@dataclass(frozen=True, slots=True)
class Retention:
    """How much the logs keep of what nobody needs any more.

    Attributes:
        retention_s: entries younger than this stay (seconds), while there is memory.
        retention_memory_share: of the server's memory, above which they go all the same (0 to 1).
        max_memory_bytes: what the server may use, where it has no limit of its own or a higher one; 0 for no limit.
        max_reader_lag_s: how far behind a reader that is no stage may be before it is waited for no more; 0: no limit.
        max_reader_memory_share: of the server's memory, above which it is not waited for either.
    """

    retention_s: int
    retention_memory_share: Decimal
    max_memory_bytes: int
    max_reader_lag_s: int = 0
    max_reader_memory_share: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process serves HTTP: what it listens on, and what people open."""

    host: str
    port: int
    url: str


@dataclass(frozen=True, slots=True)
class StageOptions:
    """What a stage's process is told.

    Attributes:
        redis_url: where the streams are.
        topology: what they are called.
        data_dir: where snapshots go.
        address: what it tells of itself.
        max_batch: entries folded and committed at once, at most.
        max_downstream_lag: entries that a stage it feeds may be behind before it stops reading.
        snapshot_every_entries, snapshot_every_s: a snapshot is due after so many entries, or so many seconds.
        copy_every_s: a snapshot is copied off its volume after so many seconds, or at once where trimming waits for it.
        retention: of the logs it trims.
    """

    redis_url: str
    topology: Topology
    data_dir: Path
    address: Address
    max_batch: int
    max_downstream_lag: int
    snapshot_every_entries: int
    snapshot_every_s: int
    copy_every_s: int
    retention: Retention
