"""A trader's order list with prices, as the founding document of the order management prototype names it.

Flows in: orders tagged BUY or SELL, price questions, trades. Flows out: totals and trades, integers throughout.
A BUY reads the BUY-tagged orders, lowest price first; a SELL the SELL-tagged ones, highest first; at one price the
oldest goes first. Orders of the two tags never trade with each other. The C engine does the walking.
"""

from __future__ import annotations

from typing import NamedTuple

from libs.common import frames
from libs.common.frames import MAX_PRICE, MAX_QTY, MAX_SYMBOL, Report, ReportFlag, ReportType, Side, Tif
from services.matching_engine.book import Engine

_OWNER, _TRADER = 1, 2


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
    """

    def __init__(self) -> None:
        self._engine = Engine()
        self._books: dict[tuple[str, Side], int] = {}
        self._numbers: dict[int, int] = {}
        self._order_ids: dict[int, int] = {}
        self._next = 1

    def add_order(self, order_id: int, symbol: str, side: Side, amount: int, price: int) -> None:
        """Add an order. Raises ValueError for an id in use, an amount or a price out of range."""
        if order_id in self._numbers:
            raise ValueError(f"order_id is {order_id}, and an order has it already; it must be new.")
        _check("amount", amount, 1, MAX_QTY)
        _check("price", price, 0, MAX_PRICE)
        number = self._next
        count = self._engine.submit(number, _OWNER, self._book(symbol, side), _rests_as(side), price, amount)
        report = Report._make(next(frames.reports(self._engine.answers(count))))
        if report.type != ReportType.ACCEPTED:
            raise ValueError(f"order_id {order_id}: refused, {frames.Reason(report.reason).name}.")
        self._next += 1
        self._numbers[order_id] = number
        self._order_ids[number] = order_id

    def remove_order(self, order_id: int) -> None:
        """Remove an order. Raises ValueError when there is none of that id, or it has been used up."""
        if order_id not in self._numbers:
            raise ValueError(f"order_id is {order_id}, and no order has it.")
        number = self._numbers.pop(order_id)
        del self._order_ids[number]
        self._engine.cancel(number, _OWNER)

    def calculate_price(self, symbol: str, side: Side, amount: int) -> int:
        """Return what `amount` would cost now; of what there is when that is less; 0 when there is nothing."""
        _check("amount", amount, 1, MAX_QTY)
        book = self._books.get((symbol, side))
        return 0 if book is None else self._engine.cost(book, _takes_as(side), amount).cost

    def place_trade(self, symbol: str, side: Side, amount: int) -> Trade:
        """Take `amount`, or what there is when that is less, and return the trade."""
        _check("amount", amount, 1, MAX_QTY)
        book = self._books.get((symbol, side))
        if book is None:
            return Trade(symbol, side, 0, 0, ())
        number, self._next = self._next, self._next + 1
        record = frames.new_order(
            number,
            _TRADER,
            book,
            0,
            side=_takes_as(side),
            ord_type=frames.OrdType.MARKET,
            tif=Tif.IOC,
            price=0,
            qty=amount,
        )
        fills = []
        for report in map(Report._make, frames.reports(self._engine.process(record, 0))):
            if not report.flags & ReportFlag.MAKER:
                continue
            fills.append(OrderFill(self._order_ids[report.order_id], report.qty, report.price))
            if not report.leaves:
                del self._numbers[self._order_ids.pop(report.order_id)]
        return Trade(symbol, side, sum(f.amount for f in fills), sum(f.amount * f.price for f in fills), tuple(fills))

    def _book(self, symbol: str, side: Side) -> int:
        book = self._books.setdefault((symbol, side), len(self._books))
        if book > MAX_SYMBOL:
            del self._books[symbol, side]
            raise ValueError(f"symbol is {symbol!r}, and there is room for {MAX_SYMBOL + 1} symbols and sides at most.")
        return book


def _rests_as(side: Side) -> Side:
    return Side.SELL if side == Side.BUY else Side.BUY


def _takes_as(side: Side) -> Side:
    return Side.BUY if side == Side.BUY else Side.SELL


def _check(field: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{field} is {value}, and must be between {low} and {high}.")
