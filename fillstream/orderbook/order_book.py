"""The order book of one symbol, for people: `fillstream.orderbook.engine.Engine` with the symbol said once.

Flows in: orders, cancels and the venue's own commands as plain calls. Flows out: what became of each. Never does
anything itself: every method is the engine's, and means the same.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Never, Unpack

from fillstream.libs.common.engine.core import DEFAULT_MAX_ORDERS, Last, Level, Walk
from fillstream.libs.common.engine.frames import Session, Side
from fillstream.libs.common.values.checks import text
from fillstream.orderbook.engine import LEVELS, Engine, OnMarket, OnTrade, OnUpdate
from fillstream.orderbook.outcomes import CommandResult, Indicative, MarketData, OpenOrder, OrderResult
from fillstream.orderbook.registry import symbols_in
from fillstream.orderbook.terms import OrderKeywords


class OrderBook:
    """The book of one symbol: an `Engine` of its own, with the symbol said once.

    Args:
        symbol: a text that is not empty.
        max_orders, depth, on_trade_confirmation, on_order_update, on_market_data_update: as of `Engine`, and so is all
            else that its docstring says: names, numbers, errors, threads, callbacks.
    """

    def __init__(
        self,
        symbol: str = "BOOK",
        max_orders: int = DEFAULT_MAX_ORDERS,
        *,
        depth: int = LEVELS,
        on_trade_confirmation: OnTrade | None = None,
        on_order_update: OnUpdate | None = None,
        on_market_data_update: OnMarket | None = None,
    ) -> None:
        self._symbol = text("symbol", symbol)
        self._engine = Engine(
            max_orders,
            depth=depth,
            on_trade_confirmation=on_trade_confirmation,
            on_order_update=on_order_update,
            on_market_data_update=on_market_data_update,
        )

    def __repr__(self) -> str:
        bid, ask = (f"{level.qty} at {level.price}" if level else "none" for level in self.best())
        return f"<fillstream.OrderBook {self._symbol!r}: bid {bid}, ask {ask}, {self.orders()} live orders>"

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("An OrderBook cannot be copied or pickled: snapshot() gives its state, restore() takes it.")

    @property
    def symbol(self) -> str:
        """Whose book it is."""
        return self._symbol

    def add(
        self, side: Side | str, price: int | None, qty: int, client_id: str | int, **terms: Unpack[OrderKeywords]
    ) -> OrderResult:
        """Put in an order; `terms` are the keywords of `Engine.submit_order`."""
        return self._engine.submit_order(self._symbol, side, price, qty, client_id, **terms)

    def cancel(self, client_id: str | int | None = None, *, broker_id: int | None = None) -> OrderResult:
        """Cancel an order; see `Engine.cancel_order`."""
        return self._engine.cancel_order(client_id, broker_id=broker_id)

    def replace(
        self,
        client_id: str | int | None = None,
        price: int | None = None,
        qty: int | None = None,
        *,
        stop_price: int | None = None,
        open_qty: bool = False,
        broker_id: int | None = None,
    ) -> OrderResult:
        """Change an order; see `Engine.replace_order`."""
        return self._engine.replace_order(
            client_id, price, qty, stop_price=stop_price, open_qty=open_qty, broker_id=broker_id
        )

    def mass_cancel(self, account: int | None = None, side: Side | str | None = None) -> CommandResult:
        """Cancel all orders of an account and a side; see `Engine.mass_cancel`."""
        return self._engine.mass_cancel(account, self._symbol, side)

    def quote(
        self, bid: int | None = None, bid_qty: int = 0, ask: int | None = None, ask_qty: int = 0
    ) -> CommandResult:
        """Put the house's quote in place of its former one; see `Engine.quote`."""
        return self._engine.quote(self._symbol, bid, bid_qty, ask, ask_qty)

    def print_trade(self, side: Side | str, price: int, qty: int) -> CommandResult:
        """Take note of a trade on the real market; see `Engine.print_trade`."""
        return self._engine.print_trade(self._symbol, side, price, qty)

    def set_session(self, session: Session | str, reference: int | None = None) -> CommandResult:
        """Go to AUCTION, HALTED or CONTINUOUS; see `Engine.set_session`."""
        return self._engine.set_session(self._symbol, session, reference)

    def set_bands(self, low: int, high: int) -> CommandResult:
        """Let limit prices be in `low` to `high` (ticks) alone; see `Engine.set_bands`."""
        return self._engine.set_bands(self._symbol, low, high)

    def clear_bands(self) -> CommandResult:
        """Let limit prices be any."""
        return self._engine.clear_bands(self._symbol)

    def set_time(self, now_ms: int) -> CommandResult:
        """Let time pass: orders that are due expire; see `Engine.set_time`."""
        return self._engine.set_time(now_ms)

    def get_market_data_snapshot(self) -> MarketData:
        """Return levels, last trade and volume."""
        return self._engine.get_market_data_snapshot(self._symbol)

    def best(self) -> tuple[Level | None, Level | None]:
        """Return the best bid and the best ask, None where a side is empty."""
        return self._engine.best(self._symbol)

    def bids(self, levels: int = LEVELS) -> list[Level]:
        """Return up to `levels` bid levels, best first."""
        return self._engine.depth(self._symbol, Side.BUY, levels)

    def asks(self, levels: int = LEVELS) -> list[Level]:
        """Return up to `levels` ask levels, best first."""
        return self._engine.depth(self._symbol, Side.SELL, levels)

    def spread(self) -> int | None:
        """Return best ask less best bid (ticks), None while a side is empty."""
        bid, ask = self.best()
        return ask.price - bid.price if bid and ask else None

    def queue(self, side: Side | str, orders: int = LEVELS, *, waiting: bool = False) -> list[OpenOrder]:
        """Return up to `orders` of one side as they would trade; `waiting`: its stops, nearest first."""
        return self._engine.queue(self._symbol, side, orders, waiting=waiting)

    def find(self, client_id: str | int | None = None, *, broker_id: int | None = None) -> OpenOrder:
        """Return a live order; see `Engine.find`."""
        return self._engine.find(client_id, broker_id=broker_id)

    def last(self) -> Last | None:
        """Return the newest trade or print and the totals, None before the first."""
        return self._engine.last(self._symbol)

    def volume(self) -> int:
        """Return the lots traded in all, prints included."""
        return self._engine.volume(self._symbol)

    def vwap(self) -> Fraction | None:
        """Return the volume-weighted average price (ticks, exact), None before the first trade."""
        return self._engine.vwap(self._symbol)

    def cost(self, side: Side | str, qty: int) -> Walk:
        """Return what a market order would trade now, nothing taken; see `Engine.cost`."""
        return self._engine.cost(self._symbol, side, qty)

    def cumulative(self, side: Side | str, price: int) -> int:
        """Return the lots shown on one side at `price` or better."""
        return self._engine.cumulative(self._symbol, side, price)

    def session(self) -> Session:
        """Return the session; CONTINUOUS until another was set."""
        return self._engine.session(self._symbol)

    def indicative(self) -> Indicative | None:
        """Return price and lots that an uncross would give now, None when nothing crosses."""
        return self._engine.indicative(self._symbol)

    def orders(self) -> int:
        """Return the number of live orders, waiting ones too."""
        return self._engine.orders()

    def reserve(self, orders: int) -> None:
        """Make room for so many live orders (0 to 2^30) now. Raises MemoryError."""
        self._engine.reserve(orders)

    def validate(self) -> None:
        """Check every invariant; raise AssertionError that names the broken one."""
        self._engine.validate()

    def state_hash(self) -> int:
        """Return the 64-bit hash of the book: equal books, equal hashes."""
        return self._engine.state_hash()

    def snapshot(self) -> bytes:
        """Return the whole state; see `Engine.snapshot`."""
        return self._engine.snapshot()

    def restore(self, snapshot: bytes | bytearray | memoryview) -> None:
        """Put a snapshot's state in place of this book's; see `Engine.restore`.

        Raises ValueError for a snapshot of another symbol too.
        """
        others = set(symbols_in(snapshot)) - {self._symbol}
        if others:
            raise ValueError(
                f"symbol is {self._symbol!r}, and the snapshot is of {', '.join(map(repr, sorted(others)))}."
            )
        self._engine.restore(snapshot)
