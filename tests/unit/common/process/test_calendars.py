"""Calendars compiled: by hand, by the library, over changes of clocks, on machines of any time zone."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fillstream.libs.common.messages.calendar import Calendars, CalendarTable, Hours, InstrumentHours
from fillstream.libs.common.process.calendars.library import Unavailable, tables
from fillstream.libs.common.process.calendars.source import (
    Source,
    for_engine,
    for_orders,
    window,
)
from fillstream.libs.common.process.calendars.weekly import days_of, sessions_of
from fillstream.libs.common.process.settings import Settings, SettingsError, load_settings
from fillstream.libs.common.process.settings.weekly import WeeklyCalendar
from fillstream.libs.common.values.moments import milliseconds
from tests.support.tree import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, about what the library does
TODAY = date(2026, 11, 28)
FIRST, LAST = window(TODAY)
XNYS = {
    "zone": "America/New_York",
    "opens": "09:30",
    "closes": "16:00",
    "holidays": ["2026-11-26"],
    "half_days": {"2026-11-27": "13:00"},
}


def ms(text: str) -> int:
    found = milliseconds(text)
    assert found is not None
    return found


def by_hand(**fields: Any) -> CalendarTable:
    return sessions_of(WeeklyCalendar.model_validate({**XNYS, **fields}), FIRST, LAST)


def by_library(*names: str) -> dict[str, CalendarTable]:
    return {name: CalendarTable.model_validate(each) for name, each in tables([*names], FIRST, LAST).items()}


def settings(folder: Path, calendars: str = "", instruments: str = "", accounts: str = "") -> Settings:
    folder.joinpath("local.yaml").write_text(ROOT.joinpath("config/local.yaml").read_text() + calendars)
    for name, more in (("instruments", instruments), ("accounts", accounts)):
        folder.joinpath(f"{name}.yaml").write_text(ROOT.joinpath(f"config/{name}.yaml").read_text() + more)
    return load_settings(folder / "local.yaml")


def test_a_table_is_of_the_month_before_and_a_year_and_more() -> None:
    assert window(TODAY) == (date(2026, 10, 1), date(2027, 12, 6))
    assert window(date(2026, 11, 1)) == window(TODAY), "a restart within the month offers nothing new"


def test_sessions_by_hand_know_changes_of_clocks_holidays_and_half_days() -> None:
    rows = {row[0]: row[1:] for row in by_hand().sessions}
    assert rows["2026-10-30"] == (ms("2026-10-30T13:30:00Z"), ms("2026-10-30T20:00:00Z"))
    assert rows["2026-11-02"] == (ms("2026-11-02T14:30:00Z"), ms("2026-11-02T21:00:00Z")), "winter time"
    assert rows["2026-11-27"][1] == ms("2026-11-27T18:00:00Z"), "a half day"
    assert "2026-11-26" not in rows and "2026-11-28" not in rows


def test_a_session_may_end_on_the_next_day_and_have_a_break() -> None:
    table = by_hand(zone="UTC", opens="18:00", closes="17:00", pause_from="20:00", pause_until="20:30", half_days={})
    assert table.sessions[0] == (
        "2026-10-01", ms("2026-10-01T18:00:00Z"), ms("2026-10-02T17:00:00Z"),
        ms("2026-10-01T20:00:00Z"), ms("2026-10-01T20:30:00Z"),
    )  # fmt: skip


def test_the_library_and_the_calendar_by_hand_agree_where_nothing_is_special() -> None:
    library = by_library("XNYS")["XNYS"]
    hand = {row[0]: row for row in by_hand().sessions}
    assert len(library.sessions) > 280
    differ = [row for row in library.sessions if hand.get(row[0]) != row]
    assert {row[0] for row in differ} <= {"2026-12-24", "2027-11-26"}, "half days that the one by hand does not have"


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XHKG", "XTKS", "CMES"])
def test_a_session_is_the_librarys_at_every_hour(name: str) -> None:
    import exchange_calendars
    import pandas

    table = by_library(name)[name]
    theirs = exchange_calendars.get_calendar(name, start="2026-10-01", end="2027-12-05", side="left")
    hours = Hours(table)
    for minute in range(table.sessions[0][1] // 60_000, table.sessions[-1][2] // 60_000, 97):
        at = pandas.Timestamp(minute * 60, unit="s", tz="UTC")
        assert (hours.session(minute * 60_000) == "CONTINUOUS") == theirs.is_open_on_minute(at), at


def test_where_the_library_knows_less_the_table_says_so() -> None:
    import exchange_calendars

    last = type(exchange_calendars.get_calendar("XBOM")).bound_max().date()
    table = tables(["XBOM"], last - timedelta(60), last + timedelta(300))["XBOM"]
    assert table["until_ms"] == ms(f"{last + timedelta(1)}T00:00:00Z")
    assert table["sessions"][-1][2] > table["until_ms"] - 10 * 86_400_000


def test_a_calendar_that_is_none_is_told() -> None:
    with pytest.raises(Unavailable, match="'NOPE' is neither in calendars nor known"):
        tables(["NOPE"], FIRST, LAST)


def test_without_the_library_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(Unavailable, match=r"pip install 'fillstream\[calendars\]', or write it down under calendars"):
        tables(["XNYS"], FIRST, LAST)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC"])
def test_the_time_zone_of_the_machine_changes_nothing(zone: str) -> None:
    """Case H01: what depends on TZ is another answer on every host."""
    program = (
        "from datetime import date; from tests.unit.common.process.test_calendars import by_hand, by_library, days_of;"
        "days = days_of('Europe/Zurich', 0, date(2026, 10, 1), date(2027, 1, 1));"
        "print(hash((by_hand(), by_library('XNYS')['XNYS'], days)))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "TZ": each, "PYTHONHASHSEED": "0"}, cwd=ROOT, text=True,
            capture_output=True, check=True,
        ).stdout
        for each in (zone, "Europe/Zurich")
    ]  # fmt: skip
    assert told[0] == told[1] and told[0].strip()


def test_days_are_of_23_and_25_hours_where_clocks_change() -> None:
    days = days_of("Europe/Zurich", 0, date(2026, 10, 1), date(2027, 4, 1))
    lengths = {
        datetime.fromtimestamp(begin / 1000, ZoneInfo("Europe/Zurich")).date(): (end - begin) // 3_600_000
        for begin, end in zip(days.begins, days.begins[1:], strict=False)
    }
    assert {day: hours for day, hours in lengths.items() if hours != 24} == {
        date(2026, 10, 25): 25, date(2027, 3, 28): 23,
    }  # fmt: skip
    assert days_of("UTC", 60, date(2026, 10, 1), date(2026, 10, 3)).begins == (
        ms("2026-10-01T01:00:00Z"), ms("2026-10-02T01:00:00Z"),
    )  # fmt: skip


def test_settings_become_what_each_stage_is_told(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "calendars:\n  DESK: {zone: UTC, opens: '09:00', closes: '17:00'}\n",
        "TIMED: {id: 901, tick_size: 0.01, lot_size: 1, calendar: DESK, open_auction_ms: 60000}\n",
        "zoned: {id: 901, day_zone: Europe/Zurich, day_begins_minutes: 1020}\n",
    )
    orders = for_orders(found, TODAY)
    assert [*orders.calendars] == ["DESK"] and [*orders.days] == ["Europe/Zurich 1020"] and not orders.instruments
    engine = for_engine(found, TODAY, 0)
    assert engine.instruments == {"901": InstrumentHours(calendar="DESK", open_auction_ms=60_000)} and not engine.days
    assert engine.calendars == orders.calendars


def test_exchanges_are_compiled_by_a_program_that_ends(tmp_path: Path) -> None:
    found = settings(tmp_path, "", "TIMED: {id: 901, tick_size: 0.01, lot_size: 1, calendar: XNYS}\n")
    assert for_orders(found, TODAY).calendars == by_library("XNYS")


def test_without_calendars_nothing_is_compiled(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert for_orders(found, TODAY).is_empty and for_engine(found, TODAY, 0).is_empty


def test_what_cannot_be_compiled_is_said_before_anything_is_done(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "calendars:\n  DESK: {zone: Middle/Earth, opens: '09:00', closes: '17:00'}\n",
        "TIMED: {id: 901, tick_size: 0.01, lot_size: 1, calendar: DESK}\n"
        "OTHER: {id: 902, tick_size: 0.01, lot_size: 1, calendar: NOPE}\n",
        "zoned: {id: 901, day_zone: Nowhere}\n",
    )
    with pytest.raises(SettingsError) as refused:
        for_orders(found, TODAY)
    assert len(refused.value.problems) == 2
    assert refused.value.problems[0].startswith("calendars.DESK: Middle/Earth is no time zone")
    assert "'NOPE' is neither in calendars nor known" in refused.value.problems[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{zone: UTC, opens: '25:00', closes: '17:00'}", "opens: '25:00' must be a time of day"),
        ("{zone: UTC, opens: '09:00', closes: '17:00', weekdays: [monday]}", "weekdays"),
        ("{zone: UTC, opens: '09:00', closes: '17:00', weekdays: []}", "weekdays"),
        ("{zone: UTC, opens: '09:00', closes: '17:00', holidays: [tomorrow]}", "must be a date, YYYY-MM-DD"),
        ("{zone: UTC, opens: '09:00', closes: '17:00', pause_from: '12:00'}", "come together"),
        ("{zone: UTC, opens: '09:00', closes: '17:00', pause_from: '08:00', pause_until: '08:30'}", "must lie within"),
        ("{zone: UTC, opens: '09:00', closes: '17:00', half_days: {2026-12-24: '08:00'}}", "must close after it opens"),
    ],
)
def test_a_calendar_by_hand_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        settings(tmp_path, f"calendars:\n  DESK: {text}\n")


def test_a_process_that_runs_on_compiles_anew_with_the_month_and_waits_for_nobody() -> None:
    made: list[date] = []
    now = [TODAY]

    def make(day: date) -> Calendars:
        made.append(day)
        if len(made) == 3:
            raise ValueError("no disk")
        return Calendars(days={str(day): days_of("UTC", 0, day, day)})

    source = Source(make, lambda: now[0])
    first = source()
    assert source() is first and made == [date(2026, 11, 1)]
    now[0] = date(2026, 12, 3)
    source()
    assert source._maker is not None
    source._maker.join()
    second = source()
    assert second != first and made == [date(2026, 11, 1), date(2026, 12, 1)]
    now[0] = date(2027, 1, 1)
    assert source() == second
    source._maker.join()
    assert len(made) == 3 and source() == second, "what cannot be compiled leaves what there is"
    source._maker.join()
    assert source() != second and made[-1] == date(2027, 1, 1), "and is tried again"


def test_the_first_days_of_utc_are_midnights() -> None:
    assert datetime.fromtimestamp(by_hand().from_ms / 1000, UTC) == datetime(2026, 10, 1, tzinfo=UTC)
