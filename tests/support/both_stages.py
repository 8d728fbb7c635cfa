"""What the orders stages of a simulated desk hold, and what its position stages have booked."""

from __future__ import annotations

from collections.abc import Iterator

from fillstream.libs.common.runtime.stage import Stage
from fillstream.services.order_service.orders.stage import OrdersStage
from fillstream.services.position_service.stage import PositionStage
from tests.support.simulated_desk import SimulatedDesk

Held = dict[tuple[str, str], tuple[int, int, int]]
"""Quantity, cash and cost by account and symbol, of what ever was there."""


def stages_of(desk: SimulatedDesk) -> Iterator[Stage]:
    """Yield the desk's stages, all of which run."""
    for slot in desk.slots:
        assert slot.runner is not None
        yield slot.runner.stage


def played(desk: SimulatedDesk, seed: int) -> tuple[Held, Held]:
    """Play a desk and a second more, see that its contracts and its books hold; return what `held_and_booked` does."""
    desk.run(steps=600)
    desk.pass_time(1_000)
    found = desk.audit()
    desk.check_contracts()
    assert found.agrees, f"seed {seed}: {found.problems[:5]}"
    return held_and_booked(desk)


def held_and_booked(desk: SimulatedDesk) -> tuple[Held, Held]:
    held: Held = {}
    booked: Held = {}
    for stage in stages_of(desk):
        if isinstance(stage, PositionStage):
            for symbol, instrument in stage._books.instruments.items():
                for account, each in instrument.held.items():
                    position = each.position
                    booked[account, symbol] = (position.quantity, position.cash, position.cost)
        if isinstance(stage, OrdersStage):
            for account, symbol, holding in stage._state.holdings.positions():
                held[account, symbol] = (holding.quantity, holding.cash, holding.cost)
    return _some(held), _some(booked)


def _some(found: Held) -> Held:
    return {key: numbers for key, numbers in found.items() if any(numbers)}
