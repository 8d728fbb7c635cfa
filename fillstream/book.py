"""Order books for people: symbols by name, sides as words, callbacks, snapshots of the market.

Flows in: orders and cancels as plain calls. Flows out: what became of each, as small named tuples; trade
confirmations and market data to callbacks. The matching is the C engine's (`services.matching_engine.book`); its rules
are in `native/include/fillstream.h`. Prices are integers in ticks, quantities integers in lots; nothing here knows
decimals, streams or the desk.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from libs.common import frames
from libs.common.frames import OrderFlag, OrdType, Reason, ReportFlag, ReportType, Side, Stp, Tif
from services.matching_engine.book import Engine as CoreEngine
from services.matching_engine.book import Level

ACCOUNT = 1
"""The account of an order that names none."""


class Status(Enum):
    """What an order is after a call."""

    WORKING = "WORKING"
    WAITING = "WAITING"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"


class TradeReport(NamedTuple):
    """One side of one trade. `price` is the resting order's, `leaves` (lots) what this order has open after it."""

    match_id: int
    symbol: str
    side: Side
    price: int
    qty: int
    leaves: int
    client_id: str | int
    broker_id: int
    maker: bool


class OrderResult(NamedTuple):
    """What became of a submitted or cancelled order; `reason` says why it was rejected or cancelled."""

    client_id: str | int
    broker_id: int
    status: Status
    filled: int
    leaves: int
    reason: Reason
    trades: tuple[TradeReport, ...]


class MarketData(NamedTuple):
    """A symbol now: levels best first, the last trade (None before the first), lots traded in all."""

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_price: int | None
    last_qty: int | None
    volume: int


class _Live(NamedTuple):
    client_id: str | int
    account: int
    symbol: str


class Engine(CoreEngine):
    """Books of many symbols.

    Args:
        max_orders: how many orders may be live at a time (1 to 2^30).
        depth: levels of each side in a snapshot of the market.
        on_trade_confirmation: called with each `TradeReport`, the maker's before the taker's, after the command.
        on_market_data_update: called with a symbol's `MarketData` after each command that was not rejected.

    `client_id` is the caller's name for an order, unique among live ones; `broker_id` the engine's number for it.
    Orders submitted through the inherited `submit` and `process` have numbers of the caller's and no client id.
    """

    def __init__(
        self,
        max_orders: int = 1 << 20,
        *,
        depth: int = 10,
        on_trade_confirmation: Callable[[TradeReport], None] | None = None,
        on_market_data_update: Callable[[MarketData], None] | None = None,
    ) -> None:
        super().__init__(max_orders)
        self.on_trade_confirmation = on_trade_confirmation
        self.on_market_data_update = on_market_data_update
        self._depth = depth
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._live: dict[int, _Live] = {}
        self._broker_ids: dict[str | int, int] = {}
        self._next_id = 1
        self._time_ms = 0

    def submit_order(
        self,
        symbol: str,
        side: Side | str,
        price: int | None,
        qty: int,
        client_id: str | int,
        *,
        account: int = ACCOUNT,
        ord_type: OrdType | None = None,
        tif: Tif = Tif.GTC,
        stop_price: int = 0,
        display: int = 0,
        offset: int = 0,
        flags: OrderFlag | int = 0,
        stp: Stp = Stp.NONE,
        expiry_ms: int = 0,
    ) -> OrderResult:
        """Put in an order; without a price it is a market order.

        `price`, `stop_price` and `offset` are ticks (`offset` basis points with `OrderFlag.OFFSET_BPS`), `qty` and
        `display` lots. Raises ValueError for a client id in use, a side that is none, or more than 65536 symbols;
        what the engine refuses comes back as `Status.REJECTED` with its reason.
        """
        if client_id in self._broker_ids:
            raise ValueError(f"client_id is {client_id!r}, and a live order has it; it must be new.")
        broker_id, self._next_id = self._next_id, self._next_id + 1
        record = frames.new_order(
            broker_id, account, self._number(symbol), 0, side=_side(side),
            ord_type=ord_type or (OrdType.MARKET if price is None else OrdType.LIMIT), tif=tif, price=price or 0,
            qty=qty, expiry_ms=expiry_ms, stop_price=stop_price, display_or_offset=display or offset,
            flags=flags | (OrderFlag.ICEBERG if display else 0), stp=stp,
        )  # fmt: skip
        self._live[broker_id] = _Live(client_id, account, symbol)
        self._broker_ids[client_id] = broker_id
        return self._execute(record, broker_id, symbol)

    def cancel_order(self, client_id: str | int | None = None, *, broker_id: int | None = None) -> OrderResult:
        """Cancel by the caller's name or the engine's number. Raises KeyError when there is no such live order."""
        number = self._broker_ids[client_id] if client_id is not None else broker_id
        if number is None or number not in self._live:
            raise KeyError(f"broker_id is {number}, and no live order has it.")
        order = self._live[number]
        return self._execute(frames.cancel(number, order.account, self._number(order.symbol), 0), number, order.symbol)

    def replace_order(self, client_id: str | int, price: int, qty: int) -> OrderResult:
        """Change price and total quantity; see FS_REPLACE. Raises KeyError when there is no such live order."""
        number = self._broker_ids[client_id]
        order = self._live[number]
        record = frames.replace(number, order.account, self._number(order.symbol), 0, price=price, qty=qty)
        return self._execute(record, number, order.symbol)

    def set_time(self, now_ms: int) -> None:
        """Let time pass (ms since 1970 UTC): orders that are due expire. It never goes back."""
        self._time_ms = max(self._time_ms, now_ms)
        self._read(self.process(b"", self._time_ms), 0)

    def get_market_data_snapshot(self, symbol: str) -> MarketData:
        """Return a symbol's levels, last trade and volume; empty for a symbol never seen."""
        number = self._numbers.get(symbol)
        if number is None:
            return MarketData(symbol, (), (), None, None, 0)
        bids, asks = (tuple(self.depth(number, side, self._depth)) for side in (Side.BUY, Side.SELL))
        last = self.last(number)
        if last is None:
            return MarketData(symbol, bids, asks, None, None, 0)
        return MarketData(symbol, bids, asks, last.price, last.qty, last.volume)

    def number(self, symbol: str) -> int:
        """Return the engine's number of a symbol, for its inherited queries. Raises KeyError for one never seen."""
        return self._numbers[symbol]

    def _number(self, symbol: str) -> int:
        number = self._numbers.get(symbol)
        if number is None:
            number = len(self._names)
            if number > frames.MAX_SYMBOL:
                raise ValueError(f"symbol is {symbol!r}, and an engine holds {frames.MAX_SYMBOL + 1} symbols at most.")
            self._numbers[symbol] = number
            self._names.append(symbol)
        return number

    def _execute(self, record: bytes, broker_id: int, symbol: str) -> OrderResult:
        order = self._live[broker_id]
        result = self._read(self.process(record, self._time_ms), broker_id)
        assert result is not None, "every command is answered"
        if self.on_market_data_update is not None and result.status is not Status.REJECTED:
            self.on_market_data_update(self.get_market_data_snapshot(symbol))
        return result._replace(client_id=order.client_id)

    def _read(self, answers: bytes, broker_id: int) -> OrderResult | None:
        """Tell callbacks of trades, forget orders that are done, and say what became of one order."""
        result: OrderResult | None = None
        trades: list[TradeReport] = []
        for report in map(frames.Report._make, frames.reports(answers)):
            order = self._live.get(report.order_id)
            kind = ReportType(report.type)
            if kind is ReportType.FILLED and order is not None:
                trades.append(_trade(report, order))
            if report.order_id == broker_id:
                filled = (result.filled if result else 0) + (report.qty if kind is ReportType.FILLED else 0)
                status, leaves = _status(report, kind), report.leaves
                result = OrderResult("", broker_id, status, filled, leaves, Reason(report.reason), ())
            done = not report.leaves and kind not in (ReportType.CANCEL_REJECTED, ReportType.REPLACE_REJECTED)
            if order is not None and done:
                del self._live[report.order_id]
                del self._broker_ids[order.client_id]
        if self.on_trade_confirmation is not None:
            for trade in trades:
                self.on_trade_confirmation(trade)
        return result and result._replace(trades=tuple(t for t in trades if t.broker_id == broker_id))


