"""Times as people write them, to milliseconds since 1970, UTC.

Flows in: ISO 8601 text with its zone. Flows out: an int, or None. Never looks at a clock, and needs no library that has
one: a fold may use it.
"""

from __future__ import annotations

import re

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
FORM = "2026-11-28T21:00:00Z"
"""How such a time is written, for sentences."""


def milliseconds(text: str) -> int | None:
    """Return the time that `text` writes, finer digits cut off; None unless it is one that there is, with a zone."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = found.groups()[6:]
    offset = int(zone_hours or 0) * 60 + int(zone_minutes or 0)
    if not (1 <= month <= 12 and 1 <= day <= _days_in(year, month) and hour < 24 and minute < 60 and second < 60):
        return None
    if offset > 24 * 60 or int(zone_minutes or 0) >= 60:
        return None
    minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - (-offset if sign == "-" else offset)
    ms = (minutes * 60 + second) * 1000 + int((fraction or "").ljust(3, "0")[:3])
    return ms if 0 <= ms <= LAST_MS else None


def text_of(ms: int) -> str:
    """Return a time as people write it, UTC, to the second where it is a whole one."""
    days, rest = divmod(ms, 86_400_000)
    # The other way round, see below: years begin with March.
    days += 719_468
    era, of_era = divmod(days, 146_097)
    of_years = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_years + of_years // 4 - of_years // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    year, month = (era * 400 + of_years + (month >= 10), month + 3 if month < 10 else month - 9)
    seconds, fraction = divmod(rest, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{year:04}-{month:02}-{day:02}T{clock}{f'.{fraction:03}' if fraction else ''}Z"


def days_since_1970(year: int, month: int, day: int) -> int:
    """Return the day's number in the Gregorian calendar, 1970-01-01 being 0."""
    # Counted from March on, a leap day is the last of its year, and months' lengths are a straight line's.
    year, month = (year - 1, month + 9) if month < 3 else (year, month - 3)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1 - 719_468


def _days_in(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
