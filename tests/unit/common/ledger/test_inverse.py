"""What a lot of an inverse contract counts as, and what positions of such lots come to: against exact fractions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.inverse import VALUE_DECIMALS, Inverse, inverse_of, value_of_step
from fillstream.libs.common.ledger.lots import LastLotPosition, LotPosition
from fillstream.libs.common.ledger.worth import Worth
from fillstream.libs.common.messages.reference import InstrumentUnits

D = Decimal
STEP = Fraction(1, 10**VALUE_DECIMALS)
TICKS = st.integers(1, 2_000_000)
SOME = st.sampled_from([Position, LotPosition, LastLotPosition])


def units(tick_size: str = "0.5", lot_size: str = "1", multiplier: str = "100") -> InstrumentUnits:
    return InstrumentUnits(
        tick_size=D(tick_size), lot_size=D(lot_size), multiplier=D(multiplier), currency="BTC", inverse=True
    )


GRIDS = st.sampled_from([units(), units("0.01", "10", "1"), units("0.0003", "0.1", "7.5"), units("25", "1", "1")])


def test_a_contract_of_100_dollars_counts_as_what_that_buys_below_0() -> None:
    inverse = Inverse(units())
    assert inverse.value(2 * 50_000) * STEP == -Fraction(100, 50_000)
    assert inverse.value(2 * 30_000) == -(10**VALUE_DECIMALS // 300), "0.00333…: rounded once"
    assert inverse_of(InstrumentUnits(tick_size=D(1), lot_size=D(1))) is None
    assert value_of_step(units()) == STEP
    assert value_of_step(InstrumentUnits(tick_size=D("0.5"), lot_size=D(2), multiplier=D(3))) == 3


@given(grid=GRIDS, ticks=TICKS)
def test_a_lot_is_worth_its_multiplier_by_its_price_to_half_a_step(grid: InstrumentUnits, ticks: int) -> None:
    inverse = Inverse(grid)
    exact = -Fraction(grid.multiplier) * Fraction(grid.lot_size) / (ticks * Fraction(grid.tick_size))
    assert abs(inverse.value(ticks) * STEP - exact) <= STEP / 2
    assert inverse.half_steps(2 * ticks) == 2 * inverse.value(ticks), "at its own price a trade has made nothing"
    assert abs(inverse.half_steps(2 * ticks + 1) * STEP / 2 - exact * ticks / (ticks + Fraction(1, 2))) <= STEP / 2
    assert inverse.value(ticks) < inverse.value(ticks + 1) < 0, "it counts as more where the price is higher"
    assert inverse.at(inverse.value(ticks)) == ticks == inverse.ticks(inverse.value(ticks))


@given(
    kind=SOME,
    grid=GRIDS,
    trades=st.lists(st.tuples(st.integers(-9, 9).filter(bool), TICKS), min_size=1, max_size=12),
    mark=TICKS,
)
def test_profit_is_that_of_exact_fractions_by_whatever_method(
    kind: Callable[[], Position], grid: InstrumentUnits, trades: list[tuple[int, int]], mark: int
) -> None:
    worth, position = Worth(grid), kind()
    worth.mark = worth.short_mark = 2 * mark

    def value(ticks: int) -> Fraction:
        return Fraction(grid.multiplier) * Fraction(grid.lot_size) / (ticks * Fraction(grid.tick_size))

    for lots, ticks in trades:
        position.fill(lots, worth.counts(ticks))
    total = sum(lots * (value(ticks) - value(mark)) for lots, ticks in trades)  # bought: 1 / entry - 1 / mark
    realized = worth.realized(position)
    unrealized = worth.unrealized(position, realized)
    assert unrealized is not None
    lots = sum(abs(each) for each, _ in trades)
    assert abs(Fraction(realized + unrealized, 10**worth.decimals) - total) <= 2 * lots * STEP


def test_a_mean_is_harmonic_and_that_of_one_price_is_this_price() -> None:
    worth, position = Worth(units("0.5", "1", "1")), Position()
    for _ in range(3):
        position.fill(7, worth.counts(2 * 30_001))
    assert worth.average(position) == "30001.0"
    assert worth.mean_ticks(position) == 60_002, "a stop at it is at this tick, and not at the next"
    position.fill(21, worth.counts(2 * 60_002))
    assert worth.average(position) == "40001.333333333333", "2 / (1 / 30001 + 1 / 60002)"
    assert worth.average(Position()) is None


def test_money_is_shown_to_a_millionth_of_a_millionth_of_the_coin() -> None:
    worth = Worth(units("0.5", "1", "1"))
    assert worth.money(10**worth.decimals // 3) == "0.333333333333"
    assert worth.money(-2 * 10**worth.decimals) == "-2"
    assert worth.money(1) == "0"
    assert worth.fee("-0.00000001") == -(10 ** (worth.decimals - 8))


def test_a_price_is_that_of_what_counts_as_so_much() -> None:
    worth = Worth(units())
    assert worth.ticks_of(worth.counts(61_237)) == 61_237
    assert worth.mean_text(0, 0) is None
    assert worth.mean_text(3 * worth.counts(2 * 50_000), 3) == "50000.0"
    assert worth.valued_at(1) is None, "nobody has quoted it"


@pytest.mark.parametrize("price", ["0.00000001", "1000000000000"])
def test_what_is_nearly_worthless_and_what_is_nearly_all_have_their_prices(price: str) -> None:
    worth, position = Worth(units("0.00000001", "1", "1")), Position()
    ticks = int(D(price) * 10**8)
    position.fill(1, worth.counts(ticks))
    assert D(worth.average(position) or 0) == D(price)
