"""Fee schedules beside a naive one in decimals and lists: any terms, any fills, in any tier."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.ledger.fees import FEE_UNIT, NOTHING, TRADED_UNIT, FeeSchedule
from fillstream.libs.common.messages.reference import InstrumentTerms, VenueTerms
from tests.support.terms import instrument

STEP = Decimal("0.00000001")
bps = st.decimals(-20, 20, places=2)
money = st.decimals(0, 5, places=9)
steps = st.sampled_from(["0.01", "0.25", "0.00001", "1", "7"]).map(Decimal)


@st.composite
def instruments(draw: st.DrawFn) -> InstrumentTerms:
    multiplier = draw(st.sampled_from([Decimal(1), Decimal(50), Decimal("0.1")]))
    more = {
        "maker_fee_bps": draw(bps),
        "taker_fee_bps": draw(bps),
        "base_currency": draw(st.sampled_from([None, "BTC"])),
    }
    return instrument(1, draw(steps), draw(steps), multiplier, **more)


@st.composite
def venues(draw: st.DrawFn) -> VenueTerms:
    bounds = sorted(draw(st.lists(money, min_size=2, max_size=2)))
    tiers = sorted(draw(st.sets(st.integers(1, 10**7), max_size=3)))
    return VenueTerms(
        maker_fee_bps=draw(st.none() | bps),
        taker_fee_bps=draw(st.none() | bps),
        fee_per_unit=draw(st.none() | money),
        min_fee=bounds[0] if draw(st.booleans()) else None,
        max_fee=bounds[1] if draw(st.booleans()) else None,
        fee_charged=draw(st.sampled_from(["ORDER", "FILL"])),
        fee_tiers=tuple(f"{traded}:{draw(bps)}:{draw(bps)}" for traded in tiers),
        fee_currency=draw(st.sampled_from([None, "BASE", "EUR", "USD"])),
    )


class Fill(NamedTuple):
    ticks: int
    lots: int
    maker: bool
    traded: int


fills = st.lists(
    st.builds(Fill, st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.booleans(), st.integers(0, 2 * 10**7)),
    min_size=1,
    max_size=6,
)


def rounded(value: Decimal) -> Decimal:
    return value.quantize(STEP, ROUND_HALF_EVEN)


def naive(terms: InstrumentTerms, venue: VenueTerms, done: list[Fill]) -> list[tuple[Decimal, Decimal]]:
    """Return what each fill costs in the instrument's currency, and in the schedule's where that is another."""
    other = venue.fee_currency not in (None, "BASE", terms.currency)
    charges, exact, charged = [], Decimal(0), Decimal(0)
    for fill in done:
        value = abs(fill.ticks * terms.tick_size * fill.lots * terms.lot_size * terms.multiplier)
        own = terms.maker_fee_bps if fill.maker else terms.taker_fee_bps
        at_venue = venue.maker_fee_bps if fill.maker else venue.taker_fee_bps
        rate = own if at_venue is None else at_venue
        for tier in venue.fee_tiers:
            since, makers, takers = map(Decimal, tier.split(":"))
            if fill.traded >= since:
                rate = makers if fill.maker else takers
        of_value, of_quantity = value * rate / 10_000, (venue.fee_per_unit or 0) * fill.lots * terms.lot_size
        exact += of_quantity if other else of_value + of_quantity

        def bounded(amount: Decimal) -> Decimal:
            amount = rounded(amount)
            amount = amount if venue.min_fee is None else max(amount, rounded(venue.min_fee))
            return amount if venue.max_fee is None else min(amount, rounded(venue.max_fee))

        if venue.fee_charged == "FILL":
            fee, exact = bounded(exact), Decimal(0)
        else:
            fee = bounded(exact) - charged
            charged += fee
        charges.append((rounded(of_value), fee) if other else (fee, Decimal(0)))
    return charges


@given(instruments(), venues(), fills)
def test_a_schedule_charges_what_a_naive_one_does(terms: InstrumentTerms, venue: VenueTerms, done: list[Fill]) -> None:
    schedule, charged, told = FeeSchedule(terms, venue), NOTHING, []
    for fill in done:
        tier = schedule.tier(fill.traded * TRADED_UNIT)
        fee = schedule.fill(charged, abs(fill.ticks * fill.lots), fill.lots, fill.maker, tier)
        charged = fee.charged
        told.append((Decimal(fee.own) / FEE_UNIT, Decimal(fee.other) / FEE_UNIT))
    with localcontext(prec=200):
        assert told == naive(terms, venue, done)


@given(instruments(), venues(), fills)
def test_the_fees_of_an_orders_fills_are_one_rounded_fee_within_its_bounds(
    terms: InstrumentTerms, venue: VenueTerms, done: list[Fill]
) -> None:
    schedule, charged = FeeSchedule(terms, venue), NOTHING
    total = 0
    for fill in done:
        fee = schedule.fill(charged, abs(fill.ticks * fill.lots), fill.lots, fill.maker, 0)
        charged = fee.charged
        total += fee.other if schedule.currency else fee.own
        assert charged.fee == total
        most = schedule.at_most(abs(fill.ticks * fill.lots), fill.lots)
        alone = schedule.fill(NOTHING, abs(fill.ticks * fill.lots), fill.lots, fill.maker, 0)
        assert most.own >= alone.own
    with localcontext(prec=200):
        units = Decimal(total) / FEE_UNIT
        if venue.fee_charged == "ORDER" and venue.max_fee is not None:
            assert units <= rounded(venue.max_fee)
        if venue.min_fee is not None:
            assert units >= rounded(venue.min_fee)


@given(instruments(), venues(), st.integers(0, 10**15), st.integers(1, 10**7))
def test_what_is_paid_in_kind_is_worth_no_more_than_the_fee_and_a_lot_less_at_most(
    terms: InstrumentTerms, venue: VenueTerms, fee: int, ticks: int
) -> None:
    schedule = FeeSchedule(terms, venue)
    lots = schedule.lots_for(fee, ticks)
    with localcontext(prec=200):
        lot = ticks * terms.tick_size * terms.lot_size * terms.multiplier
        rest = Decimal(fee) / FEE_UNIT - lots * lot
        assert 0 <= rest < lot
        worth = schedule.in_units(fee) * terms.tick_size * terms.lot_size * terms.multiplier
        assert 0 <= worth - Decimal(fee) / FEE_UNIT < terms.tick_size * terms.lot_size * terms.multiplier
