"""The positions of an account that hedges, beside one another in an instrument: how much each is, and what works on it.

Flows in: fills and what orders may still trade, of an order at a time, whose `position_id` names the position. Flows
out: what may still be closed of each. Never knows a price: what an account is worth and risks is counted of all its
positions in an instrument together, which is its `Holding`.
"""

from __future__ import annotations

from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.order_service.orders.life.parts import Links


class Held:
    """What an order adds to or closes: one of them, or all that an account that nets holds of an instrument.

    Attributes:
        quantity: lots, signed.
        buys, sells: lots that working orders may still buy and sell.
    """

    __slots__ = ()

    quantity: int
    buys: int
    sells: int

    @property
    def reducible(self) -> int:
        """Lots that may still be closed, less what works on that side already: above 0 to sell, below 0 to buy."""
        quantity = self.quantity
        return max(0, quantity - self.sells) if quantity > 0 else min(0, quantity + self.buys)

    @property
    def longest(self) -> int:
        """The position (lots) once every working purchase has traded, and no sale."""
        return self.quantity + self.buys

    @property
    def shortest(self) -> int:
        """The position (lots) once every working sale has traded, and no purchase."""
        return self.quantity - self.sells


class Hedged(Held):
    """One of them."""

    __slots__ = ("buys", "quantity", "sells")

    def __init__(self) -> None:
        self.quantity = self.buys = self.sells = 0

    @property
    def is_long(self) -> bool | None:
        """Whether it is long, or is to be opened so; None of one of which nothing is held, and nothing works."""
        if self.quantity:
            return self.quantity > 0
        return None if self.buys == self.sells else self.buys > self.sells


NOTHING = Hedged()
"""What there is of a position that nobody has named before. Not to be changed."""
Position = tuple[str, str, str | None]
"""An account and a symbol; and of an account that hedges a position_id."""
Positions = dict[str, Hedged]
"""An account's in one instrument, by position_id; one of which nothing is held and nothing works is not there.

In no order: whoever tells of several sorts them, as they are found in another one once a snapshot was read.
"""


def name_of(order: Order) -> str:
    """Return which position an order of an account that hedges trades."""
    named = None if order.links is None else order.links.position_id
    return str(order.order_id) if named is None else named


def name_its_own(order: Order) -> None:
    """Have an order that names no position be one that opens its own, named after it."""
    if order.links is None:
        order.links = Links(None, None, str(order.order_id))
    elif order.links.position_id is None:
        order.links = order.links._replace(position_id=str(order.order_id))


def of(positions: Positions, name: str | None) -> Hedged:
    """Return a position to look at; of an order that opens its own it is none yet (None)."""
    return NOTHING if name is None else positions.get(name, NOTHING)


def held_for(order: Order) -> Held:
    """Return what an order trades of what its account holds: the position that it names, or all there is of it."""
    holding = order.holding
    assert holding is not None, "it was taken"
    return holding if holding.hedged is None else holding.part(name_of(order))


def position_of(order: Order) -> Position:
    """Return which position an order opens or closes."""
    holding = order.holding
    assert holding is not None, "it was taken"
    return order.account, order.terms.symbol, None if holding.hedged is None else name_of(order)


def fill(positions: Positions, name: str, lots: int) -> None:
    """Count a fill of so many lots, signed; 0 changes nothing."""
    if lots:
        found = positions.setdefault(name, Hedged())
        found.quantity += lots
        _drop_empty(positions, name, found)


def works(positions: Positions, name: str, buy: bool, lots: int) -> None:
    """Count that so many lots more may still be traded for a position, below 0: fewer."""
    if lots:
        found = positions.setdefault(name, Hedged())
        if buy:
            found.buys += lots
        else:
            found.sells += lots
        _drop_empty(positions, name, found)


def only_held(positions: Positions) -> Positions:
    """Return those of which something is held, as if nothing worked."""
    for each in positions.values():
        each.buys = each.sells = 0
    return {name: each for name, each in positions.items() if each.quantity}


def at_most(positions: Positions, name: str | None, buy: bool, lots: int) -> int:
    """Return the longs, or of a sale the shorts, that all of them may come to with so many lots more of one."""
    sign = 1 if buy else -1
    own = of(positions, name)
    others = (each for each in positions.values() if each is not own)
    may_be = (sign * (each.longest if buy else each.shortest) for each in others)
    return sum(max(0, each) for each in may_be) + max(0, sign * (own.longest if buy else own.shortest) + lots)


def _drop_empty(positions: Positions, name: str, found: Hedged) -> None:
    if not (found.quantity or found.buys or found.sells):
        del positions[name]
