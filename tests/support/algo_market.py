"""A market that algorithms are tried on: seeded or captured, with a runner that is simple enough to be believed.

Flows in: what a market does, one `Move` after another, and an algorithm with its parameters. Flows out: what was
traded when and at what price, as samples and as the journal would tell it. Nothing here is the desk's own code: the
desk's runner can be compared with it.

What trades with whom: an order that takes gets what is displayed, level by level. One that rests has what was displayed
at its price in front of it, and trades when others trade at its price beyond those, or through it, or quote through it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from math import floor
from pathlib import Path
from typing import Any, NamedTuple

from fillstream.demo.feeds import binance
from fillstream.demo.market_numbers import Listed
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import Command, CommandType, Side
from fillstream.libs.common.messages.reference import InstrumentTerms
from fillstream.libs.common.values.money import Scale
from fillstream.services.order_service.orders.algos import ALGORITHMS, Algorithm
from fillstream.services.order_service.orders.algos.algorithm import Completion, Parameters, Plan, Slice
from fillstream.services.order_service.orders.compiled import Quote

START_MS = 1_700_000_000_000
CAPTURE = Path(__file__).resolve().parents[3] / "shared/data/binance_spot_btcusdt_20240809.gz"
LEVELS = 5
FOLLOWS_MS = 100
"""A plan that follows is asked so often at most."""
STALE_MS = 10_000
"""A quote this old is nobody's to trade on."""
MOST_ASKED = 10_000
"""In one ms: more is an algorithm that runs in circles."""
CONTINUOUS, HALTED = "CONTINUOUS", "HALTED"


class Move(NamedTuple):
    """One thing a market does: it quotes (0 lots: nobody there), it trades, or it changes its session."""

    at_ms: int
    quote: tuple[int, int, int, int] | None = None  # bid ticks, lots, ask ticks, lots
    trade: tuple[bool, int, int] | None = None  # whether a buyer came in, ticks, lots
    session: str | None = None


@dataclass
class SimBook:
    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()
    volume: int = 0
    notional: int = 0


@dataclass
class SimJob:
    """A parent as an algorithm sees it: `algos.algorithm.Job`."""

    buy: bool
    lots: int
    parameters: Any
    start_ms: int
    end_ms: int | None
    limit: int | None = None
    rests: bool = True
    price: Scale = field(default_factory=lambda: Scale(Decimal("0.01")))
    lot: Scale = field(default_factory=lambda: Scale(Decimal(1)))
    order_id: str = "o-1"
    now: int = 0
    done: int = 0
    open: int = 0
    quote: Quote = field(default_factory=Quote)
    arrival: int | None = None
    book: SimBook | None = None
    volume: int = 0
    notional: int = 0
    own: int = 0
    asked: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    drawn: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> int:
        return self.lots - self.done

    def draw(self, below: int, what: str = "") -> int:
        self.drawn[what] += 1
        seed = f"{self.order_id}:{what}:{self.drawn[what]}".encode()
        return int.from_bytes(blake2b(seed, digest_size=16).digest(), "big") % below


@dataclass
class Resting:
    ticks: int
    lots: int
    ahead: int


class Sample(NamedTuple):
    at_ms: int
    planned: int | None
    done: int


class Fill(NamedTuple):
    at_ms: int
    ticks: int
    lots: int
    maker: bool


def checked(job: SimJob, plan: Plan) -> Plan:
    """Return a plan that asks for no more than there is, and for no time that is over; fail otherwise."""
    assert all(each.lots > 0 for each in plan.slices), plan
    assert sum(each.lots for each in plan.slices) <= max(job.left, 0), plan
    assert all(each.ticks is not None for each in plan.slices if each.rests), plan
    assert plan.again_ms is None or plan.again_ms > job.now, plan
    assert plan.planned is None or 0 <= plan.planned <= job.lots, plan
    return plan


