"""How the naive book matches: makers by price, then time; prevention, stops, auctions; a report for each thing."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Self

from fillstream.libs.common.engine.frames import (
    PARTITION_NONE,
    OrderFlag,
    Reason,
    Report,
    ReportFlag,
    ReportType,
    Session,
    Side,
    Stp,
    Tif,
)
from tests.support.naive_book.orders import ASLEEP, LASTING, Order, Rules, Tape


@dataclass
class Matching:
    """The books of all symbols: one list of the orders at rest, one of those that wait, both oldest first."""

    max_orders: int = 1 << 20
    clock_ms: int = 0
    matches: int = 0
    resting: list[Order] = field(default_factory=list)
    dormant: list[Order] = field(default_factory=list)
    tapes: dict[int, Tape] = field(default_factory=dict)
    rules: dict[int, Rules] = field(default_factory=dict)
    out: list[Report] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)  # what a test may want to have seen

    # ------------------------------------------------------------ coming in

    def _come_in(self, order: Order, rests: bool) -> None:
        """A new, triggered or replaced order trades and then rests, or not."""
        collects = self.rules_of(order.symbol).session == Session.AUCTION
        may_take = not collects and (self._would_fill(order) if order.aon or order.tif == Tif.FOK else True)
        if order.tif == Tif.FOK and not may_take:
            self._report(order, ReportType.CANCELED, leaves=0, reason=Reason.FOK_KILLED)
            return
        if may_take:
            self.take(order)
        elif order.aon and self._makers(order):
            self._note("all-or-none rested across the market")
        if not order.leaves:
            return
        if rests:
            order.show()
            self.resting.append(order)
        else:
            cause = Reason.IOC_REMAINDER if order.limited else Reason.NO_LIQUIDITY
            self._report(order, ReportType.CANCELED, leaves=0, reason=cause)

    def _would_fill(self, order: Order) -> bool:
        """Take from a copy of the book and see: prevention may not cost the order anything."""
        other = self.copy()
        other.out = []
        alone = replace(order)
        other.take(alone)
        return alone.filled - order.filled == order.leaves

    # ------------------------------------------------------------- matching

    def queue(self, symbol: int, side: int) -> list[Order]:
        """Return the orders of a side in the order in which they trade."""
        own = [o for o in self.resting if (o.symbol, o.side) == (symbol, side)]
        return sorted(own, key=lambda o: o.price if side == Side.SELL else -o.price)  # stable: oldest first

    def stops(self, symbol: int, side: int) -> list[Order]:
        """Return the dormant orders of a side, nearest first."""
        own = [o for o in self.dormant if (o.symbol, o.side) == (symbol, side)]
        return sorted(own, key=lambda o: o.stop if side == Side.BUY else -o.stop)  # type: ignore[operator]

    def _makers(self, taker: Order) -> list[Order]:
        """Return the orders that `taker` may trade with now, in that order: the house none of its own."""
        return [
            o
            for o in self.queue(taker.symbol, Side.SELL if taker.side == Side.BUY else Side.BUY)
            if taker.trades_at(o.price)
            if not (taker.house and taker.partition == PARTITION_NONE and o.house)
            if not (o.aon and o.leaves > taker.leaves)
        ]

    @staticmethod
    def _prevented(taker: Order, maker: Order) -> bool:
        return bool(taker.stp) and maker.account == taker.account and not maker.house

    def _would_trade(self, order: Order) -> bool:
        """Say whether an order that came in now would trade at all, and an all-or-none one whole."""
        return self._would_fill(order) if order.aon else bool(self._makers(order))

    def _take_limit(self, order: Order) -> None:
        """A market-to-limit order gets the price of the first order that it would trade with, if there is one."""
        order.limited = False
        partners = [maker for maker in self._makers(order) if not self._prevented(order, maker)]
        order.limited = bool(partners)
        order.price = partners[0].price if partners else 0

    def _ahead_of(self, maker: Order, is_print: bool) -> list[Order]:
        queue = self.queue(maker.symbol, maker.side)
        return [o for o in queue[: queue.index(maker)] if not (is_print and o.house)]

    def take(self, taker: Order, is_print: bool = False) -> None:
        while taker.leaves:
            makers = self._makers(taker)
            if not makers:
                return
            maker = makers[0]
            if any(o.aon for o in self._ahead_of(maker, is_print)):
                self._note("all-or-none passed over")
            if self._prevented(taker, maker):
                self._prevent(taker, maker)
                continue
            qty = min(maker.shown, taker.leaves)
            self.matches += 1
            for order, role in ((maker, ReportFlag.MAKER), (taker, ReportFlag.TAKER)):
                order.leaves -= qty
                order.filled += qty
                if order is maker:
                    self._consume(maker, qty)
                self._fill(order, maker.price, qty, role, maker is order)
            if not is_print:
                self.tape_of(taker.symbol).note(maker.price, qty)

    def _consume(self, maker: Order, qty: int) -> None:
        """The tip of a resting order, whose leaves are already less, shrinks; at 0 the next shows, behind the rest."""
        maker.shown -= qty
        if maker.shown:
            return
        self.resting.remove(maker)
        if maker.leaves:
            self._note("iceberg refreshed")
            maker.show()
            self.resting.append(maker)

    def _fill(self, order: Order, price: int, qty: int, role: int, rests: bool) -> None:
        aux = order.shown if order.display and rests and order.leaves else 0
        self._report(order, ReportType.FILLED, price=price, qty=qty, match_id=self.matches, role=role, aux=aux)

    def _prevent(self, taker: Order, maker: Order) -> None:
        self._note(f"self-trade prevented: {Stp(taker.stp).name}")
        if taker.stp == Stp.DECREMENT:
            qty = min(maker.shown, taker.leaves)
            for order in (maker, taker):
                order.leaves -= qty
                if order is maker:
                    self._consume(maker, qty)
                kind = ReportType.REDUCED if order.leaves else ReportType.CANCELED
                aux = order.shown if order is maker and order.display and order.leaves else 0
                self._report(order, kind, qty=qty, reason=Reason.SELF_TRADE, aux=aux)
            return
        if taker.stp != Stp.CANCEL_INCOMING:
            self._take_off(maker, ReportType.CANCELED, Reason.SELF_TRADE)
        if taker.stp != Stp.CANCEL_RESTING:
            self._report(taker, ReportType.CANCELED, leaves=0, reason=Reason.SELF_TRADE)
            taker.leaves = 0

    def _trigger(self, symbol: int) -> None:
        """Bring in the stops that the last trade reaches, and those that they reach, until there are none."""
        elected: list[Order] = []
        came_in = 0
        while True:
            tape = self.tape_of(symbol)
            if self.rules_of(symbol).session == Session.CONTINUOUS and tape.trades:
                for side in (Side.BUY, Side.SELL):
                    reached = [o for o in self.stops(symbol, side) if o.reached(tape.price)]
                    elected += reached
                    if reached and came_in:
                        self._note("stops cascaded")
                    self.dormant = [o for o in self.dormant if o not in reached]
                self._trail(symbol, tape.price)
            if not elected:
                return
            order = elected.pop(0)
            came_in += 1
            self._note("trailing stop triggered" if order.offset else "stop triggered")
            order.stop = None
            order.offset = 0
            order.flags &= ~OrderFlag.OFFSET_BPS
            self._report(order, ReportType.TRIGGERED, aux=order.display)
            self._come_in(order, order.limited and order.tif in LASTING)

    def _trail(self, symbol: int, last: int) -> None:
        for side in Side:
            for order in self.stops(symbol, side):
                moved = order.trailed(last)
                assert order.stop is not None
                if order.offset and (moved < order.stop if side == Side.BUY else moved > order.stop):
                    self._note("trailing stop woke" if order.stop == ASLEEP[side] else "trailing stop moved")
                    order.stop = moved
                    self.dormant.remove(order)
                    self.dormant.append(order)

    # -------------------------------------------------------------- auction

    def cross(self, symbol: int) -> tuple[int, int]:
        """Return price and quantity of an uncross now; (0, 0): nothing crosses."""
        bids, asks = ([o for o in self.queue(symbol, side) if not o.aon] for side in Side)
        edges = {o.price for o in self.queue(symbol, Side.BUY) + self.queue(symbol, Side.SELL)}
        reference = self.rules_of(symbol).reference
        best: tuple[int, int, int, int] | None = None
        for price in {near for edge in edges for near in (edge - 1, edge, edge + 1)} | {reference}:
            demand = sum(o.leaves for o in bids if o.price >= price)
            supply = sum(o.leaves for o in asks if o.price <= price)
            volume = min(demand, supply)
            rank = (-volume, abs(demand - supply), abs(price - reference), price)
            if volume and (best is None or rank < best):
                best = rank
        return (best[3], -best[0]) if best else (0, 0)

    def _uncross(self, symbol: int) -> None:
        price, volume = self.cross(symbol)
        if volume and any(o.aon for o in self.resting if o.symbol == symbol):
            self._note("all-or-none sat out an uncross")
        if volume and all(o.price != price for o in self.resting if o.symbol == symbol):
            self._note("uncross between the limits")
        while volume:
            buy, sell = (next(o for o in self.queue(symbol, side) if not o.aon) for side in Side)
            qty = min(buy.shown, sell.shown)
            self.matches += 1
            self._note("uncross traded")
            for order, role in ((buy, ReportFlag.MAKER), (sell, ReportFlag.TAKER)):
                order.leaves -= qty
                order.filled += qty
                self._consume(order, qty)
                self._fill(order, price, qty, role | ReportFlag.AUCTION, True)
            self.tape_of(symbol).note(price, qty)
            volume -= qty

    # -------------------------------------------------------------- helpers

    def _note(self, what: str) -> None:
        self.happened[what] += 1

    def live(self) -> list[Order]:
        return self.resting + self.dormant

    def tape_of(self, symbol: int) -> Tape:
        return self.tapes.setdefault(symbol, Tape())

    def rules_of(self, symbol: int) -> Rules:
        return self.rules.setdefault(symbol, Rules())

    def find(self, order_id: int) -> Order | None:
        return next((o for o in self.live() if o.id == order_id and not o.house), None)

    def _open_qty(self, symbol: int, side: int) -> int:
        return sum(o.leaves for o in self.live() if (o.symbol, o.side) == (symbol, side))

    def _special_like(self, order: Order) -> int:
        """Count the trailing stops of its side for one, the all-or-none orders of its side for one; else nothing."""
        own = [o for o in self.live() if (o.symbol, o.side) == (order.symbol, order.side)]
        if order.offset:
            return sum(bool(o.offset) for o in own)
        return sum(o.aon for o in own) if order.aon else 0

    def _take_off(self, order: Order, report_type: int, reason: int) -> None:
        (self.resting if order.stop is None else self.dormant).remove(order)
        self._report(order, report_type, leaves=0, reason=reason)

    def _report(
        self,
        order: Order,
        report_type: int,
        *,
        price: int | None = None,
        qty: int | None = None,
        leaves: int | None = None,
        match_id: int = 0,
        reason: int = 0,
        role: int = 0,
        aux: int | None = 0,
    ) -> None:
        report = Report(
            order_id=order.id,
            price=order.told_price if price is None else price,
            qty=order.leaves if qty is None else qty,
            leaves=order.leaves if leaves is None else leaves,
            aux=aux or 0,
            match_id=match_id,
            account=order.account,
            symbol=order.symbol,
            type=report_type,
            side=order.side,
            reason=reason,
            flags=role | self._flags(order),
            partition=order.partition,
            reserved=0,
        )
        self.out.append(report)

    @staticmethod
    def _flags(order: Order) -> int:
        flags = ReportFlag.HOUSE if order.house else 0
        if order.stop is not None:
            flags |= ReportFlag.DORMANT
        if order.offset:
            flags |= ReportFlag.TRAILING
        if order.flags & OrderFlag.OFFSET_BPS:
            flags |= ReportFlag.OFFSET_BPS
        return flags

    def copy(self) -> Self:
        """Return a book that goes its own way from here."""
        resting, dormant = ([replace(o) for o in orders] for orders in (self.resting, self.dormant))
        tapes = {symbol: replace(tape) for symbol, tape in self.tapes.items()}
        rules = {symbol: replace(rule) for symbol, rule in self.rules.items()}
        return type(self)(self.max_orders, self.clock_ms, self.matches, resting, dormant, tapes, rules)
