"""Changes of orders as Alpaca's `trade_updates` say them, for each connection in its order.

Flows in: changes of the desk's state. Flows out: updates to whoever listens, each with the order as it was then. Never
waits for a listener: one that is too far behind is let go.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Protocol

from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.services.gateway.alpaca.holdings import execution_uuid
from fillstream.services.gateway.alpaca.words import moment
from fillstream.services.gateway.state.desk import Change, Desk
from fillstream.services.gateway.state.orders import Order

MOST_WAITING: Final = 20_000
"""Updates that wait for a slow listener."""
POSITION_S: Final = 0.5
"""How long a trade is held back for the position that it made; after that it goes without."""
POSITIONS_KEPT: Final = 10_000
EVENTS: Final[Mapping[str, str]] = {
    "OrderReceived": "pending_new",
    "OrderAccepted": "new",
    "OrderRejected": "rejected",
    "OrderCanceled": "canceled",
    "OrderExpired": "expired",
    "OrderReplaced": "replaced",
    "OrderRestated": "restated",
    "OrderCancelRequested": "pending_cancel",
    "OrderReplaceRequested": "pending_replace",
    "OrderCancelRejected": "order_cancel_rejected",
    "OrderReplaceRejected": "order_replace_rejected",
    "OrderStopped": "stopped",
    "OrderDoneForDay": "done_for_day",
    "OrderCalculated": "calculated",
    "TradeBusted": "trade_bust",
    "TradeCorrected": "trade_correct",
}
"""What events of the journal are called; others move nothing that Alpaca tells of."""


class Says(Protocol):
    """Says an order."""

    def __call__(self, order: Order, *, nested: bool) -> dict[str, Any]:
        """Return it as Alpaca has it."""
        ...


def event_of(event: Mapping[str, Any], status: str) -> str | None:
    """Return what an event of an order is called; None of one that is not told.

    Args:
        event: of the journal.
        status: the order's, as Alpaca says it.
    """
    if event["type"] == "OrderFilled":
        return "fill" if event["ord_status"] == OrdStatus.FILLED else "partial_fill"
    if event["type"] == "OrderSuspended":
        return status
    return EVENTS.get(event["type"])


def update_of(event: Mapping[str, Any], order: dict[str, Any]) -> dict[str, Any] | None:
    """Return an update, without the position; None of an event that is not told.

    Args:
        event: of the journal.
        order: as it stands after it.
    """
    name = event_of(event, order["status"])
    if name is None:
        return None
    found: dict[str, Any] = {"event": name, "timestamp": moment(event["time"]), "order": order}
    if event.get("last_qty") is not None and event.get("exec_id") is not None:
        found |= {"execution_id": execution_uuid(event), "price": event["last_px"], "qty": event["last_qty"]}
    return found


@dataclass(eq=False, slots=True)
class Listener:
    """A connection.

    Attributes:
        account: whose orders it hears of.
        waiting: updates that are to be sent, oldest first, each with the trade whose position it waits for.
        more: set when there are some.
        is_deaf: whether it does not listen; nothing is kept for it then.
        over: set once it is to be let go.
    """

    account: str
    waiting: deque[tuple[str | None, dict[str, Any]]] = field(default_factory=deque)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    is_deaf: bool = True
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Updates:
    """Tells listeners of orders.

    Args:
        desk: the state.
        is_ready: whether what is heard is new; before that it is the past.
        says: an order, as Alpaca has it.
    """

    def __init__(self, desk: Desk, is_ready: Callable[[], bool], says: Says) -> None:
        self._desk = desk
        self._is_ready = is_ready
        self._says = says
        self._listeners: dict[Listener, None] = {}
        self._positions: OrderedDict[str, str] = OrderedDict()
        self._moved = asyncio.Event()
        desk.listen(self.hear)

    def join(self, account: str) -> Listener:
        """Let somebody hear of an account's orders."""
        listener = Listener(account)
        self._listeners[listener] = None
        return listener

    def leave(self, listener: Listener) -> None:
        """Let somebody hear of them no more."""
        self._listeners.pop(listener, None)

    def hear(self, change: Change) -> None:
        """Take over a change."""
        event = change.event
        if event["type"] == "PositionChanged":
            self._positions[f"{event['account']} {event['exec_id']}"] = event["position"]
            if len(self._positions) > POSITIONS_KEPT:
                self._positions.popitem(last=False)
            self._moved.set()
            self._moved = asyncio.Event()
        if not self._listeners or not self._is_ready() or "order_id" not in event:
            return
        order = self._desk.orders.by_id.get(str(event["order_id"]))
        if order is None or not change.stream.startswith("events."):
            return
        account = order.row["account"]
        heard = [each for each in self._listeners if each.account == account and not each.is_deaf]
        if not heard or (update := update_of(event, self._says(order, nested=False))) is None:
            return
        trade = f"{event['account']} {event['exec_id']}" if event["type"] == "OrderFilled" else None
        for listener in heard:
            listener.waiting.append((trade, update))
            listener.more.set()
            if len(listener.waiting) > MOST_WAITING:
                listener.is_deaf = True
                listener.waiting.clear()
                listener.over.set()

    async def next(self, listener: Listener) -> dict[str, Any]:
        """Return the next update of a listener, once it is there; a trade with the position that it made."""
        while not listener.waiting:
            listener.more.clear()
            await listener.more.wait()
        trade, update = listener.waiting.popleft()
        if trade is None:
            return update
        position = await self._position(trade)
        return update if position is None else {**update, "position_qty": str(Decimal(position))}

    async def _position(self, trade: str) -> str | None:
        """Return what was held after a trade; None where nobody says so in time."""
        try:
            async with asyncio.timeout(POSITION_S):
                while trade not in self._positions:
                    await self._moved.wait()
        except TimeoutError:
            return None
        return self._positions[trade]
