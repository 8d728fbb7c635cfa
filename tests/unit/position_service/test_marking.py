"""Marks: what of a market they are, and when positions are told of them."""

from __future__ import annotations

from typing import Any

import pytest

from fillstream.libs.common.runtime.stage import Entry, Outputs, due_of
from fillstream.services.position_service import marking, stage
from fillstream.services.position_service.stage import PositionStage
from tests.support.positions_desk import T0, PositionsDesk


@pytest.fixture
def desk() -> PositionsDesk:
    """A position of 10 in AAPL, told at most once in a second."""
    desk = PositionsDesk()
    desk.define(mark_interval_ms=1_000)
    desk.fill("BUY", "10", "5.00")
    return desk


def at(desk: PositionsDesk, ms: int, bid: str, ask: str) -> list[tuple[str, str]]:
    """Quote at so many milliseconds; return the accounts and marks that were told."""
    desk.later_ms = ms - desk.seq - 1
    return told(desk.quote(bid, ask))


def told(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    assert {each["type"] for each in messages} <= {"PositionMarked"}
    return [(each["account"], each["mark_px"]) for each in messages]


def tick(desk: PositionsDesk, ms: int) -> list[tuple[str, str]]:
    return told(desk.fold(Entry(f"{T0 + ms}-9", T0 + ms, {b"tick": b"1"})))


def due(desk: PositionsDesk) -> int | None:
    due_ms = due_of(desk.stage)
    return None if due_ms is None else due_ms - T0


def test_the_first_move_is_told_at_once_and_the_next_ones_together_once_the_interval_is_over(
    desk: PositionsDesk,
) -> None:
    assert at(desk, 100, "5.00", "5.02") == [("alpha", "5.01")]
    assert at(desk, 300, "5.10", "5.12") == []
    assert at(desk, 900, "5.20", "5.22") == []
    assert due(desk) == 1_100
    assert tick(desk, 1_099) == []
    assert tick(desk, 1_100) == [("alpha", "5.21")]
    assert due(desk) is None
    assert at(desk, 2_100, "5.30", "5.32") == [("alpha", "5.31")]


def test_any_entry_serves_as_a_tick_and_comes_after_what_was_due(desk: PositionsDesk) -> None:
    at(desk, 100, "5.00", "5.02")
    at(desk, 200, "5.10", "5.12")
    desk.later_ms = 5_000
    marked, changed = desk.put("OrderFilled", **desk.order("BUY", exec_id="x", venue="SIM", last_qty="1",
                               last_px="5.00", liquidity="TAKER", fee="0", currency="USD", strategy=None))  # fmt: skip
    assert (marked["type"], marked["position"], marked["mark_px"]) == ("PositionMarked", "10", "5.11")
    assert (changed["type"], changed["position"]) == ("PositionChanged", "11")


def test_a_fill_is_told_with_the_newest_mark_whatever_was_told_of_it(desk: PositionsDesk) -> None:
    at(desk, 100, "5.00", "5.02")
    at(desk, 200, "6.00", "6.02")
    assert desk.fill("BUY", "1", "5.00", order_id="8")["mark_px"] == "6.01"


def test_nothing_is_due_where_nothing_is_held(desk: PositionsDesk) -> None:
    desk.define("MSFT", mark_interval_ms=1_000)
    desk.put("QuoteUpdated", symbol="MSFT", venue="SIM", bid_px="1.00", bid_qty="1", ask_px="1.02", ask_qty="1",
             last_px=None)  # fmt: skip
    assert due(desk) is None


def test_a_position_that_ended_before_its_turn_is_not_told(desk: PositionsDesk) -> None:
    at(desk, 100, "5.00", "5.02")
    at(desk, 200, "6.00", "6.02")
    desk.fill("SELL", "10", "5.00", order_id="8")
    assert tick(desk, 1_100) == []


def test_more_than_an_entry_may_send_is_told_by_the_next_and_moves_meanwhile_in_their_turn(
    desk: PositionsDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (marking, stage):
        monkeypatch.setattr(module, "MOST_OUTPUTS", 2)
    for account in ("b", "c", "d", "e"):
        desk.fill("BUY", "10", "5.00", account=account)
    assert at(desk, 100, "5.00", "5.02") == [("alpha", "5.01"), ("b", "5.01")]
    assert due(desk) == 100, "at once"
    twin = PositionsDesk()
    twin.stage.restore(desk.stage.snapshot())
    assert tick(desk, 101) == tick(twin, 101) == [("c", "5.01"), ("d", "5.01")]
    assert at(desk, 102, "5.10", "5.12") == [("e", "5.01")], "what was due comes first"
    assert due(desk) == 1_102
    assert tick(desk, 1_102) == [("alpha", "5.11"), ("b", "5.11")]
    assert at(desk, 1_102, "5.20", "5.22") == [("c", "5.11"), ("d", "5.11")]
    assert tick(desk, 1_103) == [("e", "5.21")]
    assert tick(desk, 2_103) == [("alpha", "5.21"), ("b", "5.21")]
    assert tick(desk, 2_103) == [("c", "5.21"), ("d", "5.21")]
    assert (tick(desk, 2_104), due(desk)) == ([("e", "5.21")], None)


def test_excursions_are_by_the_marks_that_were_told(desk: PositionsDesk) -> None:
    at(desk, 100, "5.00", "5.02")
    at(desk, 200, "9.00", "9.02")
    at(desk, 300, "4.00", "4.02")
    tick(desk, 1_100)
    desk.fill("SELL", "10", "5.00", order_id="8")
    assert [desk.ended[0][name] for name in ("best_pnl", "worst_pnl")] == ["0.1", "-9.9"]


@pytest.mark.parametrize(
    ("marked_by", "market", "marks"),
    [
        ("MID", ("5.00", "5.04", "4.00"), ("5.02", "5.02")),
        ("LAST", ("5.00", "5.04", "4.00"), ("4.00", "4.00")),
        ("LAST", ("5.00", "5.04", None), ("5.02", "5.02")),
        ("CLOSING", ("5.00", "5.04", "4.00"), ("5.00", "5.04")),
        ("CLOSING", (None, "5.04", "5.01"), ("5.01", "5.04")),
        ("CLOSING", ("5.00", None, "6.00"), ("5.00", "6.00")),
    ],
)
def test_a_mark_is_what_the_terms_say_of_the_market(
    marked_by: str, market: tuple[str | None, str | None, str | None], marks: tuple[str, str]
) -> None:
    desk = PositionsDesk()
    desk.define(mark_price_type=marked_by)
    desk.fill("BUY", "10", "5.00")
    desk.fill("SELL", "10", "5.00", account="beta")
    long, short = desk.quote(*market)
    assert (long["mark_px"], short["mark_px"]) == marks
    assert desk.quote(*market) == []
    for message in (long, short):
        pnl = (float(message["mark_px"]) - 5) * float(message["position"])
        assert float(message["unrealized_pnl"]) == pytest.approx(pnl)
    twin = PositionStage(1)
    twin.restore(desk.stage.snapshot())
    assert twin.snapshot() == desk.stage.snapshot()


def test_without_a_word_positions_are_told_once_a_second_at_the_mid() -> None:
    desk = PositionsDesk()
    desk.define()
    terms = desk.stage._books.instruments["AAPL"]
    assert terms.interval_ms == 0, "as the test's desk has it"
    event = {"type": "InstrumentDefined", "v": 1, "seq": 2, "time": T0, "symbol": "AAPL", "instrument_id": 7,
             "tick_size": "0.01", "lot_size": "1", "multiplier": "1", "currency": "USD"}  # fmt: skip
    desk.stage._defined(event, Outputs("positions", "events.1"))
    assert (terms.interval_ms, terms.marked_by, terms.id) == (1_000, "MID", 7)


def test_an_instrument_that_gets_its_number_after_an_upgrade_keeps_its_turn(desk: PositionsDesk) -> None:
    at(desk, 100, "5.00", "5.02")
    at(desk, 200, "6.00", "6.02")
    desk.numbers["AAPL"] = 99
    desk.define(mark_interval_ms=1_000)
    assert tick(desk, 1_100) == [("alpha", "6.01")]


def test_a_mark_whose_venue_quotes_no_more_is_flagged_until_it_does(desk: PositionsDesk) -> None:
    at(desk, 100, "5.00", "5.02")
    aged = {"symbol": "AAPL", "quoted_time": T0}
    assert desk.put("QuoteStale", venue="OTHER", **aged) == [], "another venue's is no mark"
    desk.later_ms = 2_000
    [message] = desk.put("QuoteStale", venue="SIM", **aged)
    assert (message["mark_px"], message["mark_stale"], message["unrealized_pnl"]) == ("5.01", True, "0.1")
    assert desk.stage.gauges()["marks_stale"] == {"": 1}
    data = desk.stage.snapshot()
    desk.stage = PositionStage(1)
    desk.stage.restore(data)
    assert desk.stage.snapshot() == data
    desk.later_ms = 4_000
    assert desk.fill("BUY", "1", "5.00")["mark_stale"]
    assert "mark_stale" not in desk.fill("SELL", "11", "5.00"), "nothing is held, nothing is valued"
    assert desk.stage.gauges()["marks_stale"] == {"": 0}
    desk.fill("BUY", "1", "5.00")
    desk.later_ms = 6_000
    [message] = desk.quote("5.00", "5.02")
    assert message["mark_px"] == "5.01" and "mark_stale" not in message, "told though it is the same"


def test_an_instrument_that_nobody_holds_or_that_has_no_mark_tells_nothing_of_its_age() -> None:
    desk = PositionsDesk()
    desk.define()
    assert desk.put("QuoteStale", symbol="AAPL", venue="SIM", quoted_time=T0) == []
    desk.fill("BUY", "10", "5.00")
    assert desk.put("QuoteStale", symbol="AAPL", venue="SIM", quoted_time=T0) == []
