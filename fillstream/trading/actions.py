"""What rules do: create, close, adjust and enlarge positions; send, cancel and bracket orders; say something.

Flows in: a context. Flows out: signals, each with an id that is a hash of the rule and the event, so that an event that
comes again does nothing again. Never decides whether to act: conditions do.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fillstream.trading.context import Context, Value

logger = logging.getLogger("fillstream.trading.rules")


class Action:
    """Something that a rule does."""

    async def execute(self, context: Context) -> Any:
        """Do it."""
        raise NotImplementedError


class _Saying(Action):
    """An action that says values, each a value or a function of the context."""

    def __init__(self, **said: Value) -> None:
        self.said = said

    def values(self, context: Context) -> dict[str, Any]:
        found = {name: context.value(said) for name, said in self.said.items()}
        return {name: value for name, value in found.items() if value is not None}


class CreatePositionAction(_Saying):
    """Create a position: its entry goes to the desk, with its exits.

    Args:
        symbol, quantity: of what, and how much, short below 0; by default the event's symbol.
        stop_loss_pct, take_profit_pct: where it is closed, as shares of the entry's price.
        more: what `PositionTracker.create_position` takes besides.
    """

    def __init__(
        self,
        symbol: Value = None,
        quantity: Value = None,
        stop_loss_pct: Value = None,
        take_profit_pct: Value = None,
        **more: Value,
    ) -> None:
        if quantity is None:
            raise ValueError("quantity: say how much, a number or a function of the context")
        super().__init__(
            symbol=symbol or _symbol,
            quantity=quantity,
            stop_loss_pct=stop_loss_pct,
            take_profit_pct=take_profit_pct,
            **more,
        )

    async def execute(self, context: Context) -> Any:
        """Create it; where it was created before this process was started again, nothing is done."""
        signal_id = context.signal_id()
        if await context.is_repeated(signal_id):
            return None
        said = {"position_id": signal_id, "signal_id": signal_id, **self.values(context)}
        return await context.tracker.create_position(said.pop("symbol"), **said)


class ClosePositionAction(_Saying):
    """Close positions: one, or all of the tracker's in an instrument.

    Args:
        position_id: which; by default all in the symbol.
        symbol: of which instrument; by default the event's.
        reason: kept, and told with the PositionCloseEvent.
    """

    def __init__(self, position_id: Value = None, symbol: Value = None, reason: Value = None) -> None:
        super().__init__(position_id=position_id, symbol=symbol or _symbol, reason=reason)

    async def execute(self, context: Context) -> list[str | None]:
        """Close them."""
        said = self.values(context)
        reason = said.get("reason", f"rule {context.rule_id}")
        ids = [said["position_id"]] if "position_id" in said else _open_in(context, said.get("symbol"))
        closed = []
        for position_id in ids:
            signal_id = context.signal_id()
            if not await context.is_repeated(signal_id):
                closed.append(await context.tracker.close_position(position_id, reason, signal_id=signal_id))
        return closed


class AdjustPositionAction(_Saying):
    """Move the exits of a position, or of all of the tracker's in the event's instrument.

    Args:
        position_id: which; by default all in the event's symbol.
        exits: `stop_loss`, `take_profit`, `trailing_stop` (prices), `break_even`.
    """

    def __init__(self, position_id: Value = None, **exits: Value) -> None:
        super().__init__(position_id=position_id, **exits)

    async def execute(self, context: Context) -> list[str]:
        """Move them."""
        said = self.values(context)
        one = said.pop("position_id", None)
        moved = []
        for position_id in [one] if one is not None else _open_in(context, context.symbol):
            signal_id = context.signal_id()
            if not await context.is_repeated(signal_id):
                moved.append(await context.tracker.adjust_position(position_id, signal_id=signal_id, **said))
        return moved


class ScaleInAction(_Saying):
    """Make a position larger, or all of the tracker's in the event's instrument.

    Args:
        quantity: by how much.
        position_id: which; by default all in the event's symbol.
        price: of a limit order.
    """

    def __init__(self, quantity: Value, position_id: Value = None, price: Value = None) -> None:
        super().__init__(quantity=quantity, position_id=position_id, price=price)

    async def execute(self, context: Context) -> list[str]:
        """Enlarge them."""
        said = self.values(context)
        one = said.pop("position_id", None)
        sent = []
        for position_id in [one] if one is not None else _open_in(context, context.symbol):
            signal_id = context.signal_id()
            if not await context.is_repeated(signal_id):
                sent.append(await context.tracker.scale_in(position_id, signal_id=signal_id, **said))
        return sent


class OrderAction(_Saying):
    """Send an order.

    Args:
        symbol, quantity: of what, and how much, sold below 0; by default the event's symbol.
        more: what `OrderManager.create_order` takes besides.
    """

    def __init__(self, symbol: Value = None, quantity: Value = None, **more: Value) -> None:
        if quantity is None:
            raise ValueError("quantity: say how much, a number or a function of the context")
        super().__init__(symbol=symbol or _symbol, quantity=quantity, **more)

    async def execute(self, context: Context) -> Any:
        """Send it."""
        signal_id = context.signal_id()
        if await context.is_repeated(signal_id):
            return None
        manager = context.manager
        if signal_id not in manager.orders:  # it is there where Redis went away before it took it
            said = {**self.values(context), "order_id": signal_id}
            await manager.create_order(said.pop("symbol"), said.pop("quantity"), **said)
        await manager.submit_order(signal_id)
        return manager.orders[signal_id]


class CancelAction(_Saying):
    """Cancel an order of the manager's, or all that work in the event's instrument.

    Args:
        order_id: which; by default all of the account's in the event's symbol, whoever sent them.
    """

    def __init__(self, order_id: Value = None) -> None:
        super().__init__(order_id=order_id)

    async def execute(self, context: Context) -> Any:
        """Cancel it, or them."""
        said = self.values(context)
        if "order_id" in said:
            return await context.manager.cancel_order(said["order_id"])
        signal_id = context.signal_id()
        if await context.is_repeated(signal_id):
            return None
        desk = context.bus.desk
        return await desk.cancel_all(account=context.manager.account, symbol=context.symbol, signal_id=signal_id)


class BracketAction(_Saying):
    """Send an entry with exits.

    Args:
        symbol, quantity: of what, and how much; by default the event's symbol.
        more: what `OrderManager.create_bracket` takes besides: `stop_loss`, `take_profit` …
    """

    def __init__(self, symbol: Value = None, quantity: Value = None, **more: Value) -> None:
        if quantity is None:
            raise ValueError("quantity: say how much, a number or a function of the context")
        super().__init__(symbol=symbol or _symbol, quantity=quantity, **more)

    async def execute(self, context: Context) -> Any:
        """Send it."""
        signal_id = context.signal_id()
        if await context.is_repeated(signal_id):
            return None
        manager = context.manager
        if signal_id not in manager.groups:
            said = {**self.values(context), "order_id": signal_id}
            await manager.create_bracket(said.pop("symbol"), said.pop("quantity"), **said)
        await manager.submit_group(signal_id)
        return manager.groups[signal_id]


class SequenceAction(Action):
    """Several actions, one after the other; one that raises ends it."""

    def __init__(self, *actions: Action) -> None:
        if not actions:
            raise ValueError("actions: give one at least")
        self.actions = actions

    async def execute(self, context: Context) -> list[Any]:
        """Do them."""
        return [await action.execute(context) for action in self.actions]


class LogAction(Action):
    """Write a line to the log `fillstream.trading.rules`.

    Args:
        text: with fields of the event in braces, "{symbol} at {confidence}"; or a function of the context.
        level: of the line.
    """

    def __init__(self, text: Value, level: int = logging.INFO) -> None:
        self.text, self.level = text, level

    async def execute(self, context: Context) -> None:
        """Write it."""
        text = context.value(self.text)
        if isinstance(self.text, str):
            text = text.format_map({name: getattr(context.event, name) for name in type(context.event).model_fields})
        logger.log(self.level, "rule %s: %s", context.rule_id, text)


class CallAction(Action):
    """Call a function of one's own with the context."""

    def __init__(self, function: Callable[[Context], Awaitable[Any] | Any]) -> None:
        self.function = function

    async def execute(self, context: Context) -> Any:
        """Call it."""
        result = self.function(context)
        return await result if inspect.isawaitable(result) else result


def _symbol(context: Context) -> str:
    if context.symbol is None:
        raise ValueError(f"symbol: a {type(context.event).__name__} is about no instrument; say which")
    return context.symbol


def _open_in(context: Context, symbol: str | None) -> list[str]:
    return [name for name, each in context.tracker.positions.items() if each.symbol == symbol and not each.is_over]
