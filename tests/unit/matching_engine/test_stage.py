"""The engine's stage: what anybody who can write to its inbox can send, and what becomes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import (
    COMMAND,
    MAX_PRICE,
    MAX_QTY,
    RECORD_BYTES,
    CommandType,
    OrdType,
    ReportType,
    Session,
    Side,
    Tif,
)
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.dead import DeadLetter
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs, Timed
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.simulated_desk import CENT, SHARE
from tests.support.terms import instrument

NOON_MS = 1_700_000_000_000
DAY_MS = 86_400_000


class Venue:
    """An engine stage and everything it sent."""

    def __init__(self, account_partitions: int = 1) -> None:
        topology = Topology(account_partitions)
        self.stage = EngineStage(topology, 0, {1: Listing("AAPL", instrument(1, CENT, SHARE))})
        self.out = Outputs(self.stage.name, self.stage.inbox)
        self.ms = NOON_MS

    def fold(self, fields: dict[bytes, bytes]) -> list[frames.Report]:
        self.out.begin(Entry(f"{self.ms}-0", self.ms, fields))
        self.stage.fold(Entry(f"{self.ms}-0", self.ms, fields), self.out)
        _, sent = self.out.by_stream.pop("orders.0", (b"", []))
        return [frames.Report._make(r) for frame in sent for r in frames.reports(frame)]

    def command(self, *records: bytes) -> list[frames.Report]:
        return self.fold({b"frame": b"".join(records)})

    def letters(self) -> list[tuple[dict[str, Any], bytes]]:
        """Return what is in `dead`: each letter, and the record it carries."""
        for letter in self.out.dead:
            DeadLetter.model_validate_json(letter[b"data"])
        return [(orjson.loads(letter[b"data"]), letter[b"raw:frame"]) for letter in self.out.dead]


def order(order_id: int = 1, *, partition: int = 0, expiry_ms: int = 0, account: int = 1) -> bytes:
    codes = {"side": int(Side.BUY), "ord_type": int(OrdType.LIMIT), "tif": int(Tif.DAY)}
    return frames.new_order(order_id, account, 1, partition, **codes, price=15_000, qty=10, expiry_ms=expiry_ms)


def altered(record: bytes, **fields: int) -> bytes:
    return COMMAND.pack(*frames.Command._make(COMMAND.unpack(record))._replace(**fields))


@pytest.mark.parametrize("ahead_ms", [1, DAY_MS, 2**64 - 1 - NOON_MS])
def test_nobody_makes_time_pass_but_the_log(ahead_ms: int) -> None:
    venue = Venue()
    venue.command(order(expiry_ms=NOON_MS + DAY_MS // 2))
    before = venue.stage.snapshot()
    with pytest.raises(BadEntry, match=r"record 1, time_ms: .* is ahead of its entry's time") as refused:
        venue.command(frames.cancel(1, 1, 1, 0), frames.set_time(NOON_MS + ahead_ms))
    assert refused.value.reason == "clock_ahead"
    assert venue.stage.snapshot() == before, "the frame is refused whole"
    assert venue.command(frames.set_time(NOON_MS), frames.set_time(0)) == [], "what has passed is no news"
    assert venue.stage.gauges()["resting_orders"] == {"": 1}
    venue.ms += DAY_MS // 2
    assert [r.type for r in venue.fold({b"tick": b"1"})] == [ReportType.EXPIRED]


def test_what_expires_does_so_at_its_millisecond_and_before_the_entry_of_that_time() -> None:
    venue = Venue()
    venue.command(order(2, expiry_ms=NOON_MS + 9), order(1, expiry_ms=NOON_MS + 9), order(3, expiry_ms=NOON_MS + 8))
    assert isinstance(venue.stage, Timed)
    assert venue.stage.due_ms == NOON_MS + 8
    venue.ms = NOON_MS + 7
    assert venue.fold({b"tick": b"1"}) == [], "early: nothing changes"
    assert venue.stage.due_ms == NOON_MS + 8
    venue.ms = NOON_MS + 9
    taker = altered(order(4, account=2), side=int(Side.SELL))
    told = [(r.type, r.order_id) for r in venue.command(taker)]
    assert told == [*((ReportType.EXPIRED, n) for n in (3, 1, 2)), (ReportType.ACCEPTED, 4)], "it met nobody"
    assert venue.stage.due_ms is None


@pytest.mark.parametrize("partition", [1, 77, frames.PARTITION_NONE, frames.PARTITION_ALL])
@pytest.mark.parametrize("kind", [*CommandType][:3])
def test_no_order_rests_that_no_account_partition_hears_of(partition: int, kind: int) -> None:
    venue = Venue()
    with pytest.raises(BadEntry, match=f"record 1, partition: {partition} is no account partition, there are 1"):
        venue.command(order(1), altered(order(2), partition=partition, type=kind))
    assert venue.stage.gauges()["resting_orders"] == {"": 0}


@pytest.mark.parametrize("count", [2, 255, 256, 257, 700])
def test_an_order_of_every_account_partition_is_answered_there_and_one_beyond_is_refused(count: int) -> None:
    venue = Venue(count)
    orders = [order(n + 1, partition=n) for n in range(count)]
    venue.command(*orders)
    sent = {stream: b"".join(payloads) for stream, (_, payloads) in venue.out.by_stream.items()}
    told = {0: 1} | {n: next(frames.reports(sent[f"orders.{n}"]))[0] for n in range(1, count)}
    assert told == {n: n + 1 for n in range(count)}
    for partition in {count, 255, 256, 511, 512, 65_533}:
        if partition >= count:
            with pytest.raises(BadEntry, match=f"partition: {partition} is no account partition, there are {count}"):
                venue.command(order(9_000), order(9_001, partition=partition))


def test_what_the_house_alone_hears_goes_to_no_account_partition() -> None:
    venue = Venue()
    venue.command(frames.quote(1, 15_001, 5, 0, 0))
    reports = venue.command(altered(order(1), side=int(Side.SELL)))
    assert [(r.type, r.order_id) for r in reports] == [(ReportType.ACCEPTED, 1), (ReportType.FILLED, 1)]


def test_each_trade_is_published_once_in_order_with_the_side_that_took() -> None:
    venue = Venue()
    sell = {"side": int(Side.SELL), "qty": 4}
    unlisted = [altered(order(n, account=n), symbol=2, **terms) for n, terms in ((5, {}), (6, sell))]
    venue.command(order(1), altered(order(2, account=2), **sell), *unlisted, altered(order(3, account=3), **sell))
    (message,) = [m for m in map(orjson.loads, venue.out.lossy["market.0"]) if m["type"] == "Trades"]
    assert (message["symbol"], message["time"]) == ("AAPL", NOON_MS)
    assert message["trades"] == [[1, "150.00", "4", "SELL"], [3, "150.00", "4", "SELL"]]


def test_a_feed_may_leave_anything_in_the_partition_of_a_quote() -> None:
    reports = Venue().command(altered(frames.quote(1, 100, 5, 102, 5), partition=frames.PARTITION_ALL))
    assert [r.type for r in reports] == [ReportType.QUOTED]


GOOD = frames.quote(1, 100, 5, 102, 5)


def test_a_crossed_quote_is_in_dead_and_takes_the_former_one_away() -> None:
    venue, crossed = Venue(), frames.quote(1, 103, 5, 102, 5)
    told = venue.command(GOOD, crossed, order(1))
    quoted = [(r.qty, r.aux) for r in told if r.type == ReportType.QUOTED]
    assert quoted == [(5, 5), (0, 0)], "heard by all"
    assert not [r for r in told if r.type == ReportType.FILLED], "a buyer far above does not meet the old ask"
    ((letter, raw),) = venue.letters()
    assert raw == crossed
    assert letter["reason"] == "crossed"
    assert letter["text"].endswith("got 103 and 102; the former quote is withdrawn")


def test_a_locked_quote_is_a_quote() -> None:
    venue = Venue()
    told = venue.command(frames.quote(1, 102, 5, 102, 5), order(1))
    assert [r.qty for r in told if r.type == ReportType.FILLED and r.partition == 0] == [5]
    assert venue.letters() == []


@pytest.mark.parametrize(
    ("record", "reason", "words"),
    [
        (frames.quote(1, MAX_PRICE + 1, 5, 0, 0), "bad_price", f"got {MAX_PRICE + 1} and 0"),
        (frames.quote(1, -(2**63), 5, 0, 0), "bad_price", f"got {-(2**63)} and 0"),
        (frames.quote(1, 100, 5, 102, -1), "bad_qty", "aux_qty: must be from 0 to 1000000000000000 lots, got 5 and -1"),
        (frames.quote(1, 100, MAX_QTY + 1, 102, 5), "bad_qty", f"got {MAX_QTY + 1} and 5"),
        (frames.quote(65_536, 100, 5, 102, 5), "bad_symbol", "symbol: must be at most 65535, got 65536"),
        (altered(GOOD, flags=3), "bad_record", "flags, stp: must be 0, got 3 and 0"),
        (frames.print_trade(1, 3, 100, 1), "bad_record", "side: must be 1 or 2, got 3"),
        (frames.print_trade(1, 1, 100, 0), "bad_qty", "qty: must be from 1 to 1000000000000000 lots, got 0"),
        (frames.print_trade(1, 1, 2**62, 1), "bad_price", f"got {2**62}"),
    ],
)
def test_what_the_engine_refuses_of_a_feed_is_in_dead_and_the_rest_of_its_frame_goes_through(
    record: bytes, reason: str, words: str
) -> None:
    venue = Venue()
    reports = venue.command(GOOD, order(1), record, frames.set_time(0), frames.print_trade(1, 1, 101, 1))
    kinds = [ReportType.QUOTED, ReportType.ACCEPTED, ReportType.FILLED, ReportType.PRINTED]
    assert [r.type for r in reports if r.partition in (0, frames.PARTITION_ALL)] == kinds
    ((letter, raw),) = venue.letters()
    assert raw == record
    assert letter["reason"] == reason
    assert words in letter["text"]
    assert letter["stream"] == "commands.SIM.0"


TICKS = f"must be from -{MAX_PRICE} to {MAX_PRICE} ticks"
SESSION, BANDS = frames.session(1, Session.AUCTION), frames.bands(1, 1, 2)


@pytest.mark.parametrize(
    ("record", "reason", "text"),
    [
        (altered(SESSION, symbol=70_000), "bad_symbol", "symbol: must be at most 65535, got 70000"),
        (altered(SESSION, flags=3), "bad_record", "flags, stp: must be 0 to 2 and 0, got 3 and 0"),
        (altered(SESSION, price=-(2**63)), "bad_price", f"price: {TICKS}, got {-(2**63)}"),
        (altered(BANDS, stp=1), "bad_record", "flags, stp: must be 0 to 1 and 0, got 1 and 1"),
        (
            altered(BANDS, price=3),
            "bad_price",
            f"price, aux_price: {TICKS} and the lowest not above the highest, got 3 and 2",
        ),
        (altered(frames.set_time(1), flags=1), "bad_record", "flags, stp: must be 0, got 1 and 0"),
    ],
)
def test_a_refused_session_band_or_time_goes_to_dead_and_its_neighbours_go_through(
    record: bytes, reason: str, text: str
) -> None:
    venue = Venue()
    before, after = frames.quote(1, 100, 1, 200, 1), altered(order(), price=50)
    kinds = [r.type for r in venue.command(before, BANDS, frames.set_time(1), record, frames.bands(1), after)]
    assert kinds == [ReportType.QUOTED, ReportType.BANDS_SET, ReportType.BANDS_SET, ReportType.ACCEPTED]
    ((letter, raw),) = venue.letters()
    assert (letter["reason"], letter["text"], raw) == (reason, text, record)


@pytest.mark.parametrize(
    ("record", "what"), [(frames.quote(1, 1, 1, 2, 1), "quotes"), (frames.print_trade(1, 1, 1, 1), "prints")]
)
def test_a_halted_symbol_says_what_it_does_not_take(record: bytes, what: str) -> None:
    venue = Venue()
    venue.command(frames.session(1, Session.HALTED), record)
    ((letter, raw),) = venue.letters()
    assert (letter["reason"], raw) == ("session", record)
    assert letter["text"] == f"symbol: the session of symbol 1 takes no {what} now"


@settings(deadline=None)
@given(st.lists(st.binary(min_size=64, max_size=64), max_size=6), st.lists(st.integers(0, 11), min_size=6, max_size=6))
def test_any_records_are_executed_or_refused_in_a_sentence(records: list[bytes], kinds: list[int]) -> None:
    venue = Venue()
    sound = {"partition": 0, "symbol": 1, "flags": 0, "stp": 0}
    for record, kind in zip(records, kinds, strict=False):
        for fields in (sound, {**sound, "stp": 1}, {**sound, "symbol": 70_000}, {}):
            with suppress(BadEntry):
                venue.command(frames.quote(1, 1, 1, 2, 1), altered(record, type=kind, **fields))


def test_a_book_that_takes_no_more_says_so() -> None:
    venue = Venue()
    side = frames.quote(1, 100, MAX_QTY, 0, 0)
    for order_id in range(1, 9224):  # 2^63 - 1 lots are on the side with 9223 of the largest orders
        venue.command(altered(order(order_id), qty=MAX_QTY, price=50))
    venue.command(side)
    ((letter, raw),) = venue.letters()
    assert (letter["reason"], raw) == ("capacity", side)
    assert letter["text"] == f"qty: the book of symbol 1 takes no more, got {MAX_QTY}"


def test_what_an_account_sent_and_the_engine_refused_is_its_partitions_to_tell() -> None:
    venue = Venue()
    (report,) = venue.command(order(1, account=0))
    assert (report.type, report.partition) == (ReportType.REJECTED, 0)
    assert venue.letters() == []


@pytest.mark.parametrize("frame", [b"", b"x", b"x" * (RECORD_BYTES - 1), b"x" * (RECORD_BYTES + 1)])
def test_a_torn_frame_is_refused_whole(frame: bytes) -> None:
    with pytest.raises(BadEntry, match=f"frame: {len(frame)} bytes are not a whole number of 64"):
        Venue().fold({b"frame": frame})


def test_an_entry_that_is_no_frame_is_told_by_its_fields_however_long() -> None:
    with pytest.raises(BadEntry) as refused:
        Venue().fold({b"x" * 1_000_000: b"", b"data": b"{}"})
    assert refused.value.reason == "not_a_frame"
    assert "b'data'" in refused.value.text
    assert len(refused.value.text) < 200
