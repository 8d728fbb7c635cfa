"""What a person types and imports: the command, the client, the local stack, the order books."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fillstream import research as research
    from fillstream.backtest.backtest import Backtest
    from fillstream.backtest.result import Result
    from fillstream.client import AsyncClient, Client
    from fillstream.libs.common.engine.core import CoreEngine, Last, Level, Walk
    from fillstream.libs.common.engine.frames import (
        CommandType,
        OrderFlag,
        OrdType,
        Reason,
        ReportType,
        Session,
        Side,
        Stp,
        Tif,
    )
    from fillstream.orderbook.engine import Engine
    from fillstream.orderbook.order_book import OrderBook
    from fillstream.orderbook.order_management import OrderFill, OrderManagement, Trade
    from fillstream.orderbook.outcomes import (
        CommandResult,
        Indicative,
        MarketData,
        OpenOrder,
        OrderResult,
        OrderUpdate,
        Status,
        TradeReport,
    )
    from fillstream.stack.stack import LocalStack
    from fillstream.strategy.desk import Desk
    from fillstream.strategy.market import Bar, Quote
    from fillstream.strategy.strategy import Strategy

__all__ = [
    "AsyncClient",
    "Backtest",
    "Bar",
    "Client",
    "CommandResult",
    "CommandType",
    "CoreEngine",
    "Desk",
    "Engine",
    "Indicative",
    "Last",
    "Level",
    "LocalStack",
    "MarketData",
    "OpenOrder",
    "OrdType",
    "OrderBook",
    "OrderFill",
    "OrderFlag",
    "OrderManagement",
    "OrderResult",
    "OrderUpdate",
    "Quote",
    "Reason",
    "ReportType",
    "Result",
    "Session",
    "Side",
    "Status",
    "Stp",
    "Strategy",
    "Tif",
    "Trade",
    "TradeReport",
    "Walk",
    "research",
]

_NAMES_OF = {
    "fillstream.backtest.backtest": ("Backtest",),
    "fillstream.backtest.result": ("Result",),
    "fillstream.strategy.desk": ("Desk",),
    "fillstream.strategy.market": ("Bar", "Quote"),
    "fillstream.strategy.strategy": ("Strategy",),
    "fillstream.client": ("AsyncClient", "Client"),
    "fillstream.stack.stack": ("LocalStack",),
    "fillstream.orderbook.engine": ("Engine",),
    "fillstream.orderbook.order_book": ("OrderBook",),
    "fillstream.orderbook.order_management": ("OrderFill", "OrderManagement", "Trade"),
    "fillstream.orderbook.outcomes": (
        *("CommandResult", "Indicative", "MarketData", "OpenOrder", "OrderResult", "OrderUpdate", "Status"),
        "TradeReport",
    ),
    "fillstream.libs.common.engine.frames": (
        "CommandType",
        "OrdType",
        "OrderFlag",
        "Reason",
        "ReportType",
        "Session",
        "Side",
        "Stp",
        "Tif",
    ),
    "fillstream.libs.common.engine.core": ("CoreEngine", "Last", "Level", "Walk"),
}
_HOMES = {name: home for home, names in _NAMES_OF.items() for name in names}


if not TYPE_CHECKING:  # to a type checker, any name would be one of this module's

    def __getattr__(name: str) -> Any:
        """Import a public name when it is asked for: the command starts without the engine, a book without Redis."""
        if name == "research":
            return import_module("fillstream.research")
        if name not in _HOMES:
            raise AttributeError(f"module 'fillstream' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
