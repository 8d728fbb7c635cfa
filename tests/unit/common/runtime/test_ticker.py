"""Ticks, by a clock that the test moves: regular ones, one when something is due, and no more than are needed."""

from __future__ import annotations

import pytest

from fillstream.libs.common.runtime.server_clock import ServerClock
from fillstream.libs.common.runtime.ticker import IDLE_MS, TICK, Ticker
from tests.support.adder import Adder


class Timed(Adder):
    """An adder with something due."""

    def __init__(self, due_ms: int | None = None, tick_ms: int | None = None) -> None:
        super().__init__()
        self.due_ms = due_ms
        self.tick_ms = tick_ms  # type: ignore[assignment,misc]


class Wall:
    """The server: its clock, and the ids of what is appended. `behind_ms` is what the worker's estimate is ahead by."""

    def __init__(self, ms: int = 1_000, behind_ms: int = 0) -> None:
        self.ms = ms
        self.estimated_ahead_ms = behind_ms
        self.looks = 0
        self.ids: list[str] = []

    def append(self, fields: dict[bytes, bytes]) -> str:
        assert fields == TICK
        self.ids.append(f"{self.ms}-{len(self.ids)}")
        return self.ids[-1]

    def look(self) -> None:
        self.looks += 1
        self.estimated_ahead_ms = 0

    def until_ms(self, due_ms: int) -> int:
        return max(0, due_ms - self.ms - self.estimated_ahead_ms)


def ticker(stage: Adder, wall: Wall) -> Ticker:
    return Ticker(stage, wall.append, wall, lambda: wall.ms / 1000)


def test_a_stage_without_time_gets_none() -> None:
    wall = Wall()
    assert ticker(Adder(), wall).tick("0-0") == IDLE_MS
    assert wall.ids == []


def test_the_regular_tick_comes_as_often_as_the_stage_wants() -> None:
    wall = Wall()
    made = ticker(Timed(tick_ms=400), wall)
    assert made.tick("0-0") == 400
    wall.ms += 150
    assert made.tick(wall.ids[-1]) == 250
    assert len(wall.ids) == 1
    wall.ms += 250
    assert made.tick(wall.ids[-1]) == 400
    assert len(wall.ids) == 2


def test_a_tick_comes_at_the_very_millisecond_and_no_second_one_while_it_is_on_its_way() -> None:
    wall, stage = Wall(), Timed(due_ms=1_030)
    made = ticker(stage, wall)
    assert made.tick("0-0") == 30
    wall.ms = 1_029
    assert made.tick("0-0") == 1
    assert wall.ids == []
    wall.ms = 1_030
    assert made.tick("0-0") == IDLE_MS
    wall.ms = 1_500
    for _ in range(5):  # a backlog lies before it
        assert made.tick("1020-0") == IDLE_MS
    assert wall.ids == ["1030-0"]


def test_what_is_due_later_than_the_tick_on_its_way_gets_its_own() -> None:
    wall, stage = Wall(), Timed(due_ms=1_000)
    made = ticker(stage, wall)
    made.tick("0-0")
    stage.due_ms = 1_010
    assert made.tick("0-0") == 10
    wall.ms = 1_010
    made.tick("0-0")
    assert wall.ids == ["1000-0", "1010-1"]


def test_an_early_tick_is_repeated_once_the_time_has_come_and_not_before() -> None:
    wall, stage = Wall(ms=1_000, behind_ms=30), Timed(due_ms=1_030)
    made = ticker(stage, wall)
    assert made.tick("0-0") == 30, "the clock was asked again"
    assert (wall.ids, wall.looks) == (["1000-0"], 1)
    for wall.ms in range(1_001, 1_030):
        assert made.tick("1000-0") == 1_030 - wall.ms
    assert wall.ids == ["1000-0"]
    wall.ms = 1_030
    made.tick("1000-0")
    assert wall.ids == ["1000-0", "1030-1"]


def test_what_an_entry_left_undone_gets_the_next_tick_at_once() -> None:
    wall, stage = Wall(), Timed(due_ms=900)
    made = ticker(stage, wall)
    made.tick("950-0")
    made.tick("950-0")
    assert wall.ids == ["1000-0"], "it has not been read yet"
    made.tick("1000-0")
    assert wall.ids == ["1000-0", "1000-1"]


def test_ids_ahead_of_the_clock_count_as_time() -> None:
    """The server's clock was set back: ids go on from the last one, and what is due by them is due."""
    wall, stage = Wall(ms=1_000), Timed(due_ms=5_000)
    made = ticker(stage, wall)
    assert made.tick("4999-0") == IDLE_MS
    assert wall.ids == []
    made.tick("5000-0")
    assert len(wall.ids) == 1


@pytest.mark.parametrize("delay_us", [0, 1, 700, 12_345])
@pytest.mark.parametrize("answered_after_us", [0, 1, 700])
def test_the_estimate_is_never_ahead_of_the_server_and_hardly_behind(delay_us: int, answered_after_us: int) -> None:
    now_us, boot_us = 1_700_000_000_000_000, 123_456_789

    def ask() -> tuple[int, int]:
        nonlocal now_us
        now_us += answered_after_us
        said = divmod(now_us, 1_000_000)
        now_us += delay_us
        return said

    clock = ServerClock(ask, lambda: (now_us - boot_us) / 1_000_000)
    for _ in range(1_000):
        now_us += 997
        assert now_us - delay_us - 3 <= clock.now_us <= now_us
        due_ms = (now_us + 5_000) // 1000
        wait_ms = clock.until_ms(due_ms)
        assert due_ms * 1000 - clock.now_us <= wait_ms * 1000 < due_ms * 1000 - clock.now_us + 1000
    assert clock.until_ms(0) == 0
