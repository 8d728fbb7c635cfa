"""What a run told, as tables: orders, fills, positions, closed trades, the equity curve, dead letters.

Flows in: messages of `events`, `positions` and `dead`, in order. Flows out: rows, exact. Never a float, and never an
event that it does not know left out in silence: those of the desk itself are simply no rows of these tables.

Equity is the capital and what all positions of a currency have made: realized and, at the mark, unrealized, less fees.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fillstream.libs.common.values.versions import Document

Columns = Mapping[str, str]
"""Kinds by name: `time` (ms since 1970 UTC), `number` (Decimal), `whole`, `text`."""
TABLES: Final[Mapping[str, Columns]] = {
    "orders": {
        "order_id": "text", "client_order_id": "text", "signal_id": "text", "account": "text", "strategy": "text",
        "symbol": "text", "side": "text", "order_type": "text", "quantity": "number", "price": "number",
        "time_in_force": "text", "parent_id": "text", "received": "time", "ord_status": "text", "cum_qty": "number",
        "avg_px": "number", "changed": "time", "reason": "text", "text": "text",
    },
    "fills": {
        "time": "time", "account": "text", "symbol": "text", "side": "text", "last_qty": "number", "last_px": "number",
        "fee": "number", "currency": "text", "liquidity": "text", "venue": "text", "strategy": "text",
        "order_id": "text", "exec_id": "text",
    },
    "positions": {
        "time": "time", "account": "text", "symbol": "text", "change": "text", "last_qty": "number",
        "last_px": "number", "position": "number", "avg_px": "number", "realized_pnl": "number",
        "unrealized_pnl": "number", "fees": "number", "cash": "number", "currency": "text", "mark_px": "number",
        "order_id": "text", "exec_id": "text",
    },
    "trades": {
        "time": "time", "account": "text", "symbol": "text", "currency": "text", "side": "text", "reason": "text",
        "opened_time": "time", "duration_ms": "whole", "fills": "whole", "peak_qty": "number", "traded_qty": "number",
        "entry_px": "number", "exit_px": "number", "gross_pnl": "number", "paid_fees": "number",
        "net_return": "number", "best_pnl": "number", "worst_pnl": "number",
    },
    "equity": {
        "time": "time", "currency": "text", "equity": "number", "realized_pnl": "number", "unrealized_pnl": "number",
        "fees": "number",
    },
    "refused": {"time": "time", "stage": "text", "reason": "text", "text": "text", "signal_id": "text"},
}  # fmt: skip
_REFUSALS = frozenset({"SignalRefused", "OrderCancelRejected", "OrderReplaceRejected"})
_BOOKED = frozenset({"PositionChanged", "PositionMarked", "PositionAdjusted"})
_CHANGING = ("ord_status", "quantity", "cum_qty", "avg_px", "price", "reason", "text")
"""What events of an order say after its first one that its row has."""
_NAMES = {name: tuple(columns) for name, columns in TABLES.items()}
_NUMBERS = {
    name: tuple(place for place, kind in enumerate(columns.values()) if kind == "number")
    for name, columns in TABLES.items()
}
Row = tuple[Any, ...]


_COIN = Decimal("1E-12")


def _row(table: str, document: Document) -> Row:
    """Return a row of what a message says, numbers still as their texts: most are never looked at."""
    return tuple(map(document.get, _NAMES[table]))


def _exact(table: str, row: Row) -> Row:
    values = list(row)
    for place in _NUMBERS[table]:
        if values[place] is not None:
            values[place] = Decimal(values[place])
    return tuple(values)


class Record:
    """Tables that grow.

    Args:
        capital: what every currency's equity begins with.

    Attributes:
        events: how many events of each type the journal had.
        traded: what all fills were worth, by currency.
        made: what each position that ended made, fees taken off, by currency; of those of which that is known.
    """

    def __init__(self, capital: Decimal) -> None:
        self._capital = capital
        self._orders: dict[str, dict[str, Any]] = {}
        self._held: dict[tuple[object, ...], tuple[Decimal, Decimal, Decimal]] = {}
        self._totals: dict[str, list[Decimal]] = {}
        self._rows: dict[str, list[Row]] = {name: [] for name in TABLES}
        self._terms: dict[str, tuple[Decimal, bool]] = {}
        self.events: dict[str, int] = {}
        self.traded: dict[str, Decimal] = {}
        self.made: dict[str, list[Decimal]] = {}

    def take(self, kind: str, messages: list[Document]) -> None:
        """Take messages over: of `events`, `positions` or `dead`, each of today's version."""
        take = {"events": self._event, "positions": self._position, "dead": self._dead}[kind]
        for message in messages:
            take(message)

    def rows(self, table: str) -> list[Row]:
        """Return a table's rows, in the order of time; the columns are `TABLES`'.

        Raises:
            KeyError: there is no such table.
        """
        rows = self._rows[table]
        if table == "orders":
            rows = [_row("orders", each) for each in self._orders.values()]
        return rows if table == "equity" else [_exact(table, row) for row in rows]

    def count(self, table: str) -> int:
        """Return how many rows a table has.

        Raises:
            KeyError: there is no such table.
        """
        return len(self._orders) if table == "orders" else len(self._rows[table])

    def _event(self, document: Document) -> None:
        kind = document["type"]
        self.events[kind] = self.events.get(kind, 0) + 1
        order_id = document.get("order_id")
        if kind == "InstrumentDefined":
            self._terms[document["symbol"]] = Decimal(document["multiplier"]), bool(document.get("inverse"))
        if kind in _REFUSALS:
            self._rows["refused"].append(_row("refused", document | {"stage": "orders"}))
        if order_id is None or "leaves_qty" not in document:
            return
        if kind == "OrderFilled":
            self._rows["fills"].append(_row("fills", document))
            worth, currency = self._worth(document), document["currency"]
            self.traded[currency] = self.traded.get(currency, Decimal(0)) + worth
        order = self._orders.get(order_id)
        if order is None:
            order = self._orders[order_id] = document.copy()
            order["received"] = document["time"]
        else:
            for name in _CHANGING:
                value = document.get(name)
                if value is not None:
                    order[name] = value
        order["changed"] = document.get("due_time") or document["time"]

    def _worth(self, fill: Document) -> Decimal:
        """Return what was traded: without a sign, in the instrument's currency."""
        multiplier, inverse = self._terms[fill["symbol"]]
        quantity, price = Decimal(fill["last_qty"]), Decimal(fill["last_px"])
        return (quantity * multiplier / price).quantize(_COIN) if inverse else quantity * abs(price) * multiplier

    def _position(self, document: Document) -> None:
        kind = document["type"]
        if kind == "PositionClosed":
            self._rows["trades"].append(_row("trades", document))
            if document["gross_pnl"] is not None:
                made = Decimal(document["gross_pnl"]) - Decimal(document["paid_fees"] or 0)
                self.made.setdefault(document["currency"], []).append(made)
        elif kind in _BOOKED:
            if kind != "PositionMarked":
                self._rows["positions"].append(_row("positions", document))
            self._mark(document)

    def _mark(self, document: Document) -> None:
        """Let the equity of a currency be what it is after a position's event; the last word of a moment counts."""
        currency = document["currency"]
        key: tuple[object, ...] = (document["account"], document["symbol"])
        if document.get("position_mode") is not None:  # one of several of its account
            key = (*key, document["position_id"], document["began_time"])
        unrealized = document["unrealized_pnl"]
        made = (
            Decimal(document["realized_pnl"]),
            Decimal(0) if unrealized is None else Decimal(unrealized),
            Decimal(document["fees"]),
        )
        before = self._held.get(key, (Decimal(0),) * 3)
        self._held[key] = made
        totals = self._totals.setdefault(currency, [Decimal(0)] * 3)
        for place, (now, then) in enumerate(zip(made, before, strict=True)):
            totals[place] += now - then
        realized, open_pnl, fees = totals
        row = (document["time"], currency, self._capital + realized + open_pnl - fees, realized, open_pnl, fees)
        rows = self._rows["equity"]
        if rows and rows[-1][:2] == row[:2]:
            rows[-1] = row
        else:
            rows.append(row)

    def _dead(self, document: Document) -> None:
        self._rows["refused"].append(_row("refused", document))
