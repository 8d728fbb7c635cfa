"""Market data, a strategy and a desk, brought together in the data's own time.

Flows in: what happened on the market, in order. Flows out: what the desk told, payload by payload, to whoever records
it. Time is the data's: entries get the ids that they would have had then. A signal arrives the stated latency after
what the strategy was told when it sent it; what the venue takes besides is `execution.simulation`'s. Never a clock, and
never the machine's speed: the same data and the same strategy give the same bytes.

At each millisecond: what is due in the desk, signals that arrive, bars that have ended and timers, then the market. The
desk comes to rest after each of these, and the strategy is told what came of it: positions first, then orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from heapq import heappop, heappush
from typing import NamedTuple

from orjson import loads

from fillstream.backtest.memory_desk import MemoryDesk
from fillstream.demo.market_numbers import Listed, Moment
from fillstream.libs.common.engine.frames import COMMAND, CommandType, Side, offset_of
from fillstream.libs.common.values.versions import Document
from fillstream.strategy.market import Bar, Quote, Trade
from fillstream.strategy.session import Session

_TYPE = offset_of("fs_command", "type")
_SIDES = {int(Side.BUY): "BUY", int(Side.SELL): "SELL"}
DRAIN_MS = 60_000
"""How long the desk goes on after the data's end, at most, for what is on its way: orders, cancels, answers."""
DECIMALS_KEPT = 4096
MOST_ANSWERS = 50_000
"""Signals that may arrive within one millisecond: a strategy without latency may answer itself for ever."""


class BarEnded(NamedTuple):
    """A bar of the data's own.

    Attributes:
        time_ns: when it is told, nanoseconds since 1970 UTC: its last moment.
        symbol: of what.
        bar: the bar.
    """

    time_ns: int
    symbol: str
    bar: Bar


class Decimals:
    """Makes decimals of an instrument's ticks (`price`) and lots (`quantity`); the most of a market are few."""

    __slots__ = ("price", "quantity")

    def __init__(self, one: Listed) -> None:
        self.price = lru_cache(DECIMALS_KEPT)(one.ticks.number)
        self.quantity = lru_cache(DECIMALS_KEPT)(one.lots.number)


Happening = Moment | BarEnded
Told = Callable[[str, list[Document]], None]
"""Takes what the desk told: the kind of the stream (`events`, `positions`, `dead`), and messages, in order."""


class Unordered(ValueError):
    """The market goes back in time."""


