"""Client, venue and clock in any order, with restarts: an order is as a naive reference says, and the books agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.libs.common.messages.topology import SIM
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.order_service.orders.life.order import Order
from fillstream.services.position_service.stage import PositionStage
from fillstream.tools.arithmetic import PRECISION, Books
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but

OVERFILL = 5
DESK = but(
    CONFIG,
    venues={SIM: VenueTerms(simulated=False, max_overfill_lots=OVERFILL)},
    execution_timeout_ms=1_000,
    retention_ms=60_000,
)


@dataclass
class Naive:
    """One order, as what was heard of it so far: its status is reckoned anew from that whenever it is asked for."""

    quantity: int = 100
    limits: list[int] = field(default_factory=lambda: [18500])
    trades: dict[str, tuple[int, int]] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    heard: set[str] = field(default_factory=set)
    acknowledged: bool = False
    ended: str | None = None
    standing: str | None = None
    cancel: bool = False
    amendment: tuple[int, int] | None = None

    @property
    def cum(self) -> int:
        return sum(lots for lots, _ in self.trades.values())

    @property
    def notional(self) -> int:
        return sum(lots * price for lots, price in self.trades.values())

    @property
    def final(self) -> bool:
        return self.ended is not None or self.cum >= self.quantity

    @property
    def status(self) -> str:
        if self.ended is not None:
            return self.ended
        if self.cum >= self.quantity:
            return "Filled"
        if self.cancel:
            return "PendingCancel"
        if self.amendment is not None:
            return "PendingReplace"
        if self.standing is not None:
            return self.standing
        if self.cum:
            return "PartiallyFilled"
        return "New" if self.acknowledged or self.heard else "PendingNew"

    @property
    def leaves(self) -> int:
        return 0 if self.final or self.status == "DoneForDay" else self.quantity - self.cum

    def _may_trade(self, lots: int, price: int, instead_of: int = 0) -> bool:
        limits = [*self.limits, *([self.amendment[1]] if self.amendment is not None else [])]
        return price <= max(limits) and self.cum - instead_of + lots <= self.quantity + OVERFILL

    def hear(self, kind: str, exec_id: str, ref: str, lots: int, price: int, renewed: bool) -> bool:
        """Take a report; return whether it makes sense."""
        match kind:
            case "New":
                return self._acknowledge()
            case "Trade":
                return self._trade(exec_id, lots, price)
            case "TradeCancel" | "TradeCorrect":
                return self._change(kind, exec_id, ref, lots, price)
            case "Canceled" | "Expired" | "Rejected" | "Calculated":
                return self._end(kind)
            case "Replaced" | "ReplaceRejected" | "CancelRejected":
                return self._answer(kind, lots)
            case "Restated":
                if self.final or lots < self.cum:
                    return False
                self.quantity = lots
                self.standing = None if renewed and self.standing == "DoneForDay" else self.standing
                return True
        if self.final or self.standing == kind:
            return False
        self.standing = None if kind == "Triggered" else kind
        return True

    def _acknowledge(self) -> bool:
        if self.ended == "Rejected" or (self.acknowledged and (self.standing is None or self.final)):
            return False
        self.standing = None if self.acknowledged else self.standing
        self.acknowledged = True
        return True

    def _trade(self, exec_id: str, lots: int, price: int) -> bool:
        if exec_id in self.heard or self.ended == "Rejected" or not self._may_trade(lots, price):
            return False
        if not self.final and self.standing != "Suspended":
            self.standing = None
        self.trades[exec_id] = (lots, price)
        self.newest[exec_id] = exec_id
        self.heard.add(exec_id)
        return True

    def _change(self, kind: str, exec_id: str, ref: str, lots: int, price: int) -> bool:
        named = next((one for one in self.trades if ref in (one, self.newest[one])), None)
        if exec_id in self.heard or named is None:
            return False
        if kind == "TradeCancel":
            del self.trades[named]
        elif self._may_trade(lots, price, self.trades[named][0]):
            self.trades[named] = (lots, price)
            self.newest[named] = exec_id
        else:
            return False
        self.heard.add(exec_id)
        return True

    def _end(self, kind: str) -> bool:
        if kind == "Calculated":
            finished = self.status in ("Filled", "DoneForDay")
            self.ended = kind if finished else self.ended
            return finished or self.status in ("Canceled", "Expired")
        if self.final or (kind == "Rejected" and self.cum):
            return False
        self.ended = kind
        self.cancel = self.cancel and kind != "Canceled"
        return True

    def _answer(self, kind: str, lots: int) -> bool:
        if kind == "CancelRejected":
            asked, self.cancel = self.cancel, False
            return asked
        if self.amendment is None or (kind == "Replaced" and self.ended is not None):
            return False
        if kind == "Replaced":
            self.quantity = max(lots, self.cum)
            self.limits.append(self.amendment[1])
        self.amendment = None
        return True


KINDS = [
    *["Trade"] * 6, *["TradeCancel"] * 3, *["TradeCorrect"] * 3, "New", "Canceled", "Expired", "Rejected", "Stopped",
    "Suspended", "DoneForDay", "Calculated", "Restated", "Triggered", "Replaced", "ReplaceRejected", "CancelRejected",
]  # fmt: skip
lots = st.integers(1, 60)
ids = st.sampled_from(["A", "B", "C", "D", "E", "F"])
reports = st.tuples(
    st.sampled_from(KINDS),
    ids,
    ids,
    lots | st.just(100),
    st.sampled_from([18400, 18450, 18500, 18500, 18511]),
    st.booleans(),
)
clients = st.tuples(st.sampled_from(["cancel", "replace"]), lots | st.just(150), st.sampled_from(["185.00", "185.10"]))
clock = st.sampled_from([("tick", 1), ("tick", 400), ("tick", 1_500), ("restart", 0)])
steps = st.lists(st.one_of(reports, reports, reports, clients, clock), min_size=5, max_size=40)


def told(kind: str, exec_id: str, ref: str, size: int, price: int, renewed: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "VenueReport", "v": 1, "venue": "SIM", "exec_type": kind, "order_id": "1"}
    if kind in ("Trade", "TradeCorrect"):
        said |= {"last_qty": str(size), "last_px": f"{price / 100:.2f}"}
    if kind in ("Trade", "TradeCancel", "TradeCorrect"):
        said["exec_id"] = exec_id
    if kind in ("TradeCancel", "TradeCorrect"):
        said["ref_exec_id"] = ref
    if kind in ("Restated", "Replaced"):
        said["quantity"] = str(size)
    if kind == "Restated":
        said["restatement_reason"] = 1 if renewed else 3
    return said


def ask(desk: OrdersDesk, naive: Naive, number: int, step: tuple[str, int, str]) -> None:
    """The client asks for something; what the rules of amendments say of it is not looked at here."""
    kind, size, price = step
    if kind == "cancel":
        event = desk.cancel(signal_id=f"c{number}", order_id="1")
        assert (event["type"] == "OrderCancelRequested") == (not naive.final and not naive.cancel)
        naive.cancel = naive.cancel or event["type"] == "OrderCancelRequested"
        return
    event = desk.replace(signal_id=f"r{number}", order_id="1", quantity=str(size), price=price)
    if event["type"] == "OrderReplaceRequested":
        assert not naive.final and not naive.cancel and naive.amendment is None
        naive.amendment = (size, int(Decimal(price) * 100))


def check(desk: OrdersDesk, naive: Naive) -> None:
    order = desk.stage._state.orders[1]
    assert isinstance(order, Order)
    assert (order.status, order.quantity, order.cum, order.leaves) == (
        naive.status, naive.quantity, naive.cum, naive.leaves,
    )  # fmt: skip
    assert order.notional == naive.notional
    assert {fill.exec_id: (fill.lots, fill.ticks) for fill in order.fills} == naive.trades
    holding = desk.stage._state.holdings.holding("default", "AAPL")
    assert (holding.quantity, holding.cash) == (naive.cum, -naive.notional)
    assert holding.fees == sum(fill.fee for fill in order.fills)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_an_order_is_as_the_naive_reference_says_under_any_interleaving(script: list[Any]) -> None:
    desk, naive = OrdersDesk(DESK), Naive()
    desk.new(price="185.00")
    for number, step in enumerate(script):
        if step[0] == "tick":
            told_late = [each for each in desk.tick(step[1]) if each["type"] == "OrderUnanswered"]
            assert all(each["ord_status"] == naive.status for each in told_late), "it stays as it is"
        elif step[0] == "restart":
            assert desk.restarted() is None
        elif len(step) == 3:
            ask(desk, naive, number, step)
        else:
            before, dead = desk.stage.snapshot(), len(desk.dead)
            desk.fold({b"data": orjson.dumps(told(*step))})
            if naive.hear(*step):
                assert len(desk.dead) == dead, desk.dead[-1:]
            else:
                assert len(desk.dead) == dead + 1
                assert desk.stage.snapshot() == before, "what is refused changes nothing"
        check(desk, naive)
    waits = desk.stage.gauges()["unanswered_requests"]
    assert waits["CancelOrder"] <= naive.cancel
    assert waits["ReplaceOrder"] <= (naive.amendment is not None)
    books_agree(desk, naive)


def books_agree(desk: OrdersDesk, naive: Naive) -> None:
    stage, out, books = PositionStage(0), Outputs("positions", "events.0"), Books()
    messages: list[Any] = []
    for number, event in enumerate(desk.events):
        entry = Entry(f"{event['time']}-{number}", event["time"], {b"data": orjson.dumps(event)})
        out.begin(entry)
        stage.fold(entry, out)
        out.seal()
        messages += [orjson.loads(each) for _, payloads in out.by_stream.values() for each in payloads]
        out.clear()
    with localcontext(prec=PRECISION):
        for event in desk.events:
            books.event(event)
        for message in messages:
            books.position(message)
    assert books.problems() == []
    assert not any(books.legs.values()), "every trade and every change of one is booked"
    for last in [each for each in messages if "position" in each][-1:]:
        assert int(last["position"]) == naive.cum
        assert Decimal(last["cash"]) + Decimal(last["fees"]) == Decimal(-naive.notional) / 100
