"""When markets are open, as Alpaca's clock and calendar say it.

Flows in: the sessions of a calendar. Flows out: objects of JSON. Never guesses a session: a desk without calendars
trades always, and each UTC day is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fillstream.libs.common.messages.reference import DAY_MS
from fillstream.services.gateway.alpaca.words import moment

Sessions = Iterable[tuple[str, int, int]]
"""Name, begin and end (ms since 1970), the earliest first."""
MOST_DAYS: Final = 800
"""In an answer."""


def always(first: date, last: date) -> list[tuple[str, int, int]]:
    """Return a session for every UTC day."""
    days = range(min((last - first).days + 1, MOST_DAYS))
    midnight = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * 1_000
    return [("day", midnight + day * DAY_MS, midnight + (day + 1) * DAY_MS) for day in days]


def clock_json(sessions: Sessions, now_ms: int) -> dict[str, Any]:
    """Return whether the market is open, and when it is next opened and closed.

    Where no later session is known, a day from now is said.
    """
    ahead = [(begins, ends) for _, begins, ends in sessions if ends > now_ms]
    is_open = bool(ahead) and ahead[0][0] <= now_ms
    opens = next((begins for begins, _ in ahead if begins > now_ms), now_ms + DAY_MS)
    closes = ahead[0][1] if ahead else opens + DAY_MS
    return {
        "timestamp": moment(now_ms),
        "is_open": is_open,
        "next_open": moment(opens),
        "next_close": moment(closes),
    }


def calendar_json(sessions: Sessions, zone: str, first: date, last: date) -> list[dict[str, Any]]:
    """Return the days on which there are sessions: when the first begins and the last ends, by the calendar's clock.

    A session that ends at midnight is said to end at 23:59: Alpaca's clients read no 24:00.
    """
    place = ZoneInfo(zone)
    days: dict[date, tuple[datetime, datetime]] = {}
    for _, begins, ends in sessions:
        opens = datetime.fromtimestamp(begins / 1_000, place)
        closes = datetime.fromtimestamp(ends / 1_000, place)
        day = opens.date()
        if not first <= day <= last:
            continue
        if closes.date() > day:
            closes = datetime(day.year, day.month, day.day, 23, 59, tzinfo=place)
        was = days.get(day)
        days[day] = (opens, closes) if was is None else (min(was[0], opens), max(was[1], closes))
    return [
        {
            "date": day.isoformat(),
            "open": f"{opens:%H:%M}",
            "close": f"{closes:%H:%M}",
            "session_open": f"{opens:%H%M}",
            "session_close": f"{closes:%H%M}",
            "settlement_date": (day + timedelta(days=1) if day < date.max else day).isoformat(),
        }
        for day, (opens, closes) in sorted(days.items())
    ]
