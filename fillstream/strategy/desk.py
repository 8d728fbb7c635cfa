"""The desk as a strategy speaks to it: the same in a backtest and live.

Flows in: what a strategy wants. Flows out: signals with ids of their own, by whoever sends them on; what the desk has
told so far, as values. Never waits: what becomes of a signal is told later.

A signal's id is made of the strategy's name, what the strategy was told when it sent it, and which signal that was:
`crossing.b1723161660000-BTCUSDT.0`. So whoever is told the same again says the same again, and the desk answers that
it has come before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fillstream.client.topics import OrderNews
from fillstream.client.words import SignalWords
from fillstream.families import signal_fields
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT, OrdStatus
from fillstream.libs.common.messages.exits import ExitChanged
from fillstream.libs.common.messages.positions import PositionAdjusted, PositionChanged, PositionClosed
from fillstream.libs.common.messages.targets import TargetChanged
from fillstream.libs.common.values.versions import Document
from fillstream.strategy.market import Quote
from fillstream.strategy.strategy import Value

__all__ = ["Desk", "OrderNews", "OrderNow", "PositionNews", "PositionNow"]

PositionNews = PositionChanged | PositionClosed | PositionAdjusted | ExitChanged | TargetChanged
"""What happens to positions that a strategy is told of; marks are no news."""
LABELLED = frozenset({"NewOrder", "ClosePosition", "SetTarget"})
"""Signals that say whose strategy they are of."""
ENDED = frozenset({OrdStatus.FILLED, OrdStatus.CANCELED, OrdStatus.REJECTED, OrdStatus.EXPIRED, OrdStatus.CALCULATED})


@dataclass(frozen=True, slots=True)
class OrderNow:
    """An order as it stands, as far as the desk has told.

    Attributes:
        order_id, client_order_id, symbol, side, ord_status: as its events have them.
        quantity, cum_qty, leaves_qty, avg_px: likewise; `avg_px` is None before the first fill.
        parent_id: the order that made it, None of one that a signal made.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    ord_status: str
    quantity: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    avg_px: Decimal | None
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class PositionNow:
    """A position as it stands, as far as the desk has told.

    Attributes:
        symbol: of what.
        quantity: signed: long positive, short negative, 0 of what was never held.
        avg_px: mean price of what is held, None when flat.
        realized_pnl, fees: so far, in the instrument's currency.
        unrealized_pnl, mark_px: at the last mark; None without one.
    """

    symbol: str
    quantity: Decimal = Decimal(0)
    avg_px: Decimal | None = None
    realized_pnl: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    unrealized_pnl: Decimal | None = None
    mark_px: Decimal | None = None


