"""Orders by the ids that Alpaca's clients know, and who belongs to whom.

Flows in: the rows of orders, as they come, and those that there are as this begins. Flows out: ids and members. Never
keeps what the desk's state has forgotten: it forgets with it.

An order's id follows from its account and its signal's id, so it is known before the desk has answered; what has no
signal of its own goes by the one that made it and its part in that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fillstream.libs.common.messages.codes import OrderType
from fillstream.services.gateway.alpaca.words import uuid_of
from fillstream.services.gateway.state.desk import Change, Desk
from fillstream.services.gateway.state.orders import Order
from fillstream.services.gateway.state.rows import Row

TAKE_PROFIT, STOP_LOSS = "take_profit", "stop_loss"
CAME: Final = ("OrderReceived", "OrderRejected")
STOPPED: Final = (OrderType.STOP.value, OrderType.TRAILING_STOP.value)


def role_of(entry: Mapping[str, Any], row: Mapping[str, Any]) -> str | None:
    """Return which exit of a bracket's entry an order is; None of one that Alpaca's brackets do not have."""
    if row["order_type"] in STOPPED and any(entry.get(name) for name in ("stop_loss", "trailing_stop")):
        return STOP_LOSS
    if row["order_type"] == OrderType.LIMIT.value and entry.get("take_profit") and not entry.get("algorithm"):
        return TAKE_PROFIT
    return None


def exits_named(entry: Mapping[str, Any]) -> list[str]:
    """Return the exits that an entry has, of those that Alpaca's brackets know."""
    has_stop = entry.get("stop_loss") or entry.get("trailing_stop")
    return [TAKE_PROFIT] * bool(entry.get("take_profit")) + [STOP_LOSS] * bool(has_stop)


def is_first(row: Mapping[str, Any]) -> bool:
    """Whether an order is by itself, or the one that a list or a bracket goes by."""
    return row.get("parent_id") is None and row.get("list_id") in (None, row["client_order_id"])


def leg_uuid(entry: Mapping[str, Any], role: str) -> str:
    """Return the id of an exit, whether there is an order of it already or not."""
    return uuid_of(entry["account"], entry["signal_id"], role)


def _legs_of(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the ids of the exits that an order has, whether there are orders of them or not, and which each is."""
    if row.get("signal_id") is not None and row.get("parent_id") is None:
        for role in exits_named(row):
            yield leg_uuid(row, role), role


class Index:
    """Ids of orders.

    Args:
        desk: the state.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._by_uuid: dict[str, str] = {}
        self._uuids: dict[str, str] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._members: dict[tuple[str, str], dict[str, None]] = {}
        self._legs: dict[str, tuple[str, str]] = {}
        for order in desk.orders.by_id.values():
            self._add(order.row)
        desk.listen(self.hear)
        desk.orders.forgets.append(self._remove)

    def hear(self, change: Change) -> None:
        """Take over a change."""
        if change.moved is None or change.moved[0] != "orders" or change.event["type"] not in CAME:
            return
        if change.moved[1] not in self._uuids:
            self._add(change.moved[2])

    def uuid(self, order_id: str) -> str:
        """Return an order's id."""
        return self._uuids[order_id]

    def find(self, uuid: str) -> Order | None:
        """Return the order of an id; None of one that is not known, or not known any more."""
        order_id = self._by_uuid.get(uuid)
        return None if order_id is None else self._desk.orders.by_id.get(order_id)

    def is_current(self, order_id: str) -> bool:
        """Whether an order is the one that its id stands for: an exit that was made again has the id of the first."""
        return self._by_uuid.get(self._uuids.get(order_id, "")) == order_id

    def leg(self, uuid: str) -> tuple[Order, str] | None:
        """Return a bracket's entry and the exit of it that an id stands for, whether it is an order already or not."""
        entry_id, role = self._legs.get(uuid, ("", ""))
        entry = self._desk.orders.by_id.get(entry_id)
        return None if entry is None else (entry, role)

    def children(self, order_id: str) -> Iterator[Order]:
        """Yield what an order has made."""
        return self._known(self._children.get(order_id, ()))

    def members(self, account: str, list_id: str) -> Iterator[Order]:
        """Yield the orders of a list."""
        return self._known(self._members.get((account, list_id), ()))

    def entry_of(self, row: Mapping[str, Any]) -> Order | None:
        """Return what made an order, None of one that was sent."""
        parent = row.get("parent_id")
        return None if parent is None else self._desk.orders.by_id.get(parent)

    def _known(self, ids: Any) -> Iterator[Order]:
        orders = self._desk.orders.by_id
        return (orders[each] for each in ids if each in orders)

    def _add(self, row: Row) -> None:
        order_id = row["order_id"]
        if (group := self._group_of(row)) is not None:
            table, key = group
            table.setdefault(key, {})[order_id] = None
        uuid = self._uuid_of(row)
        self._by_uuid[uuid] = order_id
        self._uuids[order_id] = uuid
        self._legs |= {leg: (order_id, role) for leg, role in _legs_of(row)}

    def _remove(self, row: Row) -> None:
        order_id = row["order_id"]
        uuid = self._uuids.pop(order_id, None)
        if uuid is None:
            return
        if self._by_uuid.get(uuid) == order_id:
            del self._by_uuid[uuid]
        if (group := self._group_of(row)) is not None:
            table, key = group
            others = table.get(key, {})
            others.pop(order_id, None)
            if not others:
                table.pop(key, None)
        for leg, role in _legs_of(row):
            if self._legs.get(leg) == (order_id, role):
                del self._legs[leg]

    def _group_of(self, row: Row) -> tuple[dict[Any, dict[str, None]], Any] | None:
        """Return the table of those whom an order belongs to, and its key there."""
        if row.get("parent_id") is not None:
            return self._children, row["parent_id"]
        if row.get("list_id") is not None:
            return self._members, (row["account"], row["list_id"])
        return None

    def _uuid_of(self, row: Row) -> str:
        account, signal_id = row["account"], row.get("signal_id")
        if row.get("parent_id") is not None:
            entry = self.entry_of(row)
            role = None if entry is None else role_of(entry.row, row)
            if entry is not None and role is not None and entry.row.get("signal_id"):
                return leg_uuid(entry.row, role)
        elif signal_id is not None:
            own = () if is_first(row) else (row["client_order_id"],)
            uuid = uuid_of(account, signal_id, *own)
            if uuid not in self._by_uuid:
                return uuid  # a target's signal makes several orders
        return uuid_of(account, "order", row["order_id"])
