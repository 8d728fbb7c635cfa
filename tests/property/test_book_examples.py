"""What the state machine does not say: the hash's meaning, who hears what, and sizes it keeps away from."""

from itertools import pairwise

from libs.common import frames
from libs.common.frames import (
    MAX_TIPS,
    Command,
    CommandType,
    OrderFlag,
    OrdType,
    Reason,
    ReportFlag,
    ReportType,
    Side,
    Tif,
)
from services.matching_engine.book import Engine
from tests.property.naive_book import NaiveBook
from tests.support.book_checks import compare_reports, frame_of, told

LIMIT = (OrdType.LIMIT, Tif.GTC)


def test_the_hash_tells_states_apart_and_forgets_the_way() -> None:
    one, other, blank = Engine(), Engine(), Engine()
    order = Command(7, 100, 5, 0, 0, 0, 1, 3, CommandType.NEW, Side.BUY, *LIMIT, 0, 0, 0)
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
    buy = Command(1, 100, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.BUY, *LIMIT, 0, 0, partition=4)
    frame = frame_of([buy]) + frames.quote(0, 90, 1, 100, 2)
    reports = engine.process(frame, 0)
    kinds = [ReportType.ACCEPTED, ReportType.QUOTED, ReportType.FILLED, ReportType.FILLED]
    assert [r.type for r in told(reports)] == kinds
    assert [r.type for r in told(Engine.select(reports, 4))] == kinds[:3]  # not the house's own fill
    assert [r.type for r in told(Engine.select(reports, 5))] == [ReportType.QUOTED]
    assert Engine.select(b"", 0) == b""


def test_fills_print_at_the_makers_price_oldest_first() -> None:
    engine = Engine()
    sell = Command(1, 101, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.SELL, *LIMIT, 0, 0, 0)
    older, newer, better = sell, sell._replace(order_id=2), sell._replace(order_id=3, price=100)
    engine.process(frame_of([older, newer, better]), 0)
    taker = sell._replace(order_id=4, side=Side.BUY, price=105, qty=12, account=2)
    fills = told(engine.process(frame_of([taker]), 0))[1:]
    assert [(f.order_id, f.price, f.qty) for f in fills[::2]] == [(3, 100, 5), (1, 101, 5), (2, 101, 2)]
    assert [(f.order_id, f.leaves, f.match_id) for f in fills[1::2]] == [(4, 7, 1), (4, 2, 2), (4, 0, 3)]


def test_an_iceberg_of_the_most_tips_trades_them_all_and_one_lot_more_is_refused() -> None:
    engine, naive = Engine(), NaiveBook()
    iceberg = Command(1, 5, MAX_TIPS * 3, 0, 3, 0, 1, 0, CommandType.NEW, Side.SELL, *LIMIT, OrderFlag.ICEBERG, 0, 0)
    [refused] = told(engine.process(frame_of([iceberg._replace(qty=MAX_TIPS * 3 + 1)]), 0))
    assert (refused.type, refused.reason) == (ReportType.REJECTED, Reason.BAD_DISPLAY)
    taker = iceberg._replace(order_id=2, side=Side.BUY, aux_qty=0, flags=0, account=2)
    expected = naive.process(iceberg) + naive.process(taker)
    reports = compare_reports([iceberg, taker], expected, engine.process(frame_of([iceberg, taker]), 0))
    tips = [r.leaves for r in reports if r.flags & ReportFlag.MAKER]
    assert len(tips) == MAX_TIPS
    assert all(before - after == 3 for before, after in pairwise(tips))
    assert naive.happened["iceberg refreshed"] == MAX_TIPS - 1
