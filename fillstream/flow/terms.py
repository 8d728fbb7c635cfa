"""What FlowManager's position manager is told: trades and markets.

Flows in: an order's event of the journal, quotes. Flows out: frozen values. Never a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from fillstream.strategy.market import Quote


@dataclass(frozen=True, slots=True)
class TradeReport:
    """A trade of an order, or an order's end without one.

    Attributes:
        symbol: of what.
        side: BUY or SELL.
        price: of this trade; None where nothing traded.
        qty: of this trade, above 0; 0 where nothing traded: the order was canceled, expired or refused.
        client_id: the order's, as SubmitOrder had it; of an order that a target sent, the desk's own name for it.
        broker_id: the desk's order_id; empty where what was asked for was refused before it was an order.
        leaves_qty: what still works of the order.
        status: the order's from now on, as the journal has it (FIX 39): PartiallyFilled, Filled, Canceled …
        time_ms: when (ms since 1970 UTC).
        text: why it was refused or canceled; empty of a trade.
    """

    symbol: str
    side: str
    price: Decimal | None
    qty: Decimal
    client_id: str
    broker_id: str
    leaves_qty: Decimal
    status: str
    time_ms: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Markets as they stand.

    Attributes:
        time_ms: when (ms since 1970 UTC).
        quotes: the best bid and offer of each instrument that was ever quoted, by symbol.
    """

    time_ms: int
    quotes: Mapping[str, Quote]


class Listener(Protocol):
    """Who is told of trades and markets: a position manager."""

    def OnTradeConfirmation(self, report: TradeReport) -> None:
        """Hear of a trade."""

    def OnMarketDataUpdate(self, snapshot: Snapshot) -> None:
        """Hear of markets."""
