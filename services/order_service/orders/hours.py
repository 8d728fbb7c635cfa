"""When instruments trade and when accounts' days begin, by the calendars that came through the inbox.

Flows in: `Calendars`, terms of instruments and accounts. Flows out: hours, shared by all that trade alike, and
milliseconds. Never guesses what a table does not say, never looks at a clock or a time zone.
"""

from __future__ import annotations

from fillstream.libs.common.messages.calendar import NO_CALENDARS, Hours, InstrumentHours, day_key, hours_of
from fillstream.libs.common.messages.reference import AccountTerms, InstrumentTerms
from fillstream.libs.common.values.moments import LAST_MS


class Timetable:
    """What the calendars that came last say.

    Attributes:
        calendars: that came last.
    """

    __slots__ = ("_hours", "calendars")

    def __init__(self) -> None:
        self.calendars = NO_CALENDARS
        self._hours: dict[InstrumentHours, Hours | None] = {}

    def forget(self) -> None:
        """Make hours anew: the calendars are others."""
        self._hours.clear()

    def hours(self, instrument: InstrumentTerms) -> Hours | None:
        """Return when an instrument trades; None without a calendar, or while the table does not have it."""
        if instrument.calendar is None:
            return None
        said = InstrumentHours(
            calendar=instrument.calendar,
            open_auction_ms=instrument.open_auction_ms,
            close_auction_ms=instrument.close_auction_ms,
        )
        if said not in self._hours:
            self._hours[said] = hours_of(self.calendars, said)
        return self._hours[said]

    def next_day(self, account: AccountTerms, ms: int) -> int:
        """Return when the next day begins of an account with a time zone.

        Where that is not known, never: its limits of a day stay in force, and the next calendars begin a new one.
        """
        assert account.day_zone is not None, "it has one"
        table = self.calendars.days.get(day_key(account.day_zone, account.day_begins_minutes))
        begins = None if table is None else table.next(ms)
        return LAST_MS if begins is None else begins


def day_of(account: AccountTerms) -> tuple[str | None, int]:
    """Return what makes an account's day another."""
    return account.day_zone, account.day_begins_minutes
