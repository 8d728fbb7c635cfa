"""An orders stage with SIM's books, driven by signals as clients write them; what a market maker does stands beside it.

The other side of every market is the account `maker`, which no limit holds back.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import ReportFlag, ReportType
from fillstream.libs.common.messages.simulation import SimulationConfig
from fillstream.libs.common.messages.topology import SIM, Topology
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.life.order import FINAL, Order
from fillstream.services.order_service.orders.state import State
from fillstream.services.order_service.signals.encode import instruction_of
from tests.support.desk_with_sim import DeskWithSim
from tests.support.orders import control, report
from tests.support.terms import account, instrument

D = Decimal
FAMILY_CONFIG = DeskConfig(
    instruments={"AAPL": instrument(1, D("0.01"), D(1)), "ES": instrument(3, D("0.25"), D(1), multiplier=D(50))},
    accounts={
        "default": account(1, D(10_000_000), 100_000, D(0), D(100)),
        "maker": account(2, D(1_000_000_000), 1_000_000, D(0), D(10_000)),
    },
)


class FamilyDesk(DeskWithSim):
    """A desk and its book; times pass by `after`."""

    def __init__(self, config: DeskConfig = FAMILY_CONFIG, topology: Topology | None = None) -> None:
        super().__init__(config, topology)
        self._count = 0

    @property
    def state(self) -> State:
        """The orders stage's."""
        return self.desk.stage._state

    def signal(self, kind: str = "NewOrder", **fields: Any) -> list[dict[str, Any]]:
        """Send a signal as a client writes it; return all events that follow until nothing is due."""
        self._count += 1
        said = {"signal_id": f"g{self._count}", "account": "default", **fields}
        said |= {} if kind == "NewOrder" else {"type": kind}
        instruction = instruction_of(said, f"{self.desk.ms}-0") | {"signal_time": self.desk.ms}
        return self.fold({b"data": orjson.dumps(instruction)})

    def asked(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        """Let the orders stage have a signal, and the book nothing of what follows; return its events."""
        instruction = instruction_of(said, f"{self.desk.ms}-0") | {"signal_time": self.desk.ms}
        return [
            each
            for each in self.desk.fold({b"data": orjson.dumps(instruction)})
            if each["type"] not in ("OrderCancelRequested", "OrderReplaceRequested", "OrderReplaced", "OrderCanceled")
        ]

    def quote(self, bid: int, ask: int, lots: int = 1_000, symbol: int = 1, venue: str = SIM) -> list[dict[str, Any]]:
        """Let the feed quote at a venue, in ticks."""
        return self.feed(frames.quote(symbol, bid=bid, bid_qty=lots, ask=ask, ask_qty=lots), venue)

    def print(self, price: int, symbol: int = 1) -> list[dict[str, Any]]:
        """Let the feed tell a trade elsewhere, in ticks."""
        return self.feed(frames.print_trade(symbol, 1, price, 1))

    def simulate(self, config: SimulationConfig) -> None:
        """Let the venue fall short of the ideal one from now on."""
        self._execute_entry({b"config": config.to_json()})

    def printed(self, price: int, symbol: int = 1) -> dict[bytes, bytes]:
        """Return the report of a trade elsewhere, without letting the desk know."""
        [fields] = self._execute(frames.print_trade(symbol, 1, price, 1))
        return fields

    def traded(self, order: Order, lots: int) -> dict[bytes, bytes]:
        """Return the report of a trade of an order that rests, as its book would send it next."""
        number = self.state.numbered.get(order.terms.commands, 1) // 2 + 1
        record = report(
            ReportType.FILLED, order.order_id, price=order.price, qty=lots, leaves=order.leaves - lots,
            match_id=number, account=order.account_id, symbol=order.terms.id, side=1 if order.side == "BUY" else 2,
            flags=ReportFlag.MAKER,
        )  # fmt: skip
        return {b"frame.SIM": record}

    def deliver(self, commands: list[frames.Command]) -> list[dict[str, Any]]:
        """Let the book have commands that it did not get when they were sent."""
        told: list[dict[str, Any]] = []
        for fields in self._execute(b"".join(frames.COMMAND.pack(*each) for each in commands)):
            told += self.fold(fields)
        return told

    def control(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Let an operator do something to `default`, by an id of its own."""
        self._count += 1
        return self.fold({b"control": orjson.dumps(control(kind, **{"control_id": f"o{self._count}", **fields}))})

    def signal_unheard(self, kind: str, **fields: Any) -> list[frames.Command]:
        """Send a signal whose commands stay on their way; return them, for `deliver`."""
        self._count += 1
        said = {"signal_id": f"g{self._count}", "account": "default", "type": kind, **fields}
        sent = len(self.desk.commands)
        instruction = instruction_of(said, f"{self.desk.ms}-0") | {"signal_time": self.desk.ms}
        self.desk.fold({b"data": orjson.dumps(instruction)})
        return self.desk.commands[sent:]

    def after(self, ms: int) -> list[dict[str, Any]]:
        """Let time pass; every timer fires when it is due."""
        told, until = [], self.desk.ms + ms
        while self.desk.ms < until:
            timed = (self.desk.stage, *self.engines.values())
            dues = [each.due_ms for each in timed if each.due_ms is not None and each.due_ms <= until]
            self.desk.ms = max(self.desk.ms + 1, min(dues)) if dues else until
            for venue in self.engines:
                for fields in self._execute_entry({b"tick": b"1"}, venue):
                    told += self.fold(fields)
            told += self.fold({b"tick": b"1"})
        return told

    def order(self, client_order_id: str, account: str = "default") -> Order:
        """Return an order by its client's id."""
        found = self.state.find_client(account, client_order_id)
        assert isinstance(found, Order), f"{client_order_id} is {found}"
        return found

    def working(self) -> dict[str, tuple[str, int]]:
        """Return what of `default` works, by client's id: status and open lots."""
        return {
            o.client_order_id: (o.status, o.quantity - o.cum)
            for o in self.state.orders_of("default")
            if o.status not in FINAL
        }

    def held(self, symbol: str = "AAPL") -> int:
        """Return what `default` holds, in lots."""
        return self.state.holdings.holding("default", symbol).quantity

    def check(self) -> None:
        """Whatever happened: children add up, nothing is out twice, and what is reserved is what works."""
        check_families(self.state)
        assert not self.desk.dead, self.desk.dead


def check_families(state: State) -> None:
    """Check the sums that every family must keep, at any moment that everything stirred was looked at."""
    for work in state.families.works.values():
        parent = state.orders[work.order_id]
        children = [*children_of(state, parent, parent.side)]
        away = sum(o.quantity - o.cum for o in children if o.status not in FINAL)
        assert parent.out == away == sum(work.open.values()), work
        if len(children) == work.made:  # none has left the state
            assert parent.cum == sum(o.cum for o in children), work
            assert parent.notional == sum(o.notional for o in children), work
        if not state.overfills.get(parent.venue):
            assert parent.cum + away <= parent.quantity or parent.status in FINAL, work
        if parent.status in FINAL:
            assert not away, work
        assert {*work.until, *work.asked_for} <= {*work.open}, work
    for bracket in state.families.brackets.values():
        entry = state.orders[bracket.entry_id]
        exits = [*children_of(state, entry, "SELL" if entry.side == "BUY" else "BUY")]
        at_venue = sum(o.quantity - o.cum for o in exits if o.status not in FINAL and not o.is_held)
        assert sum(o.cum for o in exits) <= entry.cum, bracket
        assert at_venue <= entry.cum - sum(o.cum for o in exits), bracket


def children_of(state: State, parent: Order, side: str) -> Iterator[Order]:
    """Yield the children of an order on a side that have not left the state: exits are on the other one."""
    parent_id = str(parent.order_id)
    return (o for o in state.live() if o.links is not None and o.links.parent_id == parent_id and o.side == side)
