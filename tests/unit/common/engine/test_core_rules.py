"""The engine's rules at their edges, said once each; `tests/property/test_book.py` covers the rest at random."""

from collections.abc import Callable

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine, Level
from fillstream.libs.common.engine.frames import (
    MAX_QTY,
    MAX_SPECIAL,
    OrderFlag,
    OrdType,
    Reason,
    Report,
    ReportType,
    Session,
    Side,
    Tif,
)

MAX_SIDE_QTY = 2**63 - 1


def limit(order_id: int, side: int, price: int, qty: int, tif: int = Tif.GTC, *, account: int = 1) -> bytes:
    codes = {"side": side, "ord_type": OrdType.LIMIT, "tif": tif}
    return frames.new_order(order_id, account, 0, 0, **codes, price=price, qty=qty)


def replace(order_id: int, price: int, qty: int) -> bytes:
    return frames.replace(order_id, 1, 0, 0, price=price, qty=qty)


def told(engine: CoreEngine, frame: bytes) -> list[Report]:
    answers = [Report._make(r) for r in frames.reports(engine.process(frame, 0))]
    engine.validate()
    return answers


def last_word(engine: CoreEngine, frame: bytes) -> tuple[ReportType, Reason]:
    report = told(engine, frame)[-1]
    return ReportType(report.type), Reason(report.reason)


def makers(engine: CoreEngine, taker: bytes) -> list[tuple[int, int]]:
    """(order id, quantity) of each order the taker trades with."""
    fills = [r for r in told(engine, taker) if r.type == ReportType.FILLED]
    return [(r.order_id, r.qty) for r in fills if r.flags & frames.ReportFlag.MAKER]


@pytest.fixture
def two_bids() -> CoreEngine:
    engine = CoreEngine()
    engine.process(limit(1, Side.BUY, 100, 5) + limit(2, Side.BUY, 100, 5), 0)
    return engine


@pytest.mark.parametrize(
    ("price", "qty", "first"),
    [(100, 4, 1), (100, 5, 1), (100, 6, 2)],
    ids=["quantity down keeps the place", "nothing changed keeps it", "quantity up loses it"],
)
def test_replace_and_the_place_in_the_queue(two_bids: CoreEngine, price: int, qty: int, first: int) -> None:
    assert last_word(two_bids, replace(1, price, qty)) == (ReportType.REPLACED, Reason.NONE)
    assert makers(two_bids, limit(9, Side.SELL, 100, 1))[0][0] == first


def test_price_away_and_back_loses_the_place(two_bids: CoreEngine) -> None:
    told(two_bids, replace(1, 99, 5) + replace(1, 100, 5))
    assert makers(two_bids, limit(9, Side.SELL, 100, 10)) == [(2, 5), (1, 5)]


def test_fills_count_towards_a_new_total(two_bids: CoreEngine) -> None:
    told(two_bids, limit(9, Side.SELL, 100, 3))
    [replaced] = told(two_bids, replace(1, 100, 4))
    assert (replaced.qty, replaced.leaves) == (4, 1)
    [canceled] = told(two_bids, replace(1, 100, 3))
    assert (canceled.type, canceled.reason, canceled.qty, canceled.leaves) == (
        ReportType.CANCELED,
        Reason.REPLACED_BELOW_FILLED,
        1,
        0,
    )


def test_a_replaced_order_may_take_at_the_makers_price(two_bids: CoreEngine) -> None:
    told(two_bids, limit(3, Side.SELL, 103, 2, account=2))
    assert makers(two_bids, replace(1, 105, 9)) == [(3, 2)]
    assert two_bids.best(0) == (Level(105, 7, 1), None)


def test_fill_or_kill_takes_all_or_touches_nothing(two_bids: CoreEngine) -> None:
    before = two_bids.snapshot()
    killed = last_word(two_bids, limit(9, Side.SELL, 100, 11, Tif.FOK))
    assert killed == (ReportType.CANCELED, Reason.FOK_KILLED)
    assert two_bids.snapshot() == before
    assert makers(two_bids, limit(9, Side.SELL, 100, 10, Tif.FOK)) == [(1, 5), (2, 5)]


def test_no_more_orders_rest_than_the_engine_is_made_for() -> None:
    engine = CoreEngine(max_orders=2)
    told(engine, limit(1, Side.BUY, 100, 5) + limit(2, Side.BUY, 100, 5) + frames.quote(0, 98, 1, 102, 1))
    assert last_word(engine, limit(3, Side.BUY, 100, 5)) == (ReportType.REJECTED, Reason.CAPACITY)
    assert makers(engine, limit(3, Side.SELL, 100, 1, Tif.IOC)) == [(1, 1)]  # what never rests, may come
    told(engine, frames.cancel(1, 1, 0, 0))
    assert last_word(engine, limit(3, Side.BUY, 100, 5)) == (ReportType.ACCEPTED, Reason.NONE)


