"""`calendar`: the entry that brings a stage the sessions of its instruments, and the days of its accounts.

Flows in: a table that was compiled outside the fold (`process.calendars`). Flows out: when an instrument trades, and
when an account's day begins. Never reads a clock or a time zone: all of it is milliseconds since 1970, as compiled.

    calendars {name: {zone, from_ms, until_ms, sessions [[date, open_ms, close_ms]]}}
    days {"ZONE MINUTES": {until_ms, begins [ms]}}       when days begin so many minutes after midnight there
    instruments {number: {calendar, open_auction_ms, close_auction_ms}}    an engine's alone: the books that it holds

A session with a break has two milliseconds more, from when to when. Outside `from_ms` to `until_ms` nothing is known of
a calendar, and nothing is guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self

from pydantic import Field, model_validator

from fillstream.libs.common.messages.base import Name
from fillstream.libs.common.messages.codes import TradingSession
from fillstream.libs.common.messages.reference import MAX_AUCTION_MS
from fillstream.libs.common.messages.terms import WRITTEN, Entered, ReferenceData, about
from fillstream.libs.common.values.moments import LAST_MS
from fillstream.libs.common.values.naming import shorten

CALENDAR: Final = b"calendar"
"""The field of an inbox's entry."""
VERSION = 1
MOST_BYTES: Final = 4 << 20
"""A table may not be larger: some 200 000 sessions, of which 400 days of an exchange are 280."""

_CONTINUOUS, _AUCTION = TradingSession.CONTINUOUS.value, TradingSession.AUCTION.value
_HALTED = TradingSession.HALTED.value

Ms = Annotated[int, Field(ge=0, le=LAST_MS), WRITTEN]
Row = tuple[Any, ...]
_ROW_LENGTHS = (3, 5)


class CalendarTable(ReferenceData):
    """The sessions of one calendar, in their order."""

    zone: Annotated[str, about("where its dates are", max_length=64)]
    from_ms: Annotated[Ms, about("it is known from here on", unit="ms")]
    until_ms: Annotated[Ms, about("and up to here", unit="ms")]
    sessions: Annotated[
        tuple[Row, ...], about("date, opening, close, and where there is a break its begin and its end", unit="ms")
    ]

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        before = self.from_ms
        for row in self.sessions:
            if len(row) not in _ROW_LENGTHS or type(row[0]) is not str or any(type(ms) is not int for ms in row[1:]):
                raise ValueError(f"sessions: {shorten(row)} must be a date, and 2 or 4 times in milliseconds")
            date, opens, closes, *pause = row
            within = [opens, *pause, closes]
            if sorted({*within}) != within or opens < before or closes > self.until_ms:
                raise ValueError(f"sessions: {shorten(date)} must lie behind the one before, its break within it")
            before = closes
        return self


class DayTable(ReferenceData):
    """When the days of a time zone begin."""

    until_ms: Annotated[Ms, about("it is known up to here", unit="ms")]
    begins: Annotated[tuple[Ms, ...], about("in their order", unit="ms")]

    def next(self, ms: int) -> int | None:
        """Return when the first day after `ms` begins; None where that is not known."""
        at = bisect_right(self.begins, ms)
        return self.begins[at] if at < len(self.begins) else None


class InstrumentHours(ReferenceData):
    """When one instrument trades."""

    calendar: Name
    open_auction_ms: Annotated[int, Field(ge=0, le=MAX_AUCTION_MS), WRITTEN] = 0
    close_auction_ms: Annotated[int, Field(ge=0, le=MAX_AUCTION_MS), WRITTEN] = 0


class Calendars(Entered):
    """A `calendar` entry.

    Raises:
        pydantic.ValidationError: a ValueError; `from_json` says the same in sentences.
    """

    MOST_BYTES: ClassVar[int | None] = MOST_BYTES

    v: Annotated[int, about("version of this entry", ge=VERSION, le=VERSION), WRITTEN] = VERSION
    calendars: Annotated[dict[Name, CalendarTable], Field(description="by name")] = Field(default_factory=dict)
    days: Annotated[dict[str, DayTable], Field(description="by zone and minutes")] = Field(default_factory=dict)
    instruments: Annotated[
        dict[Annotated[str, Field(pattern=r"^[1-9][0-9]{0,9}$")], InstrumentHours], Field(description="by number")
    ] = Field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.calendars or self.days or self.instruments)


NO_CALENDARS: Final = Calendars()


def day_key(zone: str, minutes: int) -> str:
    """Return under which name `Calendars.days` has the days that begin so many minutes after midnight in a zone."""
    return f"{zone} {minutes}"


class Turn(NamedTuple):
    """A moment at which an instrument's trading changes.

    Attributes:
        ms: when.
        session: what it is from then on, by `TradingSession`'s names: HALTED while it is closed.
        closes: whether a session, or the part before its break, ends: what the house quoted stands no more.
    """

    ms: int
    session: str
    closes: bool = False


class Call(NamedTuple):
    """From when on orders for an opening or a close are collected, and when they trade; without an auction, at once."""

    call_ms: int
    trades_ms: int


