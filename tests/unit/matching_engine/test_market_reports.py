"""What a simulated venue tells of its markets: to who subscribed, ten times a second at most, at last as they stand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.engine import frames
from fillstream.libs.common.engine.frames import OrdType, Session, Side, Tif
from fillstream.libs.common.messages.bad_entry import BadEntry
from fillstream.libs.common.messages.market_report import LEVELS, REPORT_EVERY_MS, MarketReport
from fillstream.libs.common.messages.simulation import IDEAL, SimulationConfig
from fillstream.libs.common.messages.topology import Topology
from fillstream.libs.common.runtime.stage import Entry, Outputs
from fillstream.services.matching_engine import market_reports
from fillstream.services.matching_engine.listing import Listing
from fillstream.services.matching_engine.stage import EngineStage
from tests.support.terms import instrument

NOON_MS = 1_700_000_000_000
Sent = list[tuple[str, MarketReport | None]]


class Venue:
    """An engine stage, and the reports and frames it sent to account partitions, in their order."""

    def __init__(self, config: SimulationConfig = IDEAL) -> None:
        self.config = config
        self.stage = self.made()
        self.ms = NOON_MS
        if (offered := self.stage.configuration()) is not None:
            self.fold(offered)

    def made(self) -> EngineStage:
        listings = {1: Listing("AAPL", instrument(1, Decimal("0.01"), Decimal(10)))}
        return EngineStage(Topology(3), 0, listings, config=self.config)

    def fold(self, fields: dict[bytes, bytes]) -> Sent:
        out = Outputs(self.stage.name, self.stage.inbox)
        entry = Entry(f"{self.ms}-0", self.ms, fields)
        out.begin(entry)
        self.stage.fold(entry, out)
        return [
            (stream, MarketReport.model_validate_json(payload) if kind == b"data" else None)
            for stream, kind, payloads in out.runs
            for payload in payloads
        ]

    def command(self, *records: bytes) -> Sent:
        return self.fold({b"frame": b"".join(records)})

    def ask(self, kind: str = "SubscribeMarket", **fields: Any) -> Sent:
        document = {"type": kind, "v": 1, "partition": 0, "symbol": "AAPL", "instrument_id": 1, **fields}
        return self.fold({b"data": orjson.dumps(document)})

    def wait(self, ms: int) -> Sent:
        self.ms += ms
        return self.fold({b"tick": b"1"})

    def restart(self) -> None:
        twin = self.made()
        twin.restore(self.stage.snapshot())
        assert twin.snapshot() == self.stage.snapshot()
        assert twin.due_ms == self.stage.due_ms
        self.stage = twin


def order(order_id: int, price: int, qty: int = 10, side: Side = Side.BUY, symbol: int = 1) -> bytes:
    return frames.new_order(
        order_id, 1, symbol, 0, side=side, ord_type=OrdType.LIMIT, tif=Tif.GTC, price=price, qty=qty
    )


def reports(sent: Sent) -> list[tuple[str, MarketReport]]:
    return [(stream, report) for stream, report in sent if report is not None]


def only(sent: Sent) -> MarketReport:
    [(_, report)] = reports(sent)
    return report


def test_without_a_subscription_nothing_is_sent_and_nothing_is_kept() -> None:
    venue = Venue()
    assert reports(venue.command(frames.quote(1, 99, 5, 101, 5), order(1, 100))) == []
    assert not venue.stage.snapshot().startswith(b"{")
    assert venue.stage.due_ms is None


def test_who_subscribes_is_told_at_once_how_the_market_stands_and_what_was_traded_before() -> None:
    venue = Venue()
    venue.command(frames.quote(1, 14_990, 5, 15_010, 7), frames.print_trade(1, Side.BUY, 15_000, 30))
    venue.command(order(1, 15_010, 4), *(order(2 + n, 14_980 - n) for n in range(7)))
    report = only(venue.ask())
    assert (report.venue, report.symbol, report.time, report.session) == ("SIM", "AAPL", NOON_MS, "CONTINUOUS")
    assert report.bids == ((14_990, 5), *((14_980 - n, 10) for n in range(LEVELS - 1)))
    assert report.asks == ((15_010, 3),)
    assert (report.volume, report.notional, report.last) == (34, str(30 * 15_000 + 4 * 15_010), 15_010)
    assert report.last_report is None


def test_a_market_without_a_trade_has_no_last_price() -> None:
    report = only(Venue().ask())
    assert (report.bids, report.asks, report.volume, report.notional, report.last) == ((), (), 0, "0", None)


def test_a_symbol_is_told_at_most_ten_times_a_second_and_at_last_as_it_stands() -> None:
    venue = Venue()
    venue.ask()
    told = [only(venue.command(frames.quote(1, 99, 5, 101, 5)))]
    for n in range(1, 50):
        venue.ms += 10
        sent = reports(venue.command(frames.quote(1, 99, 5 + n, 101, 5)))
        told += [report for _, report in sent]
    assert [report.time - NOON_MS for report in told] == [0, 100, 200, 300, 400]
    assert venue.stage.due_ms == NOON_MS + 400 + REPORT_EVERY_MS
    venue.restart()
    last = only(venue.wait(10))
    assert last.bids == ((99, 54),)
    assert venue.stage.due_ms is None
    assert reports(venue.wait(1_000)) == []


def test_a_report_stands_behind_the_frame_that_changed_the_market_and_goes_to_each_who_subscribed() -> None:
    venue = Venue()
    venue.ask(partition=2)
    [(stream, _)] = venue.ask(partition=0)
    assert stream == "orders.0"
    sent = venue.command(order(1, 100))
    assert [(stream, report is None) for stream, report in sent if stream == "orders.0"] == [
        ("orders.0", True),
        ("orders.0", False),
    ]
    assert [stream for stream, _ in reports(sent)] == ["orders.0", "orders.2"]


def test_another_symbol_that_changes_is_nobodys_business() -> None:
    venue = Venue()
    venue.ask()
    assert reports(venue.command(frames.quote(2, 99, 5, 101, 5))) == []
    assert venue.stage.due_ms is None


def test_a_session_is_told() -> None:
    venue = Venue()
    venue.ask()
    assert only(venue.command(frames.session(1, Session.HALTED))).session == "HALTED"
    venue.ms += REPORT_EVERY_MS
    assert only(venue.command(frames.session(1, Session.AUCTION))).session == "AUCTION"


def test_what_arrives_late_at_a_slow_venue_is_told_when_it_is_in_the_book() -> None:
    venue = Venue(SimulationConfig(delay_ms=150, seed=1))
    venue.ask()
    assert reports(venue.command(order(1, 100))) == []
    venue.restart()
    assert only(venue.wait(150)).bids == ((100, 10),)


def test_an_end_is_answered_and_no_report_comes_behind_it() -> None:
    venue = Venue()
    venue.ask()
    venue.ask(partition=1)
    venue.command(order(1, 100))
    venue.ms += 10
    venue.command(order(2, 101))
    assert venue.stage.due_ms == NOON_MS + REPORT_EVERY_MS
    last = only(venue.ask("UnsubscribeMarket"))
    assert (last.last_report, last.bids[0]) == (True, (101, 10))
    [(stream, _)] = reports(venue.wait(REPORT_EVERY_MS))
    assert stream == "orders.1"
    venue.command(order(3, 102))
    only(venue.ask("UnsubscribeMarket", partition=1))
    assert venue.stage.due_ms is None
    assert reports(venue.command(order(4, 103))) == []
    assert not venue.stage.snapshot().startswith(b"{"), "nothing is kept of who left"
    assert only(venue.ask("UnsubscribeMarket")).last_report, "who had not subscribed gets an answer, too"


def test_subscriptions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_reports, "MOST_SUBSCRIPTIONS", 2)
    venue = Venue()
    venue.ask()
    venue.ask(partition=1)
    with pytest.raises(BadEntry, match="2 subscriptions are there, which is the most"):
        venue.ask(partition=2)
    only(venue.ask(partition=1))  # who is one of them may ask again
    venue.ask("UnsubscribeMarket")
    only(venue.ask(partition=2))


def test_a_restored_venue_tells_what_the_other_one_tells() -> None:
    venue = Venue()
    venue.ask(partition=1)
    venue.command(order(1, 100))
    venue.ms += 30
    venue.command(order(2, 101))
    other = Venue()
    other.stage.restore(venue.stage.snapshot())
    other.ms = venue.ms
    for each in (venue, other):
        each.ms += REPORT_EVERY_MS
    assert venue.command(order(3, 102)) == other.command(order(3, 102))
    other.stage.restore(Venue().stage.snapshot())
    assert reports(other.command(order(4, 103))) == [], "a snapshot without subscriptions has none"


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"partition": 3}, "wrong_partition", "partition: 3 is no account partition, there are 3"),
        ({"instrument_id": 0}, "bad_value", "instrument_id"),
        ({"symbol": "no symbol"}, "bad_value", "symbol"),
        ({"v": 9}, "bad_value", "v: 9"),
        ({"depth": 7}, "bad_value", "depth"),
    ],
)
def test_what_is_no_subscription_is_refused(fields: dict[str, Any], reason: str, words: str) -> None:
    venue = Venue()
    with pytest.raises(BadEntry) as refused:
        venue.ask(**fields)
    assert refused.value.reason == reason
    assert words in refused.value.text
    assert venue.stage.due_ms is None
