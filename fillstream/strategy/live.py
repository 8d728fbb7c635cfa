"""A strategy on a desk that runs: what the streams tell, to the strategy; its signals, into the stream.

Flows in: `events`, `positions` and `market` of a desk. Flows out: signals; a small file that says how far it has come.
Never decides: the strategy does, by the same calls as in a backtest.

A crash repeats nothing, of this process or of the machine. A signal's id follows from what the strategy was told when
it sent it: an entry, a bar's end, a timer. Entries behind the last one that the file has are told again, the strategy
says the same by the same ids, and the desk answers that it has them. What stands before that is told again only so that
the strategy remembers (`warm_up_ms`): what it says then was said before, and goes nowhere. So does what it says of
something that is older than the desk remembers ids: that could be done twice.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import orjson
import redis

from fillstream.client import Client
from fillstream.client.following import Item, Reader
from fillstream.client.scripts import Commands, Script
from fillstream.client.topics import Topic
from fillstream.libs.common.messages.base import Message, by_type
from fillstream.libs.common.messages.codes import IDEMPOTENCY_MS
from fillstream.libs.common.messages.journal import EVENTS
from fillstream.libs.common.messages.market import Depth, MarketMessage, Trades
from fillstream.libs.common.messages.positions import POSITION_MESSAGES
from fillstream.libs.common.messages.topology import Topology, id_key
from fillstream.strategy.desk import Desk
from fillstream.strategy.market import Quote, Trade
from fillstream.strategy.session import Session
from fillstream.strategy.strategy import Strategy

logger = logging.getLogger(__name__)

BLOCK_S = 0.25
"""So long one request waits for news, at most; timers are no later than that."""
SAVED_EVERY_MS = 1_000
OLDEST_MS = IDEMPOTENCY_MS - 3_600_000
"""An hour less than a desk remembers ids: what is older is not said again."""
_LETTERS = {"events": "e", "positions": "p", "market": "m"}


class _Everything(Topic[Message]):
    """All that a strategy is told of: the streams of its account's partition, and every market."""

    def streams(self, topology: Topology, account: str | None) -> list[str]:
        partition = topology.account_partition(account or "")
        return [f"events.{partition}", f"positions.{partition}", *topology.names("market")]


EVERYTHING = _Everything("strategy", "events", {**EVENTS, **POSITION_MESSAGES, **by_type(MarketMessage)})


