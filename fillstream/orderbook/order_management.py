"""A trader's order list with prices, as the founding document of the order management prototype names it.

Flows in: orders tagged BUY or SELL, price questions, trades. Flows out: totals and trades, integers throughout.
A BUY reads the BUY-tagged orders, lowest price first; a SELL the SELL-tagged ones, highest first; at one price the
oldest goes first. Orders of the two tags never trade with each other. The C engine does the walking.
"""

from __future__ import annotations

from threading import RLock
from typing import NamedTuple, Never

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import (
    MAX_PRICE,
    MAX_QTY,
    MAX_SYMBOL,
    OrdType,
    Reason,
    Report,
    ReportFlag,
    ReportType,
    Side,
    Tif,
)
from fillstream.libs.common.values.checks import integer, member, text

__all__ = ["OrderFill", "OrderManagement", "Side", "Trade"]

_OWNER, _TRADER = 1, 2
_MAX_ORDER_ID = 2**63 - 1


class OrderFill(NamedTuple):
    """What a trade took from one order: `amount` at `price` each."""

    order_id: int
    amount: int
    price: int


class Trade(NamedTuple):
    """An executed trade. `amount` is what was found, at most what was asked; `total_price` what it cost."""

    symbol: str
    side: Side
    amount: int
    total_price: int
    fills: tuple[OrderFill, ...]


class OrderManagement:
    """Orders of many symbols, priced and traded.

    A tag's orders stand in a book of their own, on the side that sorts as the tag reads: BUY as asks, SELL as bids.
    Any thread may call: a lock makes one call wait for the other.

    Everywhere: `symbol` is a text that is not empty; `side` is `Side.BUY`, `Side.SELL`, "BUY" or "SELL"; `amount` is 1
    to 10^15, `price` 0 to 2^62 - 1, `order_id` any 64-bit integer. Integers alone, numpy's too: a float, a Decimal, a
    Fraction or a bool is a TypeError, what is out of range a ValueError. Either changes nothing.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._engine = CoreEngine()
        self._books: dict[tuple[str, Side], int] = {}
        self._numbers: dict[int, int] = {}
        self._order_ids: dict[int, int] = {}
        self._next = 1

    def __repr__(self) -> str:
        return f"<fillstream.OrderManagement: {len(self._numbers)} orders>"

    def __reduce_ex__(self, protocol: object) -> Never:
        raise TypeError("An OrderManagement cannot be copied or pickled: add its orders to a new one.")

    def add_order(self, order_id: int, symbol: str, side: Side | str, amount: int, price: int) -> None:
        """Add an order. Raises ValueError for an id in use, or what the engine has no room for."""
        order_id, book = _order_id(order_id), _book_name(symbol, side)
        amount, price = _amount(amount), integer("price", price, 0, MAX_PRICE)
        with self._lock:
            if order_id in self._numbers:
                raise ValueError(f"order_id is {order_id}, and an order has it already; it must be new.")
            symbol_number = self._room_for(book)
            terms = (symbol_number, _rests_as(book[1]), price, amount)
            count = self._engine.submit(self._next, _OWNER, *terms)
            report = Report._make(next(frames.reports(self._engine.answers(count))))
            if report.type != ReportType.ACCEPTED:
                raise ValueError(f"order_id is {order_id}, and the engine refuses it: {Reason(report.reason).name}.")
            self._books[book] = symbol_number
            self._numbers[order_id], self._order_ids[self._next] = self._next, order_id
            self._next += 1

    def remove_order(self, order_id: int) -> None:
        """Remove an order. Raises ValueError when there is none of that id, or it has been used up."""
        order_id = _order_id(order_id)
        with self._lock:
            if order_id not in self._numbers:
                raise ValueError(f"order_id is {order_id}, and no order has it.")
            number = self._numbers.pop(order_id)
            del self._order_ids[number]
            self._engine.cancel(number, _OWNER)

    def calculate_price(self, symbol: str, side: Side | str, amount: int) -> int:
        """Return what `amount` would cost now; of what there is when that is less; 0 when there is nothing."""
        name, amount = _book_name(symbol, side), _amount(amount)
        with self._lock:
            book = self._books.get(name)
            return 0 if book is None else self._engine.cost(book, name[1], amount).cost

    def place_trade(self, symbol: str, side: Side | str, amount: int) -> Trade:
        """Take `amount`, or what there is when that is less, and return the trade."""
        name, amount = _book_name(symbol, side), _amount(amount)
        with self._lock:
            book = self._books.get(name)
            fills = () if book is None else self._take(book, name[1], amount)
        return Trade(*name, sum(f.amount for f in fills), sum(f.amount * f.price for f in fills), fills)

    def _take(self, book: int, side: Side, amount: int) -> tuple[OrderFill, ...]:
        number, self._next = self._next, self._next + 1
        terms = {"side": side, "ord_type": OrdType.MARKET, "tif": Tif.IOC, "price": 0, "qty": amount}
        answers = self._engine.process(frames.new_order(number, _TRADER, book, 0, **terms), 0)
        fills = []
        for report in map(Report._make, frames.reports(answers)):
            if not report.flags & ReportFlag.MAKER:
                continue
            fills.append(OrderFill(self._order_ids[report.order_id], report.qty, report.price))
            if not report.leaves:
                del self._numbers[self._order_ids.pop(report.order_id)]
        return tuple(fills)

    def _room_for(self, name: tuple[str, Side]) -> int:
        """Return a book's number, or the one it will have once an order is in it."""
        book = self._books.get(name, len(self._books))
        if book > MAX_SYMBOL:
            most = MAX_SYMBOL + 1
            raise ValueError(f"symbol is {name[0]!r}, and there is room for {most} symbols and sides at most.")
        return book


def _book_name(symbol: str, side: Side | str) -> tuple[str, Side]:
    return text("symbol", symbol), member("side", side, Side)


def _order_id(value: int) -> int:
    return integer("order_id", value, -_MAX_ORDER_ID - 1, _MAX_ORDER_ID)


def _amount(value: int) -> int:
    return integer("amount", value, 1, MAX_QTY)


def _rests_as(side: Side) -> Side:
    """Return where a tag's orders stand, so that an order of the tag's own side takes them."""
    return Side.SELL if side is Side.BUY else Side.BUY
