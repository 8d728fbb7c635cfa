"""Seeded flows through the engine and the naive book: deeper books and longer lives than the state machine's."""

import random
from collections.abc import Iterator

import pytest

from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import Command, CommandType, OrdType, Side, Tif
from tests.support.book_checks import compare_queries, compare_reports, frame_of
from tests.support.naive_book import NaiveBook

BLANK = Command(*[0] * len(Command._fields))
WEIGHTS = [60, 8, 14, 4, 4, 2, 0.6, 3, 0.6]  # of the command types, when every kind of order comes
SHAPES = [  # ord_type, flags: what fits together
    *[(OrdType.LIMIT, flags) for flags in (0, 0, 0, 1, 2, 2, 3, 4, 4, 5)],
    *[(OrdType.STOP, 0), (OrdType.STOP_LIMIT, 0), (OrdType.STOP_LIMIT, 4), (OrdType.MARKET, 0)],
    *[(OrdType.MARKET_TO_LIMIT, 0), (OrdType.TRAILING_STOP, 0), (OrdType.TRAILING_STOP, 0), (OrdType.TRAILING_STOP, 8)],
]


def special(rng: random.Random, c: Command) -> Command:
    ord_type, flags = rng.choice(SHAPES)
    tif = rng.choice([1, 1, 0]) if flags else rng.choices([1, 0, 6, 3, 4], [8, 2, 2, 2, 3])[0]
    c = c._replace(ord_type=ord_type, flags=flags, tif=tif, stp=rng.choice([0, 0, 0, 1, 2, 3, 4]))
    if ord_type == OrdType.TRAILING_STOP:
        return c._replace(aux_qty=rng.randint(1, 600 if flags else 6))
    return c._replace(aux_qty=rng.randint(1, c.qty)) if flags & 4 else c


def any_command(rng: random.Random, n: int) -> Command:
    kind = rng.choices(list(CommandType), WEIGHTS)[0]
    c = BLANK._replace(
        type=kind, order_id=rng.randint(1, 120), price=rng.randint(95, 105), qty=rng.randint(1, 20),
        aux_price=rng.randint(93, 107), aux_qty=rng.randint(0, 8), side=rng.choice([1, 2]),
        time_ms=rng.choice([0, 0, 0, n + rng.randint(1, 80)]), account=rng.choice([1, 1, 2, 3]),
        symbol=rng.choice([0, 0, 0, 1]), partition=rng.choice([0, 1]),
    )  # fmt: skip
    match kind:
        case CommandType.NEW:
            return special(rng, c)
        case CommandType.REPLACE:
            return c._replace(flags=rng.choice([0, 0, 1, 2, 3]))
        case CommandType.TIME:
            return c._replace(time_ms=n)
        case CommandType.MASS_CANCEL:
            return c._replace(flags=rng.choice([0, 1]), account=rng.choice([0, 1, 2]), side=rng.choice([0, 1, 2]))
        case CommandType.SESSION:
            return c._replace(flags=rng.choices([0, 1, 2], [5, 3, 1])[0])
        case CommandType.BANDS:
            return c._replace(flags=rng.choice([0, 0, 1]), price=rng.randint(90, 100), aux_price=rng.randint(100, 108))
    return c


def restored(engine: CoreEngine, max_orders: int) -> CoreEngine:
    fresh = CoreEngine(max_orders)
    fresh.restore(engine.snapshot())
    return fresh


@pytest.mark.parametrize("seed", range(16))
def test_every_kind_of_order_agrees(seed: int) -> None:
    rng = random.Random(seed)
    max_orders = 60
    engine, naive = CoreEngine(max_orders), NaiveBook(max_orders)
    for n in range(400):
        c = any_command(rng, n)
        compare_reports([c], naive.process(c), engine.process(frame_of([c]), 0))
        engine.validate()
        if n % 5 == 0:
            compare_queries(engine, naive, 0, [rng.randint(94, 106)])
        if n % 97 == 0:
            engine = restored(engine, max_orders)
    for symbol in range(2):
        compare_queries(engine, naive, symbol, range(94, 107))


def deep_flow(seed: int, count: int) -> Iterator[Command]:
    """Plain orders that build deep books of several symbols and keep taking from them."""
    rng = random.Random(seed)
    for n in range(1, count + 1):
        kind = rng.choices(list(CommandType), [60, 17, 15, 6, 4, 2, 0, 0, 0])[0]
        side = rng.choice(list(Side))
        yield BLANK._replace(
            order_id=n if kind == CommandType.NEW else rng.randint(max(1, n - 900), n),
            price=rng.randint(70, 101) if side == Side.BUY else rng.randint(99, 130),
            qty=rng.randint(1, 50),
            aux_price=rng.randint(100, 121),
            aux_qty=rng.randint(0, 50),
            time_ms=n if kind == CommandType.TIME else rng.choice([0, 0, 0, n + rng.randint(1, 900)]),
            account=rng.choices([1, 2], [9, 1])[0],
            symbol=rng.randint(0, 2),
            type=kind,
            side=side,
            ord_type=rng.choices([OrdType.LIMIT, OrdType.MARKET], [20, 1])[0],
            tif=rng.choices(list(Tif), [10, 30, 2, 2, 1])[0],
            partition=rng.randint(0, 1),
        )


@pytest.mark.parametrize("seed", range(4))
def test_deep_books_agree_frame_by_frame(seed: int) -> None:
    """Frames of many commands, and more orders than from where the engine looks ahead of itself (512)."""
    rng = random.Random(seed)
    engine, naive = CoreEngine(), NaiveBook()
    flow = list(deep_flow(seed, 4000))
    most, at = 0, 0
    while at < len(flow):
        frame = flow[at : at + rng.randint(1, 60)]
        at += len(frame)
        expected = [report for c in frame for report in naive.process(c)]
        compare_reports(frame, expected, engine.process(frame_of(frame), 0))
        engine.validate()
        most = max(most, engine.orders())
        if rng.random() < 0.2:
            engine = restored(engine, 1 << 20)
    assert most > 600, "a flow that never comes to the look-ahead shows nothing of it"
    for symbol in range(3):
        compare_queries(engine, naive, symbol, range(70, 131))
