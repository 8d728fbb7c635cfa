"""The simulated venue beside a naive one, a list and fractions: any commands, any terms, snapshots anywhere."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import MAX_PRICE, MAX_QTY, OrdType, ReportFlag, ReportType, Session, Tif
from fillstream.libs.common.messages.simulation import IDEAL, AccountSimulation, SimulationConfig, VenueSimulation
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.matching_engine import simulation
from fillstream.services.matching_engine.simulation import Simulation
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.naive_delay import NaiveVenue, command

NOON_MS = 1_700_000_000_000
SIDES, PRICES, LOTS = st.integers(1, 2), st.integers(95, 105), st.integers(1, 50)
ACCOUNTS, SYMBOLS, IDS = st.integers(1, 3), st.integers(1, 2), st.integers(1, 30)


@st.composite
def new_orders(draw: Any) -> bytes:
    kind, tif = draw(
        st.sampled_from(
            [(OrdType.LIMIT, Tif.GTC), (OrdType.LIMIT, Tif.IOC), (OrdType.MARKET, Tif.IOC), (OrdType.STOP, Tif.GTC)]
        )
    )
    return frames.new_order(
        draw(IDS), draw(ACCOUNTS), draw(SYMBOLS), 0,
        side=draw(SIDES), ord_type=kind, tif=tif, price=draw(PRICES) if kind == OrdType.LIMIT else 0, qty=draw(LOTS),
        stop_price=draw(PRICES) if kind == OrdType.STOP else 0,
        expiry_ms=draw(st.sampled_from([0, 0, NOON_MS + 40])),
    )  # fmt: skip


CLIENTS = st.one_of(
    new_orders(),
    new_orders(),
    st.builds(frames.cancel, IDS, ACCOUNTS, SYMBOLS, st.just(0)),
    st.builds(
        lambda number, account, price, qty: frames.replace(number, account, 1, 0, price=price, qty=qty),
        IDS, ACCOUNTS, PRICES, LOTS,
    ),
)  # fmt: skip
QUOTES = st.builds(frames.quote, SYMBOLS, PRICES, st.integers(0, 60), PRICES, st.integers(0, 60))
HOUSE = st.one_of(
    QUOTES,
    QUOTES,
    st.builds(frames.print_trade, SYMBOLS, SIDES, PRICES, LOTS),
    st.builds(frames.mass_cancel, st.integers(0, 3), st.sampled_from([None, 1, 2]), st.integers(0, 3)),
    st.builds(frames.session, SYMBOLS, st.sampled_from([Session.CONTINUOUS, Session.CONTINUOUS, Session.HALTED])),
)
ENTRIES = st.lists(
    st.tuples(st.sampled_from([0, 1, 3, 10, 40]), st.lists(st.one_of(CLIENTS, CLIENTS, HOUSE), max_size=5)),
    max_size=25,
)
SHARES = st.sampled_from([Decimal(each) for each in ("0", "0.01", "0.3", "0.987654321", "1")])
DELAYS = st.sampled_from([0, 1, 5, 20])
ON_THE_WAY = {"delay_ms": DELAYS, "delay_spread_ms": DELAYS, "reject_rate": SHARES}
TERMS = st.builds(
    SimulationConfig,
    **ON_THE_WAY,
    slippage=st.sampled_from([Decimal(each) for each in ("0", "0.0005", "0.02", "0.5")]),
    fill_share=SHARES.filter(bool),
    fill_share_spread=SHARES,
    seed=st.integers(0, 3),
    accounts=st.dictionaries(st.sampled_from(["1", "2"]), st.builds(AccountSimulation, **ON_THE_WAY), max_size=2),
)


class Venue:
    """An engine stage, told its terms by an entry, and the reports that account partition 0 was sent."""

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self.stage = self.made()
        self.out = Outputs("engine", self.stage.inbox)
        self.told = b""
        offered = self.stage.configuration()
        if offered is not None:
            self.fold(NOON_MS, offered)

    def made(self) -> EngineStage:
        return EngineStage(Topology(), 0, {}, config=self.config)

    def fold(self, ms: int, fields: dict[bytes, bytes]) -> None:
        self.out.begin(Entry(f"{ms}-0", ms, fields))
        self.stage.fold(Entry(f"{ms}-0", ms, fields), self.out)
        for _, sent in self.out.by_stream.values():
            self.told += b"".join(sent)
        self.out.seal()
        self.out.clear()

    def entry(self, ms: int, records: list[bytes]) -> None:
        self.fold(ms, {b"frame": b"".join(records)} if records else {b"tick": b"1"})

    def restart(self) -> None:
        """Go on from a snapshot."""
        state = self.stage.snapshot()
        self.stage = self.made()
        self.stage.restore(state)
        assert self.stage.snapshot() == state
        assert self.stage.configuration() is None

    def wait(self, ms: int) -> int:
        """Let all arrive that is on its way; return when it has."""
        while (due := self.stage.due_ms) is not None and (due <= ms or self.stage.gauges()["delayed_commands"][""]):
            ms = max(ms, due)
            self.fold(ms, {b"tick": b"1"})
        return ms


def flow(config: SimulationConfig, entries: list[tuple[int, list[bytes]]], restarts: set[int]) -> tuple[Venue, bytes]:
    """Return the venue that was given the entries, and what the naive one says."""
    venue, naive, told, ms = Venue(config), NaiveVenue(config), b"", NOON_MS
    for number, (after_ms, records) in enumerate(entries):
        ms += after_ms
        venue.entry(ms, records)
        told += naive.entry(ms, records)
        if number in restarts:
            venue.restart()
    told += naive.entry(venue.wait(ms), [])
    return venue, CoreEngine.select(told, 0)


RESTARTS = st.sets(st.integers(0, 24), max_size=4)


@settings(deadline=None)
@given(TERMS, ENTRIES, RESTARTS)
def test_any_commands_are_answered_as_a_naive_venue_answers_them(
    config: SimulationConfig, entries: list[tuple[int, list[bytes]]], restarts: set[int]
) -> None:
    venue, told = flow(config, entries, restarts)
    assert venue.told == told


@settings(deadline=None)
@given(TERMS, ENTRIES, RESTARTS)
def test_what_one_entry_may_not_do_at_once_is_done_in_the_same_order(
    config: SimulationConfig, entries: list[tuple[int, list[bytes]]], restarts: set[int]
) -> None:
    still = {"delay_spread_ms": 0}  # draws come in another order when arrivals and releases do
    accounts = {number: terms.model_copy(update=still) for number, terms in config.accounts.items()}
    config = config.model_copy(update={**still, "accounts": accounts})
    with patch.object(simulation, "MOST_OUTPUTS", 2):
        venue, told = flow(config, entries, restarts)
    assert venue.told == told


@settings(deadline=None)
@given(TERMS, ENTRIES)
def test_the_same_entries_give_the_same_hash_and_a_restart_changes_none(
    config: SimulationConfig, entries: list[tuple[int, list[bytes]]]
) -> None:
    one, other = flow(config, entries, set())[0], flow(config, entries, set(range(25)))[0]
    assert one.out.digest == other.out.digest
    assert one.stage.snapshot() == other.stage.snapshot()


@settings(deadline=None)
@given(TERMS, ENTRIES)
def test_no_command_passes_an_earlier_one_of_its_account(
    config: SimulationConfig, entries: list[tuple[int, list[bytes]]]
) -> None:
    made, engine, ms = Simulation(config, "SIM", 0), CoreEngine(), NOON_MS
    came: dict[int, list[bytes]] = defaultdict(list)
    ran: dict[int, list[bytes]] = defaultdict(list)
    for after_ms, records in [*entries, (10_000, [])]:
        ms += after_ms
        plain = [each for each in records if command(each).type != frames.CommandType.MASS_CANCEL]
        for each in plain:
            came[command(each).account].append(each)
        for commands, _ in made.process(engine, b"".join(plain), ms):
            for told in map(frames.Command._make, frames.commands(commands)):
                ran[told.account].append(frames.COMMAND.pack(*told))
    assert ran == came


@settings(deadline=None)
@given(TERMS, ENTRIES)
def test_after_a_mass_cancel_no_order_that_came_before_it_enters_the_book(
    config: SimulationConfig, entries: list[tuple[int, list[bytes]]]
) -> None:
    """Each is answered once, by an end: none rests, none is accepted behind it."""
    venue, ms = Venue(config), NOON_MS
    number = 0
    for after_ms, records in entries:
        ms += after_ms
        numbered = []
        for told in map(command, records):
            if told.type == frames.CommandType.NEW:
                number += 1
                numbered.append(frames.COMMAND.pack(*told._replace(order_id=number)))
            else:
                numbered.append(frames.COMMAND.pack(*told))
        venue.entry(ms, numbered)
    told_before = len(venue.told)
    venue.entry(ms, [frames.mass_cancel()])
    venue.wait(ms)
    behind = [frames.Report._make(each) for each in frames.reports(venue.told[told_before:])]
    assert not [each for each in behind if each.type in (ReportType.ACCEPTED, ReportType.FILLED)]
    assert venue.stage.gauges().items() >= {"resting_orders": {"": 0}, "delayed_commands": {"": 0}}.items()
    reports = [frames.Report._make(each) for each in frames.reports(venue.told)]
    told = [each for each in reports if each.order_id]  # a mass cancel may be refused, and has none
    first = [each.order_id for each in told if each.type in (ReportType.ACCEPTED, ReportType.REJECTED)]
    canceled = [each.order_id for each in told if each.type == ReportType.CANCELED]
    assert sorted({*first, *canceled}) == [*range(1, number + 1)]
    assert len(set(canceled)) == len(canceled)


# ------------------------------------------------------------------------------------------------------ shading


@settings(deadline=None)
@given(TERMS, st.lists(CLIENTS, max_size=40))
def test_what_clients_trade_with_each_other_is_as_at_an_ideal_venue(
    config: SimulationConfig, records: list[bytes]
) -> None:
    """Slippage and shares are the house's alone."""
    shaded = VenueSimulation(**config.model_dump(include={"slippage", "fill_share", "fill_share_spread", "seed"}))
    told = []
    for each in (SimulationConfig(**shaded.model_dump()), IDEAL):
        venue = Venue(each)
        venue.entry(NOON_MS, records)
        told.append(venue.told)
    assert told[0] == told[1]


