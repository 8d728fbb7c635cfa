"""FlowManager's order book engine, by the document's names, over a whole desk in this one process.

Flows in: orders, cancels, targets and quotes, and how far time has come. Flows out: trade confirmations and market data
updates, by calls of a listener. The desk is the real one, all of its stages by the settings' limits, fees and simulated
venues; only its log is in memory. Nothing listens, nothing is written, and no clock is asked: the same again gives the
same, to the byte.

What works is tried against quotes alone: a quote stands until the next one, and what was traded against it is there
again a second later, as where others quote the same price.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from orjson import loads

from fillstream.backtest.backtest import for_one_process
from fillstream.backtest.memory_desk import MemoryDesk
from fillstream.backtest.stages import stages_at
from fillstream.demo.market_files import Reading
from fillstream.demo.market_numbers import instrument_of, listed, price_of, size_of
from fillstream.families import Amount, signal_fields
from fillstream.flow.book import FlowBook
from fillstream.flow.event_log import check_lots
from fillstream.libs.common.engine import frames
from fillstream.libs.common.messages.codes import DEFAULT_ACCOUNT
from fillstream.libs.common.process.settings import Settings, load_settings
from fillstream.libs.common.values.naming import shorten
from fillstream.strategy.market import Quote

START_MS = 1_704_726_000_000
"""When a desk in process begins, unless told otherwise: 2024-01-08 15:00 UTC, a Monday on which exchanges trade."""
REPEAT_MS = 1_000


class OrderBookEngine(FlowBook):
    """A desk in this process, as FlowManager's position manager calls its order book.

    Beside the document's three calls it takes every signal that `fillstream.Client` does, by the same words.

    Args:
        settings: of the desk; by default those that `fillstream up` would take.
        account: whose orders these are.
        start_ms: when it begins (ms since 1970 UTC).

    Attributes:
        instruments: of the desk, by symbol.

    Raises:
        ValueError: there is no such account.
        SettingsError: the settings cannot be used.
    """

    def __init__(
        self, settings: Settings | None = None, *, account: str = DEFAULT_ACCOUNT, start_ms: int = START_MS
    ) -> None:
        settings = for_one_process(settings or load_settings(None), has_bars=True)
        super().__init__(account)
        if account not in settings.accounts:
            known = ", ".join(settings.accounts)
            raise ValueError(f"account: {shorten(account)} must be one of accounts.yaml: {known}")
        self.instruments = listed(settings.instruments)
        topology = settings.topology()
        self._frames_to = {
            symbol: topology.commands(venue, topology.symbol_partition(symbol))
            for symbol, terms in settings.instruments.items()
            if (venue := terms.venue or settings.execution.venue) in topology.venues
        }
        self._desk = MemoryDesk(topology, lambda clock: stages_at(settings, clock), start_ms)
        accounts = range(topology.account_partitions)
        self._heard = [("positions", topology.positions(each)) for each in accounts]
        self._heard += [("events", topology.events(each)) for each in accounts]
        self._lossy = [topology.market(each) for each in range(topology.symbol_partitions)]
        self._records: dict[str, bytes] = {}
        self._repeated_ms = start_ms
        self._telling = False
        self._take()

    # --------------------------------------------------------------------------------------- the market and time

    @property
    def now_ms(self) -> int:
        """What time it is (ms since 1970 UTC)."""
        return self._desk.now_ms

    def quote(
        self, symbol: str, bid_px: Amount, ask_px: Amount, bid_qty: Amount, ask_qty: Amount | None = None
    ) -> None:
        """Have a market quoted from now on, until it is quoted otherwise.

        Args:
            symbol: of what.
            bid_px, ask_px: prices, whole multiples of its tick size.
            bid_qty, ask_qty: quantities, whole lots; 0 for no such side; by default both are the same.

        Raises:
            ValueError: one of these cannot be: names it, its value and what it must be.
        """
        one = instrument_of(self.instruments, symbol)
        if symbol not in self._frames_to:
            raise ValueError(f"symbol: {symbol} is not traded on a simulated venue, so that nobody can quote it here")
        said = bid_qty, bid_qty if ask_qty is None else ask_qty
        reading = Reading()
        bid_lots, ask_lots = (
            size_of(one, str(each), name, reading) for name, each in zip(("bid_qty", "ask_qty"), said, strict=True)
        )
        bid = price_of(one, str(bid_px), "bid_px") if bid_lots else 0
        ask = price_of(one, str(ask_px), "ask_px") if ask_lots else 0
        if bid_lots and ask_lots and bid >= ask:
            raise ValueError(f"ask_px: {ask_px} must be above bid_px {bid_px}")
        self._records[symbol] = record = frames.quote(one.id, bid, bid_lots, ask, ask_lots)
        self._quotes[symbol] = Quote(
            self.now_ms,
            symbol,
            Decimal(one.ticks.number(bid)) if bid_lots else None,
            Decimal(one.lots.number(bid_lots)),
            Decimal(one.ticks.number(ask)) if ask_lots else None,
            Decimal(one.lots.number(ask_lots)),
        )
        self._told.append(self.GetMarketDataSnapshot())
        self._append(self._frames_to[symbol], {b"frame": record})

    def pass_time(self, ms: int) -> None:
        """Let so many milliseconds pass, from one thing that is due to the next.

        Raises:
            ValueError: it is below 0, or a listener asks for it while it is told something.
            memory_desk.Endless, runner.FoldFailed: the desk failed, which is a bug.
        """
        if ms < 0:
            raise ValueError(f"ms: {ms} must not be below 0; time goes forward")
        if self._telling:
            raise ValueError("pass_time: a listener cannot let time pass while it is told something; whoever waits can")
        until = self.now_ms + ms
        while (now := self.now_ms) < until:
            is_busy = bool(self._working) or self.is_under_way
            again = max(now, self._repeated_ms + REPEAT_MS) if is_busy else until
            due = self._desk.due_ms
            soonest = min(until, again, until if due is None else max(due, now))
            self._desk.go_to(soonest)
            self._take()
            if is_busy and soonest == again:
                self._repeat()

    def wait_for_targets(self, most_ms: int) -> bool:
        """Let time pass until every target is reached or given up, so many milliseconds at most.

        Returns: whether that is so.
        """
        until = self.now_ms + most_ms
        while self.is_under_way and self.now_ms < until:
            due = self._desk.due_ms
            step = REPEAT_MS if due is None else max(1, min(REPEAT_MS, due - self.now_ms))
            self.pass_time(min(step, until - self.now_ms))
        return not self.is_under_way

    @property
    def hash(self) -> str:
        """A hash of all that every stage has put out so far."""
        digests = sorted(self._desk.digests().items())
        return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests).encode()).hexdigest()

    def check_target(self, symbol: str, target: Decimal) -> None:
        """Check that the desk has the instrument, and that the target is of whole lots. See `FlowBook`."""
        if symbol not in self.instruments:
            raise ValueError(
                f"symbol: {symbol} is not configured; instruments.yaml has {', '.join(sorted(self.instruments))}"
            )
        check_lots(self.instruments[symbol], symbol, target, "target")

    # ---------------------------------------------------------------------------------------------------- inside

    def _publish(self, kind: str, account: str, signal_id: str | None, **more: Any) -> str:
        """Send a signal, which arrives at once; what it makes happen at once is told before this returns."""
        signal_id = signal_id or self._next_id()
        account = self.account if account == DEFAULT_ACCOUNT else account
        fields = signal_fields(kind, account, signal_id, more)
        packed = {name.encode(): value.encode() for name, value in fields.items()}
        self._append(self._desk.topology.signals, packed)
        return signal_id

    def _append(self, stream: str, fields: dict[bytes, bytes]) -> None:
        self._desk.append(stream, fields)
        if not self._telling:  # else whoever is telling goes on with it
            self._take()

    def _repeat(self) -> None:
        """Quote every market again, so that what was traded against it is there again."""
        self._repeated_ms = self.now_ms
        for symbol, record in self._records.items():
            self._desk.append(self._frames_to[symbol], {b"frame": record})
        self._take()

    def _take(self) -> None:
        """Let the desk come to rest, take over what it told, and tell it; what is answered likewise."""
        self._telling = True
        try:
            while True:
                self._desk.settle()
                self._read()
                if not self._told:
                    return
                while self._told:
                    self._tell(self._told.popleft())
        finally:
            self._telling = False

    def _read(self) -> None:
        streams = self._desk.redis.streams
        for kind, key in self._heard:
            entries = streams.get(key)
            if not entries:
                continue
            streams[key] = []
            for entry in entries:
                payload = entry.fields.get(b"data")
                document = None if payload is None else loads(payload)
                if document is None or document.get("account") != self.account:
                    continue
                if kind == "events":
                    self._take_event(document, entry.ms)
                else:
                    self._take_position(document)
        for key in self._lossy:
            if key in streams:
                streams[key].clear()
