"""Busts and corrections against the naive: books that were never told the wrong trade at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillstream.libs.common.ledger.average import Position
from fillstream.libs.common.ledger.lots import LastLotPosition, LotPosition
from fillstream.services.position_service.books.held import SESSIONS, Held, Trade
from fillstream.services.position_service.books.trip import Trip

METHODS = [Position, LotPosition, LastLotPosition]
trades = st.tuples(st.integers(-6, 6).filter(bool), st.integers(1, 9), st.integers(-2, 5))
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), trades),
        st.tuples(st.just("bust"), st.integers(0, 10**6)),
        st.tuples(st.just("correct"), st.integers(0, 10**6), trades),
        st.tuples(st.just("again"), st.integers(0, 10**6), trades),
    ),
    max_size=30,
)


def made(number: int, terms: tuple[int, int, int], session: int = 1) -> Trade:
    lots, ticks, fee = terms
    return Trade(lots, ticks, fee, 0, session, 1000 + number, f"p{number}")


def unmarked(trip: Trip | None) -> Trip | None:
    return None if trip is None else replace(trip, seen=True)


@pytest.mark.parametrize("method", METHODS)
@given(happened=happenings)
def test_after_any_busts_and_corrections_all_is_as_if_told_right_at_once(
    method: type[Position], happened: list[tuple[str, int, tuple[int, int, int]]]
) -> None:
    held, right, told = Held.of(method), dict[str, Trade](), dict[tuple[str, int | None], Trip]()
    by: dict[str, str] = {}
    for number, what in enumerate(happened):
        kept = [*right]
        match what:
            case ("fill", terms):
                right[f"{number}"] = made(number, terms)
                ended = held.book(f"{number}", right[f"{number}"])
            case ("bust", which) if kept:
                name = kept[which % len(kept)]
                without = held.without(name)
                ended = held.rebook(name, None, f"b{number}")
                assert held.position == without, "what is told first is what stands then"
                del right[name]
            case ("correct" | "again" as how, which, terms) if kept:
                name = kept[which % len(kept)]
                now = made(number, terms)
                right[name] = right[name]._replace(lots=now.lots, ticks=now.ticks, fee=now.fee)
                ended = held.rebook(by.get(name, name) if how == "again" else name, right[name], f"c{number}")
                by[name] = f"c{number}"
            case _:
                continue
        if held.trip is not None:  # it is on again, so that whatever was told of its end stands no more
            told.pop(held.trip.key, None)
        again = [trip for trip in ended if trip.fills and trip == told.get(trip.key)]
        assert not again, "nothing is told again that is as it was"
        told |= {trip.key: trip for trip in ended}
        twin, ends = Held.of(method), []
        for name, trade in right.items():
            ends += twin.book(name, trade)
        assert (held.position, unmarked(held.trip)) == (twin.position, twin.trip)
        on = () if held.trip is None else (held.trip.key,)
        stand = {key: unmarked(trip) for key, trip in told.items() if trip.fills and key not in on}
        assert stand == {trip.key: trip for trip in ends}, "the newest word on each trip is right"


@pytest.mark.parametrize("method", METHODS)
@given(terms=st.lists(trades, max_size=40))
def test_trips_are_what_happened_between_two_moments_at_which_nothing_was_held(
    method: type[Position], terms: list[tuple[int, int, int]]
) -> None:
    held, ended, fees = Held.of(method), list[Trip](), 0
    for number, each in enumerate(terms):
        fees += each[2]
        ended += held.book(f"{number}", made(number, each))
    assert [
        (trip.long, trip.peak, trip.entered, trip.entry_value, trip.exit_value, trip.ended_ms) for trip in ended
    ] == [*naive_trips(terms)]
    on = held.trip
    assert sum(trip.cash for trip in ended) + (on.cash if on else 0) == held.position.cash
    assert sum(trip.fees for trip in ended) + (on.fees if on else 0) == held.position.fees == fees
    assert all(trip.entered == trip.exited for trip in ended)
    assert (on is None) == (not held.position.quantity)


def naive_trips(terms: list[tuple[int, int, int]]) -> Iterator[tuple[bool, int, int, int, int, int]]:
    """Lot by lot: yield side, peak, lots and value of the way in, value of the way out, and when it ended."""
    quantity = peak = entered = entry = left = 0
    for number, (lots, ticks, _) in enumerate(terms):
        side = 1 if lots > 0 else -1
        for _ in range(abs(lots)):
            if quantity * side >= 0:
                entered, entry = entered + 1, entry + ticks
            else:
                left += ticks
            quantity += side
            peak = max(peak, abs(quantity))
            if not quantity:
                yield side < 0, peak, entered, entry, left, 1000 + number
                peak = entered = entry = left = 0


@pytest.mark.parametrize("method", METHODS)
@given(terms=st.lists(st.tuples(trades, st.integers(0, 2)), min_size=1, max_size=30), which=st.integers(0, 10**6))
def test_a_trade_is_kept_for_three_sessions_and_what_went_before_is_where_it_was(
    method: type[Position], terms: list[tuple[tuple[int, int, int], int]], which: int
) -> None:
    held, session, all_of_them = Held.of(method), 1, []
    for number, (each, later) in enumerate(terms):
        session += later
        all_of_them.append(made(number, each, session))
        held.book(f"{number}", all_of_them[-1])
        held.rebook(f"{number}", all_of_them[-1], f"c{number}")
    newest = all_of_them[-1].session
    assert {*held.names.values()} <= {*held.trades}
    assert held.trades == {f"{n}": t for n, t in enumerate(all_of_them) if t.session > newest - SESSIONS}
    number = which % len(terms)
    trade, position = all_of_them[number], Held.of(method)
    kept = held.kept(f"{number}", session)
    assert (kept is None) == (trade.session <= session - SESSIONS)
    for n, each in enumerate(all_of_them):
        if n != number:
            position.book(f"{n}", each)
    if kept is None:
        held.book("back", trade.back)
    else:
        held.rebook(f"{number}", None, "back")
        assert held.position == position.position
    total = held.position
    assert (total.quantity, total.cash, total.fees) == (
        position.position.quantity, position.position.cash, position.position.fees
    )  # fmt: skip
    mark = 7
    assert held.position.realized + mark * total.quantity - total.open_cost == Fraction(
        position.position.cash + mark * position.position.quantity
    )
