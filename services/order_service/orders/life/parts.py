"""What an order's record is made of, beside its own fields.

Flows in: what was asked for and what venues said. Flows out: records. Never decides anything.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a report changed nothing: a stable code in snake case and a sentence."""

    reason: str
    text: str


class Fill(NamedTuple):
    """A trade as the order has it, at a venue whose trades have ids: what a bust takes back.

    Attributes:
        exec_id: the venue's, as it first told the trade.
        ticks, lots, fee: price, quantity, and the fee in units of 10**-FEE_DECIMALS.
        last_id: of its newest correction, the exec_id without one: a venue may name either.
        maker: it rested in the venue's book.
    """

    exec_id: str
    ticks: int
    lots: int
    fee: int
    last_id: str
    maker: bool


class Amendment(NamedTuple):
    """An amendment on its way to the venue. `quantity` is the new total in lots, `price` and `stop` are in ticks."""

    signal_id: str
    quantity: int
    price: int
    stop: int | None = None


class Links(NamedTuple):
    """What ties an order to others; at least one is set.

    Attributes:
        parent_id: the order of the same account that made it.
        group_id, position_id: families that the client names.
        list_id: the list of orders, or the bracket, that it is one of.
    """

    parent_id: str | None
    group_id: str | None
    position_id: str | None
    list_id: str | None = None

    def told(self) -> dict[str, str]:
        """Return those that are set, as an event says them."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @property
    def in_family(self) -> bool:
        """Whether another order has to know what becomes of it."""
        return self.parent_id is not None or self.list_id is not None
