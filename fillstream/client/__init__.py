"""Python clients of a desk: publish signals, follow what becomes of them, ask how things stand.

Flows in: what a strategy wants. Flows out: entries in `signals`, and what the public streams and analytics say, as
models. Never reads a service's memory and never waits for a service to take a signal: the stream keeps it.

    with Client("redis://127.0.0.1:6379") as desk:
        signal_id = desk.signal("AAPL", "BUY", 100, price="190.25")
        print(desk.wait_for(signal_id).ord_status)
        for item in desk.follow_fills(after="0", idle_s=1):
            print(item.id, item.message.symbol, item.message.last_qty, item.message.last_px)

`AsyncClient` has the same names, awaited; `GatewayClient` goes by a gateway, where Redis is out of reach. What they do
is said once, in `scripts`, `following` and `desk_now`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fillstream.client.answers import (
    CONTROL_ANSWERS,
    FINAL,
    LIST_FINAL,
    QUIET_S,
    REFUSALS,
    SETTLED,
    SIGNALS,
    Answer,
    NoAnswer,
    Outcome,
)
from fillstream.client.scripts import REMEMBERED
from fillstream.client.sync import Client, Following

if TYPE_CHECKING:
    from fillstream.client.aio import AsyncClient, AsyncFollowing
    from fillstream.client.analytics import AnalyticsError, Found
    from fillstream.client.following import Item
    from fillstream.client.gateway import GatewayClient, GatewayError

__all__ = [
    "CONTROL_ANSWERS",
    "FINAL",
    "LIST_FINAL",
    "QUIET_S",
    "REFUSALS",
    "REMEMBERED",
    "SETTLED",
    "SIGNALS",
    "AnalyticsError",
    "Answer",
    "AsyncClient",
    "AsyncFollowing",
    "Client",
    "Following",
    "Found",
    "GatewayClient",
    "GatewayError",
    "Item",
    "NoAnswer",
    "Outcome",
]

_HOMES = {"AsyncClient": "aio", "AsyncFollowing": "aio", "AnalyticsError": "analytics", "Found": "analytics"}
_HOMES |= {"Item": "following", "GatewayClient": "gateway", "GatewayError": "gateway"}

if not TYPE_CHECKING:  # what loads the models is loaded when it is asked for: the command starts without them

    def __getattr__(name: str) -> Any:
        from importlib import import_module  # noqa: PLC0415

        if name not in _HOMES:
            raise AttributeError(f"module 'fillstream.client' has no attribute {name!r}")
        return getattr(import_module(f"fillstream.client.{_HOMES[name]}"), name)
