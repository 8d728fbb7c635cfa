"""What the state machine does not say: the hash's meaning, who hears what, and sizes it keeps away from."""

from itertools import pairwise

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import (
    MAX_PRICE,
    MAX_TIPS,
    Command,
    CommandType,
    OrderFlag,
    OrdType,
    Reason,
    ReportFlag,
    ReportType,
    Session,
    Side,
    Stp,
    Tif,
)
from tests.support.book_checks import compare_reports, frame_of, told
from tests.support.naive_book import NaiveBook

LIMIT = (OrdType.LIMIT, Tif.GTC)


def test_the_hash_tells_states_apart_and_forgets_the_way() -> None:
    one, other, blank = CoreEngine(), CoreEngine(), CoreEngine()
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
    engine = CoreEngine()
    buy = Command(1, 100, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.BUY, *LIMIT, 0, 0, partition=4)
    frame = frame_of([buy]) + frames.quote(0, 90, 1, 100, 2)
    reports = engine.process(frame, 0)
    kinds = [ReportType.ACCEPTED, ReportType.QUOTED, ReportType.FILLED, ReportType.FILLED]
    assert [r.type for r in told(reports)] == kinds
    assert [r.type for r in told(CoreEngine.select(reports, 4))] == kinds[:3]  # not the house's own fill
    assert [r.type for r in told(CoreEngine.select(reports, 5))] == [ReportType.QUOTED]
    assert CoreEngine.select(b"", 0) == b""


def test_fills_print_at_the_makers_price_oldest_first() -> None:
    engine = CoreEngine()
    sell = Command(1, 101, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.SELL, *LIMIT, 0, 0, 0)
    older, newer, better = sell, sell._replace(order_id=2), sell._replace(order_id=3, price=100)
    engine.process(frame_of([older, newer, better]), 0)
    taker = sell._replace(order_id=4, side=Side.BUY, price=105, qty=12, account=2)
    fills = told(engine.process(frame_of([taker]), 0))[1:]
    assert [(f.order_id, f.price, f.qty) for f in fills[::2]] == [(3, 100, 5), (1, 101, 5), (2, 101, 2)]
    assert [(f.order_id, f.leaves, f.match_id) for f in fills[1::2]] == [(4, 7, 1), (4, 2, 2), (4, 0, 3)]


def test_an_iceberg_of_the_most_tips_trades_them_all_and_one_lot_more_is_refused() -> None:
    engine, naive = CoreEngine(), NaiveBook()
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


def test_an_uncross_is_at_the_reference_that_the_auction_was_opened_with() -> None:
    engine = CoreEngine()
    engine.process(frames.session(0, Session.AUCTION, 110), 0)
    buy = Command(1, 120, 10, 0, 0, 0, 1, 0, CommandType.NEW, Side.BUY, *LIMIT, 0, 0, 0)
    engine.process(frame_of([buy, buy._replace(order_id=2, side=Side.SELL, price=90)]), 0)
    assert engine.indicative(0) == (110, 10)
    engine.process(frames.session(0, Session.HALTED), 0)
    reports = told(engine.process(frames.session(0, Session.CONTINUOUS), 0))
    assert [(r.type, r.price) for r in reports] == [
        (ReportType.SESSION_SET, 110),
        (ReportType.FILLED, 110),
        (ReportType.FILLED, 110),
    ]
    [closed] = told(engine.process(frames.session(0, Session.CONTINUOUS, 99), 0))
    assert closed.price == 0, "a running book has no reference"


def test_a_post_only_order_that_trades_whole_or_not_at_all_rests_where_it_would_not_trade() -> None:
    engine = CoreEngine()
    flags = OrderFlag.POST_ONLY | OrderFlag.ALL_OR_NONE
    ask = Command(1, 100, 5, 0, 0, 0, 1, 0, CommandType.NEW, Side.SELL, *LIMIT, 0, 0, 0)
    large = Command(2, 100, 10, 0, 0, 0, 2, 0, CommandType.NEW, Side.BUY, *LIMIT, flags, 0, 0)
    small = large._replace(order_id=3, qty=5)
    reports = told(engine.process(frame_of([ask, large, small]), 0))
    assert [(r.order_id, r.type, r.reason) for r in reports] == [
        (1, ReportType.ACCEPTED, 0),
        (2, ReportType.ACCEPTED, 0),
        (3, ReportType.REJECTED, Reason.WOULD_TRADE),
    ]


