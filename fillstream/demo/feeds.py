"""Market data for a simulated venue: from a Binance capture, from a CSV file, or made up from a seed.

Flows in: a file or a seed, and the instruments. Flows out: `Moment`s, each a 64-byte command record for one symbol
partition; `publish` appends them to the engine's inbox as frames. Prices become ticks and quantities lots exactly; what
is not a whole tick or lot is refused with its line. Sizes are rounded down to lots where that is asked for. Never
invents a price it was not given (`synthetic` aside).
"""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Any

import orjson
import redis

from fillstream.demo.market_files import EndsEarly, FeedError, Reading, binary_lines, text_lines
from fillstream.demo.market_numbers import (
    Listed,
    Moment,
    field_of,
    instrument_of,
    price_of,
    side_of,
    size_of,
    text_of,
    time_ns_of,
    units_of,
)
from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import Command, CommandType, Side
from fillstream.libs.common.messages.topology import SIM, Topology

FRAME_RECORDS = 100
"""Records in a frame when the feed runs as fast as it can."""
LOOKED_BACK = 1000
"""Entries of an inbox, at most, in which a made-up market that begins again looks for where it stood."""
ROUND_NS = 1_500_000_000
"""Between two rounds of a synthetic market's quotes: well below the age at which a quote is stale, and no oftener, as
every quote is kept in several streams for as long as they are."""
MOVES = 0.5
"""The chance of a symbol's price to move from one synthetic round to the next; else the same quote is given again,
which the journal does not repeat."""
PRINTS = 0.3
"""The chance of a trade to be printed in a synthetic round."""
REPEAT_S = 10.0
"""A paced market that stands still for so long has its quotes repeated (seconds): well below the age at which a quote
is taken for a dead feed's. What was traded against them is there again, as where others quote the same price."""
CSV_COLUMNS = ("time_ns", "symbol", "bid_px", "bid_qty", "ask_px", "ask_qty")


_TYPE = frames.offset_of("fs_command", "type")


# ---------------------------------------------------------------------------------------------------- sources


def binance(path: Path, instruments: Mapping[str, Listed], reading: Reading | None = None) -> Iterator[Moment]:
    """Yield the bookTicker and trade messages of a Binance capture (lines of `local-ns JSON`, plain or gzip).

    They may be wrapped as combined streams have them (`{"stream": …, "data": {…}}`) or not. Other messages, answers to
    requests, snapshots and blank lines are passed over and counted, and so are trades with `X` NA, which Binance sends
    with price and quantity 0 now and then: nothing traded. Symbols that are not configured are refused.

    Raises:
        EndsEarly: the file is cut off, or damaged from somewhere on; everything before was yielded.
        FeedError: a line is no message, or its numbers are not whole ticks and lots, or none an engine takes.
    """
    reading = reading or Reading()
    for number, line in binary_lines(path):
        reading.line = number
        try:
            moment = _binance_moment(line, instruments, reading)
        except orjson.JSONDecodeError as error:
            told = f"{path}:{number}: must be a time in nanoseconds, a space and JSON: {error}"
            if line.endswith(b"\n"):
                raise FeedError(told) from error
            raise EndsEarly(f"{told}; it ends in the middle of a line") from error
        except ValueError as error:
            raise FeedError(f"{path}:{number}: {error}") from error
        if moment is not None:
            yield moment


def _binance_moment(line: bytes, instruments: Mapping[str, Listed], reading: Reading) -> Moment | None:
    """Return what a line of a capture says of the market, None when it says nothing."""
    if not line.strip():
        reading.passed_over["blank"] += 1
        return None
    stamp, _, body = line.partition(b" ")
    message = orjson.loads(body)
    time_ns = time_ns_of(stamp.decode(errors="replace"), "time")
    data = message.get("data", message) if isinstance(message, dict) else message
    if not isinstance(data, dict):
        reading.passed_over["other"] += 1
        return None
    if "u" in data and "A" in data:
        one = instrument_of(instruments, text_of(field_of(data, "s"), "s"))
        bid, ask = side_of(one, data, "b", "B", reading), side_of(one, data, "a", "A", reading)
        return Moment(time_ns, data["s"], frames.quote(one.id, *bid, *ask))
    if data.get("e") == "trade" and data.get("X") == "NA":
        reading.passed_over["trade that is none"] += 1
        return None
    if data.get("e") == "trade":
        one = instrument_of(instruments, text_of(field_of(data, "s"), "s"))
        # `m`: the buyer was the maker, so the seller came in (Binance spot API, trade streams).
        side = Side.SELL if field_of(data, "m") else Side.BUY
        price, quantity = (
            price_of(one, field_of(data, "p"), "p"),
            size_of(one, field_of(data, "q"), "q", reading, least=1),
        )
        if reading.round_sizes and not quantity:
            reading.passed_over["trade below a lot"] += 1
            return None
        return Moment(time_ns, data["s"], frames.print_trade(one.id, side, price, quantity))
    reading.passed_over[_kind_of(data)] += 1
    return None


