"""Quotes that grow old: told once each, when they do, however often they came before, and again when they come back."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.services.order_service.orders.markets import quotes
from tests.support.orders import CONFIG, NOON_MS, SYMBOL_IDS, OrdersDesk
from tests.support.terms import but, instrument

AGED = but(CONFIG, max_quote_age_ms=5_000)


@pytest.fixture
def desk() -> OrdersDesk:
    return OrdersDesk(AGED)


def at(desk: OrdersDesk, ms: int) -> list[dict[str, Any]]:
    """Let time pass, to so long after noon; return what is told of quotes."""
    desk.ms = NOON_MS + ms
    return [
        {name: event.get(name) for name in ("type", "symbol", "quoted_time", "due_time")}
        for event in desk.fold({b"tick": b"1"})
        if event["type"] in ("QuoteStale", "QuoteUpdated")
    ]


def test_a_quote_is_told_to_be_stale_once_and_as_it_becomes_so(desk: OrdersDesk) -> None:
    desk.quote(18_490, 18_500)
    assert [each["type"] for each in at(desk, 300)] == ["QuoteUpdated"]
    assert at(desk, 5_000) == []
    desk.restarted()
    [told] = at(desk, 60_000)
    assert told == {
        "type": "QuoteStale", "symbol": "AAPL", "quoted_time": NOON_MS, "due_time": NOON_MS + 6_000,
    }, "it was looked at at 5 000, too early by one"  # fmt: skip
    assert at(desk, 120_000) == []
    desk.restarted()
    assert at(desk, 180_000) == [], "nobody looks where all are stale"
    assert desk.stage.due_ms is None or desk.stage.due_ms > NOON_MS + 180_000


def test_a_quote_that_comes_again_unchanged_is_not_stale(desk: OrdersDesk) -> None:
    for ms in range(0, 20_000, 4_000):
        at(desk, ms)
        desk.quote(18_490, 18_500)
    assert at(desk, 21_000) == []
    [told] = at(desk, 30_000)
    assert (told["type"], told["quoted_time"], told["due_time"]) == ("QuoteStale", NOON_MS + 16_000, NOON_MS + 22_000)


def test_the_next_quote_of_a_stale_market_is_told_though_it_is_the_same(desk: OrdersDesk) -> None:
    desk.quote(18_490, 18_500)
    at(desk, 300)
    assert [each["type"] for each in at(desk, 10_000)] == ["QuoteStale"]
    desk.quote(18_490, 18_500)
    assert [each["type"] for each in at(desk, 10_300)] == ["QuoteUpdated"]
    assert [each["type"] for each in at(desk, 16_000)] == ["QuoteStale"], "and it may grow stale once more"


def test_each_market_by_itself_and_no_more_of_them_at_an_entry_than_it_may_send(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.quote(18_490, 18_500)
    at(desk, 250)
    at(desk, 2_000)
    desk.quote(45_000, 45_002, symbol="BTCUSDT")
    at(desk, 3_000)
    assert [each["symbol"] for each in at(desk, 6_000)] == ["AAPL"]
    assert [each["symbol"] for each in at(desk, 8_000)] == ["BTCUSDT"]
    for symbol in ("AAPL", "BTCUSDT", "ES"):
        desk.quote(100, 102, symbol=symbol)
    at(desk, 9_000)
    looked = quotes.look
    monkeypatch.setattr(quotes, "look", lambda state, journal, room: looked(state, journal, 2))
    assert len(at(desk, 14_500)) == 3, "the third at once"


def test_where_quotes_have_no_age_nobody_looks() -> None:
    desk = OrdersDesk()
    desk.quote(18_490, 18_500)
    assert [each["type"] for each in at(desk, 300)] == ["QuoteUpdated"]
    assert [timer for timer in desk.stage._state.timers.dump() if timer["what"] == "stale"] == []


def test_an_age_that_is_taken_away_ends_it(desk: OrdersDesk) -> None:
    desk.quote(18_490, 18_500)
    at(desk, 300)
    desk.stage._state.config = CONFIG
    assert at(desk, 60_000) == []


def test_an_age_that_is_set_once_the_feed_is_dead_is_looked_at() -> None:
    desk = OrdersDesk()
    desk.quote(18_490, 18_500)
    at(desk, 300)
    at(desk, 60_000)
    desk.fold({b"config": AGED.to_json()})
    assert [each["type"] for each in at(desk, 61_000)] == ["QuoteStale"]


def test_a_desk_that_took_an_instrument_later_tells_the_same_once_it_is_restored(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot knows nothing of who came first: it has the configuration's order."""
    desk.config = but(AGED, instruments={"AAAA": instrument(9, "0.01", 1), **AGED.instruments})
    desk.fold({b"config": desk.config.to_json()})
    monkeypatch.setitem(SYMBOL_IDS, "AAAA", 9)
    for symbol in ("AAPL", "ES", "AAAA"):
        desk.quote(100, 102, symbol=symbol)
    at(desk, 300)
    kept, told = desk.stage.snapshot(), len(desk.events)
    lived = [each["symbol"] for each in at(desk, 60_000)]
    del desk.events[told:]
    desk.stage.restore(kept)
    assert [each["symbol"] for each in at(desk, 60_000)] == lived == ["AAPL", "ES", "AAAA"]
