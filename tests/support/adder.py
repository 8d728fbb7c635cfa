"""A stage as small as one can be, and a desk of nothing else: what the runtime's tests drive."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from fillstream.backtest.memory_log import MemoryLog, MemoryRedis, MemorySnapshots
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.stage import Entry, Family, Outputs

INBOX = "numbers"


class Adder:
    """Adds numbers up and tells each sum; refuses words; a stage as small as one can be."""

    name, partition, inbox, tick_ms = "adder", 0, INBOX, None
    families: tuple[Family, ...] = ()

    def __init__(self, bug: bytes | None = None, factor: int = 1) -> None:
        self.total = 0
        self.latencies_ms: list[int] = []
        self.bug, self.factor = bug, factor

    def fold(self, entry: Entry, out: Outputs) -> None:
        text = entry.fields[b"n"]
        if text == self.bug:
            self.total = -1_000_000  # half-done: the state is undefined now
            raise ZeroDivisionError("bug")
        if not text.isdigit():
            raise BadEntry("not_a_number", f"n: {text.decode()} is not a number")
        self.total += int(text) * self.factor
        out.event("sums", {"total": self.total})

    def snapshot(self) -> bytes:
        return orjson.dumps(self.total)

    def restore(self, data: bytes) -> None:
        self.total = orjson.loads(data)

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        return {}


class AdderDesk:
    def __init__(self) -> None:
        self.redis = MemoryRedis()
        self.snapshots = MemorySnapshots()

    def start(self, stage: Adder | None = None, release: str | None = None) -> Runner:
        stage = stage or Adder()
        log = MemoryLog(self.redis, Topology(), stage.name, INBOX)
        runner = Runner(stage, log, self.snapshots, release)
        runner.recover()
        return runner

    def send(self, *numbers: str) -> None:
        for number in numbers:
            self.redis.add(INBOX, {b"n": number.encode()})

    def sums(self) -> list[int]:
        return [orjson.loads(entry.fields[b"data"])["total"] for entry in self.redis.streams.get("sums", [])]

    def dead(self) -> list[str]:
        return [orjson.loads(entry.fields[b"data"])["text"] for entry in self.redis.streams.get("dead", [])]


def drain(runner: Runner, count: int = 500) -> None:
    while batch := runner.read(count, 0):
        runner.step(batch)
