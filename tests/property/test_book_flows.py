"""Seeded flows of every kind of order against the naive book: reports, queries, snapshots, all alike."""

import random
from dataclasses import replace

import pytest

from libs.common import frames
from libs.common.frames import Command, CommandType, OrdType, Report, Side
from services.matching_engine.book import Engine
from tests.property.naive_book import NaiveBook, Order
from tests.property.test_book import SHAPES, compare_market_data

MAX_ORDERS = 60
BLANK = Command(*[0] * len(Command._fields))
WEIGHTS = [60, 8, 14, 4, 4, 2, 0.6, 3, 0.6]


def new_terms(rng: random.Random, c: Command) -> Command:
    ord_type, flags = rng.choice(SHAPES)
    tif = rng.choice([1, 1, 0]) if flags else rng.choices([1, 0, 6, 3, 4], [8, 2, 2, 2, 3])[0]
    c = c._replace(ord_type=ord_type, flags=flags, tif=tif, stp=rng.choice([0, 0, 0, 1, 2, 3, 4]))
    if ord_type == OrdType.TRAILING_STOP:
        return c._replace(aux_qty=rng.randint(1, 600 if flags else 6))
    return c._replace(aux_qty=rng.randint(1, c.qty)) if flags & 4 else c


def command(rng: random.Random, n: int) -> Command:
    kind = rng.choices(list(CommandType), WEIGHTS)[0]
    c = BLANK._replace(
        type=kind, order_id=rng.randint(1, 120), price=rng.randint(95, 105), qty=rng.randint(1, 20),
        aux_price=rng.randint(93, 107), aux_qty=rng.randint(0, 8), side=rng.choice([1, 2]),
        time_ms=rng.choice([0, 0, 0, n + rng.randint(1, 80)]), account=rng.choice([1, 1, 2, 3]),
        symbol=rng.choice([0, 0, 0, 1]), partition=rng.choice([0, 1]),
    )  # fmt: skip
    match kind:
        case CommandType.NEW:
            return new_terms(rng, c)
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


def walked(naive: NaiveBook, side: int, qty: int) -> tuple[int, int]:
    """What a market order would trade, and its cost: let it happen to a copy of the book."""
    other = naive.copy()
    other._take(taker := replace(Order(1 << 60, 1 << 20, 0, 0, side, 0, qty), limited=False))
    fills = [r for r in other.out if r.order_id == taker.id]
    return sum(r.qty for r in fills), sum(r.qty * r.price for r in fills)


def compare_queries(engine: Engine, naive: NaiveBook, rng: random.Random) -> None:
    for side in Side:
        own = naive.queue(0, side)
        assert [(o.order_id, o.price, o.shown, o.leaves) for o in engine.queue(0, side)] == [
            (o.id, o.price, o.shown, o.leaves) for o in own
        ]
        assert [(o.order_id, o.stop) for o in engine.queue(0, side, dormant=True)] == [
            (o.id, o.stop) for o in naive.stops(0, side)
        ]
        price, qty = rng.randint(94, 106), rng.randint(1, 90)
        within = [o for o in own if (o.price >= price if side == Side.BUY else o.price <= price)]
        assert engine.cumulative(0, side, price) == sum(o.shown for o in within)
        walk = engine.cost(0, side, qty)
        assert (walk.qty, walk.cost) == walked(naive, side, qty)
    assert engine.indicative(0) == naive.cross(0)
    assert engine.session(0) == naive._rules(0).session
    tape = naive._tape(0)
    vwap = engine.vwap(0)
    assert (vwap is None) == (not tape.volume) and (vwap is None or vwap * tape.volume == tape.turnover)


@pytest.mark.parametrize("seed", range(16))
def test_every_kind_of_order_agrees(seed: int) -> None:
    rng = random.Random(seed)
    engine, naive = Engine(MAX_ORDERS), NaiveBook(MAX_ORDERS)
    for n in range(400):
        c = command(rng, n)
        answers = [Report._make(r) for r in frames.reports(engine.process(frames.COMMAND.pack(*c), 0))]
        assert answers == naive.process(c), (n, c)
        engine.validate()
        if n % 5 == 0:
            compare_queries(engine, naive, rng)
        if n % 97 == 0:
            restored = Engine(MAX_ORDERS)
            restored.restore(engine.snapshot())
            engine = restored
    for symbol in range(2):
        compare_market_data(engine, naive, symbol)
