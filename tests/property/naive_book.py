"""The oracle of the matching engine: price-time priority written to be read, not to be fast.

Commands come in and reports go out as `libs.common.frames` tuples. A book is one list of orders in the order
of their arrival; the best order to trade with is found by looking at all of them. It follows the words of
`native/include/fillstream.h` and shares no code with the C engine.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from libs.common.frames import (
    MAX_PRICE,
    MAX_QTY,
    MAX_SYMBOL,
    MAX_TIPS,
    PARTITION_ALL,
    PARTITION_NONE,
    Command,
    CommandType,
    MassFlag,
    OrderFlag,
    OrdType,
    Reason,
    ReplaceFlag,
    Report,
    ReportFlag,
    ReportType,
    Session,
    Side,
    Stp,
    Tif,
)

MAX_SIDE_QTY = 2**63 - 1
MAX_COUNTER = 2**64 - 1
STOPS = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
LIMITED = (OrdType.LIMIT, OrdType.STOP_LIMIT)
LASTING = (Tif.DAY, Tif.GTC, Tif.GTD)
ASLEEP = {Side.BUY: 2**63 - 1, Side.SELL: -(2**63)}
BLANK = Report(*[0] * len(Report._fields))


@dataclass(eq=False)
class Order:
    """An order of a client, or of the house (id 0, account 0)."""

    id: int
    account: int
    partition: int
    symbol: int
    side: int
    price: int
    leaves: int
    filled: int = 0
    expiry_ms: int = 0
    limited: bool = True
    tif: int = Tif.GTC
    flags: int = 0
    stp: int = 0
    display: int = 0  # an iceberg's
    shown: int = 0
    stop: int | None = None  # of a dormant order
    offset: int = 0  # of a trailing stop

    @property
    def house(self) -> bool:
        return self.id == 0

    @property
    def aon(self) -> bool:
        return bool(self.flags & OrderFlag.ALL_OR_NONE)

    def trades_at(self, price: int) -> bool:
        if not self.limited:
            return True
        return price <= self.price if self.side == Side.BUY else price >= self.price

    def show(self) -> None:
        self.shown = min(self.display, self.leaves) if self.display else self.leaves

    def reached(self, last: int) -> bool:
        assert self.stop is not None
        return last >= self.stop if self.side == Side.BUY else last <= self.stop

    def trailed(self, last: int) -> int:
        offset = max(1, abs(last) * self.offset // 10000) if self.flags & OrderFlag.OFFSET_BPS else self.offset
        return last + offset if self.side == Side.BUY else last - offset


@dataclass
class Tape:
    """What `fs_last` says of a symbol."""

    price: int = 0
    qty: int = 0
    volume: int = 0
    trades: int = 0
    turnover: int = 0

    def note(self, price: int, qty: int) -> None:
        self.price, self.qty = price, qty
        self.trades += 1
        if self.volume + qty <= MAX_COUNTER:
            self.volume += qty
            self.turnover += price * qty


@dataclass
class Rules:
    """A symbol's session, its auction's reference, its bands."""

    session: int = Session.CONTINUOUS
    reference: int = 0
    bands: tuple[int, int] | None = None

    def outside(self, price: int) -> bool:
        return self.bands is not None and not self.bands[0] <= price <= self.bands[1]


@dataclass
class NaiveBook:
    """All symbols of an engine; `process` is the whole interface."""

    max_orders: int = 1 << 20
    clock_ms: int = 0
    matches: int = 0
    resting: list[Order] = field(default_factory=list)
    dormant: list[Order] = field(default_factory=list)
    tapes: dict[int, Tape] = field(default_factory=dict)
    rules: dict[int, Rules] = field(default_factory=dict)
    out: list[Report] = field(default_factory=list)

    def process(self, command: Command) -> list[Report]:
        """Execute one command and return its reports."""
        self.out = []
        match command.type:
            case CommandType.NEW:
                self._new(command)
            case CommandType.CANCEL:
                self._cancel(command)
            case CommandType.REPLACE:
                self._replace(command)
            case CommandType.QUOTE:
                self._quote(command)
            case CommandType.PRINT:
                self._print(command)
            case CommandType.TIME:
                self._time(command)
            case CommandType.MASS_CANCEL:
                self._mass_cancel(command)
            case CommandType.SESSION:
                self._session(command)
            case CommandType.BANDS:
                self._bands(command)
            case _:
                self._refuse(command, ReportType.REJECTED, Reason.BAD_RECORD)
        return self.out

    # ------------------------------------------------------------- commands

    def _new(self, c: Command) -> None:
        reason = why_not_record(c, self.clock_ms) or self._why_not_new(c)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        order = order_from(c)
        if c.ord_type in STOPS:
            last = self._tape(c.symbol)
            if c.ord_type == OrdType.TRAILING_STOP:
                order.stop = order.trailed(last.price) if last.trades else ASLEEP[Side(c.side)]
            self._report(order, ReportType.ACCEPTED, aux=order.stop, role=ReportFlag.DORMANT)
            self.dormant.append(order)
            self._trigger(c.symbol)
            return
        if c.ord_type == OrdType.MARKET_TO_LIMIT:
            makers = self._makers(order)
            order.limited = bool(makers)
            order.price = makers[0].price if makers else 0
        self._report(order, ReportType.ACCEPTED, aux=order.display)
        self._come_in(order, may_rest(c) and order.limited)
        self._trigger(c.symbol)

    def _come_in(self, order: Order, rests: bool) -> None:
        """A new, triggered or replaced order trades and then rests, or not."""
        collects = self._rules(order.symbol).session == Session.AUCTION
        whole = not collects and self._would_fill(order)
        if order.tif == Tif.FOK and not whole:
            self._report(order, ReportType.CANCELED, leaves=0, reason=Reason.FOK_KILLED)
            return
        if not collects and (whole or not order.aon):
            self._take(order)
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
        other._take(alone)
        return alone.filled - order.filled == order.leaves

    def _why_not_new(self, c: Command) -> int:
        if self._find(c.order_id):
            return Reason.DUPLICATE_ID
        rules = self._rules(c.symbol)
        collected = c.ord_type in STOPS or (c.ord_type == OrdType.LIMIT and c.tif in LASTING)
        if rules.session == Session.HALTED or (rules.session == Session.AUCTION and not collected):
            return Reason.SESSION
        if c.ord_type in LIMITED and rules.outside(c.price):
            return Reason.OUTSIDE_BANDS
        if may_rest(c) and len([o for o in self._live() if not o.house]) >= self.max_orders:
            return Reason.CAPACITY
        if may_rest(c) and self._open_qty(c.symbol, c.side) + c.qty > MAX_SIDE_QTY:
            return Reason.CAPACITY
        if c.flags & OrderFlag.POST_ONLY and rules.session == Session.CONTINUOUS and self._makers(order_from(c)):
            return Reason.WOULD_TRADE
        return Reason.NONE

    def _cancel(self, c: Command) -> None:
        order, reason = self._own(c, 0)
        if order is None:
            self._refuse(c, ReportType.CANCEL_REJECTED, reason)
        else:
            self._take_off(order, ReportType.CANCELED, Reason.REQUESTED)

    def _replace(self, c: Command) -> None:
        order, reason = self._own(c, int(ReplaceFlag.OPEN_QTY | ReplaceFlag.NEW_STOP))
        if order is not None:
            reason = self._why_not_replace(c, order)
        if order is None or reason:
            self._refuse(c, ReportType.REPLACE_REJECTED, reason)
            return
        leaves = new_leaves(c, order)
        if leaves <= 0:
            self._take_off(order, ReportType.CANCELED, Reason.REPLACED_BELOW_FILLED)
        elif order.stop is not None:
            self._replace_dormant(c, order, leaves)
        else:
            self._replace_resting(c, order, leaves)

    def _replace_dormant(self, c: Command, order: Order, leaves: int) -> None:
        stop = c.aux_price if c.flags & ReplaceFlag.NEW_STOP else order.stop
        keeps_place = stop == order.stop and leaves <= order.leaves
        order.stop, order.leaves = stop, leaves
        order.price = c.price if order.limited else 0
        total = leaves + order.filled
        self._report(order, ReportType.REPLACED, qty=total, aux=stop, role=ReportFlag.DORMANT)
        if not keeps_place:
            self.dormant.remove(order)
            self.dormant.append(order)
            self._trigger(order.symbol)

    def _replace_resting(self, c: Command, order: Order, leaves: int) -> None:
        keeps_place = c.price == order.price and leaves <= order.leaves
        order.price = c.price
        if keeps_place:  # the hidden part shrinks first
            order.shown = min(order.shown, leaves)
        order.leaves = leaves
        self._report(order, ReportType.REPLACED, qty=leaves + order.filled, aux=order.display)
        if keeps_place:
            return
        self.resting.remove(order)
        self._come_in(order, True)
        self._trigger(order.symbol)

    def _why_not_replace(self, c: Command, order: Order) -> int:
        new_stop = c.flags & ReplaceFlag.NEW_STOP
        if new_stop and (order.stop is None or order.offset):
            return Reason.BAD_RECORD
        if not 1 <= c.qty <= MAX_QTY or (c.flags & ReplaceFlag.OPEN_QTY and c.qty + order.filled > MAX_QTY):
            return Reason.BAD_QTY
        if order.limited and abs(c.price) > MAX_PRICE:
            return Reason.BAD_PRICE
        if new_stop and abs(c.aux_price) > MAX_PRICE:
            return Reason.BAD_STOP
        rules = self._rules(order.symbol)
        if rules.session == Session.HALTED:
            return Reason.SESSION
        if order.limited and rules.outside(c.price):
            return Reason.OUTSIDE_BANDS
        leaves = new_leaves(c, order)
        if self._open_qty(order.symbol, order.side) - order.leaves + leaves > MAX_SIDE_QTY:
            return Reason.CAPACITY
        if order.display and leaves > order.display * MAX_TIPS:
            return Reason.BAD_DISPLAY
        asks = order.flags & OrderFlag.POST_ONLY and rules.session == Session.CONTINUOUS and leaves > 0
        keeps_place = c.price == order.price and leaves <= order.leaves
        if asks and not keeps_place and self._makers(replace(order, price=c.price, leaves=leaves)):
            return Reason.WOULD_TRADE
        return Reason.NONE

    def _quote(self, c: Command) -> None:
        bid = Order(0, 0, PARTITION_NONE, c.symbol, Side.BUY, c.price if c.qty else 0, c.qty)
        ask = Order(0, 0, PARTITION_NONE, c.symbol, Side.SELL, c.aux_price if c.aux_qty else 0, c.aux_qty)
        reason = self._why_not_quote(c, bid, ask)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self._echo(ReportType.QUOTED, c, price=bid.price, qty=bid.leaves, leaves=ask.price, aux=ask.leaves)
        self.resting = [o for o in self.resting if not (o.house and o.symbol == c.symbol)]
        for order in (bid, ask):
            if order.leaves:
                self._come_in(order, True)
        self._trigger(c.symbol)

    def _why_not_quote(self, c: Command, bid: Order, ask: Order) -> int:
        if c.flags or c.stp:
            return Reason.BAD_RECORD
        if c.symbol > MAX_SYMBOL:
            return Reason.BAD_SYMBOL
        if not 0 <= c.qty <= MAX_QTY or not 0 <= c.aux_qty <= MAX_QTY:
            return Reason.BAD_QTY
        if max(abs(bid.price), abs(ask.price)) > MAX_PRICE:
            return Reason.BAD_PRICE
        if c.qty and c.aux_qty and c.price >= c.aux_price:
            return Reason.BAD_PRICE
        if self._rules(c.symbol).session == Session.HALTED:
            return Reason.SESSION
        for side in (bid, ask):
            others = [o for o in self._live() if not o.house and (o.symbol, o.side) == (c.symbol, side.side)]
            if sum(o.leaves for o in others) + side.leaves > MAX_SIDE_QTY:
                return Reason.CAPACITY
        return Reason.NONE

    def _print(self, c: Command) -> None:
        reason = self._why_not_print(c)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self._echo(ReportType.PRINTED, c, side=c.side, price=c.price, qty=c.qty)
        self._tape(c.symbol).note(c.price, c.qty)
        self._take(Order(0, 0, PARTITION_NONE, c.symbol, c.side, c.price, c.qty), is_print=True)
        self._trigger(c.symbol)

    def _why_not_print(self, c: Command) -> int:
        if c.flags or c.stp or c.side not in set(Side):
            return Reason.BAD_RECORD
        if c.symbol > MAX_SYMBOL:
            return Reason.BAD_SYMBOL
        if not 1 <= c.qty <= MAX_QTY:
            return Reason.BAD_QTY
        if abs(c.price) > MAX_PRICE:
            return Reason.BAD_PRICE
        return Reason.NONE if self._rules(c.symbol).session == Session.CONTINUOUS else Reason.SESSION

    def _time(self, c: Command) -> None:
        if c.flags or c.stp:
            self._refuse(c, ReportType.REJECTED, Reason.BAD_RECORD)
            return
        self.clock_ms = max(self.clock_ms, c.time_ms)
        due = [o for o in self._live() if o.expiry_ms and o.expiry_ms <= self.clock_ms]
        for order in sorted(due, key=lambda o: (o.expiry_ms, o.id)):
            self._take_off(order, ReportType.EXPIRED, Reason.NONE)

    def _mass_cancel(self, c: Command) -> None:
        by_symbol = c.flags & MassFlag.BY_SYMBOL
        if c.flags & ~1 or c.stp or c.side not in (0, *Side):
            self._refuse(c, ReportType.REJECTED, Reason.BAD_RECORD)
            return
        if by_symbol and c.symbol > MAX_SYMBOL:
            self._refuse(c, ReportType.REJECTED, Reason.BAD_SYMBOL)
            return
        meant = [
            o
            for symbol in sorted({o.symbol for o in self._live()})
            for o in self.queue(symbol, Side.BUY)
            + self.queue(symbol, Side.SELL)
            + self.stops(symbol, Side.SELL)
            + self.stops(symbol, Side.BUY)
            if not o.house and c.account in (0, o.account) and c.side in (0, o.side)
            if not by_symbol or o.symbol == c.symbol
        ]
        for order in meant:
            self._take_off(order, ReportType.CANCELED, Reason.MASS_CANCEL)
        heard_by = min(c.partition, PARTITION_NONE)
        done = BLANK._replace(order_id=c.order_id, qty=len(meant), account=c.account, symbol=c.symbol, side=c.side)
        self.out.append(done._replace(type=ReportType.MASS_CANCELED, partition=heard_by))

    def _why_not_control(self, c: Command, highest_flag: int) -> int:
        if c.flags > highest_flag or c.stp:
            return Reason.BAD_RECORD
        if c.symbol > MAX_SYMBOL:
            return Reason.BAD_SYMBOL
        bad_bands = c.type == CommandType.BANDS and (abs(c.aux_price) > MAX_PRICE or c.price > c.aux_price)
        return Reason.BAD_PRICE if abs(c.price) > MAX_PRICE or bad_bands else Reason.NONE

    def _session(self, c: Command) -> None:
        reason = self._why_not_control(c, Session.HALTED)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self._echo(ReportType.SESSION_SET, c, price=c.price, aux=c.flags)
        rules = self._rules(c.symbol)
        begins = rules.session != Session.CONTINUOUS and c.flags == Session.CONTINUOUS
        rules.session, rules.reference = c.flags, c.price
        if begins:
            self._uncross(c.symbol)
            self._trigger(c.symbol)

    def _bands(self, c: Command) -> None:
        reason = self._why_not_control(c, 1)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self._rules(c.symbol).bands = (c.price, c.aux_price) if c.flags else None
        low, high = (c.price, c.aux_price) if c.flags else (0, 0)
        self._echo(ReportType.BANDS_SET, c, price=low, leaves=high, aux=c.flags)

    # ------------------------------------------------------------- matching

    def queue(self, symbol: int, side: int) -> list[Order]:
        """Return the orders of a side in the order in which they trade."""
        own = [o for o in self.resting if (o.symbol, o.side) == (symbol, side)]
        return sorted(own, key=lambda o: o.price if side == Side.SELL else -o.price)  # stable: oldest first

    def stops(self, symbol: int, side: int) -> list[Order]:
        """Return the dormant orders of a side, nearest first."""
        own = [o for o in self.dormant if (o.symbol, o.side) == (symbol, side)]
        return sorted(own, key=lambda o: o.stop if side == Side.BUY else -o.stop)  # type: ignore[operator]

    def _makers(self, taker: Order, is_print: bool = False) -> list[Order]:
        """Return the orders that `taker` may trade with now, in the order in which it does."""
        return [
            o
            for o in self.queue(taker.symbol, Side.SELL if taker.side == Side.BUY else Side.BUY)
            if taker.trades_at(o.price)
            if not (is_print and o.house)
            if not (o.aon and o.leaves > taker.leaves)
        ]

    def _take(self, taker: Order, is_print: bool = False) -> None:
        while taker.leaves:
            makers = self._makers(taker, is_print)
            if not makers:
                return
            maker = makers[0]
            if taker.stp and maker.account == taker.account and not maker.house:
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
                self._tape(taker.symbol).note(maker.price, qty)

    def _consume(self, maker: Order, qty: int) -> None:
        """The tip of a resting order, whose leaves are already less, shrinks; at 0 the next shows, behind the rest."""
        maker.shown -= qty
        if maker.shown:
            return
        self.resting.remove(maker)
        if maker.leaves:
            maker.show()
            self.resting.append(maker)

    def _fill(self, order: Order, price: int, qty: int, role: int, rests: bool) -> None:
        aux = order.shown if order.display and rests and order.leaves else 0
        self._report(order, ReportType.FILLED, price=price, qty=qty, match_id=self.matches, role=role, aux=aux)

    def _prevent(self, taker: Order, maker: Order) -> None:
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
        while True:
            tape = self._tape(symbol)
            if self._rules(symbol).session == Session.CONTINUOUS and tape.trades:
                for side in (Side.BUY, Side.SELL):
                    reached = [o for o in self.stops(symbol, side) if o.reached(tape.price)]
                    elected += reached
                    self.dormant = [o for o in self.dormant if o not in reached]
                self._trail(symbol, tape.price)
            if not elected:
                return
            order = elected.pop(0)
            order.stop = None
            order.offset = 0
            order.flags &= ~OrderFlag.OFFSET_BPS
            self._report(order, ReportType.TRIGGERED, aux=tape.price)
            self._come_in(order, order.limited and order.tif in LASTING)

    def _trail(self, symbol: int, last: int) -> None:
        for side in Side:
            for order in self.stops(symbol, side):
                moved = order.trailed(last)
                assert order.stop is not None
                if order.offset and (moved < order.stop if side == Side.BUY else moved > order.stop):
                    order.stop = moved
                    self.dormant.remove(order)
                    self.dormant.append(order)

    # -------------------------------------------------------------- auction

    def cross(self, symbol: int) -> tuple[int, int]:
        """Return price and quantity of an uncross now; (0, 0): nothing crosses."""
        bids, asks = ([o for o in self.queue(symbol, side) if not o.aon] for side in Side)
        edges = {o.price for o in self.queue(symbol, Side.BUY) + self.queue(symbol, Side.SELL)}
        reference = self._rules(symbol).reference
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
        while volume:
            buy, sell = (next(o for o in self.queue(symbol, side) if not o.aon) for side in Side)
            qty = min(buy.shown, sell.shown)
            self.matches += 1
            for order, role in ((buy, ReportFlag.MAKER), (sell, ReportFlag.TAKER)):
                order.leaves -= qty
                order.filled += qty
                self._consume(order, qty)
                self._fill(order, price, qty, role | ReportFlag.AUCTION, True)
            self._tape(symbol).note(price, qty)
            volume -= qty

    # -------------------------------------------------------------- helpers

    def _live(self) -> list[Order]:
        return self.resting + self.dormant

    def _tape(self, symbol: int) -> Tape:
        return self.tapes.setdefault(symbol, Tape())

    def _rules(self, symbol: int) -> Rules:
        return self.rules.setdefault(symbol, Rules())

    def _find(self, order_id: int) -> Order | None:
        return next((o for o in self._live() if o.id == order_id and not o.house), None)

    def _own(self, c: Command, allowed_flags: int) -> tuple[Order | None, int]:
        if bad_client_record(c) or c.stp or c.flags & ~allowed_flags:
            return None, Reason.BAD_RECORD
        order = self._find(c.order_id)
        if order is None:
            return None, Reason.UNKNOWN_ORDER
        return (order, Reason.NONE) if order.account == c.account else (None, Reason.NOT_OWNER)

    def _open_qty(self, symbol: int, side: int) -> int:
        return sum(o.leaves for o in self._live() if (o.symbol, o.side) == (symbol, side))

    def _take_off(self, order: Order, report_type: int, reason: int) -> None:
        dormant = order.stop is not None
        (self.dormant if dormant else self.resting).remove(order)
        self._report(order, report_type, leaves=0, reason=reason, role=ReportFlag.DORMANT if dormant else 0)

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
            price=order.price if price is None else price,
            qty=order.leaves if qty is None else qty,
            leaves=order.leaves if leaves is None else leaves,
            aux=aux or 0,
            match_id=match_id,
            account=order.account,
            symbol=order.symbol,
            type=report_type,
            side=order.side,
            reason=reason,
            flags=role | (ReportFlag.HOUSE if order.house else 0),
            partition=order.partition,
            reserved=0,
        )
        self.out.append(report)

    def _echo(self, report_type: int, c: Command, **values: Any) -> None:
        house = BLANK._replace(symbol=c.symbol, flags=ReportFlag.HOUSE, partition=PARTITION_ALL)
        self.out.append(house._replace(type=report_type, **values))

    def _refuse(self, c: Command, report_type: int, reason: int) -> None:
        report = BLANK._replace(price=c.price, qty=c.qty, symbol=c.symbol, type=report_type, reason=reason)
        report = report._replace(side=c.side if c.side in set(Side) else 0)
        houses = (CommandType.QUOTE, CommandType.PRINT, CommandType.TIME, CommandType.SESSION, CommandType.BANDS)
        if c.type in houses:
            self.out.append(report._replace(flags=ReportFlag.HOUSE, partition=PARTITION_NONE))
        else:
            heard_by = min(c.partition, PARTITION_NONE)
            self.out.append(report._replace(order_id=c.order_id, account=c.account, partition=heard_by))

    def copy(self) -> "NaiveBook":
        """Return a book that goes its own way from here."""
        resting, dormant = ([replace(o) for o in orders] for orders in (self.resting, self.dormant))
        tapes = {symbol: replace(tape) for symbol, tape in self.tapes.items()}
        rules = {symbol: replace(rule) for symbol, rule in self.rules.items()}
        return NaiveBook(self.max_orders, self.clock_ms, self.matches, resting, dormant, tapes, rules)


def order_from(c: Command) -> Order:
    """Return the order of a sound FS_NEW."""
    order = Order(c.order_id, c.account, c.partition, c.symbol, c.side, c.price, c.qty, 0, c.time_ms)
    order.limited = c.ord_type not in (OrdType.MARKET, OrdType.STOP, OrdType.TRAILING_STOP)
    order.price = c.price if c.ord_type in LIMITED else 0
    order.tif, order.flags, order.stp = c.tif, c.flags, c.stp
    order.display = c.aux_qty if c.flags & OrderFlag.ICEBERG else 0
    order.stop = c.aux_price if c.ord_type in STOPS else None
    order.offset = c.aux_qty if c.ord_type == OrdType.TRAILING_STOP else 0
    if c.ord_type == OrdType.MARKET_TO_LIMIT:
        order.limited = False  # it will have a limit once it has seen the book
    return order


def why_not_record(c: Command, clock_ms: int) -> int:
    """Return what is wrong with the record of an FS_NEW, by itself."""
    codes = c.side in set(Side) and c.ord_type in set(OrdType) and c.tif in set(Tif) and c.stp in set(Stp)
    if bad_client_record(c) or not codes or c.flags & ~int(allowed_flags(c)):
        return Reason.BAD_RECORD
    if c.flags & OrderFlag.ALL_OR_NONE and c.flags & OrderFlag.ICEBERG:
        return Reason.BAD_RECORD
    if c.symbol > MAX_SYMBOL:
        return Reason.BAD_SYMBOL
    if not 1 <= c.qty <= MAX_QTY:
        return Reason.BAD_QTY
    if c.ord_type in LIMITED and abs(c.price) > MAX_PRICE:
        return Reason.BAD_PRICE
    if c.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT) and abs(c.aux_price) > MAX_PRICE:
        return Reason.BAD_STOP
    most = 9999 if c.flags & OrderFlag.OFFSET_BPS else MAX_PRICE
    if c.ord_type == OrdType.TRAILING_STOP and not 1 <= c.aux_qty <= most:
        return Reason.BAD_STOP
    if c.flags & OrderFlag.ICEBERG and not (1 <= c.aux_qty <= c.qty <= c.aux_qty * MAX_TIPS):
        return Reason.BAD_DISPLAY
    late = c.time_ms <= clock_ms if c.time_ms else c.tif == Tif.GTD
    return Reason.EXPIRED if late else Reason.NONE


def allowed_flags(c: Command) -> int:
    """Return the flags that fit the type and the time in force of an order."""
    lasting = c.tif in LASTING
    if c.ord_type == OrdType.LIMIT and lasting:
        return OrderFlag.POST_ONLY | OrderFlag.ALL_OR_NONE | OrderFlag.ICEBERG
    if c.ord_type == OrdType.STOP_LIMIT and lasting:
        return OrderFlag.ICEBERG
    return OrderFlag.OFFSET_BPS if c.ord_type == OrdType.TRAILING_STOP else 0


def may_rest(c: Command) -> bool:
    """Say whether what an order leaves untraded stays in the book, or the order waits."""
    return c.ord_type in STOPS or (c.ord_type != OrdType.MARKET and c.tif in LASTING)


def new_leaves(c: Command, order: Order) -> int:
    """Return what a replaced order would have open."""
    return c.qty if c.flags & ReplaceFlag.OPEN_QTY else c.qty - order.filled


def bad_client_record(c: Command) -> bool:
    """Say whether a client's command is one that no client may send."""
    return bool(not c.order_id or not c.account or c.partition >= PARTITION_NONE)