class Trader:
    """Works one parent on a market."""

    def __init__(self, algorithm: Algorithm, job: SimJob, depth: int = LEVELS) -> None:
        self.algorithm = algorithm
        self.depth = depth
        self.job = job
        self.parameters: Parameters = job.parameters
        self.session = CONTINUOUS
        self.resting: list[Resting] = []
        self.again: int | None = job.start_ms
        self.plan = Plan()
        self.fills: list[Fill] = []
        self.samples: list[Sample] = []
        self.events: list[dict[str, Any]] = []
        self.sent = 0
        self.over = False
        self._asked_ms = 0
        self._touch: tuple[int, ...] = ()
        self._began: tuple[int, int] | None = None
        self.total_volume = 0
        self.total_notional = 0

    # ------------------------------------------------------------------ the market

    def run(self, moves: Iterable[Move]) -> Trader:
        """Live through a market, until the end of the parent's time."""
        for move in moves:
            self._timers(move.at_ms)
            if self.over:
                break
            self._happens(move)
            if move.at_ms >= self.job.start_ms:
                self._look(move.at_ms)
        if self.job.end_ms is not None:
            self._timers(self.job.end_ms)
        return self

    def _happens(self, move: Move) -> None:
        quote = self.job.quote
        if move.session is not None:
            self.session = quote.session = move.session
        if move.quote is not None:
            quote.bid, quote.bid_qty, quote.ask, quote.ask_qty = move.quote
            quote.at_ms = move.at_ms
            self._quoted_through(move.at_ms)
            if self._touch != move.quote:
                self._tell(move.at_ms, "QuoteUpdated", **self._quote_said())
        if move.trade is not None:
            self._traded(move.at_ms, *move.trade)

    def _traded(self, at_ms: int, buyer: bool, ticks: int, lots: int) -> None:
        self._volume(ticks, lots)
        self.job.quote.last = ticks
        if buyer == self.job.buy:
            return
        for each in sorted(self.resting, key=lambda one: one.ticks, reverse=self.job.buy):
            if each.ticks != ticks and (each.ticks > ticks) != self.job.buy:
                break
            if each.ticks == ticks:
                passed = min(each.ahead, lots)
                each.ahead -= passed
                lots -= passed
            got = min(each.lots, lots)
            lots -= got
            self._filled(at_ms, each.ticks, got, maker=True, resting=each)

    def _quoted_through(self, at_ms: int) -> None:
        quote = self.job.quote
        for each in list(self.resting):
            there = quote.ask_qty if self.job.buy else quote.bid_qty
            touch = quote.ask if self.job.buy else quote.bid
            own = quote.bid if self.job.buy else quote.ask
            if there and (touch <= each.ticks if self.job.buy else touch >= each.ticks):
                got = min(each.lots, there)
                self._take_from_quote(got)
                self._volume(each.ticks, got)
                self._filled(at_ms, each.ticks, got, maker=True, resting=each)
            elif own == each.ticks:
                each.ahead = min(each.ahead, quote.bid_qty if self.job.buy else quote.ask_qty)

    def _take_from_quote(self, lots: int) -> None:
        quote = self.job.quote
        if self.job.buy:
            quote.ask_qty -= lots
        else:
            quote.bid_qty -= lots

    def _volume(self, ticks: int, lots: int) -> None:
        self.total_volume += lots
        self.total_notional += ticks * lots

    def _filled(self, at_ms: int, ticks: int, lots: int, maker: bool, resting: Resting | None = None) -> None:
        if not lots:
            return
        if resting is not None:
            resting.lots -= lots
            self.resting = [each for each in self.resting if each.lots]
        self.job.done += lots
        self.job.own += lots
        self.job.open = sum(each.lots for each in self.resting)
        assert self.job.done + self.job.open <= self.job.lots, "oversold"
        self.fills.append(Fill(at_ms, ticks, lots, maker))
        scales = self.job.price, self.job.lot
        said = {"last_px": scales[0].text(ticks), "last_qty": scales[1].text(lots), "parent_id": self.job.order_id}
        child = {"order_id": f"{self.job.order_id}.{self.sent}", "quantity": scales[1].text(lots)}
        self._tell(at_ms, "OrderFilled", liquidity="MAKER" if maker else "TAKER", **said, **child)

    # ------------------------------------------------------------------ the runner

    def _timers(self, until: int) -> None:
        job = self.job
        while not self.over:
            due = [each for each in (self.again, job.end_ms) if each is not None]
            if not due or min(due) > until:
                return
            if job.end_ms is not None and job.end_ms <= min(due):
                self._end(job.end_ms)
            else:
                self._ask(max(min(due), job.start_ms))

    def _look(self, now: int) -> None:
        """Ask again where something happened that the plan waits for."""
        quote, plan = self.job.quote, self.plan
        touch = (quote.bid, quote.bid_qty, quote.ask, quote.ask_qty)
        moved, self._touch = touch != self._touch, touch
        far, there = (quote.ask, quote.ask_qty) if self.job.buy else (quote.bid, quote.bid_qty)
        reached = plan.touch is not None and there and (far <= plan.touch if self.job.buy else far >= plan.touch)
        filled = bool(self.fills) and self.fills[-1].at_ms == now
        if filled or (moved and (reached or (plan.follows and now - self._asked_ms >= FOLLOWS_MS))):
            self._ask(now)
        elif moved and plan.follows:
            soon = self._asked_ms + FOLLOWS_MS
            self.again = soon if self.again is None else min(self.again, soon)

    def _ask(self, now: int) -> None:
        for _ in range(MOST_ASKED):
            if self.over or not self._asked(now):
                return
        raise AssertionError("an algorithm that is asked without end")

    def _asked(self, now: int) -> bool:
        """Ask once and do as the plan says. Return whether something was taken, so that it is asked again."""
        job = self.job
        job.now, self._asked_ms, self.again = now, now, None
        if self._began is None:
            self._began = (self.total_volume, self.total_notional)
            both = job.quote.bid_qty and job.quote.ask_qty
            job.arrival = job.quote.bid + job.quote.ask if both else None
            self._tell(now, "OrderReceived", order_type="MARKET" if job.limit is None else "LIMIT")
        job.volume, job.notional = self.total_volume - self._began[0], self.total_notional - self._began[1]
        if self.algorithm.needs_book:
            bids, asks = self._levels()
            job.book = SimBook(bids, asks, self.total_volume, self.total_notional)
        if job.left <= 0:
            self.over = True
            return False
        if self.session != CONTINUOUS or now - job.quote.at_ms > STALE_MS:
            self.resting, job.open = [], 0
            self.again = now + self.parameters.retry_ms
            return False
        plan = self.plan = checked(job, self.algorithm.plan(job))
        job.asked += 1
        self.again = plan.again_ms
        self.samples.append(Sample(now, plan.planned, job.done))
        planned = None if plan.planned is None else job.lot.text(plan.planned)
        self._tell(now, "OrderProgressed", planned_qty=planned, text=plan.text, algorithm=self.algorithm.name)
        return self._does(now, self._bounded(plan))

    def _bounded(self, plan: Plan) -> list[Slice]:
        """Return a plan's slices as the parent's own bounds leave them."""
        job, told = self.job, self.parameters
        room = job.left
        if told.max_participation is not None and told.max_participation < 1:
            share = Fraction(told.max_participation)
            room = min(room, max(0, floor((job.volume - job.own) * share / (1 - share)) - job.done))
        smallest, largest = (
            None if each is None else floor(Fraction(each) / Fraction(job.lot.step))
            for each in (told.smallest_clip, told.largest_clip)
        )
        kept: list[Slice] = []
        for each in plan.slices:
            lots = min(each.lots, room if largest is None else min(largest, room))
            if lots <= 0 or (smallest is not None and lots < smallest and lots != job.left):
                continue
            ticks = each.ticks
            if job.limit is not None:
                bound = min if job.buy else max
                ticks = job.limit if ticks is None else bound(ticks, job.limit)
            kept.append(each._replace(lots=lots, ticks=ticks))
            room -= lots
        return kept

    def _does(self, now: int, slices: list[Slice]) -> bool:
        before = self.job.done
        wanted: Counter[int] = Counter()
        for each in slices:
            if each.rests:
                assert each.ticks is not None
                wanted[each.ticks] += each.lots
        missing = wanted.copy()
        for one in self.resting:  # too much of it is canceled, the oldest keep their places in the queue
            one.lots = min(one.lots, missing[one.ticks])
            missing[one.ticks] -= one.lots
        self.resting = [one for one in self.resting if one.lots]
        for ticks, lots in missing.items():
            if lots:
                self._rest(now, ticks, lots)
        self.job.open = sum(one.lots for one in self.resting)
        for each in slices:
            if not each.rests:
                self._take(now, each)
        return self.job.done > before

    def _rest(self, now: int, ticks: int, lots: int) -> None:
        quote = self.job.quote
        self.sent += 1
        got = self._take(now, Slice(lots, ticks), counted=False)
        if lots > got:
            own, there = (quote.bid, quote.bid_qty) if self.job.buy else (quote.ask, quote.ask_qty)
            self.resting.append(Resting(ticks, lots - got, there if own == ticks else 0))

    def _take(self, now: int, wish: Slice, counted: bool = True) -> int:
        """Take what is displayed, level by level; return how many lots there were."""
        self.sent += counted
        got = 0
        for number, (ticks, there) in enumerate(self._levels()[self.job.buy]):
            far = wish.ticks is not None and (ticks > wish.ticks if self.job.buy else ticks < wish.ticks)
            lots = min(wish.lots - got, there)
            if far or lots <= 0:
                break
            if number == 0:
                self._take_from_quote(lots)
            self._volume(ticks, lots)
            self._filled(now, ticks, lots, maker=False)
            got += lots
        return got

    def _levels(self) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """Return bids and asks: behind the touch as many lots again at each tick, `depth` levels together."""
        quote, deep = self.job.quote, self.depth
        bids = tuple((quote.bid - n, quote.bid_qty) for n in range(deep)) if quote.bid_qty else ()
        asks = tuple((quote.ask + n, quote.ask_qty) for n in range(deep)) if quote.ask_qty else ()
        return bids, asks

    def _end(self, now: int) -> None:
        self.job.now, self.over = now, True
        self.resting, self.job.open = [], 0
        if self.parameters.completion is Completion.MARKET and self.session == CONTINUOUS:
            self._take(now, Slice(self.job.left, self.job.limit))
        # A schedule is over, and all of it is due; of what follows the market it is known only when it is asked.
        self.samples.append(Sample(now, self.job.lots if self.algorithm.needs_end else None, self.job.done))

    # ------------------------------------------------------------------ what is told

    def _tell(self, at_ms: int, kind: str, **more: Any) -> None:
        job = self.job
        spent = sum(each.ticks * each.lots for each in self.fills)
        head = {
            "type": kind, "time": at_ms, "order_id": job.order_id, "symbol": "TEST",
            "side": "BUY" if job.buy else "SELL", "quantity": job.lot.text(job.lots),
            "cum_qty": job.lot.text(job.done),
            "avg_px": job.price.mean(spent, job.done) if job.done else None,
        }  # fmt: skip
        self.events.append({**head, **more})

    def _quote_said(self) -> dict[str, Any]:
        quote, price = self.job.quote, self.job.price
        return {
            "order_id": None,
            "bid_px": price.text(quote.bid) if quote.bid_qty else None,
            "ask_px": price.text(quote.ask) if quote.ask_qty else None,
        }

    # ------------------------------------------------------------------ figures

    @property
    def notional(self) -> int:
        """Ticks times lots of what it traded."""
        return sum(each.ticks * each.lots for each in self.fills)

    def deviation(self) -> Fraction:
        """Return the largest distance of done from planned at any time it was asked, as a share of all lots."""
        found = [abs(each.planned - each.done) for each in self.samples if each.planned is not None]
        return Fraction(max(found, default=0), self.job.lots)

    def participation(self) -> Fraction:
        """Return its share of what the market traded from its start to its last trade."""
        return Fraction(self.job.done, max(1, self.volume_until_done))

    @property
    def volume_until_done(self) -> int:
        began = self._began or (0, 0)
        return self.total_volume - began[0]

    def slippage_bps(self) -> Fraction:
        """Return how much worse than the market's VWAP while it worked it traded (basis points; below 0: better)."""
        began = self._began or (0, 0)
        vwap = Fraction(self.total_notional - began[1], max(1, self.total_volume - began[0]))
        worse = Fraction(self.notional, max(1, self.job.done)) / vwap - 1
        return 10_000 * (worse if self.job.buy else -worse)


