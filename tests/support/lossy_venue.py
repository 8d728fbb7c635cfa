"""A naive venue outside the desk: it has orders and trades them, and what it says of that is lost, late or told twice.

What it answers when it is asked for what it has is the truth. It is no stage: it reads the streams as they are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from fillstream.backtest.memory_log import MemoryRedis
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import CommandType, Side, Tif
from fillstream.libs.common.messages.topology import order_id_of
from tests.support.simulated_desk import ACCOUNTS, SYMBOLS, SimulatedDesk

SYMBOL_OF = {number: symbol for symbol, number in SYMBOLS.items()}
CENTS = Decimal("0.01")
WAYS = ("fills", "ended", "quantities")
"""What it says beside what is open: every trade by its name; orders that have ended; neither."""


@dataclass
class Held:
    """An order as the venue has it."""

    venue_order_id: str
    order_id: int | None
    account: str
    symbol: str
    side: str
    price: int
    quantity: int
    trades: list[tuple[str, int, int]] = field(default_factory=list)
    ended: str | None = None

    @property
    def cum(self) -> int:
        return sum(lots for _, lots, _ in self.trades)

    @property
    def leaves(self) -> int:
        return 0 if self.ended else self.quantity - self.cum

    def filled(self) -> dict[str, str]:
        """Return what is filled of it, and its mean price, as a report says it."""
        if not self.trades:
            return {"cum_qty": "0"}
        notional = sum((lots * px for _, lots, px in self.trades), 0)
        return {"cum_qty": str(self.cum), "avg_px": str(round(Decimal(notional) * CENTS / self.cum, 10))}


class LossyVenue:
    """The venue of one desk.

    Args:
        desk: whose streams it reads and answers in.
        seed: decides everything.
        name: of the venue.
        own: whether somebody else sends it orders, too.
    """

    def __init__(self, desk: SimulatedDesk, seed: int, name: str = "OUT", own: bool = True) -> None:
        self.desk, self.name, self.own = desk, name, own
        self.dice = random.Random(f"venue {seed}")
        self.way = WAYS[seed % len(WAYS)]
        self.orders: dict[str, Held] = {}
        self.late: list[tuple[str, dict[str, Any]]] = []
        self.lost = self.repeated = 0
        self.sound = False
        self._read = dict.fromkeys(range(desk.topology.symbol_partitions), 0)
        self._trades = 0

    @property
    def redis(self) -> MemoryRedis:
        return self.desk.redis

    # ------------------------------------------------------------------------------------------- what it does

    def step(self) -> None:
        """Do one thing: read a command, trade, take an order of somebody else's, or say what is late."""
        dice = self.dice
        kind = dice.random()
        if kind < 0.5:
            self.read(1)
        elif kind < 0.8:
            self.trade()
        elif kind < 0.85 and self.own:
            self.external()
        elif self.late:
            self.say(*self.late.pop(dice.randrange(len(self.late))))

    def calm(self) -> None:
        """Read all there is, say all that is late, and lose nothing from now on."""
        self.sound = True
        self.read(10**9)
        self.dice.shuffle(self.late)
        late, self.late = self.late, []
        for each in late:
            self.say(*each)

    def read(self, most: int) -> None:
        for book, at in self._read.items():
            stream = self.redis.streams.get(self.desk.topology.commands(self.name, book), [])
            for entry in stream[at : at + most]:
                self._read[book] += 1
                if b"data" in entry.fields:
                    self.asked(book, orjson.loads(entry.fields[b"data"]))
                elif b"frame" in entry.fields:
                    for record in frames.commands(entry.fields[b"frame"]):
                        self.command(frames.Command._make(record))

    def command(self, command: frames.Command) -> None:
        if not self.sound and self.dice.random() < 0.04:
            self.lost += 1
            return  # it never arrived
        order = next((each for each in self.orders.values() if each.order_id == command.order_id), None)
        match command.type:
            case CommandType.NEW:
                self.new(command)
            case CommandType.CANCEL if order is not None and order.leaves:
                self.end(order, "Canceled")
            case CommandType.REPLACE if order is not None and order.leaves and command.qty > order.cum:
                order.quantity, order.price = command.qty, command.price
                self.report(order, "Replaced", quantity=str(command.qty), price=self.px(command.price))
            case CommandType.CANCEL | CommandType.REPLACE if order is not None:
                kind = "Cancel" if command.type == CommandType.CANCEL else "Replace"
                self.report(order, f"{kind}Rejected")

    def new(self, command: frames.Command) -> None:
        order = Held(
            f"V-{len(self.orders) + 1}", command.order_id, ACCOUNTS[command.account - 1], SYMBOL_OF[command.symbol],
            "BUY" if command.side == Side.BUY else "SELL", command.price, command.qty,
        )  # fmt: skip
        self.orders[order.venue_order_id] = order
        if self.dice.random() < 0.05:
            self.end(order, "Rejected")
            return
        self.report(order, "New")
        if command.tif in (Tif.IOC, Tif.FOK):
            self.fill(order)
            if order.leaves:
                self.end(order, "Canceled")

    def external(self) -> None:
        account, dice = self.dice.choice(ACCOUNTS), self.dice
        order = Held(
            f"V-{len(self.orders) + 1}", None, account, "AAPL", dice.choice(("BUY", "SELL")),
            dice.randrange(14_900, 15_100), dice.choice((5, 40)),
        )  # fmt: skip
        self.orders[order.venue_order_id] = order

    def trade(self) -> None:
        able = [order for order in self.orders.values() if order.leaves]
        if able:
            self.fill(self.dice.choice(able))

    def fill(self, order: Held) -> None:
        lots = self.dice.randrange(1, order.leaves + 1)
        better = self.dice.randrange(3)
        price = order.price - better if order.side == "BUY" else order.price + better
        self._trades += 1
        order.trades.append((f"T-{self._trades}", lots, price))
        more = {"cum_qty": str(order.cum)} if self.dice.random() < 0.7 else {}
        self.report(order, "Trade", exec_id=f"T-{self._trades}", last_qty=str(lots), last_px=self.px(price), **more)
        if not order.leaves:
            order.ended = "Filled"

    def end(self, order: Held, how: str) -> None:
        order.ended = how
        self.report(order, how)

    # -------------------------------------------------------------------------------------------- what it says

    def report(self, order: Held, exec_type: str, **more: str) -> None:
        """Say something of an order: now, later, twice or never."""
        if order.order_id is None:
            return
        document = {"type": "VenueReport", "v": 1, "venue": self.name, "exec_type": exec_type, **more}
        document |= {"order_id": str(order.order_id), "venue_order_id": order.venue_order_id}
        inbox = self.desk.topology.orders(self.desk.topology.account_partition(order.account))
        chance = 1.0 if self.sound else self.dice.random()
        if chance < 0.15:
            self.lost += 1
        elif chance < 0.40:
            self.late.append((inbox, document))
        else:
            self.say(inbox, document)
            if chance < 0.50:
                self.repeated += 1
                self.late.append((inbox, document))

    def say(self, inbox: str, document: dict[str, Any]) -> None:
        self.redis.add(inbox, {b"data": orjson.dumps(document)})

    def asked(self, book: int, request: dict[str, Any]) -> None:
        """Tell all there is of an account partition in these books, a few orders a page."""
        if request["type"] == "AdoptOrder":
            self.orders[request["venue_order_id"]].order_id = int(request["order_id"])
            return
        if not self.sound and self.dice.random() < 0.1:
            return
        topology, partition = self.desk.topology, request["partition"]
        mine = [
            order
            for order in self.orders.values()
            if topology.account_partition(order.account) == partition
            and topology.symbol_partition(order.symbol) == book
        ]
        rows = [("orders", self.row(order)) for order in mine if order.leaves or self.way == "ended"]
        if self.way == "fills":
            rows += [("fills", row) for order in mine for row in self.fills(order)]
        rows += [("positions", row) for row in self.positions(mine)]
        self.dice.shuffle(rows)
        pages = [rows[at : at + 7] for at in range(0, len(rows), 7)] or [[]]
        for number, some in enumerate(pages, start=1):
            page: dict[str, Any] = {"type": "MassStatusReport", "v": 1, "venue": self.name}
            page |= {"request_id": request["request_id"], "symbol_partition": book, "page": number}
            page |= {"last_page": number == len(pages), "covers": ["orders", "positions"]}
            for kind, row in some:
                page.setdefault(kind, []).append(row)
            self.say(topology.orders(partition), page)

    def row(self, order: Held) -> dict[str, Any]:
        row: dict[str, Any] = {**self.named(order), **order.filled()}
        row |= {"quantity": str(order.quantity), "price": self.px(order.price), "order_type": "LIMIT"}
        return row | ({"ord_status": order.ended} if order.ended else {})

    def fills(self, order: Held) -> list[dict[str, Any]]:
        rows, cum = [], 0
        for exec_id, lots, price in order.trades:
            cum += lots
            row = {"exec_id": exec_id, "last_qty": str(lots), "last_px": self.px(price), "cum_qty": str(cum)}
            rows.append(self.named(order) | row)
        return rows

    def positions(self, orders: list[Held]) -> list[dict[str, Any]]:
        held = self.held(orders)
        return [{"account": a, "symbol": s, "quantity": str(lots)} for (a, s), lots in held.items()]

    def held(self, orders: list[Held] | None = None) -> dict[tuple[str, str], int]:
        """Return what accounts hold, by account and symbol."""
        found: dict[tuple[str, str], int] = {}
        for order in self.orders.values() if orders is None else orders:
            key = order.account, order.symbol
            found[key] = found.get(key, 0) + (order.cum if order.side == "BUY" else -order.cum)
        return found

    def named(self, order: Held) -> dict[str, Any]:
        ours = {} if order.order_id is None else {"order_id": str(order.order_id)}
        return ours | {
            "venue_order_id": order.venue_order_id,
            "account": order.account,
            "symbol": order.symbol,
            "side": order.side,
        }

    @staticmethod
    def px(ticks: int) -> str:
        return str(ticks * CENTS)


assert order_id_of(0, 1) == 1, "what orders go by is of the desk's making"
