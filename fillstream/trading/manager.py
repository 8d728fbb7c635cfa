"""The order manager of document 002: orders of a strategy, sent to the desk and followed by its events.

Flows in: wishes, and the desk's events by the bus. Flows out: signals; orders that stand as the desk says. Never takes
an order for sent twice: its id is its signal's, which the desk knows again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from fillstream.client.aio import AsyncClient
from fillstream.families import flat
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, ContingencyType
from fillstream.libs.common.messages.sentences import sentence
from fillstream.libs.common.messages.signals import NewOrder
from fillstream.trading.bus import EventBus
from fillstream.trading.events import (
    OrderCanceledEvent,
    OrderCreatedEvent,
    OrderEvent,
    OrderFilledEvent,
    OrderRejectedEvent,
    SignalRefusedEvent,
)
from fillstream.trading.exact import Amount, exact
from fillstream.trading.groups import OrderGroup, bracket
from fillstream.trading.order import Order, OrderStatus, OrderType

NUMBERS = ("limit_price", "price", "stop_price", "trailing_offset", "display_quantity", "confidence")
RENAMED = {"limit_price": "price"}
"""Document 002's name for it, and the signal's."""


class OrderManager:
    """Manages order creation, submission, and tracking.

    Args:
        gateway: the way to the desk: a client, as `event_bus.desk` is one.
        event_bus: tells it what becomes of its orders.
        account: whose orders, where they say nothing else.
        strategy: kept with them.

    Attributes:
        orders: by order_id, those that are done included.
        groups: by group_id.
    """

    def __init__(
        self,
        gateway: AsyncClient,
        event_bus: EventBus,
        *,
        account: str = DEFAULT_ACCOUNT,
        strategy: str | None = None,
    ) -> None:
        self.gateway = gateway
        self.event_bus = event_bus
        self.account = account
        self.strategy = strategy
        self.orders: dict[str, Order] = {}
        self.groups: dict[str, OrderGroup] = {}
        self._has_begun = False
        self._beginning = asyncio.Lock()

    async def start(self) -> None:
        """Follow the desk's events from now on. What needs it does it by itself."""
        async with self._beginning:
            if self._has_begun:
                return
            async with self.event_bus.paused():
                await self.event_bus.subscribe(OrderEvent, self._on_event)
                await self.event_bus.subscribe(SignalRefusedEvent, self._on_refused)
            self._has_begun = True

    async def create_order(self, symbol: str, quantity: Amount, **kwargs: Any) -> Order:
        """Create a new order, here alone.

        Args:
            symbol: of the instrument.
            quantity: bought above 0, sold below; above 0 beside a `side`.
            kwargs: `order_type` (MARKET; LIMIT where there is a limit price), `side`, `limit_price`, `stop_price`,
                `time_in_force`, `order_id`, `account`, `strategy`, `position_id`, and what else a signal may say.

        Raises:
            ValueError: a value that the desk would not take; one sentence a field.
        """
        size, side = exact(quantity, "quantity"), kwargs.pop("side", None)
        if side is not None:
            if side.upper() not in ("BUY", "SELL") or size <= 0:
                raise ValueError(f"side: {side!r} must be BUY or SELL, and the quantity above 0 beside it, got {size}")
            size = size if side.upper() == "BUY" else -size
        terms = {RENAMED.get(name, name): _exact(name, value) for name, value in kwargs.items()}
        has_price = terms.get("price") is not None
        kind = terms.pop("order_type", None) or (OrderType.LIMIT if has_price else OrderType.MARKET)
        order = Order(symbol, size, _kind(kind), terms.pop("order_id", None))
        if order.order_id in self.orders:
            raise ValueError(f"order_id: {order.order_id} is one of this manager's already")
        order.terms = {"account": self.account, "strategy": self.strategy, **terms}
        _check(self._said(order))
        order._manager = self
        self.orders[order.order_id] = order
        return order

    async def submit_order(self, order_id: str) -> None:
        """Submit an order to the broker. Submitted once more, it is not sent again.

        Raises:
            LookupError: there is no such order.
            redis.exceptions.RedisError: the server did not take it; submit it again.
        """
        order = self._known(order_id)
        if order.status is not OrderStatus.CREATED:
            return
        await self.start()
        said = self._said(order)
        await self.gateway.signal(said.pop("symbol"), said.pop("side"), said.pop("quantity"), **said)
        await self._sent(order)

    async def create_and_submit(self, symbol: str, quantity: Amount, **kwargs: Any) -> Order:
        """Create and immediately submit an order. Arguments and errors as of `create_order` and `submit_order`."""
        order = await self.create_order(symbol, quantity, **kwargs)
        await self.submit_order(order.order_id)
        return order

    async def cancel_order(self, order_id: str) -> None:
        """Cancel an order: one that was never sent at once, another when its venue has let go of it.

        Raises:
            LookupError: there is no such order.
        """
        order = self._known(order_id)
        if order.status is OrderStatus.CREATED:
            await order.update_status(OrderStatus.CANCELED)
        elif not order.status.is_final:
            await self.gateway.cancel(
                client_order_id=order_id, account=order.terms["account"], signal_id=f"{order_id}.cancel"
            )

    async def wait_for(self, order_id: str, timeout_s: float = 5.0) -> Order:
        """Return an order once it is done; not from a handler of the bus, which it would wait for.

        Raises:
            TimeoutError: it is not done in time.
        """
        order = self._known(order_id)
        done = asyncio.Event()

        def look(seen: Order) -> None:
            if seen.status.is_final:
                done.set()

        order._heard.append(look)
        try:
            look(order)
            await asyncio.wait_for(done.wait(), timeout_s)
        except TimeoutError:
            raise TimeoutError(f"order: {order_id} is {order.status} after {timeout_s:g} s") from None
        finally:
            order._heard.remove(look)
        return order

    # ----------------------------------------------------------------------------------------------------- groups

    async def create_bracket(self, symbol: str, quantity: Amount, **kwargs: Any) -> OrderGroup:
        """Create an entry with exits, here alone; arguments as of `create_order` and `groups.bracket`."""
        exits = {name: kwargs.pop(name, None) for name in _EXITS}
        group = bracket(await self.create_order(symbol, quantity, **kwargs), **exits)
        self.groups[group.group_id] = group
        return group

    async def create_group(
        self,
        orders: Sequence[Order],
        kind: ContingencyType | str = ContingencyType.ONE_CANCELS_OTHER,
        *,
        all_of_them: bool = False,
        group_id: str | None = None,
    ) -> OrderGroup:
        """Make a group of orders that were created here and not submitted: OCO unless `kind` says otherwise.

        Raises:
            ValueError: there are too few, they are not of one account, or one was sent; or there is no such kind.
        """
        try:
            kind = ContingencyType(kind.upper())
        except ValueError:
            raise ValueError(f"kind: {kind!r} must be one of {', '.join(ContingencyType)}") from None
        if kind is ContingencyType.BRACKET:
            raise ValueError("kind: create_bracket makes a bracket")
        if len(orders) < 2 and kind is not ContingencyType.NONE:
            raise ValueError(f"orders: {kind} is of two orders at least, got {len(orders)}")
        if len({order.terms.get("account") for order in orders}) != 1:
            raise ValueError("orders: must all be of one account")
        if any(order.status is not OrderStatus.CREATED for order in orders):
            raise ValueError("orders: one of them was sent already")
        named: dict[str, Any] = {"group_id": group_id} if group_id else {}
        group = OrderGroup(list(orders), kind, all_of_them=all_of_them, **named)
        self.groups[group.group_id] = group
        return group

    async def submit_group(self, group_id: str) -> None:
        """Submit the orders of a group together, once.

        Raises:
            LookupError: there is no such group.
        """
        group = self._group(group_id)
        if group.status is not OrderStatus.CREATED:
            return
        await self.start()
        said = [self._said(order) for order in group.orders]
        if group.kind is ContingencyType.BRACKET:
            [entry] = said
            await self.gateway.signal(
                entry.pop("symbol"), entry.pop("side"), entry.pop("quantity"), **entry, **group.exits
            )
        else:
            account = said[0]["account"]
            legs = [
                {name: value for name, value in each.items() if name not in ("account", "signal_id")} for each in said
            ]
            await self.gateway.order_list(
                legs,
                contingency_type=group.kind.value,
                all_of_them=group.all_of_them,
                list_id=group_id,
                account=account,
                signal_id=group_id,
            )
        group.status = OrderStatus.SUBMITTED
        for order in group.orders:
            await self._sent(order)

    async def cancel_group(self, group_id: str) -> None:
        """Take off all that works of a group, exits of a bracket included; of one that was never sent nothing is."""
        group = self._group(group_id)
        if group.status is OrderStatus.CREATED:
            for order in group.orders:
                await order.update_status(OrderStatus.CANCELED)
            return
        account = group.orders[0].terms["account"]
        await self.gateway.cancel_list(group_id, account=account, signal_id=f"{group_id}.cancel")

    # ----------------------------------------------------------------------------------------------------- events

    async def _on_event(self, event: OrderEvent) -> None:
        order = self.orders.get(event.order_id)
        if order is None or order.terms.get("account") != event.account:
            return
        order.desk_order_id = event.desk_order_id or order.desk_order_id
        match event:
            case OrderFilledEvent():
                _book(order, event)
            case OrderRejectedEvent() | OrderCanceledEvent():
                order.execution_details |= {"reason": event.reason, "text": event.text}
            case OrderCreatedEvent():
                order.execution_details.setdefault("cum_qty", Decimal(0))
        await self._stands(order, OrderStatus.of(event.ord_status))

    async def _on_refused(self, event: SignalRefusedEvent) -> None:
        order = self.orders.get(event.signal_id)
        if order is not None and order.terms.get("account") == event.account:
            order.execution_details |= {"reason": event.reason, "text": event.text}
            await self._stands(order, OrderStatus.REJECTED)

    @staticmethod
    async def _stands(order: Order, status: OrderStatus) -> None:
        await order.update_status(status)
        for heard in [*order._heard]:
            heard(order)

    @staticmethod
    async def _sent(order: Order) -> None:
        if order.status is OrderStatus.CREATED:  # the bus may have told more meanwhile
            await order.update_status(OrderStatus.SUBMITTED)

    # ------------------------------------------------------------------------------------------------------ terms

    @staticmethod
    def _said(order: Order) -> dict[str, Any]:
        """Return an order as `Client.signal` takes it."""
        return {
            "symbol": order.symbol,
            "side": order.side,
            "quantity": abs(order.quantity),
            "order_type": order.order_type.value,
            "signal_id": order.order_id,
            "client_order_id": order.order_id,
            **{name: value for name, value in order.terms.items() if value is not None},
        }

    def _known(self, order_id: str) -> Order:
        if order_id not in self.orders:
            raise LookupError(f"order_id: {order_id} is none of this manager's")
        return self.orders[order_id]

    def _group(self, group_id: str) -> OrderGroup:
        if group_id not in self.groups:
            raise LookupError(f"group_id: {group_id} is none of this manager's")
        return self.groups[group_id]


