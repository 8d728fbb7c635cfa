"""The books of a simulated venue by the calendar: halted while closed, auctions before a session opens and closes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import OrdType, ReportFlag, ReportType, Session, Side, Tif
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.calendar import CALENDAR, Calendars, CalendarTable, InstrumentHours
from fillstream.libs.common.messages.simulation import IDEAL, SimulationConfig
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs, calendar_of
from fillstream.services.matching_engine.stage import EngineStage

BEGIN = 1_700_000_000_000
OPEN, PAUSE, GO_ON, CLOSE = BEGIN + 1_000, BEGIN + 3_000, BEGIN + 4_000, BEGIN + 6_000
AUCTION = 500
TABLE = CalendarTable(
    zone="UTC", from_ms=BEGIN - 1_000, until_ms=BEGIN + 20_000,
    sessions=(("one", OPEN, CLOSE, PAUSE, GO_ON), ("two", OPEN + 10_000, CLOSE + 10_000)),
)  # fmt: skip
HOURS = InstrumentHours(calendar="XTST", open_auction_ms=AUCTION, close_auction_ms=AUCTION)
CALENDARS = Calendars(calendars={"XTST": TABLE}, instruments={"1": HOURS})
SLOW = SimulationConfig(delay_ms=100)


class Venue:
    """An engine stage whose instrument 1 goes by a calendar, and instrument 2 by none."""

    def __init__(self, config: SimulationConfig = IDEAL, calendars: Calendars = CALENDARS) -> None:
        self.stage = EngineStage(Topology(), 0, {}, config=config, calendars=lambda: calendars)
        self.out = Outputs(self.stage.name, self.stage.inbox)
        self.ms = BEGIN
        for offered in (calendar_of(self.stage), self.stage.configuration()):
            if offered is not None:
                self.fold(offered)

    def fold(self, fields: dict[bytes, bytes]) -> list[frames.Report]:
        entry = Entry(f"{self.ms}-0", self.ms, fields)
        self.out.begin(entry)
        self.stage.fold(entry, self.out)
        _, sent = self.out.by_stream.pop("orders.0", (b"", []))
        return [frames.Report._make(each) for frame in sent for each in frames.reports(frame)]

    def at(self, ms: int, *records: bytes) -> list[frames.Report]:
        self.ms = ms
        return self.fold({b"frame": b"".join(records)} if records else {b"tick": b"1"})

    @property
    def session(self) -> int:
        return self.stage._engine.session(1)


def limit(order_id: int, side: Side, price: int, qty: int, expiry_ms: int = 0, **more: Any) -> bytes:
    tif = Tif.DAY if expiry_ms else Tif.GTC
    more = {"ord_type": OrdType.LIMIT, "tif": tif, **more}
    return frames.new_order(order_id, order_id, 1, 0, side=side, price=price, qty=qty, expiry_ms=expiry_ms, **more)


def kinds(reports: list[frames.Report]) -> list[tuple[ReportType, int]]:
    return [(ReportType(each.type), each.order_id or each.aux) for each in reports]


def test_a_book_goes_through_its_day() -> None:
    venue = Venue()
    assert venue.session == Session.HALTED
    for ms, session in (
        (OPEN - AUCTION, Session.AUCTION), (OPEN, Session.CONTINUOUS), (PAUSE, Session.HALTED),
        (GO_ON, Session.CONTINUOUS), (CLOSE - AUCTION, Session.AUCTION), (CLOSE, Session.HALTED),
        (OPEN + 10_000 - AUCTION, Session.AUCTION),
    ):  # fmt: skip
        assert venue.stage.due_ms == ms
        venue.at(ms - 1)
        assert venue.session != session
        venue.at(ms)
        assert venue.session == session
    assert venue.stage._engine.session(2) == Session.CONTINUOUS


def test_the_opening_uncrosses_what_was_collected_at_one_price_and_the_rest_expires_with_it() -> None:
    venue = Venue()
    venue.at(OPEN - 100, limit(1, Side.BUY, 105, 10, OPEN), limit(2, Side.SELL, 95, 4), limit(3, Side.SELL, 99, 3))
    reports = venue.at(OPEN)
    fills = [each for each in reports if each.type == ReportType.FILLED]
    assert {each.price for each in fills} == {99} and sum(each.qty for each in fills if each.side == Side.BUY) == 7
    assert all(each.flags & ReportFlag.AUCTION for each in fills)
    assert kinds(reports)[-1] == (ReportType.EXPIRED, 1), "what is for the opening alone ends with it"
    assert (reports[-1].qty, venue.stage._engine.orders()) == (3, 0)


def test_the_close_uncrosses_before_the_day_ends() -> None:
    venue = Venue()
    venue.at(OPEN)
    venue.at(CLOSE - 100, limit(1, Side.BUY, 100, 10, CLOSE), limit(2, Side.SELL, 100, 4, CLOSE))
    reports = kinds(venue.at(CLOSE))
    assert [each for each, _ in reports].count(ReportType.FILLED) == 2
    assert (ReportType.EXPIRED, 1) in reports and venue.session == Session.HALTED


def test_the_reference_of_an_auction_is_the_last_price() -> None:
    venue = Venue()
    venue.at(OPEN, frames.print_trade(1, Side.BUY, 123, 1))
    told = [each for each in venue.at(CLOSE - AUCTION) if each.type == ReportType.SESSION_SET][-1]
    assert (told.aux, told.price) == (Session.AUCTION, 123)


def test_what_was_quoted_before_the_close_stands_no_more() -> None:
    venue = Venue()
    venue.at(OPEN, frames.quote(1, 99, 5, 101, 5))
    for ms in (PAUSE, CLOSE):
        [told] = [each for each in venue.at(ms) if each.type == ReportType.QUOTED]
        assert (told.qty, told.aux) == (0, 0)
        assert venue.stage._engine.best(1) == (None, None)
        venue.at(GO_ON, frames.quote(1, 99, 5, 101, 5))


def test_what_rests_stands_over_the_night_and_cancels_are_taken() -> None:
    venue = Venue()
    venue.at(OPEN, limit(1, Side.BUY, 90, 5), limit(2, Side.BUY, 91, 5))
    assert kinds(venue.at(CLOSE + 1, frames.cancel(2, 2, 1, 0)))[-1] == (ReportType.CANCELED, 2)
    assert kinds(venue.at(CLOSE + 1, limit(3, Side.SELL, 90, 5)))[-1] == (ReportType.REJECTED, 3)
    reports = venue.at(OPEN + 10_000, limit(4, Side.SELL, 90, 5))
    assert [each.order_id for each in reports if each.type == ReportType.FILLED] == [1, 4]


def test_a_feed_that_goes_on_while_the_market_is_closed_is_counted_and_not_buried() -> None:
    venue = Venue()
    venue.at(
        BEGIN + 1, frames.quote(1, 99, 5, 101, 5), frames.print_trade(1, Side.BUY, 100, 1), frames.quote(2, 1, 1, 2, 1)
    )
    venue.at(OPEN - 1, frames.print_trade(1, Side.BUY, 100, 1))
    assert venue.stage.gauges()["closed_market_data"] == {"": 3}
    assert not venue.out.dead
    venue.at(OPEN, frames.session(1, Session.HALTED))
    venue.at(OPEN + 1, frames.quote(1, 99, 5, 101, 5))
    assert [each for each in venue.out.reasons] == ["session"], "a halt of a person's is no closed market"


def test_what_a_person_set_stands_until_the_next_change() -> None:
    venue = Venue()
    venue.at(OPEN, frames.session(1, Session.HALTED))
    venue.at(PAUSE - 1)
    assert venue.session == Session.HALTED
    venue.at(PAUSE)
    assert not venue.out.dead, "there is no quote to withdraw from a halted book"
    venue.at(GO_ON)
    assert venue.session == Session.CONTINUOUS


@pytest.mark.parametrize("config", [IDEAL, SLOW], ids=["ideal", "slow"])
def test_a_stage_that_comes_back_late_makes_up_for_all_of_it_in_order(config: SimulationConfig) -> None:
    late, punctual = Venue(config), Venue(config)
    records = limit(1, Side.BUY, 100, 10), limit(2, Side.SELL, 100, 4, CLOSE)
    told = [], []  # type: ignore[var-annotated]
    for venue, into in zip((late, punctual), told, strict=True):
        into.extend(venue.at(OPEN - 200, *records))
    while (due := punctual.stage.due_ms) is not None and due <= CLOSE + 50:
        told[1].extend(punctual.at(due))
    for venue, into in zip((late, punctual), told, strict=True):
        into.extend(venue.at(CLOSE + 50))
    assert kinds(told[0]) == kinds(told[1])
    assert late.stage.snapshot() == punctual.stage.snapshot()


def test_of_a_slow_venue_what_is_due_before_a_change_comes_before_it() -> None:
    venue = Venue(SLOW)
    venue.at(CLOSE - 100, limit(1, Side.BUY, 100, 1))
    venue.at(CLOSE - 99, limit(2, Side.BUY, 100, 1))
    reports = kinds(venue.at(CLOSE + 10))
    assert (ReportType.REJECTED, 1) in reports and (ReportType.REJECTED, 2) in reports
    venue = Venue(SLOW)
    venue.at(CLOSE - 101, limit(1, Side.BUY, 100, 1))
    assert (ReportType.ACCEPTED, 1) in kinds(venue.at(CLOSE + 10))


@pytest.mark.parametrize("config", [IDEAL, SLOW], ids=["ideal", "slow"])
def test_sessions_are_a_part_of_snapshots(config: SimulationConfig) -> None:
    venue = Venue(config)
    venue.at(OPEN - 100, limit(1, Side.BUY, 100, 1))
    twin = Venue(config)
    twin.stage.restore(venue.stage.snapshot())
    assert twin.stage.snapshot() == venue.stage.snapshot()
    assert (twin.stage.calendar(), twin.stage.due_ms) == (None, venue.stage.due_ms)
    twin.ms = venue.ms
    assert twin.at(CLOSE) == venue.at(CLOSE)


def test_without_calendars_a_snapshot_is_the_books_alone() -> None:
    venue = Venue(calendars=Calendars())
    assert venue.stage.calendar() is None
    assert venue.stage.snapshot() == venue.stage._engine.snapshot()


def test_other_calendars_change_the_books_that_they_have_otherwise_now() -> None:
    venue = Venue()
    venue.at(OPEN)
    closed = Calendars(calendars={"XTST": TABLE.model_copy(update={"sessions": ()})}, instruments={"1": HOURS})
    venue.at(OPEN + 1, frames.quote(1, 99, 5, 101, 5))
    told = kinds(venue.fold({CALENDAR: closed.to_json()}))
    assert told == [(ReportType.QUOTED, 0), (ReportType.SESSION_SET, Session.HALTED)], "what was quoted goes with it"
    assert venue.stage.due_ms is None
    assert kinds(venue.fold({CALENDAR: closed.to_json()})) == []
    assert kinds(venue.fold({CALENDAR: Calendars().to_json()})) == [(ReportType.SESSION_SET, Session.CONTINUOUS)]
    assert venue.stage.snapshot() == venue.stage._engine.snapshot()


def test_behind_the_end_of_its_calendar_a_book_stays_closed() -> None:
    venue = Venue()
    venue.at(TABLE.until_ms + 1)
    assert (venue.session, venue.stage.due_ms) == (Session.HALTED, None)


def test_what_is_no_calendar_is_refused_and_changes_nothing() -> None:
    venue = Venue()
    before = venue.stage.snapshot()
    with pytest.raises(BadEntry, match="calendar: must be JSON"):
        venue.fold({CALENDAR: b"{"})
    assert venue.stage.snapshot() == before
    assert orjson.loads(before.partition(b"\n")[0])["sessions"]["until_ms"] == BEGIN