def all_or_none(order_id: int, side: int, price: int, qty: int) -> bytes:
    codes = {"side": side, "ord_type": OrdType.LIMIT, "tif": Tif.GTC, "flags": OrderFlag.ALL_OR_NONE}
    return frames.new_order(order_id, 1, 0, 0, **codes, price=price, qty=qty)


def trailing(order_id: int, side: int, offset: int, _: int) -> bytes:
    codes = {"side": side, "ord_type": OrdType.TRAILING_STOP, "tif": Tif.GTC}
    return frames.new_order(order_id, 1, 0, 0, **codes, price=0, qty=1, display_or_offset=offset)


@pytest.mark.parametrize("kind", [all_or_none, trailing])
def test_no_more_orders_that_others_must_pass_over_wait_on_a_side(kind: Callable[[int, int, int, int], bytes]) -> None:
    engine = CoreEngine()
    told(engine, b"".join(kind(n, Side.SELL, 100 + n % 50, 5) for n in range(1, MAX_SPECIAL + 1)))
    over = (ReportType.REJECTED, Reason.CAPACITY)
    accepted = (ReportType.ACCEPTED, Reason.NONE)
    assert last_word(engine, kind(20_000, Side.SELL, 100, 5)) == over
    assert last_word(engine, kind(20_001, Side.BUY, 10, 5)) == accepted
    assert last_word(engine, limit(20_002, Side.SELL, 120, 5)) == accepted
    restored = CoreEngine()
    restored.restore(engine.snapshot())
    assert last_word(restored, kind(20_000, Side.SELL, 100, 5)) == over
    told(engine, frames.cancel(7, 1, 0, 0))
    assert last_word(engine, kind(20_000, Side.SELL, 100, 5)) == accepted
    assert last_word(engine, kind(20_003, Side.SELL, 100, 5)) == over


def test_a_taker_goes_on_behind_what_it_passed_over() -> None:
    engine = CoreEngine()
    tip = {"side": Side.SELL, "ord_type": OrdType.LIMIT, "tif": Tif.GTC, "flags": OrderFlag.ICEBERG}
    told(
        engine,
        all_or_none(1, Side.SELL, 100, 9)
        + frames.new_order(2, 1, 0, 0, **tip, price=100, qty=4, display_or_offset=1)
        + all_or_none(3, Side.SELL, 100, 3)
        + all_or_none(4, Side.SELL, 101, 2)
        + limit(5, Side.SELL, 101, 1)
        + all_or_none(6, Side.SELL, 102, 1),
    )
    taker = limit(9, Side.BUY, 102, 8, Tif.IOC)
    assert makers(engine, taker) == [(2, 1), (3, 3), (2, 1), (2, 1), (2, 1), (5, 1)]


def test_no_more_lots_rest_on_a_side_than_a_sum_can_hold() -> None:
    engine, count = CoreEngine(), MAX_SIDE_QTY // MAX_QTY
    rest = MAX_SIDE_QTY % MAX_QTY
    told(engine, b"".join(limit(n, Side.SELL, 100, MAX_QTY) for n in range(1, count + 1)))
    over = (ReportType.REJECTED, Reason.CAPACITY)
    assert last_word(engine, limit(99999, Side.SELL, 101, rest + 1)) == over
    assert last_word(engine, frames.quote(0, 0, 0, 101, rest + 1)) == over
    for _ in range(2):  # a new quote takes the room of the former
        assert last_word(engine, frames.quote(0, 0, 0, 101, rest)) == (ReportType.QUOTED, Reason.NONE)
    assert last_word(engine, limit(99999, Side.SELL, 101, 1)) == over
    assert last_word(engine, replace(count, 102, MAX_QTY)) == (ReportType.REPLACED, Reason.NONE)
    assert engine.depth(0, Side.SELL, 3) == [
        Level(100, MAX_QTY * (count - 1), count - 1),
        Level(101, rest, 1),
        Level(102, MAX_QTY, 1),
    ]
    told(engine, replace(count, 102, MAX_QTY - 1) + limit(99999, Side.SELL, 103, 1))
    too_much = last_word(engine, replace(count, 102, MAX_QTY))
    assert too_much == (ReportType.REPLACE_REJECTED, Reason.CAPACITY)
    restored = CoreEngine()
    restored.restore(engine.snapshot())
    assert restored.state_hash() == engine.state_hash()


