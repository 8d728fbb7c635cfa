"""Whole numbers that may become fractions: an int as long as it is one, so that nearly all arithmetic stays fast.

Flows in: results of exact division, text. Flows out: the same number, in its simplest type. Never rounds.
"""

from __future__ import annotations

from fractions import Fraction

Rational = int | Fraction


def simplest(number: Rational) -> Rational:
    """Return a number as an int if it is a whole one."""
    return number.numerator if number.denominator == 1 else number


def scaled(number: Rational, new: int, old: int) -> Rational:
    """Return number * new / old."""
    return simplest(Fraction(number * new, old))


def rational(text: str) -> Rational:
    """Return the number that `str` wrote.

    Raises:
        ValueError: the text is none.
    """
    return simplest(Fraction(text))
