"""An instrument as the books have it: what it is worth, whose quotes mark it, its sessions, and who holds what of it.

Flows in: its terms, quotes, the days on which its market stirs. Flows out: positions by account. Never reads a stream.

A session is a UTC day on which the journal tells anything of the instrument's market; days without are none. So a trade
of Friday is of the session before Monday's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction

from fillstream.libs.common.ledger.mark import mark_of
from fillstream.libs.common.ledger.worth import Worth
from fillstream.libs.common.messages.codes import MarkPrice
from fillstream.libs.common.messages.reference import DAY_MS, InstrumentUnits
from fillstream.libs.common.values.money import AVG_PX_DECIMALS, ratio
from fillstream.libs.common.values.rational import Rational
from fillstream.services.position_service.books.held import Held, Trade
from fillstream.services.position_service.books.trip import Key
from fillstream.services.position_service.books.true_range import TrueRange

NEVER = -(1 << 62)
Whose = tuple[str, str | None]
"""An account, and of one that hedges which of its positions in an instrument."""
MOST_CLOSES = 251
"""So many sessions' last marks are remembered: moves of 250."""


class Instrument(Worth):
    """One symbol of the desk.

    Args:
        symbol: as the journal names it.
        units: of its terms.

    Attributes:
        id: its number.
        venue: whose quotes mark it.
        marked_by: what of a quote is the mark.
        interval_ms: its positions are told at most so often as the mark moves.
        told_ms: when they were last.
        moved: whether the mark has since they began to be told.
        telling: whose positions are still to be told of the newest mark, as one entry sends so much and no more.
        held: by account, in the order of their first fills.
        session: which it is, counted from 1; 0 before the first.
        day: days since 1970 of that.
        true_range: bars of its mark, None of an instrument without.
        base_currency: of which it trades one unit, so that its price is a rate; None of most.
        closes: the marks (half ticks) with which sessions ended, with their days, the oldest first.
        settlement: the marks of longs and shorts with which the session before ended (half ticks), None where there
            were none.
        outdated: whether a split made another share of it since its mark was quoted. Positions are still valued at
            that, as docs/controls.md has it; nothing is closed by it, and it ends no session.
        stale: whether its venue has not quoted it for too long: the mark may be no market any more.
    """

    __slots__ = (
        "base_currency", "closes", "day", "held", "id", "interval_ms", "marked_by", "moved", "outdated", "session",
        "settlement", "stale", "symbol", "telling", "told_ms", "true_range", "venue",
    )  # fmt: skip

    def __init__(self, symbol: str, units: InstrumentUnits) -> None:
        super().__init__(units)
        self.symbol = symbol
        self.id = 0
        self.venue = ""
        self.marked_by = MarkPrice.MID
        self.interval_ms = 0
        self.told_ms = NEVER
        self.moved = False
        self.telling: list[Whose] = []
        self.held: dict[str, Held] = {}
        self.session = 0
        self.day = -1
        self.outdated = self.stale = False
        self.settlement: tuple[int, int] | None = None
        self.true_range: TrueRange | None = None
        self.base_currency: str | None = None
        self.closes: deque[tuple[int, int]] = deque(maxlen=MOST_CLOSES)

    def mark_at(self, bid: int | None, ask: int | None, last: int | None) -> bool:
        """Value positions by this market (ticks) from now on; return whether that is anything new.

        A market without the price that its terms ask for is marked by what there is: see `ledger.mark`.
        """
        long = short = mark_of(bid, ask, last)
        if self.marked_by is not MarkPrice.MID:
            if self.marked_by is MarkPrice.LAST:
                long = short = long if last is None else 2 * last
            else:
                long, short = long if bid is None else 2 * bid, short if ask is None else 2 * ask
        if long is None or short is None or (long == self.mark and short == self.short_mark):
            return False
        self.mark, self.short_mark = long, short
        return True

    def stirs(self, ms: int) -> None:
        """Take note that something happens in its market; the first of a day ends the session before."""
        day = ms // DAY_MS
        if day == self.day:
            return
        ended, self.day = self.day, day
        self.session += 1
        if self.mark is not None and self.short_mark is not None:
            self.settlement = self.mark, self.short_mark
            if not self.outdated:
                self.closes.append((ended, self.mark))
        for held in self.positions:
            held.settled = self.net(held)
        for whole in self.held.values():
            if whole.hedged is not None:
                whole.settled = self.net(whole)
                whole.let_go(self.session)

    def range_by(self, interval_ms: int | None, count: int) -> None:
        """Have bars of this length, and look at so many; what was seen is kept where that is as before."""
        now = self.true_range
        if interval_ms is None:
            self.true_range = None
        elif now is None or (now.interval_ms, now.count) != (interval_ms, count):
            self.true_range = TrueRange(interval_ms, count)

    def inherit(self, other: Instrument, ticks: int) -> None:
        """Go on with another's marks and sessions, whose symbol this is now, where it has none of its own yet.

        Args:
            other: what positions were in before.
            ticks: how many of this one's make one of its ticks.
        """
        if self.mark is not None or other.mark is None or other.short_mark is None or self.day >= 0:
            return
        self.mark, self.short_mark, self.outdated = other.mark * ticks, other.short_mark * ticks, other.outdated
        self.stale = True  # nobody has quoted it, and whether the other one is quoted says nothing of it
        self.session, self.day = other.session, other.day
        if other.settlement is not None:
            self.settlement = other.settlement[0] * ticks, other.settlement[1] * ticks
        self.closes.extend((day, mark * ticks) for day, mark in other.closes)

    def becomes_another(self) -> None:
        """Forget what its price was: a split made another share of it."""
        self.outdated = True
        self.closes.clear()
        if self.true_range is not None:
            self.true_range.forget()

    @property
    def is_open(self) -> bool:
        """Whether anybody holds any of it."""
        return any(held.position.quantity for held in self.positions)

    @property
    def positions(self) -> Iterator[Held]:
        """All that there are of it: of an account that hedges those beside one another."""
        return (each for whole in self.held.values() for each in whole.each)

    def of(self, account: str, position_id: str | None) -> Held | None:
        """Return an account's position, None where there never was one; it is named where the account hedges."""
        whole = self.held.get(account)
        return whole if whole is None or whole.hedged is None else whole.hedged.get(position_id or "")

    def trip_of(self, account: str, position_id: str | None = None) -> Key | None:
        """Return the key of the trip that an account's position is on, None where it is flat."""
        held = self.of(account, position_id)
        return None if held is None or held.trip is None else held.trip.key

    def net(self, held: Held) -> int:
        """Return all that a position has made, fees taken off, at the mark; without one as if its cost were it.

        Of what several positions come to it is what each of them has made, and those that are no more.
        """
        position = held.position
        if held.hedged is not None:
            others = self.cash(position) - sum(self.cash(each.position) for each in held.each)
            return others + sum(map(self.net, held.each))
        value = self.valued_at(position.quantity)
        if value is None:
            return self.realized(position) - position.fees
        return (2 * position.cash + position.quantity * value) * self.half_tick_lot - position.fees

    @property
    def size_at_mark(self) -> int:
        """What a lot is worth at the mark (of longs), in halves; 0 without one."""
        mark = self.mark or 0
        return mark if self.inverse is None or not mark else -self.inverse.half_steps(mark)

    def banked(self, held: Held) -> int:
        """Return what was realized, fees taken off: all that a contract moves for which nothing is paid."""
        return self.gains(held)[0] - held.position.fees

    def gains(self, held: Held) -> tuple[int, int | None]:
        """Return the gross realized P&L, and what is open at the mark (None without one): of several, all together."""
        if held.hedged is None:
            realized = self.realized(held.position)
            return realized, self.unrealized(held.position, realized)
        positions = [each.position for each in held.each if each.position.quantity]
        known = self.mark is not None or not positions
        unrealized = sum(self.unrealized(each, self.realized(each)) or 0 for each in positions)
        return self.net(held) + held.position.fees - unrealized, unrealized if known else None

    def see(self, held: Held) -> None:
        """Have the trip of an open position take note of what the mark makes of it."""
        trip, value = held.trip, self.valued_at(held.position.quantity)
        if trip is not None and value is not None:
            trip.see((2 * trip.cash + held.position.quantity * value) * self.half_tick_lot)

    def resettle(self, held: Held, trade: Trade, whole: Held) -> None:
        """Have what a position had made by the end of the session before count a trade, which it did not then.

        Args:
            held: the position.
            trade: what it is to count.
            whole: what it is a part of; itself, where its account does not hedge.
        """
        if self.settlement is None:
            return
        long, short = self.settlement
        value = self.counts_at(long if held.position.quantity >= 0 else short)
        made = trade.lots * (value - 2 * trade.ticks) * self.half_tick_lot - trade.fee
        for each in (held,) if whole is held else (held, whole):
            if each.settled is not None:
                each.settled += made

    def size(self, lots: Rational) -> str:
        """Return a quantity as text; one that a split broke to at most 12 decimals."""
        if isinstance(lots, int):
            return self.lot.text(lots)
        exact = lots * Fraction(self.lot.step)
        return ratio(exact.numerator, exact.denominator, max(self.lot.decimals, AVG_PX_DECIMALS))

    def count_in(self, units: InstrumentUnits) -> tuple[int, int, int]:
        """Count in the steps of new terms, and return what they are of those before; see `Worth.recount`."""
        steps = self.recount(units)
        if self.settlement is not None:
            self.settlement = self.settlement[0] * steps[1], self.settlement[1] * steps[1]
        self.closes = deque(((day, mark * steps[1]) for day, mark in self.closes), maxlen=MOST_CLOSES)
        if self.true_range is not None:
            self.true_range.rescale(steps[1])
        for whole in self.held.values():
            whole.rescale(*steps)
            for each in (whole.hedged or {}).values():
                each.rescale(*steps)
        return steps
