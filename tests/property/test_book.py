"""The C engine and the naive book answer every sequence of commands alike, record for record."""

import random
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common import frames
from libs.common.frames import Command, CommandType, OrdType, Report, ReportType, Side, Tif
from services.matching_engine.book import Engine, Last, Level
from tests.property.naive_book import NaiveBook, Tape

MAX_ORDERS = 3  # few, so that the limit is met

hostile_int64 = st.sampled_from(
    [-(2**63), -(2**62), 1 - 2**62, -1, 0, 1, 10**15, 10**15 + 1, 2**62 - 1, 2**62, 2**63 - 1]
)
hostile_byte = st.integers(0, 255)
prices = st.one_of(st.integers(-2, 4), hostile_int64)
quantities = st.one_of(st.integers(1, 9), hostile_int64)
order_ids = st.one_of(st.integers(1, 9), st.sampled_from([0, 2**63, 2**64 - 1]))
accounts = st.sampled_from([1, 1, 2, 0, 2**32 - 1])
symbols = st.sampled_from([0, 0, 0, 1, 65535, 65536, 2**32 - 1])
partitions = st.sampled_from([0, 0, 1, 65533, 65534, 65535])
times = st.one_of(st.integers(0, 12), st.just(2**64 - 1))


def mostly(likely: Iterable[int]) -> st.SearchStrategy[int]:
    return st.integers(0, 19).flatmap(lambda n: hostile_byte if n == 0 else st.sampled_from(list(likely)))


any_command = st.builds(
    Command,
    order_id=order_ids,
    price=prices,
    qty=quantities,
    aux_price=prices,
    aux_qty=quantities,
    time_ms=times,
    account=accounts,
    symbol=symbols,
    type=mostly(CommandType),
    side=mostly(Side),
    ord_type=mostly(OrdType),
    tif=mostly(Tif),
    flags=st.sampled_from([0] * 9 + [1, 2, 4, 8, 3, 16]),
    stp=st.sampled_from([0] * 9 + [1, 2, 3, 4, 5]),
    partition=partitions,
)

plain_order = st.builds(
    Command,
    order_id=st.integers(1, 12),
    price=st.integers(-2, 3),
    qty=st.integers(1, 9),
    aux_price=st.integers(-2, 4),
    aux_qty=st.integers(0, 9),
    time_ms=st.sampled_from([0, 0, 0, 0, 5, 9]),
    account=st.sampled_from([1, 1, 1, 2]),
    symbol=st.sampled_from([0, 0, 0, 1]),
    type=st.sampled_from([CommandType.NEW] * 6 + list(CommandType)),
    side=st.sampled_from(list(Side)),
    ord_type=st.sampled_from([OrdType.LIMIT] * 5 + [OrdType.MARKET]),
    tif=st.sampled_from([Tif.GTC, Tif.GTC, *Tif]),
    flags=st.just(0),
    stp=st.just(0),
    partition=st.sampled_from([0, 1]),
)

SHAPES = [  # ord_type, flags: what fits together
    *[(OrdType.LIMIT, flags) for flags in (0, 0, 0, 1, 2, 2, 3, 4, 4, 5)],
    *[(OrdType.STOP, 0), (OrdType.STOP_LIMIT, 0), (OrdType.STOP_LIMIT, 4), (OrdType.MARKET, 0)],
    *[(OrdType.MARKET_TO_LIMIT, 0), (OrdType.TRAILING_STOP, 0), (OrdType.TRAILING_STOP, 0), (OrdType.TRAILING_STOP, 8)],
]


@st.composite
def special_orders(draw: st.DrawFn) -> Command:
    """An order of any kind, with every speciality."""
    ord_type, flags = draw(st.sampled_from(SHAPES))
    order: Command = draw(plain_order)
    tif = draw(st.sampled_from([Tif.GTC] * 6 + [Tif.GTD, Tif.IOC, Tif.FOK, Tif.FOK]))
    order = order._replace(type=CommandType.NEW, ord_type=ord_type, flags=flags, tif=Tif.GTC if flags else tif)
    aux_qty = draw(st.integers(1, order.qty if flags & 4 else 5))
    if flags == 8:
        aux_qty *= 2000
    return order._replace(aux_qty=aux_qty, stp=draw(st.sampled_from([0, 0, 0, 1, 2, 3, 4])))


