"""The C engine and the naive book, side by side through anything that may happen to a book.

A run is a sequence of rules in the domain's words. After each one the reports are the naive book's byte for byte, and
so are the state and every query; a caller who only hears the answers has the same book; an engine restored from the
snapshot has the same hash. Two domains: a small one, in which everything collides, and the edges of 63 bits.

`BOOK_RUNS=20000 pytest tests/property/test_book.py` makes a campaign of it.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import (
    MAX_PRICE,
    MAX_QTY,
    Command,
    CommandType,
    MassFlag,
    OrderFlag,
    OrdType,
    Reason,
    ReplaceFlag,
    ReportType,
    Session,
    Side,
    Stp,
)
from tests.support.book_checks import compare_reports
from tests.support.book_orders import (
    EDGES,
    SHAPES,
    TICKS,
    Terms,
    any_tif,
    blemishes,
    cancel_or_replace,
    kinds,
    lasting,
    line,
    lots,
    references,
    sides,
    spreads,
    symbols,
    terms,
    ticks,
)
from tests.support.naive_book import NaiveBook, Tape, views
from tests.support.two_books import BLANK, END, MAX_ORDERS, REASONS, REPORTS, UNKNOWN, TwoBooks

RUNS = int(os.environ.get("BOOK_RUNS", "150"))
ALL = -MAX_QTY  # lots, to take off an order

# ------------------------------------------------------------------ machine


class BookMachine(TwoBooks):
    """What may happen to a book, in small numbers, so that everything collides."""

    orders = Bundle("orders")  # numbers of orders that were accepted; many are finished
    stops = Bundle("stops")  # those of them that came dormant
    finished = Bundle("finished")  # canceled by their owners

    # ------------------------------------------------------------ plumbing

    @initialize(**line)
    def connect(self, frame: int, room: int, skew: int) -> None:
        self.frame, self.room, self.skew = frame, room, skew

    @initialize(target=orders, orders=st.lists(st.tuples(terms, ticks, kinds), max_size=6))
    def find_orders_at_rest(self, orders: list[tuple[Terms, int, str]]) -> object:
        accepted = [self.wait(order.plainly(), price, kind) for order, price, kind in orders]
        return multiple(*(number for number in accepted if isinstance(number, int)))

    @rule(**line)
    def reconnect(self, frame: int, room: int, skew: int) -> None:
        self.deliver()
        self.connect(frame, room, skew)

    @rule(
        max_orders=st.sampled_from([MAX_ORDERS] * 5 + [4]),
        room=st.sampled_from([64, 1, 3]),
        reserve=st.sampled_from([0, 300]),
    )
    def restart(self, max_orders: int, room: int, reserve: int) -> None:
        """A snapshot, and a fresh engine that goes on from it; it may hold more orders than it would take."""
        self.deliver()
        snapshot = self.engine.snapshot()
        self.engine = CoreEngine(max_orders, output_reports=room)
        self.engine.restore(snapshot)
        self.engine.reserve(reserve)
        self.naive.max_orders = max_orders
        self.hold_invariants(self.known_symbols())

    # -------------------------------------------------------------- orders

    @rule(order=st.tuples(terms, ticks, kinds))
    def another_order(self, order: tuple[Terms, int, str]) -> None:
        """An order that nobody touches again. Hypothesis prefers the rule with the fewest arguments: be it this one."""
        terms, price, kind = order
        self.wait(terms, price, kind)

    @rule(target=orders, terms=terms, price=ticks, tif=any_tif)
    def limit_order(self, terms: Terms, price: int, tif: str) -> object:
        return self.new(terms, OrdType.LIMIT, tif, price=price)

    @rule(target=orders, terms=terms, price=ticks, kind=kinds)
    def resting_order(self, terms: Terms, price: int, kind: str) -> object:
        return self.wait(terms.plainly(), price, kind)

    @rule(
        target=orders, terms=terms, price=ticks, tif=lasting, and_also=st.sampled_from(["", "ALL_OR_NONE", "ICEBERG"])
    )
    def post_only(self, terms: Terms, price: int, tif: str, and_also: str) -> object:
        return self.limit(terms, price, "POST_ONLY", and_also, tif=tif)

    @rule(target=orders, terms=terms, price=ticks, tif=lasting)
    def all_or_none(self, terms: Terms, price: int, tif: str) -> object:
        return self.limit(terms, price, "ALL_OR_NONE", tif=tif)

    @rule(target=orders, terms=terms, price=ticks, tif=lasting, shows=st.integers(1, 3))
    def iceberg(self, terms: Terms, price: int, tif: str, shows: int) -> object:
        return self.limit(terms, price, "ICEBERG", tif=tif, shows=shows)

    @rule(order=orders, terms=terms)
    def take_from(self, order: int, terms: Terms) -> None:
        """Somebody wants what an order shows, if it rests."""
        live = self.live(order)
        if live and live.stop is None:
            other = Side.SELL if live.side == Side.BUY else Side.BUY
            self.count += 1
            c = self.new_command(dataclasses.replace(terms, side=other), OrdType.LIMIT, "IOC", number=self.count)
            self.send(c._replace(symbol=live.symbol, price=live.price))

    @rule(target=orders, terms=terms, tif=any_tif)
    def market_order(self, terms: Terms, tif: str) -> object:
        return self.new(terms, OrdType.MARKET, tif)

    @rule(target=orders, terms=terms, tif=any_tif)
    def market_to_limit(self, terms: Terms, tif: str) -> object:
        return self.new(terms, OrdType.MARKET_TO_LIMIT, tif)

    @rule(targets=(orders, stops), terms=terms, stop=ticks, tif=any_tif)
    def stop_order(self, terms: Terms, stop: int, tif: str) -> object:
        return self.new(terms, OrdType.STOP, tif, stop=stop)

    @rule(targets=(orders, stops), terms=terms, stop=ticks, price=ticks, tif=any_tif)
    def stop_limit(self, terms: Terms, stop: int, price: int, tif: str) -> object:
        return self.new(terms, OrdType.STOP_LIMIT, tif, stop=stop, price=price)

    @rule(targets=(orders, stops), terms=terms, stop=ticks, price=ticks, shows=st.integers(1, 3))
    def iceberg_stop_limit(self, terms: Terms, stop: int, price: int, shows: int) -> object:
        return self.new(
            terms,
            OrdType.STOP_LIMIT,
            "GTC",
            stop=stop,
            price=price,
            aux_qty=self.domain.lots[shows - 1],
            flags=OrderFlag.ICEBERG,
        )

    @rule(targets=(orders, stops), terms=terms, offset=st.sampled_from([1, 2, 3, 0]), tif=any_tif)
    def trailing_stop(self, terms: Terms, offset: int, tif: str) -> object:
        return self.new(terms, OrdType.TRAILING_STOP, tif, aux_qty=self.domain.offsets[offset])

    @rule(targets=(orders, stops), terms=terms, bps=st.sampled_from([1, 2500, 5000, 9999, 10000]))
    def trailing_stop_in_bps(self, terms: Terms, bps: int) -> object:
        return self.new(terms, OrdType.TRAILING_STOP, "GTC", aux_qty=bps, flags=OrderFlag.OFFSET_BPS)

    @rule(target=orders, order=st.one_of(orders, finished), terms=terms, price=ticks)
    def use_an_id_again(self, order: int, terms: Terms, price: int) -> object:
        return self.new(terms, OrdType.LIMIT, "GTC", price=price, number=order)

    @rule(target=orders, terms=terms, price=ticks)
    def submit(self, terms: Terms, price: int) -> object:
        """A plain order from plain numbers, past the frames."""
        self.deliver()
        number = self.count = self.count + 1
        terms = terms.plainly()
        c = self.new_command(terms, OrdType.LIMIT, "GTC", price=price, number=number)._replace(partition=0)
        answers = self.expect(c)
        self.owners[number] = c.account
        count = self.engine.submit(c.order_id, c.account, c.symbol, c.side, c.price, c.qty)
        self.compare(self.engine.answers(count))
        return number if answers[0].type == ReportType.ACCEPTED else multiple()

    # -------------------------------------------------- cancel and replace
    # These consume the orders they are about and give back those that live on, or most would be about dead ones.

    @rule(target=finished, order=consumes(orders))
    def cancel(self, order: int) -> int:
        self.send(self.about(order, CommandType.CANCEL))
        return order

    @rule(target=finished, order=consumes(orders))
    def cancel_by_numbers(self, order: int) -> int:
        self.deliver()
        c = self.about(order, CommandType.CANCEL)._replace(symbol=0, partition=0)
        self.expect(c)
        self.compare(self.engine.answers(self.engine.cancel(c.order_id, c.account)))
        return order

    @rule(target=orders, order=consumes(orders), price=ticks, lots=lots, open_qty=st.booleans())
    def replace(self, order: int, price: int, lots: int, open_qty: bool) -> object:
        self.send(self.replacement(order, self.domain.prices[price], lots, open_qty))
        return order if self.live(order) else multiple()

    @rule(target=orders, order=consumes(orders), by=st.sampled_from([0, -1, 1, ALL]), open_qty=st.booleans())
    def resize(self, order: int, by: int, open_qty: bool) -> object:
        """The same price, and as much more or less than is open."""
        c = self.replacement(order, 0, 1, open_qty)
        if live := self.live(order):
            qty = max(live.leaves + by, 0) + (0 if open_qty else live.filled)
            c = c._replace(price=live.price, qty=qty)
        self.send(c)
        return order if self.live(order) else multiple()

    @rule(order=orders, terms=terms)
    def cut_down_to_what_is_filled(self, order: int, terms: Terms) -> None:
        self.take_from(order, dataclasses.replace(terms, lots=1))
        if (live := self.live(order)) and live.filled:
            self.send(self.replacement(order, live.price, 1, False)._replace(qty=live.filled))

    @rule(target=stops, order=consumes(stops), stop=ticks, price=ticks, lots=lots)
    def move_stop(self, order: int, stop: int, price: int, lots: int) -> object:
        c = self.replacement(order, self.domain.prices[price], lots, False)
        self.send(c._replace(flags=ReplaceFlag.NEW_STOP, aux_price=self.domain.prices[stop]))
        return order if self.live(order) else multiple()

    @rule(order=st.one_of(orders, st.just(UNKNOWN)), kind=cancel_or_replace)
    def touch_what_is_not_ones_own(self, order: int, kind: str) -> None:
        c = self.replacement(order, 0, 1, False)._replace(type=CommandType[kind])
        account = next(a for a in self.domain.accounts if a != c.account)
        self.send(c._replace(account=account))

    # ----------------------------------------------------------- the venue

    def session(self, symbol: int, state: str, reference: tuple[int, int]) -> None:
        tick, beside = reference
        price = max(-MAX_PRICE, min(self.domain.prices[tick] + beside, MAX_PRICE))
        self.venue(CommandType.SESSION, symbol, flags=Session[state], price=price)

    @rule(symbol=symbols, bid=ticks, spread=spreads, bid_lots=st.integers(0, 6), ask_lots=st.integers(0, 6))
    def quote(self, symbol: int, bid: int, spread: int, bid_lots: int, ask_lots: int) -> None:
        sizes, ask = (0, *self.domain.lots), TICKS[max(0, min(TICKS.index(bid) + spread, len(TICKS) - 1))]
        prices = {"price": self.domain.prices[bid], "aux_price": self.domain.prices[ask]}
        self.venue(CommandType.QUOTE, symbol, qty=sizes[bid_lots], aux_qty=sizes[ask_lots], **prices)

    @rule(symbol=symbols, side=sides, price=ticks, lots=lots)
    def print_trade(self, symbol: int, side: str, price: int, lots: int) -> None:
        terms = {"side": Side[side], "price": self.domain.prices[price], "qty": self.domain.lots[lots - 1]}
        self.venue(CommandType.PRINT, symbol, **terms)

    @rule(ms=st.integers(-2, 3), by_frame=st.booleans())
    def time_passes(self, ms: int, by_frame: bool) -> None:
        """FS_TIME, or the time of a frame's stream entry; the clock never goes back."""
        now_ms = max(0, min(self.naive.clock_ms + ms, END))
        c = BLANK._replace(type=CommandType.TIME, time_ms=now_ms)
        if not by_frame:
            self.send(c)
            return
        self.deliver()
        self.expect(c)
        self.compare(self.engine.process(b"", now_ms))

    @rule(
        target=orders,
        symbol=symbols,
        orders=st.lists(st.tuples(terms, ticks, kinds), min_size=2, max_size=5),
        reference=references,
    )
    def hold_an_auction(self, symbol: int, orders: list[tuple[Terms, int, str]], reference: tuple[int, int]) -> object:
        self.session(symbol, "AUCTION", reference)
        accepted = [self.wait(dataclasses.replace(order, symbol=symbol), price, kind) for order, price, kind in orders]
        self.session(symbol, "CONTINUOUS", reference)
        return multiple(*(number for number in accepted if isinstance(number, int)))

    @rule(
        symbol=st.sampled_from([1, 1, 0]), state=st.sampled_from(["AUCTION", "AUCTION", "HALTED"]), reference=references
    )
    def interrupt(self, symbol: int, state: str, reference: tuple[int, int]) -> None:
        self.session(symbol, state, reference)

    @precondition(lambda self: any(rules.session for rules in self.naive.rules.values()))
    @rule(symbol=symbols, reference=references)
    def reopen(self, symbol: int, reference: tuple[int, int]) -> None:
        self.session(symbol, "CONTINUOUS", reference)

    @rule(symbol=symbols, low=ticks, high=ticks, on=st.booleans())
    def bands(self, symbol: int, low: int, high: int, on: bool) -> None:
        prices = {"price": self.domain.prices[low], "aux_price": self.domain.prices[high]}
        self.venue(CommandType.BANDS, symbol, flags=int(on), **prices)

    @rule(account=st.integers(0, 3), side=st.integers(0, 2), symbol=symbols, by_symbol=st.booleans())
    def mass_cancel(self, account: int, side: int, symbol: int, by_symbol: bool) -> None:
        account = (0, *self.domain.accounts)[account]
        flags = MassFlag.BY_SYMBOL if by_symbol else 0
        self.venue(CommandType.MASS_CANCEL, symbol, account=account, side=side, flags=flags, order_id=77, partition=3)

    # ---------------------------------------------------------- bad records

    @rule(shape=st.sampled_from(SHAPES), terms=terms, price=ticks, blemish=blemishes)
    def blemished_order(self, shape: tuple[str, str], terms: Terms, price: int, blemish: tuple[str, int]) -> None:
        """A sound order but for one field, which holds anything."""
        fields = {"price": price, "stop": price, "aux_qty": 1, "flags": OrderFlag[shape[1]] if shape[1] else 0}
        c = self.new_command(terms, OrdType[shape[0]], "GTC", number=self.count + 1, **fields)
        self.send(c._replace(**dict([blemish])))

    @rule(kind=st.sampled_from(list(CommandType.__members__)), terms=terms, first=blemishes, second=blemishes)
    def blemished_command(self, kind: str, terms: Terms, first: tuple[str, int], second: tuple[str, int]) -> None:
        c = self.new_command(terms, OrdType.LIMIT, "GTC", price=0, number=1)
        self.send(c._replace(type=CommandType[kind], ord_type=0, tif=0, stp=0)._replace(**dict([first, second])))


