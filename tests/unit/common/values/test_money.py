"""Money is exact: text and integers are the same number, and rounding is half to even where it is announced."""

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.values.money import (
    Factor,
    Scale,
    at_least,
    at_most,
    fixed,
    half_even,
    multiply,
    parse,
    plain,
    ratio,
    units_of,
)

STEPS = [Decimal(s) for s in ("1", "0.01", "0.25", "0.00000100", "5", "1E+1", "0.05", "0.02", "2.5", "0.125", "100")]
steps = st.sampled_from(STEPS)
whole = st.integers(-(2**62), 2**62)


@pytest.mark.parametrize(
    ("step", "text", "units"),
    [
        ("0.01", "185.25", 18525),
        ("0.01", "185.2", 18520),
        ("0.01", "185", 18500),
        ("0.01", "185.250", 18525),
        ("0.01", "-0.05", -5),
        ("0.01", ".5", 50),
        ("0.01", "1E+2", 10000),
        ("0.01", "185.251", None),
        ("0.25", "10.75", 43),
        ("0.25", "10.7", None),
        ("0.02", "10.06", 503),
        ("0.02", "10.05", None),
        ("5", "15", 3),
        ("5", "15.0", 3),
        ("5", "12", None),
        ("1E+1", "120", 12),
        ("0.00001", "0.00001", 1),
        ("0.01", "0", 0),
    ],
)
def test_text_becomes_whole_steps_or_is_off_the_grid(step: str, text: str, units: int | None) -> None:
    assert Scale(Decimal(step)).units(text) == units


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "-", "abc", "NaN", "Infinity", "1e400", "1e-400", "1.-5", ".-5", " .-5", "1 5", "0 ."),
        *("9" * 25, "1" * 5000, "0." + "1" * 25, "1.²", "0x10", "1,5"),
    ],
)
def test_what_is_no_number_of_at_most_24_digits_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a"):
        Scale(Decimal("0.01")).units(text)


def test_text_is_read_up_to_four_times_its_digits_however_it_is_padded() -> None:
    assert parse(" " * 95 + "1") == 1
    with pytest.raises(ValueError, match=r"^must be a number of at most 24 digits, got 97 characters$"):
        parse(" " * 96 + "1")


def test_a_product_that_is_none_is_refused_whatever_the_callers_context() -> None:
    with localcontext() as careless:
        careless.traps[InvalidOperation] = False
        with pytest.raises(InvalidOperation):
            multiply(Decimal("Infinity"), Decimal(0))


@pytest.mark.parametrize("step", ["1e-24", "1e23", "0." + "0" * 23 + "1", "1" * 24])
def test_a_step_may_have_as_many_digits_as_a_number(step: str) -> None:
    assert Scale(Decimal(step)).units(step) == 1


