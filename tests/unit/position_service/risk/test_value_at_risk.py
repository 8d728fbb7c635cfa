"""Value at risk: by hand, and against sorted floats."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest

from fillstream.services.position_service.risk.value_at_risk import risk_of

UNIT = 10**12


def moves(*shares: str) -> dict[int, Fraction]:
    return {day: Fraction(share) for day, share in enumerate(shares)}


def test_of_few_sessions_nothing_is_concluded() -> None:
    assert risk_of({"A": Fraction(100)}, {"A": moves(*["0.01"] * 19)}) == (None, 19)


def test_who_holds_nothing_risks_nothing() -> None:
    assert risk_of({}, {}) == ((0, 0, 0, 0), 0)


def test_a_book_example_by_hand() -> None:
    """Of 100 sessions one is the tail: the worst. 1 000 long in A, 500 short in B."""
    a = ["0.001"] * 98 + ["-0.05", "-0.02"]
    b = ["0"] * 98 + ["0.01", "-0.04"]
    worth = {"A": Fraction(1_000 * UNIT), "B": Fraction(-500 * UNIT)}
    risk, sessions = risk_of(worth, {"A": moves(*a), "B": moves(*b)})
    assert sessions == 100
    assert risk is not None
    assert risk[:2] == (55 * UNIT, 55 * UNIT), "-50 - 5 is worse than -20 + 20"
    deviation = math.sqrt((98 * 1 + 55**2 + 0) / 100)
    assert risk[2] / UNIT == pytest.approx(2.326347874 * deviation)
    assert risk[3] / UNIT == pytest.approx(2.665214220 * deviation)


def test_the_tail_of_250_is_the_three_worst_and_older_ones_are_forgotten() -> None:
    shares = ["-0.9"] * 5 + ["0.01"] * 247 + ["-0.01", "-0.02", "-0.03"]
    risk, sessions = risk_of({"A": Fraction(100 * UNIT)}, {"A": moves(*shares)})
    assert sessions == 250
    assert risk is not None
    assert risk[:2] == (1 * UNIT, 2 * UNIT)


def test_what_only_gains_risks_nothing() -> None:
    risk, _ = risk_of({"A": Fraction(100 * UNIT)}, {"A": moves(*["0.01"] * 30)})
    assert risk is not None
    assert risk[:2] == (0, 0)


def test_against_floats_on_random_portfolios() -> None:
    dice = random.Random(7)
    for _ in range(50):
        names = [f"S{number}" for number in range(dice.randrange(1, 6))]
        worth = {name: Fraction(dice.randrange(-10_000, 10_000) * UNIT) for name in names}
        count = dice.randrange(20, 251)
        found = {n: {d: Fraction(dice.randrange(-500, 500), 10_000) for d in range(count)} for n in names}
        risk, _ = risk_of(worth, found)
        assert risk is not None
        made = sorted(sum(float(worth[n]) * float(found[n][d]) for n in names) for d in range(count))
        tail = made[: math.ceil(count / 100)]
        deviation = math.sqrt(sum(each * each for each in made) / count)
        wanted = (max(0, -tail[-1]), max(0, -sum(tail) / len(tail)), 2.326347874 * deviation, 2.66521422 * deviation)
        assert risk == pytest.approx(wanted, rel=1e-6, abs=UNIT * 1e-6)