class Desk(SignalWords[str]):
    """What a strategy may ask of its desk, and tell it.

    It publishes any signal that `fillstream.Client` can, by the same words: `signal`, `bracket`, `order_list`, `algo`,
    `close_position`, `predict`, `cancel`, `replace`, `cancel_all`, `cancel_list`, `pause`, `resume`. Each returns its
    signal_id and raises ValueError for what no desk would take. Without an `account` they are of the strategy's.

    Whoever runs the strategy, a backtest or a reader of a live desk, makes one, tells it what happens by a
    `session.Session`, and sends its signals on.

    Args:
        name: of the strategy; its signals' ids begin with it.
        account: whose orders it sends where it says nothing else.
        parameters: of the strategy.

    Attributes:
        send: takes a signal's fields, as `signals` has them; whoever runs the strategy puts it there.
    """

    def __init__(self, name: str, account: str, parameters: Mapping[str, Value]) -> None:
        self.name = name
        self.account = account
        self.parameters = parameters
        self.send: Callable[[dict[str, str]], None] = _nowhere
        self._ms = 0
        self._cause = ""
        self._said = 0
        self.own_ids: set[str] = set()
        self.held: dict[str, Document] = {}
        self.hedged: dict[str, dict[str, Document]] = {}
        self.working: dict[str, Document] = {}
        self.quotes: dict[str, Quote | Callable[[], Quote]] = {}
        self.timers: list[tuple[int, str]] = []

    def caused_by(self, cause: str, ms: int) -> None:
        """Take note of what the strategy is told now, and when that was."""
        self._cause, self._ms, self._said = cause, ms, 0

    # --------------------------------------------------------------------------------------------- what it knows

    @property
    def now_ms(self) -> int:
        """What time it is (ms since 1970 UTC): that of what the strategy was told last."""
        return self._ms

    def position(self, symbol: str, position_id: str | None = None) -> PositionNow:
        """Return what the strategy's account holds of an instrument.

        Args:
            symbol: of which.
            position_id: which, of an account that hedges; without one it is what all of them come to, which has no
                mean price.
        """
        if position_id is not None:
            of_several = self.hedged.get(symbol, {}).get(position_id)
            return PositionNow(symbol) if of_several is None else _position(of_several)
        if symbol in self.hedged:
            return _sum(symbol, [_position(each) for each in self.hedged[symbol].values()])
        held = self.held.get(symbol)
        return PositionNow(symbol) if held is None else _position(held)

    def positions(self) -> Mapping[str, PositionNow]:
        """Return everything that the account ever held, by symbol; of an account that hedges as `position` has it."""
        return {symbol: self.position(symbol) for symbol in (*self.held, *self.hedged)}

    def hedged_positions(self, symbol: str) -> Mapping[str, PositionNow]:
        """Return the positions that an account that hedges has open in an instrument, by position_id."""
        found = {name: _position(each) for name, each in self.hedged.get(symbol, {}).items()}
        return {name: each for name, each in found.items() if each.quantity}

    def take_position(self, event: Document) -> None:
        """Take over what an event says of a position."""
        if event.get("position_mode") is None:
            self.held[event["symbol"]] = event
        else:
            self.hedged.setdefault(event["symbol"], {})[event["position_id"]] = event

    def order(self, order_id: str) -> OrderNow | None:
        """Return an order of the strategy's that has not ended, by order_id or client_order_id; None of any other."""
        found = self.working.get(order_id)
        if found is None:
            found = next((each for each in self.working.values() if each["client_order_id"] == order_id), None)
        return None if found is None else _order(found)

    def orders(self) -> tuple[OrderNow, ...]:
        """Return the strategy's orders that have not ended, oldest first; those that its orders made as well."""
        return tuple(map(_order, self.working.values()))

    def quote(self, symbol: str) -> Quote | None:
        """Return the last quote of an instrument, None before the first."""
        found = self.quotes.get(symbol)
        if callable(found):
            found = self.quotes[symbol] = found()
        return found

    def timer(self, name: str, *, after_ms: int | None = None, at_ms: int | None = None) -> None:
        """Have `on_timer` called once, after so many milliseconds or at a time.

        Raises:
            ValueError: neither or both are given, or a time that is not still to come.
        """
        if (after_ms is None) == (at_ms is None):
            raise ValueError(f"timer {name}: one of after_ms and at_ms must be given")
        at = at_ms if at_ms is not None else self._ms + (after_ms or 0)
        if at <= self._ms:
            raise ValueError(f"timer {name}: must come after {self._ms}, which is now, got {at}")
        if (at, name) not in self.timers:
            self.timers.append((at, name))
            self.timers.sort()

    def timers_due(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Yield the timers that have come, and forget them."""
        while self.timers and self.timers[0][0] <= now_ms:
            yield self.timers.pop(0)

    def say_no_more(self) -> None:
        """Forget what was to come: the strategy has ended."""
        self.timers.clear()

    # ---------------------------------------------------------------------------------------------- what it says

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        if signal_id is None:
            signal_id = f"{self.name}.{self._cause}.{self._said}"
            self._said += 1
        else:
            self.own_ids.add(signal_id)
        if kind in LABELLED and more.get("strategy") is None:
            more["strategy"] = self.name
        account = self.account if account == DEFAULT_ACCOUNT else account
        self.send(signal_fields(kind, account, signal_id, more))
        return signal_id

    def is_own(self, signal_id: str | None) -> bool:
        """Whether the strategy sent a signal of that id."""
        if signal_id is None:
            return False
        return signal_id.startswith(f"{self.name}.") or signal_id in self.own_ids


def _nowhere(fields: dict[str, str]) -> None:
    raise ValueError(f"signal {fields['signal_id']}: the strategy is not running: nobody sends it on")


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _order(event: Document) -> OrderNow:
    return OrderNow(
        event["order_id"],
        event["client_order_id"],
        event["symbol"],
        event["side"],
        event["ord_status"],
        Decimal(event["quantity"]),
        Decimal(event["cum_qty"]),
        Decimal(event["leaves_qty"]),
        _decimal(event.get("avg_px")),
        event.get("parent_id"),
    )


def _sum(symbol: str, positions: Sequence[PositionNow]) -> PositionNow:
    """Return what several positions in an instrument come to."""
    quantity, realized, fees, unrealized = (
        sum((getattr(each, name) or Decimal(0) for each in positions), Decimal(0))
        for name in ("quantity", "realized_pnl", "fees", "unrealized_pnl")
    )
    return PositionNow(symbol, quantity, None, realized, fees, unrealized, positions[-1].mark_px)


def _position(event: Document) -> PositionNow:
    return PositionNow(
        event["symbol"],
        Decimal(event["position"]),
        _decimal(event["avg_px"]),
        Decimal(event["realized_pnl"]),
        Decimal(event["fees"]),
        _decimal(event["unrealized_pnl"]),
        _decimal(event["mark_px"]),
    )
