"""The calendars of a desk, compiled: what its stages offer to their inboxes.

Flows in: settings, and the machine's date. Flows out: `Calendars` from the month before this one to `DAYS` after this
one began. So a restart within a month offers nothing new, and a process that runs on compiles anew once a month, in a
thread of its own: nobody waits for it, and the fold least of all.

Calendars by hand (`calendars`) are made here; exchanges' by a program that ends, see `library`.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

import orjson

from fillstream.libs.common.messages.calendar import (
    NO_CALENDARS,
    Calendars,
    CalendarTable,
    DayTable,
    InstrumentHours,
    day_key,
)
from fillstream.libs.common.process.calendars.weekly import days_of, sessions_of
from fillstream.libs.common.process.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

DAYS = 400
"""So many days a table has from the first of this month on."""
LIBRARY = "fillstream.libs.common.process.calendars.library"
LIBRARY_TIMEOUT_S = 60


def today() -> date:
    """Return the UTC day."""
    return datetime.now(UTC).date()


def window(day: date) -> tuple[date, date]:
    """Return from which day up to which a table that is compiled today has sessions."""
    first = day.replace(day=1)
    return (first - timedelta(days=1)).replace(day=1), first + timedelta(days=DAYS)


def compiled(settings: Settings, day: date, names: set[str]) -> Mapping[str, CalendarTable]:
    """Return the tables of calendars.

    Raises:
        SettingsError: there is no such calendar, or no such time zone.
    """
    first, last = window(day)
    found, problems = {}, []
    for name in sorted(names & settings.calendars.keys()):
        try:
            found[name] = sessions_of(settings.calendars[name], first, last)
        except ValueError as error:  # of pydantic, too: its sentence is about the table
            problems.append(f"calendars.{name}: {error}")
    if foreign := sorted(names - settings.calendars.keys()):
        try:
            found |= _by_library(foreign, first, last)
        except ValueError as error:
            problems.append(f"instruments: calendar: {error}")
    if problems:
        raise SettingsError(problems)
    return found


def _by_library(names: list[str], first: date, last: date) -> dict[str, CalendarTable]:
    command = [sys.executable, "-P", "-m", LIBRARY, first.isoformat(), last.isoformat(), *names]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LIBRARY_TIMEOUT_S, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        raise ValueError(f"{', '.join(names)} took more than {LIBRARY_TIMEOUT_S} s to make") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(said[-1] if said else f"the program that makes it ended with {done.returncode}")
    return {name: CalendarTable.model_validate(table) for name, table in orjson.loads(done.stdout).items()}


def days(settings: Settings, day: date) -> dict[str, DayTable]:
    """Return when the days of accounts begin whose day is not UTC's.

    Raises:
        SettingsError: there is no such time zone.
    """
    first, last = window(day)
    found, problems = {}, []
    for name, account in settings.accounts.items():
        if account.day_zone is None:
            continue
        key = day_key(account.day_zone, account.day_begins_minutes)
        try:
            if key not in found:
                found[key] = days_of(account.day_zone, account.day_begins_minutes, first, last)
        except ValueError as error:
            problems.append(f"accounts.{name}.day_zone: {error}")
    if problems:
        raise SettingsError(problems)
    return found


def hours_by_number(settings: Settings, symbols: Callable[[str], bool]) -> dict[str, InstrumentHours]:
    """Return which calendar those instruments have that are meant, by their numbers."""
    return {
        str(each.id): InstrumentHours(
            calendar=each.calendar, open_auction_ms=each.open_auction_ms, close_auction_ms=each.close_auction_ms
        )
        for symbol, each in settings.instruments.items()
        if each.calendar is not None and symbols(symbol)
    }


def for_orders(settings: Settings, day: date) -> Calendars:
    """Return what an orders stage is told.

    Raises:
        SettingsError: see `compiled` and `days`.
    """
    names = {each.calendar for each in settings.instruments.values() if each.calendar is not None}
    return Calendars(calendars=dict(compiled(settings, day, names)), days=days(settings, day))


def for_engine(settings: Settings, day: date, partition: int) -> Calendars:
    """Return what an engine of a symbol partition is told.

    Raises:
        SettingsError: see `compiled`.
    """
    topology = settings.topology()
    hours = hours_by_number(settings, lambda symbol: topology.symbol_partition(symbol) == partition)
    names = {each.calendar for each in hours.values()}
    return Calendars(calendars=dict(compiled(settings, day, names)), instruments=hours)


class Source:
    """The newest calendars of a process.

    Args:
        make: compiles them for a day.
        clock: says which day it is.
    """

    def __init__(self, make: Callable[[date], Calendars], clock: Callable[[], date] = today) -> None:
        self._make = make
        self._clock = clock
        self._made: tuple[date, Calendars] | None = None
        self._maker: threading.Thread | None = None

    def __call__(self) -> Calendars:
        """Return them, at once but for the first time.

        Raises:
            SettingsError: they cannot be compiled, the first time. Later this is logged: the former ones go on, and
                the metric calendar_ends_timestamp_seconds says for how long.
        """
        month = self._clock().replace(day=1)
        made = self._made
        if made is None:
            made = self._made = (month, self._make(month))
        elif made[0] != month and (self._maker is None or not self._maker.is_alive()):
            self._maker = threading.Thread(target=self._remake, args=(month,), name="calendars", daemon=True)
            self._maker.start()
        return made[1]

    def _remake(self, month: date) -> None:
        try:
            self._made = (month, self._make(month))
        except Exception as error:
            logger.error("calendars cannot be compiled anew, the former ones go on: %s", error)


NONE = Source(lambda _: NO_CALENDARS)
"""Of a desk without calendars."""