@dataclass(slots=True)
class Progress:
    """How far a strategy has come on a desk.

    Attributes:
        started_ms: when it was started for the first time (ms since 1970 UTC, by the server).
        has_started: whether `on_start` has come to its end once.
        passed_ms: up to when bars have ended and timers have come.
        places: the last entry that it was told whole, by stream.
    """

    started_ms: int
    has_started: bool = False
    passed_ms: int = 0
    places: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Progress | None:
        """Return what a file says, None where there is none.

        Raises:
            ValueError: it is no such file, or cannot be read.
        """
        try:
            said = orjson.loads(path.read_bytes())
            return cls(int(said["started_ms"]), bool(said["has_started"]), int(said["passed_ms"]), dict(said["places"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{path}: cannot be read: {error.strerror}; --state names another file") from error
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: is not what `fillstream run` writes ({error}); --state names another") from error

    def write(self, path: Path) -> None:
        """Put it into a file, whole or not at all.

        Raises:
            ValueError: it cannot be written.
        """
        beside = path.with_name(f".{path.name}.new")
        try:
            with beside.open("wb") as file:
                file.write(orjson.dumps(self))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise ValueError(f"{path}: cannot be written: {error.strerror}; --state names another file") from error


def _server_ms() -> Script[int]:
    [(seconds, micros)] = yield Commands([("TIME",)])
    return int(seconds) * 1000 + int(micros) // 1000


class LiveRun:
    """One strategy on a desk.

    Args:
        strategy: fresh.
        desk: that it speaks to.
        client: a connection.
        state: the file that says how far it has come; of one strategy on one desk.
        venues: which venue's market an instrument's is, by symbol; those that are not here are not told.
        warm_up_ms: how much of the past is told before it goes live, so that it remembers.
        late_ms: what markets told longer ago than that is told all the same, and what the strategy says of it goes
            nowhere; of its orders and positions it is always heard. None: however late.

    Raises:
        ValueError: the file is no such file.
    """

    def __init__(
        self,
        strategy: Strategy,
        desk: Desk,
        client: Client,
        state: Path,
        venues: Mapping[str, str],
        warm_up_ms: int = 0,
        late_ms: int | None = None,
    ) -> None:
        self._session = Session(strategy, desk)
        self._desk = desk
        self._client = client
        self._state = state
        self._venues = venues
        self._warm_up_ms = warm_up_ms
        self._late_ms = late_ms
        self._is_silent = False
        self._saved_ms = 0
        self._clock_ms = 0
        self._passed_before_ms = 0
        self._may_ask_time = True
        self.sent = 0
        self.progress = Progress.read(state)
        desk.send = self._send

    def _send(self, fields: dict[str, str]) -> None:
        if self._is_silent:
            return
        if self._clock_ms - self._desk.now_ms > OLDEST_MS:
            age_ms = self._clock_ms - self._desk.now_ms
            logger.warning("signal %s goes nowhere: what it is about was %d ms ago, and the desk forgets ids",
                           fields["signal_id"], age_ms)  # fmt: skip
            return
        more = {name: value for name, value in fields.items() if name not in ("type", "account", "signal_id")}
        self._client._publish(fields["type"], fields["account"], fields["signal_id"], **more)
        self.sent += 1

    def _now_ms(self) -> int:
        """Return what the server's clock says, which gives entries their ids; this machine's where that is refused."""
        if self._may_ask_time:
            try:
                return self._client._run(_server_ms())
            except redis.exceptions.NoPermissionError as error:
                logger.warning("timers go by this machine's clock: %s", error)
                self._may_ask_time = False
        return time.time_ns() // 1_000_000

    def run(self, is_over: Callable[[], bool]) -> None:
        """Go on until `is_over` says so, which is asked at least every `BLOCK_S`; then tell the strategy.

        Raises:
            ValueError: the state cannot be written. Before the first time, the strategy is told nothing.
            session.StrategyFailed: the strategy raised something. It is told the same again at the next start.
            redis.exceptions.RedisError: the server does not answer as this begins, went away for longer than the client
                has patience, or is away as this is to be over: the strategy is not told then, nothing could be sent.
        """
        self._client.ping()
        self._client._is_over = is_over
        account, now_ms = self._desk.account, self._now_ms()
        self._clock_ms = now_ms
        progress = self.progress = self.progress or Progress(now_ms, passed_ms=now_ms)
        self._passed_before_ms = progress.passed_ms
        reader = Reader(EVERYTHING, self._client.topology, {"after": "$", "account": account}, BLOCK_S)
        if not progress.places:
            self._client._run(reader.begin())
            progress.places = dict(reader.places)
        progress.write(self._state)
        from_id = f"{max(0, now_ms - self._warm_up_ms)}-0"
        after = {name: min(place, from_id, key=id_key) for name, place in progress.places.items()}
        reader = Reader(EVERYTHING, self._client.topology, {"after": after, "account": account}, BLOCK_S)
        self._is_silent = progress.has_started
        self._session.start(progress.started_ms, f"start{progress.started_ms}")
        self._is_silent = False
        progress.has_started = True
        progress.write(self._state)
        while not is_over():
            items = self._client._run(reader.page(BLOCK_S))
            self._clock_ms = self._now_ms()
            for item in items:
                self._take(item, progress)
            if not items:
                self._pass_time(self._clock_ms, progress)
            self._save(progress, reader)
        self._session.stop(max(self._desk.now_ms, progress.started_ms))
        progress.write(self._state)

    def _pass_time(self, ms: int, progress: Progress) -> None:
        """Let bars end and timers come, one time after the other."""
        while (due := self._session.due_ms) is not None and due <= ms:
            self._is_silent = due <= self._passed_before_ms
            self._session.pass_time(due)
            self._is_silent = False
            progress.passed_ms = max(progress.passed_ms, due)

    def _save(self, progress: Progress, reader: Reader[Message]) -> None:
        """Write down now and then how far it has come; what is told again by an old file is said by the same ids."""
        for name, place in reader.places.items():
            progress.places[name] = max(place, progress.places.get(name, "0-0"), key=id_key)
        if self._desk.now_ms - self._saved_ms >= SAVED_EVERY_MS:
            self._saved_ms = self._desk.now_ms
            progress.write(self._state)

    def _take(self, item: Item[Message], progress: Progress) -> None:
        kind, _, partition = item.stream.partition(".")
        ms, cause, message = item.time_ms, f"{_LETTERS[kind]}{partition}-{item.id}", item.message
        self._pass_time(ms, progress)
        # What was told whole before has been said before.
        self._is_silent = id_key(item.id) <= id_key(progress.places.get(item.stream, "0-0"))
        if kind == "market" and self._late_ms is not None and self._clock_ms - ms > self._late_ms:
            self._is_silent = True
        if item.missed:
            logger.warning("%s: %d messages before %s are gone and were not told", item.stream, item.missed, item.id)
        if isinstance(message, Depth):
            self._quote(cause, ms, message)
        elif isinstance(message, Trades):
            self._trades(cause, ms, message)
        elif kind == "events":
            self._session.event(cause, ms, message)
        else:
            self._session.position(cause, ms, message)
        self._is_silent = False

    def _quote(self, cause: str, ms: int, depth: Depth) -> None:
        if self._venues.get(depth.symbol) != depth.venue:
            return
        bid_px, bid_qty = depth.bids[0] if depth.bids else (None, Decimal(0))
        ask_px, ask_qty = depth.asks[0] if depth.asks else (None, Decimal(0))
        quote = Quote(ms, depth.symbol, bid_px, bid_qty, ask_px, ask_qty)
        self._session.quote(cause, ms, depth.symbol, lambda: quote)

    def _trades(self, cause: str, ms: int, trades: Trades) -> None:
        if self._venues.get(trades.symbol) != trades.venue:
            return
        for number, (_, price, quantity, side) in enumerate(trades.trades):
            trade = Trade(ms, trades.symbol, price, quantity, str(side))
            self._session.trade(f"{cause}.{number}", ms, trades.symbol, lambda one=trade: one)  # type: ignore[misc]
