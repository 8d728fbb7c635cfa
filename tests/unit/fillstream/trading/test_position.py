"""Positions are exact, and live the life that the document gives them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.trading import Position, PositionStatus, StockPosition

prices = st.decimals(min_value="0.01", max_value="1000", places=2)
sizes = st.integers(-50, 50).filter(bool).map(Decimal)


def test_a_position_lives_from_planned_to_closed() -> None:
    async def live() -> Position:
        position = Position("AAPL", "p-1")
        await position.open(100, 150.1)
        assert position.status is PositionStatus.OPEN
        await position.update(150.75)
        assert position.unrealized_pnl == Decimal(65), "floats are taken as the digits that they print"
        await position.close(151.1, reason="target")
        return position

    position = asyncio.run(live())
    assert (position.status, position.close_reason, position.quantity) == ("CLOSED", "target", 0)
    assert (position.realized_pnl, position.unrealized_pnl, position.entry_price) == (100, 0, Decimal("150.1"))


def test_what_is_no_step_of_a_life_is_refused() -> None:
    async def refuse() -> None:
        position = Position("AAPL", "p-1")
        with pytest.raises(ValueError, match="position: p-1 is PLANNED, and there is nothing to close"):
            await position.close(1)
        with pytest.raises(ValueError, match="quantity: must not be 0"):
            await position.open(0, 1)
        with pytest.raises(ValueError, match="entry_price: 'x' must be a decimal number"):
            await position.open(1, "x")
        await position.open(-1, 1)
        with pytest.raises(ValueError, match="position: p-1 is OPEN, and only what is PLANNED or OPENING opens"):
            await position.open(1, 1)
        for value in (float("nan"), "inf", True):
            with pytest.raises(ValueError, match="current_price: "):
                await position.update(value)

    asyncio.run(refuse())


@given(st.lists(st.tuples(sizes, prices), min_size=1, max_size=12), prices)
def test_pnl_is_what_cash_and_the_rest_are_worth(trades: list[tuple[Decimal, Decimal]], mark: Decimal) -> None:
    position = Position("X")
    cash = Decimal(0)
    for quantity, price in trades:
        position.fill(quantity, price)
        cash -= quantity * price
    asyncio.run(position.update(mark))
    held = sum((quantity for quantity, _ in trades), Decimal(0))
    assert position.quantity == held
    total = position.realized_pnl + position.unrealized_pnl
    assert abs(total - (cash + held * mark)) < Decimal("1e-15"), "an average of 28 digits is rounded, a total hardly"


@pytest.mark.parametrize(
    ("is_long", "shares", "exits"),
    [
        (True, dict(stop_loss_pct=0.03, take_profit_pct=0.08), ("145.51", "162.01", None)),
        (False, dict(stop_loss_pct=0.03, take_profit_pct=0.08), ("154.51", "138.01", None)),
        (True, dict(stop_loss_pct="0.03", trailing_stop_pct=0.02), (None, None, "3")),
        (True, dict(trailing_stop_pct="0.00001"), (None, None, "0.01")),
    ],
)
def test_shares_are_rounded_towards_the_entry(is_long: bool, shares: Any, exits: tuple[str | None, ...]) -> None:
    position = StockPosition("AAPL")
    position.set_exits(is_long, Decimal("150.01"), Decimal("0.01"), **shares)
    wanted = tuple(None if each is None else Decimal(each) for each in exits)
    assert (position.stop_loss, position.take_profit, position.trailing_stop) == wanted


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        (dict(stop_loss_pct=3), "stop_loss_pct: 3 must be above 0 and below 1: 0.03 is three in a hundred"),
        (dict(take_profit_pct=0), "take_profit_pct: 0 must be above 0"),
        (dict(trailing_stop_pct="x"), "trailing_stop_pct: 'x' must be a decimal number"),
        (dict(stop_loss_pct=0.01, trailing_stop_pct=0.02), "trailing_stop_pct: 0.02 is wider than stop_loss_pct 0.01"),
    ],
)
def test_shares_that_are_none_are_refused(shares: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        StockPosition("AAPL").set_exits(True, Decimal(150), Decimal("0.01"), **shares)
