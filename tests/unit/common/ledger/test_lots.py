"""Cost by the lot: which lot goes, what a stock split makes of it, and the books against a naive ledger."""

from collections import deque
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.lots import LastLotPosition, LotPosition

FIRST, LAST = LotPosition, LastLotPosition
METHODS = [FIRST, LAST]


class NaiveLots:
    """Share by share: a list of what each single lot that is open cost."""

    def __init__(self, last_first: bool) -> None:
        self.last_first = last_first
        self.open: list[tuple[int, Fraction]] = []
        self.realized = Fraction(0)

    def fill(self, lots: int, ticks: int) -> None:
        side = 1 if lots > 0 else -1
        for _ in range(abs(lots)):
            if self.open and self.open[0][0] != side:
                held, cost = self.open.pop(-1 if self.last_first else 0)
                self.realized += held * (ticks - cost)
            else:
                self.open.append((side, Fraction(ticks)))

    @property
    def cost(self) -> Fraction:
        return sum((side * cost for side, cost in self.open), Fraction(0))


fills = st.lists(st.tuples(st.integers(-9, 9).filter(bool), st.integers(-3, 12)), min_size=1, max_size=40)


@pytest.mark.parametrize("method", METHODS)
@given(trades=fills)
def test_each_lot_realizes_against_what_it_cost(method: type[LotPosition], trades: list[tuple[int, int]]) -> None:
    position, naive, average = method(), NaiveLots(method is LAST), Position()
    for lots, ticks in trades:
        assert position.fill(lots, ticks) == average.fill(lots, ticks)
        naive.fill(lots, ticks)
        assert (
            position.quantity == sum(side for side, _ in naive.open) == sum(quantity for quantity, _ in position.open)
        )
        assert (position.open_cost, position.realized) == (naive.cost, naive.realized)
        assert position.realized - position.open_cost == average.realized - average.open_cost, "methods share a total"


@pytest.mark.parametrize("method", METHODS)
@given(trades=fills, more=fills, new=st.integers(1, 5), old=st.integers(1, 5))
def test_after_a_split_the_lots_are_as_if_traded_after_it(
    method: type[LotPosition], trades: list[tuple[int, int]], more: list[tuple[int, int]], new: int, old: int
) -> None:
    """Bought as `new` lots of `old`, at a price that makes the same of them: nothing else may come of it."""
    position, after = method(), method()
    for lots, ticks in trades:
        position.fill(lots * old, ticks * new)
        after.fill(lots * new, ticks * old)
    assert position.split(new, old)
    for lots, ticks in more:
        assert position.fill(lots, ticks) == after.fill(lots, ticks)
        assert position == after


@pytest.mark.parametrize(("method", "cost"), [(FIRST, "first"), (LAST, "last")])
def test_lots_of_a_split_that_are_no_whole_number_stay_exact(method: type[LotPosition], cost: str) -> None:
    position = method()
    position.fill(1, 100)
    position.fill(3, 200)
    assert position.split(3, 2)
    assert position.open == deque([(Fraction(3, 2), Fraction(200, 3)), (Fraction(9, 2), Fraction(400, 3))])
    assert position.fill(-2, 150) == "reduced"
    part = Fraction(3, 2) * Fraction(200, 3) + Fraction(1, 2) * Fraction(400, 3)
    gone = part if cost == "first" else 2 * Fraction(400, 3)
    assert position.open_cost == 700 - gone
    position.fill(3, 10)
    assert position.open_cost == 730 - gone
    position.fill(-3, 10)
    position.fill(-4, 150)
    assert (position.quantity, position.open_cost, position.realized) == (0, 0, 6 * 150 - 700)


@pytest.mark.parametrize("method", METHODS)
def test_a_split_that_would_break_a_lot_leaves_everything(method: type[LotPosition]) -> None:
    position = method()
    position.fill(3, 100)
    assert not position.split(1, 2)
    assert (position.quantity, position.open) == (3, deque([(3, 100)]))


def test_what_was_bought_at_one_price_one_after_the_other_is_one_lot() -> None:
    position = FIRST()
    for _ in range(1000):
        position.fill(1, 100)
    position.fill(1, 101)
    position.fill(1, 100)
    assert position.open == deque([(1000, 100), (1, 101), (1, 100)])
