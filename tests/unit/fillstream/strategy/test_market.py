"""Quotes, and bars as they are made."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.strategy.market import Bar, BarMaker, Quote, interval_ms


def test_a_mid_needs_both_sides() -> None:
    quote = Quote(1, "A", Decimal("1.01"), Decimal(5), Decimal("1.02"), Decimal(7))
    assert quote.mid == Decimal("1.015")
    assert Quote(1, "A", None, Decimal(0), Decimal("1.02"), Decimal(7)).mid is None
    assert Quote(1, "A", Decimal(1), Decimal(1), None, Decimal(0)).mid is None


@pytest.mark.parametrize(
    ("text", "ms"), [("1ms", 1), ("5s", 5_000), ("1m", 60_000), ("4h", 14_400_000), ("1d", 86_400_000)]
)
def test_an_interval_is_a_number_and_a_unit(text: str, ms: int) -> None:
    assert interval_ms(text) == ms


@pytest.mark.parametrize("text", ["", "0s", "1", "1w", "1.5m", "-1m", "367d", "\uff11m"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"bars: .* must be a number with ms, s, m, h or d"):
        interval_ms(text, "bars")


def test_a_bar_has_what_came_before_its_end() -> None:
    maker = BarMaker(1000)
    assert maker.due_ms is None and maker.ended(5_000) == []
    for ms, price in ((1_200, "5"), (1_500, "7"), (1_999, "4")):
        maker.add(ms, "A", Decimal(price), Decimal(2))
    maker.add(1_300, "B", Decimal(1), Decimal(0))
    assert maker.due_ms == 2_000
    assert maker.ended(1_999) == []
    five, seven, four = (Decimal(each) for each in "574")
    assert maker.ended(2_000) == [
        Bar(1_000, 2_000, "A", five, seven, four, four, Decimal(6)),
        Bar(1_000, 2_000, "B", *[Decimal(1)] * 4, Decimal(0)),
    ]
    assert maker.due_ms is None and maker.ended(3_000) == []


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 100)), min_size=1, max_size=60))
def test_bars_are_those_of_a_list(steps: list[tuple[int, int]]) -> None:
    maker, bars, ms = BarMaker(700), [], 10_000
    told: list[tuple[int, int]] = []
    for step, price in steps:
        ms += step
        bars += maker.ended(ms)
        maker.add(ms, "A", Decimal(price), Decimal(1))
        told.append((ms, price))
    bars += maker.ended(ms + 700)
    begins = sorted({at // 700 for at, _ in told})
    expected = []
    for begin in begins:
        prices = [Decimal(price) for at, price in told if at // 700 == begin]
        high, low, volume = max(prices), min(prices), Decimal(len(prices))
        expected.append(Bar(begin * 700, begin * 700 + 700, "A", prices[0], high, low, prices[-1], volume))
    assert bars == expected