@pytest.mark.parametrize("step", ["1e-25", "1.5e-24", "1e24", "1" * 25])
def test_a_step_of_too_many_digits_is_shown(step: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a number of at most 24 digits, got '"):
        Scale(Decimal(step))


@pytest.mark.parametrize("step", ["0", "-1", "NaN", "Infinity", "1e-30", "1e30"])
def test_a_step_is_finite_positive_and_of_bounded_length(step: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Scale(Decimal(step))


@settings(deadline=None)
@given(steps, whole)
def test_steps_to_text_and_back(step: Decimal, units: int) -> None:
    scale = Scale(step)
    assert scale.zero == scale.text(0)
    text = scale.text(units)
    assert Fraction(text) == units * Fraction(step)
    assert len(text.partition(".")[2]) == scale.decimals
    assert scale.number(units) == Decimal(text)
    if sum(c.isdigit() for c in text) <= 24:
        assert scale.units(text) == units


@settings(deadline=None)
@given(steps, st.text("0123456789.-+eE_ ", max_size=30))
def test_any_text_is_read_as_decimal_reads_it(step: Decimal, text: str) -> None:
    try:
        number = parse(text)
    except ValueError:
        with pytest.raises(ValueError, match="must be a"):
            Scale(step).units(text)
        return
    exact = Fraction(number) / Fraction(step)
    assert Scale(step).units(text) == (exact.numerator if exact.denominator == 1 else None)


@settings(deadline=None)
@given(whole, st.integers(1, 10**20))
def test_half_even_is_decimals_rounding(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


def test_halves_go_to_the_even_neighbour() -> None:
    assert [half_even(n, 2) for n in (-3, -1, 1, 3, 5)] == [-2, 0, 0, 2, 2]


def test_fixed_text_has_all_its_decimals() -> None:
    assert [fixed(n, 2) for n in (-5, 0, 5, 123, -12345)] == ["-0.05", "0.00", "0.05", "1.23", "-123.45"]
    assert fixed(-7, 0) == "-7"


def test_a_ratio_is_cut_to_its_decimals_and_its_zeros() -> None:
    assert ratio(1, 3, 12) == "0.333333333333"
    assert ratio(2, 3, 12) == "0.666666666667"
    assert ratio(5, 2, 12, 2) == "2.50"
    assert ratio(10, 1, 12) == "10"
    assert ratio(-1, 10**15, 12) == "0"
    assert ratio(0, 7, 12, 2) == "0.00"


@settings(deadline=None)
@given(steps, st.integers(1, 10**30), st.integers(1, 10**15))
def test_a_mean_price_is_exact_or_rounded_at_the_twelfth_decimal(step: Decimal, total: int, count: int) -> None:
    mean = Scale(step).mean(total, count)
    assert len(mean.partition(".")[2]) <= 12
    assert Fraction(mean) == Fraction(round(Fraction(total, count) * Fraction(step) * 10**12), 10**12)


def test_a_mean_price_has_the_decimals_of_a_price_at_least() -> None:
    assert Scale(Decimal("0.25")).mean(202, 5) == "10.10"
    assert Scale(Decimal("0.25")).mean(200, 5) == "10.00"
    assert Scale(Decimal("0.01")).mean(2001, 2) == "10.005"


@settings(deadline=None)
@given(st.decimals("0", "100", places=6), whole)
def test_money_of_units_is_decimals_quantize(factor: Decimal, units: int) -> None:
    with localcontext() as context:
        context.prec = 100
        expected = (units * factor).quantize(Decimal("1E-8"), ROUND_HALF_EVEN)
        assert Decimal(Factor(factor, 8).text(units)) == expected
        expected = (units * factor).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
        assert Decimal(Factor(factor, 2).text(units)) == expected


@settings(deadline=None)
@given(st.decimals("0", "100000", places=3), st.decimals("0.001", "100", places=3))
def test_a_limit_in_units_is_the_last_one_inside(limit: Decimal, factor: Decimal) -> None:
    most, least = at_most(limit, factor), at_least(limit, factor)
    assert most * factor <= limit < (most + 1) * factor
    assert (least - 1) * factor < limit <= least * factor


def test_products_are_exact_beyond_the_default_precision() -> None:
    assert multiply(Decimal("1.000000000000000001"), Decimal("1.000000000000000001")) == Decimal(
        "1.000000000000000002000000000000000001"
    )
    assert plain(Decimal("1E+2")) == "100"


@settings(max_examples=300)
@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 30))
def test_a_number_is_so_many_units_or_has_more_decimals(number: Decimal, decimals: int) -> None:
    exact = Fraction(number) * 10**decimals
    expected = exact.numerator if exact.denominator == 1 else None
    assert units_of(str(number), decimals) == expected
    assert units_of(plain(number), decimals) == expected


@pytest.mark.parametrize("text", ["", "x", "1.x", "--1", "1.2.3", "NaN"])
def test_what_is_no_number_has_no_units(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        units_of(text, 2)


def test_a_number_that_is_refused_is_shown_the_same_on_every_python() -> None:
    with pytest.raises(ValueError, match=r"must be a decimal number, got '\\U0001fae8'"):
        parse("\U0001fae8")