def test_a_print_takes_from_clients_never_from_the_house() -> None:
    engine = CoreEngine()
    told(engine, frames.quote(0, 100, 5, 103, 5) + limit(1, Side.BUY, 100, 5) + limit(2, Side.BUY, 101, 2))
    assert makers(engine, frames.print_trade(0, Side.SELL, 100, 4)) == [(2, 2), (1, 2)]
    assert engine.best(0)[0] == Level(100, 8, 2)
    last = engine.last(0)
    assert last == (100, 4, 4, 1)  # the print itself: its fills are part of it


def test_a_crossed_quote_says_that_the_former_one_has_gone() -> None:
    engine = CoreEngine()
    told(engine, frames.quote(0, 99, 5, 101, 5))
    [echo] = told(engine, frames.quote(0, 101, 5, 100, 5))
    assert (echo.type, echo.reason) == (ReportType.QUOTED, Reason.CROSSED)
    assert (echo.price, echo.qty, echo.leaves, echo.aux, echo.partition) == (0, 0, 0, 0, frames.PARTITION_ALL)
    assert engine.best(0) == (None, None)


def test_a_locked_quote_trades_with_clients_on_both_sides_and_never_with_itself() -> None:
    engine = CoreEngine()
    told(engine, frames.quote(0, 99, 5, 101, 5))
    [echo] = told(engine, frames.quote(0, 101, 5, 101, 7))
    assert (echo.type, echo.reason, echo.price, echo.leaves) == (ReportType.QUOTED, Reason.NONE, 101, 101)
    assert engine.best(0) == (Level(101, 5, 1), Level(101, 7, 1))
    assert engine.validate() is None
    assert engine.last(0) is None, "nothing traded"
    for order_id, side, left in ((1, Side.SELL, (Level(101, 3, 1), Level(101, 7, 1))), (2, Side.BUY, None)):
        order = frames.new_order(order_id, 1, 0, 0, side=side, ord_type=2, tif=Tif.DAY, price=101, qty=2)
        fills = [r for r in told(engine, order) if r.type == ReportType.FILLED and r.order_id == order_id]
        assert [(r.price, r.qty) for r in fills] == [(101, 2)]
        assert engine.best(0) == (left or (Level(101, 3, 1), Level(101, 5, 1)))
    restored = CoreEngine()
    restored.restore(engine.snapshot())
    assert restored.best(0) == engine.best(0)


def test_a_locked_quote_meets_the_client_who_was_there_first_and_not_the_house() -> None:
    engine = CoreEngine()
    told(engine, frames.new_order(1, 1, 0, 0, side=Side.SELL, ord_type=2, tif=Tif.DAY, price=100, qty=2))
    fills = [r for r in told(engine, frames.quote(0, 100, 5, 100, 5)) if r.type == ReportType.FILLED]
    assert [(r.order_id, r.qty) for r in fills] == [(1, 2), (0, 2)]
    assert engine.best(0) == (Level(100, 3, 1), Level(100, 5, 1))


def test_a_locked_quote_is_in_no_auction() -> None:
    """An uncross would have the house trade with itself."""
    engine = CoreEngine()
    told(engine, frames.quote(0, 100, 5, 100, 5))
    told(engine, frames.session(0, Session.AUCTION, 100))
    assert engine.best(0) == (None, None)
    [echo] = told(engine, frames.quote(0, 100, 5, 100, 5))
    assert (echo.type, echo.reason) == (ReportType.QUOTED, Reason.CROSSED)
    told(engine, frames.quote(0, 99, 5, 100, 5))
    assert [r.type for r in told(engine, frames.session(0, Session.CONTINUOUS))] == [ReportType.SESSION_SET]


def test_the_clock_never_goes_back() -> None:
    engine = CoreEngine()
    order = frames.new_order(1, 1, 0, 0, side=1, ord_type=2, tif=Tif.DAY, price=1, qty=1, expiry_ms=50)
    engine.process(order, 49)
    engine.process(b"", 10)
    assert engine.orders() == 1
    [expired] = [Report._make(r) for r in frames.reports(engine.process(b"", 50))]
    assert (expired.type, expired.order_id, expired.qty, expired.leaves) == (ReportType.EXPIRED, 1, 1, 0)
    [late] = [Report._make(r) for r in frames.reports(engine.process(order, 20))]
    assert (late.type, late.reason) == (ReportType.REJECTED, Reason.EXPIRED)
