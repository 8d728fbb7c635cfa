"""Exchanges' sessions by the library `exchange_calendars`, as JSON: a program of its own.

Flows in: names of calendars (a MIC, XNYS) and the days that are wanted. Flows out, on stdout: `CalendarTable`s by name.
Runs as a process that ends, because the library brings pandas: some 100 MB of memory that no stage needs again.

    python -m fillstream.libs.common.process.calendars.library 2026-10-01 2027-12-05 XNYS XLON

Exit codes: 0 done; 78 a sentence on stderr says what is wrong.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from typing import Any

import orjson

from fillstream.libs.common.runtime.exit_codes import EXIT_SETTINGS
from fillstream.libs.common.values.naming import shorten

PACKAGE = "exchange_calendars"
EXTRA = "fillstream[calendars]"
_DAY = timedelta(days=1)
_DAY_MS = 86_400_000


class Unavailable(Exception):
    """What was asked for is not to be had; the text says why."""


def tables(names: list[str], first: date, last: date) -> dict[str, dict[str, Any]]:
    """Return the table of each calendar for the UTC days from `first` up to, but not with, `last`.

    Where the library knows less, the table is as much shorter, and says so.

    Raises:
        Unavailable: the library is not installed, or has no such calendar.
    """
    try:
        import exchange_calendars  # noqa: PLC0415 - the one place that needs it, and its absence has a sentence
    except ImportError:
        raise Unavailable(
            f"{', '.join(names)} is an exchange's calendar, of the package {PACKAGE}, which is not installed: "
            f"pip install '{EXTRA}', or write it down under calendars"
        ) from None
    known = exchange_calendars.get_calendar_names()
    for name in names:
        if name not in known:
            raise Unavailable(f"{shorten(name)} is neither in calendars nor known to {PACKAGE}: they go by MIC")
    return {name: _table(exchange_calendars, name, first, last) for name in names}


def _table(library: Any, name: str, first: date, last: date) -> dict[str, Any]:
    try:
        calendar, ends = _calendar(library, name, first, last)
    except (ValueError, NotImplementedError, library.errors.CalendarError) as error:
        raise Unavailable(f"{name}: {PACKAGE} cannot make it: {error}") from None
    from_ms, until_ms = _midnight(first), _midnight(ends)
    rows = []
    for session, row in calendar.schedule.iterrows():
        opens, closes = _ms(row["open"]), _ms(row["close"])
        if opens < from_ms or closes > until_ms:
            continue
        pause = [] if row.isna()["break_start"] else [_ms(row["break_start"]), _ms(row["break_end"])]
        rows.append([session.date().isoformat(), opens, closes, *pause])
    return {"zone": str(calendar.tz), "from_ms": from_ms, "until_ms": until_ms, "sessions": rows}


def _calendar(library: Any, name: str, first: date, last: date) -> tuple[Any, date]:
    """Return a calendar, and the day up to which it is known: of some exchanges holidays are told a year at a time."""
    try:
        return library.get_calendar(name, start=first.isoformat(), end=(last - _DAY).isoformat()), last
    except ValueError:
        kind = type(library.get_calendar(name))  # as the library makes it by itself, it fits
        latest = kind.bound_max()
        if latest is None or latest.date() >= last:
            raise
        return library.get_calendar(name, start=first.isoformat(), end=latest.date().isoformat()), latest.date() + _DAY


def _ms(moment: Any) -> int:
    return int(moment.timestamp()) * 1000


def _midnight(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_MS


def main() -> None:
    """See the module."""
    first, last, *names = sys.argv[1:]
    try:
        found = tables(names, date.fromisoformat(first), date.fromisoformat(last))
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_SETTINGS)
    sys.stdout.buffer.write(orjson.dumps(found))


if __name__ == "__main__":
    main()
