"""The commands of the naive book: each checked, answered and handed to matching."""

from dataclasses import replace
from typing import Any

from fillstream.libs.common.engine.frames import (
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
)
from tests.support.naive_book.matching import Matching
from tests.support.naive_book.orders import (
    ASLEEP,
    LASTING,
    STOPS,
    Order,
    bad_client_record,
    may_rest,
    new_leaves,
    order_from,
    why_not_record,
)

MAX_SIDE_QTY = 2**63 - 1
MAX_SPECIAL = 10_000
BLANK = Report(*[0] * len(Report._fields))


class NaiveBook(Matching):
    """All symbols of an engine; `process` is the whole interface."""

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
            last = self.tape_of(c.symbol)
            if c.ord_type == OrdType.TRAILING_STOP:
                order.stop = order.trailed(last.price) if last.trades else ASLEEP[Side(c.side)]
            self._report(order, ReportType.ACCEPTED, aux=order.stop)
            self.dormant.append(order)
            self._trigger(c.symbol)
            return
        if c.ord_type == OrdType.MARKET_TO_LIMIT:
            self._take_limit(order)
        self._report(order, ReportType.ACCEPTED, aux=order.display)
        self._come_in(order, may_rest(c) and order.limited)
        self._trigger(c.symbol)

    def _why_not_new(self, c: Command) -> int:
        if self.find(c.order_id):
            return Reason.DUPLICATE_ID
        rules = self.rules_of(c.symbol)
        collected = c.ord_type in STOPS or (c.ord_type == OrdType.LIMIT and c.tif in LASTING)
        if rules.session == Session.HALTED or (rules.session == Session.AUCTION and not collected):
            return Reason.SESSION
        order = order_from(c)
        if c.ord_type == OrdType.MARKET_TO_LIMIT:
            self._take_limit(order)
        if order.limited and rules.outside(order.price):
            return Reason.OUTSIDE_BANDS
        if may_rest(c) and len([o for o in self.live() if not o.house]) >= self.max_orders:
            return Reason.CAPACITY
        if may_rest(c) and self._open_qty(c.symbol, c.side) + c.qty > MAX_SIDE_QTY:
            return Reason.CAPACITY
        if self._special_like(order) >= MAX_SPECIAL:
            return Reason.CAPACITY
        if c.flags & OrderFlag.POST_ONLY and rules.session == Session.CONTINUOUS and self._would_trade(order):
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
        self._report(order, ReportType.REPLACED, qty=total, aux=stop)
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
        rules = self.rules_of(order.symbol)
        if rules.session == Session.HALTED:
            return Reason.SESSION
        leaves = new_leaves(c, order)
        keeps_place = c.price == order.price and leaves <= order.leaves
        lets_in = leaves > 0 and not keeps_place  # something that was not in before
        if order.limited and lets_in and rules.outside(c.price):
            return Reason.OUTSIDE_BANDS
        if self._open_qty(order.symbol, order.side) - order.leaves + leaves > MAX_SIDE_QTY:
            return Reason.CAPACITY
        if order.display and leaves > order.display * MAX_TIPS:
            return Reason.BAD_DISPLAY
        asks = order.flags & OrderFlag.POST_ONLY and rules.session == Session.CONTINUOUS and lets_in
        if asks and self._would_trade(replace(order, price=c.price, leaves=leaves)):
            return Reason.WOULD_TRADE
        return Reason.NONE

    def _quote(self, c: Command) -> None:
        bid = Order(0, 0, PARTITION_NONE, c.symbol, Side.BUY, c.price if c.qty else 0, c.qty)
        ask = Order(0, 0, PARTITION_NONE, c.symbol, Side.SELL, c.aux_price if c.aux_qty else 0, c.aux_qty)
        reason = self._why_not_quote(c, bid, ask)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self._withdraw(c.symbol)
        auction = self.rules_of(c.symbol).session == Session.AUCTION
        if c.qty and c.aux_qty and (c.price > c.aux_price or (c.price == c.aux_price and auction)):
            self._note("crossed quote")
            self._echo(ReportType.QUOTED, c, reason=Reason.CROSSED)
            return
        if c.qty and c.aux_qty and c.price == c.aux_price:
            self._note("locked quote")
        self._echo(ReportType.QUOTED, c, price=bid.price, qty=bid.leaves, leaves=ask.price, aux=ask.leaves)
        for order in (bid, ask):
            if order.leaves:
                self._come_in(order, True)
        self._trigger(c.symbol)

    def _withdraw(self, symbol: int) -> None:
        self.resting = [o for o in self.resting if not (o.house and o.symbol == symbol)]

    def _why_not_quote(self, c: Command, bid: Order, ask: Order) -> int:
        if c.flags or c.stp:
            return Reason.BAD_RECORD
        if c.symbol > MAX_SYMBOL:
            return Reason.BAD_SYMBOL
        if not 0 <= c.qty <= MAX_QTY or not 0 <= c.aux_qty <= MAX_QTY:
            return Reason.BAD_QTY
        if max(abs(bid.price), abs(ask.price)) > MAX_PRICE:
            return Reason.BAD_PRICE
        if self.rules_of(c.symbol).session == Session.HALTED:
            return Reason.SESSION
        for side in (bid, ask):
            others = [o for o in self.live() if not o.house and (o.symbol, o.side) == (c.symbol, side.side)]
            if sum(o.leaves for o in others) + side.leaves > MAX_SIDE_QTY:
                return Reason.CAPACITY
        return Reason.NONE

    def _print(self, c: Command) -> None:
        reason = self._why_not_print(c)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self._echo(ReportType.PRINTED, c, side=c.side, price=c.price, qty=c.qty)
        self.tape_of(c.symbol).note(c.price, c.qty)
        self.take(Order(0, 0, PARTITION_NONE, c.symbol, c.side, c.price, c.qty), is_print=True)
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
        return Reason.NONE if self.rules_of(c.symbol).session == Session.CONTINUOUS else Reason.SESSION

    def _time(self, c: Command) -> None:
        if c.flags or c.stp:
            self._refuse(c, ReportType.REJECTED, Reason.BAD_RECORD)
            return
        self.clock_ms = max(self.clock_ms, c.time_ms)
        due = [o for o in self.live() if o.expiry_ms and o.expiry_ms <= self.clock_ms]
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
            for symbol in sorted({o.symbol for o in self.live()})
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
        auction = c.type == CommandType.SESSION and c.flags == Session.AUCTION
        bands = c.type == CommandType.BANDS and c.flags
        if (auction or bands) and abs(c.price) > MAX_PRICE:
            return Reason.BAD_PRICE
        bad_bands = bands and (abs(c.aux_price) > MAX_PRICE or c.price > c.aux_price)
        return Reason.BAD_PRICE if bad_bands else Reason.NONE

    def _session(self, c: Command) -> None:
        reason = self._why_not_control(c, Session.HALTED)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        rules = self.rules_of(c.symbol)
        if c.flags == Session.AUCTION:
            rules.reference = c.price
            house = {o.side: o.price for o in self.resting if o.house and o.symbol == c.symbol}
            if len(house) == 2 and house[Side.BUY] == house[Side.SELL]:
                self._note("locked quote into an auction")
                self._withdraw(c.symbol)
        self._echo(ReportType.SESSION_SET, c, price=rules.reference, aux=c.flags)
        begins = rules.session != Session.CONTINUOUS and c.flags == Session.CONTINUOUS
        rules.session = c.flags
        if begins:
            self._uncross(c.symbol)
            rules.reference = 0
            self._trigger(c.symbol)

    def _bands(self, c: Command) -> None:
        reason = self._why_not_control(c, 1)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        self.rules_of(c.symbol).bands = (c.price, c.aux_price) if c.flags else None
        low, high = (c.price, c.aux_price) if c.flags else (0, 0)
        self._echo(ReportType.BANDS_SET, c, price=low, leaves=high, aux=c.flags)

    # -------------------------------------------------------------- answers

    def _own(self, c: Command, allowed_flags: int) -> tuple[Order | None, int]:
        if bad_client_record(c) or c.stp or c.flags & ~allowed_flags:
            return None, Reason.BAD_RECORD
        order = self.find(c.order_id)
        if order is None:
            return None, Reason.UNKNOWN_ORDER
        return (order, Reason.NONE) if order.account == c.account else (None, Reason.NOT_OWNER)

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
