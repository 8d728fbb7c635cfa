"""The oracle of the matching engine: price-time priority written to be read, not to be fast.

Commands come in and reports go out as `libs.common.frames` tuples. A book is one list of orders in the order
of their arrival; the best order to trade with is found by looking at all of them. It follows the words of
`native/include/fillstream.h` and shares no code with the C engine.
"""

from dataclasses import dataclass, field, replace

from libs.common.frames import (
    MAX_PRICE,
    MAX_QTY,
    MAX_SYMBOL,
    PARTITION_ALL,
    PARTITION_NONE,
    Command,
    CommandType,
    OrdType,
    Reason,
    Report,
    ReportFlag,
    ReportType,
    Side,
    Tif,
)

MAX_SIDE_QTY = 2**63 - 1
MAX_COUNTER = 2**64 - 1


@dataclass
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

    @property
    def house(self) -> bool:
        return self.id == 0

    def trades_at(self, price: int) -> bool:
        if not self.limited:
            return True
        return price <= self.price if self.side == Side.BUY else price >= self.price


@dataclass
class Tape:
    """What `fs_last` says of a symbol."""

    price: int = 0
    qty: int = 0
    volume: int = 0
    trades: int = 0

    def note(self, price: int, qty: int) -> None:
        self.price, self.qty = price, qty
        self.volume = min(self.volume + qty, MAX_COUNTER)
        self.trades += 1


