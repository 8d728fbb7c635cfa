"""A book made of nothing but the engine's answers, as a caller would keep it.

Reports flow in, one by one; what rests, what waits, the tape, session and bands come out. Where a trailing stop has
moved to no report says, but the tape and the rule in the header do: `settle` is asked before anybody looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fillstream.libs.common.engine.frames import Reason, Report, ReportFlag, ReportType, Session, Side

BEGINNINGS = (
    ReportType.ACCEPTED,
    ReportType.REPLACED,
    ReportType.TRIGGERED,
    ReportType.QUOTED,
    ReportType.PRINTED,
    ReportType.SESSION_SET,
)
"""What comes before an aggressor's reports, and so after all of the one before."""


@dataclass(eq=False)
class Heard:
    """An order as far as its reports tell; id 0 is the house's."""

    id: int
    account: int
    partition: int
    symbol: int
    side: int
    price: int
    leaves: int
    display: int = 0  # 0: all of it
    stop: int = 0  # of a dormant order
    offset: int = 0  # of a trailing stop
    in_bps: bool = False
    filled: int = 0
    shown: int = 0

    def show(self) -> None:
        self.shown = min(self.display or self.leaves, self.leaves)

    def trails(self, last: int) -> int:
        """Return where a trailing stop is once it has seen a last trade: never further away than before."""
        offset = max(1, abs(last) * self.offset // 10000) if self.in_bps else self.offset
        return min(self.stop, last + offset) if self.side == Side.BUY else max(self.stop, last - offset)


@dataclass
class RebuiltBook:
    """All symbols. `resting` is in the order in which a level trades; `dormant` is by id."""

    resting: list[Heard] = field(default_factory=list)
    dormant: dict[int, Heard] = field(default_factory=dict)
    tapes: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)  # price, qty, volume, trades
    sessions: dict[int, int] = field(default_factory=dict)
    bands: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    matches: int = 0
    aggressor: int | None = None  # the order that came in last, None: none or the house
    of_print: bool = False  # the house's fills are a print's
    mass_canceled: int = 0

    def hear(self, r: Report) -> None:
        """Take one report in; an AssertionError says that it contradicts those before it."""
        if r.type in BEGINNINGS:
            self.settle()
        match r.type:
            case ReportType.ACCEPTED:
                self._accepted(r)
            case ReportType.FILLED:
                self._filled(r)
            case ReportType.CANCELED | ReportType.EXPIRED:
                self._off(r)
            case ReportType.REDUCED:
                self._lose(self._order(r), r, resting=r.order_id != self.aggressor)
            case ReportType.REPLACED:
                self._replaced(r)
            case ReportType.TRIGGERED:
                self._triggered(r)
            case ReportType.QUOTED:
                self._quoted(r)
            case ReportType.PRINTED:
                self._comes_in(None, of_print=True)
                self._trade(r)
            case ReportType.MASS_CANCELED:
                assert r.qty == self.mass_canceled, "a mass cancel counts the orders it took off"
                self.mass_canceled = 0
            case ReportType.SESSION_SET:
                self._comes_in(None)
                self.sessions[r.symbol] = r.aux
                house = [o for o in self.resting if not o.id and o.symbol == r.symbol]
                if r.aux == Session.AUCTION and len(house) == 2 and house[0].price == house[1].price:
                    self.resting = [o for o in self.resting if o not in house]  # a locked quote is in no auction
            case ReportType.BANDS_SET:
                self.bands[r.symbol] = (r.aux, r.price, r.leaves)

    def settle(self) -> None:
        """An aggressor has finished: trailing stops follow the last trade."""
        for order in self.dormant.values():
            last = self.tapes.get(order.symbol)
            if order.offset and last and self.sessions.get(order.symbol, Session.CONTINUOUS) == Session.CONTINUOUS:
                order.stop = order.trails(last[0])

    def queue(self, symbol: int, side: int) -> list[Heard]:
        """Return the orders of a side in the order in which they trade."""
        own = [o for o in self.resting if (o.symbol, o.side) == (symbol, side)]
        return sorted(own, key=lambda o: o.price if side == Side.SELL else -o.price)

    def _comes_in(self, order_id: int | None, *, of_print: bool = False) -> None:
        self.aggressor, self.of_print = order_id, of_print

    def _rests(self, order: Heard) -> None:
        order.show()
        self.resting.append(order)

    def _order(self, r: Report) -> Heard:
        if r.flags & ReportFlag.HOUSE:
            return next(o for o in self.resting if (o.id, o.symbol, o.side) == (0, r.symbol, r.side))
        order = self.dormant.get(r.order_id) or next(o for o in self.resting if o.id == r.order_id)
        assert (order.account, order.partition) == (r.account, r.partition)
        return order

    def _accepted(self, r: Report) -> None:
        assert r.qty == r.leaves
        order = Heard(r.order_id, r.account, r.partition, r.symbol, r.side, r.price, r.leaves)
        if r.flags & ReportFlag.DORMANT:
            order.stop = r.aux
            if r.flags & ReportFlag.TRAILING:
                order.price, order.offset, order.in_bps = 0, r.price, bool(r.flags & ReportFlag.OFFSET_BPS)
            self.dormant[order.id] = order
            return
        order.display = r.aux
        self._comes_in(order.id)
        self._rests(order)

    def _filled(self, r: Report) -> None:
        takes = bool(r.flags & ReportFlag.TAKER) and not r.flags & ReportFlag.AUCTION
        if r.flags & ReportFlag.MAKER:
            assert r.match_id == self.matches + 1, "trades are numbered without a gap"
            self.matches = r.match_id
            if not self.of_print:
                self._trade(r)
        assert r.match_id == self.matches, "both sides of a trade have its number"
        if takes and self.of_print and r.flags & ReportFlag.HOUSE:
            return  # nothing of a print ever rests
        order = self._order(r)
        order.filled += r.qty
        self._lose(order, r, resting=not takes)
        if takes and r.flags & ReportFlag.HOUSE and r.side == Side.BUY:
            self._ask_comes_after(r.symbol)

    def _ask_comes_after(self, symbol: int) -> None:
        """A quote's ask comes in once its bid has traded: behind an iceberg at its price that showed anew meanwhile."""
        for ask in [o for o in self.resting if (o.id, o.symbol, o.side) == (0, symbol, Side.SELL)]:
            self.resting.remove(ask)
            self.resting.append(ask)

    def _lose(self, order: Heard, r: Report, *, resting: bool) -> None:
        """Lots leave an order, traded or taken off; `resting`: out of its tip, behind which the next may show."""
        order.leaves -= r.qty
        assert order.leaves == r.leaves
        if not resting or not order.leaves:
            assert not r.aux
            order.show()
        else:
            order.shown -= r.qty
            if not order.shown:
                self.resting.remove(order)
                self._rests(order)
            assert r.aux == (order.shown if order.display else 0), "aux is what an iceberg shows now"
        if not order.leaves:
            self.resting.remove(order)

    def _off(self, r: Report) -> None:
        order = self._order(r)
        assert (r.qty, r.leaves) == (order.leaves, 0), "what is taken off is all that was open"
        if r.flags & ReportFlag.DORMANT:
            del self.dormant[order.id]
        else:
            self.resting.remove(order)
        self.mass_canceled += r.reason == Reason.MASS_CANCEL

    def _replaced(self, r: Report) -> None:
        order = self._order(r)
        keeps_place = r.price == order.price and r.leaves <= order.leaves
        order.leaves = r.leaves
        assert r.qty == order.leaves + order.filled
        if order.offset:
            assert (r.price, r.aux) == (order.offset, order.stop), "a trailing stop is where the tape says"
            return
        order.price = r.price
        if r.flags & ReportFlag.DORMANT:
            order.stop = r.aux
            return
        assert r.aux == order.display
        if keeps_place:
            order.shown = min(order.shown, order.leaves)
            return
        self.resting.remove(order)
        self._comes_in(order.id)
        self._rests(order)

    def _triggered(self, r: Report) -> None:
        order = self.dormant.pop(r.order_id)
        assert (r.price, r.qty, r.leaves) == (order.price, order.leaves, order.leaves)
        order.display = r.aux
        self._comes_in(order.id)
        self._rests(order)

    def _quoted(self, r: Report) -> None:
        self._comes_in(None)
        self.resting = [o for o in self.resting if o.id or o.symbol != r.symbol]
        for side, price, qty in ((Side.BUY, r.price, r.qty), (Side.SELL, r.leaves, r.aux)):
            if qty:
                self._rests(Heard(0, 0, 0, r.symbol, side, price, qty))

    def _trade(self, r: Report) -> None:
        _, _, volume, trades = self.tapes.get(r.symbol, (0, 0, 0, 0))
        counts = volume + r.qty < 1 << 64  # else it is in no total: fs_last
        self.tapes[r.symbol] = (r.price, r.qty, volume + r.qty * counts, trades + counts)
