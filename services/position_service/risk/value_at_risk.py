"""Value at risk and expected shortfall of a portfolio: what it would have made in each of the last sessions.

Flows in: what each instrument's half tick is worth to the account, and how far its mark moved in each session. Flows
out: four sums of money. Never uses a float: squares and roots are of integers.

Historical: what today's positions would have made by the moves of each session, sorted. Of n sessions the
k = ceil(n/100) worst are the tail: the value at risk is the least loss of these, the expected shortfall their mean.
Parametric: a normal distribution of mean 0 and the root of the mean square of the same; see Hull, Options, Futures and
Other Derivatives, chapter 22. A loss is above 0; where even the tail made money it is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import isqrt

from fillstream.libs.common.values.money import half_even

SESSIONS = 250
"""So many are looked at, at most."""
FEWEST = 20
"""Of less nothing is concluded."""
TAIL = 100
"""One of so many sessions is the tail: 99 %."""
_Z = (2_326_347_874, 10**9)
"""Of a normal distribution, what one of `TAIL` passes, in deviations."""
_MEAN_BEYOND = (2_665_214_220, 10**9)
"""And the mean of what passes it: density there, by 1 / TAIL."""

Risk = tuple[int, int, int, int]
"""Value at risk, expected shortfall, and the same two by a normal distribution (money)."""


def risk_of(worth: Mapping[str, Fraction], moves: Mapping[str, Mapping[int, Fraction]]) -> tuple[Risk | None, int]:
    """Return what a portfolio risks, None where too few sessions are known, and over how many that is.

    Without a position it risks nothing, whatever is known.

    Args:
        worth: what each instrument in it is worth at its mark, shorts below 0 (money).
        moves: by which share each moved, by the session's day. A session counts in which at least one of them is known;
            an instrument without one did not move then.
    """
    if not worth:
        return (0, 0, 0, 0), 0
    days = sorted({day for symbol in worth for day in moves.get(symbol, ())})[-SESSIONS:]
    if len(days) < FEWEST:
        return None, len(days)
    made: list[int] = []
    for day in days:
        total = sum((value * moves[symbol].get(day, 0) for symbol, value in worth.items()), Fraction(0))
        made.append(half_even(total.numerator, total.denominator))
    tail = sorted(made)[: -(-len(made) // TAIL)]
    value_at_risk = max(0, -tail[-1])
    shortfall = max(0, half_even(-sum(tail), len(tail)))
    deviation = isqrt(half_even(sum(each * each for each in made), len(made)))
    normal = [half_even(deviation * over, under) for over, under in (_Z, _MEAN_BEYOND)]
    return (value_at_risk, shortfall, normal[0], normal[1]), len(days)
