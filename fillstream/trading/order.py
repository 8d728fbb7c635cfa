"""Orders of document 002: what a strategy means by one, and how it stands by what it has been told.

Flows in: terms, events. Flows out: a status, what was traded. Never sends anything: an `OrderManager` does.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from fillstream.libs.common.messages.codes import OrderType, OrdStatus
from fillstream.trading.exact import Amount, exact

__all__ = ["Order", "OrderStatus", "OrderType"]


class OrderStatus(StrEnum):
    """An order's life: FIX 39, with what is before the desk has it."""

    CREATED = "CREATED"
    """Here alone."""
    SUBMITTED = "SUBMITTED"
    """In the stream; the desk has not answered yet."""
    ACCEPTED = "ACCEPTED"
    """It passed the desk's rules, and is on its way to a venue, or works there."""
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    SUSPENDED = "SUSPENDED"
    """The desk holds it: for a time, a price or somebody's yes."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more can happen to it."""
        return self in _FINAL

    @classmethod
    def of(cls, told: OrdStatus) -> OrderStatus:
        """Return what the desk's word for it is here."""
        return _OF.get(told, cls.ACCEPTED)


_FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})
_OF = {
    OrdStatus.PARTIALLY_FILLED: OrderStatus.PARTIALLY_FILLED,
    OrdStatus.FILLED: OrderStatus.FILLED,
    OrdStatus.CALCULATED: OrderStatus.FILLED,
    OrdStatus.CANCELED: OrderStatus.CANCELED,
    OrdStatus.REJECTED: OrderStatus.REJECTED,
    OrdStatus.EXPIRED: OrderStatus.EXPIRED,
    OrdStatus.SUSPENDED: OrderStatus.SUSPENDED,
}


class Manager(Protocol):
    """Whoever sends an order."""

    async def submit_order(self, order_id: str) -> Any:
        """Send it."""

    async def cancel_order(self, order_id: str) -> Any:
        """Ask for it to be taken off."""


class Order:
    """Base class for all order types.

    Attributes:
        symbol: of what.
        quantity: how much: bought above 0, sold below, as it was asked for.
        order_type: how.
        order_id: its name: its signal_id and client_order_id on the desk.
        status: how it stands.
        execution_details: `cum_qty`, `avg_px`, `fees`, `fills` (each with quantity, price, fee and exec_id); `reason`
            and `text` of one that was refused or taken off.
        terms: what else it says, by the names of a signal's fields.
        desk_order_id: the desk's number for it, once there is one.
    """

    def __init__(
        self,
        symbol: str,
        quantity: Amount,
        order_type: OrderType,
        order_id: str | None = None,
    ) -> None:
        self.symbol = symbol
        self.quantity = exact(quantity, "quantity")
        if not self.quantity:
            raise ValueError("quantity: must not be 0")
        self.order_type = order_type if isinstance(order_type, OrderType) else OrderType[order_type]
        self.order_id = order_id or str(uuid.uuid4())
        self.status = OrderStatus.CREATED
        self.execution_details: dict[str, Any] = {}
        self.terms: dict[str, Any] = {}
        self.desk_order_id: str | None = None
        self._manager: Manager | None = None
        self._heard: list[Callable[[Order], Awaitable[None] | None]] = []

    def __repr__(self) -> str:
        return f"Order({self.side} {abs(self.quantity)} {self.symbol} {self.order_type} {self.status})"

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return "BUY" if self.quantity > 0 else "SELL"

    @property
    def filled_quantity(self) -> Decimal:
        """What it has traded."""
        traded: Decimal = self.execution_details.get("cum_qty", Decimal(0))
        return traded

    @property
    def average_price(self) -> Decimal | None:
        """At what price on average; None before the first fill."""
        return self.execution_details.get("avg_px")

    async def submit(self) -> None:
        """Submit the order to the broker, by the manager that made it.

        Raises:
            LookupError: no manager has it.
        """
        await self._of_manager().submit_order(self.order_id)

    async def cancel(self) -> None:
        """Cancel the order. Raises as `submit`."""
        await self._of_manager().cancel_order(self.order_id)

    async def update_status(self, status: OrderStatus) -> None:
        """Update the order status, here alone; one that is final stays.

        Raises:
            ValueError: it is no status.
        """
        if not self.status.is_final:
            self.status = OrderStatus(status)

    def _of_manager(self) -> Manager:
        if self._manager is None:
            raise LookupError(
                f"order: {self.order_id} has no manager; OrderManager.create_order makes those that have one"
            )
        return self._manager
