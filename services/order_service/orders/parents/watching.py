"""Orders that are worked and want to be asked when their market moves: each move, or when it reaches a price.

Flows in: what an algorithm said last; a market that moved. Flows out: the orders that this concerns. Never scans:
prices are in heaps, and who follows each move is looked at some time after the first of them. It follows from the
works, and is in no snapshot.
"""

from __future__ import annotations

from collections.abc import Collection

from fillstream.libs.common.triggers.ladder import Ladder
from fillstream.libs.common.triggers.trailing import ANYWHERE
from fillstream.services.order_service.orders.compiled import Quote
from fillstream.services.order_service.orders.life.order import Order

Market = tuple[str, int]
"""A venue and an instrument's number."""


class Followed:
    """Who watches one market: `followers` each move; buyers a falling ask, sellers a rising bid.

    Attributes:
        least_ask, most_bid: as much or more, and as much or less (half ticks), certainly reach nobody.
    """

    __slots__ = ("buyers", "followers", "least_ask", "most_bid", "sellers")

    def __init__(self) -> None:
        self.least_ask, self.most_bid = -ANYWHERE, ANYWHERE
        self.followers: dict[int, None] = {}
        self.buyers = Ladder(rising=False)
        self.sellers = Ladder(rising=True)

    def __bool__(self) -> bool:
        return bool(self.followers) or bool(len(self.buyers)) or bool(len(self.sellers))


class Watching:
    """Who watches which market."""

    __slots__ = ("_of", "markets")

    def __init__(self) -> None:
        self.markets: dict[Market, Followed] = {}
        self._of: dict[int, tuple[Market, bool, int | None, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self.markets)

    def watch(self, order: Order, follows: bool, touch: int | None) -> None:
        """Have an order watch its market, by this and nothing else that it watched before."""
        order_id, market, buy = order.order_id, (order.venue, order.terms.id), order.side == "BUY"
        said = (market, follows, touch, buy)
        if self._of.get(order_id) == said:
            return
        self.forget(order_id)
        if not follows and touch is None:
            return
        self._of[order_id] = said
        followed = self.markets.get(market)
        if followed is None:
            followed = self.markets[market] = Followed()
        if follows:
            followed.followers[order_id] = None
        if touch is None:
            return
        if buy:
            followed.buyers.add(order_id, touch)
            followed.least_ask = max(followed.least_ask, 2 * touch + 1)
        else:
            followed.sellers.add(order_id, touch)
            followed.most_bid = min(followed.most_bid, 2 * touch - 1)

    def forget(self, order_id: int) -> None:
        """Have an order watch nothing any more."""
        said = self._of.pop(order_id, None)
        if said is None:
            return
        market, follows, touch, buy = said
        followed = self.markets[market]
        if follows:
            del followed.followers[order_id]
        ladder = followed.buyers if buy else followed.sellers
        if touch is not None and order_id in ladder:
            ladder.drop(order_id)
        if not followed:
            del self.markets[market]

    def is_quiet(self, venue: str, instrument: int, quote: Quote) -> bool:
        """Whether a market that moved certainly concerns nobody: then nobody has to look."""
        followed = self.markets.get((venue, instrument))
        return followed is None or (
            2 * quote.ask >= followed.least_ask and 2 * quote.bid <= followed.most_bid and not followed.followers
        )

    def reached(self, market: Market, quote: Quote) -> list[int]:
        """Return the orders whose price a market has reached; they watch it no more until they say so again."""
        followed = self.markets.get(market)
        if followed is None:
            return []
        found: list[int] = []
        if quote.ask_qty and followed.buyers.is_reached(2 * quote.ask):
            found += followed.buyers.reached(2 * quote.ask)
        if quote.bid_qty and followed.sellers.is_reached(2 * quote.bid):
            found += followed.sellers.reached(2 * quote.bid)
        for order_id in found:
            _, follows, _, _ = self._of.pop(order_id)
            if follows:
                del followed.followers[order_id]
        followed.least_ask, followed.most_bid = followed.buyers.window()[0], followed.sellers.window()[1]
        if not followed:
            del self.markets[market]
        return found

    def followers(self, market: Market) -> Collection[int]:
        """Return the orders that are asked whenever a market moves; not a copy."""
        followed = self.markets.get(market)
        return () if followed is None else followed.followers