@dataclass
class NaiveBook:
    """All symbols of an engine; `process` is the whole interface."""

    max_orders: int = 1 << 20
    clock_ms: int = 0
    matches: int = 0
    resting: list[Order] = field(default_factory=list)
    tapes: dict[int, Tape] = field(default_factory=dict)
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
            case _:
                self._refuse(command, ReportType.REJECTED, Reason.BAD_RECORD)
        return self.out

    # ------------------------------------------------------------- commands

    def _new(self, c: Command) -> None:
        reason = self._why_not_new(c)
        if reason:
            self._refuse(c, ReportType.REJECTED, reason)
            return
        limited = c.ord_type == OrdType.LIMIT
        order = Order(c.order_id, c.account, c.partition, c.symbol, c.side, c.price if limited else 0, c.qty)
        order.expiry_ms, order.limited = c.time_ms, limited
        self._report(order, ReportType.ACCEPTED)
        within_reach = sum(maker.leaves for maker in self._makers(order))
        if c.tif == Tif.FOK and within_reach < order.leaves:
            self._report(order, ReportType.CANCELED, leaves=0, reason=Reason.FOK_KILLED)
            return
        self._take(order)
        if not order.leaves:
            return
        if may_rest(c):
            self.resting.append(order)
        else:
            cause = Reason.IOC_REMAINDER if limited else Reason.NO_LIQUIDITY
            self._report(order, ReportType.CANCELED, leaves=0, reason=cause)

    def _why_not_new(self, c: Command) -> int:
        if bad_client_record(c) or c.side not in set(Side) or c.ord_type not in set(OrdType) or c.tif not in set(Tif):
            return Reason.BAD_RECORD
        if c.symbol > MAX_SYMBOL:
            return Reason.BAD_SYMBOL
        if not 1 <= c.qty <= MAX_QTY:
            return Reason.BAD_QTY
        if c.ord_type == OrdType.LIMIT and abs(c.price) > MAX_PRICE:
            return Reason.BAD_PRICE
        if c.time_ms and c.time_ms <= self.clock_ms:
            return Reason.EXPIRED
        if self._find(c.order_id):
            return Reason.DUPLICATE_ID
        if may_rest(c) and len([o for o in self.resting if not o.house]) >= self.max_orders:
            return Reason.CAPACITY
        if may_rest(c) and self._open_qty(c.symbol, c.side) + c.qty > MAX_SIDE_QTY:
            return Reason.CAPACITY
        return Reason.NONE

    def _cancel(self, c: Command) -> None:
        order, reason = self._own(c)
        if order is None:
            self._refuse(c, ReportType.CANCEL_REJECTED, reason)
        else:
            self._take_off(order, ReportType.CANCELED, Reason.REQUESTED)

    def _replace(self, c: Command) -> None:
        order, reason = self._own(c)
        if order is not None:
            reason = self._why_not_replace(c, order)
        if order is None or reason:
            self._refuse(c, ReportType.REPLACE_REJECTED, reason)
            return
        leaves = c.qty - order.filled
        if leaves <= 0:
            self._take_off(order, ReportType.CANCELED, Reason.REPLACED_BELOW_FILLED)
            return
        keeps_place = c.price == order.price and leaves <= order.leaves
        order.price, order.leaves = c.price, leaves
        self._report(order, ReportType.REPLACED, qty=c.qty)
        if keeps_place:
            return
        self.resting.remove(order)
        self._take(order)
        if order.leaves:
            self.resting.append(order)

    def _why_not_replace(self, c: Command, order: Order) -> int:
        if not 1 <= c.qty <= MAX_QTY:
            return Reason.BAD_QTY
        if abs(c.price) > MAX_PRICE:
            return Reason.BAD_PRICE
        others = self._open_qty(order.symbol, order.side) - order.leaves
        return Reason.CAPACITY if others + c.qty - order.filled > MAX_SIDE_QTY else Reason.NONE

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
            self._take(order)
            if order.leaves:
                self.resting.append(order)

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
        for side in (bid, ask):
            others = [o for o in self.resting if not o.house and (o.symbol, o.side) == (c.symbol, side.side)]
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

    def _why_not_print(self, c: Command) -> int:
        if c.flags or c.stp or c.side not in set(Side):
            return Reason.BAD_RECORD
        if c.symbol > MAX_SYMBOL:
            return Reason.BAD_SYMBOL
        if not 1 <= c.qty <= MAX_QTY:
            return Reason.BAD_QTY
        return Reason.BAD_PRICE if abs(c.price) > MAX_PRICE else Reason.NONE

    def _time(self, c: Command) -> None:
        if c.flags or c.stp:
            self._refuse(c, ReportType.REJECTED, Reason.BAD_RECORD)
            return
        self.clock_ms = max(self.clock_ms, c.time_ms)
        due = [o for o in self.resting if o.expiry_ms and o.expiry_ms <= self.clock_ms]
        for order in sorted(due, key=lambda o: (o.expiry_ms, o.id)):
            self._take_off(order, ReportType.EXPIRED, Reason.NONE)

    # ------------------------------------------------------------- matching

    def _makers(self, taker: Order, is_print: bool = False) -> list[Order]:
        """Return the orders that `taker` may trade with, in the order in which it does."""
        makers = [
            o
            for o in self.resting
            if o.symbol == taker.symbol and o.side != taker.side and taker.trades_at(o.price)
            if not (is_print and o.house)
        ]
        return sorted(makers, key=lambda o: o.price if o.side == Side.SELL else -o.price)  # stable: oldest first

    def _take(self, taker: Order, is_print: bool = False) -> None:
        for maker in self._makers(taker, is_print):
            if not taker.leaves:
                return
            qty = min(maker.leaves, taker.leaves)
            self.matches += 1
            for order, role in ((maker, ReportFlag.MAKER), (taker, ReportFlag.TAKER)):
                order.leaves -= qty
                order.filled += qty
                self._report(order, ReportType.FILLED, price=maker.price, qty=qty, match_id=self.matches, role=role)
            if not is_print:
                self._tape(taker.symbol).note(maker.price, qty)
            if not maker.leaves:
                self.resting.remove(maker)

    # -------------------------------------------------------------- helpers

    def _tape(self, symbol: int) -> Tape:
        return self.tapes.setdefault(symbol, Tape())

    def _find(self, order_id: int) -> Order | None:
        return next((o for o in self.resting if o.id == order_id and not o.house), None)

    def _own(self, c: Command) -> tuple[Order | None, int]:
        if bad_client_record(c):
            return None, Reason.BAD_RECORD
        order = self._find(c.order_id)
        if order is None:
            return None, Reason.UNKNOWN_ORDER
        return (order, Reason.NONE) if order.account == c.account else (None, Reason.NOT_OWNER)

    def _open_qty(self, symbol: int, side: int) -> int:
        return sum(o.leaves for o in self.resting if (o.symbol, o.side) == (symbol, side))

    def _take_off(self, order: Order, report_type: int, reason: int) -> None:
        self.resting.remove(order)
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
    ) -> None:
        report = Report(
            order_id=order.id,
            price=order.price if price is None else price,
            qty=order.leaves if qty is None else qty,
            leaves=order.leaves if leaves is None else leaves,
            aux=0,
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

    def _echo(self, report_type: int, c: Command, **values: int) -> None:
        blank = Report(*[0] * len(Report._fields))
        house = blank._replace(symbol=c.symbol, flags=ReportFlag.HOUSE, partition=PARTITION_ALL)
        self.out.append(house._replace(type=report_type, **values))

    def _refuse(self, c: Command, report_type: int, reason: int) -> None:
        blank = Report(*[0] * len(Report._fields))
        report = blank._replace(price=c.price, qty=c.qty, symbol=c.symbol, type=report_type, reason=reason)
        report = report._replace(side=c.side if c.side in set(Side) else 0)
        if c.type in (CommandType.QUOTE, CommandType.PRINT, CommandType.TIME):
            self.out.append(report._replace(flags=ReportFlag.HOUSE, partition=PARTITION_NONE))
        else:
            heard_by = min(c.partition, PARTITION_NONE)
            self.out.append(report._replace(order_id=c.order_id, account=c.account, partition=heard_by))

    def copy(self) -> "NaiveBook":
        """Return a book that goes its own way from here."""
        orders = [replace(o) for o in self.resting]
        tapes = {symbol: replace(tape) for symbol, tape in self.tapes.items()}
        return NaiveBook(self.max_orders, self.clock_ms, self.matches, orders, tapes)


def may_rest(c: Command) -> bool:
    """Say whether what an order leaves untraded stays in the book."""
    return c.ord_type == OrdType.LIMIT and c.tif in (Tif.DAY, Tif.GTC)


def bad_client_record(c: Command) -> bool:
    """Say whether a client's command is one that no client may send."""
    return bool(c.flags or c.stp or not c.order_id or not c.account or c.partition >= PARTITION_NONE)
