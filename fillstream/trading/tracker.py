"""The position tracker of document 002: positions of a strategy, opened and closed on the desk.

Flows in: wishes, and the desk's events by the bus. Flows out: signals; positions that follow their own fills. Never
believes a wish: a position is open when the desk has told of a fill, and closed when it has told of the last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fillstream.client.answers import FINAL, Outcome
from fillstream.client.rows import PositionRow
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, OrdStatus, Side
from fillstream.trading.bus import EventBus
from fillstream.trading.events import (
    OrderCanceledEvent,
    OrderCreatedEvent,
    OrderFilledEvent,
    OrderRejectedEvent,
    PositionEvent,
    PositionUpdateEvent,
    PriceEvent,
    SignalRefusedEvent,
)
from fillstream.trading.exact import Amount, exact
from fillstream.trading.position import Position, PositionStatus, StockPosition

logger = logging.getLogger(__name__)

PERCENTS = ("stop_loss_pct", "take_profit_pct", "trailing_stop_pct")
EXITS = ("stop_loss", "take_profit", "trailing_stop")
ANSWER_S = 30.0
"""How long the desk may take to say what became of an entry that is to be closed."""
ENDED = frozenset({OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED})


@dataclass(slots=True)
class _Orders:
    """What was sent for a position.

    Attributes:
        account: whose.
        entry: client_order_id of its entry, which is its signal_id too; None where somebody else opened it.
        is_bracket: whether the entry has exits.
        ended: whether the desk has told that the entry is over.
        closes: how many times it was asked to be closed; and so on.
        adjusting: what was sent to make it larger, and has not ended.
        trades: the exec_ids that are booked.
    """

    account: str
    entry: str | None = None
    is_bracket: bool = False
    ended: bool = False
    closes: int = 0
    scales: int = 0
    adjusting: set[str] = field(default_factory=set)
    trades: set[str] = field(default_factory=set)


class PositionTracker:
    """Tracks and manages multiple positions.

    Args:
        event_bus: with whose desk it trades, and which tells it of fills and prices.
        account: whose positions, where `create_position` names none.
        strategy: kept with their orders.
        tick_sizes: of instruments, where neither the journal nor analytics has them any more (price).

    Attributes:
        positions: by position_id, those that have ended included.
        held: what accounts hold, by account and symbol, as the desk told last: all positions and strategies together.
            Of other accounts than its own: since it was started.
        prices: of instruments, as the desk told last.
    """

    def __init__(
        self,
        event_bus: EventBus,
        *,
        account: str = DEFAULT_ACCOUNT,
        strategy: str | None = None,
        tick_sizes: Mapping[str, Amount] | None = None,
    ) -> None:
        self.positions: dict[str, Position] = {}
        self.event_bus = event_bus
        self.account = account
        self.strategy = strategy
        self.held: dict[tuple[str, str], Decimal] = {}
        self.prices: dict[str, PriceEvent] = {}
        self._ticks = {symbol: exact(tick, f"tick_sizes.{symbol}") for symbol, tick in (tick_sizes or {}).items()}
        self._orders: dict[str, _Orders] = {}
        self._of_order: dict[tuple[str, str], str] = {}
        self._of_parent: dict[str, str] = {}
        self._why: dict[tuple[str, str], str] = {}
        self._has_begun = False
        self._beginning = asyncio.Lock()

    async def start(self) -> None:
        """Follow the desk's events from now on. What needs it does it by itself."""
        async with self._beginning:
            if self._has_begun:
                return
            async with self.event_bus.paused():
                for event_type, handler in (
                    (OrderCreatedEvent, self._on_created),
                    (OrderFilledEvent, self._on_filled),
                    (OrderRejectedEvent, self._on_ended),
                    (OrderCanceledEvent, self._on_ended),
                    (SignalRefusedEvent, self._on_refused),
                    (PositionEvent, self._on_position),
                    (PriceEvent, self._on_price),
                ):
                    await self.event_bus.subscribe(event_type, handler)  # type: ignore[arg-type]
                held = await self.event_bus.desk.open_positions(self.account)
                if self.event_bus.consumer is not None:
                    self._take_over(held)
                for row in held:
                    self.held.setdefault((self.account, row.symbol), row.position)
            self._has_begun = True

    # ----------------------------------------------------------------------------------------------------- wishes

    async def create_position(self, symbol: str, **kwargs: Any) -> Position:
        """Create a new position; with a `quantity` its entry is sent to the desk, with its exits as a bracket.

        Args:
            symbol: of the instrument.
            kwargs: `quantity`, short below 0, or with `side`; `price` of a limit order, without one it goes to market;
                exits as prices, `stop_loss`, `take_profit`, `trailing_stop`, or as shares of the entry's price,
                `stop_loss_pct`, `take_profit_pct`, `trailing_stop_pct`; `account`, `strategy`, `confidence`,
                `position_id`, `signal_id`; and what else a signal may say. Without a quantity it is PLANNED only.

        Raises:
            ValueError: a value that the desk would not take; or shares, and there is no price to take them of.
            redis.exceptions.RedisError: the server did not take it.
        """
        await self.start()
        quantity, side = kwargs.pop("quantity", None), kwargs.pop("side", None)
        account = kwargs.pop("account", self.account)
        position = StockPosition(symbol, kwargs.pop("position_id", None))
        if (known := self.positions.get(position.position_id)) is not None:
            return known
        is_long, size = _size(quantity, side)
        shares = {name: kwargs.pop(name, None) for name in PERCENTS}
        for name in EXITS:
            if (value := kwargs.pop(name, None)) is not None:
                setattr(position, name, exact(value, name))
        price = kwargs.get("price")
        if price is not None:
            kwargs["price"] = price = exact(price, "price")
        if any(value is not None for value in shares.values()):
            reference = price or await self._price(symbol, is_long)
            position.set_exits(is_long, reference, await self._tick(symbol), **shares)
        self.positions[position.position_id] = position
        orders = self._orders[position.position_id] = _Orders(account)
        if size is not None:
            try:
                await self._enter(position, orders, "BUY" if is_long else "SELL", size, kwargs)
            except BaseException:
                del self.positions[position.position_id], self._orders[position.position_id]
                raise
        return position

    async def get_position(self, position_id: str) -> Position | None:
        """Get a position by ID; None where there is none."""
        return self.positions.get(position_id)

    async def update_positions(self, market_data: Mapping[str, Amount]) -> None:
        """Update all positions with latest market data: what they are worth here. Nothing is sent to the desk.

        Args:
            market_data: prices by symbol.

        Raises:
            ValueError: one is no number.
        """
        for position in self.positions.values():
            if position.symbol in market_data and not position.is_over:
                await position.update(market_data[position.symbol])

    async def close_position(
        self, position_id: str, reason: str = "manual", *, signal_id: str | None = None
    ) -> str | None:
        """Close a position: what works of its entry is taken off, and what it holds is closed by a ClosePosition.

        Args:
            position_id: whose.
            reason: kept, and told with the PositionCloseEvent in this process.
            signal_id: of the ClosePosition; by default one that is made of the position's.

        Returns:
            The signal's id; None where there was nothing to close.

        Raises:
            LookupError: there is no such position.
            NoAnswer: the desk does not say what became of its entry.
        """
        position, orders = self._known(position_id)
        if position.is_over:
            return None
        position.close_reason = reason
        if position.status is PositionStatus.PLANNED:
            position.status = PositionStatus.CLOSED
            return None
        before, position.status = position.status, PositionStatus.CLOSING
        try:
            quantity = position.quantity if orders.ended else await self._stop_entry(position, orders)
            if not quantity:
                position.status = PositionStatus.CLOSED
                return None
            orders.closes += 1
            name = signal_id or f"{position_id}.close{'' if orders.closes == 1 else f'.{orders.closes}'}"
            self._of_order[orders.account, name] = position_id
            self._why[orders.account, name] = reason
            return await self.event_bus.desk.close_position(
                position.symbol, abs(quantity), account=orders.account, signal_id=name, strategy=self.strategy,
                position_id=position_id,
            )  # fmt: skip
        except BaseException:
            position.status = before
            raise

    async def adjust_position(self, position_id: str, *, signal_id: str | None = None, **exits: Any) -> str:
        """Move the exits that a position's entry brought, or give it some where there are none; return the signal's id.

        Exits that come later are a ProtectPosition of the account's position, for as much as this one holds
        (docs/exits.md).

        Args:
            position_id: whose.
            signal_id: of the signal.
            exits: `stop_loss`, `take_profit`, `trailing_stop` (prices); `break_even` of those that the entry brought;
                of others what else ProtectPosition takes.

        Raises:
            LookupError: there is no such position.
            ValueError: it holds nothing that could be protected, or a value is no such thing.
        """
        position, orders = self._known(position_id)
        said: dict[str, Any] = {name: exact(value, name) if name in EXITS else value for name, value in exits.items()}
        if orders.entry is not None and orders.is_bracket:
            published = await self.event_bus.desk.replace(
                client_order_id=orders.entry, account=orders.account, signal_id=signal_id, **said
            )
        elif position.quantity:
            said = {"protection_id": position_id, "quantity": abs(position.quantity), "strategy": self.strategy,
                    "position_id": position_id, **said}  # fmt: skip
            published = await self.event_bus.desk.protect(
                position.symbol, account=orders.account, signal_id=signal_id, **said
            )
        else:
            raise ValueError(f"position: {position_id} is {position.status}, and holds nothing to protect")
        for name in EXITS:
            if name in said:
                setattr(position, name, said[name])
        return published

    async def scale_in(
        self, position_id: str, quantity: Amount, *, price: Amount | None = None, signal_id: str | None = None
    ) -> str:
        """Make a position larger by an order of its own, without exits; return the signal's id.

        Raises:
            LookupError: there is no such position.
            ValueError: it is not open, or a value is no such number.
        """
        position, orders = self._known(position_id)
        if position.status not in (PositionStatus.OPEN, PositionStatus.ADJUSTING):
            raise ValueError(f"position: {position_id} is {position.status}, and only what is OPEN is made larger")
        size = exact(quantity, "quantity")
        orders.scales += 1
        name = signal_id or f"{position_id}.scale.{orders.scales}"
        self._of_order[orders.account, name] = position_id
        limit = None if price is None else exact(price, "price")
        orders.adjusting.add(name)
        position.status = PositionStatus.ADJUSTING
        return await self.event_bus.desk.signal(
            position.symbol,
            "BUY" if position.quantity > 0 else "SELL",
            size,
            price=limit,
            account=orders.account,
            signal_id=name,
            strategy=self.strategy,
            position_id=position_id,
        )

    async def load(self) -> list[Position]:
        """Take over what the account holds already, as one position an instrument; return those that were not known.

        A bus with a consumer's name has done so when it was started: what its strategy held before is there again.
        """
        await self.start()
        return self._take_over(await self.event_bus.desk.open_positions(self.account))

    def _take_over(self, rows: Sequence[PositionRow]) -> list[Position]:
        found: list[Position] = []
        for row in rows:
            name = row.position_id or f"{row.account}-{row.symbol}"
            if name in self.positions:
                continue
            position = StockPosition(row.symbol, name)
            position.quantity, position.entry_price = row.position, row.avg_px
            position.current_price, position.status = row.mark_px, PositionStatus.OPEN
            position.unrealized_pnl = row.unrealized_pnl or Decimal(0)
            self.positions[name], self._orders[name] = position, _Orders(row.account, ended=True)
            found.append(position)
        return found

    # ---------------------------------------------------------------------------------------------------- entries

    async def _enter(self, position: Position, orders: _Orders, side: str, size: Decimal, said: dict[str, Any]) -> None:
        exits = {name: getattr(position, name) for name in EXITS if getattr(position, name) is not None}
        orders.entry = name = said.pop("signal_id", None) or position.position_id
        orders.is_bracket = bool(exits)
        self._of_order[orders.account, name] = position.position_id
        said = {"strategy": self.strategy, **said, **exits}
        if isinstance(said.get("confidence"), float):
            said["confidence"] = exact(said["confidence"], "confidence")
        position.status = PositionStatus.OPENING
        await self.event_bus.desk.signal(
            position.symbol,
            side,
            size,
            account=orders.account,
            signal_id=name,
            position_id=position.position_id,
            **said,
        )

    async def _stop_entry(self, position: Position, orders: _Orders) -> Decimal:
        """Take off what works of an entry; return what the position holds once that is certain."""
        assert orders.entry is not None, "who has no entry has ended it"
        desk = self.event_bus.desk
        await desk.cancel(
            client_order_id=orders.entry, account=orders.account, signal_id=f"{orders.entry}.cancel.{orders.closes + 1}"
        )
        outcome = await desk.wait_for(
            orders.entry, timeout_s=ANSWER_S, account=orders.account, until=lambda told: told.ord_status in FINAL
        )
        return _traded(outcome)

    async def _price(self, symbol: str, is_long: bool) -> Decimal:
        """Return the price at which an entry would trade now.

        Raises:
            ValueError: there is none.
        """
        market = await self.event_bus.desk.market(symbol)
        price = None if market is None else market.ask_px if is_long else market.bid_px
        if market is not None and market.mid_px is not None:
            told = PriceEvent(
                symbol=symbol, price=market.mid_px, bid=market.bid_px, ask=market.ask_px, last=market.last_px
            )
            self.prices.setdefault(symbol, told)
        if price is None:
            side = "ask" if is_long else "bid"
            raise ValueError(
                f"{symbol}: the desk has seen no {side} to take shares of; give exits as prices, or a price"
            )
        return price

    async def _tick(self, symbol: str) -> Decimal:
        if symbol not in self._ticks:
            self._ticks[symbol] = await self.event_bus.desk.tick_size(symbol)
        return self._ticks[symbol]

    def _known(self, position_id: str) -> tuple[Position, _Orders]:
        if position_id not in self.positions:
            raise LookupError(f"position_id: {position_id} is none of this tracker's")
        return self.positions[position_id], self._orders[position_id]

    # ----------------------------------------------------------------------------------------------------- events

    def _on_created(self, event: OrderCreatedEvent) -> None:
        key = event.account, event.order_id
        if key in self._why and event.desk_order_id is not None:
            self.event_bus.translator.because(event.desk_order_id, self._why.pop(key))
        position_id = self._of_order.get(key)
        if position_id is not None and event.desk_order_id is not None:
            self._of_parent[event.desk_order_id] = position_id

    def _on_filled(self, event: OrderFilledEvent) -> None:
        position_id = self._of_order.get((event.account, event.order_id)) or self._of_parent.get(event.parent_id or "")
        if position_id is None:
            return
        position, orders = self.positions[position_id], self._orders[position_id]
        exec_id = event.message.exec_id if event.message is not None else event.event_id
        if exec_id in orders.trades:
            return  # told once more: a consumer that was started again
        orders.trades.add(exec_id)
        signed = event.fill_quantity if event.side is Side.BUY else -event.fill_quantity
        position.fill(signed, event.fill_price, event.fee)
        if event.order_id == orders.entry and event.ord_status in ENDED:
            orders.ended = True
        if event.ord_status in ENDED:
            _adjusted(position, orders, event.order_id)
        if position.quantity and position.status in (PositionStatus.OPENING, PositionStatus.CLOSED):
            position.status = PositionStatus.OPEN
        if not position.quantity and orders.ended:
            position.status = PositionStatus.CLOSED
            position.close_reason = position.close_reason or self._reason(event)

    def _reason(self, event: OrderFilledEvent) -> str:
        return self.event_bus.translator.reasons.get(event.desk_order_id or "", "fill")

    def _on_ended(self, event: OrderRejectedEvent | OrderCanceledEvent) -> None:
        position_id = self._of_order.get((event.account, event.order_id))
        if position_id is None:
            return
        position, orders = self.positions[position_id], self._orders[position_id]
        _adjusted(position, orders, event.order_id)
        if event.order_id != orders.entry:
            if position.status is PositionStatus.CLOSING and position.quantity:
                logger.warning("position %s is not closed: %s", position_id, event.text)
                position.status = PositionStatus.OPEN
            return
        orders.ended = True
        if not position.quantity and position.status is not PositionStatus.CLOSED:
            position.status = PositionStatus.CLOSED
            position.close_reason = position.close_reason or event.reason
            logger.warning("position %s was never opened: %s", position_id, event.text)

    def _on_refused(self, event: SignalRefusedEvent) -> None:
        position_id = self._of_order.get((event.account, event.signal_id))
        if position_id is None:
            return
        position = self.positions[position_id]
        logger.warning("position %s: %s", position_id, event.text)
        _adjusted(position, self._orders[position_id], event.signal_id)
        if position.status is PositionStatus.OPENING:
            position.status, position.close_reason = PositionStatus.CLOSED, event.reason
        elif position.status is PositionStatus.CLOSING:  # what it held is gone, or it is held still
            gone = self.held.get((event.account, position.symbol)) == 0
            position.status = PositionStatus.CLOSED if gone else PositionStatus.OPEN

    def _on_position(self, event: PositionEvent) -> None:
        self.held[event.account, event.symbol] = event.quantity
        position = self.positions.get(event.position_id or "")
        if position is not None and isinstance(event, PositionUpdateEvent) and event.change == "symbol_changed":
            position.symbol = event.symbol
        if position is None or self._orders[position.position_id].entry is not None:
            return  # who knows its orders goes by their fills
        position.quantity, position.entry_price = event.quantity, event.entry_price or position.entry_price
        if not event.quantity:
            position.status = PositionStatus.CLOSED
            position.close_reason = position.close_reason or getattr(event, "reason", "fill")

    async def _on_price(self, event: PriceEvent) -> None:
        self.prices[event.symbol] = event
        await self.update_positions({event.symbol: event.price})


