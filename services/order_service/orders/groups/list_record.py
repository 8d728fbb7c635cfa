"""A list of orders that know each other.

Flows in: what was asked for, and what happened. Flows out: a record of it, as a snapshot has it. Never decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

from fillstream.libs.common.messages.codes import ContingencyType
from fillstream.libs.common.values.versions import Document, check_names

CANCELS = ContingencyType.ONE_CANCELS_OTHER.value
UPDATES = ContingencyType.ONE_UPDATES_OTHER.value
TRIGGERS = ContingencyType.ONE_TRIGGERS_OTHER.value
ONE_OF_ALL = frozenset((CANCELS, UPDATES))
"""Of these only one order may trade, or all together no more than one."""


@dataclass(slots=True)
class OrderList:
    """What is known of a list beside its orders.

    Attributes:
        list_id, account: whose, and what it goes by.
        contingency: a ContingencyType.
        legs: ids of its orders, in the order of the list.
        status: a ListOrderStatus.
        hit: the order whose price has come and that waits until the others are off, None without one.
        seen: lots that the list has counted of each.
        gone: those that have left the state; it follows from the orders.
    """

    list_id: str
    account: str
    contingency: str
    legs: list[int] = field(default_factory=list)
    status: str = "EXECUTING"
    hit: int | None = None
    seen: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set, init=False, compare=False)


_NAMES: Final = tuple(each.name for each in fields(OrderList) if each.init)


def dump_list(found: OrderList) -> Document:
    """Return it by the names of its fields."""
    record: Document = {name: getattr(found, name) for name in _NAMES}
    record["seen"] = [[*each] for each in found.seen.items()]
    return record


def load_list(record: Document) -> OrderList:
    """Return what `dump_list` wrote.

    Raises:
        Unreadable: a name that this release does not know.
    """
    check_names("OrderList", record, _NAMES, _NAMES)
    said: dict[str, Any] = {**record, "seen": {order_id: lots for order_id, lots in record["seen"]}}
    return OrderList(**said)
