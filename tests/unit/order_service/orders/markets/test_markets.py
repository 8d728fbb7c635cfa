"""What orders know of markets beyond their top: where an order needs it, and only what keeps its promises."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from fillstream.libs.common.messages.market_report import SubscribeMarket, UnsubscribeMarket
from fillstream.libs.common.messages.reference import VenueTerms
from fillstream.services.order_service.orders.markets.market import Market
from fillstream.services.order_service.orders.markets.markets import Markets
from tests.support.orders import CONFIG, OrdersDesk
from tests.support.terms import but

TWO = but(CONFIG, venues={"SIM": VenueTerms(), "SIM2": VenueTerms()})
APPLE = TWO.instruments["AAPL"].id


class WatchingDesk(OrdersDesk):
    """A desk where orders 1, 2 … may need markets."""

    @property
    def markets(self) -> Markets:
        return self.stage._state.markets

    def watch(self, order_id: int, venue: str = "SIM", symbol: str = "AAPL") -> None:
        self.stage._commands.out = self.out
        self.markets.watch(order_id, venue, symbol)
        self._read()

    def unwatch(self, order_id: int) -> None:
        self.stage._commands.out = self.out
        self.markets.unwatch(order_id)
        self._read()

    def told(self, **fields: Any) -> dict[bytes, bytes]:
        report = {
            "type": "MarketReport", "v": 1, "venue": "SIM", "symbol": "AAPL", "time": self.ms, "session": "CONTINUOUS",
            "bids": [[18_500, 10], [18_499, 5]], "asks": [[18_510, 3]], "last": 18_505, "volume": 70,
            "notional": "1295350",
        }  # fmt: skip
        return {b"data": orjson.dumps(report | fields)}

    def of(self, venue: str = "SIM") -> Market | None:
        return self.markets.of(venue, APPLE)

    def asked(self) -> list[tuple[str, str]]:
        """Return what was asked since this was called last: stream and type."""
        found = [(stream, request.type) for stream, request in self.requests]
        self.requests.clear()
        return found


@pytest.fixture
def desk() -> WatchingDesk:
    return WatchingDesk(TWO)


def test_a_market_is_subscribed_to_with_its_first_need_and_left_after_the_last(desk: WatchingDesk) -> None:
    desk.watch(1)
    desk.watch(1)
    desk.watch(2)
    [(stream, request)] = desk.requests
    assert isinstance(request, SubscribeMarket)
    assert (stream, request.symbol, request.instrument_id, request.partition) == ("commands.SIM.0", "AAPL", APPLE, 0)
    assert [*desk.markets.needed_by("SIM", APPLE)] == [1, 2]
    desk.unwatch(1)
    desk.unwatch(7)
    assert len(desk.requests) == 1
    desk.unwatch(2)
    assert isinstance(desk.requests[-1][1], UnsubscribeMarket)
    assert [*desk.markets.needed_by("SIM", APPLE)] == []


def test_an_order_may_need_several_markets(desk: WatchingDesk) -> None:
    desk.watch(1, "SIM2")
    desk.watch(1)
    desk.restarted()
    desk.unwatch(1)
    assert desk.asked() == [
        ("commands.SIM2.0", "SubscribeMarket"),
        ("commands.SIM.0", "SubscribeMarket"),
        ("commands.SIM.0", "UnsubscribeMarket"),
        ("commands.SIM2.0", "UnsubscribeMarket"),
    ]


def test_a_report_is_known_in_integers_and_whoever_listens_hears_of_it(desk: WatchingDesk) -> None:
    desk.watch(1)
    assert desk.of() is None
    heard: list[Market] = []
    desk.markets.on_report.append(heard.append)
    assert desk.fold(desk.told(notional=str(-(10**30)))) == []
    market = desk.of()
    assert market == Market(
        "SIM", "AAPL", ((18_500, 10), (18_499, 5)), ((18_510, 3),), 70, -(10**30), 18_505, "CONTINUOUS", desk.ms,
        desk.ms,
    )  # fmt: skip
    assert heard == [market]
    desk.restarted()
    assert desk.of() == market
    assert desk.of("SIM2") is None


def test_the_same_volume_once_more_is_a_report_and_counts_from_the_same_beginning(desk: WatchingDesk) -> None:
    desk.watch(1)
    desk.fold(desk.told())
    first_ms = desk.ms
    desk.ms += 500
    desk.fold(desk.told(bids=[], last=None))
    market = desk.of()
    assert market is not None
    assert (market.bids, market.last, market.at_ms, market.counts_from_ms) == ((), None, desk.ms, first_ms)


def test_a_volume_that_goes_back_is_not_believed_and_the_next_report_begins_anew(desk: WatchingDesk) -> None:
    desk.watch(1)
    desk.fold(desk.told())
    desk.fold(desk.told(volume=69))
    letter = orjson.loads(desk.dead[-1][b"data"])
    assert letter["reason"] == "volume_went_back"
    assert letter["text"] == "volume: 69 lots of AAPL at SIM must be at least the 70 of before"
    assert desk.of() is None
    desk.ms += 100
    desk.fold(desk.told(volume=5))
    market = desk.of()
    assert market is not None
    assert (market.volume, market.counts_from_ms) == (5, desk.ms)


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"bids": [[5, 1], [5, 1]]}, "bad_report", "bids: each price must be below the one before, got 5 behind 5"),
        ({"asks": [[5, 1], [4, 1]]}, "bad_report", "asks: each price must be above the one before, got 4 behind 5"),
        ({"bids": [[5, 0]]}, "bad_report", "bids"),
        ({"asks": [[5, -1]]}, "bad_report", "asks"),
        ({"asks": [[5.0, 1]]}, "bad_report", "asks"),
        ({"asks": [[n, 1] for n in range(6)]}, "bad_report", "asks"),
        ({"bids": [[1 << 62, 1]]}, "bad_report", "bids"),
        ({"volume": -1}, "bad_report", "volume"),
        ({"volume": 1 << 63, "notional": "1e9"}, "bad_report", "notional"),
        ({"notional": "9" * 40}, "bad_report", "notional"),
        ({"session": "OPEN"}, "bad_report", "session"),
        ({"v": 7}, "bad_report", "v: 7"),
        ({"venue": "NOWHERE"}, "unknown_venue", "venue: 'NOWHERE' must be a venue of this desk, one of SIM, SIM2"),
        ({"symbol": "NOPE"}, "unknown_symbol", "symbol: 'NOPE' is no instrument of this desk"),
        ({"symbol": "ES"}, "unasked_report", "symbol: nobody here asked SIM for reports of ES"),
        ({"venue": "SIM2"}, "unasked_report", "symbol: nobody here asked SIM2 for reports of AAPL"),
        ({"last_report": True}, "unasked_report", "last_report: the subscription to AAPL at SIM was not ended"),
    ],
)
def test_what_breaks_a_reports_promises_or_was_not_asked_for_changes_nothing(
    desk: WatchingDesk, fields: dict[str, Any], reason: str, words: str
) -> None:
    desk.watch(1)
    desk.fold(desk.told())
    letter = desk.dead_letter(desk.told(**fields))
    assert letter["reason"] == reason
    assert words in letter["text"]


def test_reports_on_their_way_when_a_subscription_ends_are_left_out_until_its_end_is_answered(
    desk: WatchingDesk,
) -> None:
    desk.watch(1)
    desk.fold(desk.told())
    desk.unwatch(1)
    assert desk.of() is None
    desk.fold(desk.told(volume=71))
    desk.restarted()
    assert desk.of() is None
    desk.fold(desk.told(volume=72, last_report=True))
    assert not desk.dead
    assert not desk.markets
    assert b'"markets"' not in desk.stage.snapshot()
    assert desk.dead_letter(desk.told(volume=73))["reason"] == "unasked_report"


def test_who_needs_a_market_again_before_its_end_is_answered_goes_on(desk: WatchingDesk) -> None:
    desk.watch(1)
    desk.unwatch(1)
    desk.watch(2)
    assert [kind for _, kind in desk.asked()] == ["SubscribeMarket", "UnsubscribeMarket", "SubscribeMarket"]
    desk.fold(desk.told(volume=71, last_report=True))
    desk.fold(desk.told(volume=72))
    market = desk.of()
    assert market is not None
    assert market.volume == 72
    assert not desk.dead
    assert desk.dead_letter(desk.told(last_report=True, volume=73))["reason"] == "unasked_report"


def test_a_venue_that_is_defined_anew_is_asked_again(desk: WatchingDesk) -> None:
    desk.watch(1)
    desk.watch(2, "SIM2")
    desk.watch(3, "SIM2", "ES")
    desk.unwatch(3)
    desk.asked()
    offered = desk.restarted(but(TWO, venues={"SIM": VenueTerms(), "SIM2": VenueTerms(taker_fee_bps=Decimal(1))}))
    assert offered is not None
    desk.fold(offered)
    assert desk.asked() == [("commands.SIM2.0", "SubscribeMarket")]


def test_reports_that_nobody_can_use_open_a_venues_breaker() -> None:
    desk = WatchingDesk(but(TWO, venues={"SIM": VenueTerms(breaker_errors=2), "SIM2": VenueTerms()}))
    desk.watch(1)
    desk.fold(desk.told())
    for volume in (60, 50):
        desk.fold(desk.told(volume=volume))
        desk.fold(desk.told(volume=volume + 20))
    assert len(desk.dead) == 2
    assert "BreakerChanged" in [event["type"] for event in desk.events]
