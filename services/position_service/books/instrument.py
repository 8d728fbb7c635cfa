"""An instrument as the books have it: what it is worth, whose quotes mark it, its sessions, and who holds what of it.

Flows in: its terms, marks, the days on which its market stirs. Flows out: positions by account. Never reads a stream.

A session is a UTC day on which the journal tells anything of the instrument's market; days without are none. So a trade
of Friday is of the session before Monday's.
"""

from __future__ import annotations

from fractions import Fraction

from fillstream.libs.common.ledger.worth import Worth
from fillstream.libs.common.messages.reference import DAY_MS, InstrumentUnits
from fillstream.libs.common.values.money import AVG_PX_DECIMALS, ratio
from fillstream.libs.common.values.rational import Rational
from fillstream.services.position_service.books.held import Held, Trade


class Instrument(Worth):
    """One symbol of the desk.

    Args:
        symbol: as the journal names it.
        units: of its terms.
        venue: whose quotes mark it.

    Attributes:
        held: by account, in the order of their first fills.
        session: which it is, counted from 1; 0 before the first.
        day: days since 1970 of that.
        settlement: the mark with which the session before ended (half ticks), None where there was none.
    """

    __slots__ = ("day", "held", "session", "settlement", "symbol", "venue")

    def __init__(self, symbol: str, units: InstrumentUnits, venue: str) -> None:
        super().__init__(units)
        self.symbol = symbol
        self.venue = venue
        self.held: dict[str, Held] = {}
        self.session = 0
        self.day = -1
        self.settlement: int | None = None

    def stirs(self, ms: int) -> None:
        """Take note that something happens in its market; the first of a day ends the session before."""
        day = ms // DAY_MS
        if day == self.day:
            return
        self.day = day
        self.session += 1
        self.settlement = self.mark
        for held in self.held.values():
            held.settled = self.net(held)

    def net(self, held: Held) -> int:
        """Return all that a position has made, fees taken off, at the mark; without one as if its cost were it."""
        position = held.position
        if self.mark is None:
            return self.realized(position) - position.fees
        return (2 * position.cash + position.quantity * self.mark) * self.half_tick_lot - position.fees

    def see(self, held: Held) -> None:
        """Have the trip of an open position take note of what the mark makes of it."""
        trip = held.trip
        if trip is not None and self.mark is not None:
            trip.see((2 * trip.cash + held.position.quantity * self.mark) * self.half_tick_lot)

    def resettle(self, held: Held, trade: Trade) -> None:
        """Have what a position had made by the end of the session before count a trade, which it did not then."""
        if self.settlement is not None and held.settled is not None:
            held.settled += trade.lots * (self.settlement - 2 * trade.ticks) * self.half_tick_lot - trade.fee

    def size(self, lots: Rational) -> str:
        """Return a quantity as text; one that a split broke to at most 12 decimals."""
        if isinstance(lots, int):
            return self.lot.text(lots)
        exact = lots * Fraction(self.lot.step)
        return ratio(exact.numerator, exact.denominator, max(self.lot.decimals, AVG_PX_DECIMALS))

    def mean(self, value: int, lots: Rational) -> str | None:
        """Return so many tick-lots as a price of so many lots, to at most 12 decimals; None of no lots."""
        return self.price.mean(value * lots.denominator, lots.numerator) if lots else None

    def count_in(self, units: InstrumentUnits) -> None:
        """Count in the steps of new terms; see `Worth.recount`."""
        steps = self.recount(units)
        if self.settlement is not None:
            self.settlement *= steps[1]
        for held in self.held.values():
            held.rescale(*steps)
