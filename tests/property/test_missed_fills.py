"""Whatever a venue loses, repeats or tells late of an order's trades: nothing is booked twice, in the end all is."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.services.order_service.orders.life.order import Order
from tests.support.orders import OrdersDesk
from tests.support.reconciling import LATER_MS, answer, ask, differences, held, outside, position, row, trade

TICK = Decimal("0.01")
LIMIT, QUANTITY = 18_500, 100


@dataclass
class Venue:
    """One order's trades, and which of them the desk was told: a reference that only adds up."""

    desk: OrdersDesk
    buy: bool
    trades: list[tuple[int, int]] = field(default_factory=list)
    late: list[int] = field(default_factory=list)

    @property
    def cum(self) -> int:
        return sum(lots for lots, _ in self.trades)

    @property
    def notional(self) -> int:
        return sum(lots * ticks for lots, ticks in self.trades)

    @property
    def order(self) -> Order:
        order = self.desk.stage._state.orders[1]
        assert isinstance(order, Order)
        return order

    def execute(self, lots: int, better: int) -> None:
        lots = min(lots, QUANTITY - self.cum)
        if lots:
            self.trades.append((lots, LIMIT - better if self.buy else LIMIT + better))
            self.late.append(len(self.trades) - 1)

    def report(self, number: int, with_cum: bool) -> None:
        lots, ticks = self.trades[number]
        cum = {"cum_qty": str(sum(each for each, _ in self.trades[: number + 1]))} if with_cum else {}
        self.desk.fold(trade(f"T-{number}", str(lots), str(ticks * TICK), **cum))

    def reconcile(self, way: str) -> None:
        """Let the desk ask, and answer by exec ids, or by the quantity and its mean price, or by the quantity alone."""
        self.desk.ms += LATER_MS
        mean = (
            {"avg_px": str(round(Decimal(self.notional) * TICK / self.cum, 12))}
            if self.cum and way != "quantity"
            else {}
        )
        ended = {"ord_status": "Filled"} if self.cum == QUANTITY else {}
        orders = [row(quantity=str(QUANTITY), cum_qty=str(self.cum), price="185", **mean, **ended)]
        told: dict[str, Any] = {"orders": orders, "positions": [held(str(self.cum if self.buy else -self.cum))]}
        if way == "fills":
            told["fills"] = [
                {"order_id": "1", "exec_id": f"T-{n}", "last_qty": str(lots), "last_px": str(ticks * TICK)}
                for n, (lots, ticks) in enumerate(self.trades)
            ]
        events = answer(self.desk, ask(self.desk), **told)
        assert {resolution for _, resolution in differences(events)} <= {"booked", "accepted"}, events


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("execute"), st.integers(1, 60), st.integers(0, 30)),
        st.tuples(st.just("report"), st.integers(0, 20), st.booleans()),
        st.tuples(st.just("again"), st.integers(0, 20), st.booleans()),
        st.tuples(st.just("reconcile"), st.sampled_from(("mean", "mean", "fills")), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
    ),
    max_size=30,
)


def take(venue: Venue, steps: list[tuple[str, Any, Any]]) -> None:
    for kind, one, other in steps:
        match kind:
            case "execute":
                venue.execute(one, other)
            case "report" if venue.late:
                venue.report(venue.late.pop(one % len(venue.late)), other)
            case "again" if venue.trades:
                venue.report(one % len(venue.trades), other)
            case "reconcile":
                venue.reconcile(one)
                assert (venue.order.cum, venue.order.leaves) == (venue.cum, QUANTITY - venue.cum)
            case "restart":
                venue.desk.restarted()
        assert venue.order.cum <= venue.cum, "nothing is booked that the venue has not"
        assert position(venue.desk) == (venue.order.cum if venue.buy else -venue.order.cum)


@settings(max_examples=300, deadline=None)
@given(buy=st.booleans(), steps=STEPS, last=st.sampled_from(("mean", "fills")))
def test_nothing_is_booked_twice_and_in_the_end_all_of_it(
    buy: bool, steps: list[tuple[str, Any, Any]], last: str
) -> None:
    desk = outside()
    desk.new(side="BUY" if buy else "SELL", quantity=str(QUANTITY), price="185.00")
    venue = Venue(desk, buy)
    take(venue, steps)
    venue.reconcile(last)
    order = venue.order
    assert (order.cum, sum(fill.lots for fill in order.fills)) == (venue.cum, venue.cum)
    # What came by its name is exact; of what was inferred the mean was.
    for number in range(len(venue.trades)):
        venue.report(number, True)
    venue.reconcile("fills")
    real = {f"T-{number}": each for number, each in enumerate(venue.trades)}
    assert {fill.exec_id: (fill.lots, fill.ticks) for fill in venue.order.fills} == real
    assert (venue.order.cum, venue.order.notional) == (venue.cum, venue.notional)
