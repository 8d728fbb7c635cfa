"""Groups of orders that know each other: brackets, OCO, OTO, OUO and baskets (docs/groups.md).

Flows in: orders. Flows out: what the desk is asked for. Never keeps them together itself: the desk does, in one fold.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fillstream.libs.common.messages.codes import ContingencyType
from fillstream.trading.exact import Amount, exact
from fillstream.trading.order import Order, OrderStatus

GroupType = ContingencyType


@dataclass(slots=True)
class OrderGroup:
    """Orders that are sent together.

    Attributes:
        orders: the first one is the entry, where one triggers the others; of a bracket it is the only one.
        kind: what they are to one another.
        group_id: its name on the desk; of a bracket its entry's.
        all_of_them: every order is taken, or none is.
        exits: of a bracket: `stop_loss`, `take_profit`, `take_profits`, `trailing_stop`, `break_even`,
            `stop_trigger_price_type`.
        status: CREATED or SUBMITTED; how it goes on, its orders say.
    """

    orders: Sequence[Order]
    kind: ContingencyType
    group_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    all_of_them: bool = False
    exits: dict[str, Any] = field(default_factory=dict)
    status: OrderStatus = OrderStatus.CREATED

    @property
    def is_done(self) -> bool:
        """Whether nothing more can happen to its orders. Of a bracket: to its entry, exits may still work."""
        return all(order.status.is_final for order in self.orders)


def bracket(
    entry: Order,
    *,
    stop_loss: Amount | None = None,
    take_profit: Amount | Sequence[Amount] | None = None,
    trailing_stop: Amount | None = None,
    break_even: str | None = None,
    stop_trigger_price_type: str | None = None,
) -> OrderGroup:
    """Return an entry with exits; prices, of which floats are taken as the digits that they print.

    Raises:
        ValueError: there is no exit, or one is no number.
    """
    several = isinstance(take_profit, list | tuple)
    exits: dict[str, Any] = {
        "stop_loss": _price(stop_loss, "stop_loss"),
        "trailing_stop": _price(trailing_stop, "trailing_stop"),
        "take_profit": None if several else _price(take_profit, "take_profit"),  # type: ignore[arg-type]
        "take_profits": [_target(each) for each in take_profit] if several else None,  # type: ignore[union-attr]
        "break_even": break_even,
        "stop_trigger_price_type": stop_trigger_price_type,
    }
    exits = {name: value for name, value in exits.items() if value is not None}
    if not exits:
        raise ValueError("bracket: give a stop_loss, a trailing_stop or a take_profit")
    return OrderGroup([entry], ContingencyType.BRACKET, entry.order_id, exits=exits)


def _price(value: Amount | None, name: str) -> Decimal | None:
    return None if value is None else exact(value, name)


def _target(value: Amount) -> Any:
    return value if isinstance(value, str) else exact(value, "take_profit")
