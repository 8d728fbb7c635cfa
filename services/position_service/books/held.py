"""What one account holds of one instrument: its position, the trip that it is on, and the trades that led there.

Flows in: trades, as integers, and what becomes of them later: busts, corrections, splits. Flows out: the position, and
trips that ended. Never knows prices as text, currencies or streams.

The trades of the last sessions are kept, beside the position as it was before the first of them. So a bust makes
everything as if that trade had never been: the others are booked again, from there. One that is not kept any more, or
that a stock split came after, is booked the other way round instead: quantity, cash and fees are right then, and so is
the sum of realized and unrealized P&L; how these two share it depends on what was traded since.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from fillstream.libs.common.ledger.average import Change, Position
from fillstream.libs.common.ledger.lots import LotPosition
from fillstream.libs.common.values.money import half_even
from fillstream.services.position_service.books.trip import Trip

SESSIONS = 3
"""Trades of so many sessions are: the one that runs, and those before it."""


class Trade(NamedTuple):
    """A trade as it was booked.

    Attributes:
        lots, ticks: bought above 0, at which price; of an inverse contract what each lot counts as (`Worth`).
        fee: money.
        paid: lots of what was bought that paid the fee.
        session: of the instrument, in which it was booked.
        ms: when.
        position_id: what a position is called that it opens.
    """

    lots: int
    ticks: int
    fee: int
    paid: int
    session: int
    ms: int
    position_id: str

    @property
    def back(self) -> Trade:
        """The trade that takes its quantity, cash and fee back."""
        return self._replace(lots=-self.lots, fee=-self.fee, paid=-self.paid)


@dataclass(slots=True)
class Held:
    """One account's position in one instrument.

    Attributes:
        position: by the account's method of cost.
        trip: that the position is on, None while it is flat.
        trades: that are kept, by what names them, the oldest first.
        names: what names some of them besides: a correction may be changed by its own id.
        session: of the newest trade.
        before, before_trip: what was held before the first of them.
        settled: the P&L net of fees (money) at the mark with which the session before ended; None if unknown.
        hedged: the positions that make it up, by position_id, where its account hedges; None of all others. This one
            is then what they come to together, of all there ever were: quantity, cash and fees, and no more.
        name, began_ms: of one of them, its position_id and when it came to be; None of what is no such part.
    """

    position: Position
    trip: Trip | None = None
    trades: dict[str, Trade] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    session: int = 0
    before: Position = field(default_factory=Position)
    before_trip: Trip | None = None
    settled: int | None = 0
    hedged: dict[str, Held] | None = None
    name: str | None = None
    began_ms: int | None = None

    @classmethod
    def of(cls, method: type[Position]) -> Held:
        """Return nothing held, its cost to be counted by a method."""
        return cls(method(), before=method())

    @classmethod
    def of_several(cls) -> Held:
        """Return nothing held, of an account that hedges."""
        return cls(Position(), hedged={})

    @property
    def each(self) -> Iterable[Held]:
        """The positions that there are: this one, or those that make it up."""
        return (self,) if self.hedged is None else self.hedged.values()

    @property
    def is_open(self) -> bool:
        """Whether anything is held, also where long and short come to nothing."""
        return any(each.position.quantity for each in self.each)

    def part(self, name: str, method: type[Position], ms: int) -> Held:
        """Return the position of a name, of an account that hedges; one that holds nothing if there is none now."""
        assert self.hedged is not None, "its account hedges"
        found = self.hedged.get(name)
        if found is None:
            found = self.hedged[name] = Held.of(method)
            found.name, found.began_ms = name, ms
        return found

    def counts(self, trade: Trade) -> None:
        """Count a trade of a position that makes it up."""
        _booked(self.position, None, trade, [])

    def let_go(self, session: int) -> None:
        """Let go of positions that are flat and whose last trade is of too old a session to be booked otherwise.

        There may be a new one with every order. A name that is used again then begins with nothing.
        """
        if self.hedged:
            self.hedged = {
                name: each
                for name, each in self.hedged.items()
                if each.position.quantity or each.session > session - SESSIONS
            }

    def book(self, name: str, trade: Trade) -> list[Trip]:
        """Book a trade and keep it under its name; return the trips that ended with it."""
        ended: list[Trip] = []
        if not self.trades:
            self.settle_trades()  # as a snapshot's reader does: marks have moved the trip since it was done
        self.trip = _booked(self.position, self.trip, trade, ended)
        self.trades[name] = trade
        if trade.session != self.session:
            self.session = trade.session
            self.forget(sum(each.session <= trade.session - SESSIONS for each in self.trades.values()))
        return ended

    def kept(self, name: str, session: int) -> Trade | None:
        """Return a trade that all can be booked again without; None of one too old, or that paid in what it bought."""
        trade = self.trades.get(self.names.get(name, name))
        return None if trade is None or trade.paid or trade.session <= session - SESSIONS else trade

    def without(self, name: str) -> Position:
        """Return the position as it would be if a trade that is kept had never been."""
        position, left_out = _copied(self.before), self.names.get(name, name)
        for each, trade in self.trades.items():
            if each != left_out:
                _booked(position, None, trade, [])
        return position

    def rebook(self, name: str, trade: Trade | None, by: str) -> list[Trip]:
        """Make everything as if a trade that is kept had been another, or never been (None).

        Args:
            name: of the trade.
            trade: what it is now.
            by: what names it from now on, too.

        Returns:
            The trips that have another end than before, or none any more: those have nothing in them.
        """
        name = self.names.get(name, name)
        was_on, was = self.trip, self._again()
        if trade is None:
            del self.trades[name]
        else:
            self.trades[name] = trade
            self.names[by] = name
        ended = self._again()
        left = {trip.key for trip in (*ended, *((self.trip,) if self.trip else ()))}
        known = {trip.key: trip for trip in was}
        undone = [trip for trip in (*was, *((was_on,) if was_on else ())) if trip.key not in left]
        nothing = [Trip(trip.position_id, trip.opened_ms, trip.long, seen=False) for trip in undone]
        return [*(trip for trip in ended if trip != known.get(trip.key)), *nothing]

    def split(self, new: int, old: int) -> bool:
        """Make `new` lots of `old` ones; False, and nothing is done, where lots would break."""
        if not self.position.split(new, old):
            return False
        if self.trip is not None:
            self.trip.split(new, old)
        self.settle_trades()
        return True

    def take_over(self, other: Held) -> None:
        """Go on with what another one is, which is nothing then: see `Position.take_over`. This one holds nothing."""
        self.position.take_over(other.position)
        self.trip, other.trip = other.trip, None
        unknown = self.settled is None or other.settled is None
        self.settled, other.settled = None if unknown else (self.settled or 0) + (other.settled or 0), 0
        self.settle_trades()
        other.settle_trades()

    def rescale(self, lots: int, ticks: int, money: int) -> None:
        """Count in steps of which so many make a lot, a tick and a unit of money of before."""
        for each in (self.position, self.before, self.trip, self.before_trip):
            if each is not None:
                each.rescale(lots, ticks, money)
        self.settled = None if self.settled is None else self.settled * money
        self.trades = {
            name: trade._replace(
                lots=trade.lots * lots, ticks=trade.ticks * ticks, fee=trade.fee * money, paid=trade.paid * lots
            )
            for name, trade in self.trades.items()
        }

    def forget(self, count: int) -> None:
        """Keep so many trades less, the oldest."""
        if not count:
            return
        for trade in islice(self.trades.values(), count):
            self.before_trip = _booked(self.before, self.before_trip, trade, [])
        self.trades = dict(islice(self.trades.items(), count, None))
        self.names = {by: name for by, name in self.names.items() if name in self.trades}

    def settle_trades(self) -> None:
        """Keep no trade from before now: what comes cannot be told apart from them any more."""
        self.trades.clear()
        self.names.clear()
        self.before, self.before_trip = _copied(self.position), None if self.trip is None else replace(self.trip)

    def _again(self) -> list[Trip]:
        """Book what is kept again, from before the first of it; return the trips that ended."""
        marked = self.trip
        self.position = _copied(self.before)
        self.trip = None if self.before_trip is None else replace(self.before_trip)
        ended: list[Trip] = []
        for trade in self.trades.values():
            self.trip = _booked(self.position, self.trip, trade, ended)
        for trip in ended:
            trip.seen = False
        if self.trip is not None:
            if marked is not None and self.trip.key == marked.key:
                self.trip.best, self.trip.worst, self.trip.seen = marked.best, marked.worst, marked.seen
            else:
                self.trip.seen = False
        return ended


def change_of(before: int, after: int) -> Change:
    """Return what made so many lots of so many (not equal) did to a position."""
    if not before:
        return "opened"
    if not after:
        return "closed"
    if (before > 0) != (after > 0):
        return "flipped"
    return "increased" if abs(after) > abs(before) else "reduced"


def _booked(position: Position, trip: Trip | None, trade: Trade, ended: list[Trip]) -> Trip | None:
    """Book a trade in a position; return the trip that it is on then."""
    trip = _leg(position, trip, trade, trade.lots, trade.fee, ended)
    return _leg(position, trip, trade, -trade.paid, 0, ended) if trade.paid else trip


def _leg(position: Position, trip: Trip | None, trade: Trade, lots: int, fee: int, ended: list[Trip]) -> Trip | None:
    before, counts, size = position.quantity, trade.ticks, abs(lots)
    change = position.fill(lots, counts)
    position.fees += fee
    held = abs(position.quantity)
    if trip is None:
        trip = Trip(trade.position_id, trade.ms, lots > 0)
    match change:
        case "opened" | "increased":
            trip.enter(size, counts, fee, held)
            return trip
        case "reduced":
            trip.exit(size, counts, fee)
            return trip
        case "closed":
            trip.exit(size, counts, fee, trade.ms)
            ended.append(trip)
            return None
        case "flipped":
            its = half_even(fee * abs(before), size)
            trip.exit(abs(before), counts, its, trade.ms)
            ended.append(trip)
            trip = Trip(trade.position_id, trade.ms, lots > 0)
            trip.enter(held, counts, fee - its, held)
            return trip


def _copied(position: Position) -> Position:
    twin = copy(position)
    if isinstance(twin, LotPosition):
        twin.open = twin.open.copy()
    return twin
