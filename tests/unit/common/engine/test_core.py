"""The C engine as Python calls it: plain calls, memory of the caller's, queries, and what is refused."""

import copy
import pickle
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import UNDONE, CoreEngine, Level, Resting, Walk
from fillstream.libs.common.engine.frames import OrdType, ReportType, Side


def test_plain_calls_are_answered_in_full_whatever_the_buffer() -> None:
    engine = CoreEngine(output_reports=3)
    for order_id in range(1, 6):
        assert engine.submit(order_id, 1, 0, Side.SELL, 100, 1) == 1
    count = engine.submit(9, 2, 0, Side.BUY, 100, 5)
    assert len(engine.answers(count)) == (1 + 2 * 5) * 64
    assert engine.cancel(1, 1) == 1


@pytest.mark.parametrize("records", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reports_written_into_the_callers_memory_are_those_of_process(
    records: int, kind: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    sells = b"".join(
        frames.new_order(i, 1, 0, 0, side=Side.SELL, ord_type=OrdType.LIMIT, tif=1, price=100, qty=1, expiry_ms=7 + i)
        for i in range(1, 6)
    )
    buy = frames.new_order(9, 2, 0, 0, side=Side.BUY, ord_type=OrdType.LIMIT, tif=1, price=100, qty=3)
    one, other, out = CoreEngine(), CoreEngine(), bytearray(records * 64)
    for frame, now_ms in ((sells, 5), (buy, 8), (b"", 20)):
        answers, rest = b"", kind(frame)
        while True:
            begun, written = other.process_into(rest, now_ms, out)
            answers += out[: written * 64]
            if written < records:
                break
            rest = rest[begun * 64 :]
        assert answers == one.process(kind(frame), now_ms)
    assert other.snapshot() == one.snapshot()
    with pytest.raises(ValueError, match="out holds 0 records"):
        other.process_into(b"", 20, bytearray())
    with pytest.raises(ValueError, match="now_ms is -1"):
        other.process_into(b"", -1, out)


def unfinished() -> CoreEngine:
    """An engine with reports of a command that nobody has fetched yet."""
    engine = CoreEngine()
    for order_id in range(1, 5):
        engine.submit(order_id, 1, 0, Side.BUY, 1, 1)
    sell = frames.new_order(50, 2, 0, 0, side=Side.SELL, ord_type=OrdType.LIMIT, tif=1, price=1, qty=3)
    assert engine.process_into(sell, 0, bytearray(64)) == (1, 1)
    return engine


def test_while_reports_are_to_be_fetched_the_state_is_not_to_be_had() -> None:
    whole = CoreEngine().snapshot()
    engine = unfinished()
    assert engine.submit(99, 1, 0, 1, 1, 1) == UNDONE == engine.cancel(1, 1)
    calls: dict[str, Callable[[], object]] = {
        "submit": lambda: engine.answers(UNDONE),
        "snapshot": engine.snapshot,
        "restore": lambda: engine.restore(whole),
        "state_hash": engine.state_hash,
    }
    for name, call in calls.items():
        with pytest.raises(RuntimeError, match=f"^{name} must wait: reports are still to be fetched with process_into"):
            call()
    rest = [frames.Report._make(report) for report in frames.reports(engine.process(b"", 0))]
    assert [report.type for report in rest] == [ReportType.FILLED] * 6
    assert engine.submit(99, 1, 0, 1, 1, 1) == 1
    assert engine.snapshot()


@pytest.mark.parametrize("count", [-1, 8193, 10**5, 2**62])
def test_answers_that_no_call_gave_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count is {count}, and must be between 0 and 8192"):
        CoreEngine().answers(count)


QUERIES: dict[str, Callable[[CoreEngine, Any], object]] = {
    "symbol": lambda engine, value: engine.best(value),
    "levels": lambda engine, value: engine.depth(0, 1, value),
    "orders": lambda engine, value: engine.queue(0, 1, value),
    "qty": lambda engine, value: engine.cost(0, 1, value),
    "side": lambda engine, value: engine.depth(0, value),
    "order_id": lambda engine, value: engine.find(value),
    "price": lambda engine, value: engine.cumulative(0, 1, value),
    "after": lambda engine, value: engine.orders_after(0, value, 1),
    "account": lambda engine, value: engine.orders_after(0, 0, 1, value),
    "partition": lambda engine, value: engine.orders_after(value, 0, 1),
    "max_orders": lambda _, value: CoreEngine(value),
    "output_reports": lambda _, value: CoreEngine(1, value),
}


@pytest.mark.parametrize("field", QUERIES)
def test_a_query_names_what_it_cannot_use(field: str) -> None:
    engine = CoreEngine()
    for value in (2**70, -(2**70), *([] if field == "price" else [-1])):
        with pytest.raises(ValueError, match=f"^{field} is .*, and must be between "):
            QUERIES[field](engine, value)
    for value in (1.5, "1", None, True):
        with pytest.raises(TypeError, match=f"^{field} is .*, and must be an integer"):
            QUERIES[field](engine, value)


def test_queries_make_room_for_what_there_is_alone() -> None:
    engine = CoreEngine()
    engine.process(frames.quote(0, 9, 5, 11, 6), 0)
    engine.submit(1, 1, 0, Side.BUY, 8, 1)
    assert engine.depth(0, Side.BUY, 2**30) == [Level(9, 5, 1), Level(8, 1, 1)]
    assert [order.house for order in engine.queue(0, Side.BUY, 2**30)] == [1, 0]
    assert (engine.depth(0, Side.BUY, 0), engine.queue(0, Side.BUY, 0)) == ([], [])
    assert engine.cost(7, Side.BUY, 1) == Walk(0, 0, 0)


@pytest.mark.parametrize("some", [1, 2, 7, 1000])
def test_a_walk_over_a_partitions_orders_meets_each_once_by_its_number(some: int) -> None:
    dice, engine = Random(some), CoreEngine()
    engine.process(frames.quote(1, 900, 5, 1100, 6), 0)
    for number in dice.sample(range(1, 2**40), 400):
        stop = dice.random() < 0.2
        kind, price = (OrdType.STOP, 0) if stop else (OrdType.LIMIT, dice.randrange(950, 1050))
        order = frames.new_order(
            number, dice.randrange(1, 4), dice.randrange(1, 4), dice.randrange(3), side=dice.choice((1, 2)),
            ord_type=kind, tif=frames.Tif.GTC, price=price, qty=dice.randrange(1, 9),
            stop_price=dice.choice((10, 5000)) if stop else 0,
        )  # fmt: skip
        engine.process(order, 0)
    live = [
        order
        for symbol in range(1, 4)
        for side in Side
        for dormant in (False, True)
        for order in engine.queue(symbol, side, 1000, dormant=dormant)
        if not order.house
    ]
    assert len(live) == engine.orders() > 50
    assert {order.dormant for order in live} == {0, 1}
    for partition in range(4):
        for account in range(4):
            met: list[Resting] = []
            while found := engine.orders_after(partition, met[-1].order_id if met else 0, some, account):
                met += found
            mine = [o for o in live if o.partition == partition and account in (0, o.account)]
            assert met == sorted(mine)


def test_reserve_names_its_limit() -> None:
    CoreEngine().reserve(1000)
    with pytest.raises(ValueError, match="orders is -1, and must be between 0 and 1073741824"):
        CoreEngine().reserve(-1)


def test_bound_calls_say_what_they_do() -> None:
    engine = CoreEngine()
    assert "order_id, account, symbol, side, price, qty" in str(engine.submit.__doc__)
    assert "cancel one order" in str(engine.cancel.__doc__)


def test_an_engine_is_not_copied() -> None:
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"cannot be copied or pickled: snapshot\(\) gives its state"):
            attempt(CoreEngine())


NEIGHBOURS = range(1, 60_001)
TIMES = {"next": 1, "8": 8, "64": 64, "1000": 1_000, "a snowflake's": 1 << 22, "far": (1 << 64) // 60_007}


@pytest.mark.parametrize("step", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("room", [0, 300_000])
def test_every_order_is_found_by_its_id_however_ids_follow_one_another(step: int, room: int) -> None:
    engine = CoreEngine()
    engine.reserve(room)
    ids = [each * step for each in NEIGHBOURS]
    for order_id in ids:
        assert engine.submit(order_id, 7, 0, Side.BUY, 100 + order_id % 50, 1) == 1

    def cancel(order_id: int) -> int:
        answer = engine.answers(engine.cancel(order_id, 7))
        assert int.from_bytes(answer[:8], "little") == order_id
        return answer[56]

    Random(3).shuffle(ids)
    gone, left = ids[: len(ids) // 2], ids[len(ids) // 2 :]
    assert {cancel(each) for each in gone} == {ReportType.CANCELED}
    assert {cancel(each) for each in gone[:1_000]} == {ReportType.CANCEL_REJECTED}
    assert {cancel(each) for each in left} == {ReportType.CANCELED}


def test_every_eighth_of_many_orders_may_rest() -> None:
    engine = CoreEngine()
    for order_id in NEIGHBOURS:
        assert engine.submit(order_id, 7, 0, Side.BUY, 100, 1) == 1
        if order_id % 8:
            assert engine.cancel(order_id, 7) == 1
    assert len(engine.snapshot()) > 0
