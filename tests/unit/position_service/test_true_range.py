"""The average true range of marks: by hand, and against a naive reckoning over whole bars."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.services.position_service.books.true_range import TrueRange, dump_range, load_range

BAR = 1_000


def fed(marks: list[tuple[int, int]], count: int = 3) -> TrueRange:
    made = TrueRange(BAR, count)
    for ms, mark in marks:
        made.see(ms, mark)
    return made


def test_gaps_between_bars_count_and_the_bar_that_runs_does_not() -> None:
    made = fed([(0, 100), (500, 104), (900, 102), (1_000, 110), (1_500, 108), (2_200, 90), (3_000, 500)])
    assert [*made.ranges] == [4, 8, 18], "104 - 100; 110 - the close 102; the close 108 - 90"
    assert made.mean == Fraction(30, 3)


def test_it_is_unknown_before_there_are_bars_enough_and_a_bar_without_a_mark_is_none() -> None:
    made = fed([(0, 100), (9_000, 101), (20_500, 103)])
    assert ([*made.ranges], made.mean) == ([0, 1], None)
    assert made.see(21_000, 104)
    assert made.mean == Fraction(0 + 1 + 2, 3)
    assert not made.see(21_999, 104)


@given(st.lists(st.tuples(st.integers(0, 2_500), st.integers(-50, 50)), min_size=1, max_size=80), st.integers(2, 5))
def test_against_whole_bars(steps: list[tuple[int, int]], count: int) -> None:
    ms, marks = 0, []
    for step, mark in steps:
        ms += step
        marks.append((ms, mark))
    bars: dict[int, list[int]] = {}
    for at, mark in marks:
        bars.setdefault(at // BAR, []).append(mark)
    whole = [*bars.values()][:-1]
    closes = [each[-1] for each in whole]
    ranges = [
        max([*each, *closes[max(0, number - 1) : number]]) - min([*each, *closes[max(0, number - 1) : number]])
        for number, each in enumerate(whole)
    ]
    made = fed(marks, count)
    assert [*made.ranges] == ranges[-count:]
    assert made.mean == (Fraction(sum(ranges[-count:]), count) if len(ranges) >= count else None)
    twin = load_range(dump_range(made))
    assert dump_range(twin) == dump_range(made)
    assert twin.see(ms + 5_000, 7) == made.see(ms + 5_000, 7)
    assert twin.mean == made.mean


def test_another_grid_and_another_share() -> None:
    made = fed([(0, 100), (1_000, 103), (2_000, 101), (3_000, 106)])
    mean = made.mean
    assert mean is not None
    made.rescale(10)
    assert made.mean == 10 * mean
    made.see(4_000, 1_000)
    assert [*made.ranges] == [30, 20, 50], "from 1010, the close before, to 1060"
    made.forget()
    assert (made.mean, made.see(5_000, 1), [*made.ranges]) == (None, False, [])
    made.see(6_000, 2)
    assert [*made.ranges] == [0], "what was before is no close of it"


@pytest.mark.parametrize("count", [2, 14])
def test_so_many_bars_are_looked_at(count: int) -> None:
    made = fed([(bar * BAR, bar * bar) for bar in range(40)], count)
    assert len(made.ranges) == count