class OrderBook(Engine):
    """The book of one symbol: `Engine` with the symbol said once."""

    def __init__(self, symbol: str = "BOOK", max_orders: int = 1 << 20, *, depth: int = 10) -> None:
        super().__init__(max_orders, depth=depth)
        self.symbol = symbol
        self._number(symbol)

    def add(self, side: Side | str, price: int | None, qty: int, client_id: str | int, **terms: int) -> OrderResult:
        """Put in an order; `terms` are `submit_order`'s keywords."""
        return self.submit_order(self.symbol, side, price, qty, client_id, **terms)  # type: ignore[arg-type]

    def bids(self, levels: int = 10) -> list[Level]:
        """Return up to `levels` bid levels, best first."""
        return self.depth(0, Side.BUY, levels)

    def asks(self, levels: int = 10) -> list[Level]:
        """Return up to `levels` ask levels, best first."""
        return self.depth(0, Side.SELL, levels)

    def spread(self) -> int | None:
        """Return best ask less best bid (ticks), None while a side is empty."""
        bid, ask = self.best(0)
        return ask.price - bid.price if bid and ask else None


def _side(side: Side | str) -> Side:
    if isinstance(side, Side):
        return side
    if side.upper() not in Side.__members__:
        raise ValueError(f"side is {side!r}, and must be BUY or SELL.")
    return Side[side.upper()]


def _trade(report: frames.Report, order: _Live) -> TradeReport:
    return TradeReport(
        report.match_id, order.symbol, Side(report.side), report.price, report.qty, report.leaves,
        order.client_id, report.order_id, bool(report.flags & ReportFlag.MAKER),
    )  # fmt: skip


def _status(report: frames.Report, kind: ReportType) -> Status:
    match kind:
        case ReportType.REJECTED | ReportType.CANCEL_REJECTED | ReportType.REPLACE_REJECTED:
            return Status.REJECTED
        case ReportType.CANCELED | ReportType.EXPIRED:
            return Status.CANCELED
        case ReportType.FILLED if not report.leaves:
            return Status.FILLED
        case _ if report.flags & ReportFlag.DORMANT:
            return Status.WAITING
        case _:
            return Status.WORKING
