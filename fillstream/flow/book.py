"""FlowManager's order book as a position manager sees it: the document's calls and callbacks, whatever desk is behind.

Flows in: orders, cancels and targets; what the desk has told of one account. Flows out: signals, by whoever publishes
them; calls of a listener. Never waits or reads itself, and never keeps a book of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from fillstream.client.words import SignalWords
from fillstream.families import Amount
from fillstream.flow.terms import Listener, Snapshot, TradeReport
from fillstream.libs.common.messages.codes import OrdStatus
from fillstream.libs.common.messages.targets import TargetStatus
from fillstream.libs.common.values.versions import Document
from fillstream.strategy.desk import ENDED
from fillstream.strategy.market import Quote

NAME = "flow"
"""The strategy of what is sent, and what its ids begin with."""
_UNDER_WAY = (TargetStatus.WAITING, TargetStatus.WORKING, TargetStatus.RETRYING)


class FlowBook(SignalWords[str]):
    """What a position manager drives and hears.

    Beside the document's three calls it takes every signal that `fillstream.Client` does, by the same words.

    Args:
        account: whose orders these are.

    Attributes:
        listener: is told of trades and markets; None for nobody.
        held: the signed quantity of each instrument that the account held, by symbol, as far as the desk has told.
        targets: the last that was told of each target, by symbol: a `TargetChanged`.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        self.listener: Listener | None = None
        self.held: dict[str, Decimal] = {}
        self.targets: dict[str, Document] = {}
        self._said = 0
        self._clients: dict[str, tuple[str, str]] = {}
        self._working: dict[str, Document] = {}
        self._quotes: dict[str, Quote] = {}
        self._told: deque[TradeReport | Snapshot] = deque()
        self._unanswered: set[str] = set()

    @property
    def now_ms(self) -> int:
        """What time it is on the desk (ms since 1970 UTC)."""
        raise NotImplementedError

    def pass_time(self, ms: int) -> None:
        """Let so many milliseconds pass, and hear what the desk tells meanwhile."""
        raise NotImplementedError

    def check_target(self, symbol: str, target: Decimal) -> None:
        """Check what can be known of a target before it is sent; the desk judges the rest.

        Raises:
            ValueError: it cannot be held; the sentence names it.
        """

    # ------------------------------------------------------------------------------------- the document's calls

    def SubmitOrder(
        self, symbol: str, side: str, price: Amount | None, qty: Amount, client_id: str | None = None
    ) -> str:
        """Send an order; its fate is told by OnTradeConfirmation.

        Args:
            symbol, side: of what; BUY or SELL.
            price: its limit; None for a market order.
            qty: how much, above 0.
            client_id: the caller's name for it, which it keeps; by default one is made.

        Returns: its client_id.

        Raises:
            ValueError: a value that no desk would take; one sentence a field.
        """
        client_id = client_id or self._next_id()
        self._clients[client_id] = symbol, side
        return self.signal(
            symbol, side, qty, price=price, signal_id=client_id, client_order_id=client_id, strategy=NAME
        )

    def CancelOrder(self, order: str) -> bool:
        """Ask for an order to be taken off the book, by its client_id or its broker_id.

        Returns: whether it works as far as the desk has told, so that it was asked. It may trade before it is gone:
            OnTradeConfirmation tells.
        """
        found = self._working.get(order) or next(
            (each for each in self._working.values() if each["client_order_id"] == order), None
        )
        if found is None:
            return False
        self.cancel(found["order_id"])
        return True

    def GetMarketDataSnapshot(self) -> Snapshot:
        """Return the markets as they stand."""
        return Snapshot(self.now_ms, MappingProxyType(dict(self._quotes)))

    @property
    def is_under_way(self) -> bool:
        """Whether a target is neither reached nor given up, as far as the desk has told."""
        return bool(self._unanswered) or any(each["target_status"] in _UNDER_WAY for each in self.targets.values())

    def _next_id(self) -> str:
        self._said += 1
        return f"{NAME}.{self._said}"

    def _tell(self, news: TradeReport | Snapshot) -> None:
        if self.listener is None:
            return
        if isinstance(news, Snapshot):
            self.listener.OnMarketDataUpdate(news)
        else:
            self.listener.OnTradeConfirmation(news)

    def _take_position(self, document: Document) -> None:
        """Take over what a position's event says."""
        if document["type"] == "TargetChanged":
            self.targets[document["symbol"]] = document
            self._unanswered.discard(document["signal_id"])
        elif "position" in document:
            self.held[document["symbol"]] = Decimal(document["position"])

    def _take_event(self, event: Document, ms: int) -> None:
        """Take over what an order's event says, and keep what is to be told of it."""
        if event["type"] == "SignalRefused":
            signal_id, none = event["signal_id"], Decimal(0)
            self._unanswered.discard(signal_id)
            if (order := self._clients.pop(signal_id, None)) is not None:
                symbol, side = order
                end, why = str(OrdStatus.REJECTED), event["text"]
                self._told.append(TradeReport(symbol, side, None, none, signal_id, "", none, end, ms, why))
            return
        if (order_id := event.get("order_id")) is None:
            return
        known = self._working.get(order_id)
        merged = (known or {}) | {name: value for name, value in event.items() if value is not None}
        trades, has_ended = event["type"] == "OrderFilled", merged.get("ord_status") in ENDED
        if has_ended:
            self._working.pop(order_id, None)
        elif "leaves_qty" in merged and "client_order_id" in merged:
            self._working[order_id] = merged
        if trades or (has_ended and (known is not None or event["type"] == "OrderRejected")):
            self._told.append(_report(merged, trades, ms))


def _report(event: Mapping[str, Any], trades: bool, ms: int) -> TradeReport:
    return TradeReport(
        event["symbol"],
        event["side"],
        Decimal(event["last_px"]) if trades else None,
        Decimal(event["last_qty"]) if trades else Decimal(0),
        event["client_order_id"],
        event["order_id"],
        Decimal(event["leaves_qty"]),
        event["ord_status"],
        ms,
        "" if trades else event.get("text") or "",
    )