def test_a_market_to_limit_order_gets_its_limit_from_who_it_trades_with() -> None:
    engine = CoreEngine()
    own = Command(1, 100, 5, 0, 0, 0, 7, 0, CommandType.NEW, Side.SELL, *LIMIT, 0, 0, 0)
    taker = Command(3, 0, 12, 0, 0, 0, 7, 0, CommandType.NEW, Side.BUY, OrdType.MARKET_TO_LIMIT, Tif.GTC, 0, 0, 0)
    taker = taker._replace(stp=Stp.CANCEL_RESTING)
    other = own._replace(order_id=2, price=101, qty=10, account=8)
    reports = told(engine.process(frame_of([own, other, taker]), 0))[2:]
    assert [(r.order_id, r.type, r.price, r.qty) for r in reports] == [
        (3, ReportType.ACCEPTED, 101, 12),
        (1, ReportType.CANCELED, 100, 5),
        (2, ReportType.FILLED, 101, 10),
        (3, ReportType.FILLED, 101, 10),
    ]
    assert engine.best(0) == ((101, 2, 1), None)


def test_bands_refuse_the_limit_of_a_market_to_limit_order_and_let_what_is_there_become_less() -> None:
    engine = CoreEngine()
    bid = Command(1, 80, 9, 0, 0, 0, 1, 0, CommandType.NEW, Side.BUY, *LIMIT, 0, 0, 0)
    engine.process(frame_of([bid]) + frames.quote(0, 50, 5, 200, 5) + frames.bands(0, 90, 110), 0)
    taker = Command(2, 0, 9, 0, 0, 0, 2, 0, CommandType.NEW, Side.BUY, OrdType.MARKET_TO_LIMIT, Tif.GTC, 0, 0, 0)
    [refused] = told(engine.process(frame_of([taker]), 0))
    assert (refused.type, refused.reason) == (ReportType.REJECTED, Reason.OUTSIDE_BANDS)
    less, more = (frames.replace(1, 1, 0, 0, price=80, qty=qty) for qty in (5, 6))
    [smaller] = told(engine.process(less, 0))
    [larger] = told(engine.process(more, 0))
    assert (smaller.type, smaller.leaves) == (ReportType.REPLACED, 5)
    assert (larger.type, larger.reason) == (ReportType.REPLACE_REJECTED, Reason.OUTSIDE_BANDS)
    engine.process(frame_of([bid._replace(order_id=3, price=0, side=Side.SELL, ord_type=OrdType.MARKET, qty=2)]), 0)
    [done] = told(engine.process(frames.replace(1, 1, 0, 0, price=80, qty=2), 0))
    assert (done.type, done.reason) == (ReportType.CANCELED, Reason.REPLACED_BELOW_FILLED)


def test_the_answers_tell_what_a_stop_will_show_and_how_it_trails() -> None:
    engine = CoreEngine()
    stop = Command(1, 101, 20, 102, 3, 0, 1, 0, CommandType.NEW, Side.BUY, OrdType.STOP_LIMIT, Tif.GTC, 0, 0, 0)
    stop = stop._replace(flags=OrderFlag.ICEBERG)
    trailing = stop._replace(order_id=2, ord_type=OrdType.TRAILING_STOP, aux_qty=250, flags=OrderFlag.OFFSET_BPS)
    _, waits = told(engine.process(frame_of([stop, trailing]), 0))
    assert waits.price == 250
    assert waits.flags == ReportFlag.DORMANT | ReportFlag.TRAILING | ReportFlag.OFFSET_BPS
    triggered = told(engine.process(frames.print_trade(0, Side.BUY, 102, 1), 0))[-1]
    assert (triggered.type, triggered.aux) == (ReportType.TRIGGERED, 3)
    assert engine.best(0)[0] == (101, 3, 1)
    [canceled] = told(engine.process(frames.cancel(2, 1, 0, 0), 0))
    assert canceled.flags & ReportFlag.TRAILING


def test_a_trailing_stop_as_far_out_as_there_can_be_is_restored() -> None:
    engine, other = CoreEngine(), CoreEngine()
    for side, last in ((Side.BUY, MAX_PRICE), (Side.SELL, -MAX_PRICE)):
        stop = Command(
            side, 0, 1, 0, MAX_PRICE, 0, 1, 0, CommandType.NEW, side, OrdType.TRAILING_STOP, Tif.GTC, 0, 0, 0
        )
        [_, accepted] = told(engine.process(frames.print_trade(0, side, last, 1) + frame_of([stop]), 0))
        assert accepted.aux == 2 * last
        other.restore(engine.snapshot())
        assert other.state_hash() == engine.state_hash()
        engine.process(frames.cancel(side, 1, 0, 0), 0)
