"""What a simulated venue tells of its open orders: in pages, each exact among the reports, whatever is on its way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import OrdType, Side, Tif
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.mass_status import MOST_ROWS, MassStatusReport
from fillstream.libs.common.messages.simulation import IDEAL, SimulationConfig
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.mass_status import MOST_REQUESTS, PAGES
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.terms import instrument

NOON_MS = 1_700_000_000_000


class Venue:
    """An engine stage, and the pages and frames it sent to account partitions, in their order."""

    def __init__(self, config: SimulationConfig = IDEAL) -> None:
        self.config = config
        self.stage = self.made()
        self.ms = NOON_MS
        if (offered := self.stage.configuration()) is not None:
            self.fold(offered)

    def made(self) -> EngineStage:
        listings = {1: Listing("AAPL", instrument(1, Decimal("0.01"), Decimal(10)))}
        return EngineStage(Topology(2), 0, listings, config=self.config)

    def fold(self, fields: dict[bytes, bytes]) -> list[tuple[str, MassStatusReport | None]]:
        """Return stream and page of what was sent, None for a frame."""
        out = Outputs(self.stage.name, self.stage.inbox)
        entry = Entry(f"{self.ms}-0", self.ms, fields)
        out.begin(entry)
        self.stage.fold(entry, out)
        return [
            (stream, MassStatusReport.model_validate_json(payload) if kind == b"data" else None)
            for stream, kind, payloads in out.runs
            for payload in payloads
        ]

    def command(self, *records: bytes) -> list[tuple[str, MassStatusReport | None]]:
        return self.fold({b"frame": b"".join(records)})

    def ask(self, **fields: Any) -> list[tuple[str, MassStatusReport | None]]:
        document = {"type": "ReportMassStatus", "v": 1, "request_id": "q1", "partition": 0, **fields}
        return self.fold({b"data": orjson.dumps(document)})

    def wait(self, ms: int = 0) -> list[tuple[str, MassStatusReport | None]]:
        self.ms += ms
        return self.fold({b"tick": b"1"})

    def restart(self) -> None:
        twin = self.made()
        twin.restore(self.stage.snapshot())
        assert twin.snapshot() == self.stage.snapshot()
        self.stage = twin


def order(order_id: int, *, symbol: int = 1, partition: int = 0, account: int = 1, **terms: int) -> bytes:
    given: dict[str, Any] = {"side": Side.BUY, "ord_type": OrdType.LIMIT, "tif": Tif.GTC, "price": 15_000, "qty": 10}
    return frames.new_order(order_id, account, symbol, partition, **given | terms)


def only(sent: list[tuple[str, MassStatusReport | None]]) -> MassStatusReport:
    [(stream, page)] = sent
    assert stream == "orders.0"
    assert page is not None
    return page


def ids(page: MassStatusReport) -> list[int]:
    return [int(row.order_id or 0) for row in page.orders]


def test_an_empty_book_is_one_page_that_is_the_last() -> None:
    page = only(Venue().ask())
    assert (page.venue, page.request_id, page.symbol_partition, page.page) == ("SIM", "q1", 0, 1)
    assert (page.last_page, page.orders, page.covers) == (True, (), ("orders",))


def test_an_open_order_is_told_as_it_stands_and_nobody_elses() -> None:
    venue = Venue()
    venue.command(order(7), order(8, partition=1), order(9, account=2), order(5, side=Side.SELL, qty=4))
    page = only(venue.ask())
    assert ids(page) == [7, 9]
    row = page.orders[0]
    assert (row.symbol, row.side, row.quantity, row.cum_qty, row.price) == ("AAPL", "BUY", 100, 40, Decimal("150.00"))
    assert ids(only(venue.ask(account="second", account_id=2))) == [9]
    [(stream, other)] = venue.ask(partition=1)
    assert stream == "orders.1"
    assert other is not None
    assert ids(other) == [8]


def test_a_dormant_order_has_no_limit_that_could_be_compared_and_an_unlisted_one_no_numbers() -> None:
    venue = Venue()
    venue.command(order(1, ord_type=OrdType.STOP, price=0, stop_price=16_000), order(2, symbol=9))
    stop, unlisted = only(venue.ask()).orders
    assert (stop.price, stop.quantity) == (None, 100)
    assert (unlisted.symbol, unlisted.quantity, unlisted.account_id) == (None, None, 1)


def test_what_an_entry_tells_is_bounded_and_the_next_goes_on_whatever_happens_in_between() -> None:
    venue, most = Venue(), PAGES * MOST_ROWS
    venue.command(*(order(number) for number in range(1, most + 3)))
    pages = [page for _, page in venue.ask() if page is not None]
    assert [len(page.orders) for page in pages] == [MOST_ROWS] * PAGES
    assert not any(page.last_page for page in pages)
    assert venue.stage.due_ms == venue.ms, "the rest is due at once"
    venue.restart()
    # One that was told, and one that was not, are canceled; the reports stand before the next page.
    frame, page = venue.command(frames.cancel(1, 1, 1, 0), frames.cancel(most + 1, 1, 1, 0))
    assert frame == ("orders.0", None)
    last = only([page])
    assert (ids(last), last.page, last.last_page) == ([most + 2], PAGES + 1, True)
    assert venue.stage.due_ms is None
    assert venue.wait() == []


@pytest.mark.parametrize("count", [MOST_ROWS, MOST_ROWS + 1, PAGES * MOST_ROWS, PAGES * MOST_ROWS + 1])
def test_every_open_order_is_on_one_page_and_no_page_is_empty(count: int) -> None:
    """An order that is on none is lost for the desk, which may cancel it."""
    venue = Venue()
    venue.command(*(order(number) for number in range(1, count + 1)))
    pages = [page for _, page in [*venue.ask(), *venue.wait()] if page is not None]
    assert [each for page in pages for each in ids(page)] == [*range(1, count + 1)]
    assert [page.last_page for page in pages] == [False] * ((count - 1) // MOST_ROWS) + [True]


@pytest.mark.parametrize("restarts", [False, True])
def test_what_was_on_its_way_has_reached_the_book_when_it_is_told(restarts: bool) -> None:
    venue = Venue(SimulationConfig(delay_ms=100, seed=1))
    venue.command(order(1))
    venue.ms += 60
    assert venue.ask() == []
    assert venue.command(order(2)) == [], "sent after it was asked"
    if restarts:
        venue.restart()
    assert venue.stage.due_ms == NOON_MS + 100
    accepted, page = venue.wait(40)
    assert accepted == ("orders.0", None)
    assert ids(only([page])) == [1]
    assert ids(only(venue.wait(60)[1:] or venue.ask())) == [1, 2]


def test_requests_are_answered_one_after_the_other() -> None:
    venue = Venue(SimulationConfig(delay_ms=100, seed=1))
    venue.command(order(1))
    venue.ask(request_id="a")
    venue.ask(request_id="b", partition=1)
    answers = [page.request_id for each in (100, 0) for _, page in venue.wait(each) if page is not None]
    assert answers == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"{", "bad_json", "data: must be JSON, 1 bytes are not"),
        (b"[]", "bad_json", "data: must be a JSON object, got a list"),
        (b'{"type":"NewOrder"}', "unknown_type", "ReportMassStatus, SubscribeMarket, UnsubscribeMarket, got"),
        (b'{"type":"ReportMassStatus","partition":0}', "bad_value", "request_id"),
        (b'{"type":"ReportMassStatus","request_id":"q","partition":2}', "wrong_partition", "there are 2"),
        (b'{"type":"ReportMassStatus","request_id":"q","partition":0,"v":9}', "bad_value", "v: 9 must be at most 1"),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, reason: str, words: str) -> None:
    venue = Venue()
    with pytest.raises(BadEntry) as refused:
        venue.fold({b"data": data})
    assert refused.value.reason == reason
    assert words in refused.value.text
    assert venue.stage.due_ms is None


def test_no_more_requests_wait_than_there_is_room_for() -> None:
    venue = Venue(SimulationConfig(delay_ms=100, seed=1))
    venue.command(order(1))
    for number in range(MOST_REQUESTS):
        venue.ask(request_id=str(number))
    with pytest.raises(BadEntry, match=f"{MOST_REQUESTS} requests wait"):
        venue.ask(request_id="more")