@settings(deadline=None)
@given(TERMS, ENTRIES)
def test_lots_are_conserved_and_both_sides_of_a_trade_are_told_the_same(
    config: SimulationConfig, entries: list[tuple[int, list[bytes]]]
) -> None:
    """Between clients at the maker's own limit; with the house at a price that is no better than its quote's."""
    made, engine, ms = Simulation(config, "SIM", 0), CoreEngine(), NOON_MS
    trades: dict[int, list[frames.Report]] = defaultdict(list)
    for after_ms, records in [*entries, (10_000, [])]:
        ms += after_ms
        for _, reports in made.process(engine, b"".join(records), ms):
            for each in map(frames.Report._make, frames.reports(reports)):
                if each.type == ReportType.FILLED:
                    trades[each.match_id].append(each)
    assert sorted(trades) == [*range(1, len(trades) + 1)]
    for maker, taker in trades.values():
        assert (maker.price, maker.qty, maker.symbol) == (taker.price, taker.qty, taker.symbol)
        assert {maker.side, taker.side} == {1, 2}
        assert maker.flags & ReportFlag.MAKER
        assert taker.flags & ReportFlag.TAKER


@given(
    TERMS,
    st.integers(-(10**6), 10**6) | st.integers(-MAX_PRICE, MAX_PRICE),
    st.integers(0, 10**6) | st.integers(0, 2 * MAX_PRICE),
    st.integers(1, 10**6) | st.integers(1, MAX_QTY),
)
def test_a_shaded_quote_is_worse_for_clients_by_the_slippage_and_never_crosses_or_vanishes(
    config: SimulationConfig, bid: int, spread: int, lots: int
) -> None:
    ask = min(bid + spread, MAX_PRICE)
    shaded = command(Simulation(config, "SIM", 0).shade(frames.quote(1, bid, lots, ask, lots)))
    slip = Fraction(config.slippage)
    assert shaded.price <= bid <= ask <= shaded.aux_price
    assert 0 <= bid - shaded.price < abs(bid) * slip + 1
    assert 0 <= shaded.aux_price - ask < abs(ask) * slip + 1
    if bid > 0:
        assert shaded.price > 0, "no price becomes one that most instruments have not"
    if shaded.price > -MAX_PRICE and not (bid > 0 and shaded.price == 1):
        assert bid - shaded.price >= abs(bid) * slip, "rounded away from clients"
    if shaded.aux_price < MAX_PRICE:
        assert shaded.aux_price - ask >= abs(ask) * slip
    least = Fraction(config.fill_share) - Fraction(config.fill_share_spread)
    most = Fraction(config.fill_share) + Fraction(config.fill_share_spread)
    for part in (shaded.qty, shaded.aux_qty):
        assert 1 <= part <= lots
        assert part == 1 or lots * least - 1 < part <= lots * most


@pytest.mark.parametrize("bid, ask", [(103, 102), (MAX_PRICE + 1, 5), (5, -MAX_PRICE - 1)])
def test_a_quote_that_the_engine_refuses_is_refused_as_it_came(bid: int, ask: int) -> None:
    config = SimulationConfig(slippage=Decimal("0.5"))
    shaded = Simulation(config, "SIM", 0).shade(frames.quote(1, bid, 5, ask, 5))
    for record in (shaded, frames.quote(1, bid, 5, ask, 5)):
        told = [frames.Report._make(each) for each in frames.reports(CoreEngine().process(record, 1))]
        assert [(each.type, each.reason) for each in told] != [(ReportType.QUOTED, 0)]