class EdgesMachine(BookMachine):
    """The same at the edges of 63 bits, with a tape that is about to stand still and ids that collide."""

    domain = EDGES

    def __init__(self, seen: Counter[str] | None = None) -> None:
        super().__init__(seen)
        tape = Tape(1 - MAX_PRICE, MAX_QTY, END - 2 * MAX_QTY, 2**40)
        tape.turnover = tape.volume * tape.price
        self.naive = NaiveBook(MAX_ORDERS, END - 12, 2**40, tapes={self.domain.symbols[0]: tape})
        self.engine.restore(views.snapshot(self.naive))
        self.rebuilt.matches = self.naive.matches
        self.rebuilt.tapes[self.domain.symbols[0]] = (tape.price, tape.qty, tape.volume, tape.trades)


# -------------------------------------------------------------------- tests


SEARCH = settings(
    max_examples=10,
    stateful_step_count=40,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
    report_multiple_bugs=False,  # one at a time, shrunk sooner
    suppress_health_check=list(HealthCheck),
)


def search(machine: Callable[[], BookMachine], how: settings = SEARCH) -> None:
    run_state_machine_as_test(machine, settings=how)


@pytest.mark.parametrize("machine", [BookMachine, EdgesMachine])
def test_the_engine_is_the_naive_book_whatever_happens(machine: type[BookMachine]) -> None:
    """Many short searches: after ten runs of one, hypothesis mostly repeats parts of those it had."""
    for _ in range(RUNS // SEARCH.max_examples):
        search(machine)


@settings(deadline=None)
@given(st.binary(max_size=64 * 8))
def test_any_bytes_of_whole_records_are_answered(noise: bytes) -> None:
    frame = noise[: len(noise) // 64 * 64]
    engine, naive = CoreEngine(MAX_ORDERS), NaiveBook(MAX_ORDERS)
    commands = [Command._make(c) for c in frames.commands(frame)]
    expected = [report for c in commands for report in naive.process(c)]
    compare_reports(commands, expected, engine.process(frame, 0))
    engine.validate()


WORTH_SEEING = {
    "all-or-none passed over",
    "all-or-none rested across the market",
    "all-or-none sat out an uncross",
    "crossed quote",
    "iceberg refreshed",
    "locked quote",
    "stop triggered",
    "stops cascaded",
    "trailing stop moved",
    "trailing stop triggered",
    "trailing stop woke",
    "uncross between the limits",
    "uncross traded",
    *(f"self-trade prevented: {stp.name}" for stp in Stp if stp),
    *REPORTS.values(),
    *(name for reason, name in REASONS.items() if reason != Reason.REJECT_RATE),  # a venue gives it before the book
}


def test_a_seeded_run_comes_to_everything_worth_seeing() -> None:
    """A machine that cascades no stops and kills no order would agree just as well, and prove nothing."""
    seen: Counter[str] = Counter()
    for number in range(15):
        search(seed(number)(lambda: BookMachine(seen)), settings(SEARCH, database=None))
    assert seen.keys() >= WORTH_SEEING, sorted(WORTH_SEEING - seen.keys())