class Hours:
    """When an instrument trades: the sessions of its calendar, with its auctions before they open and close.

    An auction's call phase lies before the session's opening, and before its close: the session is as long as the
    calendar says. A call phase that would begin before the session before has closed, or before its own has opened, is
    as much shorter.

    Args:
        table: the calendar.
        open_auction_ms, close_auction_ms: how long the call phases are; 0 for none.

    Attributes:
        from_ms, until_ms: nothing is known outside.
        has_open, has_close: there are auctions.
        turns: all that changes, in order.
    """

    __slots__ = (
        "_calls", "_closes", "_closings", "_openings", "_opens", "_starts", "_times", "from_ms", "has_close",
        "has_open", "turns", "until_ms",
    )  # fmt: skip

    def __init__(self, table: CalendarTable, open_auction_ms: int = 0, close_auction_ms: int = 0) -> None:
        self.from_ms, self.until_ms = table.from_ms, table.until_ms
        self.has_open, self.has_close = bool(open_auction_ms), bool(close_auction_ms)
        self.turns: list[Turn] = []
        self._openings: list[Call] = []
        self._closings: list[Call] = []
        self._starts: list[Call] = []
        before = table.from_ms
        for _, opens, closes, *pause in table.sessions:
            self._add(Call(max(before, opens - open_auction_ms), opens), closes, closes - close_auction_ms, pause)
            before = closes
        self._times = [turn.ms for turn in self.turns]
        self._opens = [each.trades_ms for each in self._openings]
        self._closes = [each.trades_ms for each in self._closings]
        self._calls = [each.call_ms for each in self._starts]

    def _add(self, opening: Call, closes: int, closing: int, pause: list[int]) -> None:
        turns, resumes = self.turns, opening.trades_ms
        self._openings.append(opening)
        self._starts.append(opening)
        if opening.call_ms < opening.trades_ms:
            turns.append(Turn(opening.call_ms, _AUCTION))
        turns.append(Turn(opening.trades_ms, _CONTINUOUS))
        if pause:
            resumes = pause[1]
            turns += (Turn(pause[0], _HALTED, True), Turn(resumes, _CONTINUOUS))
            self._starts.append(Call(resumes, resumes))
        closing = max(closing, resumes)
        if closing < closes:
            turns.append(Turn(closing, _AUCTION))
        turns.append(Turn(closes, _HALTED, True))
        self._closings.append(Call(closing, closes))

    def knows(self, ms: int) -> bool:
        """Say whether anything is known of that millisecond."""
        return self.from_ms <= ms < self.until_ms

    def session(self, ms: int) -> str:
        """Return what the instrument's session is at a millisecond that is known, by `TradingSession`'s names."""
        at = bisect_right(self._times, ms)
        return self.turns[at - 1].session if at else _HALTED

    def turns_after(self, ms: int) -> Iterator[Turn]:
        """Yield what changes after a millisecond, in order."""
        for at in range(bisect_right(self._times, ms), len(self.turns)):
            yield self.turns[at]

    def next_turn(self, ms: int) -> int | None:
        """Return when something changes next; None where nothing is known to."""
        turn = next(self.turns_after(ms), None)
        return None if turn is None else turn.ms

    def next_start(self, ms: int) -> Call | None:
        """Return the first opening, or end of a break, whose call phase begins after a millisecond; None if unknown."""
        at = bisect_right(self._calls, ms)
        return self._starts[at] if at < len(self._starts) and self.knows(ms) else None

    def opening(self, ms: int) -> Call | None:
        """Return the first opening of a session that is still to come at a millisecond; None if unknown."""
        at = bisect_right(self._opens, ms)
        return self._openings[at] if at < len(self._openings) and self.knows(ms) else None

    def closing(self, ms: int) -> Call | None:
        """Return the first close that is still to come at a millisecond; None if unknown."""
        at = bisect_right(self._closes, ms)
        return self._closings[at] if at < len(self._closings) and self.knows(ms) else None

    def session_end(self, ms: int) -> int | None:
        """Return when the session of a millisecond closes, of one between sessions the next one; None if unknown."""
        closing = self.closing(ms)
        return None if closing is None else closing.trades_ms

    def takes_from(self, ms: int, rests: bool) -> int | None:
        """Return when an order may go that could go from a millisecond on: then, or when a session takes it next.

        Args:
            ms: when it could.
            rests: whether an auction takes it; what may not rest waits until the market is open.

        Returns: None where that is not known.
        """
        if not self.knows(ms):
            return None
        takes = (_CONTINUOUS, _AUCTION) if rests else (_CONTINUOUS,)
        if self.session(ms) in takes:
            return ms
        # By what it is then: several may change at one millisecond.
        return next((turn.ms for turn in self.turns_after(ms) if self.session(turn.ms) in takes), None)


def hours_of(calendars: Calendars, said: InstrumentHours) -> Hours | None:
    """Return when an instrument trades; None where its calendar is not in the table."""
    table = calendars.calendars.get(said.calendar)
    return None if table is None else Hours(table, said.open_auction_ms, said.close_auction_ms)
