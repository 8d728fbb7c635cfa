"""Orders that wait in the desk for a price: what a book has no word for, or waits for by another price than the last.

Flows in: orders to arm and disarm; a market that moved. Flows out: the orders that it reaches, nearest price first,
then oldest. Never scans: each price of a market has two heaps, and a look costs nothing where none waits. Trailing
stops, whose prices move with the market, have a room of their own (`trailing`).

A buy stop and a sell if-touched wait for a rising price, a sell stop and a buy if-touched for a falling one. What is
armed is no part of a snapshot: it follows from the orders, but for the best price that a trailing stop has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from fillstream.libs.common.messages.codes import OrderType, TriggerPrice
from fillstream.libs.common.triggers.ladder import Ladder
from fillstream.libs.common.triggers.trailing import ANYWHERE, NOWHERE, Trailing
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.special import BY_DESK

TOUCHED = BY_DESK | {OrderType.LIMIT.value}
"""Types that wait for a price to come nearer: a limit order does where another of its list rests."""
_LAST, _MID, _MARK = TriggerPrice.LAST.value, TriggerPrice.MID.value, TriggerPrice.MARK.value
_BID_ASK, _BUYS, _SELLS = TriggerPrice.BID_ASK.value, "ask", "bid"
_SOURCES = (_LAST, _MID, _MARK, _BUYS, _SELLS)
_BOTH_SIDES = frozenset((_LAST, _MID, _MARK))
"""The last price, the mid and the mark are both sides'."""
SPOKEN = {_LAST: "the last price", _MID: "the mid", _MARK: "the mark", _BID_ASK: "the price it would trade at"}
"""How sentences call the price that an order waits for."""
MARKS = "mark "
"""Before a venue's name: orders there that wait for the mark, which is looked at when the journal tells it."""

Key = tuple[str, bool, bool]
"""Which price, whether the buyer's, and whether it must rise."""
Reached = tuple[int, int | None]
"""An order's id, and of one that trails the stop (ticks) that was reached."""


def waits_for_rise(order: Order) -> bool:
    """Whether an order's price is one that the market has to rise to."""
    return (order.side == "BUY") != (order.order_type in TOUCHED)


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