class Driver:
    """One run.

    Args:
        desk: fresh.
        session: of the strategy.
        decimals: of each instrument.
        frames_to: the key of the stream that takes an instrument's market data.
        latency_ms: from what the strategy is told to its signal's arrival.
        told: hears everything that the desk tells.
    """

    def __init__(
        self,
        desk: MemoryDesk,
        session: Session,
        decimals: Mapping[str, Decimals],
        frames_to: dict[str, str],
        latency_ms: int,
        told: Told,
    ) -> None:
        self._desk = desk
        self._session = session
        self._decimals = decimals
        self._frames_to = frames_to
        self._latency_ms = latency_ms
        self._told = told
        self._on_the_way: list[tuple[int, int, dict[bytes, bytes]]] = []
        self._sent = 0
        self._answers = 0
        topology = desk.topology
        accounts = range(topology.account_partitions)
        self._heard = [("positions", topology.positions(a), f"p{a}-") for a in accounts]
        self._heard += [("events", topology.events(a), f"e{a}-") for a in accounts]
        self._heard += [("dead", topology.dead, "")]
        self._lossy = [topology.market(s) for s in range(topology.symbol_partitions)]
        self.ended_ms = desk.now_ms
        self.happenings = 0
        session.desk.send = self.send

    def send(self, fields: dict[str, str]) -> None:
        """Take a signal of the strategy's; it arrives later, in the order of sending."""
        self._sent += 1
        packed = {name.encode(): value.encode() for name, value in fields.items()}
        heappush(self._on_the_way, (self._session.desk.now_ms + self._latency_ms, self._sent, packed))

    def run(self, market: Iterable[Happening]) -> None:
        """Let everything happen, from the strategy's start to the end of what its last signals made happen.

        Raises:
            Unordered: the market goes back in time.
            session.StrategyFailed: the strategy raised something, or answers itself without end.
            memory_desk.Endless, runner.FoldFailed: the desk failed.
        """
        desk, session = self._desk, self._session
        self._tell()
        session.start(desk.now_ms)
        for happening in self._in_order(market):
            ms = happening.time_ns // 1_000_000
            self._go_to(ms)
            self._happen(happening, ms)
            self.happenings += 1
        self._arrive(desk.now_ms)
        session.pass_time(desk.now_ms)
        self.ended_ms = desk.now_ms
        session.stop(desk.now_ms)
        self._drain()

    def _in_order(self, market: Iterable[Happening]) -> Iterator[Happening]:
        last = 0
        for happening in market:
            if happening.time_ns < last:
                raise Unordered(
                    f"{happening.symbol}: time {happening.time_ns} ns is before the {last} of what came first"
                )
            last = happening.time_ns
            yield happening

    def _drain(self) -> None:
        """Go on until nothing is on its way any more."""
        until = self.ended_ms + DRAIN_MS
        while True:
            due = self._desk.due_ms
            times = [each for each in (due, self._on_the_way[0][0] if self._on_the_way else None) if each is not None]
            if not times or min(times) > until:
                break
            self._go_to(min(times))
            self._arrive(self._desk.now_ms)

    def _go_to(self, ms: int) -> None:
        """Let time pass up to a millisecond, and tell the strategy of everything on the way in its own time."""
        desk, session, on_the_way = self._desk, self._session, self._on_the_way
        while True:
            soonest = ms
            if on_the_way and on_the_way[0][0] < soonest:
                soonest = on_the_way[0][0]
            if (due := session.due_ms) is not None and due < soonest:
                soonest = due
            if (due := desk.due_ms) is not None and due < soonest:
                soonest = due
            soonest = max(soonest, desk.now_ms)
            if soonest > desk.now_ms:
                self._answers = 0
            if desk.go_to(soonest):
                self._tell()
            self._arrive(soonest)
            if soonest >= ms:
                if (due := session.due_ms) is not None and due <= ms:
                    session.pass_time(ms)
                    self._arrive(ms)
                return
            session.pass_time(soonest)

    def _arrive(self, ms: int) -> None:
        """Append the signals that have arrived by a millisecond, and let the desk act on them."""
        on_the_way = self._on_the_way
        while on_the_way and on_the_way[0][0] <= ms:
            while on_the_way and on_the_way[0][0] <= ms:
                self._desk.append(self._desk.topology.signals, heappop(on_the_way)[2])
                self._answers += 1
            if self._answers > MOST_ANSWERS:
                raise Unordered(
                    f"more than {MOST_ANSWERS} signals arrive at {ms}: the strategy answers itself; give it a latency"
                )
            self._desk.settle()
            self._tell()

    def _happen(self, happening: Happening, ms: int) -> None:
        """Tell the desk what happened on the market, then the strategy."""
        session, symbol = self._session, happening.symbol
        if isinstance(happening, BarEnded):
            session.bar(happening.bar, ms)
            return
        record = happening.record
        entry_id = self._desk.append(self._frames_to[symbol], {b"frame": record})
        self._desk.settle()
        self._tell()
        if record[_TYPE] == CommandType.QUOTE:
            session.quote(f"m{entry_id}", ms, symbol, lambda: quote_of(self._decimals[symbol], symbol, ms, record))
        else:
            session.trade(f"m{entry_id}", ms, symbol, lambda: trade_of(self._decimals[symbol], symbol, ms, record))

    def _tell(self) -> None:
        """Tell the strategy and the record what came of it; the streams let go of it."""
        streams, session, told = self._desk.redis.streams, self._session, self._told
        for kind, key, letter in self._heard:
            entries = streams.get(key)
            if not entries:
                continue
            heard, streams[key] = entries, []
            documents = []
            for entry in heard:
                payload = entry.fields.get(b"data")
                if payload is None:  # a tick
                    continue
                document = loads(payload)
                documents.append(document)
                if kind == "events":
                    session.event(letter + entry.id, entry.ms, document)
                elif kind == "positions":
                    session.position(letter + entry.id, entry.ms, document)
            told(kind, documents)
        for key in self._lossy:
            if key in streams:
                streams[key].clear()


def quote_of(one: Decimals, symbol: str, ms: int, record: bytes) -> Quote:
    """Return what a record says that quotes an instrument."""
    _, price, qty, aux_price, aux_qty, *_ = COMMAND.unpack(record)
    bid_px = one.price(price) if qty else None
    ask_px = one.price(aux_price) if aux_qty else None
    return Quote(ms, symbol, bid_px, one.quantity(qty), ask_px, one.quantity(aux_qty))


def trade_of(one: Decimals, symbol: str, ms: int, record: bytes) -> Trade:
    """Return what a record says that prints a trade."""
    _, price, qty, _, _, _, _, _, _, side, *_ = COMMAND.unpack(record)
    return Trade(ms, symbol, one.price(price), one.quantity(qty), _SIDES.get(side))
