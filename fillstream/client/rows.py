"""What is asked of analytics about now: an order, a fill, a position, an account, as a row of its view says.

Flows in: rows. Flows out: models with exact numbers and times in UTC. Never leaves out what a view says besides: it is
in `model_extra`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fillstream.libs.common.messages.codes import OrdStatus, Side


class Row(BaseModel):
    """A row of a view."""

    model_config = ConfigDict(frozen=True, extra="allow")


class OrderRow(Row):
    """An order as it stands: its terms, and its latest state."""

    order_id: str
    client_order_id: str | None = None
    account: str
    symbol: str
    side: Side
    ord_status: OrdStatus
    quantity: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal | None = None
    order_type: str | None = None
    price: Decimal | None = None
    time_in_force: str | None = None
    strategy: str | None = None
    venue: str | None = None
    parent_id: str | None = None
    list_id: str | None = None
    group_id: str | None = None
    position_id: str | None = None
    reason: str | None = None
    received: datetime | None = None
    mode: str | None = None


class FillRow(Row):
    """A trade as it stands now: one that a venue took back is none."""

    time: datetime
    order_id: str
    account: str
    symbol: str
    side: Side
    exec_id: str
    last_qty: Decimal
    last_px: Decimal
    fee: Decimal
    currency: str
    liquidity: str | None = None
    venue: str | None = None
    strategy: str | None = None
    mode: str | None = None


class PositionRow(Row):
    """A position as it stands. Money is in `currency`; `position` is long above 0 and short below."""

    account: str
    symbol: str
    currency: str
    position: Decimal
    avg_px: Decimal | None = None
    mark_px: Decimal | None = None
    mark_stale: bool | None = None
    realized_pnl: Decimal
    unrealized_pnl: Decimal | None = None
    fees: Decimal
    cash: Decimal
    net_realized_pnl: Decimal | None = None
    net_pnl: Decimal | None = None
    day_pnl: Decimal | None = None
    position_id: str | None = None
    position_mode: str | None = None
    position_status: str | None = None
    mode: str | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Which position of its account it is: the symbol's, or of an account that hedges one of several."""
        return self.symbol, self.position_id if self.position_mode else None


class AccountValue(Row):
    """What an account is worth at the marks, in its own currency; null where a rate or an equity is missing."""

    account: str
    currency: str
    deposits: Decimal
    cash_balance: Decimal | None = None
    equity: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    day_pnl: Decimal | None = None
    gross_exposure: Decimal | None = None
    net_exposure: Decimal | None = None
    leverage_ratio: Decimal | None = None
    margin_used: Decimal | None = None
    buying_power: Decimal | None = None
    drawdown_ratio: Decimal | None = None
    value_at_risk: Decimal | None = None
    expected_shortfall: Decimal | None = None


class AccountState(BaseModel):
    """An account as it stands.

    Attributes:
        account: its own name; an alias that was asked for is in `alias`.
        mode: LIVE or PAPER; None where its venues differ.
        trading_state: ACTIVE, REDUCING or HALTED: the stricter of its own and the desk's.
        limits: its terms, what an operator has overridden included, as analytics has them.
        positions: that are not flat.
        working_orders: how many work, or wait in the desk.
        net_pnl: realized and unrealized less fees, by currency; of what has a mark.
        value: cash, equity, exposures, margin, risk; None of an account that never had cash put in (docs/risk.md).
    """

    model_config = ConfigDict(frozen=True)

    account: str
    alias: str | None
    mode: str | None
    trading_state: str
    limits: dict[str, Any]
    positions: list[PositionRow]
    working_orders: int
    net_pnl: dict[str, Decimal] = Field(default_factory=dict)
    value: AccountValue | None = None


class MarketState(BaseModel):
    """A market in an instrument at one venue, as the desk saw it last.

    Attributes:
        time_ms: when that was told, milliseconds since 1970; the market has not changed since, or its feed is gone.
    """

    model_config = ConfigDict(frozen=True)

    symbol: str
    venue: str
    time_ms: int
    bid_px: Decimal | None
    bid_qty: Decimal
    ask_px: Decimal | None
    ask_qty: Decimal
    last_px: Decimal | None

    @property
    def mid_px(self) -> Decimal | None:
        """Half way between bid and ask; None without both."""
        return None if self.bid_px is None or self.ask_px is None else (self.bid_px + self.ask_px) / 2
