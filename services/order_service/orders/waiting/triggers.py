"""Orders that wait in the desk for a price: what a book has no word for, or waits for by another price than the last.

Flows in: orders to arm and disarm; a market that moved. Flows out: the orders that it reaches, nearest price first,
then oldest. Never scans: each price of a market has two heaps, and a look costs nothing where none waits.

A buy stop and a sell if-touched wait for a rising price, a sell stop and a buy if-touched for a falling one. What is
armed is no part of a snapshot: it follows from the orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from fillstream.libs.common.messages.codes import TriggerPrice
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import BY_DESK

FEW = 64
"""A heap of so many is not worth cleaning."""
_LAST, _MID, _MARK = TriggerPrice.LAST.value, TriggerPrice.MID.value, TriggerPrice.MARK.value
_BOTH_SIDES = frozenset((_LAST, _MID, _MARK))
"""The last price, the mid and the mark are both sides'."""
MARKS = "mark "
"""Before a venue's name: orders there that wait for the mark, which is looked at when the journal tells it."""

Key = tuple[str, bool, bool]
"""Which price, whether the buyer's, and whether it must rise."""


def waits_for_rise(order: Order) -> bool:
    """Whether an order's price is one that the market has to rise to."""
    return (order.side == "BUY") != (order.order_type in BY_DESK)


def half_ticks(quote: Quote, trigger: str, buy: bool, mark: int | None = None) -> int | None:
    """Return a market's price that orders wait for, in half ticks as a mid is one; None where it has none now.

    By bid and ask, a buyer looks at the ask and a seller at the bid: what it would trade at. The `mark` is the
    instrument's, whatever the venue.
    """
    if trigger == _MARK:
        return mark
    if trigger == _LAST:
        return None if quote.last is None else 2 * quote.last
    if trigger == _MID:
        return quote.bid + quote.ask if quote.bid_qty and quote.ask_qty else None
    if buy:
        return 2 * quote.ask if quote.ask_qty else None
    return 2 * quote.bid if quote.bid_qty else None


class Ladder:
    """Orders that wait for one price to move one way."""

    __slots__ = ("_heap", "_waiting", "rising")

    def __init__(self, rising: bool) -> None:
        self.rising = rising
        self._heap: list[tuple[int, int]] = []
        self._waiting: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, order_id: int, stop: int) -> None:
        """Arm an order; one that is armed is moved."""
        key = stop if self.rising else -stop
        self._waiting[order_id] = key
        heappush(self._heap, (key, order_id))

    def drop(self, order_id: int) -> None:
        """Disarm an order."""
        del self._waiting[order_id]
        heap, waiting = self._heap, self._waiting
        if len(heap) > FEW and len(heap) > 2 * len(waiting):
            heap[:] = [(key, each) for each, key in waiting.items()]
            heapify(heap)

    def is_reached(self, half: int) -> bool:
        """Whether a price (half ticks) may reach an order: False is certain, as what is first may be disarmed."""
        heap = self._heap
        return bool(heap) and 2 * heap[0][0] <= (half if self.rising else -half)

    def reached(self, half: int) -> Iterator[int]:
        """Disarm and yield the orders that a price (half ticks) reaches."""
        heap, waiting = self._heap, self._waiting
        least = half if self.rising else -half
        while heap and 2 * heap[0][0] <= least:
            key, order_id = heappop(heap)
            if waiting.get(order_id) == key:
                del waiting[order_id]
                yield order_id


class Armed:
    """The orders that wait for the market of one instrument at one venue."""

    __slots__ = ("_in_order", "_ladders")

    def __init__(self) -> None:
        self._ladders: dict[Key, Ladder] = {}
        self._in_order: list[tuple[str, bool, Ladder]] = []

    def __len__(self) -> int:
        return sum(map(len, self._ladders.values()))

    def add(self, order: Order) -> None:
        """Arm an order."""
        key = _key(order)
        ladder = self._ladders.get(key)
        if ladder is None:
            ladder = self._ladders[key] = Ladder(rising=key[2])
            self._sort()
        assert order.special is not None and order.special.stop is not None, "it waits for a price"
        ladder.add(order.order_id, order.special.stop)

    def drop(self, order: Order) -> None:
        """Disarm an order, as it was armed."""
        key = _key(order)
        ladder = self._ladders[key]
        ladder.drop(order.order_id)
        if not ladder:
            del self._ladders[key]
            self._sort()

    def _sort(self) -> None:
        self._in_order = [(key[0], key[1], ladder) for key, ladder in sorted(self._ladders.items())]

    def are_reached(self, quote: Quote, mark: int | None) -> bool:
        """Whether a market may reach any: False is certain."""
        for trigger, buy, ladder in self._in_order:
            price = half_ticks(quote, trigger, buy, mark)
            if price is not None and ladder.is_reached(price):
                return True
        return False

    def reached(self, quote: Quote, mark: int | None) -> Iterator[int]:
        """Disarm and yield the orders that a market reaches; whoever stops early leaves the others armed."""
        for trigger, buy, ladder in self._in_order:
            price = half_ticks(quote, trigger, buy, mark)
            if price is not None:
                yield from ladder.reached(price)


def _key(order: Order) -> Key:
    assert order.special is not None, "it waits for a price"
    trigger = order.special.trigger
    return trigger, order.side == "BUY" if trigger not in _BOTH_SIDES else False, waits_for_rise(order)


def _market(order: Order) -> tuple[str, int]:
    assert order.special is not None, "it waits for a price"
    return MARKS + order.venue if order.special.trigger == _MARK else order.venue, order.terms.id


class Triggers:
    """All orders that wait for prices, by venue and the instrument's number."""

    __slots__ = ("_markets",)

    def __init__(self) -> None:
        self._markets: dict[tuple[str, int], Armed] = {}

    def __len__(self) -> int:
        return sum(map(len, self._markets.values()))

    def __bool__(self) -> bool:
        return bool(self._markets)

    def arm(self, order: Order) -> None:
        """Have an order wait."""
        market = _market(order)
        armed = self._markets.get(market)
        if armed is None:
            armed = self._markets[market] = Armed()
        armed.add(order)

    def disarm(self, order: Order) -> None:
        """Have an order that waits, wait no more."""
        market = _market(order)
        armed = self._markets[market]
        armed.drop(order)
        if not armed:
            del self._markets[market]

    def reached(self, venue: str, instrument: int, quote: Quote, most: int, mark: int | None = None) -> list[int]:
        """Disarm and return the orders that a market reaches, `most` of them at most; with MARKS, those by the mark."""
        armed = self._markets.get((venue, instrument))
        if armed is None or not armed.are_reached(quote, mark):
            return []
        found = []
        for order_id in armed.reached(quote, mark):
            found.append(order_id)
            if len(found) == most:
                break
        if not armed:
            del self._markets[venue, instrument]
        return found

    def watches(self, venue: str, instrument: int) -> bool:
        """Whether any order waits for this market."""
        return (venue, instrument) in self._markets