@st.composite
def changes(draw: st.DrawFn) -> Command:
    """A replacement, a mass cancel, a session, bands."""
    order: Command = draw(plain_order)
    kinds = [CommandType.REPLACE] * 4 + [CommandType.MASS_CANCEL, CommandType.BANDS] + [CommandType.SESSION] * 3
    kind = draw(st.sampled_from(kinds))
    high = {CommandType.REPLACE: 3, CommandType.SESSION: 2}.get(kind, 1)
    return order._replace(type=kind, flags=draw(st.integers(0, high)), time_ms=0)


sequences = st.lists(
    st.one_of(plain_order, plain_order, special_orders(), special_orders(), special_orders(), changes(), any_command),
    max_size=40,
)


def frame_of(commands: Iterable[Command]) -> bytes:
    return b"".join(frames.COMMAND.pack(*c) for c in commands)


def told(reports: bytes) -> list[Report]:
    return [Report._make(r) for r in frames.reports(reports)]


def at(naive: NaiveBook, now_ms: int) -> list[Report]:
    """The naive book's answer to the FS_TIME that `Engine.process` puts before a frame."""
    return naive.process(Command._make(frames.COMMAND.unpack(frames.set_time(now_ms))))


def compare_market_data(engine: Engine, naive: NaiveBook, symbol: int) -> None:
    for side in Side:
        own = [o for o in naive.resting if (o.symbol, o.side) == (symbol, side)]
        best_first = sorted({o.price for o in own}, reverse=side == Side.BUY)
        levels = [[o.shown for o in own if o.price == price] for price in best_first]
        expected = [Level(p, sum(q), len(q)) for p, q in zip(best_first, levels, strict=True)]
        assert engine.depth(symbol, side, 100) == expected
        assert engine.depth(symbol, side, 1) == expected[:1]
        assert engine.best(symbol)[side - 1] == (expected[0] if expected else None)
    tape = naive.tapes.get(symbol, Tape())
    assert engine.last(symbol) == (Last(tape.price, tape.qty, tape.volume, tape.trades) if tape.trades else None)


@settings(max_examples=400, deadline=None)
@given(sequences)
def test_reports_are_the_naive_books_and_every_state_is_valid(sequence: list[Command]) -> None:
    engine, naive = Engine(MAX_ORDERS), NaiveBook(MAX_ORDERS)
    for command in sequence:
        assert told(engine.process(frame_of([command]), 0)) == naive.process(command)
        engine.validate()
    compare_market_data(engine, naive, 0)
    compare_market_data(engine, naive, 1)
    assert engine.orders() == len([o for o in naive.resting + naive.dormant if not o.house])


@settings(max_examples=150, deadline=None)
@given(sequences, st.integers(1, 5), st.integers(0, 12))
def test_a_small_output_buffer_changes_nothing(sequence: list[Command], capacity: int, now_ms: int) -> None:
    roomy, tight = Engine(MAX_ORDERS), Engine(MAX_ORDERS, output_reports=capacity)
    naive = NaiveBook(MAX_ORDERS)
    expected = at(naive, now_ms) + [r for c in sequence for r in naive.process(c)]
    assert told(roomy.process(frame_of(sequence), now_ms)) == expected
    assert told(tight.process(frame_of(sequence), now_ms)) == expected
    assert tight.snapshot() == roomy.snapshot()


@settings(max_examples=150, deadline=None)
@given(sequences, sequences)
def test_a_restored_engine_goes_on_as_the_first_would(before: list[Command], after: list[Command]) -> None:
    first, second = Engine(MAX_ORDERS), Engine(MAX_ORDERS)
    first.process(frame_of(before), 1)
    second.process(frame_of(after), 2)  # whatever it held is gone
    second.restore(first.snapshot())
    second.validate()
    assert second.snapshot() == first.snapshot()
    assert second.state_hash() == first.state_hash()
    assert second.process(frame_of(after), 3) == first.process(frame_of(after), 3)
    assert second.snapshot() == first.snapshot()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64 * 8))
