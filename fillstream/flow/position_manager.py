"""FlowManager's position manager: a strategy says what is to be held, and it is seen to that it is.

Flows in: targets, trade confirmations, market data updates. Flows out: the state of each position, as FlowManager tells
it; targets, to a desk. What is missing of a target, target less what is held and works, is counted by the desk's orders
stage at the very entry that asks for it, and orders that work the other way are canceled first (docs/targets.md): no
fill that races with it makes more of a position than was asked for. Never keeps a book of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal

from fillstream.families import Amount
from fillstream.flow.book import NAME, FlowBook
from fillstream.flow.terms import Snapshot, TradeReport
from fillstream.libs.common.values.money import canonical
from fillstream.trading.exact import exact

State = Mapping[str, Mapping[str, Decimal]]
"""`Target`, `Position` and `Total Traded` of each symbol that ever had a target or a trade, in that order."""


class PositionManager:
    """Holds what it is told to hold. Made with an order book it becomes its listener; a subclass may hear more.

    Args:
        order_book: of a desk in this process (`OrderBookEngine`) or of a live one (`LiveOrderBook`).
    """

    def __init__(self, order_book: FlowBook) -> None:
        self.order_book = order_book
        self._targets: dict[str, Decimal] = {}
        self._traded: dict[str, Decimal] = {}
        order_book.listener = self

    def set_target(self, symbol: str, target: Amount) -> str:
        """Have a position reached; one of the same symbol before it is replaced.

        Args:
            symbol: of what.
            target: the signed quantity: long positive, short negative, 0 flat.

        Returns: the signal's id.

        Raises:
            ValueError: a value that no desk would take; the sentence names it.
        """
        number = exact(target, "target")
        self.order_book.check_target(symbol, number)
        before = self._targets.get(symbol)
        self._traded.setdefault(symbol, Decimal(0))
        self._targets[symbol] = number  # before what is told while it is sent
        try:
            return self.order_book.set_target(symbol, number, strategy=NAME)
        except ValueError:
            if before is None:
                del self._targets[symbol]
            else:
                self._targets[symbol] = before
            raise

    def OnTradeConfirmation(self, report: TradeReport) -> None:
        """Count what was traded."""
        if report.qty:
            self._traded[report.symbol] = self._traded.get(report.symbol, Decimal(0)) + report.qty

    def OnMarketDataUpdate(self, snapshot: Snapshot) -> None:
        """Markets make no difference to what is to be held: for subclasses."""

    def get_current_state(self) -> State:
        """Return how things stand, as far as the desk has told."""
        none = Decimal(0)
        return {
            symbol: {
                "Target": self._targets.get(symbol, none),
                "Position": self.order_book.held.get(symbol, none),
                "Total Traded": traded,
            }
            for symbol, traded in self._traded.items()
        }

    def log_position(self) -> str:
        """Return the state as FlowManager writes it, one line of JSON; numbers have all of their digits."""
        return line_of(self.get_current_state())


def line_of(state: State) -> str:
    """Return a state as one line of JSON."""
    rows = []
    for symbol, row in state.items():
        told = ", ".join(f"{json.dumps(name)}: {canonical(value)}" for name, value in row.items())
        rows.append(f"{json.dumps(symbol)}: {{{told}}}")
    return f"{{{', '.join(rows)}}}"
