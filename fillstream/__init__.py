"""What a person types and imports: the command, the client, the local stack, the order books."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fillstream.book import Engine, OrderBook
    from fillstream.order_management import OrderManagement

__all__ = ["Engine", "OrderBook", "OrderManagement"]

_HOMES = {"Engine": "book", "OrderBook": "book", "OrderManagement": "order_management"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: the command starts without the C engine."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fillstream' has no attribute {name!r}")
    return getattr(import_module(f"fillstream.{_HOMES[name]}"), name)
