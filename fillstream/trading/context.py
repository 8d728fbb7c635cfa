"""What a rule knows when it looks at an event, and what its actions act with.

Flows in: an event, a tracker, an order manager. Flows out: values; ids of signals that are the same whenever that rule
looks at that event. Never publishes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fillstream.trading.events import BaseEvent

if TYPE_CHECKING:
    from fillstream.trading.bus import EventBus
    from fillstream.trading.manager import OrderManager
    from fillstream.trading.tracker import PositionTracker

Value = Any | Callable[["Context"], Any]
"""A value, or a function of the context that says it."""


class Context(dict[str, Any]):
    """A dict with `event`, `rule_id`, `symbol`, `time_ms`, `positions`, `tracker`, `orders` (the manager) and `bus`.

    Args:
        rule_id: of the rule that looks.
        event: at which.
        tracker: knows positions, what is held, prices.
        manager: sends orders.
        time_ms: now, ms since 1970: the event's own time where it has one.
    """

    def __init__(
        self, rule_id: str, event: BaseEvent, tracker: PositionTracker, manager: OrderManager, time_ms: int
    ) -> None:
        self.rule_id = rule_id
        self.event = event
        self.tracker = tracker
        self.manager = manager
        self.time_ms = time_ms
        self.symbol: str | None = getattr(event, "symbol", None)
        self._made = 0
        super().__init__(
            rule_id=rule_id,
            event=event,
            symbol=self.symbol,
            time_ms=time_ms,
            positions=tracker.positions,
            tracker=tracker,
            orders=manager,
            bus=tracker.event_bus,
        )

    @property
    def bus(self) -> EventBus:
        """The event bus."""
        return self.tracker.event_bus

    def value(self, said: Value) -> Any:
        """Return a value, of a function what it says of this context."""
        return said(self) if callable(said) and not isinstance(said, type) else said

    def held(self, symbol: str, account: str | None = None) -> Decimal:
        """Return what an account holds of an instrument as the desk told last; 0 where it told nothing."""
        return self.tracker.held.get((account or self.tracker.account, symbol), Decimal(0))

    def signal_id(self) -> str:
        """Return the next id for a signal: the same whenever this rule acts on this event, first, second …"""
        self._made += 1
        said = "\x1f".join((self.rule_id, self.event.event_id, str(self._made)))
        return f"rule-{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}"

    async def is_repeated(self, signal_id: str) -> bool:
        """Say whether a signal was published before this process was started again: the event may have come before."""
        if not self.event.poss_dup or self.event.time_ms is None:
            return False
        return await self.bus.desk.was_sent(signal_id, self.event.time_ms)
