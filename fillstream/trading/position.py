"""Positions of document 002: what a strategy means by one, and how it stands by the fills that it has been told.

Flows in: fills, prices. Flows out: quantities and P&L, as Decimals. Never trades: a `PositionTracker` does.
"""

from __future__ import annotations

import uuid
from decimal import Decimal
from enum import StrEnum

from fillstream.trading.exact import Amount, exact, on_grid, share


class PositionStatus(StrEnum):
    """A position's life."""

    PLANNED = "PLANNED"
    """Nothing was sent for it."""
    OPENING = "OPENING"
    """Its entry is on its way, or works, and has not traded."""
    OPEN = "OPEN"
    ADJUSTING = "ADJUSTING"
    """Something is on its way that makes it larger, smaller, or moves its exits."""
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class Position:
    """Base class for all position types.

    Its quantity is what it has of its own fills: an account that trades an instrument for several positions holds their
    sum. Numbers may be floats, which are taken as the digits that they print; what comes out are Decimals.

    Attributes:
        symbol, position_id: of what, and its name, which its orders carry on the desk.
        status: where in its life it is.
        entry_price: mean price of what made it larger; None before the first fill.
        quantity: held, long above 0 and short below.
        unrealized_pnl: at `current_price`, fees aside; 0 without one.
        realized_pnl: of what was closed, fees aside.
        fees: paid so far.
        stop_loss, take_profit: prices at which it is to be closed; None without.
        trailing_stop: how far (price) a stop stays behind its best price; None without.
        multiplier: what a price of 1 is worth.
        close_reason: why it ended, or is to.
    """

    multiplier = Decimal(1)

    def __init__(self, symbol: str, position_id: str | None = None) -> None:
        self.symbol = symbol
        self.position_id = position_id or str(uuid.uuid4())
        self.status = PositionStatus.PLANNED
        self.entry_price: Decimal | None = None
        self.quantity = Decimal(0)
        self.unrealized_pnl = Decimal(0)
        self.realized_pnl = Decimal(0)
        self.fees = Decimal(0)
        self.current_price: Decimal | None = None
        self.stop_loss: Decimal | None = None
        self.take_profit: Decimal | None = None
        self.trailing_stop: Decimal | None = None
        self.close_reason: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.symbol} {self.quantity} {self.status}, position_id={self.position_id!r})"

    async def open(self, quantity: Amount, entry_price: Amount) -> None:
        """Open the position with a quantity (short below 0) and an entry price, in this process.

        Raises:
            ValueError: it is open already or has ended, or one of them is no such number.
        """
        lots = exact(quantity, "quantity")
        if self.status not in (PositionStatus.PLANNED, PositionStatus.OPENING):
            raise ValueError(
                f"position: {self.position_id} is {self.status}, and only what is PLANNED or OPENING opens"
            )
        if not lots:
            raise ValueError("quantity: must not be 0")
        self.fill(lots, exact(entry_price, "entry_price"))
        self.status = PositionStatus.OPEN

    async def update(self, current_price: Amount) -> None:
        """Value the position at a market price, in this process.

        Raises:
            ValueError: it is no number.
        """
        self.current_price = exact(current_price, "current_price")
        self._value()

    async def close(self, exit_price: Amount, reason: str = "manual") -> None:
        """Close the position at a price, in this process.

        Raises:
            ValueError: it was not open, or the price is no number.
        """
        price = exact(exit_price, "exit_price")
        if self.status in (PositionStatus.PLANNED, PositionStatus.CLOSED):
            raise ValueError(f"position: {self.position_id} is {self.status}, and there is nothing to close")
        self.fill(-self.quantity, price)
        self.status = PositionStatus.CLOSED
        self.close_reason = reason

    def fill(self, quantity: Decimal, price: Decimal, fee: Decimal = Decimal(0)) -> None:
        """Book a trade: bought above 0, sold below. What turns it is split at zero.

        Args:
            quantity: signed.
            price: of one.
            fee: that was paid.
        """
        self.fees += fee
        self.current_price = price
        closed = _closed(self.quantity, quantity)
        if closed:
            entry = self.entry_price or price
            self.realized_pnl += (price - entry) * -closed * self.multiplier
        opened = quantity - closed
        if opened:
            before = self.quantity + closed
            cost = (self.entry_price or Decimal(0)) * before + price * opened
            self.entry_price = cost / (before + opened)
        self.quantity += quantity
        self._value()

    def _value(self) -> None:
        if self.entry_price is None or self.current_price is None:
            return
        self.unrealized_pnl = (self.current_price - self.entry_price) * self.quantity * self.multiplier

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status is PositionStatus.CLOSED


class StockPosition(Position):
    """A position in a stock: exits may be given as shares of the entry price."""

    def set_exits(
        self,
        is_long: bool,
        price: Decimal,
        tick_size: Decimal,
        *,
        stop_loss_pct: Amount | None = None,
        take_profit_pct: Amount | None = None,
        trailing_stop_pct: Amount | None = None,
    ) -> None:
        """Set exits as shares of a price: 0.03 is three in a hundred.

        All are rounded towards the entry, by less than a tick: a stop never risks more than it was told. A trailing
        stop that begins no further away than the stop loss is always at least as near, and stands for both.

        Raises:
            ValueError: one is no share, or the trailing stop is the wider one: a bracket has one stop.
        """
        sign = 1 if is_long else -1
        if stop_loss_pct is not None:
            level = price * (1 - sign * share(stop_loss_pct, "stop_loss_pct"))
            self.stop_loss = on_grid(level, tick_size, up=is_long)
        if take_profit_pct is not None:
            level = price * (1 + sign * share(take_profit_pct, "take_profit_pct"))
            self.take_profit = on_grid(level, tick_size, up=not is_long)
        if trailing_stop_pct is not None:
            offset = on_grid(price * share(trailing_stop_pct, "trailing_stop_pct"), tick_size, up=False)
            self.trailing_stop = max(offset, tick_size)
        if self.trailing_stop is not None and self.stop_loss is not None:
            if self.trailing_stop > abs(price - self.stop_loss):
                raise ValueError(
                    f"trailing_stop_pct: {trailing_stop_pct} is wider than stop_loss_pct {stop_loss_pct}; a bracket "
                    "has one stop: give one of them, or a trailing stop that is no wider"
                )
            self.stop_loss = None


def _closed(held: Decimal, traded: Decimal) -> Decimal:
    """Return the part of a trade that closes what is held, signed as the trade."""
    if held * traded >= 0:
        return Decimal(0)
    return traded if abs(traded) <= abs(held) else -held
