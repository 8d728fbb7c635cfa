"""Timers against a naive list: what is due comes in (due, id) order, once, and what is cancelled never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.runtime.timers import FEW, Timer, Timers
from fillstream.libs.common.values.versions import Unreadable


class NaiveTimers:
    """All timers in a list."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def add(self, due_ms: int, id: int, what: str) -> None:
        self.cancel(id, what)
        self.timers.append(Timer(due_ms, id, what))

    def cancel(self, id: int, what: str) -> None:
        self.timers = [timer for timer in self.timers if (timer.id, timer.what) != (id, what)]

    def pop(self, ms: int) -> Timer | None:
        due = sorted(timer for timer in self.timers if timer.due_ms <= ms)
        if not due:
            return None
        self.timers.remove(due[0])
        return due[0]

    @property
    def soonest(self) -> int | None:
        return min((timer.due_ms for timer in self.timers), default=None)


numbers = st.integers(0, 6)
whats = st.sampled_from(["expiry", "quotes"])
steps = st.one_of(
    st.tuples(st.just("add"), numbers, numbers, whats),
    st.tuples(st.just("cancel"), numbers, whats),
    st.tuples(st.just("pop"), numbers),
    st.just(("restart",)),
)


@given(st.lists(steps, max_size=60))
def test_timers_do_what_a_list_does(script: list[tuple[object, ...]]) -> None:
    timers, naive = Timers(), NaiveTimers()
    for name, *args in script:
        if name == "restart":
            timers = Timers.load(timers.dump())
            continue
        assert getattr(timers, str(name))(*args) == getattr(naive, str(name))(*args)
        assert timers.soonest == naive.soonest
        assert len(timers) == len(naive.timers)
        assert timers.dump() == [timer._asdict() for timer in sorted(naive.timers)]


def test_what_is_due_at_once_fires_by_due_time_and_then_by_id() -> None:
    timers = Timers()
    for due_ms, number in ((20, 1), (10, 3), (10, 2), (30, 4), (20, 0)):
        timers.add(due_ms, number, "expiry")
    fired = []
    while timer := timers.pop(20):
        fired.append((timer.due_ms, timer.id))
    assert fired == [(10, 2), (10, 3), (20, 0), (20, 1)]
    assert timers.soonest == 30


def test_what_is_cancelled_does_not_pile_up() -> None:
    timers = Timers()
    timers.add(0, 0, "first")  # it stays at the head, so that nothing behind it comes up
    for number in range(10_000):
        timers.add(1_000 + number, 1, "moved")
        timers.add(5, number, "gone")
        timers.cancel(number, "gone")
    assert len(timers) == 2
    assert len(timers._heap) <= FEW + 1
    timers.cancel(7, "nothing of the kind")
    assert len(timers) == 2


def test_a_timer_with_other_fields_is_not_guessed_at() -> None:
    record = {"due_ms": 5, "id": 1, "what": "expiry"}
    assert Timers.load([record]).soonest == 5
    for wrong in ({"due_ms": 5, "id": 1}, {**record, "who": "x"}):
        with pytest.raises(Unreadable, match="timer"):
            Timers.load([wrong])
