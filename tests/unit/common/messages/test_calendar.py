"""When an instrument trades, by a table: every look-up against one that goes through the sessions one by one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from fillstream.libs.common.messages.calendar import (
    MOST_BYTES,
    Calendars,
    CalendarTable,
    Call,
    DayTable,
    Hours,
    Turn,
)
from fillstream.libs.common.values.moments import LAST_MS, milliseconds, text_of

END = 1_000


@st.composite
def tables(draw: DrawFn) -> CalendarTable:
    """Return sessions of a few milliseconds, some that touch, some with a break."""
    at, rows = draw(st.integers(0, 30)), []
    first = draw(st.integers(0, at))
    for number in range(draw(st.integers(0, 8))):
        opens = at + draw(st.integers(0, 20))
        closes = opens + draw(st.integers(3, 40))
        pause = sorted(draw(st.sets(st.integers(opens + 1, closes - 1), min_size=2, max_size=2)))
        rows.append((f"day {number}", opens, closes, *(pause if draw(st.booleans()) else ())))
        at = closes
    return CalendarTable(zone="UTC", from_ms=first, until_ms=at + draw(st.integers(0, 20)), sessions=tuple(rows))


def naive_session(table: CalendarTable, calls: tuple[int, int], ms: int) -> str:
    """Return what a session is at a millisecond, by going through all of them."""
    before = table.from_ms
    for _, opens, closes, *pause in table.sessions:
        begins, ends = pause or (opens, opens)
        if max(before, opens - calls[0]) <= ms < opens:
            return "AUCTION"
        if begins <= ms < ends:
            return "HALTED"
        if opens <= ms < closes:
            resumes = ends if begins < ends else opens
            return "AUCTION" if ms >= max(closes - calls[1], resumes) else "CONTINUOUS"
        before = closes
    return "HALTED"


@given(tables(), st.tuples(st.integers(0, 25), st.integers(0, 25)), st.integers(0, 400))
def test_a_session_is_what_a_look_at_each_of_them_finds(table: CalendarTable, calls: tuple[int, int], ms: int) -> None:
    hours = Hours(table, *calls)
    assert hours.session(ms) == naive_session(table, calls, ms)


@given(tables(), st.tuples(st.integers(0, 25), st.integers(0, 25)), st.integers(0, 400), st.booleans())
def test_look_ups_find_the_first_that_there_is(
    table: CalendarTable, calls: tuple[int, int], ms: int, rests: bool
) -> None:
    hours = Hours(table, *calls)
    known = table.from_ms <= ms < table.until_ms
    assert hours.knows(ms) == known
    assert hours.session_end(ms) == next((row[2] for row in table.sessions if known and row[2] > ms), None)
    opening, closing = hours.opening(ms), hours.closing(ms)
    assert (opening and opening.trades_ms) == next((row[1] for row in table.sessions if known and row[1] > ms), None)
    for found, call in ((opening, calls[0]), (closing, calls[1])):
        assert found is None or found.trades_ms - call <= found.call_ms <= found.trades_ms
    start = hours.next_start(ms)
    assert start is None or start.call_ms > ms
    takes = hours.takes_from(ms, rests)
    allowed = ("CONTINUOUS", "AUCTION") if rests else ("CONTINUOUS",)
    later = (at for at in range(ms, END) if at < table.until_ms and hours.session(at) in allowed)
    assert takes == (next(later, None) if known else None)


@given(tables())
def test_turns_are_in_order_and_tell_every_change(table: CalendarTable) -> None:
    hours = Hours(table, 3, 2)
    assert [turn.ms for turn in hours.turns] == sorted(turn.ms for turn in hours.turns)
    assert [*hours.turns_after(-1)] == hours.turns
    for turn in hours.turns:
        assert turn.ms > table.from_ms or turn.ms == table.from_ms
        assert hours.next_turn(turn.ms - 1) == turn.ms


def test_a_day_with_a_break_and_auctions() -> None:
    table = CalendarTable(zone="UTC", from_ms=0, until_ms=1000, sessions=(("d", 100, 200, 140, 150),))
    assert Hours(table, 20, 10).turns == [
        Turn(80, "AUCTION"), Turn(100, "CONTINUOUS"), Turn(140, "HALTED", True), Turn(150, "CONTINUOUS"),
        Turn(190, "AUCTION"), Turn(200, "HALTED", True),
    ]  # fmt: skip
    assert Hours(table).opening(5) == Call(100, 100)


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        ([["d", 100, 100]], "'d' must lie behind"), ([["d", 100, 2000]], "'d' must lie behind"),
        ([["d", 100, 200], ["e", 150, 300]], "'e' must lie behind"),
        ([["d", 100, 200, 90, 150]], "its break within it"),
        ([["d", 100]], "must be a date, and 2 or 4 times"), ([["d", 100, "200"]], "must be a date, and 2 or 4 times"),
        ([["d", 100, True]], "must be a date"), ([[1, 100, 200]], "must be a date"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_in_a_sentence(sessions: list[Any], words: str) -> None:
    text = {"v": 1, "calendars": {"X": {"zone": "UTC", "from_ms": 0, "until_ms": 1000, "sessions": sessions}}}
    with pytest.raises(ValueError, match=words):
        Calendars.from_json(orjson.dumps(text))


def test_a_table_beyond_all_calendars_there_are_is_refused_unread() -> None:
    with pytest.raises(ValueError, match=f"has {MOST_BYTES + 1} bytes, at most {MOST_BYTES} are taken"):
        Calendars.from_json(b"[" * (MOST_BYTES + 1))


@given(tables())
def test_equal_tables_are_equal_bytes_and_come_back(table: CalendarTable) -> None:
    calendars = Calendars(calendars={"X": table}, days={"UTC 0": DayTable(until_ms=9, begins=(3, 9))})
    assert Calendars.from_json(calendars.to_json()) == calendars
    assert Calendars.from_json(calendars.to_json()).to_json() == calendars.to_json()


def test_days_begin_one_after_the_other_and_end_unknown() -> None:
    days = DayTable(until_ms=9, begins=(3, 9))
    assert [days.next(ms) for ms in (2, 3, 8, 9)] == [3, 9, 9, None]


@given(st.integers(0, LAST_MS))
def test_a_time_is_written_as_it_is_read(ms: int) -> None:
    assert milliseconds(text_of(ms)) == ms
