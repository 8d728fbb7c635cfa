"""Sessions and days in a time zone, by the machine's own data of time zones.

Flows in: weekly hours by hand, a zone, the days that are wanted. Flows out: a `CalendarTable`, a `DayTable`. Knows
nothing of TZ, the zone of the machine; runs outside of every fold.

A time of day that a change of clocks leaves out is what the clock showed before the change; one that comes twice is the
first (PEP 495's fold 0).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fillstream.libs.common.messages.calendar import CalendarTable, DayTable
from fillstream.libs.common.process.settings.weekly import WEEKDAYS, WeeklyCalendar

_DAY = timedelta(days=1)


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ValueError: this machine knows none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise ValueError(f"{name} is no time zone that this machine knows, as Europe/Zurich is one") from None


def midnight_ms(day: date) -> int:
    """Return when a UTC day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def moment_ms(day: date, minutes: int, zone: ZoneInfo) -> int:
    """Return when a clock in a zone shows so many minutes after the midnight of a day; it may be another day's."""
    days, rest = divmod(minutes, 24 * 60)
    local = datetime(day.year, day.month, day.day, rest // 60, rest % 60, tzinfo=zone) + days * _DAY
    return int(local.timestamp()) * 1000


def days_between(first: date, last: date) -> list[date]:
    """Return the days from `first` up to, but not with, `last`."""
    return [first + number * _DAY for number in range((last - first).days)]


def sessions_of(calendar: WeeklyCalendar, first: date, last: date) -> CalendarTable:
    """Return the sessions of a calendar by hand that lie between two UTC midnights.

    Raises:
        ValueError: there is no such time zone, or two sessions overlap.
    """
    zone = zone_of(calendar.zone)
    from_ms, until_ms = midnight_ms(first), midnight_ms(last)
    rows: list[list[Any]] = []
    for day in days_between(first - _DAY, last + _DAY):
        if WEEKDAYS[day.weekday()] not in calendar.weekdays or day in calendar.holidays:
            continue
        closes = calendar.half_days.get(day, calendar.closes)
        over = closes <= calendar.opens  # half days are not
        opens_ms, closes_ms = moment_ms(day, calendar.opens, zone), moment_ms(day + over * _DAY, closes, zone)
        row: list[Any] = [day.isoformat(), opens_ms, closes_ms]
        begins, ends = calendar.pause_from, calendar.pause_until
        if begins is not None and ends is not None and (over or ends < closes):
            row += [moment_ms(day, begins, zone), moment_ms(day, ends, zone)]
        if from_ms <= opens_ms < closes_ms <= until_ms:
            rows.append(row)
    return CalendarTable(zone=calendar.zone, from_ms=from_ms, until_ms=until_ms, sessions=tuple(map(tuple, rows)))


def days_of(name: str, minutes: int, first: date, last: date) -> DayTable:
    """Return when days begin, so many minutes after midnight in a zone, between two UTC midnights.

    Raises:
        ValueError: there is no such time zone.
    """
    zone = zone_of(name)
    from_ms, until_ms = midnight_ms(first), midnight_ms(last)
    found = [moment_ms(day, minutes, zone) for day in days_between(first - _DAY, last + _DAY)]
    return DayTable(until_ms=until_ms, begins=tuple(ms for ms in found if from_ms <= ms <= until_ms))