class Armed:
    """The orders that wait for the market of one instrument at one venue."""

    __slots__ = ("_in_order", "_ladders", "_quiet", "_trailing", "_trailing_in_order")

    def __init__(self) -> None:
        self._quiet: tuple[int, ...] | None = None
        self._ladders: dict[Key, Ladder] = {}
        self._in_order: list[tuple[str, bool, Ladder]] = []
        self._trailing: dict[tuple[Key, bool], Trailing] = {}
        self._trailing_in_order: list[tuple[str, bool, Trailing]] = []

    def __len__(self) -> int:
        return sum(map(len, self._ladders.values())) + sum(map(len, self._trailing.values()))

    def __bool__(self) -> bool:
        return bool(self._ladders or self._trailing)

    def add(self, order: Order, price: int | None, best: int | None) -> None:
        """Arm an order; one that trails with the `best` price (ticks) it has seen, or the one of now (half ticks)."""
        key, special = _key(order), order.special
        assert special is not None, "it waits for a price"
        self._quiet = None
        if special.offset is not None:
            trailing = self._trailing.get((key, special.in_bps))
            if trailing is None:
                trailing = self._trailing[key, special.in_bps] = Trailing(key[2], special.in_bps)
                self._sort()
            trailing.add(order.order_id, special.offset, trailing.best_now(price) if best is None else best)
            return
        ladder = self._ladders.get(key)
        if ladder is None:
            ladder = self._ladders[key] = Ladder(rising=key[2])
            self._sort()
        assert special.stop is not None, "it waits for a price"
        ladder.add(order.order_id, special.stop)

    def drop(self, order: Order) -> None:
        """Disarm an order, as it was armed."""
        room = self.trailing(order) if _trails(order) else self._ladders[_key(order)]
        room.drop(order.order_id)
        if not room:
            self.tidy()

    def trailing(self, order: Order) -> Trailing:
        """Return what has an armed order that trails."""
        assert order.special is not None, "it waits for a price"
        return self._trailing[_key(order), order.special.in_bps]

    def all_trailing(self) -> Iterable[Trailing]:
        """Return all that have orders that trail."""
        return self._trailing.values()

    def tidy(self) -> None:
        """Take away what nobody waits in any more."""
        ladders = {key: ladder for key, ladder in self._ladders.items() if ladder}
        trailing = {key: each for key, each in self._trailing.items() if each}
        if len(ladders) < len(self._ladders) or len(trailing) < len(self._trailing):
            self._ladders, self._trailing = ladders, trailing
            self._sort()

    def _sort(self) -> None:
        self._in_order = [(key[0], key[1], ladder) for key, ladder in sorted(self._ladders.items())]
        trailing = sorted(self._trailing.items(), key=lambda item: item[0])
        self._trailing_in_order = [(key[0], key[1], each) for (key, _), each in trailing]

    def is_quiet(self, quote: Quote) -> bool:
        """Whether a market certainly concerns nobody: it is within bounds that the last look at everybody found.

        They stay true while orders go, and are forgotten when one comes.
        """
        bounds = self._quiet
        if bounds is None or not quote.bid_qty or not quote.ask_qty:
            return False
        last = quote.last
        return (
            bounds[0] <= quote.bid <= bounds[1]
            and bounds[2] <= quote.ask <= bounds[3]
            and (last is None or bounds[4] <= last <= bounds[5])
        )

    def look_back(self, quote: Quote) -> None:
        """Find the bounds around a market that concerned nobody just now. The mark is not looked at."""
        self._quiet = None
        if not quote.bid_qty or not quote.ask_qty:
            return
        windows = {source: (-ANYWHERE, ANYWHERE) for source in _SOURCES}
        for trigger, buy, room in chain[tuple[str, bool, Ladder | Trailing]](self._in_order, self._trailing_in_order):
            source = (_BUYS if buy else _SELLS) if trigger == _BID_ASK else trigger
            (low, high), (lowest, highest) = room.window(), windows[source]
            windows[source] = max(low, lowest), min(high, highest)
        bid, ask = ((-(-low // 2), high // 2) for low, high in (windows[_SELLS], windows[_BUYS]))
        last = -(-windows[_LAST][0] // 2), windows[_LAST][1] // 2
        if quote.last is None and windows[_LAST] != (-ANYWHERE, ANYWHERE):
            last = NOWHERE
        mid = quote.bid + quote.ask
        room_left = min(mid - windows[_MID][0], windows[_MID][1] - mid) // 2  # both may move, and each so far
        self._quiet = (
            max(bid[0], quote.bid - room_left), min(bid[1], quote.bid + room_left),
            max(ask[0], quote.ask - room_left), min(ask[1], quote.ask + room_left), *last,
        )  # fmt: skip

    def are_reached(self, quote: Quote, mark: int | None) -> bool:
        """Let those that trail follow a market; return whether it may reach any order: False is certain."""
        found = False
        for trigger, buy, ladder in self._in_order:
            price = half_ticks(quote, trigger, buy, mark)
            if price is not None and ladder.is_reached(price):
                found = True
                break
        for trigger, buy, trailing in self._trailing_in_order:
            price = half_ticks(quote, trigger, buy, mark)
            if price is not None and trailing.follow(price):
                found = True
        return found

    def reached(self, quote: Quote, mark: int | None) -> Iterator[Reached]:
        """Disarm and yield the orders that a market reaches; whoever stops early leaves the others armed."""
        for trigger, buy, ladder in self._in_order:
            price = half_ticks(quote, trigger, buy, mark)
            if price is not None:
                yield from ((order_id, None) for order_id in ladder.reached(price))
        for trigger, buy, trailing in self._trailing_in_order:
            price = half_ticks(quote, trigger, buy, mark)
            if price is not None:
                yield from trailing.reached(price)


def _key(order: Order) -> Key:
    assert order.special is not None, "it waits for a price"
    trigger = order.special.trigger
    return trigger, order.side == "BUY" if trigger not in _BOTH_SIDES else False, waits_for_rise(order)


def _trails(order: Order) -> bool:
    return order.special is not None and order.special.offset is not None


def _market(order: Order) -> tuple[str, int]:
    assert order.special is not None, "it waits for a price"
    return MARKS + order.venue if order.special.trigger == _MARK else order.venue, order.terms.id


class Triggers:
    """All orders that wait for prices, by venue and the instrument's number.

    Attributes:
        kept: the best prices (ticks) of a snapshot's orders that trail, until they are armed.
    """

    __slots__ = ("_markets", "kept")

    def __init__(self) -> None:
        self.kept: dict[int, int] = {}
        self._markets: dict[tuple[str, int], Armed] = {}

    def __len__(self) -> int:
        return sum(map(len, self._markets.values()))

    def __bool__(self) -> bool:
        return bool(self._markets)

    def arm(self, order: Order, price: int | None = None, best: int | None = None) -> None:
        """Have an order wait.

        Args:
            order: it.
            price: its market's now (half ticks), which one that trails begins with; None where there is none.
            best: the best price (ticks) that one has seen before, which goes before that.
        """
        market = _market(order)
        armed = self._markets.get(market)
        if armed is None:
            armed = self._markets[market] = Armed()
        armed.add(order, price, self.kept.pop(order.order_id, None) if best is None else best)

    def disarm(self, order: Order) -> int | None:
        """Have an order that waits, wait no more; return the best price (ticks) that one has seen that trails."""
        market = _market(order)
        armed = self._markets[market]
        best = armed.trailing(order).best_of(order.order_id) if _trails(order) else None
        armed.drop(order)
        if not armed:
            del self._markets[market]
        return best

    def reached(self, venue: str, instrument: int, quote: Quote, most: int, mark: int | None = None) -> list[Reached]:
        """Disarm and return the orders that a market reaches, `most` of them at most; with MARKS, those by the mark."""
        armed = self._markets.get((venue, instrument))
        if armed is None:
            return []
        if not armed.are_reached(quote, mark):
            armed.look_back(quote)
            return []
        found = []
        for each in armed.reached(quote, mark):
            found.append(each)
            if len(found) == most:
                break
        if found:
            armed.tidy()
            if not armed:
                del self._markets[venue, instrument]
        return found

    def is_quiet(self, venue: str, instrument: int, quote: Quote) -> bool:
        """Whether a market that moved certainly concerns nobody: then nobody has to look. Not of the mark."""
        armed = self._markets.get((venue, instrument))
        return armed is None or armed.is_quiet(quote)

    def stop_of(self, order: Order) -> int | None:
        """Return where the stop of an armed order stands (ticks), None of one that trails and has seen no price."""
        if not _trails(order):
            assert order.special is not None, "it waits for a price"
            return order.special.stop
        return self._markets[_market(order)].trailing(order).stop_of(order.order_id)

    def bests(self) -> list[tuple[int, int]]:
        """Return the armed orders that trail and have seen a price, with the best one (ticks), by their ids."""
        each = (trailing.seen() for armed in self._markets.values() for trailing in armed.all_trailing())
        return sorted(chain.from_iterable(each))

    def watches(self, venue: str, instrument: int) -> bool:
        """Whether any order waits for this market."""
        return (venue, instrument) in self._markets