_EXITS = ("stop_loss", "take_profit", "trailing_stop", "break_even")


def _exact(name: str, value: Any) -> Any:
    return exact(value, name) if name in NUMBERS and value is not None else value


def _kind(kind: Any) -> OrderType:
    try:
        return OrderType[kind.upper()]
    except (AttributeError, KeyError):
        raise ValueError(f"order_type: {kind!r} must be one of {', '.join(OrderType)}") from None


def _check(said: dict[str, Any]) -> None:
    try:
        NewOrder.model_validate({name: flat(value, name) for name, value in said.items()})
    except ValidationError as error:
        raise ValueError("\n".join(sentence(each) for each in error.errors(include_url=False))) from None


def _book(order: Order, event: OrderFilledEvent) -> None:
    """Take over what a trade says, once."""
    exec_id = event.message.exec_id if event.message is not None else event.event_id
    details = order.execution_details
    if any(known["exec_id"] == exec_id for known in details.get("fills", ())):
        return
    traded = {"quantity": event.fill_quantity, "price": event.fill_price, "fee": event.fee, "exec_id": exec_id}
    details.setdefault("fills", []).append(traded)
    details["cum_qty"] = details.get("cum_qty", Decimal(0)) + event.fill_quantity
    details["fees"] = details.get("fees", Decimal(0)) + event.fee
    details["avg_px"] = event.average_price
