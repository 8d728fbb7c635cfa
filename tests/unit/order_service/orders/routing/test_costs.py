"""What venues are compared by: the desk's own fees, unrounded."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.ledger.fees import FEE_UNIT, NOTHING
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import Topology
from fillstream.services.order_service.orders.compiled import Terms
from fillstream.services.order_service.orders.routing.costs import Costs, costs_of
from tests.support.terms import instrument

D = Decimal
ES = instrument(3, D("0.25"), D(1), multiplier=D(50), maker_fee_bps=D("-0.2"), taker_fee_bps=D("0.5"))


def terms(**venue: Any) -> Terms:
    return Terms("ES", ES, Topology(), "A", VenueTerms(**venue))


def test_plain_basis_points_are_shares_of_value() -> None:
    costs = costs_of(terms())
    assert costs == Costs(maker=Fraction(-2, 100_000), taker=Fraction(5, 100_000))
    assert costs_of(terms(taker_fee_bps=3)) == Costs(maker=Fraction(-2, 100_000), taker=Fraction(3, 10_000))
    assert costs.net(True, 20_000) == 20_001
    assert costs.net(False, 20_000) == 19_999
    assert costs.net(True, 20_000, maker=True) == Fraction("19999.6")
    assert costs.net(True, -20_000) == -19_999


def test_what_is_per_unit_and_bounds_are_ticks_and_a_tier_has_its_own_shares() -> None:
    schedule = terms(fee_per_unit=D("2.5"), min_fee=D(5), max_fee=D(50), fee_tiers=("1000:0:0.1",))
    costs = costs_of(schedule, tier=1)
    assert costs == Costs(
        taker=Fraction(1, 100_000), per_lot=Fraction(1, 5), least=Fraction(5 * 2, 25), most=Fraction(4)
    )


def test_a_fee_in_another_currency_needs_a_rate_and_its_bounds_count_no_basis_points() -> None:
    abroad = terms(fee_per_unit=D("2.5"), min_fee=D(5), fee_currency="EUR")
    assert costs_of(abroad) is None
    assert costs_of(abroad, rate=Fraction(2)) == Costs(
        per_lot=Fraction(2, 5),
        least=Fraction(4, 5),
        beside_maker=Fraction(-2, 100_000),
        beside_taker=Fraction(5, 100_000),
    )


bounds = st.lists(st.decimals(0, 30, places=2), min_size=2, max_size=2).map(sorted)


@given(
    bounds, st.none() | st.decimals(0, 3, places=3), st.sampled_from([None, "BASE"]), st.booleans(),
    st.integers(-30_000, 30_000), st.integers(1, 500),
)  # fmt: skip
def test_a_fee_is_the_desks_own_but_for_its_rounding(
    limits: list[Decimal], per_unit: Decimal | None, currency: str | None, maker: bool, ticks: int, lots: int
) -> None:
    of = terms(fee_per_unit=per_unit, min_fee=limits[0], max_fee=limits[1], fee_currency=currency)
    costs = costs_of(of)
    assert of.fees is not None and costs is not None
    units = abs(ticks) * lots
    fee = costs.fee(units, lots, maker) * Fraction(of.value) * FEE_UNIT
    assert abs(fee - of.fees.fill(NOTHING, units, lots, maker, 0).own) <= Fraction(1, 2)


@pytest.mark.parametrize("maker", [True, False])
def test_no_lots_cost_nothing_and_a_smallest_fee_is_of_those_that_trade(maker: bool) -> None:
    costs = Costs(least=Fraction(7))
    assert (costs.fee(0, 0, maker), costs.fee(1, 1, maker)) == (0, 7)
    assert Costs(taker=Fraction(1, 100), beside_taker=Fraction(2, 100)).net(True, 100, maker) == (100 if maker else 103)
    assert costs.bounded and not Costs(taker=Fraction(1)).bounded
