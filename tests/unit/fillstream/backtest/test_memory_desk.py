"""The desk in memory: time, ticks, and what it lets go of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fillstream.backtest import memory_desk
from fillstream.backtest.memory_desk import Endless, MemoryDesk
from fillstream.backtest.memory_log import MemoryLog
from fillstream.backtest.stages import month_of, stages_at
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Family, Outputs
from fillstream.tools.replay import replay
from tests.support.backtests import START_MS, quote, settings_with

INBOX = "commands.SIM.0"


class Counting:
    """Writes down the entries it folds; what is due, a test says."""

    name, partition, inbox = "engine", 0, INBOX
    families: tuple[Family, ...] = ()

    def __init__(self, tick_ms: int | None = None) -> None:
        self.tick_ms = tick_ms
        self.due: list[int] = []
        self.folded: list[tuple[int, bool]] = []
        self.answers = False

    @property
    def due_ms(self) -> int | None:
        return self.due[0] if self.due else None

    def fold(self, entry: Entry, out: Outputs) -> None:
        self.folded.append((entry.ms - START_MS, b"tick" in entry.fields))
        while self.due and self.due[0] <= entry.ms:
            self.due.pop(0)
        if self.answers:
            out.event(INBOX, {"again": True})

    def snapshot(self) -> bytes:
        return b""

    def restore(self, data: bytes) -> None: ...

    def gauges(self) -> Mapping[str, Mapping[str, int]]:
        return {}


def a_desk(stage: Counting, keep: bool = False) -> MemoryDesk:
    return MemoryDesk(Topology(), lambda clock: [stage], START_MS, keep)


def test_what_is_due_gets_an_entry_at_its_very_millisecond() -> None:
    stage = Counting()
    desk = a_desk(stage)
    stage.due = [START_MS + 5, START_MS + 9]
    desk.append(desk.topology.commands("SIM", 0), {b"frame": b""})
    desk.settle()
    assert desk.due_ms == START_MS + 5
    assert desk.go_to(START_MS + 7) and desk.now_ms == START_MS + 7
    assert stage.folded == [(0, False), (5, True)]
    assert not desk.go_to(START_MS + 8) and desk.go_to(START_MS + 20)
    assert stage.folded[2:] == [(9, True)]
    desk.go_to(START_MS)
    assert desk.now_ms == START_MS + 20, "time never goes back"


def test_an_entry_that_is_there_serves_as_a_tick() -> None:
    stage = Counting()
    desk = a_desk(stage)
    stage.due = [START_MS + 5]
    desk.append(desk.topology.commands("SIM", 0), {b"frame": b""})
    desk.settle()
    desk.redis.now_ms = START_MS + 5
    desk.append(desk.topology.commands("SIM", 0), {b"frame": b""})
    desk.settle()
    assert stage.folded == [(0, False), (5, False)]


def test_a_regular_tick_comes_when_something_happens_and_its_time_has_come() -> None:
    stage = Counting(tick_ms=15_000)
    desk = a_desk(stage)
    for ms in (1_000, 14_000, 15_000, 16_000, 400_000):
        desk.go_to(START_MS + ms)
        desk.settle()
    assert stage.folded == [(15_000, True), (400_000, True)], "a quiet night has one, and not thousands"


def test_stages_that_never_come_to_rest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_desk, "MOST_TURNS", 50)
    stage = Counting()
    desk = a_desk(stage)
    stage.answers = True
    desk.append(desk.topology.commands("SIM", 0), {b"frame": b""})
    with pytest.raises(Endless, match=f"at {START_MS} the stages answer one another without end, 50 times"):
        desk.settle()


@pytest.mark.parametrize("keep", [False, True])
def test_what_was_folded_is_let_go_of_unless_it_is_kept(keep: bool) -> None:
    stage = Counting()
    desk = a_desk(stage, keep)
    key = desk.topology.commands("SIM", 0)
    for _ in range(memory_desk.KEPT + 10):
        desk.append(key, {b"frame": b""})
        desk.settle()
    assert len(stage.folded) == memory_desk.KEPT + 10
    assert len(desk.redis.streams[key]) == (memory_desk.KEPT + 10 if keep else 11)


def test_every_log_folded_again_gives_the_same_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch)
    desk = MemoryDesk(settings.topology(), lambda clock: stages_at(settings, clock), START_MS, keep=True)
    topology = desk.topology
    for number in range(60):
        desk.go_to(START_MS + number * 37)
        if number % 3 == 0:
            record = quote(0, 10_000 + number, 10_002 + number).record
            desk.append(topology.commands("SIM", 0), {b"frame": record})
        fields: dict[str, Any] = {"symbol": "AAPL", "side": "BUY", "quantity": 5, "signal_id": f"s{number}"}
        desk.append(topology.signals, {name.encode(): str(value).encode() for name, value in fields.items()})
        desk.settle()
    desk.go_to(START_MS + 60_000)
    assert desk.digests().keys() == {"signals", "orders.0", INBOX, "events.0"}
    for stage in stages_at(settings, lambda: START_MS):
        found = replay(MemoryLog(desk.redis, topology, stage.name, stage.inbox), stage)
        assert found.agrees and found.digest.hex() == desk.digests()[stage.inbox]
        assert found.entries > 20


def test_calendars_are_those_of_the_datas_month(monkeypatch: pytest.MonkeyPatch) -> None:
    assert month_of(START_MS).isoformat() == "2024-08-01"
    settings = settings_with(monkeypatch, state_holdings_every_ms="3600000")  # so that something is due every hour
    zurich = settings.accounts["default"].model_copy(update={"day_zone": "Europe/Zurich"})
    settings = settings.model_copy()
    settings._accounts = dict(settings.accounts) | {"default": zurich}
    desk = MemoryDesk(settings.topology(), lambda clock: stages_at(settings, clock), START_MS, keep=True)
    inbox = desk.redis.streams[desk.topology.orders(0)]

    def offered() -> list[int]:
        return [entry.ms for entry in inbox if b"calendar" in entry.fields]

    assert offered() == [START_MS]
    desk.go_to(START_MS + 10 * 86_400_000)
    desk.settle()
    assert offered() == [START_MS]
    september = 1_725_148_800_000
    desk.go_to(september + 2 * 86_400_000)
    desk.settle()
    assert offered() == [START_MS, september], "a new month of the data, not of the machine"
