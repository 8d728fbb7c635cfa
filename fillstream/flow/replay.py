"""An event log, done: what FlowManager's strategy wants, on a desk in this process.

Flows in: events, prices. Flows out: the state at each LogPosition, and what became of the targets. Waits pass in the
desk's own time, so that a log of hours takes a moment. Never a clock, a file or a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fillstream.demo.market_numbers import instrument_of
from fillstream.flow.event_log import Event, Target, Wait
from fillstream.flow.order_book import OrderBookEngine
from fillstream.flow.position_manager import PositionManager, State
from fillstream.libs.common.messages.targets import TargetStatus
from fillstream.libs.common.process.settings import Settings
from fillstream.libs.common.values.versions import Document

PRICE = Decimal(100)
"""Of an instrument that is given no price; the simulated broker of FlowManager has the same."""
SIZE = Decimal(1_000)
"""That is quoted on each side, and is there again every second."""
DRAIN_MS = 60_000
"""So long the desk goes on after the log's end, at most, until targets are reached or given up."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of an event log.

    Attributes:
        states: at each LogPosition, in order.
        final: at the end, when targets were reached or given up, or a minute had passed.
        targets: the last that was told of each target, by symbol: a `TargetChanged`; of one that the desk refused
            nothing is told.
        unreached: a sentence for each target that is not held at the end, by symbol.
        ended_ms: when it ended (ms since 1970 UTC).
        hash: of all that the desk put out.
    """

    states: Sequence[State]
    final: State
    targets: Mapping[str, Document]
    unreached: Mapping[str, str]
    ended_ms: int
    hash: str


def replay(
    events: Sequence[Event],
    *,
    settings: Settings | None = None,
    account: str = "default",
    prices: Mapping[str, Decimal] | None = None,
    size: Decimal = SIZE,
    log: Callable[[State], None] = lambda state: None,
) -> Replayed:
    """Do what an event log says.

    Args:
        events: of the log.
        settings: of the desk; by default those that `fillstream up` would take.
        account: whose positions these are.
        prices: of instruments, by symbol: the bid is a tick below, the ask a tick above. The others are at `PRICE`.
        size: that is quoted on each side.
        log: hears the state at each LogPosition.

    Raises:
        ValueError: a price or the size cannot be, or there is no such account: names it, its value, what it must be.
        SettingsError: the settings cannot be used.
    """
    book = OrderBookEngine(settings, account=account)
    at = {each.symbol: PRICE for each in events if isinstance(each, Target)} | dict(prices or {})
    for symbol, price in at.items():
        _quote(book, symbol, price, size)
    manager = PositionManager(book)
    states: list[State] = []
    for event in events:
        if isinstance(event, Target):
            manager.set_target(event.symbol, event.target)
        elif isinstance(event, Wait):
            book.pass_time(event.ms)
        else:
            states.append(state := manager.get_current_state())
            log(state)
    book.wait_for_targets(DRAIN_MS)
    final = manager.get_current_state()
    return Replayed(states, final, dict(book.targets), _unreached(final, book.targets), book.now_ms, book.hash)


def _quote(book: OrderBookEngine, symbol: str, price: Decimal, size: Decimal) -> None:
    one = instrument_of(book.instruments, symbol)
    tick = one.ticks.step
    if price % tick:
        raise ValueError(f"price: {price:f} of {symbol} must be a whole multiple of tick_size {tick}")
    if price <= tick and not one.negative_prices:
        raise ValueError(f"price: {price:f} of {symbol} must be above tick_size {tick}: the bid is a tick below it")
    if size <= 0 or size % one.lots.step:
        raise ValueError(
            f"size: {size:f} must be above 0, and a whole multiple of lot_size {one.lots.step} of {symbol}"
        )
    book.quote(symbol, format(price - tick, "f"), format(price + tick, "f"), format(size, "f"))


def _unreached(final: State, targets: Mapping[str, Document]) -> dict[str, str]:
    found = {}
    for symbol, row in final.items():
        if row["Position"] == row["Target"]:
            continue
        told = targets.get(symbol)
        if told is None:
            why = "the desk refused it"
        elif told["target_status"] == TargetStatus.REACHED:
            why = "it was reached, and changed since"
        else:
            why = told["target_status"] + (f": {told['text']}" if told.get("text") else "")
        found[symbol] = f"{symbol}: {row['Position']:f} is held, the target is {row['Target']:f}: {why}"
    return found
