"""The markets of `algo_market` under the desk's own runner: an orders stage and SIM's book, driven by the same moves.

Flows in: moves, an algorithm with its parameters. Flows out: what was traded when and at what price, counted from the
journal and the book's tape, with the same words as `algo_market.Trader`, so that both can be compared. What differs is
SIM's: it shows the touch alone, and a trade elsewhere fills what rests at its price or better, as far as it is large.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson

from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.reference import InstrumentTerms
from fillstream.services.order_service.orders.config import DeskConfig
from fillstream.services.order_service.orders.life.order import FINAL
from tests.support.algo_market import STALE_MS, START_MS, Fill, Move, Sample
from tests.support.family_desk import FamilyDesk
from tests.support.terms import account

D = Decimal
SEEDED = InstrumentTerms(id=1, tick_size=D("0.01"), lot_size=D(1))
CAPTURED = InstrumentTerms(id=1, tick_size=D("0.01"), lot_size=D("0.00001"))
"""What the seeded market trades, and the captured one."""
ACCOUNT = account(1, D(10**15), 100_000, D(0), D(100))


@dataclass
class DeskJob:
    """What figures need of the parent."""

    buy: bool
    lots: int
    done: int = 0
    arrival: int | None = None
    order_id: str = ""


class DeskTrader:
    """Works one parent on a market, on a desk of its own."""

    def __init__(self, name: str, lots: int, told: Mapping[str, Any], terms: InstrumentTerms, buy: bool = True) -> None:
        self.desk = FamilyDesk(
            DeskConfig(instruments={"TEST": terms}, accounts={"default": ACCOUNT}, max_quote_age_ms=STALE_MS)
        )
        self.name, self.told, self.terms = name, told, terms
        self.job = DeskJob(buy, lots)
        self.fills: list[Fill] = []
        self.samples: list[Sample] = []
        self.sent = 0
        self._began: tuple[int, int] = (0, 0)
        self._until_done = 0
        self._read = 0

    def run(self, moves: Iterable[Move], ms: int | None, start_ms: int, limit: int | None = None) -> DeskTrader:
        """Live through a market, until the end of the parent's time."""
        desk, began = self.desk, False
        for move in moves:
            if not self.fills and desk.desk.ms > move.at_ms:
                desk.desk.ms = move.at_ms  # a desk of the tests begins at another noon
            if not began and move.at_ms >= start_ms:
                began = True
                self._pass_until(start_ms)
                self._begin(ms, limit)
            self._pass_until(move.at_ms)
            self._happens(move)
            if began and self._look():
                break
        if ms is not None and not self._over:
            self._pass_until(start_ms + ms)
            self._look()
        desk.check()
        return self

    def _pass_until(self, at_ms: int) -> None:
        if at_ms > self.desk.desk.ms:
            self.desk.after(at_ms - self.desk.desk.ms)

    def _begin(self, ms: int | None, limit: int | None) -> None:
        told = dict(self.told) | ({} if ms is None else {"duration_ms": ms})
        price = {} if limit is None else {"price": str(limit * self.terms.tick_size)}
        quantity = str(self.job.lots * self.terms.lot_size)
        self._began = self._tape()
        self.desk.signal(
            client_order_id="p", symbol="TEST", side="BUY" if self.job.buy else "SELL", quantity=quantity,
            time_in_force="GTC", algorithm=self.name, algorithm_parameters=orjson.dumps(told).decode(), **price,
        )  # fmt: skip
        order = self.desk.order("p")
        self.job.order_id = str(order.order_id)
        self.job.arrival = self.desk.state.families.works[order.order_id].arrival

    def _happens(self, move: Move) -> None:
        if move.quote is not None:
            bid, bid_lots, ask, ask_lots = move.quote
            self.desk.feed(frames.quote(1, bid=bid, bid_qty=bid_lots, ask=ask, ask_qty=ask_lots))
        if move.trade is not None:
            buyer, ticks, lots = move.trade
            self.desk.feed(frames.print_trade(1, 1 if buyer else 2, ticks, lots))

    def _look(self) -> bool:
        """Read what the journal has told since; return whether the parent is done."""
        events = self.desk.desk.events
        tick, lot = self.terms.tick_size, self.terms.lot_size
        for event in events[self._read :]:
            mine = event.get("parent_id") == self.job.order_id
            if event["type"] == "OrderReceived" and mine:
                self.sent += 1
            elif event["type"] == "OrderFilled" and mine:
                lots = int(D(event["last_qty"]) / lot)
                fill = Fill(event["time"], int(D(event["last_px"]) / tick), lots, event["liquidity"] == "MAKER")
                self.fills.append(fill)
                self.job.done += lots
                self._until_done = self._tape()[0]
            elif event["type"] == "OrderProgressed" and event["order_id"] == self.job.order_id:
                planned = event.get("planned_qty")
                done = int(D(event["cum_qty"]) / lot)
                self.samples.append(Sample(event["time"], None if planned is None else int(D(planned) / lot), done))
        self._read = len(events)
        return self._over

    @property
    def _over(self) -> bool:
        return bool(self.job.order_id) and self.desk.order("p").status in FINAL

    def _tape(self) -> tuple[int, int]:
        engine = self.desk.engine._engine
        tape = engine.last(1)
        return (0, 0) if tape is None else (tape.volume, engine.turnover(1))

    # ------------------------------------------------------------------ figures

    @property
    def notional(self) -> int:
        """Ticks times lots of what it traded."""
        return sum(each.ticks * each.lots for each in self.fills)

    def deviation(self) -> Fraction:
        """Return the largest distance of done from planned that was told, as a share of all lots."""
        found = [abs(each.planned - each.done) for each in self.samples if each.planned is not None]
        return Fraction(max(found, default=0), self.job.lots)

    def participation(self) -> Fraction:
        """Return its share of what the market traded from its start to its last trade."""
        return Fraction(self.job.done, max(1, self._until_done - self._began[0]))

    def slippage_bps(self) -> Fraction:
        """Return how much worse than the market's VWAP while it worked it traded (basis points; below 0: better)."""
        volume, turnover = self._tape()
        vwap = Fraction(turnover - self._began[1], max(1, volume - self._began[0]))
        worse = Fraction(self.notional, max(1, self.job.done)) / vwap - 1
        return 10_000 * (worse if self.job.buy else -worse)


def work_on_desk(
    name: str, moves: Iterable[Move], lots: int, told: Mapping[str, Any], *, buy: bool = True,
    ms: int | None = 600_000, limit: int | None = None, start_ms: int = START_MS, terms: InstrumentTerms = SEEDED,
) -> DeskTrader:  # fmt: skip
    """Work an order of an algorithm on a market by the desk's runner, and return what became of it."""
    return DeskTrader(name, lots, told, terms, buy).run(moves, ms, start_ms, limit)
