"""Counters under `limits`: counted as its own storage does, over when they are, and as few as those that live."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from fillstream.services.gateway.http import counting
from fillstream.services.gateway.http.counting import Counts

STEPS = st.lists(st.tuples(st.sampled_from(("a", "b", "c")), st.integers(1, 3), st.integers(0, 40)), max_size=60)


@given(steps=STEPS)
def test_it_decides_as_the_librarys_own_storage(steps: list[tuple[str, int, int]]) -> None:
    now = 1_800_000_000.0
    own = MemoryStorage()
    own.timer.start = own.timer.is_alive = lambda: True  # type: ignore[method-assign,assignment]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: now)
        ours, theirs = FixedWindowRateLimiter(Counts()), FixedWindowRateLimiter(own)
        item = RateLimitItemPerMinute(5)
        for who, cost, wait_s in steps:
            now += wait_s
            assert ours.hit(item, who, cost=cost) == theirs.hit(item, who, cost=cost)
            told = ours.get_window_stats(item, who)
            assert told == theirs.get_window_stats(item, who)
            assert ours.test(item, who) == theirs.test(item, who)


def test_those_that_are_over_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    monkeypatch.setattr(counting, "LOOK_AT", 10)
    counts: Any = Counts()
    counts._look_at = 10
    for n in range(1_000):
        now += 1
        counts.incr(f"from {n}", 60)
    assert len(counts._counts) <= 2 * 60 + 10
    assert counts.get("from 999") == 1
    assert counts.get("from 0") == 0
    assert counts.get_expiry("from 0") == now
    counts.clear("from 999")
    assert counts.get("from 999") == 0
    assert counts.reset() > 0
    assert counts.get("from 998") == 0


def test_no_thread_is_started() -> None:
    before = threading.active_count()
    limiter = FixedWindowRateLimiter(Counts())
    for _ in range(100):
        limiter.hit(RateLimitItemPerMinute(5), "a")
    assert threading.active_count() == before
