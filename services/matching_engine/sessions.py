"""The sessions of a simulated venue's books, by the calendars that came through its inbox.

Flows in: `Calendars` with the instruments of a partition; time. Flows out: FS_SESSION and FS_QUOTE records, and when
the next are due. Never looks at a clock, and never executes anything: the stage does, at the time that it is told.

    call phase begins          FS_AUCTION, with the last trade's price as the reference
    a session opens, goes on   FS_CONTINUOUS: what was collected trades at one price
    a break begins             the house's quote is withdrawn, FS_HALTED
    a session closes           FS_CONTINUOUS, where an auction was; the quote is withdrawn, FS_HALTED

Each is executed with the clock a millisecond before its time: what expires with the session takes part in its last
auction, and expires next. A halted book keeps what rests in it, and takes cancels. What somebody else sets (an
FS_SESSION of a person) stands until the next change.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import Session
from fillstream.libs.common.messages.calendar import NO_CALENDARS, Calendars, Hours, hours_of
from fillstream.libs.common.messages.codes import TradingSession
from fillstream.libs.common.values.versions import Document, check_names

_CONTINUOUS, _AUCTION, _HALTED = int(Session.CONTINUOUS), int(Session.AUCTION), int(Session.HALTED)
_CODE: Final = {each.value: int(Session[each.name]) for each in TradingSession}
_NAMES: Final = ("calendars", "until_ms")


class Sessions:
    """What the calendars say of the books of one partition.

    Attributes:
        calendars: that came last.
        until_ms: all changes up to here were made (log milliseconds).
        due_ms: when the next one is; None where none is known.
    """

    __slots__ = ("_hours", "calendars", "due_ms", "until_ms")

    def __init__(self) -> None:
        self.calendars = NO_CALENDARS
        self.until_ms = 0
        self.due_ms: int | None = None
        self._hours: dict[int, Hours] = {}

    def take(self, engine: CoreEngine, calendars: Calendars, ms: int) -> bytes:
        """Go by other calendars; return what brings the books of instruments that they have otherwise now to that.

        A book that no calendar closes any more is open.
        """
        before, numbers = self._hours, {*self._hours}
        self._compile(calendars)
        self._wait(ms)
        records = []
        for number in sorted(numbers | {*self._hours}):
            was, now = _at(before.get(number), ms), _at(self._hours.get(number), ms)
            if was != now:
                records.append(_records(engine, number, now))
        return b"".join(records)

    def _compile(self, calendars: Calendars) -> None:
        self.calendars = calendars
        made: dict[Any, Hours | None] = {}
        self._hours = {}
        for number, said in calendars.instruments.items():
            if said not in made:
                made[said] = hours_of(calendars, said)
            hours = made[said]
            if hours is not None:
                self._hours[int(number)] = hours

    def _wait(self, ms: int) -> None:
        self.until_ms = ms
        turns = [each for hours in self._hours.values() if (each := hours.next_turn(ms)) is not None]
        self.due_ms = min(turns, default=None)

    def turn(self, engine: CoreEngine) -> bytes:
        """Return the records of what is due next, by instruments: to be executed a millisecond before `due_ms` was.

        At once, and after all that is due by then: the reference of an auction is the last price.
        """
        due = self.due_ms
        assert due is not None, "something is due"
        records = [
            _records(engine, number, _CODE[turn.session])
            for number, hours in sorted(self._hours.items())
            for turn in takewhile(lambda each: each.ms <= due, hours.turns_after(self.until_ms))
        ]
        self._wait(due)
        return b"".join(records)

    def is_closed(self, number: int, ms: int) -> bool:
        """Say whether the calendar keeps a book from taking quotes or prints at a millisecond."""
        hours = self._hours.get(number)
        return hours is not None and _at(hours, ms) != _CONTINUOUS

    # --------------------------------------------------------------- snapshot

    def dump(self) -> Document:
        """Return the state by the names of its fields."""
        return {"calendars": self.calendars.to_json().decode(), "until_ms": self.until_ms}

    @classmethod
    def load(cls, document: Document) -> Sessions:
        """Return what `dump` wrote.

        Raises:
            ValueError: it has other fields, or calendars that are none.
        """
        check_names("sessions", document, _NAMES, _NAMES)
        made = cls()
        made._compile(Calendars.from_json(document["calendars"].encode()))
        made._wait(document["until_ms"])
        return made


def _at(hours: Hours | None, ms: int) -> int:
    """Return the `fs_session` of a book at a millisecond. What a calendar does not know is closed."""
    if hours is None:
        return _CONTINUOUS
    return _CODE[hours.session(ms)] if hours.knows(ms) else _HALTED


def _records(engine: CoreEngine, number: int, code: int) -> bytes:
    """Return what brings a book to another session."""
    if code == _AUCTION:
        last = engine.last(number)
        return frames.session(number, _AUCTION, 0 if last is None else last.price)
    if code == _CONTINUOUS:
        return frames.session(number, _CONTINUOUS)
    session = engine.session(number)
    uncross = frames.session(number, _CONTINUOUS) if session == _AUCTION else b""
    withdrawal = frames.quote(number, 0, 0, 0, 0) if session != _HALTED else b""  # a person may have halted it
    return uncross + withdrawal + frames.session(number, _HALTED)