def work(
    name: str, moves: Iterable[Move], lots: int, parameters: Mapping[str, Any], *, buy: bool = True,
    ms: int | None = 600_000, limit: int | None = None, start_ms: int = START_MS, depth: int = LEVELS,
    **more: Any,
) -> Trader:  # fmt: skip
    """Work an order of an algorithm on a market from `start_ms` for `ms`, and return what became of it."""
    algorithm = ALGORITHMS[name]
    told = algorithm.parameters.model_validate(parameters)
    end = None if ms is None else start_ms + ms
    return Trader(algorithm, SimJob(buy, lots, told, start_ms, end, limit, **more), depth).run(moves)


def seeded(seed: int, ms: int = 600_000, start_ms: int = START_MS, busy: Mapping[int, int] | None = None) -> list[Move]:
    """Return a market made up from a seed: a quote about four times a second, a trade about twice.

    Args:
        seed: the same gives the same.
        ms: for so long.
        start_ms: from when on.
        busy: how many times larger trades are in each tenth of the time; 1 where it says nothing.
    """
    draw = random.Random(seed)
    moves: list[Move] = []
    bid, at = 18_490, start_ms - 2_000
    while at < start_ms + ms:
        at += draw.randint(20, 230)
        bid += draw.choice((-1, 0, 0, 0, 1))
        ask = bid + draw.randint(1, 3)
        moves.append(Move(at, quote=(bid, draw.randint(20, 400), ask, draw.randint(20, 400))))
        if draw.random() < 0.5:
            buyer = draw.random() < 0.5
            lots = draw.randint(1, 300) * (busy or {}).get((at - start_ms) * 10 // ms, 1)
            moves.append(Move(at + draw.randint(1, 15), trade=(buyer, ask if buyer else bid, lots)))
    return moves


def captured(path: Path = CAPTURE) -> Iterator[Move]:
    """Yield a Binance capture of BTCUSDT: ticks of 0.01, lots of 0.00001."""
    terms = InstrumentTerms(id=4, tick_size=Decimal("0.01"), lot_size=Decimal("0.00001"))
    for moment in binance(path, {"BTCUSDT": Listed(terms)}):
        [record] = frames.commands(moment.record)
        told = Command._make(record)
        at_ms = moment.time_ns // 1_000_000
        if told.type == CommandType.QUOTE:
            yield Move(at_ms, quote=(told.price, told.qty, told.aux_price, told.aux_qty))
        else:
            yield Move(at_ms, trade=(told.side == Side.BUY, told.price, told.qty))
