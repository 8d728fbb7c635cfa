"""Trailing stops in the desk against a naive reference: the same orders go at the same prices, whatever happens."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.core import CoreEngine
from fillstream.libs.common.engine.frames import REPORT, OrderFlag, OrdType, Report, ReportType, Side, Tif
from fillstream.libs.common.triggers.trailing import Trailing
from tests.support.naive_trailing import NaiveTrailing


def restored(trailing: Trailing, naive: NaiveTrailing) -> Trailing:
    """Return what a snapshot makes of it: each order with its best price, in the order of the ids."""
    twin, best = Trailing(naive.buy, naive.in_bps), dict(trailing.seen())
    for order_id, (offset, _) in sorted(naive.orders.items()):
        twin.add(order_id, offset, best.get(order_id))
    return twin


class Machine(RuleBasedStateMachine):
    """Two books of trailing stops that see the same, one of them restarted now and then."""

    @initialize(buy=st.booleans(), in_bps=st.booleans(), half=st.integers(-50, 50), wide=st.booleans())
    def begin(self, buy: bool, in_bps: bool, half: int, wide: bool) -> None:
        self.naive, self.fast = NaiveTrailing(buy, in_bps), Trailing(buy, in_bps)
        self.half = half * (100 if wide else 1)
        self.priced = False
        self.ids = 0

    @rule(offset=st.integers(1, 12), scale=st.sampled_from((1, 1, 700)), times=st.integers(1, 4))
    def arm(self, offset: int, scale: int, times: int) -> None:
        for _ in range(times):
            self.ids += 1
            self.put(self.ids, offset * scale)

    def put(self, order_id: int, offset: int) -> None:
        half = self.half if self.priced else None
        self.naive.add(order_id, offset, half)
        self.fast.add(order_id, offset, self.fast.best_now(half))

    @rule(jump=st.integers(-40, 40))
    def unseen(self, jump: int) -> None:
        """The price is another, but nobody looked at it: the market does not trade."""
        self.half += jump

    @rule(move=st.integers(-12, 12), restarts=st.booleans())
    def move(self, move: int, restarts: bool) -> None:
        self.half += move
        self.priced = True
        twin = restored(self.fast, self.naive) if restarts else None
        expected = self.naive.see(self.half)
        found = self.take(self.fast)
        assert dict(found) == expected
        assert twin is None or self.take(twin) == found, "a restart changes nothing, their order neither"
        assert len(self.fast) == len(self.naive.orders)
        nearest = [stop if self.naive.buy else -stop for _, stop in found]
        assert all(before <= behind for before, behind in pairwise(nearest))
        if not self.naive.in_bps:
            same = [(stop if self.naive.buy else -stop, order_id) for order_id, stop in found]
            assert same == sorted(same), "nearest stop first, then oldest"

    def take(self, trailing: Trailing) -> list[tuple[int, int]]:
        may = trailing.follow(self.half)
        found = [*trailing.reached(self.half)]
        assert may or not found, "False is certain"
        return found

    @rule(move=st.integers(-12, 12), most=st.integers(1, 3))
    def move_and_stop_early(self, move: int, most: int) -> None:
        """Some are let go now, and the others at the same price a moment later."""
        self.half += move
        self.priced = True
        expected = self.naive.see(self.half)
        found: dict[int, int] = {}
        while True:
            self.fast.follow(self.half)
            part = dict(islice(self.fast.reached(self.half), most))
            if not part:
                break
            found |= part
        assert found == expected

    @precondition(lambda self: self.naive.orders)
    @rule(data=st.data())
    def disarm(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(sorted(self.naive.orders)))
        del self.naive.orders[order_id]
        self.fast.drop(order_id)

    @precondition(lambda self: self.naive.orders)
    @rule(data=st.data())
    def amend(self, data: st.DataObject) -> None:
        """It is disarmed and comes back with the best price that it has seen."""
        order_id = data.draw(st.sampled_from(sorted(self.naive.orders)))
        best, (offset, _) = self.fast.best_of(order_id), self.naive.orders[order_id]
        self.fast.drop(order_id)
        self.fast.add(order_id, offset, best)

    @rule()
    def restart(self) -> None:
        self.fast = restored(self.fast, self.naive)

    @invariant()
    def stops_agree(self) -> None:
        for order_id in self.naive.orders:
            assert self.fast.stop_of(order_id) == self.naive.stop(order_id)


Machine.TestCase.settings = settings(deadline=None, stateful_step_count=60)
TestTrailing = Machine.TestCase


@pytest.mark.parametrize("in_bps", [False, True], ids=["ticks", "bps"])
@pytest.mark.parametrize("buy", [False, True], ids=["sells", "buys"])
@given(prices=st.lists(st.integers(900, 1100), min_size=1, max_size=40))
def test_a_stop_never_moves_away_from_the_market(buy: bool, in_bps: bool, prices: list[int]) -> None:
    trailing = Trailing(buy, in_bps)
    trailing.add(1, 1_000, trailing.best_now(prices[0]))
    stops = [trailing.stop_of(1)]
    for half in prices:
        trailing.follow(half)
        stops.append(trailing.stop_of(1))
    nearer = [stop for stop in stops if stop is not None]
    assert nearer == sorted(nearer, reverse=buy)


@pytest.mark.parametrize("in_bps", [False, True], ids=["ticks", "bps"])
@pytest.mark.parametrize("side", [Side.SELL, Side.BUY], ids=["sells", "buys"])
@given(
    steps=st.lists(
        st.one_of(st.tuples(st.just("print"), st.integers(40, 80)), st.tuples(st.just("arm"), st.integers(1, 20))),
        max_size=40,
    )
)
def test_the_desk_lets_go_of_what_a_book_would_at_the_same_print(
    side: Side, in_bps: bool, steps: list[tuple[str, int]]
) -> None:
    engine, trailing = CoreEngine(64), Trailing(side is Side.BUY, in_bps)
    last: int | None = None
    for number, (what, value) in enumerate(steps, start=1):
        if what == "arm":
            offset = value * 100 if in_bps else value
            order = frames.new_order(
                number, 1, 1, 0, side=side, ord_type=OrdType.TRAILING_STOP, tif=Tif.GTC, price=0, qty=1,
                display_or_offset=offset, flags=OrderFlag.OFFSET_BPS if in_bps else 0,
            )  # fmt: skip
            engine.process(order, 1)
            trailing.add(number, offset, trailing.best_now(None if last is None else 2 * last))
            continue
        last = value
        reports = map(Report._make, REPORT.iter_unpack(engine.process(frames.print_trade(1, Side.BUY, value, 1), 1)))
        triggered = {report.order_id for report in reports if report.type == ReportType.TRIGGERED}
        trailing.follow(2 * value)
        assert {order_id for order_id, _ in trailing.reached(2 * value)} == triggered


def test_a_group_that_many_left_is_cleaned_and_who_came_again_is_there_once() -> None:
    trailing = Trailing(buy=False, in_bps=False)
    for _ in range(500):
        for order_id in range(1, 4):
            trailing.add(order_id, order_id, 100)
        for order_id in range(1, 4):
            trailing.drop(order_id)
    assert len(trailing) == 0
    trailing.add(7, 5, 100)
    for _ in range(1_000):
        trailing.add(8, 6, 100)
        trailing.drop(8)
    [group] = trailing._groups
    assert len(group.heap) < 200
    assert len(trailing._next) < 200
    trailing.follow(2 * 95)
    assert [*trailing.reached(2 * 95)] == [(7, 95)]
