"""What the naive book keeps: orders, a tape and the rules of each symbol; and what a record says by itself."""

from dataclasses import dataclass

from fillstream.libs.common.engine.frames import (
    MAX_PRICE,
    MAX_QTY,
    MAX_SYMBOL,
    MAX_TIPS,
    PARTITION_NONE,
    Command,
    OrderFlag,
    OrdType,
    Reason,
    ReplaceFlag,
    Session,
    Side,
    Stp,
    Tif,
)

MAX_COUNTER = 2**64 - 1
STOPS = (OrdType.STOP, OrdType.STOP_LIMIT, OrdType.TRAILING_STOP)
LIMITED = (OrdType.LIMIT, OrdType.STOP_LIMIT)
LASTING = (Tif.DAY, Tif.GTC, Tif.GTD)
ASLEEP = {Side.BUY: 2**63 - 1, Side.SELL: -(2**63)}


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
    def told_price(self) -> int:
        """What reports and queries say: the limit (0: none), or while it waits a trailing stop's offset."""
        return self.offset or self.price

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
        if self.volume + qty <= MAX_COUNTER:
            self.trades += 1
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