def _adjusted(position: Position, orders: _Orders, order_id: str) -> None:
    """Take note that an order which was to make a position larger has ended."""
    orders.adjusting.discard(order_id)
    if not orders.adjusting and position.status is PositionStatus.ADJUSTING:
        position.status = PositionStatus.OPEN


def _size(quantity: Amount | None, side: str | None) -> tuple[bool, Decimal | None]:
    """Return whether a size is long, and how large it is; None where nothing is said.

    Raises:
        ValueError: it is no number, or not above 0 beside a side.
    """
    if side is not None and side.upper() not in ("BUY", "SELL"):
        raise ValueError(f"side: {side!r} must be BUY or SELL")
    if quantity is None:
        return side is None or side.upper() == "BUY", None
    size = exact(quantity, "quantity")
    if side is not None and size <= 0:
        raise ValueError(f"quantity: {size} must be above 0 beside a side")
    if not size:
        raise ValueError("quantity: must not be 0")
    return (size > 0 if side is None else side.upper() == "BUY"), abs(size)


def _traded(outcome: Outcome) -> Decimal:
    """Return what an order and its children have bought, less what they have sold."""
    fills = (event for event in outcome.events if event["type"] == "OrderFilled")
    return sum(
        (Decimal(event["last_qty"]) * (1 if event["side"] == "BUY" else -1) for event in fills), start=Decimal(0)
    )