def test_any_bytes_of_whole_records_are_answered(noise: bytes) -> None:
    frame = noise[: len(noise) // 64 * 64]
    engine, naive = Engine(MAX_ORDERS), NaiveBook(MAX_ORDERS)
    expected = [r for c in frames.commands(frame) for r in naive.process(Command._make(c))]
    assert told(engine.process(frame, 0)) == expected
    engine.validate()


def flow(seed: int, count: int) -> Iterator[Command]:
    """A seeded flow that builds deep books of several symbols and keeps taking from them."""
    rng = random.Random(seed)
    blank = Command(*[0] * len(Command._fields))
    for n in range(1, count + 1):
        kind = rng.choices(list(CommandType), [60, 25, 15, 6, 4, 2, 0, 0, 0])[0]
        side = rng.choice(list(Side))
        yield blank._replace(
            order_id=n if kind == CommandType.NEW else rng.randint(max(1, n - 400), n),
            price=rng.randint(80, 102) if side == Side.BUY else rng.randint(98, 120),
            qty=rng.randint(1, 50),
            aux_price=rng.randint(100, 121),
            aux_qty=rng.randint(0, 50),
            time_ms=n if kind == CommandType.TIME else rng.choice([0, 0, 0, n + rng.randint(1, 300)]),
            account=rng.choices([1, 2], [9, 1])[0],
            symbol=rng.randint(0, 2),
            type=kind,
            side=side,
            ord_type=rng.choices([OrdType.LIMIT, OrdType.MARKET], [20, 1])[0],
            tif=rng.choices(list(Tif), [10, 30, 2, 2, 1])[0],
            partition=rng.randint(0, 1),
        )


@pytest.mark.parametrize("seed", range(4))
def test_long_flows_agree(seed: int) -> None:
    engine, naive = Engine(), NaiveBook()
    for n, command in enumerate(flow(seed, 4000)):
        assert told(engine.process(frame_of([command]), 0)) == naive.process(command)
        if n % 100 == 0:
            engine.validate()
            restored = Engine()
            restored.restore(engine.snapshot())
            engine = restored
    for symbol in range(3):
        compare_market_data(engine, naive, symbol)


def test_the_hash_tells_states_apart_and_forgets_the_way() -> None:
    one, other, blank = Engine(), Engine(), Engine()
    order = Command(7, 100, 5, 0, 0, 0, 1, 3, CommandType.NEW, Side.BUY, OrdType.LIMIT, Tif.GTC, 0, 0, 0)
    one.process(frame_of([order]), 9)
    other.process(frame_of([order._replace(order_id=8), order]), 9)
    assert one.state_hash() != other.state_hash()
    other.process(frames.cancel(8, 1, 3, 0), 9)
    assert one.snapshot() == other.snapshot()
    one.process(frames.cancel(7, 1, 3, 0), 9)
    blank.process(b"", 9)
    assert one.state_hash() == blank.state_hash()


def test_select_keeps_a_partitions_own_reports_and_those_for_all() -> None:
    engine = Engine()
    buy = Command(1, 100, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.BUY, OrdType.LIMIT, Tif.GTC, 0, 0, partition=4)
    frame = frame_of([buy]) + frames.quote(0, 90, 1, 100, 2)
    reports = engine.process(frame, 0)
    kinds = [ReportType.ACCEPTED, ReportType.QUOTED, ReportType.FILLED, ReportType.FILLED]
    assert [r.type for r in told(reports)] == kinds
    assert [r.type for r in told(Engine.select(reports, 4))] == kinds[:3]  # not the house's own fill
    assert [r.type for r in told(Engine.select(reports, 5))] == [ReportType.QUOTED]
    assert Engine.select(b"", 0) == b""


def test_fills_print_at_the_makers_price_oldest_first() -> None:
    engine = Engine()
    sell = Command(1, 101, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.SELL, OrdType.LIMIT, Tif.GTC, 0, 0, 0)
    older, newer, better = sell, sell._replace(order_id=2), sell._replace(order_id=3, price=100)
    engine.process(frame_of([older, newer, better]), 0)
    taker = sell._replace(order_id=4, side=Side.BUY, price=105, qty=12, account=2)
    fills = told(engine.process(frame_of([taker]), 0))[1:]
    assert [(f.order_id, f.price, f.qty) for f in fills[::2]] == [(3, 100, 5), (1, 101, 5), (2, 101, 2)]
    assert [(f.order_id, f.leaves, f.match_id) for f in fills[1::2]] == [(4, 7, 1), (4, 2, 2), (4, 0, 3)]
