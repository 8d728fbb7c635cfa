"""A whole desk in one process: every stage that runs live, by the runner that runs it live, over a log in memory.

Flows in: entries of any stream, and how far time has come. Flows out: entries of the public streams, the same bytes as
live; where each stage stands, and its output hash. Never a thread, a clock or a file: time is what it is told.

Ticks come as live: an entry at the very millisecond that something is due, and a slow regular one. The regular one is
left out while nothing at all happens, as its only use is to let go of what is past its retention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fillstream.backtest.memory_log import MemoryLog, MemoryRedis, MemorySnapshots
from fillstream.backtest.stages import Clock, month_of
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.runner import Runner
from fillstream.libs.common.runtime.stage import Stage, Timed, calendar_of
from fillstream.libs.common.runtime.ticker import TICK

BATCH = 500
"""Entries between two commits at most, as `messaging.max_batch` has it by default."""
MOST_TURNS = 100_000
"""So often the stages answer one another within a millisecond, at most: more is a circle that never ends."""
KEPT = 4096
"""Entries of an inbox that were folded are let go of so many at a time."""


SECOND_MS = 1000


class Endless(Exception):
    """The stages did not come to rest: says when."""


@dataclass(slots=True)
class Place:
    """Where one stage partition runs.

    Attributes:
        runner: the stage and where it stands.
        log: its inbox.
        timed: the stage, if something may be due in it.
        every_ms: how often it has a regular tick, None for never.
        ticked_ms: when it had the last one.
        trims: whether what it has folded is of no use to anybody else.
        due_ms: when the first thing is due, as of the last entry.
    """

    runner: Runner
    log: MemoryLog
    timed: Timed | None
    every_ms: int | None
    ticked_ms: int
    trims: bool
    due_ms: int | None = None


class MemoryDesk:
    """The stages of a desk, wired together.

    Args:
        topology: names of the streams.
        make: returns fresh stages, one of each place of the desk, when it is told what says what time it is; see
            `stages.stages_at`.
        now_ms: when it starts (ms since 1970 UTC).
        keep: whether inboxes keep what was folded, as a replay needs it.
    """

    def __init__(
        self, topology: Topology, make: Callable[[Clock], Iterable[Stage]], now_ms: int, keep: bool = False
    ) -> None:
        self.redis = MemoryRedis(now_ms)
        self.topology = topology
        self._keep = keep
        self.places = [self._place(stage) for stage in make(lambda: self.redis.now_ms)]
        self._by_inbox = {place.log.inbox: place for place in self.places}
        self._regular_ms = now_ms
        self._month = month_of(now_ms)
        self.settle()

    def _place(self, stage: Stage) -> Place:
        log = MemoryLog(self.redis, self.topology, stage.name, stage.inbox)
        runner = Runner(stage, log, MemorySnapshots())
        runner.recover()
        timed = stage if isinstance(stage, Timed) else None
        trims = not self._keep and not stage.inbox.startswith("events.")
        return Place(runner, log, timed, stage.tick_ms, self.redis.now_ms, trims)

    @property
    def now_ms(self) -> int:
        """What time it is (ms since 1970 UTC)."""
        return self.redis.now_ms

    @property
    def due_ms(self) -> int | None:
        """When the first thing is due in any stage, None for nothing."""
        return min((place.due_ms for place in self.places if place.due_ms is not None), default=None)

    def append(self, stream: str, fields: dict[bytes, bytes]) -> str:
        """Append an entry to the stream of that key, now; return its id."""
        return self.redis.add(stream, fields)

    def go_to(self, ms: int) -> bool:
        """Let time pass up to a millisecond, from one thing that is due to the next; back it never goes.

        Returns: whether anything was due.

        Raises:
            Endless: see `settle`.
        """
        was_due = False
        while (due := self.due_ms) is not None and due <= ms:
            self.redis.now_ms = max(self.redis.now_ms, due)
            self.settle()
            was_due = True
        self.redis.now_ms = max(self.redis.now_ms, ms)
        return was_due

    def settle(self) -> None:
        """Let every stage read until nothing is left and nothing is due.

        Raises:
            Endless: they answer one another without end.
            runner.FoldFailed: a fold broke on an entry, which is a bug.
        """
        redis, now_ms = self.redis, self.redis.now_ms
        if now_ms - self._regular_ms >= SECOND_MS:
            self._regular_ms = now_ms
            self._tick_regularly(now_ms)
        for place in self.places:
            if place.due_ms is not None and place.due_ms <= now_ms:
                self._tick(place)
        turns = 0
        while redis.fresh:
            turns += 1
            if turns > MOST_TURNS:
                raise Endless(f"at {now_ms} the stages answer one another without end, {MOST_TURNS} times so far")
            woken = [self._by_inbox[key] for key in redis.fresh if key in self._by_inbox]
            redis.fresh.clear()
            for each in woken:
                self._read(each, now_ms)

    def _read(self, place: Place, now_ms: int) -> None:
        """Let a stage take a batch, and give it a tick where it left something undone."""
        log = place.log
        batch = log.read(BATCH, 0)
        if batch:
            place.runner.step(batch)
        if len(batch) == BATCH:
            self.redis.fresh[log.inbox] = None  # there may be more
        if place.timed is not None:
            place.due_ms = due = place.timed.due_ms
            if due is not None and due <= now_ms:
                log.append(TICK)
        if place.trims and len(self.redis.streams[log.inbox]) >= KEPT:
            self.redis.trim(log.inbox, KEPT - 1)  # the last one says where the stage stands

    def _tick_regularly(self, now_ms: int) -> None:
        """Append ticks whose time has come, and calendars of a month that has begun."""
        if (month := month_of(now_ms)) != self._month:
            self._month = month
            for place in self.places:
                offered = calendar_of(place.runner.stage)
                if offered is not None:
                    place.log.append(offered)
        for place in self.places:
            if place.every_ms is not None and now_ms - place.ticked_ms >= place.every_ms:
                place.ticked_ms = now_ms
                place.log.append(TICK)

    def _tick(self, place: Place) -> None:
        """Append a tick to an inbox in which something is due, unless an entry of that time is on its way."""
        waiting = place.log.read(BATCH, 0)
        if not waiting or waiting[-1].ms < (place.due_ms or 0):
            place.log.append(TICK)

    def digests(self) -> dict[str, str]:
        """Return each stage's output hash, by the name of its inbox: what `fillstream replay` compares."""
        return {place.runner.stage.inbox: place.runner.out.digest.hex() for place in self.places}