def _kind_of(data: Mapping[str, Any]) -> str:
    """Return what to call a message that is no quote and no trade."""
    if isinstance(data.get("e"), str):
        return ascii(data["e"])[1:-1][:40]
    if "lastUpdateId" in data:
        return "snapshot"
    return "answer" if "id" in data or "result" in data or "error" in data else "other"


def quotes_csv(path: Path, instruments: Mapping[str, Listed], reading: Reading | None = None) -> Iterator[Moment]:
    """Yield the quotes of a CSV file, plain or gzip: time_ns, symbol, bid_px, bid_qty, ask_px, ask_qty.

    Raises:
        EndsEarly: it is packed, and cut off or damaged; every whole line before was yielded.
        FeedError: a column is missing, or a row's numbers are not whole ticks and lots, or none an engine takes. A
            locked or crossed quote is one, which says what the market was.
    """
    reading = reading or Reading()
    rows = csv.DictReader(text_lines(path))
    try:
        missing = [column for column in CSV_COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise FeedError(f"{path}:1: columns {missing} are missing; a quotes file has {', '.join(CSV_COLUMNS)}")
        for row in rows:
            reading.line = rows.line_num
            one = instrument_of(instruments, field_of(row, "symbol"))
            bid = side_of(one, row, "bid_px", "bid_qty", reading)
            ask = side_of(one, row, "ask_px", "ask_qty", reading)
            time_ns = time_ns_of(field_of(row, "time_ns"), "time_ns")
            yield Moment(time_ns, row["symbol"], frames.quote(one.id, *bid, *ask))
    except ValueError as error:
        raise FeedError(f"{path}:{rows.line_num}: {error}") from error
    except csv.Error as error:  # of the line that it could not take apart
        raise FeedError(f"{path}:{rows.line_num + 1}: {error}") from error


def synthetic(
    instruments: Mapping[str, Listed],
    start_px: Mapping[str, str],
    seed: int,
    moments: int | None = None,
    round_ns: int = ROUND_NS,
    stands_at: Mapping[str, int] | None = None,
) -> Iterator[Moment]:
    """Yield a made-up market: each symbol's mid walks at random, quoted one to three ticks wide, with prints.

    It goes in rounds. All that happens in one has the same time, so that `publish` needs one entry for it: every symbol
    is quoted, whether it moved or not, as an order finds no market where the newest quote is old.

    Args:
        instruments: the symbols that are quoted, in this order.
        start_px: where each begins (decimal text).
        seed: the same seed gives the same market.
        moments: how many; None for no end.
        round_ns: between two rounds (nanoseconds).
        stands_at: the mid that a symbol has already (ticks), see `last_mids`: it goes on from there.
    """
    begin = {symbol: units_of(one.ticks, start_px[symbol], "start_px") for symbol, one in instruments.items()}
    mids = begin | {symbol: mid for symbol, mid in (stands_at or {}).items() if symbol in begin}
    return islice(_rounds(instruments, mids, random.Random(seed), round_ns), moments)  # noqa: S311 - no secret


def _rounds(
    instruments: Mapping[str, Listed], mids: dict[str, int], dice: random.Random, round_ns: int
) -> Iterator[Moment]:
    quotes: dict[str, bytes] = {}
    for number in count():
        now = number * round_ns
        for symbol, one in instruments.items():
            if symbol not in quotes or dice.random() < MOVES:
                mids[symbol], quotes[symbol] = _walk(one.id, mids[symbol], dice)
            yield Moment(now, symbol, quotes[symbol])
        if dice.random() < PRINTS:
            symbol = dice.choice([*instruments])
            side = dice.choice((Side.BUY, Side.SELL))
            price = mids[symbol] + (1 if side is Side.BUY else -1)
            yield Moment(now, symbol, frames.print_trade(instruments[symbol].id, side, price, dice.randrange(1, 500)))


def _walk(number: int, mid: int, dice: random.Random) -> tuple[int, bytes]:
    """Return an instrument's next mid, in ticks, and the quote around it."""
    width = max(1, mid // 20_000)
    mid = max(10 * width, mid + dice.randrange(-width, width + 1))
    half = dice.randrange(1, 1 + width)
    bid_qty, ask_qty = dice.randrange(100, 5_000), dice.randrange(100, 5_000)
    return mid, frames.quote(number, mid - half, bid_qty, mid + half, ask_qty)


def proven(make: Callable[[], Iterator[Moment]], reading: Reading) -> Iterator[Moment]:
    """Return the moments of a file that was read once to its end before: what is wrong with one is told first.

    Args:
        make: reads it.
        reading: counts from here on.

    Raises:
        FeedError: a line of it is refused. A file that ends early is none of these: it is good up to there.
    """
    with suppress(EndsEarly):
        for _ in make():
            pass
    reading.passed_over.clear()
    return make()


# ------------------------------------------------------------------------------------------------- publishing


def publish(
    client: redis.Redis,
    topology: Topology,
    moments: Iterator[Moment],
    speed: float | None = None,
    sent: Callable[[int], None] = lambda records: None,
    outlast: Callable[[redis.exceptions.RedisError], None] | None = None,
    venue: str = SIM,
) -> int:
    """Append a feed to the engine's inboxes as frames; return how many records went out.

    Args:
        client: a connection.
        topology: names of the streams; each symbol's partition gets its own frames, in order.
        moments: the feed.
        speed: 1 for real time, 10 for ten times as fast; None for as fast as possible.
        sent: called after each append with the number of records in it.
        outlast: called when an append fails; returns when to go on. The frame that failed is not sent again: it may
            have arrived, and a print that arrives twice trades twice; the next quote replaces a lost one. The feed goes
            on at its pace from there, without a burst of what would have been due meanwhile. None raises the error.
        venue: which hears it.

    At a pace, quotes are repeated while nothing else is due for `REPEAT_S`: that the market stands still is news, too.

    Raises:
        redis.exceptions.RedisError: the server went away, and nothing outlasts that.
    """
    return _Publishing(client, topology, speed, sent, outlast, venue).run(moments)


class _Publishing:
    """One run of `publish`; the arguments are its."""

    def __init__(
        self,
        client: redis.Redis,
        topology: Topology,
        speed: float | None,
        sent: Callable[[int], None],
        outlast: Callable[[redis.exceptions.RedisError], None] | None,
        venue: str,
    ) -> None:
        self._client = client
        self._topology = topology
        self._speed = speed
        self._sent = sent
        self._outlast = outlast
        self._venue = venue
        self._waiting: dict[int, list[bytes]] = {}
        self._quotes: dict[str, bytes] = {}
        self._total = 0

    def run(self, moments: Iterator[Moment]) -> int:
        """Append every moment; return how many records went out."""
        try:
            self._append(moments)
        except FeedError:
            self._flush()  # what was read before is good
            raise
        self._flush()
        return self._total

    def _append(self, moments: Iterator[Moment]) -> None:
        began_s, first_ns = time.monotonic(), None
        for moment in moments:
            if self._speed is not None:
                first_ns = moment.time_ns if first_ns is None else first_ns
                due_s = began_s + (moment.time_ns - first_ns) / 1e9 / self._speed
                if due_s > time.monotonic() and self._wait_until(due_s):
                    began_s, first_ns = time.monotonic(), moment.time_ns
                if moment.record[_TYPE] == CommandType.QUOTE:
                    self._quotes[moment.symbol] = moment.record
            self._put(moment.symbol, moment.record)
            if sum(map(len, self._waiting.values())) >= FRAME_RECORDS and self._flush():
                began_s, first_ns = time.monotonic(), moment.time_ns

    def _put(self, symbol: str, record: bytes) -> None:
        self._waiting.setdefault(self._topology.symbol_partition(symbol), []).append(record)

    def _wait_until(self, due_s: float) -> bool:
        """Append what waits, and wait; return whether the server was away meanwhile."""
        was_away = self._flush()
        while not was_away and (left_s := due_s - time.monotonic()) > REPEAT_S:
            time.sleep(REPEAT_S)
            for symbol, record in self._quotes.items():
                self._put(symbol, record)
            was_away = self._flush()
        if not was_away:
            time.sleep(max(0.0, left_s))
        return was_away

    def _flush(self) -> bool:
        """Append what waits; return whether the server was away meanwhile."""
        was_away = False
        for partition, records in self._waiting.items():
            try:
                self._client.xadd(self._topology.commands(self._venue, partition), {"frame": b"".join(records)})
            except redis.exceptions.RedisError as error:
                if self._outlast is None:
                    raise
                self._outlast(error)
                was_away = True
            else:
                self._total += len(records)
                self._sent(len(records))
        self._waiting.clear()
        return was_away


def last_mids(
    client: redis.Redis, topology: Topology, instruments: Mapping[str, Listed], venue: str = SIM
) -> dict[str, int]:
    """Return where a venue's last quotes stand: the mid by symbol, in whole ticks; without those not quoted lately.

    Args:
        client: a connection.
        topology: names of the streams.
        instruments: whose quotes to look for, among the last `LOOKED_BACK` entries of each engine's inbox.
        venue: whose.
    """
    symbols = {one.id: symbol for symbol, one in instruments.items()}
    mids: dict[str, int] = {}
    for partition in range(topology.symbol_partitions):
        entries: Any = client.xrevrange(topology.commands(venue, partition), count=LOOKED_BACK)
        for _, fields in entries:
            for one in reversed(_two_sided_quotes(fields.get(b"frame", b""))):
                if one.symbol in symbols:
                    mids.setdefault(symbols[one.symbol], (one.price + one.aux_price) // 2)
    return mids


def _two_sided_quotes(frame: bytes) -> list[Command]:
    if len(frame) % frames.RECORD_BYTES:
        return []  # anybody may have appended anything: the engine sends it to `dead`
    records = map(Command._make, frames.commands(frame))
    return [each for each in records if each.type == CommandType.QUOTE and each.qty and each.aux_qty]
